//! Fewer nodes and fewer clients: the same plan for a smaller cast.

use seedfast_sim::{Fault, Plan, Schedule};

/// The largest cluster of which every pair of nodes is tried to be left out.
const PAIRS: u8 = 9;

/// The plan for every smaller cluster that is worth a try: without any two nodes (the majority shrinks with them), and
/// without any one.
pub(crate) fn without_nodes(plan: &Plan) -> Vec<Plan> {
    let nodes = plan.schedule.nodes;
    let mut found = Vec::new();
    if (4..=PAIRS).contains(&nodes) {
        for first in 0..nodes {
            // From behind, so that the second number still means the same node.
            for second in 0..first {
                found.push(without_node(&without_node(plan, first), second));
            }
        }
    }
    if nodes > 1 {
        found.extend((0..nodes).rev().map(|node| without_node(plan, node)));
    }
    found
}

/// The plan without one node: its faults go with it, those behind it move up.
fn without_node(plan: &Plan, gone: u8) -> Plan {
    let mut plan = plan.clone();
    let schedule = &mut plan.schedule;
    schedule.nodes -= 1;
    if usize::from(gone) < schedule.clocks.len() {
        schedule.clocks.remove(usize::from(gone));
    }
    let up = |endpoint: &mut u8| *endpoint -= u8::from(*endpoint > gone);
    schedule.faults.retain_mut(|timed| keep(&mut timed.fault, &|endpoint| endpoint == gone, &up));
    plan
}

/// Takes endpoints out of a fault and renames the others; false if nothing of it is left.
fn keep(fault: &mut Fault, is_gone: &dyn Fn(u8) -> bool, rename: &dyn Fn(&mut u8)) -> bool {
    if let Fault::Partition { groups, .. } = fault {
        for group in groups.iter_mut() {
            group.retain(|member| !is_gone(*member));
        }
        groups.retain(|group| !group.is_empty());
    }
    let mut names_gone = false;
    fault.each_endpoint(|endpoint| names_gone |= is_gone(*endpoint));
    fault.each_endpoint(rename);
    !names_gone
}

/// The plan with fewer clients, the fewest first.
pub(crate) fn without_clients(plan: &Plan) -> Vec<Plan> {
    let Schedule { nodes, clients, .. } = plan.schedule;
    let mut counts = vec![0, 1, 2, clients / 2, clients.saturating_sub(1)];
    counts.retain(|fewer| *fewer < clients);
    counts.sort_unstable();
    counts.dedup();
    let smaller = |fewer| {
        let mut plan = plan.clone();
        plan.schedule.clients = fewer;
        let is_gone = |endpoint| endpoint >= nodes + fewer;
        plan.schedule.faults.retain_mut(|timed| keep(&mut timed.fault, &is_gone, &|_| ()));
        plan
    };
    counts.into_iter().map(smaller).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use seedfast_sim::Target;
    use seedfast_sim::{Clock, Timed};

    fn plan(faults: Vec<Fault>) -> Plan {
        let clocks = (0..5).map(|drift| Clock { drift, ..Clock::default() }).collect();
        let faults = faults.into_iter().map(|fault| Timed { at: 1, fault }).collect();
        let schedule = Schedule { nodes: 5, clients: 2, end: 9, clocks, faults, ..Schedule::default() };
        Plan { schedule, ..Plan::default() }
    }

    #[test]
    fn a_node_goes_with_its_faults_and_the_others_keep_theirs() {
        let plan = plan(vec![
            Fault::Restart { node: 1 },
            Fault::Restart { node: 2 },
            Fault::Sever { from: 1, to: 4, lasts: 1 },
            Fault::Sever { from: 0, to: 6, lasts: 1 },
            Fault::Partition { groups: vec![vec![1], vec![0, 2, 5]], lasts: None },
            Fault::Freeze { target: Target::Focus, lasts: 1 },
        ]);
        let smaller = without_node(&plan, 1).schedule;
        let faults: Vec<Fault> = smaller.faults.into_iter().map(|timed| timed.fault).collect();
        assert_eq!(
            faults,
            [
                Fault::Restart { node: 1 },
                Fault::Sever { from: 0, to: 5, lasts: 1 },
                Fault::Partition { groups: vec![vec![0, 1, 4]], lasts: None },
                Fault::Freeze { target: Target::Focus, lasts: 1 },
            ]
        );
        let drifts: Vec<i64> = smaller.clocks.iter().map(|clock| clock.drift).collect();
        assert_eq!(drifts, [0, 2, 3, 4]);
        let all = without_nodes(&plan);
        assert_eq!(all.len(), 10 + 5);
        assert!(all[..10].iter().all(|plan| plan.schedule.nodes == 3 && plan.schedule.check().is_ok()));
    }

    #[test]
    fn clients_go_from_behind_and_what_names_them_goes_too() {
        let plan =
            plan(vec![Fault::Sever { from: 0, to: 6, lasts: 1 }, Fault::Sever { from: 0, to: 5, lasts: 1 }]);
        let found = without_clients(&plan);
        let shapes: Vec<(u8, usize)> =
            found.iter().map(|plan| (plan.schedule.clients, plan.schedule.faults.len())).collect();
        assert_eq!(shapes, [(0, 0), (1, 1)]);
    }
}

//! What may take the place of a fault: the same with less to it, or another one that is easier to understand.

use super::case::CALM_NETWORK;
use seedfast_sim::{Atlas, Caches, Cut, Fault, Loss, Nanos, Network, Place, Schedule, Target};

/// Outputs behind which a crash is tried to fall.
const OUTPUTS: u16 = 8;

/// Everything that may take the place of `fault` in `schedule`, the simplest first.
pub(crate) fn variants(fault: &Fault, schedule: &Schedule) -> Vec<Fault> {
    let mut found = Vec::new();
    if fault.target() == Some(Target::Focus) {
        for node in 0..schedule.nodes {
            let mut aimed = fault.clone();
            if let Some(target) = aimed.target_mut() {
                *target = Target::Node(node);
            }
            found.push(aimed);
        }
    }
    let (nodes, endpoints) = (schedule.nodes, schedule.nodes + schedule.clients);
    let at = |target: Target| match target {
        Target::Node(node) => Some(node),
        Target::Focus => None,
    };
    match fault {
        Fault::Crash { .. } => of_crash(&mut found, fault),
        Fault::LoseDevices { target, restart_after } => {
            let (target, restart_after) = (*target, *restart_after);
            found.push(Fault::Crash { target, loss: Loss::Power, cut: Cut::Now, restart_after });
            found.push(Fault::LoseDevices { target, restart_after: None });
        }
        Fault::Pause { target, lasts, sampled: true } => {
            found.push(Fault::Pause { target: *target, lasts: *lasts, sampled: false });
        }
        Fault::Isolate { target, clients_too, lasts } => {
            if let Some(node) = at(*target) {
                for other in (0..nodes).filter(|other| *other != node) {
                    found.push(Fault::Sever { from: node, to: other, lasts: *lasts });
                    found.push(Fault::Sever { from: other, to: node, lasts: *lasts });
                }
            }
            if *clients_too {
                found.push(Fault::Isolate { target: *target, clients_too: false, lasts: *lasts });
            }
        }
        Fault::Partition { groups, lasts } => of_partition(&mut found, groups, *lasts, nodes, schedule.end),
        Fault::Flap { from, to, lasts, .. } | Fault::Clog { from, to, lasts } => {
            found.push(Fault::Sever { from: *from, to: *to, lasts: *lasts });
        }
        Fault::Degrade { from, to, network, lasts } => {
            of_degrade(&mut found, (*from, *to), network, *lasts, endpoints);
        }
        Fault::Starve { message, to: None, lasts } => {
            found.extend((0..nodes).map(|to| Fault::Starve {
                message: *message,
                to: Some(to),
                lasts: *lasts,
            }));
        }
        Fault::DiskDegrade { target, disk, lasts } => {
            let change = |change: &dyn Fn(&mut seedfast_sim::Disk)| {
                let mut disk = *disk;
                change(&mut disk);
                Fault::DiskDegrade { target: *target, disk, lasts: *lasts }
            };
            found.extend(disks(disk).into_iter().map(|disk| change(&|place| *place = disk)));
        }
        Fault::Unreadable { target, device, place, lasts: Some(_) } => {
            let (target, device, place) = (*target, *device, *place);
            found.push(Fault::Unreadable { target, device, place, lasts: None });
        }
        Fault::Rot { target, device, place: Place::Range { at, length }, bits } if *length > 64 => {
            for (at, length) in [(*at, length / 2), (at + length / 2, length - length / 2)] {
                let place = Place::Range { at, length };
                found.push(Fault::Rot { target: *target, device: *device, place, bits: *bits });
            }
        }
        _ => {}
    }
    found.retain(|other| other != fault);
    found
}

/// One fault that does what two do: a crash that lasts until the second one's restart, a trouble that lasts until the
/// second one ends. `between` is the time from the first to the second.
pub(crate) fn merged(first: &Fault, second: &Fault, between: Nanos) -> Option<Fault> {
    let target = first.target()?;
    match (first, second) {
        (&Fault::Crash { loss, cut, .. }, &Fault::Crash { target: other, restart_after, .. }) => {
            let restart_after = restart_after.map(|after| between + after);
            (target == other).then_some(Fault::Crash { target, loss, cut, restart_after })
        }
        (&Fault::Crash { loss, cut, .. }, &Fault::Restart { node }) => {
            let restart_after = Some(between);
            (target == Target::Node(node)).then_some(Fault::Crash { target, loss, cut, restart_after })
        }
        (Fault::LoseDevices { .. }, &Fault::Crash { target: other, restart_after, .. }) => {
            let restart_after = restart_after.map(|after| between + after);
            (target == other).then_some(Fault::LoseDevices { target, restart_after })
        }
        (Fault::LoseDevices { .. }, &Fault::Restart { node }) => {
            let restart_after = Some(between);
            (target == Target::Node(node)).then_some(Fault::LoseDevices { target, restart_after })
        }
        _ => {
            let until = between + second.lasts()?;
            // Alike but for how long they last.
            let mut alike = second.clone();
            *alike.lasts_mut()? = first.lasts()?;
            let mut merged = first.clone();
            *merged.lasts_mut()? = until;
            (alike == *first).then_some(merged)
        }
    }
}

fn of_crash(found: &mut Vec<Fault>, fault: &Fault) {
    let &Fault::Crash { target, loss, cut, restart_after } = fault else { return };
    let losses: &[Loss] = if loss == Loss::Power { &[Loss::Process, Loss::Power] } else { &[Loss::Process] };
    let mut cuts = vec![Cut::Now];
    if cut != Cut::Now {
        cuts.extend((0..OUTPUTS).map(Cut::AfterOutput));
        cuts.push(cut);
    }
    let restarts: &[Option<u64>] =
        if restart_after.is_some() { &[None, restart_after] } else { &[restart_after] };
    for &loss in losses {
        for &cut in &cuts {
            for &restart_after in restarts {
                found.push(Fault::Crash { target, loss, cut, restart_after });
            }
        }
    }
}

fn of_partition(found: &mut Vec<Fault>, groups: &[Vec<u8>], lasts: Option<u64>, nodes: u8, end: u64) {
    let time = lasts.unwrap_or(end);
    for from in 0..nodes {
        for to in (0..nodes).filter(|to| *to != from) {
            found.push(Fault::Sever { from, to, lasts: time });
        }
    }
    for clients_too in [false, true] {
        let isolate = |node| Fault::Isolate { target: Target::Node(node), clients_too, lasts: time };
        found.extend((0..nodes).map(isolate));
    }
    for (place, group) in groups.iter().enumerate() {
        for member in 0..group.len() {
            let mut fewer = groups.to_vec();
            fewer[place].remove(member);
            fewer.retain(|group| !group.is_empty());
            found.push(Fault::Partition { groups: fewer, lasts });
        }
    }
}

fn of_degrade(
    found: &mut Vec<Fault>,
    (from, to): (Option<u8>, Option<u8>),
    network: &Network,
    lasts: u64,
    endpoints: u8,
) {
    if let (Some(from), Some(to)) = (from, to) {
        found.push(Fault::Sever { from, to, lasts });
    }
    for calmer in networks(network) {
        found.push(Fault::Degrade { from, to, network: calmer, lasts });
    }
    let network = *network;
    if from.is_none() {
        let from = (0..endpoints).filter(|from| Some(*from) != to);
        found.extend(from.map(|from| Fault::Degrade { from: Some(from), to, network, lasts }));
    }
    if to.is_none() {
        let to = (0..endpoints).filter(|to| Some(*to) != from);
        found.extend(to.map(|to| Fault::Degrade { from, to: Some(to), network, lasts }));
    }
}

/// Calmer networks than `network`, the calmest first.
pub(crate) fn networks(network: &Network) -> Vec<Network> {
    let constant = |latency| Network { latency_min: latency, latency_max: latency, ..*network };
    let no = |change: fn(&mut Network)| {
        let mut network = *network;
        change(&mut network);
        network
    };
    let mut found = vec![
        CALM_NETWORK,
        Network { latency_min: network.latency_min, latency_max: network.latency_min, ..CALM_NETWORK },
        Network { latency_min: network.latency_max, latency_max: network.latency_max, ..CALM_NETWORK },
        Network { latency_min: network.latency_min, latency_max: network.latency_max, ..CALM_NETWORK },
        constant(CALM_NETWORK.latency_min),
        constant(network.latency_min),
        constant(network.latency_max),
        constant(network.latency_min.midpoint(network.latency_max)),
        no(|n| (n.tail, n.tail_max) = (0, 0)),
        no(|n| n.loss = 0),
        no(|n| n.duplication = 0),
        no(|n| n.reordering = 0),
        no(|n| n.corruption = 0),
        no(|n| n.throttle = 0),
    ];
    found.retain(|other| other != network);
    found
}

/// Calmer devices than `disk`, the calmest first. The caches and the atlas are those of the run: they only ever become
/// the usual ones.
pub(crate) fn disks(disk: &seedfast_sim::Disk) -> Vec<seedfast_sim::Disk> {
    use seedfast_sim::Disk;
    let calm = super::case::calm_disk();
    let (caches, atlas) = (disk.caches, disk.atlas);
    let no = |change: fn(&mut Disk)| {
        let mut disk = *disk;
        change(&mut disk);
        disk
    };
    let timed = |write: u64, sync: u64| Disk {
        write_min: write,
        write_max: write,
        sync_min: sync,
        sync_max: sync,
        caches,
        atlas,
        ..calm
    };
    let mut found = vec![
        calm,
        Disk { caches, atlas, ..calm },
        timed(disk.write_min, disk.sync_min),
        timed(disk.write_max, disk.sync_max),
        no(|d| (d.stall, d.stall_max) = (0, 0)),
        no(|d| d.sync_failure = 0),
        no(|d| d.write_error = 0),
        no(|d| d.no_space = 0),
        no(|d| d.read_error = 0),
        no(|d| d.lost_write = 0),
        no(|d| d.misdirected = 0),
        no(|d| d.caches = Caches::default()),
        no(|d| d.atlas = Atlas::default()),
        no(|d| (d.write_min, d.write_max) = (super::case::WRITE, super::case::WRITE)),
        no(|d| (d.sync_min, d.sync_max) = (super::case::SYNC, super::case::SYNC)),
        no(|d| d.write_max = d.write_min),
        no(|d| d.write_min = d.write_max),
        no(|d| d.sync_max = d.sync_min),
        no(|d| d.sync_min = d.sync_max),
    ];
    found.retain(|other| other != disk);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crash_is_tried_without_its_power_its_cut_and_its_restart() {
        let schedule = Schedule { nodes: 3, end: 9, ..Schedule::default() };
        let target = Target::Node(1);
        let fault = Fault::Crash { target, loss: Loss::Power, cut: Cut::Drawn, restart_after: Some(5) };
        let found = variants(&fault, &schedule);
        let simplest = Fault::Crash { target, loss: Loss::Process, cut: Cut::Now, restart_after: None };
        assert_eq!(found.first(), Some(&simplest));
        assert!(found.contains(&Fault::Crash {
            target,
            loss: Loss::Power,
            cut: Cut::Drawn,
            restart_after: None
        }));
        assert!(!found.contains(&fault));
        assert_eq!(variants(&simplest, &schedule), []);
    }

    #[test]
    fn two_faults_that_do_one_thing_become_one() {
        let target = Target::Node(1);
        let crash =
            |target, restart_after| Fault::Crash { target, loss: Loss::Power, cut: Cut::Now, restart_after };
        let both = crash(target, Some(7));
        assert_eq!(merged(&crash(target, None), &crash(target, Some(2)), 5), Some(both));
        assert_eq!(merged(&crash(target, None), &crash(Target::Node(2), Some(2)), 5), None);
        assert_eq!(
            merged(&crash(target, None), &Fault::Restart { node: 1 }, 5),
            Some(crash(target, Some(5)))
        );
        let freeze = |target, lasts| Fault::Freeze { target, lasts };
        assert_eq!(merged(&freeze(target, 1), &freeze(target, 2), 5), Some(freeze(target, 7)));
        assert_eq!(merged(&freeze(target, 1), &freeze(Target::Focus, 2), 5), None);
        assert_eq!(merged(&Fault::Heal, &Fault::Heal, 5), None);
    }

    #[test]
    fn what_strikes_whoever_leads_is_tried_on_each_node() {
        let schedule = Schedule { nodes: 3, end: 9, ..Schedule::default() };
        let found = variants(&Fault::Freeze { target: Target::Focus, lasts: 1 }, &schedule);
        let expected: Vec<Fault> =
            (0..3).map(|node| Fault::Freeze { target: Target::Node(node), lasts: 1 }).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_partition_is_tried_as_one_node_alone_and_as_one_cut_link() {
        let schedule = Schedule { nodes: 3, clients: 1, end: 9, ..Schedule::default() };
        let fault = Fault::Partition { groups: vec![vec![0], vec![1, 2, 3]], lasts: Some(4) };
        let found = variants(&fault, &schedule);
        assert!(found.contains(&Fault::Sever { from: 0, to: 1, lasts: 4 }));
        assert!(found.contains(&Fault::Isolate { target: Target::Node(2), clients_too: true, lasts: 4 }));
        assert!(found.contains(&Fault::Partition { groups: vec![vec![0], vec![1, 2]], lasts: Some(4) }));
    }
}

//! Snapshots end to end: taken while commands go on, handed to whoever lags, read back after a restart; with a crash
//! between any two effects, and with devices that were damaged or lost.

#[allow(dead_code, reason = "each user takes what it needs")]
mod cluster;
#[allow(dead_code, reason = "each user takes what it needs")]
mod lab;

use lab::{Lab, OPTIONS};
use seedfast_core::Geometry;
use seedfast_core::journal::Layout;
use seedfast_core::paxos::Slot;
use seedfast_core::paxos::observe::Observation;
use seedfast_core::paxos::wire::kind;

fn installs(lab: &Lab, id: usize) -> usize {
    let said = lab.members[id].said.iter();
    said.filter(|said| matches!(said, Observation::Install { .. })).count()
}

fn has_said(lab: &Lab, id: usize, what: fn(&Observation) -> bool) -> bool {
    lab.members[id].said.iter().any(what)
}

/// A group of three that has served so many commands.
fn served(commands: u64) -> (Lab, seedfast_core::SessionId) {
    let mut lab = Lab::new(3, |_| {});
    let session = lab.open_session();
    lab.commands(session, 1, commands + 1);
    (lab, session)
}

#[test]
fn a_snapshot_is_taken_and_what_it_stands_in_for_is_forgotten() {
    let (mut lab, session) = served(60);
    lab.converge(61);
    for id in 0..3 {
        assert!(has_said(&lab, id, |said| matches!(said, Observation::Snapshot { .. })), "n{id}");
        assert!(has_said(&lab, id, |said| matches!(said, Observation::Trim { .. })), "n{id}");
        let status = lab.members[id].replica.as_ref().and_then(|replica| replica.status()).expect("it runs");
        assert!(status.snapshot >= Slot(48) && status.first >= Slot(40), "{status:?}");
        assert_eq!(status.snapshot.0 % 8, 0, "replicas stop at the same slots");
    }
    // With all of them down, nothing is left but what their devices hold.
    (0..3).for_each(|id| lab.crash(id));
    (0..3).for_each(|id| lab.start(id));
    lab.commands(session, 61, 71);
    lab.converge(71);
    assert!((0..3).all(|id| installs(&lab, id) == 1), "each began with its snapshot");
}

#[test]
fn a_voter_that_stays_away_blocks_nobody_and_is_handed_a_snapshot() {
    let (mut lab, session) = served(4);
    lab.converge(5);
    let away = (lab.leader().expect("somebody leads") + 1) % 3;
    lab.members[away].cut = true;
    // Many times what the ring of the journal holds.
    lab.commands(session, 5, 1500);
    assert_eq!(lab.overloaded, 0);
    lab.members[away].cut = false;
    lab.commands(session, 1500, 1510);
    lab.converge(1510);
    assert!(installs(&lab, away) >= 1);
}

#[test]
fn a_transfer_goes_on_after_losses_at_another_peer_and_after_a_restart() {
    let (mut lab, session) = served(4);
    lab.converge(5);
    let leader = lab.leader().expect("somebody leads");
    let (away, other) = ((leader + 1) % 3, (leader + 2) % 3);
    lab.members[away].cut = true;
    lab.commands(session, 5, 41);
    lab.rounds(100);
    lab.members[away].cut = false;
    let pieces = |lab: &Lab, id: usize| lab.members[id].frames.get(&kind::PIECE.0).copied().unwrap_or(0);
    lab.until("a piece left", |lab| pieces(lab, leader) + pieces(lab, other) >= 2);
    // The peer that hands it out dies; the one that fetches restarts with what is on its device.
    let source = if pieces(&lab, leader) > 0 { leader } else { other };
    lab.crash(source);
    lab.power = false;
    lab.crash(away);
    lab.start(away);
    lab.lose(&[kind::PIECE]);
    lab.rounds(300);
    lab.lose(&[]);
    let before = pieces(&lab, 0) + pieces(&lab, 1) + pieces(&lab, 2);
    lab.until("the snapshot is installed", |lab| installs(lab, away) >= 1);
    lab.start(source);
    lab.commands(session, 41, 45);
    lab.converge(45);
    assert!(before >= 2);
}

#[test]
fn a_replica_whose_snapshot_is_damaged_votes_on_and_fetches_another() {
    let (mut lab, session) = served(40);
    lab.converge(41);
    let victim = (lab.leader().expect("somebody leads") + 1) % 3;
    let other = (victim + 1) % 3;
    lab.crash(victim);
    let layout = Layout::new(&Geometry::disk(lab::CAPACITY), &OPTIONS).expect("it fits");
    for area in 0..2 {
        let at = layout.snapshot(area) as usize + 130;
        lab.members[victim].disk.visible[at] ^= 1;
    }
    // Without it there is no quorum: it has to vote although it has no state.
    lab.crash(other);
    lab.lose(&[kind::PIECE]);
    lab.start(victim);
    lab.until("a leader", |lab| lab.leader().is_some());
    lab.commands(session, 41, 44);
    assert_eq!(installs(&lab, victim), 0);
    let status = lab.members[victim].replica.as_ref().and_then(|replica| replica.status()).expect("it runs");
    assert!(status.applied == Slot(0) && !status.amnesiac, "{status:?}");
    lab.lose(&[]);
    lab.start(other);
    lab.commands(session, 44, 50);
    lab.converge(50);
    assert_eq!(installs(&lab, victim), 1);
}

#[test]
fn a_replica_on_a_new_device_learns_and_never_votes() {
    let (mut lab, session) = served(40);
    lab.converge(41);
    let victim = (lab.leader().expect("somebody leads") + 1) % 3;
    lab.replace(victim);
    lab.start(victim);
    lab.commands(session, 41, 80);
    lab.converge(80);
    assert!(has_said(&lab, victim, |said| *said == Observation::Amnesiac));
    assert!(installs(&lab, victim) >= 1);
    // A later life knows it still.
    lab.crash(victim);
    lab.start(victim);
    lab.commands(session, 80, 90);
    lab.converge(90);
    // Two voters are left, and both are needed.
    let other = (0..3).find(|id| *id != victim && lab.leader() != Some(*id)).expect("there are three");
    lab.crash(other);
    lab.until("nobody leads", |lab| lab.leader().is_none());
    lab.rounds(2000);
    assert_eq!(lab.leader(), None, "an amnesiac makes no quorum");
}

#[test]
fn a_restart_finds_every_vote_that_no_snapshot_stands_in_for() {
    let mut lab = Lab::new(3, |config| config.window = 16);
    let session = lab.open_session();
    lab.commands(session, 1, 3);
    let mut next = 3;
    for lives in 0..8 {
        // Slots above the one at which the snapshot stops are voted on while it is written.
        lab.burst(session, next, next + 12);
        lab.rounds(8 + lives);
        (0..3).for_each(|id| lab.crash(id));
        (0..3).for_each(|id| lab.start(id));
        lab.commands(session, next, next + 12);
        next += 12;
    }
    lab.converge(next);
}

#[test]
fn leaders_that_come_and_go_while_nothing_is_decided_fill_no_journal() {
    let mut lab = Lab::new(3, |config| config.window = 16);
    let session = lab.open_session();
    lab.commands(session, 1, 3);
    // A third of the ring is voted for, and nobody hears of it.
    lab.lose(&[kind::ACCEPTED]);
    lab.burst(session, 3, 15);
    lab.rounds(20);
    for _ in 0..8 {
        let leader = lab.leader().expect("somebody leads");
        lab.crash(leader);
        lab.start(leader);
        lab.until("somebody leads", |lab| lab.leader().is_some());
        lab.rounds(20);
    }
    lab.lose(&[]);
    lab.commands(session, 3, 16);
    lab.converge(16);
}

#[test]
fn a_candidate_does_not_count_a_promise_that_begins_behind_what_it_asked_for() {
    let (mut lab, session) = served(4);
    lab.converge(5);
    let leader = lab.leader().expect("somebody leads");
    let (behind, voter) = ((leader + 1) % 3, (leader + 2) % 3);
    lab.members[behind].cut = true;
    // Less than a window, so that the voter does not refuse the pre-vote already.
    lab.commands(session, 5, 25);
    lab.rounds(100);
    lab.crash(leader);
    lab.members[behind].cut = false;
    // It learns nothing, and nobody else campaigns.
    lab.members[voter].lost = vec![kind::LEARN, kind::SNAPSHOT, kind::PRE_VOTE];
    lab.rounds(4000);
    assert_eq!(lab.leader(), None);
    let asked =
        |said: &Observation| matches!(said, Observation::Prepare { ballot, .. } if ballot.round() > 1);
    assert!(lab.members[behind].said.iter().any(asked), "it asked for promises");
    lab.lose(&[]);
    lab.start(leader);
    lab.commands(session, 25, 30);
    lab.converge(30);
}

/// Whatever `play` does, with a crash of `victim` after each of its effects from the first on that falls in it.
fn crash_everywhere(
    power: bool,
    step: u64,
    play: impl Fn(&mut Lab, &mut dyn FnMut(&mut Lab)) -> (usize, u64),
) {
    let mut after = 0;
    loop {
        let mut lab = Lab::new(3, |_| {});
        lab.power = power;
        let (mut began, mut victim_of) = (None, None);
        let mut arm = |lab: &mut Lab| {
            let victim = lab.members.iter().position(|member| member.crash_after == Some(u64::MAX));
            let victim = victim.expect("the play marks its victim");
            let member = &mut lab.members[victim];
            member.crash_after = Some(member.effects + after);
            (began, victim_of) = (Some(member.effects), Some(victim));
        };
        let (victim, to) = play(&mut lab, &mut arm);
        assert_eq!(victim_of, Some(victim));
        let crashed = !lab.is_up(victim);
        if crashed {
            lab.start(victim);
        } else {
            lab.members[victim].crash_after = None;
        }
        lab.converge(to);
        if !crashed {
            eprintln!("power {power}: {after} effects of n{victim} from {began:?} on");
            assert!(after >= 10, "the play has {after} effects of n{victim} from {began:?} on");
            return;
        }
        after += step;
    }
}

#[test]
fn a_crash_between_any_two_effects_of_taking_leaves_the_old_snapshot_or_the_new_one() {
    for power in [true, false] {
        for follower in [false, true] {
            crash_everywhere(power, 1, |lab, arm| {
                let session = lab.open_session();
                lab.commands(session, 1, 12);
                let leader = lab.leader().expect("somebody leads");
                let victim = if follower { (leader + 1) % 3 } else { leader };
                lab.members[victim].crash_after = Some(u64::MAX);
                arm(lab);
                lab.commands(session, 12, 20);
                lab.rounds(60);
                (victim, 20)
            });
        }
    }
}

#[test]
fn a_crash_between_any_two_effects_of_a_transfer_leaves_the_old_state_or_the_new_one() {
    for power in [true, false] {
        for receives in [true, false] {
            crash_everywhere(power, 1, |lab, arm| {
                let session = lab.open_session();
                lab.commands(session, 1, 4);
                let leader = lab.leader().expect("somebody leads");
                let away = (leader + 1) % 3;
                lab.members[away].cut = true;
                lab.commands(session, 4, 30);
                lab.rounds(100);
                lab.members[away].cut = false;
                let victim = if receives { away } else { leader };
                lab.members[victim].crash_after = Some(u64::MAX);
                arm(lab);
                lab.rounds(400);
                (victim, 30)
            });
        }
    }
}

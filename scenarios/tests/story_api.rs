//! Stories through the API: what cannot be said in a text file, or is asked of values rather than of words.

use seedfast_core::client::Status;
use seedfast_scenarios::story::Story;
use seedfast_sim::Loss;

/// How every question asked so far ended.
fn endings(story: &mut Story) -> Vec<Status> {
    story.answers().into_iter().map(|answer| answer.status).collect()
}

#[test]
fn nothing_is_decided_without_a_quorum() {
    let mut story = Story::new(5);
    story.until_leader(0);
    story.propose("before", 0);
    story.advance_millis(100);
    assert_eq!(endings(&mut story), [Status::Done]);

    story.cut(&[&[0, 1], &[2], &[3], &[4]]);
    story.propose("x", 0);
    story.advance_millis(5_000);
    // The client is told that nobody knows, never that it was done.
    assert_eq!(endings(&mut story), [Status::InDoubt]);
    for node in 0..5 {
        assert_eq!(story.applied(node), ["before"]);
    }

    story.mend();
    let leader = story.until_some_leader();
    story.retry("x", leader);
    story.advance_millis(200);
    assert_eq!(endings(&mut story), [Status::Done]);
    assert_eq!(story.applied(leader), ["before", "x"]);
}

#[test]
fn what_was_acknowledged_is_durable_on_a_quorum() {
    // Whichever node never comes back, the other two still know.
    for gone in 0..3 {
        let mut story = Story::new(3);
        story.until_leader(0);
        story.propose("x", 0);
        story.until("the answer", |story| story.answered() > 0);
        (0..3).for_each(|node| story.crash(node, Loss::Power));
        (0..3).filter(|node| *node != gone).for_each(|node| story.restart(node));
        let leader = story.until_some_leader();
        story.until("x to be applied", |story| story.applied(leader) == ["x"]);
    }
}

#[test]
fn a_command_asked_for_everywhere_and_often_takes_effect_once() {
    let mut story = Story::new(3);
    story.until_leader(0);
    story.propose("x", 0);
    for _ in 0..5 {
        (0..3).for_each(|node| story.retry("x", node));
    }
    story.crash(0, Loss::Power);
    let leader = story.until_some_leader();
    (0..5).for_each(|_| story.retry("x", leader));
    story.restart(0);
    story.advance_millis(1_000);
    for node in 0..3 {
        assert_eq!(story.applied(node), ["x"]);
    }
}

#[test]
fn a_leader_that_dies_in_any_place_of_the_turn_that_proposes_loses_nothing_acknowledged() {
    for outputs in 0..2 {
        let mut story = Story::new(3);
        story.until_leader(0);
        story.propose("a", 0);
        story.advance_millis(100);
        assert_eq!(endings(&mut story), [Status::Done]);

        story.crash_after(0, Loss::Power, outputs);
        story.propose("x", 0);
        story.until("the crash", |story| !story.is_up(0));
        let answered = endings(&mut story);
        let leader = story.until_some_leader();
        story.restart(0);
        story.advance_millis(1_000);
        // x is there on all or on none; an answer would have meant all.
        let applied = story.applied(leader);
        assert_eq!(applied[0], "a");
        assert!(answered.is_empty() || applied.len() == 2, "after {outputs} outputs: {applied:?}");
        for node in 0..3 {
            assert_eq!(story.applied(node), applied, "n{node} after {outputs} outputs");
        }
    }
}

#[test]
fn ballots_only_rise_however_often_leaders_die() {
    let mut story = Story::new(3);
    let mut highest = None;
    for round in 0..6 {
        let leader = story.until_some_leader();
        let ballot = story.leads(leader);
        assert!(ballot > highest, "round {round}: {ballot:?} after {highest:?}");
        highest = ballot;
        story.crash(leader, if round % 2 == 0 { Loss::Power } else { Loss::Process });
        story.restart(leader);
    }
}

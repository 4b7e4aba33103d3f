//! Stories that must be accepted and refused, and thousands of random ones on which three judges must agree.

use super::general::{Finding, check};
use super::models::{List, ListCall, Register, list_calls, register_calls};
use super::{appends, judge};
use crate::history::{End, Function, History, Key, OperationIndex, Value};
use seedfast_core::random::Random;
use todc_utils::linearizability::WGLChecker;
use todc_utils::linearizability::history::{Action, History as TodcHistory};
use todc_utils::specifications::Specification;

const LIST: Key = Key::List(0);
const REGISTER: Key = Key::Register(0);

/// Writes a history as a story; every call takes one unit of time.
#[derive(Default)]
struct Story {
    history: History,
    clock: u64,
    process: u64,
}

impl Story {
    fn begin(&mut self, key: Key, function: Function) -> OperationIndex {
        self.clock += 1;
        self.process += 1;
        self.history.invoke(self.clock, self.process, key, function)
    }

    fn end(&mut self, operation: OperationIndex, end: End) -> &mut Self {
        self.clock += 1;
        self.history.end(self.clock, operation, end);
        self
    }

    fn appended(&mut self, value: u64, length: u64) -> &mut Self {
        let append = self.begin(LIST, Function::Append { value });
        self.end(append, End::Appended { length })
    }

    fn read(&mut self, elements: &[u64]) -> &mut Self {
        let read = self.begin(LIST, Function::Read);
        self.end(read, End::Read(Value::List(elements.to_vec())))
    }

    fn register(&mut self, function: Function, end: End) -> &mut Self {
        let operation = self.begin(REGISTER, function);
        self.end(operation, end)
    }

    fn reads(&mut self, value: Option<u64>) -> &mut Self {
        self.register(Function::Read, End::Read(Value::Register(value)))
    }

    #[track_caller]
    fn accepted(&self) {
        assert_eq!(judge(&self.history, |_| true), Ok(()));
    }

    #[track_caller]
    fn refused(&self) {
        let violation = judge(&self.history, |_| true).expect_err("it is not linearizable");
        assert_eq!(violation.invariant, "I14", "{}", violation.what);
    }
}

#[test]
fn appends_and_reads_one_after_the_other_are_accepted() {
    Story::default().read(&[]).appended(1, 1).read(&[1]).appended(2, 2).read(&[1, 2]).accepted();
}

#[test]
fn a_stale_read_is_refused() {
    Story::default().appended(1, 1).read(&[]).refused();
    Story::default().appended(1, 1).appended(2, 2).read(&[1]).refused();
    Story::default().appended(1, 1).read(&[1]).read(&[]).refused();
}

#[test]
fn a_lost_append_is_refused() {
    Story::default().appended(1, 1).appended(2, 1).read(&[2]).refused();
    Story::default().appended(1, 1).appended(2, 2).read(&[2]).refused();
}

#[test]
fn a_doubled_append_is_refused() {
    Story::default().appended(1, 1).read(&[1, 1]).refused();
}

#[test]
fn an_append_that_failed_must_not_be_read() {
    let mut story = Story::default();
    let failed = story.begin(LIST, Function::Append { value: 1 });
    story.end(failed, End::Fail).read(&[]).accepted();
    story.read(&[1]).refused();
}

#[test]
fn an_element_out_of_nowhere_is_refused() {
    Story::default().read(&[9]).refused();
    let mut early = Story::default();
    early.read(&[1]).appended(1, 1).refused();
}

#[test]
fn appends_in_the_wrong_order_are_refused_unless_they_overlap() {
    Story::default().appended(1, 2).appended(2, 1).read(&[2, 1]).refused();
    let mut story = Story::default();
    let (first, second) =
        (story.begin(LIST, Function::Append { value: 1 }), story.begin(LIST, Function::Append { value: 2 }));
    story.end(first, End::Appended { length: 2 }).end(second, End::Appended { length: 1 });
    story.read(&[2, 1]).accepted();
}

#[test]
fn an_append_in_doubt_may_happen_late_or_never_but_once() {
    let doubt = || {
        let mut story = Story::default();
        let append = story.begin(LIST, Function::Append { value: 1 });
        story.end(append, End::Info).appended(2, 1);
        story
    };
    doubt().read(&[2]).accepted();
    doubt().read(&[2]).read(&[2, 1]).accepted();
    doubt().read(&[2, 1]).read(&[2]).refused();
    doubt().read(&[1, 2]).refused();
    doubt().read(&[2, 1, 1]).refused();
}

#[test]
fn an_answer_that_belongs_to_another_append_is_refused() {
    Story::default().appended(1, 1).appended(2, 1).read(&[1, 2]).refused();
}

#[test]
fn two_reads_that_saw_different_orders_are_refused() {
    let mut story = Story::default();
    let (first, second) =
        (story.begin(LIST, Function::Append { value: 1 }), story.begin(LIST, Function::Append { value: 2 }));
    story.read(&[1]).read(&[2, 1]).end(first, End::Info).end(second, End::Info).refused();
}

#[test]
fn registers_are_judged_with_everything_that_is_known() {
    let write = |value| (Function::Write { value }, End::Written);
    let wrote = |story: &mut Story, value| {
        let (function, end) = write(value);
        story.register(function, end);
    };
    let mut story = Story::default();
    story.reads(None);
    wrote(&mut story, 1);
    story
        .reads(Some(1))
        .register(Function::Cas { old: 1, new: 2 }, End::Swapped)
        .register(Function::Cas { old: 1, new: 3 }, End::NotSwapped)
        .reads(Some(2))
        .register(Function::Delete, End::Deleted { existed: true })
        .register(Function::Delete, End::Deleted { existed: false })
        .reads(None)
        .accepted();
    story.reads(Some(2)).refused();

    let mut story = Story::default();
    wrote(&mut story, 1);
    story.register(Function::Cas { old: 1, new: 2 }, End::NotSwapped).refused();
    let mut story = Story::default();
    wrote(&mut story, 1);
    story.register(Function::Delete, End::Deleted { existed: false }).refused();
    let mut story = Story::default();
    story.register(Function::Write { value: 1 }, End::Fail).reads(Some(1)).refused();
    let mut story = Story::default();
    story.register(Function::Write { value: 1 }, End::Info).reads(None).reads(Some(1)).accepted();
    story.reads(None).refused();
}

#[test]
fn a_search_without_budget_is_undecided() {
    let mut story = Story::default();
    story.appended(1, 1).read(&[1]);
    assert_eq!(check(&List::default(), &list_calls(&story.history, LIST), 1), Finding::Undecided);
    assert_eq!(check(&Register, &register_calls(&story.history, REGISTER), 0), Finding::Linearizable);
}

/// The list as `todc-utils` wants it.
struct TodcList;

impl Specification for TodcList {
    type State = Vec<u64>;
    type Operation = ListCall;

    fn init() -> Vec<u64> {
        Vec::new()
    }

    fn apply(call: &ListCall, state: &Vec<u64>) -> (bool, Vec<u64>) {
        use super::general::Model;
        match List::default().step(state, call) {
            Some(after) => (true, after),
            None => (false, state.clone()),
        }
    }
}

/// Asks `todc-utils`. An append in doubt returns behind everything: it may happen last, where nobody looks.
fn second_opinion(history: &History) -> bool {
    let calls = list_calls(history, LIST);
    let mut order: Vec<(u32, usize, bool)> = Vec::new();
    for (index, timed) in calls.iter().enumerate() {
        order.push((timed.invoked, index, false));
        order.push((timed.returned.unwrap_or(1_000_000 + index as u32), index, true));
    }
    order.sort_unstable();
    let actions = order
        .into_iter()
        .map(|(_, index, end)| {
            let call = calls[index].call.clone();
            (index, if end { Action::Response(call) } else { Action::Call(call) })
        })
        .collect();
    WGLChecker::<TodcList>::is_linearizable(TodcHistory::from_actions(actions))
}

/// A random history of a real list, with three processes, in which in three cases of four one answer is then changed.
fn random_history(random: &mut Random) -> History {
    let mut history = History::default();
    let mut list: Vec<u64> = Vec::new();
    // For each process: its operation, and its answer once it took effect.
    let mut busy: Vec<Option<(OperationIndex, Function, Option<End>)>> = vec![None; 3];
    let mut next = 1;
    for time in 0..6 + random.below(24) {
        let process = random.below(3) as usize;
        match busy[process].take() {
            None => {
                let function = if random.below(3) == 0 {
                    Function::Read
                } else {
                    next += 1;
                    Function::Append { value: next }
                };
                let operation = history.invoke(time, process as u64, LIST, function);
                busy[process] = Some((operation, function, None));
            }
            Some((operation, function, None)) => {
                let end = match function {
                    Function::Append { value } => {
                        list.push(value);
                        End::Appended { length: list.len() as u64 }
                    }
                    _ => End::Read(Value::List(list.clone())),
                };
                busy[process] = Some((operation, function, Some(end)));
            }
            Some((operation, _, Some(end))) => {
                history.end(time, operation, if random.below(8) == 0 { End::Info } else { end });
            }
        }
    }
    let read = history.invoke(100, 9, LIST, Function::Read);
    history.end(101, read, End::Read(Value::List(list.clone())));
    if random.below(4) == 0 { history } else { damaged(&history, random) }
}

/// The same history with one answer changed.
fn damaged(history: &History, random: &mut Random) -> History {
    let victim = random.below(history.operations().len() as u64) as usize;
    let mut changed = History::default();
    for entry in history.entries() {
        let operation = &history.operations()[entry.operation.0 as usize];
        if !entry.end {
            changed.invoke(entry.time, operation.process, operation.key, operation.function);
            continue;
        }
        let mut end = operation.ended.clone().map(|(_, end)| end).expect("it has an end");
        if entry.operation.0 as usize == victim {
            end = match end {
                End::Read(Value::List(mut elements)) => {
                    let at = random.below(elements.len() as u64 + 1) as usize;
                    match random.below(5) {
                        0 => elements.truncate(at),
                        1 if at < elements.len() => elements.swap(0, at),
                        2 if at < elements.len() => _ = elements.remove(at),
                        3 if at < elements.len() => elements.push(elements[at]),
                        _ => elements.push(1 + random.below(20)),
                    }
                    End::Read(Value::List(elements))
                }
                End::Appended { length } => match random.below(3) {
                    0 => End::Fail,
                    1 => End::Info,
                    _ => End::Appended { length: length + 1 },
                },
                other => other,
            };
        }
        changed.end(entry.time, entry.operation, end);
    }
    changed
}

#[test]
fn three_judges_agree_on_random_histories() {
    let mut random = Random::new(&[14; 32]);
    let (mut good, mut bad) = (0, 0);
    for round in 0..4_000 {
        let history = random_history(&mut random);
        let fast = appends::judge(&history);
        let general = check(&List::default(), &list_calls(&history, LIST), 1 << 20);
        let guided = super::search_list(&history, LIST);
        let expected = if fast.is_ok() { Finding::Linearizable } else { Finding::NotLinearizable };
        assert_eq!(general, expected, "round {round}: {fast:?}\n{}", history.json_lines());
        assert_eq!(guided, expected, "round {round}: {fast:?}\n{}", history.json_lines());
        assert_eq!(second_opinion(&history), fast.is_ok(), "round {round}\n{}", history.json_lines());
        *(if fast.is_ok() { &mut good } else { &mut bad }) += 1;
    }
    assert!(good > 1_000 && bad > 1_000, "{good} good and {bad} bad ones: both kinds must be common");
}

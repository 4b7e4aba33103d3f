//! The explorer finds what it must: the judge against doctored accounts, texts there and back, and that it is
//! deterministic. What it finds in a broken journal is measured by `cargo xtask bugs`.

use super::generate::{drawn, named};
use super::sequence::{Op, Sequence, Shape};
use super::{Case, Crash, Explorer, Limits, Tally, Violation, shrink};
use seedfast_sim::images::{Choice, Model};

const MODELS: [Model; 4] = [Model::Relaxed8, Model::Px86, Model::Eadr, Model::Sectors];

/// Little enough for a test.
fn limits() -> Limits {
    Limits { images: 3_000, ..Limits::default() }
}

fn explore(sequence: &Sequence) -> (Result<(), Violation>, Tally) {
    let mut explorer = Explorer::new(limits());
    let result = explorer.explore(sequence);
    (result, explorer.take_tally())
}

#[test]
fn the_shipped_journal_holds_on_every_model() {
    for model in MODELS {
        let mut total = Tally::default();
        for sequence in named(model).into_iter().chain((0..6).map(|seed| drawn(model, seed))) {
            let (result, tally) = explore(&sequence);
            if let Err(violation) = result {
                panic!("{}", Case::of(&sequence, &violation));
            }
            total.add(&tally);
        }
        assert!(total.images > 20 && total.nested > 20 && total.strikes > 1000, "{model:?}: {total:?}");
        assert!(total.rows.iter().any(|times| *times > 0));
        assert!(total.refused > 0, "no strike was ever refused: {total:?}");
    }
}

#[test]
fn the_same_sequence_gives_the_same_numbers_in_a_cold_explorer_and_in_a_warm_one() {
    for model in [Model::Relaxed8, Model::Sectors] {
        let sequence = drawn(model, 11);
        let mut warm = Explorer::new(limits());
        for seed in 0..4 {
            assert!(warm.explore(&drawn(MODELS[seed as usize], seed)).is_ok());
        }
        warm.take_tally();
        assert!(warm.explore(&sequence).is_ok());
        assert_eq!(warm.take_tally(), explore(&sequence).1);
    }
}

#[test]
fn sequences_and_cases_are_read_as_they_were_written() {
    let mut ops = 0;
    for model in MODELS {
        for sequence in named(model).into_iter().chain((0..60).map(|seed| drawn(model, seed))) {
            let path = vec![
                Crash::Process { point: 7, draw: 3 },
                Crash::Power {
                    point: 4,
                    kept: vec![Choice { at: 64, version: 2 }, Choice { at: 0, version: 1 }],
                },
                Crash::Power { point: 9, kept: vec![] },
                Crash::Strike { after: 2, strike: super::strike::Strike::Flip { at: 9, bit: 7 } },
            ];
            ops += sequence.ops.len();
            let case = Case { sequence, path, broken: "J1".to_owned(), what: "seen: this".to_owned() };
            assert_eq!(case.to_string().parse(), Ok(case.clone()));
        }
    }
    assert!(ops > 1000);
    let bad = |text: &str| text.parse::<Case>().expect_err("it makes no sense");
    assert_eq!(bad("hello"), "line 1 is not `seedfast explore journal, format 1`");
    let with = |line: &str| bad(&format!("{}\nshape: {}\n{line}\n", super::case::FORMAT, Shape::disk()));
    assert_eq!(with("op: fly"), "line 3: `fly` is no operation");
    assert_eq!(with("op: run far"), "line 3: `far` is no number that fits here");
    assert_eq!(with("crash: power point 3 kept x"), "line 3: `x` is no unit; write OFFSET/VERSION");
    assert_eq!(bad(super::case::FORMAT), "it has no line `shape: ...`");
}

#[test]
fn a_violation_is_shrunk_and_its_case_replays_to_the_same_words() {
    // Everything counts as acknowledged when it was appended, so any crash before the sync is a loss.
    let strict = Limits { too_strict: true, strikes: false, ..limits() };
    for model in [Model::Relaxed8, Model::Px86, Model::Sectors] {
        let sequence = drawn(model, 3);
        let violation = Explorer::new(strict).explore(&sequence).expect_err("nothing can stand that");
        let case = Case::of(&sequence, &violation);
        assert_eq!(case.broken, "J1", "{case}");
        let small = shrink::shrink(&case, strict, 1000);
        assert!(small.sequence.ops.len() <= 3, "an append, a burst and a step are enough: {small}");
        assert!(matches!(&small.path[..], [.., Crash::Power { kept, .. }] if kept.is_empty()), "{small}");
        let read: Case = small.to_string().parse().expect("it was written so");
        let again = read.replay(strict).expect("it is a violation");
        assert_eq!((again.wrong.rule.to_string(), again.wrong.what), (small.broken, small.what));
        assert_eq!(read.replay(limits()), None, "the path alone breaks nothing");
    }
}

#[test]
fn a_path_does_what_it_says_and_nothing_else() {
    let sequence = drawn(Model::Sectors, 3);
    let rests = sequence.ops.iter().position(|op| *op == Op::Settle).expect("it settles") as u64 + 1;
    let strike = super::strike::Strike::Poison { at: 0 };
    let mut explorer = Explorer::new(limits());
    assert!(explorer.replay(&sequence, &[Crash::Strike { after: rests, strike }]).is_ok());
    let tally = explorer.take_tally();
    assert_eq!((tally.strikes, tally.images, tally.nested), (1, 0, 0));
    assert!(explorer.replay(&sequence, &[Crash::Process { point: 5, draw: 1 }]).is_ok());
    let tally = explorer.take_tally();
    assert_eq!((tally.strikes, tally.images, tally.nested), (0, 0, 1));
}

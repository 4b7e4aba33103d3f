//! Every story in `scenarios/stories/` is told, and must come out as it is written.
//!
//! `SEEDFAST_REWRITE=1 cargo test -p seedfast-scenarios --test stories` writes the output of today into the files;
//! read the difference before it is committed.

use seedfast_scenarios::story::script::tell;
use std::path::PathBuf;

#[test]
#[expect(clippy::disallowed_methods, reason = "the switch is asked of the test, not of a run")]
fn every_story_comes_out_as_it_is_written() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("stories");
    let rewrite = std::env::var_os("SEEDFAST_REWRITE").is_some();
    let mut names: Vec<PathBuf> = std::fs::read_dir(&folder)
        .expect("the stories")
        .map(|entry| entry.expect("a story").path())
        .collect();
    names.sort();
    let mut wrong = Vec::new();
    for path in &names {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(path).expect("a story is text");
        assert!(text.starts_with("# "), "{name} does not say what it is about");
        let told = std::panic::catch_unwind(|| tell(&text));
        match told {
            Ok(Ok(told)) if told == text => {}
            Ok(Ok(told)) if rewrite => std::fs::write(path, told).expect("the story can be rewritten"),
            Ok(Ok(told)) => wrong.push(format!("{name} came out differently:\n{}", difference(&text, &told))),
            Ok(Err(error)) => wrong.push(format!("{name}: {error}")),
            Err(_) => wrong.push(format!("{name} broke an invariant or waited in vain (see above)")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(
        names.len() >= 30,
        "the protocol's dangers are told by at least thirty stories, not {}",
        names.len()
    );
}

/// The first lines that differ.
fn difference(written: &str, told: &str) -> String {
    let line = written.lines().zip(told.lines()).position(|(a, b)| a != b);
    let line = line.unwrap_or(written.lines().count().min(told.lines().count()));
    let show = |text: &str| text.lines().skip(line).take(6).collect::<Vec<_>>().join("\n    ");
    format!("  line {}, written:\n    {}\n  told:\n    {}", line + 1, show(written), show(told))
}

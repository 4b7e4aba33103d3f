//! The style of the house, as far as it can be checked: each rule is one test.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// No file is longer, in lines.
const LONGEST: usize = 800;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the root")
}

/// Files of the working tree, as git lists them (without a repository: all but builds), by path within the tree.
fn files(wanted: impl Fn(&str) -> bool) -> Vec<(String, String)> {
    let listed = Command::new("git")
        .current_dir(root())
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .output();
    let names: Vec<String> = match listed {
        Ok(output) if output.status.success() => {
            String::from_utf8_lossy(&output.stdout).split('\0').map(str::to_owned).collect()
        }
        _ => walk(root()),
    };
    let wanted = names.into_iter().filter(|name| wanted(name));
    let read = |name: String| Some((name.clone(), std::fs::read_to_string(root().join(&name)).ok()?));
    let files: Vec<_> = wanted.filter_map(read).collect();
    assert!(!files.is_empty(), "a rule that looks at no file checks nothing");
    files
}

fn walk(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).expect("a directory of the tree can be listed");
    let paths = entries.flatten().map(|entry| entry.path());
    let (directories, files): (Vec<PathBuf>, Vec<PathBuf>) = paths.partition(|path| path.is_dir());
    let names =
        files.iter().map(|path| path.strip_prefix(root()).expect("it lies in it").display().to_string());
    let kept = directories.iter().filter(|path| {
        let name = path.file_name().unwrap_or_default();
        name != "target" && name != ".git"
    });
    names.chain(kept.flat_map(|path| walk(path))).collect()
}

fn rust() -> Vec<(String, String)> {
    files(|name| name.ends_with(".rs"))
}

/// A line without its comment and without the contents of its string literals: what the compiler would act on.
fn code(line: &str) -> String {
    let (mut code, mut quoted, mut escaped) = (String::new(), false, false);
    let mut characters = line.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            // A quote as a character literal opens no string.
            '"' if !quoted && code.ends_with('\'') && characters.peek() == Some(&'\'') => {}
            '"' => quoted = !quoted,
            '/' if !quoted && characters.peek() == Some(&'/') => break,
            _ if quoted => {}
            _ => code.push(c),
        }
    }
    code
}

/// The words of a line of code.
fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

/// `file:line: text` of every line of code that `wrong` finds.
fn lines(files: Vec<(String, String)>, wrong: impl Fn(&str, &str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for (name, text) in files {
        for (number, line) in text.lines().enumerate() {
            if wrong(&name, &code(line)) {
                found.push(format!("{name}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    found
}

#[track_caller]
fn none(found: Vec<String>, rule: &str) {
    assert!(found.is_empty(), "{rule}:\n{}", found.join("\n"));
}

#[test]
fn every_file_says_at_its_top_what_it_is() {
    let silent = rust().into_iter().filter(|(_, text)| !text.starts_with("//!")).map(|(name, _)| name);
    none(silent.collect(), "these do not begin with //!");
}

#[test]
fn no_file_is_too_long() {
    let long =
        rust().into_iter().map(|(name, text)| (name, text.lines().count())).filter(|(_, n)| *n > LONGEST);
    none(long.map(|(name, n)| format!("{name}: {n} lines")).collect(), "split these by idea");
}

#[test]
fn nothing_is_left_unfinished() {
    let macros = ["todo", "unimplemented", "dbg"];
    let calls = |_: &str, code: &str| {
        macros.iter().any(|name| words(code).any(|word| word == *name) && code.contains(&format!("{name}!")))
    };
    none(lines(rust(), calls), "unfinished");
    // Spelt apart, so that this file does not find itself.
    let marks = [concat!("FIX", "ME"), concat!("XX", "X")];
    let noted = files(|name| [".rs", ".md", ".toml", ".tla"].iter().any(|end| name.ends_with(end)));
    let noted = noted
        .into_iter()
        .filter(|(_, text)| marks.iter().any(|mark| text.contains(mark)))
        .map(|(name, _)| name);
    none(noted.collect(), "marked as unfinished");
}

#[test]
fn unsafe_code_stays_where_it_belongs() {
    let outside = |name: &str, code: &str| {
        let belongs = name.starts_with("runtime-real/src/sys_");
        !belongs && words(code).any(|word| word == "unsafe")
    };
    none(lines(rust(), outside), "unsafe belongs into runtime-real/src/sys_*.rs");
}

#[test]
fn each_unsafe_block_says_why_it_is_sound() {
    let mut bare = Vec::new();
    for (name, text) in rust() {
        let rows: Vec<&str> = text.lines().collect();
        for (number, row) in rows.iter().enumerate() {
            if code(row).contains("unsafe {") {
                let above = &rows[number.saturating_sub(4)..number];
                if !above.iter().any(|row| row.contains("SAFETY:")) {
                    bare.push(format!("{name}:{}", number + 1));
                }
            }
        }
    }
    none(bare, "no SAFETY: within four lines above");
}

#[test]
fn core_and_sim_know_no_clock_no_thread_no_random_map_and_no_float() {
    let banned =
        ["HashMap", "HashSet", "RandomState", "SystemTime", "thread_rng", "from_os_rng", "f32", "f64"];
    let found = lines(
        files(|name| {
            (name.starts_with("core/src/") || name.starts_with("sim/src/")) && name.ends_with(".rs")
        }),
        |_, code| {
            words(code).any(|word| banned.contains(&word))
                || ["std::time", "std::thread", "std::env", "std::net", "std::fs"]
                    .iter()
                    .any(|path| code.contains(path))
        },
    );
    none(found, "a run must depend on its seed alone");
}

#[test]
fn sim_does_not_know_paxos() {
    let known = ["paxos", "Ballot", "Acceptor", "StateMachine", "Replica"];
    let found = lines(files(|name| name.starts_with("sim/src/") && name.ends_with(".rs")), |_, code| {
        words(code).any(|word| known.contains(&word))
    });
    none(found, "the world runs any protocol");
}

#[test]
fn no_file_names_a_place_on_somebody_s_machine() {
    let places =
        [concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/wo", "rk/"), concat!("/Us", "ers/")];
    let all = files(|name| !name.ends_with(".png"));
    let found = all.iter().flat_map(|(name, text)| {
        let lines =
            text.lines().enumerate().filter(|(_, line)| places.iter().any(|place| line.contains(place)));
        lines.map(move |(number, line)| format!("{name}:{}: {}", number + 1, line.trim()))
    });
    none(found.collect(), "a path of one machine");
}

#[test]
fn the_lock_file_knows_one_registry() {
    let lock = std::fs::read_to_string(root().join("Cargo.lock")).expect("the lock file is committed");
    let sources = lock.lines().filter_map(|line| line.strip_prefix("source = "));
    let foreign =
        sources.filter(|source| *source != "\"registry+https://github.com/rust-lang/crates.io-index\"");
    none(foreign.map(str::to_owned).collect(), "the lock file names another source");
}

/// Invariant numbers that a text mentions: `I` and digits, as a word of its own.
fn invariants(text: &str) -> BTreeSet<u32> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter_map(|word| word.strip_prefix('I'))
        .filter(|digits| !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit()))
        .filter_map(|digits| digits.parse().ok())
        .collect()
}

#[test]
fn invariants_are_numbered_once_in_one_table() {
    let table = std::fs::read_to_string(root().join("docs/paxos.md")).expect("docs/paxos.md holds the table");
    let known = invariants(&table);
    let mut unknown = Vec::new();
    let spoken = files(|name| {
        let ours = ["core/", "scenarios/", "spec/"].iter().any(|place| name.starts_with(place));
        ours && [".rs", ".tla", ".cfg", ".patch", ".list"].iter().any(|end| name.ends_with(end))
    });
    for (name, text) in spoken {
        let missing = invariants(&text).into_iter().filter(|number| !known.contains(number));
        unknown.extend(missing.map(|number| format!("{name}: I{number}")));
    }
    none(unknown, "docs/paxos.md numbers no such invariant");
}

/// Lines in fenced blocks of a document that begin with `cargo`, with or without a prompt.
fn commands(document: &str) -> Vec<String> {
    let mut fenced = false;
    let mut commands = Vec::new();
    for line in document.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if fenced {
            let line = line.trim().trim_start_matches("$ ");
            if line.starts_with("cargo ") {
                commands.push(line.split(" #").next().unwrap_or(line).trim().to_owned());
            }
        }
    }
    commands
}

#[test]
fn the_commands_in_the_readme_exist() {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("there is a README.md");
    let commands = commands(&readme);
    for needed in ["cargo run --release -- run", "cargo test --workspace"] {
        assert!(
            commands.iter().any(|command| command.starts_with(needed)),
            "README.md does not show `{needed}`"
        );
    }
    let chores = include_str!("../src/main.rs");
    let packages: Vec<String> =
        files(|name| name.ends_with("Cargo.toml")).into_iter().map(|(_, text)| text).collect();
    for command in &commands {
        let words: Vec<&str> = command.split_whitespace().collect();
        match words[1] {
            "run" | "test" | "build" | "bench" | "install" | "add" => {}
            "xtask" => {
                let chore = words.get(2).copied().unwrap_or("help");
                assert!(chores.contains(&format!("\"{chore}\"")), "`{command}`: xtask has no such chore");
            }
            other => panic!("README.md: cargo has no `{other}` here: {command}"),
        }
        if let Some(at) = words.iter().position(|word| *word == "-p") {
            let name = format!("name = \"{}\"", words[at + 1]);
            assert!(packages.iter().any(|manifest| manifest.contains(&name)), "`{command}`: no such package");
        }
    }
}

#[test]
fn every_planted_bug_can_still_be_planted() {
    let patches = files(|name| name.starts_with("scenarios/bugs/") && name.ends_with(".patch"));
    let cannot = patches.iter().filter(|(name, _)| {
        let mut git = Command::new("git");
        // As where there is no repository: one above this tree would make of it a part of its own.
        git.current_dir(root()).env("GIT_CEILING_DIRECTORIES", root().parent().unwrap_or(root()));
        !git.args(["apply", "--check", name]).status().expect("git").success()
    });
    none(cannot.map(|(name, _)| name.clone()).collect(), "a patch follows the code");
}

#[test]
fn the_rules_can_fail() {
    assert_eq!(code("let a = \"unsafe // no\"; // unsafe"), "let a = ; ");
    assert_eq!(code("if c == '\"' { f64() }"), "if c == '' { f64() }");
    assert!(words("fn a() -> f64 {").any(|word| word == "f64"));
    assert_eq!(invariants("contract \"I12\" (I3), ID7, I"), BTreeSet::from([3, 12]));
    assert_eq!(commands("```\n$ cargo xtask ci  # all\n```\ncargo out"), ["cargo xtask ci"]);
}

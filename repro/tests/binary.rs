//! The program itself, over the scenarios of this repository: processes, pipes, exit codes.

use std::process::{Command, Output, Stdio};

fn seedfast(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_seedfast"));
    command.args(arguments).current_dir(std::env::temp_dir()).env_remove("RUST_BACKTRACE");
    command
}

fn run(arguments: &[&str]) -> Output {
    seedfast(arguments).output().expect("the program was built")
}

/// A path of its own in the temporary directory.
fn scratch(name: &str) -> String {
    let path = std::env::temp_dir().join(format!("seedfast-binary-{name}-{}", std::process::id()));
    path.to_str().expect("a temporary path is text").to_owned()
}

#[test]
fn the_toy_holds_and_its_planted_bug_is_found_and_replayed_by_the_printed_line() {
    let ran = run(&["run", "toy", "--seeds", "0..200"]);
    assert_eq!(ran.status.code(), Some(0), "{ran:?}");

    let out = scratch("planted");
    let ran = run(&["run", "toy-double-vote", "--seeds", "0..3000", "--out", &out]);
    let text = String::from_utf8_lossy(&ran.stdout);
    assert_eq!(ran.status.code(), Some(1), "{text}");
    let line = text.lines().find_map(|line| line.split_once("replay it ")).expect("it says how to replay").1;
    let words: Vec<&str> = line.split(" replay ").nth(1).expect("the line replays").split(' ').collect();
    let hash = |ran: &Output| {
        let text = String::from_utf8_lossy(&ran.stdout).into_owned();
        text.lines().find(|line| line.trim_start().starts_with("trace ")).map(str::to_owned)
    };
    let replayed = run(&["replay", words[0], words[1]]);
    assert_eq!(replayed.status.code(), Some(1), "{replayed:?}");
    let bundle = format!("{out}/{}-{}.repro", words[0], words[1]);
    let by_bundle = run(&["replay", &bundle]);
    assert_eq!(by_bundle.status.code(), Some(1), "{by_bundle:?}");
    assert!(hash(&replayed).is_some());
    assert_eq!(hash(&replayed), hash(&by_bundle));
    std::fs::remove_dir_all(out).expect("it is ours");
}

#[test]
fn the_trace_of_a_seed_is_the_same_file_in_every_process() {
    let path = scratch("trace");
    let trace = |directory: &str, variable: &str| {
        let mut command = seedfast(&["replay", "toy", "77", "--trace", &path]);
        let ran =
            command.current_dir(directory).env("LANG", variable).output().expect("the program was built");
        assert_eq!(ran.status.code(), Some(0), "{ran:?}");
        std::fs::read(&path).expect("it was just written")
    };
    assert_eq!(trace("/", "C"), trace(env!("CARGO_MANIFEST_DIR"), "de_DE"));
    std::fs::remove_file(path).expect("it is ours");
}

/// The campaign's file without what may differ between two runs of it, and all bundles.
fn kept(directory: &str) -> (serde_json::Value, Vec<(String, Vec<u8>)>) {
    let file = std::fs::read(format!("{directory}/campaign.json")).expect("it was kept");
    let mut kept: serde_json::Value = serde_json::from_slice(&file).expect("it is JSON");
    kept.as_object_mut().expect("an object").remove("wall_nanos");
    let entries = std::fs::read_dir(directory).expect("it exists").flatten();
    let mut bundles: Vec<_> = entries
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.path()))
        .filter(|(name, _)| name != "campaign.json")
        .map(|(name, path)| (name, std::fs::read(path).expect("it is there")))
        .collect();
    bundles.sort();
    (kept, bundles)
}

#[test]
fn a_campaign_that_is_killed_again_and_again_ends_like_one_that_never_was() {
    let pieces = killed_again_and_again("blind", &["--seeds", "0..8000"]);
    let merged = run(&["merge", &pieces]);
    assert_eq!(merged.status.code(), Some(1), "{merged:?}");
    std::fs::remove_dir_all(pieces).expect("it is ours");
}

#[test]
fn a_guided_campaign_that_is_killed_again_and_again_ends_like_one_that_never_was() {
    let pieces = killed_again_and_again("guided", &["--guide", "--seeds", "0..8000"]);
    let merged = run(&["merge", &pieces]);
    assert_eq!(merged.status.code(), Some(2), "{merged:?}");
    assert!(String::from_utf8_lossy(&merged.stderr).contains("holds a guided campaign"), "{merged:?}");
    std::fs::remove_dir_all(pieces).expect("it is ours");
}

/// Compares such a campaign with one that nobody kills, and gives its directory.
fn killed_again_and_again(name: &str, flags: &[&str]) -> String {
    let (whole, pieces) = (scratch(&format!("whole-{name}")), scratch(&format!("pieces-{name}")));
    let all = ["run", "toy", "toy-double-vote", "--keep-going", "--resume", "--jobs", "2"];
    let arguments = [&all[..], flags, &["--out"]].concat();
    let ended = run(&[&arguments[..], &[&whole]].concat());
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    let mut killed_midway = 0;
    for life in 0_u64.. {
        let mut child = seedfast(&[&arguments[..], &[&pieces]].concat())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program was built");
        // Longer and longer, so that it comes to its end on the slowest machine.
        std::thread::sleep(std::time::Duration::from_millis(120 + 37 * life));
        if let Some(status) = child.try_wait().expect("it is ours") {
            assert_eq!(status.code(), Some(1));
            break;
        }
        child.kill().expect("it is ours");
        child.wait().expect("it was killed");
        if let Ok(file) = std::fs::read(format!("{pieces}/campaign.json")) {
            let kept: serde_json::Value = serde_json::from_slice(&file).expect("whole at any moment");
            killed_midway += u64::from(kept["sums"]["seeds"] != 0 && kept["is_complete"] == false);
        }
    }
    assert!(killed_midway > 0, "the campaign is too short for this test");
    assert_eq!(kept(&pieces), kept(&whole));
    std::fs::remove_dir_all(whole).expect("it is ours");
    pieces
}

#[test]
fn a_scenario_and_a_seed_are_replayed_whatever_directory_lies_there() {
    let here = scratch("directory-toy");
    std::fs::create_dir_all(format!("{here}/toy")).expect("a scratch directory");
    let ran = seedfast(&["replay", "toy", "7"]).current_dir(&here).output().expect("the program was built");
    assert_eq!(ran.status.code(), Some(0), "{ran:?}");
    std::fs::remove_dir_all(here).expect("it is ours");
}

/// A file of the repository.
fn file(name: &str) -> String {
    let path = format!("{}/../{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Runs a shell's command as a scheduler does, with the program on its path.
fn shell(program: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let program_directory =
        std::path::Path::new(env!("CARGO_BIN_EXE_seedfast")).parent().expect("it has one");
    let path = std::env::var("PATH").unwrap_or_default();
    Command::new(program)
        .args(arguments)
        .current_dir(std::env::temp_dir())
        .env("PATH", format!("{}:{path}", program_directory.display()))
        .envs(variables.iter().copied())
        .output()
        .expect("a shell is there")
}

#[test]
fn the_job_for_kubernetes_runs_a_whole_campaign() {
    let out = scratch("kubernetes");
    std::fs::create_dir_all(&out).expect("there is room");
    let manifest = file("deploy/kubernetes/campaign.yaml");
    let (_, rest) = manifest.split_once("- >-\n").expect("the command is a folded scalar");
    let lines = rest.lines().take_while(|line| line.starts_with("              "));
    let command = lines.map(str::trim).collect::<Vec<_>>().join(" ");
    let command = command
        .replace("run --seeds 0..1000000", "run toy --seeds 0..400")
        .replace("/campaign/", &format!("{out}/"));
    assert!(command.contains("run toy") && command.contains(&out), "{command}");
    let count = manifest.split_once("completions: ").expect("it says how many").1;
    let count: u64 = count.lines().next().and_then(|line| line.parse().ok()).expect("a number");
    for index in 0..count {
        let ran = shell("sh", &["-c", &command], &[("JOB_COMPLETION_INDEX", &index.to_string())]);
        assert_eq!(ran.status.code(), Some(0), "{ran:?}");
    }
    let merged = run(&["merge", &out]);
    assert_eq!(merged.status.code(), Some(0), "{merged:?}");
    assert!(String::from_utf8_lossy(&merged.stdout).contains("HELD  400 seeds"), "{merged:?}");
    std::fs::remove_dir_all(out).expect("it is ours");
}

#[test]
fn the_job_for_slurm_runs_a_whole_campaign() {
    let out = scratch("slurm");
    let script = format!("{}/../deploy/slurm/campaign.sbatch", env!("CARGO_MANIFEST_DIR"));
    for task in ["3", "4", "5"] {
        let ran = shell(
            "bash",
            &[&script],
            &[
                ("SEEDFAST", "seedfast"),
                ("OUT", &out),
                ("SEEDS", "0..300"),
                ("SCENARIOS", "toy"),
                ("SLURM_ARRAY_TASK_ID", task),
                ("SLURM_ARRAY_TASK_COUNT", "3"),
                ("SLURM_ARRAY_TASK_MIN", "3"),
                ("SLURM_ARRAY_TASK_MAX", "5"),
                ("SLURM_ARRAY_TASK_STEP", "1"),
                ("SLURM_CPUS_PER_TASK", "1"),
            ],
        );
        assert_eq!(ran.status.code(), Some(0), "{ran:?}");
    }
    let merged = run(&["merge", &out]);
    assert_eq!(merged.status.code(), Some(0), "{merged:?}");
    assert!(String::from_utf8_lossy(&merged.stdout).contains("HELD  300 seeds"), "{merged:?}");
    std::fs::remove_dir_all(out).expect("it is ours");
}

#[test]
fn a_reader_that_goes_away_is_no_panic() {
    for arguments in
        [&["scenarios"][..], &["replay", "toy", "1", "--verbose"], &["run", "toy", "--seeds", "5", "--json"]]
    {
        let mut child = seedfast(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program was built");
        drop(child.stdout.take());
        let ended = child.wait_with_output().expect("it ends");
        assert_eq!(ended.status.code(), Some(0), "{ended:?}");
        assert!(!String::from_utf8_lossy(&ended.stderr).contains("panicked"), "{ended:?}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_exit_2() {
    let full = || std::fs::OpenOptions::new().write(true).open("/dev/full").expect("Linux has it");
    for arguments in [&["scenarios"][..], &["run", "toy", "--seeds", "5", "--json"]] {
        let ran = seedfast(arguments).stdout(full()).stderr(Stdio::piped()).output().expect("it was built");
        assert_eq!(ran.status.code(), Some(2), "{ran:?}");
    }
    let ran = run(&["replay", "toy", "1", "--trace", "/dev/full"]);
    assert_eq!(ran.status.code(), Some(2), "{ran:?}");
    assert!(String::from_utf8_lossy(&ran.stderr).contains("no space left"), "{ran:?}");
}

#[test]
fn help_and_version_exit_0_and_name_the_exit_codes() {
    let help = run(&["--help"]);
    assert_eq!(help.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&help.stdout).contains("3 two runs of one seed differed"));
    assert_eq!(run(&["--version"]).status.code(), Some(0));
    assert_eq!(run(&[]).status.code(), Some(2));
}

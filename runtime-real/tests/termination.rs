//! Being asked to end. Signals are the whole process's, so this file holds one test.

use seedfast_core::runtime::Runtime;
use seedfast_core::time::Duration;
use seedfast_runtime_real::{Options, ends_at_once, run};
use std::process::Command;

#[test]
fn the_first_signal_is_told_and_ends_nothing() {
    let told = run(Options::new(), |runtime| async move {
        let waiting = runtime.clone();
        let task = runtime.spawn(async move {
            waiting.terminated().await.expect("signals");
        });
        // The task has to run once before it listens.
        runtime.sleep(runtime.now().monotonic + Duration::from_millis(50)).await;
        assert!(!seedfast_core::runtime::Task::is_finished(&task));
        let me = std::process::id().to_string();
        assert!(Command::new("kill").args(["-TERM", &me]).status().expect("kill").success());
        while !seedfast_core::runtime::Task::is_finished(&task) {
            runtime.sleep(runtime.now().monotonic + Duration::from_millis(1)).await;
        }
        true
    });
    assert_eq!(told, Ok(true));
    assert_eq!(ends_at_once(), Ok(true), "it is not forgotten");
}

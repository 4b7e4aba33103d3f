//! Running the program, and directories that go when a test ends.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

/// A directory of this test alone.
pub(crate) struct Place(pub(crate) PathBuf);

impl Place {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name =
            format!("seedfast-offline-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("a temporary directory");
        Place(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file, and returns its path.
    pub(crate) fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).expect("it can be written");
        path
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What the program said, and with which code it ended.
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) error: String,
}

/// The program itself.
pub(crate) fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_seedfast-kv"))
}

/// Runs it with these words, where `{}` stands for the next of `paths`.
pub(crate) fn run(words: &str, paths: &[&Path]) -> Said {
    let mut paths = paths.iter();
    let mut command = program();
    for word in words.split_whitespace() {
        match word {
            "{}" => command.arg(paths.next().expect("a path for each place")),
            word => command.arg(word),
        };
    }
    let Output { status, stdout, stderr } = command.output().expect("it runs");
    Said {
        code: status.code().expect("it ends by itself"),
        out: String::from_utf8(stdout).expect("text"),
        error: String::from_utf8(stderr).expect("text"),
    }
}

impl Said {
    /// Everything that it said.
    pub(crate) fn all(&self) -> String {
        format!("{}{}", self.out, self.error)
    }

    /// It ended with this code.
    #[track_caller]
    pub(crate) fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}", self.all());
        self
    }

    /// It said this.
    #[track_caller]
    pub(crate) fn with(self, sentence: &str) -> Self {
        assert!(self.all().contains(sentence), "no {sentence:?} in: {}", self.all());
        self
    }
}

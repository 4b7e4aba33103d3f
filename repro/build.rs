//! Asks git, the compiler and the sources who this build is. Outside a git checkout, or without git, the parts that
//! cannot be known are `unknown`; a build never fails for it.

use std::path::{Path, PathBuf};
use std::process::Command;

/// What can change a trace, relative to the workspace.
const SOURCES: [&str; 7] = ["core", "sim", "runtime-sim", "kv", "scenarios", "repro", "Cargo.toml"];

fn main() {
    let root = workspace_root();
    // A copy inside somebody else's checkout is not that checkout.
    let is_tracked = git(&root, &["ls-files", "--error-unmatch", "Cargo.toml"]).is_some();
    let commit = git(&root, &["rev-parse", "HEAD"]).filter(|_| is_tracked);
    let status = {
        let mut arguments = vec!["status", "--porcelain", "--", "Cargo.lock"];
        arguments.extend(SOURCES);
        git(&root, &arguments)
    };
    let dirty = match (&commit, &status) {
        (Some(_), Some(changes)) if changes.is_empty() => "false",
        (Some(_), Some(_)) => "true",
        _ => "unknown",
    };
    let compiler = std::env::var("RUSTC").ok().and_then(|rustc| output(Command::new(rustc).arg("--version")));
    let mut files = Vec::new();
    for name in SOURCES {
        collect(&root.join(name), &mut files);
        println!("cargo::rerun-if-changed={}", root.join(name).display());
    }
    files.sort();
    let mut sources = Fnv::new();
    for file in &files {
        let name = file.strip_prefix(&root).unwrap_or(file).to_string_lossy().replace('\\', "/");
        sources.add(name.as_bytes());
        sources.add(&std::fs::read(file).unwrap_or_default());
    }
    let lock_path = root.join("Cargo.lock");
    let lock = std::fs::read(&lock_path).ok().map(|bytes| {
        let mut hash = Fnv::new();
        hash.add(&bytes);
        hash.hex()
    });
    println!("cargo::rerun-if-changed={}", lock_path.display());
    watch_git(&root);

    let unknown = || "unknown".to_owned();
    println!("cargo::rustc-env=SEEDFAST_COMMIT={}", commit.unwrap_or_else(unknown));
    println!("cargo::rustc-env=SEEDFAST_DIRTY={dirty}");
    println!("cargo::rustc-env=SEEDFAST_COMPILER={}", compiler.unwrap_or_else(unknown));
    println!("cargo::rustc-env=SEEDFAST_SOURCES={}", sources.hex());
    println!("cargo::rustc-env=SEEDFAST_LOCK={}", lock.unwrap_or_else(unknown));
}

/// The directory above this package.
fn workspace_root() -> PathBuf {
    let package =
        PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it for build scripts"));
    package.parent().map_or_else(|| package.clone(), Path::to_path_buf)
}

/// A new commit on the same branch changes the branch's file, not `HEAD`.
fn watch_git(root: &Path) {
    let names = ["HEAD", "logs/HEAD", "packed-refs"];
    for name in names {
        if let Some(path) = git(root, &["rev-parse", "--git-path", name]) {
            let path = root.join(path);
            if path.exists() {
                println!("cargo::rerun-if-changed={}", path.display());
            }
        }
    }
}

fn git(root: &Path, arguments: &[&str]) -> Option<String> {
    output(Command::new("git").arg("-C").arg(root).args(arguments))
}

fn output(command: &mut Command) -> Option<String> {
    let output = command.output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

/// All Rust sources and manifests below `path`.
fn collect(path: &Path, files: &mut Vec<PathBuf>) {
    if path.is_file() {
        if path.extension().is_some_and(|extension| extension == "rs" || extension == "toml") {
            files.push(path.to_path_buf());
        }
        return;
    }
    for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.file_name() != "target" {
            collect(&entry.path(), files);
        }
    }
}

/// FNV-1a, 64 bits: it tells builds apart, it protects nothing.
struct Fnv(u64);

impl Fnv {
    fn new() -> Self {
        Fnv(0xcbf2_9ce4_8422_2325)
    }

    fn add(&mut self, bytes: &[u8]) {
        for byte in (bytes.len() as u64).to_le_bytes().iter().chain(bytes) {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    fn hex(&self) -> String {
        format!("{:016x}", self.0)
    }
}

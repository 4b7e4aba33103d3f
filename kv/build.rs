//! Asks git and the sources which state machine and which protocol these are, so that a recording can say what to check
//! out. What cannot be known is `unknown`; a build never fails for it.

use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = package.parent().unwrap_or(package);
    let mut files = Vec::new();
    for name in ["core/src", "kv/src"] {
        collect(&root.join(name), &mut files);
        println!("cargo::rerun-if-changed={}", root.join(name).display());
    }
    files.sort();
    // FNV-1a, 64 bits: it tells builds apart, it protects nothing.
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for file in &files {
        let name = file.strip_prefix(root).unwrap_or(file).to_string_lossy().replace('\\', "/");
        for byte in name.bytes().chain([0]).chain(std::fs::read(file).unwrap_or_default()) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    // Looked up when the sources change, which is when it matters: any commit that has these sources will do.
    let git = |arguments: &[&str]| {
        let output = Command::new("git").arg("-C").arg(root).args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    // A copy inside somebody else's checkout is not that checkout.
    let tracked = git(&["ls-files", "--error-unmatch", "Cargo.toml"]).is_some();
    let commit = git(&["rev-parse", "--short=12", "HEAD"]).filter(|_| tracked);
    println!("cargo::rustc-env=SEEDFAST_KV_COMMIT={}", commit.unwrap_or_else(|| "unknown".to_owned()));
    println!("cargo::rustc-env=SEEDFAST_KV_SOURCES={hash:016x}");
}

/// All Rust sources below `path`.
fn collect(path: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

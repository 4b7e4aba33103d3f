//! Running commands: what is run is printed, and how it ended is looked at.

use crate::{Trouble, Verdict, cannot, failed};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The repository's root.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the root")
}

/// Where builds go: what cargo was told, or `target/`.
pub(crate) fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(directory) => root().join(directory),
        None => root().join("target"),
    }
}

/// A command in the repository's root.
pub(crate) fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root()).stdin(Stdio::null());
    command
}

/// `cargo`, the one that runs this program, without what it set for this program alone.
pub(crate) fn cargo() -> Command {
    let mut cargo = command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(&name);
        }
    }
    cargo
}

/// Builds the whole workspace as its tests run it, and its programs with it. A selection of packages has another selection of
/// features, and builds every crate again.
pub(crate) fn build_tests() -> Verdict {
    run(cargo().args(["test", "--no-run", "--quiet", "--locked", "--workspace"]))
}

/// The command as a person would type it.
pub(crate) fn line(command: &Command) -> String {
    let program =
        Path::new(command.get_program()).file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let arguments = command.get_args().map(|argument| argument.to_string_lossy().into_owned());
    std::iter::once(program).chain(arguments).collect::<Vec<_>>().join(" ")
}

/// Prints the command, runs it with its output visible, and fails if it does.
pub(crate) fn run(command: &mut Command) -> Verdict {
    eprintln!("$ {}", line(command));
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => failed(format!("`{}` ended with {status}", line(command))),
        Err(error) => cannot(format!("`{}` cannot be started: {error}", line(command))),
    }
}

/// Runs the command silently and hands back all of its output, whatever its exit code.
pub(crate) fn output(command: &mut Command) -> Verdict<Output> {
    command
        .output()
        .map_err(|error| Trouble::Cannot(format!("`{}` cannot be started: {error}", line(command))))
}

/// Runs the command silently; its standard output if it succeeds, its errors as the reason if not.
pub(crate) fn text(command: &mut Command) -> Verdict<String> {
    let output = output(command)?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        return failed(format!("`{}` ended with {}\n{}", line(command), output.status, errors.trim_end()));
    }
    String::from_utf8(output.stdout)
        .map_err(|_| Trouble::Failed(format!("`{}` printed no text", line(command))))
}

/// Reads a file of the repository.
pub(crate) fn read(path: &Path) -> Verdict<String> {
    std::fs::read_to_string(path)
        .map_err(|error| Trouble::Cannot(format!("{} cannot be read: {error}", name(path))))
}

/// Writes a file, its directory as well.
pub(crate) fn write(path: &Path, contents: impl AsRef<[u8]>) -> Verdict {
    let made = path.parent().map_or(Ok(()), std::fs::create_dir_all);
    made.and_then(|()| std::fs::write(path, contents))
        .map_err(|error| Trouble::Cannot(format!("{} cannot be written: {error}", name(path))))
}

/// A path as people call it: relative to the repository.
pub(crate) fn name(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

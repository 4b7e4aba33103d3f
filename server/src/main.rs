//! The binary `seedfast-kv`: the key-value service on a real machine. It is not built yet.

use std::process::ExitCode;

fn main() -> ExitCode {
    eprintln!(
        "seedfast-kv is not built yet: it needs the real runtime, which comes next; \
         `cargo run --release -- run` tests its core in simulation"
    );
    ExitCode::from(2)
}

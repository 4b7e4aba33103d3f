//! The binary `seedfast-kv`: the key-value service on a real machine.
//!
//! - [`cli`]: the command line; [`trouble`]: exit codes; [`cluster`], [`size`]: values of flags
//! - [`identity`]: who a data directory belongs to; [`format`]: how one is made
//! - [`offline`]: looking at a data directory that nobody serves from, saving it and bringing it back
//! - [`serve`]: a replica in its [`seat`], with its [`doors`], what can be seen of it ([`overlook`], [`log`]) and asked of it
//!   ([`admin`]), and what is kept of its life ([`record`]), until [`ending`] says that it is enough; [`local`]: a whole cluster of them, for trying out

mod admin;
mod cli;
mod cluster;
mod doors;
mod ending;
mod format;
mod identity;
mod local;
mod log;
mod offline;
mod overlook;
mod record;
mod seat;
mod serve;
mod size;
mod trouble;

use clap::Parser;
use cli::{Command, CommandLine};
use std::io::{self, Write};
use std::process::ExitCode;

fn main() -> ExitCode {
    let done = match CommandLine::parse().command {
        Command::Format(options) => format::run(&options),
        Command::Serve(options) => serve::run(options),
        Command::Local(options) => local::run(&options),
        Command::Backup(options) => offline::backup(&options),
        Command::Restore(options) => offline::restore(&options),
        Command::Inspect(options) => return ended(offline::inspect(&options)),
        Command::Verify(options) => return ended(offline::verify(&options)),
    };
    ended(done.map(|()| ExitCode::SUCCESS))
}

fn ended(done: Result<ExitCode, trouble::Trouble>) -> ExitCode {
    match done {
        Ok(code) => code,
        Err(trouble) => {
            let _ = writeln!(io::stderr(), "seedfast-kv: {trouble}");
            trouble.code()
        }
    }
}

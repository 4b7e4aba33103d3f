//! What the program says while it runs: lines on standard error, for a person or for a machine.
//!
//! Nothing is said per command: what happens often is counted instead (`INFO`, `/metrics`).

use clap::{Args, ValueEnum};
use std::io;
use tracing::level_filters::LevelFilter;

/// What is said, and how.
#[derive(Args, Clone, Copy)]
pub(crate) struct Log {
    /// What is said on standard error [default: info, and warn for `local`]
    #[arg(long = "log", value_enum, value_name = "LEVEL")]
    pub(crate) level: Option<Level>,
    /// How it is said
    #[arg(long = "log-format", value_enum, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: Format,
}

/// How much is said; each level says what those before it say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Level {
    Off,
    Error,
    Warn,
    Info,
    Debug,
}

/// One line for each event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
}

impl Level {
    /// The word for it on a command line.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Level::Off => "off",
            Level::Error => "error",
            Level::Warn => "warn",
            Level::Info => "info",
            Level::Debug => "debug",
        }
    }
}

impl Format {
    /// The word for it on a command line.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Format::Text => "text",
            Format::Json => "json",
        }
    }
}

impl Log {
    /// From now on what is said is written.
    pub(crate) fn begin(self) {
        let level = match self.level.unwrap_or(Level::Info) {
            Level::Off => LevelFilter::OFF,
            Level::Error => LevelFilter::ERROR,
            Level::Warn => LevelFilter::WARN,
            Level::Info => LevelFilter::INFO,
            Level::Debug => LevelFilter::DEBUG,
        };
        // Who read them may be gone: that is no reason to end.
        let lines = tracing_subscriber::fmt()
            .with_max_level(level)
            .with_writer(io::stderr)
            .with_target(false)
            .log_internal_errors(false);
        match self.format {
            Format::Text => lines.with_ansi(false).init(),
            Format::Json => lines.json().flatten_event(true).with_span_list(false).init(),
        }
    }
}

//! What is done to a journal: a shape and a list of operations, as data that people can read, edit and shrink.

use seedfast_core::Geometry;
use seedfast_core::journal::Options;
use seedfast_sim::images::Model;
use std::fmt;
use std::str::FromStr;

/// The device and how it is laid out; never more than 4 KiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Which images a crash may leave.
    pub model: Model,
    /// The place of one metadata copy, in bytes.
    pub copy: u64,
    /// One snapshot area, in bytes.
    pub area: u64,
    /// One segment of the log, in bytes.
    pub segment: u64,
    /// How many segments the log has.
    pub segments: u32,
}

/// How many bytes every explored device has.
pub const CAPACITY: u64 = 4096;

impl Shape {
    /// A journal in four kibibytes of NVM.
    pub const fn nvm(model: Model) -> Self {
        Shape { model, copy: 256, area: 512, segment: 512, segments: 4 }
    }

    /// A journal in four kibibytes of a disk.
    pub const fn disk() -> Self {
        Shape { model: Model::Sectors, copy: 512, area: 512, segment: 512, segments: 2 }
    }

    /// What the device says of itself.
    pub fn geometry(&self) -> Geometry {
        match self.model {
            Model::Sectors => Geometry::disk(CAPACITY),
            Model::Relaxed8 | Model::Px86 | Model::Eadr => Geometry::nvm(CAPACITY),
        }
    }

    /// What the journal is formatted with.
    pub fn options(&self) -> Options {
        Options { copy: self.copy, area: self.area, segment: self.segment, segments: self.segments }
    }
}

/// What a record is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A promise.
    Promise,
    /// A vote.
    Vote,
    /// A value learned from a peer.
    Learned,
    /// A configuration.
    Configuration,
}

/// One operation. The device goes on only in [`Op::Run`] and [`Op::Settle`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// A record joins the next group. Its payload of `bytes` bytes follows from `id`.
    Append {
        /// What it is about.
        what: What,
        /// The slot; 0 for a promise.
        slot: u64,
        /// The ballot.
        ballot: u64,
        /// The configuration's number.
        epoch: u32,
        /// The length of the value, in bytes.
        bytes: u32,
        /// The value's name, from which its bytes follow.
        id: u64,
    },
    /// The end of a burst: the open group is committed, or the mark written at rest.
    Burst {
        /// The decided prefix.
        decided: u64,
        /// Commit even without records.
        even_empty: bool,
    },
    /// The device does so many micro-operations, if it has them.
    Run(u32),
    /// The device does all that it has to do, and the journal comes to rest.
    Settle,
    /// A snapshot of everything below `slot` begins: pieces, a sync, then the metadata refers to it and votes below
    /// `covered` may go. It goes on whenever the device does.
    Snapshot {
        /// Every slot below is in it.
        slot: u64,
        /// The lengths of its pieces, in bytes.
        pieces: Vec<u32>,
        /// The state's digest, from which the bytes of the pieces follow.
        digest: u64,
    },
    /// The metadata is updated without a new snapshot: a configuration whose bytes follow from its number.
    Configure {
        /// The configuration's number.
        epoch: u32,
        /// How many bytes it has.
        bytes: u32,
    },
    /// The power goes and comes back; which units survive is drawn.
    Power(u64),
    /// The process dies and starts again; what becomes of a disk's writes in flight is drawn.
    Process(u64),
    /// The next sync of this life fails.
    FailSync,
    /// The next write of this life finds the device full.
    Full,
}

/// A shape, a name for everything that is drawn, and operations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sequence {
    /// What it is called: a seed, or a name from the list.
    pub name: String,
    /// The key of all draws.
    pub seed: u64,
    /// The device and its layout.
    pub shape: Shape,
    /// What is done.
    pub ops: Vec<Op>,
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            What::Promise => "promise",
            What::Vote => "vote",
            What::Learned => "learned",
            What::Configuration => "configuration",
        })
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Op::Append { what, slot, ballot, epoch, bytes, id } => {
                write!(f, "append {what} slot {slot} ballot {ballot} epoch {epoch} bytes {bytes} id {id}")
            }
            Op::Burst { decided, even_empty: false } => write!(f, "burst decided {decided}"),
            Op::Burst { decided, even_empty: true } => write!(f, "burst decided {decided} even-empty"),
            Op::Run(steps) => write!(f, "run {steps}"),
            Op::Settle => f.write_str("settle"),
            Op::Snapshot { slot, pieces, digest } => {
                let pieces: Vec<String> = pieces.iter().map(u32::to_string).collect();
                write!(f, "snapshot slot {slot} digest {digest} pieces {}", pieces.join(","))
            }
            Op::Configure { epoch, bytes } => write!(f, "configure epoch {epoch} bytes {bytes}"),
            Op::Power(draw) => write!(f, "power draw {draw}"),
            Op::Process(draw) => write!(f, "process draw {draw}"),
            Op::FailSync => f.write_str("fail-sync"),
            Op::Full => f.write_str("full"),
        }
    }
}

/// The name of a model, as people write it.
pub fn model_name(model: Model) -> &'static str {
    match model {
        Model::Relaxed8 => "relaxed8",
        Model::Px86 => "px86",
        Model::Eadr => "eadr",
        Model::Sectors => "disk",
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shape { model, copy, area, segment, segments } = self;
        let model = model_name(*model);
        write!(f, "{model} copy {copy} area {area} segment {segment} segments {segments}")
    }
}

/// The words of a line, taken one after the other.
pub(super) struct Words<'a>(std::str::SplitWhitespace<'a>);

impl<'a> Words<'a> {
    pub(super) fn of(line: &'a str) -> Self {
        Words(line.split_whitespace())
    }

    pub(super) fn next(&mut self) -> Result<&'a str, String> {
        self.0.next().ok_or_else(|| "it ends too early".to_owned())
    }

    pub(super) fn number<T: FromStr>(&mut self) -> Result<T, String> {
        let word = self.next()?;
        word.parse().map_err(|_| format!("`{word}` is no number that fits here"))
    }

    /// A number behind the word that names it.
    pub(super) fn named<T: FromStr>(&mut self, name: &str) -> Result<T, String> {
        let word = self.next()?;
        if word != name {
            return Err(format!("`{word}` stands where `{name}` should"));
        }
        self.number()
    }

    /// What is left, as one text.
    pub(super) fn rest(self) -> String {
        self.0.collect::<Vec<_>>().join(" ")
    }

    pub(super) fn end(mut self) -> Result<(), String> {
        match self.0.next() {
            None => Ok(()),
            Some(word) => Err(format!("nothing is expected at `{word}`")),
        }
    }
}

impl FromStr for Shape {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut words = Words::of(text);
        let model = match words.next()? {
            "relaxed8" => Model::Relaxed8,
            "px86" => Model::Px86,
            "eadr" => Model::Eadr,
            "disk" => Model::Sectors,
            other => return Err(format!("`{other}` is no model; there are relaxed8, px86, eadr and disk")),
        };
        let shape = Shape {
            model,
            copy: words.named("copy")?,
            area: words.named("area")?,
            segment: words.named("segment")?,
            segments: words.named("segments")?,
        };
        words.end()?;
        Ok(shape)
    }
}

impl FromStr for Op {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut words = Words::of(text);
        let op = match words.next()? {
            "append" => {
                let what = match words.next()? {
                    "promise" => What::Promise,
                    "vote" => What::Vote,
                    "learned" => What::Learned,
                    "configuration" => What::Configuration,
                    other => return Err(format!("`{other}` is no kind of record")),
                };
                Op::Append {
                    what,
                    slot: words.named("slot")?,
                    ballot: words.named("ballot")?,
                    epoch: words.named("epoch")?,
                    bytes: words.named("bytes")?,
                    id: words.named("id")?,
                }
            }
            "burst" => {
                let decided = words.named("decided")?;
                let even_empty = match words.0.next() {
                    None => false,
                    Some("even-empty") => true,
                    Some(other) => return Err(format!("`{other}` stands where `even-empty` may")),
                };
                Op::Burst { decided, even_empty }
            }
            "run" => Op::Run(words.number()?),
            "settle" => Op::Settle,
            "snapshot" => Op::Snapshot {
                slot: words.named("slot")?,
                digest: words.named("digest")?,
                pieces: {
                    let list: String = words.named("pieces")?;
                    let wrong = |piece: &str| format!("`{piece}` is no length of a piece");
                    list.split(',')
                        .map(|piece| piece.parse().map_err(|_| wrong(piece)))
                        .collect::<Result<_, _>>()?
                },
            },
            "configure" => Op::Configure { epoch: words.named("epoch")?, bytes: words.named("bytes")? },
            "power" => Op::Power(words.named("draw")?),
            "process" => Op::Process(words.named("draw")?),
            "fail-sync" => Op::FailSync,
            "full" => Op::Full,
            other => return Err(format!("`{other}` is no operation")),
        };
        words.end()?;
        Ok(op)
    }
}

//! The rows of the recovery table, numbered as in `docs/journal.md`.

use core::fmt;

macro_rules! rows {
    ($($row:ident $probe:literal),* $(,)?) => {
        /// A case that recovery met: a row of the table in `docs/journal.md`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Row {
            $(#[doc = $probe] $row),*
        }

        impl Row {
            /// All of them, in the table's order.
            pub const ALL: &[Row] = &[$(Row::$row),*];

            /// What it is called as a probe: its number and its case.
            pub const fn probe(self) -> &'static str {
                match self {
                    $(Row::$row => concat!("recovery ", stringify!($row), ": ", $probe)),*
                }
            }
        }
    };
}

rows! {
    D1 "an unformatted device was refused",
    D2 "a device that is too short was refused",
    D3 "a device that holds something else was refused",
    D4 "a device of a newer format was refused",
    D5 "a device of another cluster, group or node was refused",
    D6 "one metadata copy was unreadable or older, and was rewritten",
    D7 "metadata copies that contradict each other were refused",
    D8 "a device without a whole metadata copy was refused",
    D9 "the device took the place of a lost one",
    D10 "what must be known could not be read, and was refused",
    L1 "a record was taken",
    L2 "the log ended where nothing was written",
    L3 "a torn tail was cut",
    L4 "records behind a hole in the unsynced tail were erased",
    L5 "damage at or below the durable mark was refused",
    L6 "the log ended at a record of an earlier lap",
    L7 "a record of another cluster or group was met",
    L8 "a misdirected record was met",
    L9 "a record whose number was taken already was erased",
    L10 "a record of a newer format was refused",
    L11 "a record with another predecessor was erased",
    L12 "a record of a lower incarnation than its predecessor's was erased",
    L13 "a malformed record was refused",
    L14 "one copy of the durable mark was unreadable, and was rewritten",
    S1 "there was no snapshot",
    S2 "the snapshot was whole",
    S3 "the snapshot was damaged",
    S4 "a part of another snapshot was found",
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A set of rows.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Rows(u64);

impl Rows {
    /// Adds `row`.
    pub fn meet(&mut self, row: Row) {
        self.0 |= 1 << row as u8;
    }

    /// Whether `row` was met.
    pub fn contains(self, row: Row) -> bool {
        self.0 & 1 << row as u8 != 0
    }

    /// The rows met, in the table's order.
    pub fn iter(self) -> impl Iterator<Item = Row> {
        Row::ALL.iter().copied().filter(move |row| self.contains(*row))
    }
}

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

//! How large anything may grow: a command beyond it is refused with an error, the same on every replica.

/// Bounds in bytes. They are part of the state machine's definition: every replica of a group must have the same.
/// Whatever is asked for, keys, values, lists and answers stay below [`Limits::CEILING`], because their lengths are
/// stored in four bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest key.
    pub key: usize,
    /// The longest string, and the longest element of a list.
    pub value: usize,
    /// The largest list: its elements, and four bytes for each.
    pub list: usize,
    /// The largest answer of a question that names many keys or elements, as encoded.
    pub reply: usize,
    /// All keys and all values together, without the map's own overhead (about 100 bytes a key).
    pub total: usize,
}

impl Limits {
    /// What a server starts with: keys of 4 KiB, values of 1 MiB, lists and answers of 16 MiB, 4 GiB in all.
    pub const DEFAULT: Limits =
        Limits { key: 4 << 10, value: 1 << 20, list: 16 << 20, reply: 16 << 20, total: 4 << 30 };
    /// No key, value, list or answer is larger than this.
    pub const CEILING: usize = 1 << 31;

    pub(crate) fn under_the_ceiling(self) -> Self {
        Limits {
            key: self.key.min(Self::CEILING),
            value: self.value.min(Self::CEILING),
            list: self.list.min(Self::CEILING),
            reply: self.reply.min(Self::CEILING),
            total: self.total,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

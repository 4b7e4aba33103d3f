//! What clients asked and what they were told, in real-time order.
//!
//! Exported in Jepsen's shape: one JSON object a line, line order is real-time order, time in nanoseconds of true
//! time. `fail` means certainly never applied; in doubt it is `info`, and that process id is never used again.

use std::fmt::{self, Write as _};

/// A key of the workload: a list that only grows, or a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// A list, by number.
    List(u16),
    /// A register, by number.
    Register(u16),
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Key::List(number) => write!(f, "list-{number}"),
            Key::Register(number) => write!(f, "register-{number}"),
        }
    }
}

/// What is asked of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// The whole list, or the register's value.
    Read,
    /// Put `value` into a register.
    Write {
        /// Unique in the run.
        value: u64,
    },
    /// Put `new` into a register that holds `old`.
    Cas {
        /// What must be there.
        old: u64,
        /// Unique in the run.
        new: u64,
    },
    /// Empty a register.
    Delete,
    /// Append `value` to a list.
    Append {
        /// Unique in the run.
        value: u64,
    },
}

/// What a read returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A register's value, if it holds one.
    Register(Option<u64>),
    /// A list's elements.
    List(Vec<u64>),
}

/// How an operation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// A read returned this.
    Read(Value),
    /// A write was carried out.
    Written,
    /// The register held `old` and holds `new` now.
    Swapped,
    /// The register held something else: certainly nothing changed. Exported as `fail`.
    NotSwapped,
    /// The register is empty now; whether it held something.
    Deleted {
        /// Whether it did.
        existed: bool,
    },
    /// The element was appended and the list was then so long.
    Appended {
        /// The list's length with the element.
        length: u64,
    },
    /// It was certainly never carried out, and never will be.
    Fail,
    /// Nobody knows whether it was, or will be, carried out.
    Info,
}

impl End {
    /// The entry's type in Jepsen's shape.
    pub fn kind(&self) -> &'static str {
        match self {
            End::Fail | End::NotSwapped => "fail",
            End::Info => "info",
            _ => "ok",
        }
    }
}

/// An operation of the history, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OperationIndex(pub u32);

/// One operation from its invocation to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// The process id: a process has one operation at a time.
    pub process: u64,
    /// Of which key.
    pub key: Key,
    /// What was asked.
    pub function: Function,
    /// The number of the entry that invoked it.
    pub invoked: u32,
    /// The number of the entry that ended it, and how; none while it is under way.
    pub ended: Option<(u32, End)>,
}

impl Operation {
    /// The number of the entry before which it must have taken effect: none if it is in doubt.
    pub fn returned(&self) -> Option<u32> {
        match &self.ended {
            Some((entry, end)) if *end != End::Info => Some(*entry),
            _ => None,
        }
    }
}

/// A line of the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// True time in nanoseconds.
    pub time: u64,
    /// Whose.
    pub operation: OperationIndex,
    /// Whether it is the operation's end rather than its invocation.
    pub end: bool,
}

/// Operations and their entries in real-time order.
#[derive(Clone, Debug, Default)]
pub struct History {
    operations: Vec<Operation>,
    entries: Vec<Entry>,
}

impl History {
    /// All operations, in order of invocation.
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// All entries, in real-time order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// An operation begins.
    pub fn invoke(&mut self, time: u64, process: u64, key: Key, function: Function) -> OperationIndex {
        let operation = OperationIndex(self.operations.len() as u32);
        let invoked = self.entries.len() as u32;
        self.operations.push(Operation { process, key, function, invoked, ended: None });
        self.entries.push(Entry { time, operation, end: false });
        operation
    }

    /// An operation ends.
    ///
    /// # Panics
    /// If it had ended already.
    pub fn end(&mut self, time: u64, operation: OperationIndex, end: End) {
        let entry = self.entries.len() as u32;
        let ended = &mut self.operations[operation.0 as usize].ended;
        assert!(ended.is_none(), "an operation ends once");
        *ended = Some((entry, end));
        self.entries.push(Entry { time, operation, end: true });
    }

    /// The export: one JSON object a line.
    pub fn json_lines(&self) -> String {
        let mut lines = String::new();
        for (index, entry) in self.entries.iter().enumerate() {
            let operation = &self.operations[entry.operation.0 as usize];
            let end = operation.ended.as_ref().map(|(_, end)| end).filter(|_| entry.end);
            let name = match operation.function {
                Function::Read => "read",
                Function::Write { .. } => "write",
                Function::Cas { .. } => "cas",
                Function::Delete => "delete",
                Function::Append { .. } => "append",
            };
            let _ = writeln!(
                lines,
                "{{\"index\":{index},\"time\":{},\"process\":{},\"type\":\"{}\",\"f\":\"{name}\",\"key\":\"{}\",\
                 \"value\":{}}}",
                entry.time,
                operation.process,
                end.map_or("invoke", End::kind),
                operation.key,
                value(operation.function, end),
            );
        }
        lines
    }
}

/// What the line says under `value`: a read's result once it is known, otherwise the argument.
fn value(function: Function, end: Option<&End>) -> String {
    match (function, end) {
        (_, Some(End::Read(Value::Register(Some(value))))) => value.to_string(),
        (_, Some(End::Read(Value::List(elements)))) => {
            let elements: Vec<String> = elements.iter().map(u64::to_string).collect();
            format!("[{}]", elements.join(","))
        }
        (Function::Read | Function::Delete, _) => "null".into(),
        (Function::Write { value } | Function::Append { value }, _) => value.to_string(),
        (Function::Cas { old, new }, _) => format!("[{old},{new}]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_export_reads_as_documented() {
        let mut history = History::default();
        let append = history.invoke(12, 3, Key::List(0), Function::Append { value: 7 });
        let cas = history.invoke(13, 4, Key::Register(1), Function::Cas { old: 1, new: 2 });
        history.end(14, append, End::Appended { length: 1 });
        history.end(15, cas, End::NotSwapped);
        let read = history.invoke(16, 3, Key::List(0), Function::Read);
        history.end(17, read, End::Read(Value::List(vec![7])));
        let empty = history.invoke(18, 4, Key::Register(1), Function::Read);
        history.end(19, empty, End::Read(Value::Register(None)));
        let write = history.invoke(20, 4, Key::Register(1), Function::Write { value: 9 });
        history.end(21, write, End::Info);
        let delete = history.invoke(22, 12, Key::Register(1), Function::Delete);
        history.end(23, delete, End::Fail);
        let expected = r#"{"index":0,"time":12,"process":3,"type":"invoke","f":"append","key":"list-0","value":7}
{"index":1,"time":13,"process":4,"type":"invoke","f":"cas","key":"register-1","value":[1,2]}
{"index":2,"time":14,"process":3,"type":"ok","f":"append","key":"list-0","value":7}
{"index":3,"time":15,"process":4,"type":"fail","f":"cas","key":"register-1","value":[1,2]}
{"index":4,"time":16,"process":3,"type":"invoke","f":"read","key":"list-0","value":null}
{"index":5,"time":17,"process":3,"type":"ok","f":"read","key":"list-0","value":[7]}
{"index":6,"time":18,"process":4,"type":"invoke","f":"read","key":"register-1","value":null}
{"index":7,"time":19,"process":4,"type":"ok","f":"read","key":"register-1","value":null}
{"index":8,"time":20,"process":4,"type":"invoke","f":"write","key":"register-1","value":9}
{"index":9,"time":21,"process":4,"type":"info","f":"write","key":"register-1","value":9}
{"index":10,"time":22,"process":12,"type":"invoke","f":"delete","key":"register-1","value":null}
{"index":11,"time":23,"process":12,"type":"fail","f":"delete","key":"register-1","value":null}
"#;
        assert_eq!(history.json_lines(), expected);
    }

    #[test]
    #[should_panic(expected = "ends once")]
    fn an_operation_cannot_end_twice() {
        let mut history = History::default();
        let read = history.invoke(1, 0, Key::List(0), Function::Read);
        history.end(2, read, End::Fail);
        history.end(3, read, End::Info);
    }
}

//! Which commands there are: their names, how many words they take, where their keys stand, and what a client may ask
//! about them.

use Verb::*;

/// What a command does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the command of that name")]
pub enum Verb {
    Get,
    Set,
    Incr,
    Mget,
    Mset,
    Del,
    Exists,
    Decr,
    IncrBy,
    DecrBy,
    Append,
    StrLen,
    RPush,
    LRange,
    LLen,
    DbSize,
    Ping,
    Echo,
    Hello,
    Auth,
    Client,
    Command,
    Config,
    Info,
    Cluster,
    Select,
    Wait,
    Quit,
    Reset,
    ReadOnly,
    ReadWrite,
    Asking,
    Seedfast,
}

/// One command.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// What it does.
    pub verb: Verb,
    /// Its name in small letters.
    pub name: &'static str,
    /// How many words it takes, its name included; if negative, at least so many.
    pub arity: i64,
    /// Redis's flags: `write`, `readonly`, `fast` and others.
    pub flags: &'static [&'static str],
    /// First key, last key (negative: from the end) and step, or zeros.
    pub keys: (i64, i64, i64),
    /// Redis's group of commands.
    pub group: &'static str,
    /// The Redis version that had it first.
    pub since: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// What it takes, as `COMMAND DOCS` and so `redis-cli`'s hints have it.
    pub arguments: &'static [Argument],
}

/// One argument of a command.
#[derive(Clone, Copy, Debug)]
pub struct Argument {
    /// Its name.
    pub name: &'static str,
    /// Redis's word for its type.
    pub kind: &'static str,
    /// The word that stands before it.
    pub token: Option<&'static str>,
    /// Whether it may be left out.
    pub optional: bool,
    /// Whether it may stand several times.
    pub multiple: bool,
    /// What it is made of, for a block or a choice.
    pub inner: &'static [Argument],
}

const fn argument(name: &'static str, kind: &'static str) -> Argument {
    Argument { name, kind, token: None, optional: false, multiple: false, inner: &[] }
}

const fn token(name: &'static str, token: &'static str) -> Argument {
    Argument { token: Some(token), ..argument(name, "pure-token") }
}

const fn optional(argument: Argument) -> Argument {
    Argument { optional: true, ..argument }
}

const fn several(argument: Argument) -> Argument {
    Argument { multiple: true, ..argument }
}

const KEY: Argument = argument("key", "key");
const VALUE: Argument = argument("value", "string");
const PAIR: [Argument; 2] = [KEY, VALUE];
const CONDITION: [Argument; 3] = [
    token("nx", "NX"),
    token("xx", "XX"),
    Argument { token: Some("IFEQ"), ..argument("ifeq-value", "string") },
];
const SUBCOMMAND: [Argument; 2] =
    [argument("subcommand", "string"), optional(several(argument("argument", "string")))];
const HELLO: [Argument; 1] = [optional(Argument {
    inner: &[
        argument("protover", "integer"),
        optional(Argument { token: Some("SETNAME"), ..argument("clientname", "string") }),
    ],
    ..argument("arguments", "block")
})];

const fn spec(verb: Verb, name: &'static str, arity: i64, summary: &'static str) -> Spec {
    let (flags, keys) = (&["fast"] as &[_], (0, 0, 0));
    Spec { verb, name, arity, flags, keys, group: "connection", since: "1.0.0", summary, arguments: &[] }
}

/// A command that changes keys.
const fn write(spec: Spec, keys: (i64, i64, i64), arguments: &'static [Argument]) -> Spec {
    Spec { flags: &["write", "denyoom", "fast"], keys, group: "string", arguments, ..spec }
}

/// A command that only looks.
const fn read(spec: Spec, keys: (i64, i64, i64), arguments: &'static [Argument]) -> Spec {
    Spec { flags: &["readonly", "fast"], keys, group: "string", arguments, ..spec }
}

const fn group(spec: Spec, group: &'static str) -> Spec {
    Spec { group, ..spec }
}

const fn since(spec: Spec, since: &'static str) -> Spec {
    Spec { since, ..spec }
}

const fn taking(spec: Spec, arguments: &'static [Argument]) -> Spec {
    Spec { arguments, ..spec }
}

/// Of a command for operators and libraries.
const fn about(spec: Spec, group: &'static str, arguments: &'static [Argument]) -> Spec {
    Spec { flags: &["admin", "loading", "stale"], group, arguments, ..spec }
}

const NONE: (i64, i64, i64) = (0, 0, 0);
const ONE: (i64, i64, i64) = (1, 1, 1);
const ALL: (i64, i64, i64) = (1, -1, 1);

/// Every command, the most frequent ones first.
pub const COMMANDS: [Spec; 33] = [
    read(spec(Get, "get", 2, "Returns the string at a key."), ONE, &[KEY]),
    write(
        spec(Set, "set", -3, "Puts a string at a key, if a condition holds."),
        ONE,
        &[
            KEY,
            VALUE,
            optional(Argument { inner: &CONDITION, ..argument("condition", "oneof") }),
            optional(token("get", "GET")),
        ],
    ),
    write(spec(Incr, "incr", 2, "Adds one to the integer at a key."), ONE, &[KEY]),
    read(spec(Mget, "mget", -2, "Returns the strings at several keys."), ALL, &[several(KEY)]),
    write(
        since(spec(Mset, "mset", -3, "Puts strings at several keys at once."), "1.0.1"),
        (1, -1, 2),
        &[several(Argument { inner: &PAIR, ..argument("data", "block") })],
    ),
    group(write(spec(Del, "del", -2, "Removes keys."), ALL, &[several(KEY)]), "generic"),
    group(read(spec(Exists, "exists", -2, "Counts the keys that exist."), ALL, &[several(KEY)]), "generic"),
    write(spec(Decr, "decr", 2, "Subtracts one from the integer at a key."), ONE, &[KEY]),
    write(
        spec(IncrBy, "incrby", 3, "Adds to the integer at a key."),
        ONE,
        &[KEY, argument("increment", "integer")],
    ),
    write(
        spec(DecrBy, "decrby", 3, "Subtracts from the integer at a key."),
        ONE,
        &[KEY, argument("decrement", "integer")],
    ),
    write(since(spec(Append, "append", 3, "Appends to the string at a key."), "2.0.0"), ONE, &PAIR),
    read(since(spec(StrLen, "strlen", 2, "Returns the length of a string."), "2.2.0"), ONE, &[KEY]),
    group(
        write(
            spec(RPush, "rpush", -3, "Appends elements to a list."),
            ONE,
            &[KEY, several(argument("element", "string"))],
        ),
        "list",
    ),
    group(
        read(
            spec(LRange, "lrange", 4, "Returns a range of a list's elements."),
            ONE,
            &[KEY, argument("start", "integer"), argument("stop", "integer")],
        ),
        "list",
    ),
    group(read(spec(LLen, "llen", 2, "Returns the length of a list."), ONE, &[KEY]), "list"),
    group(read(spec(DbSize, "dbsize", 1, "Returns how many keys there are."), NONE, &[]), "server"),
    taking(
        spec(Ping, "ping", -1, "Answers, without asking the other replicas."),
        &[optional(argument("message", "string"))],
    ),
    taking(spec(Echo, "echo", 2, "Returns its argument."), &[argument("message", "string")]),
    taking(
        since(spec(Hello, "hello", -1, "Chooses the protocol's version and tells who serves."), "6.0.0"),
        &HELLO,
    ),
    taking(
        spec(Auth, "auth", -2, "Is refused: there are no passwords here."),
        &[argument("password", "string")],
    ),
    about(
        since(spec(Client, "client", -2, "Tells of connections, and names this one."), "2.4.0"),
        "connection",
        &SUBCOMMAND,
    ),
    about(
        since(spec(Command, "command", -1, "Tells of commands."), "2.8.13"),
        "server",
        &[optional(SUBCOMMAND[0]), SUBCOMMAND[1]],
    ),
    about(
        since(spec(Config, "config", -2, "Returns settings; none can be changed while it runs."), "2.0.0"),
        "server",
        &SUBCOMMAND,
    ),
    about(
        spec(Info, "info", -1, "Tells how this node is doing."),
        "server",
        &[optional(several(argument("section", "string")))],
    ),
    about(
        since(spec(Cluster, "cluster", -2, "Tells of the cluster and who leads it."), "3.0.0"),
        "cluster",
        &SUBCOMMAND,
    ),
    taking(spec(Select, "select", 2, "Chooses database 0, the only one."), &[argument("index", "integer")]),
    group(
        taking(
            since(
                spec(Wait, "wait", 3, "Tells how many other replicas are sure to hold what was written."),
                "3.0.0",
            ),
            &[argument("numreplicas", "integer"), argument("timeout", "integer")],
        ),
        "generic",
    ),
    spec(Quit, "quit", -1, "Closes the connection behind all replies."),
    since(spec(Reset, "reset", 1, "Makes the connection as it was at its beginning."), "6.2.0"),
    group(
        since(
            spec(ReadOnly, "readonly", 1, "Is refused: every read is linearizable, and the leader's."),
            "3.0.0",
        ),
        "cluster",
    ),
    group(since(spec(ReadWrite, "readwrite", 1, "Does nothing: it is always so here."), "3.0.0"), "cluster"),
    group(
        since(spec(Asking, "asking", 1, "Does nothing: slots are never on the way here."), "3.0.0"),
        "cluster",
    ),
    about(spec(Seedfast, "seedfast", -2, "Operates this node."), "server", &SUBCOMMAND),
];

/// The command of that name, in whatever letters.
#[inline]
pub fn find(name: &[u8]) -> Option<&'static Spec> {
    static TABLE: [Spec; COMMANDS.len()] = COMMANDS;
    TABLE.iter().find(|spec| spec.name.len() == name.len() && spec.name.as_bytes().eq_ignore_ascii_case(name))
}

impl Spec {
    /// Whether it may be asked with so many words.
    #[inline]
    pub const fn takes(&self, words: usize) -> bool {
        let words = words as i64;
        if self.arity < 0 { words >= -self.arity } else { words == self.arity }
    }

    /// Whether it is answered on the spot, without the replicas.
    #[inline]
    pub const fn is_local(&self) -> bool {
        self.keys.0 == 0 && !matches!(self.verb, DbSize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_found_in_any_letters() {
        for (index, spec) in COMMANDS.iter().enumerate() {
            assert!(COMMANDS[..index].iter().all(|other| other.name != spec.name), "{}", spec.name);
            let found = find(spec.name.to_ascii_uppercase().as_bytes());
            assert_eq!(found.map(|found| found.verb), Some(spec.verb));
            assert!(spec.name.bytes().all(|byte| byte.is_ascii_lowercase()));
        }
        assert!(find(b"getx").is_none() && find(b"").is_none());
    }

    #[test]
    fn what_is_said_of_keys_agrees_with_what_is_said_of_words() {
        for spec in COMMANDS {
            let (first, last, step) = spec.keys;
            assert_eq!(first == 0, spec.group == "connection" || step == 0, "{}", spec.name);
            if first > 0 {
                let least = spec.arity.abs();
                assert!(least > first && (last == -1 || last == first), "{}", spec.name);
                assert!(spec.flags[0] == "write" || spec.flags[0] == "readonly", "{}", spec.name);
            }
        }
    }
}

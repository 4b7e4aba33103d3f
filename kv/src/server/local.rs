//! Commands that are answered on the spot, without the replicas.

use super::cluster;
use super::info::{self, SPEAKS};
use super::service::{Client, Operated, Service};
use crate::integer;
use crate::resp::table::{COMMANDS, Verb};
use crate::resp::{Args, Version, Writer, help};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::Write;

/// What follows.
pub(super) enum Next {
    /// The answer was written.
    GoOn,
    /// The answer was written, and the connection closes behind it.
    Close,
    /// The answer comes later.
    Wait(Operated),
}

const NOT_AN_INTEGER: &str = "ERR value is not an integer or out of range";
const NO_PASSWORD: &str = "ERR AUTH <password> called without any password configured for the default user. \
                           Are you sure your configuration is correct?";

/// Answers a command that no key has a part in.
pub(super) fn answer(
    verb: Verb,
    args: Args<'_>,
    service: &Service,
    client: &Client,
    out: &mut Vec<u8>,
) -> Next {
    if verb == Verb::Hello {
        hello(args, service, client, out);
        return Next::GoOn;
    }
    if verb == Verb::Reset {
        client.version.set(Version::Resp2);
        client.name.borrow_mut().clear();
    }
    let out = &mut Writer::new(out, client.version.get());
    match verb {
        Verb::Ping if args.len() > 2 => out.error("ERR wrong number of arguments for 'ping' command"),
        Verb::Ping if args.len() == 2 => out.bulk(args.get(1)),
        Verb::Ping => out.simple("PONG"),
        Verb::Echo => out.bulk(args.get(1)),
        Verb::Auth if args.len() > 3 => out.error("ERR syntax error"),
        Verb::Auth => out.error(NO_PASSWORD),
        Verb::Client => self::client(args, service, client, out),
        Verb::Command => command(args, out),
        Verb::Config => config(args, service, out),
        Verb::Info => out.text(&info::info(service, args.from(1).collect::<Vec<_>>().into_iter())),
        Verb::Cluster => {
            let parts = ("CLUSTER", &cluster::HELP[..]);
            if cluster::answer(service, args, out).is_err() {
                subcommand(parts, args, out);
            }
        }
        Verb::Select => match integer::parse(args.get(1)) {
            Some(0) => out.ok(),
            Some(_) => out.error("ERR SELECT is not allowed in cluster mode"),
            None => out.error(NOT_AN_INTEGER),
        },
        Verb::Wait => wait(args, service, out),
        Verb::Quit => {
            out.ok();
            return Next::Close;
        }
        Verb::Reset => out.simple("RESET"),
        Verb::ReadOnly => out.error(
            "ERR READONLY is not supported: every read is linearizable here, and only the leader answers it",
        ),
        Verb::ReadWrite | Verb::Asking => out.ok(),
        Verb::Seedfast => return seedfast(args, service, out),
        other => panic!("{other:?} is for the replicas"),
    }
    Next::GoOn
}

/// `HELLO [version [AUTH user password] [SETNAME name]]`
fn hello(args: Args<'_>, service: &Service, client: &Client, out: &mut Vec<u8>) {
    let mut version = client.version.get();
    let mut wrong = |error: &str| Writer::new(out, version).error(error);
    if args.len() > 1 {
        version = match integer::parse(args.get(1)) {
            Some(2) => Version::Resp2,
            Some(3) => Version::Resp3,
            Some(_) => return wrong("NOPROTO unsupported protocol version"),
            None => return wrong("ERR Protocol version is not an integer or out of range"),
        };
    }
    let (mut words, mut name) = (args.from(2), None);
    while let Some(word) = words.next() {
        let is = |option: &str| word.eq_ignore_ascii_case(option.as_bytes());
        if is("AUTH") && words.len() >= 2 {
            return Writer::new(out, client.version.get()).error(NO_PASSWORD);
        } else if is("SETNAME") && words.len() >= 1 {
            let Some(valid) = words.next().and_then(name_of) else {
                return Writer::new(out, client.version.get()).error(BAD_NAME);
            };
            name = Some(valid);
        } else {
            let word = String::from_utf8_lossy(&word[..word.len().min(128)]);
            let error = format_args!("ERR Syntax error in HELLO option '{word}'");
            return Writer::new(out, client.version.get()).error(error);
        }
    }
    if let Some(name) = name {
        *client.name.borrow_mut() = name;
    }
    client.version.set(version);
    let out = &mut Writer::new(out, version);
    out.map(7);
    let mut field = |name: &str, value: &str| {
        out.bulk(name.as_bytes());
        out.bulk(value.as_bytes());
    };
    field("server", "seedfast");
    field("version", SPEAKS);
    out.bulk(b"proto");
    out.integer(if version == Version::Resp3 { 3 } else { 2 });
    out.bulk(b"id");
    out.integer(client.id as i64);
    let role = if service.leads() { "master" } else { "replica" };
    for (name, value) in [("mode", "cluster"), ("role", role)] {
        out.bulk(name.as_bytes());
        out.bulk(value.as_bytes());
    }
    out.bulk(b"modules");
    out.array(0);
}

const BAD_NAME: &str = "ERR Client names cannot contain spaces, newlines or special characters.";

/// A name without blanks, of printable ASCII, as Redis wants it.
fn name_of(word: &[u8]) -> Option<String> {
    let printable = word.iter().all(|byte| (b'!'..=b'~').contains(byte));
    (printable && word.len() <= 256).then(|| String::from_utf8_lossy(word).into_owned())
}

const CLIENT_HELP: [(&str, &str); 6] = [
    ("GETNAME", "Returns the name of this connection."),
    ("ID", "Returns the number of this connection."),
    ("INFO", "Tells of this connection."),
    ("LIST", "Tells of every connection of this node."),
    ("SETINFO (LIB-NAME|LIB-VER) <value>", "Says which library the client uses."),
    ("SETNAME <name>", "Names this connection."),
];

fn client(args: Args<'_>, service: &Service, client: &Client, out: &mut Writer<'_>) {
    let is = |name: &str, words: usize| {
        args.get(1).eq_ignore_ascii_case(name.as_bytes()) && args.len() == words + 2
    };
    if is("ID", 0) {
        out.integer(client.id as i64);
    } else if is("GETNAME", 0) {
        match client.name.borrow().as_str() {
            "" => out.null(),
            name => out.bulk(name.as_bytes()),
        }
    } else if is("SETNAME", 1) {
        match name_of(args.get(2)) {
            Some(name) => {
                *client.name.borrow_mut() = name;
                out.ok();
            }
            None => out.error(BAD_NAME),
        }
    } else if is("SETINFO", 2) {
        let fields = ["LIB-NAME", "LIB-VER"];
        let field = fields.into_iter().position(|field| args.get(2).eq_ignore_ascii_case(field.as_bytes()));
        match (field, name_of(args.get(3))) {
            (None, _) => out.error(format_args!(
                "ERR Unrecognized option '{}'",
                String::from_utf8_lossy(&args.get(2)[..args.get(2).len().min(128)])
            )),
            (Some(field), None) => out.error(format_args!(
                "ERR {} cannot contain spaces, newlines or special characters.",
                fields[field].to_ascii_lowercase()
            )),
            (Some(field), Some(value)) => {
                client.library.borrow_mut()[field] = value;
                out.ok();
            }
        }
    } else if is("LIST", 0) {
        let mut text = String::new();
        service.each_client(|client| describe(client, service, &mut text));
        out.text(&text);
    } else if is("INFO", 0) {
        let mut text = String::new();
        describe(client, service, &mut text);
        out.text(&text);
    } else {
        subcommand(("CLIENT", &CLIENT_HELP), args, out);
    }
}

/// One line; what Redis tells and this node does not know (addresses, memory) is left out.
fn describe(client: &Client, service: &Service, text: &mut String) {
    let version = if client.version.get() == Version::Resp3 { 3 } else { 2 };
    let library = client.library.borrow();
    let _ = writeln!(
        text,
        "id={} name={} age={} flags=N db=0 cmd={} user=default lib-name={} lib-ver={} resp={version}",
        client.id,
        client.name.borrow(),
        service.seconds_since(client.since),
        client.last.get(),
        library[0],
        library[1],
    );
}

const COMMAND_HELP: [(&str, &str); 4] = [
    ("COUNT", "Returns how many commands there are."),
    ("DOCS [<name> ...]", "Returns what the commands do."),
    ("INFO [<name> ...]", "Returns how many words the commands take and where their keys stand."),
    ("LIST", "Returns the names of all commands."),
];

fn command(args: Args<'_>, out: &mut Writer<'_>) {
    if args.len() == 1 {
        return help::infos(args.from(1), out);
    }
    let is = |name: &str| args.get(1).eq_ignore_ascii_case(name.as_bytes());
    if is("INFO") {
        help::infos(args.from(2), out);
    } else if is("DOCS") {
        help::docs(args.from(2).collect::<Vec<_>>().into_iter(), out);
    } else if is("COUNT") && args.len() == 2 {
        out.integer(COMMANDS.len() as i64);
    } else if is("LIST") && args.len() == 2 {
        out.set(COMMANDS.len());
        COMMANDS.iter().for_each(|spec| out.bulk(spec.name.as_bytes()));
    } else {
        subcommand(("COMMAND", &COMMAND_HELP), args, out);
    }
}

const CONFIG_HELP: [(&str, &str); 1] =
    [("GET <pattern> ...", "Returns the settings whose names match one of the patterns.")];

fn config(args: Args<'_>, service: &Service, out: &mut Writer<'_>) {
    let is = |name: &str| args.get(1).eq_ignore_ascii_case(name.as_bytes());
    if ["SET", "REWRITE", "RESETSTAT"].into_iter().any(is) {
        out.error("ERR no setting can be changed while the server runs: give it when you start it");
    } else if is("GET") && args.len() > 2 {
        let argument = service.settings().limits.requests.argument.to_string();
        // Every acknowledged write is on the devices of a majority: there is nothing to save, and no other mode.
        let settings = [
            ("save", ""),
            ("appendonly", "yes"),
            ("appendfsync", "always"),
            ("cluster-enabled", "yes"),
            ("databases", "1"),
            ("maxmemory-policy", "noeviction"),
            ("proto-max-bulk-len", &argument),
        ];
        let wanted = |name: &str| args.from(2).any(|pattern| matches(pattern, name.as_bytes()));
        out.map(settings.iter().filter(|(name, _)| wanted(name)).count());
        for (name, value) in settings.iter().filter(|(name, _)| wanted(name)) {
            out.bulk(name.as_bytes());
            out.bulk(value.as_bytes());
        }
    } else {
        subcommand(("CONFIG", &CONFIG_HELP), args, out);
    }
}

/// Whether `name` has the form of `pattern`, in which `*` stands for any letters and `?` for one. It takes no longer
/// than the product of their lengths.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    // Where the last star stands, and how much of the name it has swallowed.
    let (mut p, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(letter) if *letter == b'?' || letter.eq_ignore_ascii_case(&name[n]) => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((at, swallowed)) => {
                    star = Some((at, swallowed + 1));
                    p = at + 1;
                    n = swallowed + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|letter| *letter == b'*')
}

/// `WAIT replicas timeout`: a write that was answered is on a majority, this leader included. More may hold it, but
/// only so many are sure to, and they did when the write was answered: there is nothing to wait for.
fn wait(args: Args<'_>, service: &Service, out: &mut Writer<'_>) {
    match (integer::parse(args.get(1)), integer::parse(args.get(2))) {
        (None, _) => out.error(NOT_AN_INTEGER),
        (_, None) => out.error("ERR timeout is not an integer or out of range"),
        (_, Some(..0)) => out.error("ERR timeout is negative"),
        _ if !service.leads() => out.error("ERR WAIT cannot be used with replica instances"),
        _ => out.integer(service.settings().members.len() as i64 / 2),
    }
}

fn seedfast(args: Args<'_>, service: &Service, out: &mut Writer<'_>) -> Next {
    let words = args.from(2).map(<[u8]>::to_vec).collect();
    match service.operate(args.get(1), words) {
        Some(operated) => Next::Wait(operated),
        None => {
            subcommand(("SEEDFAST", &service.operations()), args, out);
            Next::GoOn
        }
    }
}

/// `HELP`, or the error of a subcommand that does not exist or was given the wrong words.
fn subcommand((command, parts): (&str, &[(&str, &str)]), args: Args<'_>, out: &mut Writer<'_>) {
    let word = args.get(1);
    if word.eq_ignore_ascii_case(b"HELP") && args.len() == 2 {
        out.array(2 * parts.len() + 1);
        out.simple(&format!("{command} <subcommand> [<arg> ...]. Subcommands are:"));
        for (form, sentence) in parts {
            out.simple(form);
            out.simple(&format!("    {sentence}"));
        }
        return;
    }
    let names = parts.iter().filter_map(|(form, _)| form.split(' ').next());
    match names.map(str::to_ascii_lowercase).find(|name| word.eq_ignore_ascii_case(name.as_bytes())) {
        Some(name) => out.error(format_args!(
            "ERR wrong number of arguments for '{}|{name}' command",
            command.to_ascii_lowercase()
        )),
        None => out.error(format_args!(
            "ERR unknown subcommand '{}'. Try {command} HELP.",
            String::from_utf8_lossy(&word[..word.len().min(128)])
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_matched_without_running_wild() {
        for (pattern, name, expected) in [
            ("save", "save", true),
            ("SAVE", "save", true),
            ("s*", "save", true),
            ("*", "", true),
            ("*a?e", "save", true),
            ("sav", "save", false),
            ("save?", "save", false),
            ("a*", "save", false),
            ("", "save", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
        let (pattern, name) = ("*a".repeat(2000), "a".repeat(1999) + "b");
        assert!(!matches(pattern.as_bytes(), name.as_bytes()));
    }
}

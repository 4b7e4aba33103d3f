//! What `COMMAND` tells: for libraries that find keys by it, and for `redis-cli`, which makes its hints of it.

use super::table::{Argument, COMMANDS, Spec, find};
use super::write::Writer;

/// `COMMAND` and `COMMAND INFO`: each command's name, words, flags and keys. What Redis adds behind (categories of
/// access, tips, rules for keys, subcommands) is empty here.
pub fn info(spec: &Spec, out: &mut Writer<'_>) {
    out.array(10);
    out.bulk(spec.name.as_bytes());
    out.integer(spec.arity);
    out.set(spec.flags.len());
    spec.flags.iter().for_each(|flag| out.simple(flag));
    let (first, last, step) = spec.keys;
    [first, last, step].into_iter().for_each(|number| out.integer(number));
    (0..3).for_each(|_| out.set(0));
    out.array(0);
}

/// [`info`] of the commands named, null for one that does not exist; of all if none is named.
pub fn infos<'a>(names: impl ExactSizeIterator<Item = &'a [u8]>, out: &mut Writer<'_>) {
    if names.len() == 0 {
        out.array(COMMANDS.len());
        COMMANDS.iter().for_each(|spec| info(spec, out));
        return;
    }
    out.array(names.len());
    for name in names {
        match find(name) {
            Some(spec) => info(spec, out),
            None => out.null(),
        }
    }
}

/// `COMMAND DOCS`: a map of the commands named, those that do not exist left out; of all if none is named.
pub fn docs<'a>(names: impl ExactSizeIterator<Item = &'a [u8]> + Clone, out: &mut Writer<'_>) {
    if names.len() == 0 {
        out.map(COMMANDS.len());
        COMMANDS.iter().for_each(|spec| doc(spec, out));
        return;
    }
    out.map(names.clone().filter(|name| find(name).is_some()).count());
    names.filter_map(find).for_each(|spec| doc(spec, out));
}

fn doc(spec: &Spec, out: &mut Writer<'_>) {
    out.bulk(spec.name.as_bytes());
    out.map(3 + usize::from(!spec.arguments.is_empty()));
    for (field, text) in [("summary", spec.summary), ("since", spec.since), ("group", spec.group)] {
        out.bulk(field.as_bytes());
        out.bulk(text.as_bytes());
    }
    if !spec.arguments.is_empty() {
        arguments(spec.arguments, out);
    }
}

fn arguments(arguments: &[Argument], out: &mut Writer<'_>) {
    out.bulk(b"arguments");
    out.array(arguments.len());
    for argument in arguments {
        let Argument { name, kind, token, optional, multiple, inner } = *argument;
        let flags = usize::from(optional) + usize::from(multiple);
        out.map(2 + usize::from(token.is_some()) + usize::from(flags > 0) + usize::from(!inner.is_empty()));
        for (field, text) in [("name", Some(name)), ("type", Some(kind)), ("token", token)] {
            if let Some(text) = text {
                out.bulk(field.as_bytes());
                out.bulk(text.as_bytes());
            }
        }
        if flags > 0 {
            out.bulk(b"flags");
            out.set(flags);
            let flags = [(optional, "optional"), (multiple, "multiple")];
            flags.iter().filter(|(is, _)| *is).for_each(|(_, flag)| out.simple(flag));
        }
        if !inner.is_empty() {
            self::arguments(inner, out);
        }
    }
}

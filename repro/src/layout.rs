//! TOML as people like to edit it: the outer tables as sections, every inner table (a fault, a link, a clock) on one
//! line.

use serde::Serialize;
use std::fmt::Write as _;

/// `value`, which must serialise as a table, as the section `[name]` and one section for each of its own tables.
///
/// # Errors
/// If the value cannot be written as TOML.
pub fn table(name: &str, value: &impl Serialize) -> Result<String, toml::ser::Error> {
    let mut inline = String::new();
    value.serialize(toml::ser::ValueSerializer::new(&mut inline))?;
    let mut text = String::new();
    let (tables, fields): (Vec<_>, Vec<_>) =
        items(&inline).into_iter().map(key_and_value).partition(|(_, value)| value.starts_with('{'));
    if !fields.is_empty() {
        section(&mut text, name, &fields);
    }
    for (key, value) in tables {
        let fields: Vec<_> = items(value).into_iter().map(key_and_value).collect();
        section(&mut text, &format!("{name}.{key}"), &fields);
    }
    Ok(text)
}

fn section(text: &mut String, name: &str, fields: &[(&str, &str)]) {
    let blank = if text.is_empty() { "" } else { "\n" };
    let _ = writeln!(text, "{blank}[{name}]");
    for (key, value) in fields {
        let elements = if value.starts_with('[') { items(value) } else { Vec::new() };
        if elements.iter().any(|element| element.starts_with('{')) {
            let _ = writeln!(text, "{key} = [");
            for element in elements {
                let _ = writeln!(text, "    {element},");
            }
            text.push_str("]\n");
        } else {
            let _ = writeln!(text, "{key} = {value}");
        }
    }
}

/// The comma-separated parts between the outermost brackets of an inline table or array.
fn items(inline: &str) -> Vec<&str> {
    let inner = inline.get(1..inline.len().saturating_sub(1)).unwrap_or_default();
    let mut parts = Vec::new();
    let (mut depth, mut begin, mut at) = (0, 0, 0);
    while let Some(character) = inner[at..].chars().next() {
        if let Some(length) = string(&inner[at..]) {
            at += length;
            continue;
        }
        match character {
            '{' | '[' => depth += 1,
            '}' | ']' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(inner[begin..at].trim());
                begin = at + 1;
            }
            _ => {}
        }
        at += character.len_utf8();
    }
    parts.push(inner[begin..].trim());
    parts.retain(|part| !part.is_empty());
    parts
}

/// How long the string is that `text` begins with, quotes included, if it begins with one.
fn string(text: &str) -> Option<usize> {
    let quote = [r#"""""#, "'''", r#"""#, "'"].into_iter().find(|quote| text.starts_with(quote))?;
    let mut at = quote.len();
    while at < text.len() && !text[at..].starts_with(quote) {
        let escape = if quote.starts_with('"') && text[at..].starts_with('\\') { 1 } else { 0 };
        at += escape + text[at + escape..].chars().next().map_or(1, char::len_utf8);
    }
    Some((at + quote.len()).min(text.len()))
}

/// Splits `key = value`; a quoted key may hold anything.
fn key_and_value(item: &str) -> (&str, &str) {
    let key_ends = string(item).unwrap_or(0);
    match item[key_ends..].find('=') {
        Some(equals) => (item[..key_ends + equals].trim(), item[key_ends + equals + 1..].trim()),
        None => (item, "\"\""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn strange_keys_and_strings_survive() {
        #[derive(Serialize, serde::Deserialize, PartialEq, Debug)]
        struct Odd {
            plain: u64,
            numbers: BTreeMap<String, Vec<u64>>,
            words: Vec<BTreeMap<String, String>>,
        }
        let words = BTreeMap::from([("a = b, c".to_owned(), "} \" ], '".to_owned())]);
        let odd = Odd {
            plain: 1,
            numbers: BTreeMap::from([("x y".to_owned(), vec![1, 2]), ("z".to_owned(), vec![])]),
            words: vec![words.clone(), words],
        };
        let text = table("odd", &odd).expect("it is a table");
        let again: BTreeMap<String, Odd> =
            toml::from_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert_eq!(again["odd"], odd, "{text}");
    }
}

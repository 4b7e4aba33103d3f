//! Text in XML and in HTML.

/// Text between elements, or between quotes where blanks do not matter. What XML 1.0 has no way to say (a zero byte, a
/// colour's escape) is replaced.
pub(crate) fn content(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            '\r' => safe.push_str("&#13;"),
            '\t' | '\n' => safe.push(letter),
            '\0'..='\u{1f}' | '\u{7f}' | '\u{fffe}' | '\u{ffff}' => safe.push('\u{fffd}'),
            letter => safe.push(letter),
        }
    }
    safe
}

/// Text between quotes, where a reader makes one space of every kind of blank that is not written as a number.
pub(crate) fn attribute(text: &str) -> String {
    content(text).replace('\n', "&#10;").replace('\t', "&#9;")
}

//! Small things that make a terminal readable: grouped digits, colour where it is wanted, output that a closed pipe
//! does not turn into a panic.

use std::io::{self, Write};

/// Where results and progress go, and what the terminal behind them can show.
pub struct Console<'a> {
    /// Results.
    pub out: &'a mut dyn Write,
    /// Progress, warnings and errors.
    pub err: &'a mut dyn Write,
    /// Whether results may be coloured.
    pub colour: bool,
    /// Whether progress is drawn on a terminal rather than told in lines.
    pub live: bool,
}

impl Console<'_> {
    /// Prints results. A reader that went away is no error: the exit code still says what was found.
    ///
    /// # Errors
    /// Any other failure to write, such as a full disk behind a redirection.
    pub fn print(&mut self, text: &str) -> io::Result<()> {
        forgive_closed(self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush()))
    }

    /// Prints something beside the results; if that fails there is nobody left to tell.
    pub fn note(&mut self, text: &str) {
        let _ = self.err.write_all(text.as_bytes()).and_then(|()| self.err.flush());
    }

    /// How to emphasise in results.
    pub fn paint(&self) -> Paint {
        Paint(self.colour)
    }
}

fn forgive_closed(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Emphasis, or none if the output is no terminal.
#[derive(Clone, Copy, Debug)]
pub struct Paint(pub bool);

impl Paint {
    fn wrap(self, code: &str, text: &str) -> String {
        if self.0 { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// What matters most.
    pub fn bold(self, text: &str) -> String {
        self.wrap("1", text)
    }

    /// What may be read over.
    pub fn dim(self, text: &str) -> String {
        self.wrap("2", text)
    }

    /// All held.
    pub fn good(self, text: &str) -> String {
        self.wrap("1;32", text)
    }

    /// Something broke.
    pub fn bad(self, text: &str) -> String {
        self.wrap("1;31", text)
    }
}

/// Digits in groups of three: `12,345,678`.
pub fn grouped(number: impl Into<u128>) -> String {
    let digits = number.into().to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number and its noun: `1 seed`, `2,000 seeds`.
pub fn count(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", grouped(number), if number == 1 { "" } else { "s" })
}

/// `part` of `whole` as a percentage with one decimal, never rounded up to 100.
pub fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "-".to_owned();
    }
    let tenths = u128::from(part) * 1000 / u128::from(whole);
    format!("{}.{} %", tenths / 10, tenths % 10)
}

/// The name among `names` that is nearest to `wrong`, if one is near enough to have been meant.
pub fn nearest<'a>(wrong: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    names
        .map(|name| (distance(&wrong.to_lowercase(), name), name))
        .filter(|(distance, name)| *distance <= (name.len() / 3).max(2) && *distance < name.len())
        .min()
        .map(|(_, name)| name)
}

/// How many insertions, deletions and replacements of one character lead from one word to the other.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_shares_not_rounded_up() {
        assert_eq!(grouped(1_234_567_u64), "1,234,567");
        assert_eq!(grouped(999_u64), "999");
        assert_eq!((count(1, "seed"), count(2000, "seed")), ("1 seed".to_owned(), "2,000 seeds".to_owned()));
        assert_eq!(percent(9_999, 10_000), "99.9 %");
        assert_eq!(percent(5, 5), "100.0 %");
    }

    #[test]
    fn a_misspelt_name_finds_the_right_one() {
        let names = ["steady", "partitions", "everything"];
        assert_eq!(nearest("everthing", names.into_iter()), Some("everything"));
        assert_eq!(nearest("Partition", names.into_iter()), Some("partitions"));
        assert_eq!(nearest("qqqq", names.into_iter()), None);
    }
}

//! Small text files: lists of lines with comments, and headers of `# name: value`.

use std::path::{Path, PathBuf};

/// The lines that say something: neither empty nor a comment.
pub(crate) fn meaningful(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// The value of `# name: value` among the comments at the top of `text`.
pub(crate) fn header<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines()
        .take_while(|line| line.starts_with('#'))
        .filter_map(|line| line[1..].trim().split_once(':'))
        .find(|(key, _)| key.trim() == name)
        .map(|(_, value)| value.trim())
}

/// The files in `directory` that end with `.extension`, by name.
pub(crate) fn files(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    files.sort();
    files
}

/// The middle of some figures: the upper one of two.
pub(crate) fn median<T: Copy + PartialOrd>(figures: &[T]) -> Option<T> {
    let mut sorted = figures.to_vec();
    sorted.sort_by(|a, b| a.partial_cmp(b).expect("figures are numbers"));
    sorted.get(sorted.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_end_where_the_patch_begins() {
        let patch = "# expect: I1 I6\n# source: P01\n--- a/x\n# late: no\n";
        assert_eq!(header(patch, "expect"), Some("I1 I6"));
        assert_eq!(header(patch, "source"), Some("P01"));
        assert_eq!(header(patch, "late"), None);
    }

    #[test]
    fn the_median_is_the_middle_one() {
        assert_eq!(median(&[3, 1, 2]), Some(2));
        assert_eq!(median::<u64>(&[]), None);
    }
}

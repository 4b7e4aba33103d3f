//! Sizes as people write them: `64MiB`, `1GiB`, or bytes.

/// The number of bytes that `text` says.
///
/// # Errors
/// It is no size; one sentence.
pub(crate) fn parse(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?} is no size: write a number of bytes, or one with KiB, MiB, GiB or TiB");
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let shift = match unit.trim() {
        "" | "B" => 0,
        "KiB" | "K" => 10,
        "MiB" | "M" => 20,
        "GiB" | "G" => 30,
        "TiB" | "T" => 40,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(1 << shift).ok_or_else(wrong)
}

/// `bytes` in the largest unit that divides them.
pub(crate) fn print(bytes: u64) -> String {
    let units = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
    match units.into_iter().find(|(shift, _)| bytes > 0 && bytes.trailing_zeros() >= *shift) {
        Some((shift, unit)) => format!("{}{unit}", bytes >> shift),
        None => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_written_and_nonsense_is_named() {
        assert_eq!(parse("1GiB"), Ok(1 << 30));
        assert_eq!(parse("1536"), Ok(1536));
        assert_eq!(print(1 << 30), "1GiB");
        assert_eq!(print(1536 << 10), "1536KiB");
        assert_eq!(print(1001), "1001 bytes");
        for wrong in ["", "GiB", "1GB", "-1", "99999999TiB", "1.5GiB"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}

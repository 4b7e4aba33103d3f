//! Lengths of time as people write them: `10m`, `1.5s`, `200ms`.

use crate::trouble::Trouble;

/// A length of time in nanoseconds.
///
/// # Errors
/// If it is not a positive decimal number followed by ns, us, ms, s, m, h or d.
pub fn parse(text: &str) -> Result<u64, Trouble> {
    nanoseconds(text).filter(|nanos| *nanos > 0).ok_or_else(|| {
        Trouble::new(format!(
            "`{text}` is no length of time; write a number and a unit, such as 10m, 1.5s or 200ms"
        ))
    })
}

fn nanoseconds(text: &str) -> Option<u64> {
    let unit_at = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(unit_at);
    let unit: u64 = match unit {
        "ns" => 1,
        "us" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        "d" => 86_400_000_000_000,
        _ => return None,
    };
    let (whole, fraction) = number.trim().split_once('.').unwrap_or((number.trim(), "0"));
    let digits = |text: &str| !text.is_empty() && text.len() < 19 && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return None;
    }
    let scale = 10u128.pow(fraction.len() as u32);
    let fraction = u128::from(unit) * fraction.parse::<u128>().ok()? / scale;
    whole.parse::<u64>().ok()?.checked_mul(unit)?.checked_add(u64::try_from(fraction).ok()?)
}

/// A length of time in the two largest units that fit, for a summary: `2 h 13 min`, `41.3 s`, `12 ms`.
pub fn human(nanos: u128) -> String {
    let seconds = nanos / 1_000_000_000;
    let pair =
        |large: u128, name: &str, small: u128, other: &str| format!("{large} {name} {small:02} {other}");
    match seconds {
        0 => format!("{} ms", nanos / 1_000_000),
        1..=119 => format!("{seconds}.{} s", nanos / 100_000_000 % 10),
        120..=7_199 => pair(seconds / 60, "min", seconds % 60, "s"),
        7_200..=172_799 => pair(seconds / 3_600, "h", seconds / 60 % 60, "min"),
        172_800..=63_071_999 => pair(seconds / 86_400, "d", seconds / 3_600 % 24, "h"),
        _ => pair(seconds / 31_536_000, "years", seconds / 86_400 % 365, "d"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_read_and_written() {
        assert_eq!(parse("10m"), Ok(600_000_000_000));
        assert_eq!(parse("1.5s"), Ok(1_500_000_000));
        assert_eq!(parse("200ms"), Ok(200_000_000));
        assert_eq!(parse("0.25 h"), Ok(900_000_000_000));
        for wrong in ["", "10", "s", "-1s", "0s", "1.s", ".5s", "1e9s", "5 weeks", "99999999999999d"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        assert_eq!(human(7_983_000_000_000), "2 h 13 min");
        assert_eq!(human(41_340_000_000), "41.3 s");
        assert_eq!(human(12_000_000), "12 ms");
    }
}

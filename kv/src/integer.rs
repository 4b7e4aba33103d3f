//! Integers as strings: a counter is a string that holds the one decimal form of a 64-bit signed integer.

/// The integer that `text` spells, if it is the one canonical form: an optional minus, no plus, no leading zeros, no
/// blanks, no `-0` (Redis `string2ll`).
#[inline]
pub fn parse(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    match digits {
        [] => return None,
        [b'0'] => return (!negative).then_some(0),
        [b'0', ..] => return None,
        _ => {}
    }
    // Below zero, because the smallest integer has no positive twin.
    let mut value = 0i64;
    for digit in digits {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_sub(i64::from(digit))?;
    }
    if negative { Some(value) } else { value.checked_neg() }
}

/// The decimal form of an integer, without an allocation.
#[derive(Clone, Copy, Debug)]
pub struct Decimal {
    digits: [u8; 20],
    start: u8,
}

impl Decimal {
    /// The form of `value`.
    #[inline]
    pub fn new(value: i64) -> Self {
        let mut decimal = Decimal { digits: [0; 20], start: 20 };
        let mut rest = value.unsigned_abs();
        loop {
            decimal.push_front(b'0' + (rest % 10) as u8);
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        if value < 0 {
            decimal.push_front(b'-');
        }
        decimal
    }

    /// Its characters.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.digits[self.start as usize..]
    }

    fn push_front(&mut self, byte: u8) {
        self.start -= 1;
        self.digits[self.start as usize] = byte;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_integer_comes_back_from_its_decimal_form() {
        for value in [0, 1, -1, 9, 10, -10, 1234567890, i64::MAX, i64::MIN, i64::MIN + 1] {
            assert_eq!(parse(Decimal::new(value).as_bytes()), Some(value));
        }
        assert_eq!(Decimal::new(i64::MIN).as_bytes(), b"-9223372036854775808");
    }

    #[test]
    fn only_the_canonical_form_is_an_integer() {
        for text in [
            "",
            "-",
            "+1",
            "01",
            "-0",
            "00",
            " 1",
            "1 ",
            "1.0",
            "0x1",
            "1e3",
            "9223372036854775808",
            "-9223372036854775809",
            "99999999999999999999",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text:?}");
        }
    }
}

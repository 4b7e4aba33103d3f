//! RFC 4648, with padding: what a browser's `atob` reads and writes, and every other tool.

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The bytes as text.
pub(crate) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let byte = |place: usize| u32::from(three.get(place).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= three.len() { letter.into() } else { '=' });
        }
    }
    text
}

/// The bytes that a text stands for, whose lines may be broken anywhere; none if it is not base64.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    let letters: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    if !letters.len().is_multiple_of(4) {
        return None;
    }
    let padding = letters.iter().rev().take_while(|letter| **letter == b'=').count();
    let mut bytes = Vec::with_capacity(letters.len() / 4 * 3);
    for (index, four) in letters.chunks(4).enumerate() {
        let is_last = (index + 1) * 4 == letters.len();
        let mut bits = 0;
        for (place, letter) in four.iter().enumerate() {
            let value = match LETTERS.iter().position(|known| known == letter) {
                Some(value) => value as u32,
                None if *letter == b'=' && is_last && place >= 4 - padding => 0,
                None => return None,
            };
            bits = bits << 6 | value;
        }
        bytes.extend_from_slice(&[(bits >> 16) as u8, (bits >> 8) as u8, bits as u8]);
    }
    // More than two would stand for less than a byte.
    bytes.truncate(bytes.len().checked_sub(padding.min(3))?);
    (padding <= 2).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(encode(bytes.as_bytes()), text);
            assert_eq!(decode(text).as_deref(), Some(bytes.as_bytes()));
        }
        assert_eq!(encode(&[0xfb, 0xff]), "+/8=");
        assert_eq!(decode("\n+/\n8=\n"), Some(vec![0xfb, 0xff]));
        for wrong in ["Z", "Zg=", "Z===", "====", "Zg==Zg==", "Zg=A", "Zm9*", "Zm9v=", "=Zm9"] {
            assert_eq!(decode(wrong), None, "{wrong}");
        }
    }
}

//! The digits of the wire: fixed widths, most significant digit first, read in either case,
//! written in lower case (rules 3.3 and 4.1 of PROTOCOL.md).
//!
//! Four digits are written as one word of 32 bits. Whole numbers are read by words of
//! 64 bits on large targets; elsewhere a loop is smaller and at least as fast.

use crate::LARGE;

/// The value of one digit; more than 15 for every byte outside `[0-9a-fA-F]`.
#[inline(always)]
pub(crate) const fn digit(byte: u32) -> u32 {
    let decimal = byte.wrapping_sub(b'0' as u32);
    if decimal < 10 {
        return decimal;
    }
    // Saturating, for what lies before the letters is far above them by now.
    (byte | 0x20).wrapping_sub(b'a' as u32).saturating_add(10)
}

/// The number whose digits are `digits`, 3, 4 or 8 of them; `None` if one is not a digit.
#[cfg_attr(target_pointer_width = "64", inline(always))]
pub(crate) fn decode(digits: &[u8]) -> Option<u32> {
    if LARGE { by_word::decode(digits) } else { by_digit(digits) }
}

fn by_digit(digits: &[u8]) -> Option<u32> {
    let mut number = 0;
    for &byte in digits {
        let digit = digit(byte.into());
        if digit > 0xf {
            return None;
        }
        number = number << 4 | digit;
    }
    Some(number)
}

/// The four digits of `number`.
#[cfg_attr(target_pointer_width = "64", inline(always))]
pub(crate) fn encode(number: u16) -> [u8; 4] {
    const ONES: u32 = 0x0101_0101;
    let quad = u32::from(number);
    let pairs = (quad | quad << 8) & 0x00ff_00ff;
    // A digit in each byte, the first one topmost.
    let values = (pairs | pairs << 4) & (0x0f * ONES);
    // 6 more than a value of 10 or more carries into bit 4.
    let letters = ((values + 6 * ONES) >> 4) & ONES;
    let text = values + 0x30 * ONES + letters.wrapping_mul(u32::from(b'a' - 10 - b'0'));
    text.to_be_bytes()
}

/// A word holds eight digits, a byte each, the first one topmost.
mod by_word {
    const ONES: u64 = 0x0101_0101_0101_0101;

    /// Most lengths are below 256. Guessing this lets the processor start on the next message
    /// before this length is decoded.
    #[inline(always)]
    pub(crate) fn decode(digits: &[u8]) -> Option<u32> {
        if let [b'0', high, low] | [b'0', b'0', b'0', b'0', b'0', b'0', high, low] = *digits {
            let (high, low) = (value(high), value(low));
            return if high | low > 0xf { None } else { Some(u32::from(high << 4 | low)) };
        }
        let text = match *digits {
            [a, b, c] => u64::from(u32::from_be_bytes([b'0', a, b, c])) | ZEROS,
            [a, b, c, d] => u64::from(u32::from_be_bytes([a, b, c, d])) | ZEROS,
            [a, b, c, d, e, f, g, h] => u64::from_be_bytes([a, b, c, d, e, f, g, h]),
            _ => return None,
        };
        // In each byte, bit 7 alone counts; none of the sums carries into the next byte.
        let low = text & (0x7f * ONES);
        // Clear for 0x30 to 0x39.
        let not_decimal = (low ^ (0x30 * ONES)) + 0x76 * ONES;
        // Set for 0x41 to 0x46 and 0x61 to 0x66: 1 to 6 once the case is out of the way.
        let letter = (low | (0x20 * ONES)) ^ (0x60 * ONES);
        let is_letter = (letter + 0x7f * ONES) & !(letter + 0x79 * ONES);
        if (text | (not_decimal & !is_letter)) & (0x80 * ONES) != 0 {
            return None;
        }
        // Bit 6 tells a letter from a decimal digit; a letter is 9 more than its low bits.
        let values = (text & (0x0f * ONES)) + 9 * ((text >> 6) & ONES);
        let pairs = (values | values >> 4) & 0x00ff_00ff_00ff_00ff;
        let quads = (pairs | pairs >> 8) & 0x0000_ffff_0000_ffff;
        Some((quads | quads >> 16) as u32)
    }

    /// [`digit`](super::digit) by a table.
    #[inline(always)]
    fn value(digit: u8) -> u8 {
        static VALUES: [u8; 256] = {
            let mut values = [0; 256];
            let mut byte = 0;
            while byte < values.len() {
                values[byte] = super::digit(byte as u32) as u8;
                byte += 1;
            }
            values
        };
        VALUES[usize::from(digit)]
    }

    /// The digits in front of four others.
    const ZEROS: u64 = 0x3030_3030_0000_0000;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every byte at every place of every width, against a decoder of another kind.
    #[test]
    fn decode_agrees_with_char_to_digit() {
        for width in [3, 4, 8] {
            for place in 0..width {
                for byte in 0..=255u8 {
                    for filler in [b'0', b'9', b'a', b'F'] {
                        let mut text = [filler; 8];
                        let Some(text) = text.get_mut(..width) else { panic!() };
                        text[place] = byte;
                        let expected = text.iter().try_fold(0u32, |number, byte| {
                            Some(number * 16 + char::from(*byte).to_digit(16)?)
                        });
                        assert_eq!(decode(text), expected, "{text:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn digit_agrees_with_char_to_digit() {
        for byte in 0..=255u8 {
            let expected = char::from(byte).to_digit(16);
            assert_eq!(Some(digit(byte.into())).filter(|d| *d < 16), expected, "{byte:#04x}");
        }
    }

    #[test]
    fn encode_agrees_with_char_from_digit() {
        for number in 0..=u16::MAX {
            for (shift, byte) in [12, 8, 4, 0].into_iter().zip(encode(number)) {
                let digit = u32::from(number) >> shift & 0xf;
                assert_eq!(Some(char::from(byte)), char::from_digit(digit, 16), "{number:#06x}");
            }
        }
    }
}

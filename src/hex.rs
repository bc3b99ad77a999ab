//! The digits of the wire: fixed widths, most significant first, read in either
//! case, written in lower case (protocol, section 1 and section 3, rule 3).

/// The value of one digit; `None` for every byte outside `[0-9a-fA-F]`.
#[inline]
pub(crate) const fn digit(byte: u8) -> Option<u8> {
    let decimal = byte.wrapping_sub(b'0');
    if decimal < 10 {
        return Some(decimal);
    }
    let letter = (byte | 0x20).wrapping_sub(b'a');
    if letter < 6 { Some(letter + 10) } else { None }
}

/// The last `W` of the eight digits of `number`.
#[inline]
pub(crate) fn encode<const W: usize>(number: u32) -> [u8; W] {
    let mut digits = [0; W];
    let mut rest = number;
    for slot in digits.iter_mut().rev() {
        let digit = (rest & 0xf) as u8;
        *slot = if digit < 10 { b'0' + digit } else { b'a' - 10 + digit };
        rest >>= 4;
    }
    digits
}

//! The limit of reading: a walk that only finds where each message ends. It reads the
//! type, the digits of the lengths (taken for digits without a look) and of a load,
//! and jumps. Whatever a reader does more than this is what it does for its keep.
//!
//! Three walks were tried, and all are kept. One branches on every type. One looks the
//! type up in a table and branches on nothing that varies. The third guesses: it
//! branches only where it helps the processor to run ahead (has the message a name, is
//! it a heartbeat), takes the high digits of a length for zeros and looks whether they
//! are. It is the fastest, by a fifth, and thus the limit that all else is compared with.

use super::Sums;

/// The walk that the benchmarks compare with; `wire` begins with `01`.
pub use by_guess as walk;

/// The walk that guesses.
pub fn by_guess(wire: &[u8]) -> Sums {
    let mut sums = Sums::default();
    let mut rest = wire.get(2..).unwrap_or_default();
    while let Some(next) = one_by_guess(rest, &mut sums) {
        rest = next;
    }
    sums
}

#[inline(always)]
fn one_by_guess<'a>(rest: &'a [u8], sums: &mut Sums) -> Option<&'a [u8]> {
    let letter = *rest.first()?;
    let (size_at, name) = if matches!(letter, b'r' | b's' | b'n') {
        // Four bytes of id stand before the digits, but not in an `n`.
        let digits_at = if letter == b'n' { 1 } else { 5 };
        let name = guess3(rest, digits_at)?;
        (digits_at + 3 + name as usize, name)
    } else if letter == b'h' {
        sums.loads += u64::from(digits4(rest, 1)?);
        return rest.get(13..);
    } else if letter == b'f' {
        return rest.get(9..);
    } else {
        (if letter == b'e' { 13 } else { 5 }, 0)
    };
    let payload = guess8(rest, size_at)?;
    sums.names += u64::from(name);
    sums.payloads += u64::from(payload);
    rest.get(size_at + 8 + payload as usize..)
}

/// Three digits as a number, the first of which is hardly ever other than 0.
#[inline(always)]
fn guess3(bytes: &[u8], at: usize) -> Option<u32> {
    let [a, b, c] = bytes.get(at..)?.first_chunk().copied()?;
    let low = u32::from(value(b)) << 4 | u32::from(value(c));
    Some(if a == b'0' { low } else { u32::from(value(a)) << 8 | low })
}

/// Eight digits as a number, the first six of which are hardly ever other than 0.
#[inline(always)]
fn guess8(bytes: &[u8], at: usize) -> Option<u32> {
    let digits: [u8; 8] = bytes.get(at..)?.first_chunk().copied()?;
    let [high @ .., a, b] = digits;
    if high == *b"000000" {
        return Some(u32::from(value(a)) << 4 | u32::from(value(b)));
    }
    Some(number8(u64::from_be_bytes(digits)))
}

/// The value of a digit; of a byte that is none, some number.
#[inline(always)]
fn value(digit: u8) -> u8 {
    const VALUES: [u8; 256] = {
        let mut values = [0; 256];
        let mut byte = 0;
        while byte < 256 {
            values[byte] = (byte as u8 & 0xf) + 9 * (byte as u8 >> 6 & 1);
            byte += 1;
        }
        values
    };
    VALUES[usize::from(digit)]
}

/// The walk with a `match` on the type.
pub fn by_match(wire: &[u8]) -> Sums {
    let mut sums = Sums::default();
    let mut rest = wire.get(2..).unwrap_or_default();
    while let Some(next) = one_by_match(rest, &mut sums) {
        rest = next;
    }
    sums
}

#[inline(always)]
fn one_by_match<'a>(rest: &'a [u8], sums: &mut Sums) -> Option<&'a [u8]> {
    let (last_at, name) = match *rest.first()? {
        b'r' | b's' => named(rest, 4)?,
        b'n' => named(rest, 0)?,
        b'R' | b'S' | b'E' | b'p' => (5, 0),
        b'e' => (13, 0),
        b'h' => {
            sums.loads += u64::from(digits4(rest, 1)?);
            return rest.get(13..);
        }
        _ => return rest.get(9..),
    };
    let payload = digits8(rest, last_at)?;
    sums.names += u64::from(name);
    sums.payloads += u64::from(payload);
    rest.get(last_at + 8 + payload as usize..)
}

#[inline(always)]
fn named(rest: &[u8], digits_at: usize) -> Option<(usize, u32)> {
    let name = digits4(rest, digits_at)? & 0xfff;
    Some((digits_at + 4 + name as usize, name))
}

/// What the walk knows of a type: where its four short digits stand (those of a name
/// length begin a byte early) and where its eight long ones would without a name, and
/// which of them count.
#[derive(Clone, Copy)]
struct Shape {
    short_at: u8,
    long_at: u8,
    name: u16,
    load: u16,
    payload: u32,
}

const SHAPES: [Shape; 256] = {
    const fn shape(short_at: u8, long_at: u8, name: u16, load: u16, payload: u32) -> Shape {
        Shape { short_at, long_at, name, load, payload }
    }
    let mut shapes = [shape(0, 1, 0, 0, 0); 256];
    shapes[b'r' as usize] = shape(4, 8, 0xfff, 0, u32::MAX);
    shapes[b's' as usize] = shape(4, 8, 0xfff, 0, u32::MAX);
    shapes[b'n' as usize] = shape(0, 4, 0xfff, 0, u32::MAX);
    shapes[b'p' as usize] = shape(0, 5, 0, 0, u32::MAX);
    shapes[b'R' as usize] = shape(0, 5, 0, 0, u32::MAX);
    shapes[b'S' as usize] = shape(0, 5, 0, 0, u32::MAX);
    shapes[b'E' as usize] = shape(0, 5, 0, 0, u32::MAX);
    shapes[b'e' as usize] = shape(0, 13, 0, 0, u32::MAX);
    shapes[b'h' as usize] = shape(1, 5, 0, 0xffff, 0);
    shapes
};

/// The walk with a table.
pub fn by_table(wire: &[u8]) -> Sums {
    let mut sums = Sums::default();
    let mut rest = wire.get(2..).unwrap_or_default();
    while let Some(next) = one_by_table(rest, &mut sums) {
        rest = next;
    }
    sums
}

#[inline(always)]
fn one_by_table<'a>(rest: &'a [u8], sums: &mut Sums) -> Option<&'a [u8]> {
    let shape = SHAPES[usize::from(*rest.first()?)];
    let short = digits4(rest, shape.short_at.into())?;
    let name = short & u32::from(shape.name);
    let long_at = usize::from(shape.long_at) + name as usize;
    let payload = digits8(rest, long_at)? & shape.payload;
    sums.names += u64::from(name);
    sums.payloads += u64::from(payload);
    sums.loads += u64::from(short & u32::from(shape.load));
    rest.get(long_at + 8 + payload as usize..)
}

/// Four digits as a number; of bytes that are none, some number.
#[inline(always)]
fn digits4(bytes: &[u8], at: usize) -> Option<u32> {
    let word = u32::from_be_bytes(bytes.get(at..)?.first_chunk().copied()?);
    let nibbles = (word & 0x0f0f_0f0f) + 9 * ((word >> 6) & 0x0101_0101);
    let pairs = (nibbles | nibbles >> 4) & 0x00ff_00ff;
    Some((pairs | pairs >> 8) & 0xffff)
}

/// Eight digits as a number; of bytes that are none, some number.
#[inline(always)]
fn digits8(bytes: &[u8], at: usize) -> Option<u32> {
    Some(number8(u64::from_be_bytes(bytes.get(at..)?.first_chunk().copied()?)))
}

#[inline(always)]
fn number8(word: u64) -> u32 {
    let nibbles = (word & 0x0f0f_0f0f_0f0f_0f0f) + 9 * ((word >> 6) & 0x0101_0101_0101_0101);
    let pairs = (nibbles | nibbles >> 4) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs | pairs >> 8) & 0x0000_ffff_0000_ffff;
    (fours | fours >> 16) as u32
}

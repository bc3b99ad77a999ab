//! Text for people: bytes of a peer that may be anything, and columns that line up.
//!
//! `core` has `escape_debug` and `<[u8]>::escape_ascii` for the first and `Formatter::pad`
//! for the second. A linker does not see that those cannot panic, so they are not used here.

use core::fmt::{self, Write};

/// Bytes that are text as a rule: names and payloads.
///
/// `Debug` shows them as a quoted string. It escapes quotes, backslashes and hidden
/// characters, and shows each byte that is not UTF-8 as `\xNN`, so nothing is lost.
/// `Display` has no quotes, escapes hidden characters alone, and has U+FFFD for what is not
/// UTF-8. `defmt` shows a string or, where that would hide something, bytes: `b"\xff"`.
#[derive(Clone, Copy)]
pub(crate) struct Text<'a>(pub(crate) &'a [u8]);

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                write_char(c, matches!(c, '"' | '\\') || is_hidden(c), f)?;
            }
            write_ascii(chunk.invalid(), f)?;
        }
        f.write_char('"')
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        pad(f, &|out| {
            for chunk in self.0.utf8_chunks() {
                for c in chunk.valid().chars() {
                    write_char(c, is_hidden(c), out)?;
                }
                if !chunk.invalid().is_empty() {
                    out.write_char(char::REPLACEMENT_CHARACTER)?;
                }
            }
            Ok(())
        })
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Text<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        // The host escapes what is no ASCII in bytes alone. In a string it leaves some of the
        // hidden characters as they are.
        let plain = |c| matches!(c, '\t' | '\n' | '\r') || !is_hidden(c);
        match core::str::from_utf8(self.0) {
            Ok(text) if text.chars().all(plain) => defmt::write!(f, "{=str:?}", text),
            _ => defmt::write!(f, "{=[u8]:a}", self.0),
        }
    }
}

/// Writes a character as it is, or escaped: `\n`, `\"`, `\u{202e}`.
fn write_char(c: char, escaped: bool, out: &mut dyn Write) -> fmt::Result {
    if escaped { write!(out, "{}", c.escape_default()) } else { out.write_char(c) }
}

/// Writes bytes as `<[u8]>::escape_ascii` does: `a\n\xff`.
pub(crate) fn write_ascii(bytes: &[u8], out: &mut dyn Write) -> fmt::Result {
    for byte in bytes {
        for c in core::ascii::escape_default(*byte) {
            out.write_char(c.into())?;
        }
    }
    Ok(())
}

/// Whether a character cannot be seen, or changes how its neighbours are seen: a line that
/// contains it could read as another one.
fn is_hidden(c: char) -> bool {
    HIDDEN.iter().any(|(first, last)| (*first..=*last).contains(&c))
}

/// The first and the last of each range of hidden characters: those of the general category
/// Cc or with the property Default_Ignorable_Code_Point, the two separators U+2028 and U+2029,
/// and the interlinear annotations U+FFF9 to U+FFFB.
static HIDDEN: [(char, char); 19] = [
    ('\0', '\u{1f}'),
    ('\u{7f}', '\u{9f}'),
    ('\u{ad}', '\u{ad}'),
    ('\u{34f}', '\u{34f}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{17b4}', '\u{17b5}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{2028}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{fe00}', '\u{fe0f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{ffa0}', '\u{ffa0}'),
    ('\u{fff0}', '\u{fffb}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0000}', '\u{e0fff}'),
];

/// A number of bytes: `1 byte`, `25 bytes`.
pub(crate) struct Bytes<T>(pub(crate) T);

impl<T: fmt::Display + PartialEq + From<u8>> fmt::Display for Bytes<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = if self.0 == T::from(1) { "byte" } else { "bytes" };
        write!(f, "{} {unit}", self.0)
    }
}

/// Writes what `text` writes, with the width, fill and alignment that `f` asks for.
///
/// There is nowhere to keep the text, so `text` runs twice: its characters are counted, and
/// then they are written. The precision is ignored: half of an escape would be wrong.
pub(crate) fn pad(
    f: &mut fmt::Formatter<'_>,
    text: &dyn Fn(&mut dyn Write) -> fmt::Result,
) -> fmt::Result {
    let Some(width) = f.width() else { return text(f) };
    let mut counter = Counter(0);
    text(&mut counter)?;
    let padding = width.saturating_sub(counter.0);
    let before = match f.align() {
        Some(fmt::Alignment::Right) => padding,
        Some(fmt::Alignment::Center) => padding / 2,
        Some(fmt::Alignment::Left) | None => 0,
    };
    fill(f, before)?;
    text(f)?;
    fill(f, padding.saturating_sub(before))
}

fn fill(f: &mut fmt::Formatter<'_>, count: usize) -> fmt::Result {
    let fill = f.fill();
    for _ in 0..count {
        f.write_char(fill)?;
    }
    Ok(())
}

/// Counts the characters that are written to it.
struct Counter(usize);

impl Write for Counter {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            // Every byte but the second to fourth of a character.
            if byte & 0xc0 != 0x80 {
                self.0 = self.0.saturating_add(1);
            }
        }
        Ok(())
    }
}

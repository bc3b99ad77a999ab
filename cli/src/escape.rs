//! What a peer sent, made fit for a terminal or a log. There is one rule for all of the
//! tool: a character that could drive a terminal, turn the direction of the line, or
//! stand there unseen is shown as its escape.

use gotalk::RequestId;

/// Whether a character is only ever shown as its escape: control characters, those that
/// end a line or a paragraph, those of annotations, and all that Unicode calls
/// Default_Ignorable_Code_Point, which the bidirectional controls belong to.
pub(crate) fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// The text on one line, without quotes.
pub(crate) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        push(&mut plain, c);
    }
    plain
}

/// The text in quotes, so that its end can be seen whatever it holds.
pub(crate) fn quoted(text: &str, quote: char) -> String {
    let mut quoted = String::from(quote);
    for c in text.chars() {
        if c == quote || c == '\\' {
            quoted.push('\\');
        }
        push(&mut quoted, c);
    }
    quoted.push(quote);
    quoted
}

/// The id of a request: as text where that can be read; it has four characters then, and hex
/// has ten.
pub(crate) fn id(id: RequestId) -> String {
    readable(id).unwrap_or_else(|| format!("0x{:08x}", u32::from_be_bytes(*id.as_bytes())))
}

pub(crate) fn readable(id: RequestId) -> Option<String> {
    let bytes = id.as_bytes();
    bytes.iter().all(u8::is_ascii_graphic).then(|| bytes.map(char::from).iter().collect())
}

/// Adds the character, or its escape.
fn push(line: &mut String, c: char) {
    match is_hidden(c) {
        true => line.extend(c.escape_default()),
        false => line.push(c),
    }
}

//! Text of what a peer sent, and for a peer to read.

use std::fmt;

use crate::escape;

/// Whether a head of HTTP has come to its end, of which so many bytes have been looked at
/// before. So each is looked at once, however small the pieces are.
pub(crate) fn is_whole_head(bytes: &[u8], looked_at: usize) -> bool {
    let new = &bytes[looked_at.saturating_sub(3)..];
    let ends = |end: &[u8]| new.windows(end.len()).any(|bytes| bytes == end);
    ends(b"\r\n\r\n") || ends(b"\n\n") || ends(b"\n\r\n")
}

/// How much of a payload is kept to be shown to people.
const KEPT: usize = 1024;

/// The start of a payload, fit to be printed: whatever a peer sends, it stays on one
/// line and cannot drive the terminal.
#[derive(Debug)]
pub(crate) struct Excerpt {
    kept: Vec<u8>,
    len: u64,
    /// How much is kept.
    most: usize,
}

impl Default for Excerpt {
    fn default() -> Self {
        Self::new(KEPT)
    }
}

impl Excerpt {
    pub(crate) fn new(most: usize) -> Self {
        Self { kept: Vec::new(), len: 0, most }
    }

    pub(crate) fn is_cut(&self) -> bool {
        self.len > self.kept.len() as u64
    }

    /// The length of the whole payload.
    pub(crate) fn size(&self) -> u64 {
        self.len
    }

    pub(crate) fn preview(&self) -> Preview<'_> {
        Preview::new(&self.kept, self.is_cut())
    }

    /// Takes the next piece. However much comes, the memory is bounded.
    pub(crate) fn push(&mut self, data: &[u8]) {
        let room = self.most - self.kept.len();
        self.kept.extend_from_slice(&data[..data.len().min(room)]);
        self.len += data.len() as u64;
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escape::plain(&String::from_utf8_lossy(&self.kept)))?;
        match self.len - self.kept.len() as u64 {
            0 => Ok(()),
            more => write!(f, "… and {more} bytes"),
        }
    }
}

/// A name for people, in quotes. It need not be text.
pub(crate) fn name(name: &[u8]) -> String {
    escape::quoted(&String::from_utf8_lossy(name), '"')
}

/// What to say of a second stream with the id of one that goes on.
pub(crate) const SAME_ID: &str = "request id is in use";

/// What to say of an operation that nobody has. Its name need not be text.
pub(crate) fn unknown(op: gotalk::Name<'_>) -> String {
    format!("unknown operation \"{}\"", String::from_utf8_lossy(op.as_bytes()))
}

/// What to say of an operation whose name was not even read.
pub(crate) fn too_long(name_len: u16, most: usize) -> String {
    format!("operation name of {name_len} bytes; at most {most} are read")
}

/// The start of a payload in the form that suits it.
pub(crate) enum Preview<'a> {
    Text(&'a str),
    Bytes(&'a [u8]),
}

impl<'a> Preview<'a> {
    pub(crate) fn new(start: &'a [u8], is_cut: bool) -> Self {
        let text = match std::str::from_utf8(start) {
            Ok(text) => Some(text),
            Err(error) if error.error_len().is_none() && is_cut => {
                std::str::from_utf8(&start[..error.valid_up_to()]).ok()
            }
            Err(_) => None,
        };
        let unprintable = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
        match text {
            Some(text) if !text.contains(unprintable) => Self::Text(text),
            _ => Self::Bytes(start),
        }
    }
}

//! Cuts written bytes into WebSocket messages.
//!
//! Over WebSocket, gotalk.js wants the version, each header and each payload in a binary
//! message of its own, and an empty payload in none
//! ([rule 4.5](crate::protocol#rule-4-5)). Write as you would to a socket, with all that a
//! [`Writer`](crate::Writer) checks, and send what [`messages`] makes of its bytes. Reading
//! needs nothing: feed the payload of each WebSocket message, text or binary, to the parser.

use core::fmt;

use crate::wire::frame::{MessageType, VERSION_LEN};
use crate::wire::hex;

/// The WebSocket messages that `bytes` are to be sent in. `bytes` is what one or more
/// [`Writer`](crate::Writer)s have written, from the start of the version or of a message.
///
/// ```
/// use gotalk::{RequestId, Writer, websocket};
///
/// let mut buffer = [0; 128];
/// let mut writer = Writer::new(&mut buffer);
/// writer.version()?;
/// writer.single_request(RequestId::new(*b"0001"), "echo", br#""hi""#)?;
/// writer.single_result(RequestId::new(*b"0007"), b"")?;
/// let messages: Vec<&[u8]> = websocket::messages(writer.as_bytes()).collect();
/// assert_eq!(
///     messages,
///     [b"01".as_slice(), b"r0001004echo00000004", br#""hi""#, b"R000700000000"],
/// );
/// # Ok::<(), gotalk::WriteError>(())
/// ```
pub fn messages(bytes: &[u8]) -> Messages<'_> {
    Messages { rest: bytes, payload_len: 0 }
}

/// The iterator of [`messages`]. Joined, its items are all of the bytes. A payload that is
/// not there, because its header was written alone, is not waited for; bytes that no writer
/// has written come as they are, in one last item.
#[derive(Clone)]
pub struct Messages<'a> {
    rest: &'a [u8],
    /// The size of the payload that comes next.
    payload_len: u32,
}

impl<'a> Iterator for Messages<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let len = if self.payload_len > 0 {
            let size = usize::try_from(self.payload_len).unwrap_or(usize::MAX);
            self.payload_len = 0;
            size
        } else if self.rest.first() == Some(&b'0') {
            VERSION_LEN
        } else {
            let (len, size) = header(self.rest).unwrap_or((usize::MAX, 0));
            self.payload_len = size;
            len
        };
        let (message, rest) = self.rest.split_at_checked(len).unwrap_or((self.rest, &[]));
        self.rest = rest;
        Some(message)
    }
}

impl core::iter::FusedIterator for Messages<'_> {}

/// How many bytes are still to come.
impl fmt::Debug for Messages<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Messages").field("remaining", &self.rest.len()).finish()
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Messages<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "Messages {{ remaining: {=usize} }}", self.rest.len());
    }
}

/// The length of the header at the start of `bytes`, and the size of its payload.
fn header(bytes: &[u8]) -> Option<(usize, u32)> {
    let message_type = MessageType::from_byte(*bytes.first()?)?;
    let mut name_len = 0;
    if message_type.has_name() {
        let start = message_type.name_start();
        name_len = hex::decode(bytes.get(start.wrapping_sub(3)..start)?)?;
    }
    let len = message_type.header_len(name_len as usize);
    let size = hex::decode(bytes.get(len.wrapping_sub(8)..len)?)?;
    Some((len, if message_type.has_payload() { size } else { 0 }))
}

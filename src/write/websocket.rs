//! Gotalk over WebSocket ([section 6](crate::protocol#section-6) of PROTOCOL.md).
//!
//! **To write**, use a [`Writer`](crate::Writer) as you would for a socket, and send what
//! [`messages`] makes of its bytes, each slice as one *binary* WebSocket message. gotalk.js
//! wants the version, each header and each payload in a message of its own, and no message
//! for an empty payload ([rule 6.1](crate::protocol#rule-6-1),
//! [rule 6.2](crate::protocol#rule-6-2)). Let nothing come between a header and its payload
//! ([rule 6.3](crate::protocol#rule-6-3)).
//!
//! **To read**, feed the payload of every WebSocket message, text or binary, to the parser.
//! Where a WebSocket message begins or ends means nothing
//! ([rule 6.4](crate::protocol#rule-6-4)).
//!
//! **To close** because of an error, send the protocol error first, then start WebSocket's
//! closing handshake ([rule 6.5](crate::protocol#rule-6-5)).

use core::fmt;

use crate::wire::frame::VERSION_LEN;
use crate::wire::hex;
use crate::wire::message_type::MessageType;

/// Cuts `bytes` into WebSocket messages. Give it what one or more
/// [`Writer`](crate::Writer)s have written, from the start of the version or of a message.
///
/// Other bytes are not refused: they come out cut in the wrong places, or as one message. So
/// do not give it what a partial [`sent`](crate::SendBuffer::sent) has left of a send buffer;
/// cut first, and send whole messages.
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

/// The iterator of [`messages`]. Joined, its items are all of the bytes.
///
/// If the payload behind the last header is missing, because the header was written alone,
/// the iterator ends after that header. Bytes that no writer has written come as they are,
/// in one last item.
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

/// Shows how many bytes are still to come.
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

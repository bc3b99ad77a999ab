//! The types of messages, and the grammar of their headers.
//!
//! A header on the wire is the type byte and then, in this order, those of these fields
//! that its type has: an id, a name behind its length, an *extra* number (the wait or the
//! load), and always a *last* number of eight digits (the size of the payload, the time or
//! the code). Which type has which is said once, by `has_id`, `has_name`, `extra_len` and
//! `has_payload`: the lengths of headers, the state machine, the decoder of whole headers and
//! the writer follow from these.
//!
//! If you add a type, also change: `ALL`, `as_byte`, `as_str` and the four functions above;
//! `frame.rs`; `Machine::bad_field` and `Field` if it has a number of another kind; a method
//! of the writer; the oracle in `tests/oracle`; PROTOCOL.md. If you add a field, also change
//! `machine.rs`, `whole.rs` and `put_header` in `fields.rs`, which go through the fields in
//! order.

use core::fmt;

use crate::LARGE;
use crate::wire::text::pad;

/// The type of a message, which is its first byte ([section 1](crate::protocol#section-1)).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
// The numbers put types that have the same fields side by side, so that each question about
// a type is one or two comparisons: an id up to 6, a payload up to 7, `is_rare` outside of 1
// to 7.
pub enum MessageType {
    /// `r`: a request in one message.
    SingleRequest = 1,
    /// `s`: the start of a request in parts.
    StreamRequest = 2,
    /// `p`: a further part of a request. An empty one ends the request.
    StreamRequestPart = 3,
    /// `R`: a result in one message.
    SingleResult = 4,
    /// `S`: a part of a result. An empty one ends the result.
    StreamResult = 5,
    /// `E`: an error result. The request was at fault: do not make it again as it is.
    ErrorResult = 6,
    /// `e`: a retry result. The responder was at fault: make the request again after a wait.
    RetryResult = 0,
    /// `n`: a notification, which is never answered.
    Notification = 7,
    /// `h`: a heartbeat. It says that the sender is alive, and how busy it is.
    Heartbeat = 8,
    /// `f`: a protocol error. It says why the sender is about to close the connection.
    ProtocolError = 9,
}

impl MessageType {
    /// Every type, in the order of the variants.
    pub const ALL: [Self; 10] = [
        Self::SingleRequest,
        Self::StreamRequest,
        Self::StreamRequestPart,
        Self::SingleResult,
        Self::StreamResult,
        Self::ErrorResult,
        Self::RetryResult,
        Self::Notification,
        Self::Heartbeat,
        Self::ProtocolError,
    ];

    /// The byte that stands for the type on the wire.
    pub const fn as_byte(self) -> u8 {
        match self {
            Self::SingleRequest => b'r',
            Self::StreamRequest => b's',
            Self::StreamRequestPart => b'p',
            Self::SingleResult => b'R',
            Self::StreamResult => b'S',
            Self::ErrorResult => b'E',
            Self::RetryResult => b'e',
            Self::Notification => b'n',
            Self::Heartbeat => b'h',
            Self::ProtocolError => b'f',
        }
    }

    /// The type that `byte` stands for, or `None` if it stands for none.
    ///
    /// ```
    /// use gotalk::MessageType;
    ///
    /// assert_eq!(MessageType::from_byte(b'r'), Some(MessageType::SingleRequest));
    /// assert_eq!(MessageType::from_byte(b'x'), None);
    /// ```
    pub const fn from_byte(byte: u8) -> Option<Self> {
        // By a table, since a jump that depends on the type is guessed wrong for every
        // other message, and takes more flash. On a large target it has every byte, else those
        // from the first type to the last.
        const FIRST: u8 = if LARGE { 0 } else { MessageType::ErrorResult.as_byte() };
        const LAST: u8 = if LARGE { u8::MAX } else { MessageType::StreamRequest.as_byte() };
        const LEN: usize = (LAST - FIRST) as usize + 1;
        static TYPES: [Option<MessageType>; LEN] = {
            let mut types = [None; LEN];
            let mut all = MessageType::ALL.as_slice();
            while let [message, rest @ ..] = all {
                types[(message.as_byte() - FIRST) as usize] = Some(*message);
                all = rest;
            }
            types
        };
        let place = byte.wrapping_sub(FIRST) as usize;
        if place < LEN { TYPES[place] } else { None }
    }

    /// Whether messages of this type carry a request id.
    pub const fn has_id(self) -> bool {
        !matches!(self, Self::Notification | Self::Heartbeat | Self::ProtocolError)
    }

    /// Whether messages of this type carry a name.
    pub const fn has_name(self) -> bool {
        matches!(self, Self::SingleRequest | Self::StreamRequest | Self::Notification)
    }

    /// Whether messages of this type carry a payload, which may be empty.
    pub const fn has_payload(self) -> bool {
        !matches!(self, Self::Heartbeat | Self::ProtocolError)
    }

    /// The number of digits between the name and the last field: those of a retry
    /// result's wait, or of a heartbeat's load.
    pub(crate) const fn extra_len(self) -> usize {
        match self {
            Self::RetryResult => 8,
            Self::Heartbeat => 4,
            _ => 0,
        }
    }

    /// Whether headers of this type are neither frequent nor like any other: small targets
    /// leave them to the state machine.
    pub(crate) const fn is_rare(self) -> bool {
        matches!(self, Self::RetryResult | Self::Heartbeat | Self::ProtocolError)
    }

    /// Whether an empty payload means the end of a stream.
    pub(crate) const fn is_part(self) -> bool {
        matches!(self, Self::StreamRequestPart | Self::StreamResult)
    }

    /// Where the bytes of a name start in a header of this type.
    pub(crate) const fn name_start(self) -> usize {
        if self.has_id() { 8 } else { 4 }
    }

    /// The length of a header of this type whose name has `name_len` bytes, in bytes.
    /// `name_len` is ignored for types without a name; `header_len(0)` is therefore the
    /// minimum for the type.
    ///
    /// ```
    /// use gotalk::MessageType;
    ///
    /// // Space for any notification called "log" with up to 80 bytes of payload.
    /// const SPACE: usize = MessageType::Notification.header_len("log".len()) + 80;
    /// let buffer = [0u8; SPACE];
    /// # assert_eq!(buffer.len(), 95);
    /// ```
    pub const fn header_len(self, name_len: usize) -> usize {
        let id = if self.has_id() { 4 } else { 0 };
        let name = if self.has_name() { name_len.saturating_add(3) } else { 0 };
        name.saturating_add(OUTER + id + self.extra_len())
    }

    /// [`as_byte`](Self::as_byte) for the writer. A large target gains by the jumps of a
    /// `match`; elsewhere they only take flash.
    pub(crate) fn byte(self) -> u8 {
        if LARGE { self.as_byte() } else { STARTS[self as usize].0 }
    }

    /// [`header_len`](Self::header_len)`(0)`, from a table.
    pub(crate) fn min_len(self) -> usize {
        usize::from(STARTS[self as usize].1) + OUTER
    }
}

/// The length of the type and of the last field, which every header has, in bytes.
const OUTER: usize = 9;

/// The byte of each type, and how many bytes more than [`OUTER`] its headers have at least.
/// `OUTER` is added when the table is read, not stored in it: so the optimiser knows that
/// each header has these bytes, and drops bounds checks.
static STARTS: [(u8, u8); MessageType::ALL.len()] = {
    let mut starts = [(0, 0); MessageType::ALL.len()];
    let mut place = 0;
    while place < starts.len() {
        let message = MessageType::ALL[place];
        starts[message as usize] = (message.as_byte(), (message.header_len(0) - OUTER) as u8);
        place += 1;
    }
    starts
};

impl MessageType {
    /// Whether the message belongs to a request that its sender makes: `r`, `s` and `p`.
    /// The id is the sender's.
    ///
    /// You may answer such a message. If its name or payload is too long for you, send an
    /// [`ErrorResult`](Self::ErrorResult) with its id, in the middle of an open stream too.
    /// More parts with that id may follow: drop them ([rule 7.6](crate::protocol#rule-7-6)).
    ///
    /// ```
    /// use gotalk::{Event, MessageType, Parser, RequestId, Writer};
    ///
    /// // What to answer if a name is too long for the parser.
    /// fn refuse(writer: &mut Writer<'_>, message_type: MessageType, id: Option<RequestId>) {
    ///     match id {
    ///         Some(id) if message_type.is_request() => {
    ///             writer.error_result(id, b"name too long").ok();
    ///         }
    ///         _ => {} // a notification: nobody waits for an answer
    ///     }
    /// }
    /// # let mut buffer = [0; 64];
    /// # let mut writer = Writer::new(&mut buffer);
    /// # refuse(&mut writer, MessageType::SingleRequest, Some(RequestId::new(*b"0001")));
    /// # refuse(&mut writer, MessageType::Notification, None);
    /// # assert_eq!(writer.as_bytes(), b"E00010000000dname too long");
    /// ```
    pub const fn is_request(self) -> bool {
        matches!(self, Self::SingleRequest | Self::StreamRequest | Self::StreamRequestPart)
    }

    /// Whether the message belongs to the result of a request: `R`, `S`, `E` and `e`.
    /// The id is the receiver's own, that of a request which it made.
    ///
    /// Never answer such a message: as an id of the sender's, its id means nothing, or another
    /// request. If the payload is too long for you, fail the request on your side, and drop
    /// what else comes with its id.
    pub const fn is_result(self) -> bool {
        matches!(
            self,
            Self::SingleResult | Self::StreamResult | Self::ErrorResult | Self::RetryResult
        )
    }
}

impl MessageType {
    /// The type in words, as in `single request`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SingleRequest => "single request",
            Self::StreamRequest => "stream request",
            Self::StreamRequestPart => "stream request part",
            Self::SingleResult => "single result",
            Self::StreamResult => "stream result",
            Self::ErrorResult => "error result",
            Self::RetryResult => "retry result",
            Self::Notification => "notification",
            Self::Heartbeat => "heartbeat",
            Self::ProtocolError => "protocol error",
        }
    }
}

/// As [`MessageType::as_str`].
impl fmt::Display for MessageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        pad(f, &|out| out.write_str(self.as_str()))
    }
}

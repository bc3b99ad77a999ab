//! The vocabulary of the wire: what a message says, without the bytes of its payload.
//!
//! A header on the wire is the type byte and then, in this order, those of these fields
//! that its type has: an id, a name behind its length, an *extra* number (the wait or the
//! load), and always a *last* number of eight digits (the size of the payload, the time or
//! the code). Which type has which is said once, by [`MessageType`]'s `has_id`, `has_name`,
//! `extra_len` and `has_payload`: the lengths of headers, the state machine, the decoder of
//! whole headers and the writer follow from these.
//!
//! A header has two forms. Users see a [`Frame`], an enum with named fields. Inside it is a
//! [`Header`], one struct for all types, which is smaller to fill in and to hand on.
//!
//! If you add a type, also change: `ALL`, `as_byte` and the four functions above; `Frame`,
//! its accessors and both conversions at the end of this file; `Field` in `error.rs` if it
//! has a number of another kind, and `Header::field`; a method of the writer; the oracle in
//! `tests/oracle`; PROTOCOL.md. If you add a field, also change `machine.rs`, `whole.rs` and
//! `put_header` in `writer.rs`, which go through the fields in order.

use core::fmt;

use crate::LARGE;
use crate::wire::text::{Bytes, pad};
use crate::wire::value::{ErrorCode, Name, RequestId};

/// The version of the protocol that this crate speaks
/// ([rule 3.11](crate::protocol#rule-3-11)).
pub const VERSION: u8 = 1;

/// The length of the version at the start of each direction, in bytes.
pub const VERSION_LEN: usize = 2;

/// The longest name that the wire can carry, in bytes.
pub const MAX_NAME_LEN: usize = 0xfff;

/// The longest header: that of a request whose name is [`MAX_NAME_LEN`] long, in bytes.
pub const MAX_HEADER_LEN: usize = MessageType::SingleRequest.header_len(MAX_NAME_LEN);

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

/// The header of a message: everything that it says before the bytes of its payload.
///
/// This crate calls the bytes on the wire a *header*, and the value that they stand for a
/// *frame*. The parser yields frames and the writer takes them, so what was written reads
/// back equal. Version 1 has these ten messages and no more, so a `match` needs no wildcard.
/// [Section 1](crate::protocol#section-1) of PROTOCOL.md has the grammar, and
/// [section 2](crate::protocol#section-2) an example of each.
///
/// - **Whose id?** Both ends may use the same id at the same time, for two requests that have
///   nothing to do with each other. [`MessageType::is_request`] and
///   [`MessageType::is_result`] say whose id a message has
///   ([rule 7.2](crate::protocol#rule-7-2)).
/// - **Which answer?** Any kind of result may answer any kind of request: match a result with
///   its request by the id alone ([rule 7.4](crate::protocol#rule-7-4)). Ignore a result that
///   nobody waits for ([rule 7.7](crate::protocol#rule-7-7)).
///
/// ```
/// use gotalk::{Frame, Name, RequestId};
///
/// let (id, op) = (RequestId::new(*b"0001"), Name::new("echo"));
/// let frame = Frame::SingleRequest { id, op, payload_len: 25 };
/// assert_eq!(frame.header_len(), b"r0001004echo00000019".len());
/// assert_eq!(frame.id(), Some(id));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Frame<'a> {
    /// `r`: a request in one message.
    SingleRequest {
        /// The id of the request. It comes back with the result.
        id: RequestId,
        /// The operation that the sender asks for.
        op: Name<'a>,
        /// The size of the payload, in bytes.
        payload_len: u32,
    },
    /// `s`: the start of a request in parts. Its payload is the first part. An empty first
    /// part does not end the stream ([rule 4.4](crate::protocol#rule-4-4)).
    StreamRequest {
        /// The id of the request. Every part and every result has it. Never use it again on
        /// this connection ([rule 7.3](crate::protocol#rule-7-3)).
        id: RequestId,
        /// The operation that the sender asks for.
        op: Name<'a>,
        /// The size of the first part, in bytes.
        payload_len: u32,
    },
    /// `p`: a further part of a request. If its id belongs to no open stream, drop it: the
    /// sender may not yet know that the request is over
    /// ([rule 7.6](crate::protocol#rule-7-6)).
    StreamRequestPart {
        /// The id of the request.
        id: RequestId,
        /// The size of the part, in bytes. 0 ends the stream.
        payload_len: u32,
    },
    /// `R`: a result in one message.
    SingleResult {
        /// The id of the request.
        id: RequestId,
        /// The size of the payload, in bytes.
        payload_len: u32,
    },
    /// `S`: a part of a result.
    StreamResult {
        /// The id of the request.
        id: RequestId,
        /// The size of the part, in bytes. 0 ends the result.
        payload_len: u32,
    },
    /// `E`: an error result. The request was at fault: do not make it again as it is. The
    /// payload is plain text ([rule 8.3](crate::protocol#rule-8-3)).
    ErrorResult {
        /// The id of the request.
        id: RequestId,
        /// The size of the payload, in bytes.
        payload_len: u32,
    },
    /// `e`: a retry result. The responder was at fault: make the request again later. The
    /// payload is plain text ([rule 8.3](crate::protocol#rule-8-3)).
    RetryResult {
        /// The id of the request.
        id: RequestId,
        /// The minimum time to wait before that, in milliseconds. 0 means no wait.
        wait_ms: u32,
        /// The size of the payload, in bytes.
        payload_len: u32,
    },
    /// `n`: a notification, which is never answered.
    Notification {
        /// The name of the notification.
        name: Name<'a>,
        /// The size of the payload, in bytes.
        payload_len: u32,
    },
    /// `h`: a heartbeat. It has no payload and is not answered
    /// ([rule 7.9](crate::protocol#rule-7-9)).
    Heartbeat {
        /// How busy the sender is, from 0 (idle) to 0xffff (overloaded).
        load: u16,
        /// The sender's clock, in seconds since 1970-01-01 00:00 UTC, until 2106. Without a
        /// clock it is 0 ([rule 7.10](crate::protocol#rule-7-10)).
        time: u32,
    },
    /// `f`: a protocol error. The sender is about to close the connection, and nothing follows
    /// ([rule 3.9](crate::protocol#rule-3-9)). It has no payload.
    ProtocolError {
        /// Why the sender closes.
        code: ErrorCode,
    },
}

impl<'a> Frame<'a> {
    /// The type of the message.
    pub const fn message_type(&self) -> MessageType {
        match self {
            Self::SingleRequest { .. } => MessageType::SingleRequest,
            Self::StreamRequest { .. } => MessageType::StreamRequest,
            Self::StreamRequestPart { .. } => MessageType::StreamRequestPart,
            Self::SingleResult { .. } => MessageType::SingleResult,
            Self::StreamResult { .. } => MessageType::StreamResult,
            Self::ErrorResult { .. } => MessageType::ErrorResult,
            Self::RetryResult { .. } => MessageType::RetryResult,
            Self::Notification { .. } => MessageType::Notification,
            Self::Heartbeat { .. } => MessageType::Heartbeat,
            Self::ProtocolError { .. } => MessageType::ProtocolError,
        }
    }

    /// The id of the request that the message belongs to, or `None` for notifications,
    /// heartbeats and protocol errors.
    pub const fn id(&self) -> Option<RequestId> {
        match *self {
            Self::SingleRequest { id, .. }
            | Self::StreamRequest { id, .. }
            | Self::StreamRequestPart { id, .. }
            | Self::SingleResult { id, .. }
            | Self::StreamResult { id, .. }
            | Self::ErrorResult { id, .. }
            | Self::RetryResult { id, .. } => Some(id),
            Self::Notification { .. } | Self::Heartbeat { .. } | Self::ProtocolError { .. } => None,
        }
    }

    /// The operation of a request or the name of a notification, or `None` for every other
    /// type.
    pub const fn name(&self) -> Option<Name<'a>> {
        match *self {
            Self::SingleRequest { op: name, .. }
            | Self::StreamRequest { op: name, .. }
            | Self::Notification { name, .. } => Some(name),
            _ => None,
        }
    }

    /// The size of the payload in bytes, or `None` for heartbeats and protocol errors, which
    /// have no payload.
    pub const fn payload_len(&self) -> Option<u32> {
        match *self {
            Self::SingleRequest { payload_len, .. }
            | Self::StreamRequest { payload_len, .. }
            | Self::StreamRequestPart { payload_len, .. }
            | Self::SingleResult { payload_len, .. }
            | Self::StreamResult { payload_len, .. }
            | Self::ErrorResult { payload_len, .. }
            | Self::RetryResult { payload_len, .. }
            | Self::Notification { payload_len, .. } => Some(payload_len),
            Self::Heartbeat { .. } | Self::ProtocolError { .. } => None,
        }
    }

    /// The length of the header on the wire, in bytes.
    pub const fn header_len(&self) -> usize {
        let name_len = match self.name() {
            Some(name) => name.len(),
            None => 0,
        };
        self.message_type().header_len(name_len)
    }
}

/// A header but for the bytes of its name: the fields of every type in one struct, those
/// that a type lacks 0.
#[derive(Clone, Copy)]
pub(crate) struct Header {
    pub(crate) extra: u32,
    pub(crate) last: u32,
    pub(crate) id: RequestId,
    pub(crate) name_len: u16,
    pub(crate) message_type: MessageType,
}

impl Header {
    pub(crate) const fn new(message_type: MessageType) -> Self {
        Self { extra: 0, last: 0, id: RequestId::new([0; 4]), name_len: 0, message_type }
    }

    /// The frame with this header.
    #[inline]
    pub(crate) fn frame<'a>(&self, name: Name<'a>) -> Frame<'a> {
        let Self { extra, last: payload_len, id, message_type, .. } = *self;
        match message_type {
            MessageType::SingleRequest => Frame::SingleRequest { id, op: name, payload_len },
            MessageType::StreamRequest => Frame::StreamRequest { id, op: name, payload_len },
            MessageType::StreamRequestPart => Frame::StreamRequestPart { id, payload_len },
            MessageType::SingleResult => Frame::SingleResult { id, payload_len },
            MessageType::StreamResult => Frame::StreamResult { id, payload_len },
            MessageType::ErrorResult => Frame::ErrorResult { id, payload_len },
            MessageType::RetryResult => Frame::RetryResult { id, wait_ms: extra, payload_len },
            MessageType::Notification => Frame::Notification { name, payload_len },
            MessageType::Heartbeat => Frame::Heartbeat { load: extra as u16, time: self.last },
            MessageType::ProtocolError => Frame::ProtocolError { code: self.last.into() },
        }
    }
}

impl<'a> Frame<'a> {
    /// The header and, apart, its name, which is empty where the type has none.
    #[inline]
    pub(crate) fn parts(&self) -> (Header, Name<'a>) {
        let (extra, last) = match *self {
            Self::RetryResult { wait_ms, payload_len, .. } => (wait_ms, payload_len),
            Self::Heartbeat { load, time } => (load.into(), time),
            Self::ProtocolError { code } => (0, code.into()),
            _ => (0, self.payload_len().unwrap_or(0)),
        };
        let name = self.name().unwrap_or_default();
        let header = Header {
            extra,
            last,
            id: self.id().unwrap_or(RequestId::new([0; 4])),
            name_len: name.len() as u16,
            message_type: self.message_type(),
        };
        (header, name)
    }
}

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

/// Shows one line: the type, and then the fields that the message has.
///
/// ```
/// use gotalk::{Frame, Name, RequestId};
///
/// let (id, op) = (RequestId::new(*b"0001"), Name::new("echo"));
/// let frame = Frame::SingleRequest { id, op, payload_len: 25 };
/// assert_eq!(frame.to_string(), r#"single request 0001 "echo", 25 bytes"#);
/// let frame = Frame::StreamResult { id, payload_len: 0 };
/// assert_eq!(frame.to_string(), "stream result 0001, end");
/// let frame = Frame::Heartbeat { load: 2, time: 1_423_433_370 };
/// assert_eq!(frame.to_string(), "heartbeat, load 2, time 1423433370");
/// ```
impl fmt::Display for Frame<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        pad(f, &|out| {
            write!(out, "{}", self.message_type())?;
            if let Some(id) = self.id() {
                write!(out, " {id}")?;
            }
            if let Some(name) = self.name() {
                write!(out, " {name:?}")?;
            }
            match self {
                Self::RetryResult { wait_ms, .. } => write!(out, ", wait {wait_ms} ms")?,
                Self::Heartbeat { load, time } => write!(out, ", load {load}, time {time}")?,
                Self::ProtocolError { code } => write!(out, ", {code}")?,
                Self::StreamRequestPart { payload_len: 0, .. }
                | Self::StreamResult { payload_len: 0, .. } => return out.write_str(", end"),
                _ => {}
            }
            match self.payload_len() {
                Some(len) => write!(out, ", {}", Bytes(len)),
                None => Ok(()),
            }
        })
    }
}

//! The vocabulary of the wire: what a message says, without the bytes of its payload.
//!
//! A header has two forms. Users see a [`Frame`], an enum with named fields. Inside it is a
//! [`Header`], one struct for all types, which is smaller to fill in and to hand on. If you
//! add a type or a field, both conversions follow, at the end of this file; the rest of what
//! to change stands at the head of `message_type.rs`.

use core::fmt;

use crate::wire::message_type::MessageType;
use crate::wire::text::{Bytes, Text, pad};
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

/// A whole message: its header and its payload.
///
/// An [`Assembler`](crate::Assembler) yields it, and [`Writer::message`](crate::Writer::message) writes it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Message<'a> {
    /// The header.
    pub frame: Frame<'a>,
    /// The payload: `frame.payload_len()` bytes, or none if the type has no payload. To the
    /// protocol it is bytes; most peers send JSON ([section 8](crate::protocol#section-8)).
    pub payload: &'a [u8],
}

/// Shows the payload as text with escapes.
impl fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("frame", &self.frame)
            .field("payload", &Text(self.payload))
            .finish()
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Message<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "Message {{ frame: {}, payload: {} }}", self.frame, Text(self.payload));
    }
}

/// A header but for the bytes of its name: the fields of every type in one struct, those
/// that a type lacks 0.
#[derive(Clone, Copy)]
pub struct Header {
    pub(crate) extra: u32,
    pub(crate) last: u32,
    pub(crate) id: RequestId,
    pub(crate) name_len: u16,
    pub(crate) message_type: MessageType,
    /// Whether the version is written before the message: a session's first one.
    pub(crate) with_version: bool,
}

impl Header {
    pub(crate) const fn new(message_type: MessageType) -> Self {
        let id = RequestId::new([0; 4]);
        Self { extra: 0, last: 0, id, name_len: 0, message_type, with_version: false }
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
            with_version: false,
        };
        (header, name)
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

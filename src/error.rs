//! What can go wrong, on either side of the wire.

use core::fmt;

use crate::ErrorCode;
use crate::wire::text::{Bytes, pad};

/// Why reading stopped, and where.
///
/// Every reading function of this crate fails with this type, which names the wrong byte.
///
/// A reading error is final. The parser does not look for the next message: it returns the
/// same error until you reset it ([rule 3.8](crate::protocol#rule-3-8),
/// [rule 3.11](crate::protocol#rule-3-11)). Send a protocol error with
/// [`protocol_code`](Self::protocol_code) and close the connection
/// ([rule 7.11](crate::protocol#rule-7-11)).
///
/// ```
/// use gotalk::{ErrorCode, ErrorKind, Field, Parser};
///
/// let mut parser = Parser::<64>::new();
/// let mut events = parser.feed(b"01R0001zzzzzzzz");
/// events.next(); // the version
/// let error = events.next().unwrap().unwrap_err();
/// assert_eq!(error.kind, ErrorKind::InvalidDigit { byte: b'z', field: Field::PayloadSize });
/// assert_eq!(error.offset, 7);
/// assert_eq!(error.protocol_code(), Some(ErrorCode::INVALID_MESSAGE));
/// assert_eq!(error.to_string(), "at byte 7: 'z' is not a hexadecimal digit of the payload size");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct Error {
    /// What was wrong.
    pub kind: ErrorKind,
    /// The offset of the wrong byte from the start of the stream, in bytes. At an
    /// unexpected end it is the number of bytes read.
    pub offset: u64,
}

/// What was wrong with the input: the kind of an [`Error`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum ErrorKind {
    /// The peer speaks this version, not version 1. Send your own version, then the
    /// protocol error `f00000001`, and close ([rule 3.11](crate::protocol#rule-3-11)).
    UnsupportedVersion(u8),
    /// No message starts with this byte.
    UnknownType(u8),
    /// A byte is not one of `0-9`, `a-f` and `A-F`, where only a digit may stand
    /// ([rule 3.3](crate::protocol#rule-3-3)).
    InvalidDigit {
        /// The wrong byte.
        byte: u8,
        /// The number in which it stands.
        field: Field,
    },
    /// The input ended inside the version or a message. Only the `finish` methods say so
    /// ([rule 3.10](crate::protocol#rule-3-10)).
    UnexpectedEnd {
        /// The minimum number of bytes that would complete the message, as far as the
        /// parser knows it. It is 0 if no byte is missing, but the last event has not
        /// been taken.
        missing: u32,
    },
}

/// A number on the wire, in which an [`ErrorKind::InvalidDigit`] stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Field {
    /// The protocol version, two digits at the start of the stream.
    Version,
    /// The length of an operation's or a notification's name, three digits.
    NameLength,
    /// The wait of a retry result, eight digits.
    Wait,
    /// The load of a heartbeat, four digits.
    Load,
    /// The time of a heartbeat, eight digits.
    Time,
    /// The code of a protocol error, eight digits.
    Code,
    /// The size of a payload, eight digits.
    PayloadSize,
}

impl Error {
    /// The code of the protocol error to send before you close the connection:
    /// [`UNSUPPORTED`](ErrorCode::UNSUPPORTED) for a wrong version, else
    /// [`INVALID_MESSAGE`](ErrorCode::INVALID_MESSAGE).
    ///
    /// It is `None` for [`UnexpectedEnd`](ErrorKind::UnexpectedEnd), which only `finish`
    /// returns: write nothing then. No byte was wrong, and nobody is left to read the code.
    pub const fn protocol_code(&self) -> Option<ErrorCode> {
        // Not one `match`, which would become two tables in flash.
        if matches!(self.kind, ErrorKind::UnexpectedEnd { .. }) {
            return None;
        }
        let wrong_version = matches!(self.kind, ErrorKind::UnsupportedVersion(_));
        Some(if wrong_version { ErrorCode::UNSUPPORTED } else { ErrorCode::INVALID_MESSAGE })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        pad(f, &|out| write!(out, "at byte {}: {}", self.offset, self.kind))
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        pad(f, &|out| match self {
            Self::UnsupportedVersion(version) => {
                write!(out, "protocol version {version:#04x} is not supported")
            }
            Self::UnknownType(byte) => write!(out, "{} is not a message type", Byte(*byte)),
            Self::InvalidDigit { byte, field } => {
                write!(out, "{} is not a hexadecimal digit of the {field}", Byte(*byte))
            }
            Self::UnexpectedEnd { missing: 0 } => {
                out.write_str("the input ended before its last event was taken")
            }
            Self::UnexpectedEnd { missing } => {
                let verb = if *missing == 1 { "is" } else { "are" };
                let missing = Bytes(*missing);
                write!(out, "the input ended too soon, at least {missing} {verb} missing")
            }
        })
    }
}

/// A byte for people: as a character where it is printable, else as a number.
struct Byte(u8);

impl fmt::Display for Byte {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            b' '..=b'~' => write!(f, "'{}'", char::from(self.0)),
            byte => write!(f, "{byte:#04x}"),
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Version => "version",
            Self::NameLength => "name length",
            Self::Wait => "wait",
            Self::Load => "load",
            Self::Time => "time",
            Self::Code => "error code",
            Self::PayloadSize => "payload size",
        };
        pad(f, &|out| out.write_str(name))
    }
}

impl core::error::Error for Error {}

/// Why a message was not written. The buffer is as it was before the call
/// ([rule 4.2](crate::protocol#rule-4-2)). [Rule 4.3](crate::protocol#rule-4-3) says what a
/// writer refuses.
///
/// ```
/// use gotalk::{RequestId, WriteError, Writer};
///
/// let mut buffer = [0; 16];
/// let mut writer = Writer::new(&mut buffer);
/// assert_eq!(
///     writer.single_result(RequestId::new(*b"0001"), b"hello"),
///     Err(WriteError::BufferTooSmall { needed: 18, available: 16 }),
/// );
/// assert!(writer.is_empty());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum WriteError {
    /// The message does not fit.
    BufferTooSmall {
        /// The length of the whole message, in bytes. If it is more than the capacity of the
        /// buffer, the message will never fit; otherwise send what is in the buffer, and try
        /// again. With a [`SendBuffer`](crate::SendBuffer) its own capacity counts: that of the
        /// writer in it is only what is free now.
        needed: usize,
        /// The number of bytes that were free in the buffer.
        available: usize,
    },
    /// The name is longer than [`MAX_NAME_LEN`](crate::MAX_NAME_LEN), which is 4095 bytes.
    NameTooLong {
        /// The length of the name, in bytes.
        len: usize,
    },
    /// The payload is longer than 4,294,967,295 bytes.
    PayloadTooLong {
        /// The length of the payload, in bytes.
        len: usize,
    },
    /// The name of an operation or a notification is empty. The reference peers cannot
    /// read such a name, or cannot ask for it.
    EmptyName,
    /// The part of a stream is empty. On the wire that is the end of the stream, which
    /// [`stream_request_end`](crate::Writer::stream_request_end) and
    /// [`stream_result_end`](crate::Writer::stream_result_end) write.
    EmptyPart,
    /// The length of the payload is not the one in its frame.
    PayloadMismatch {
        /// The length in the frame, in bytes. It is 0 if the type has no payload.
        announced: u32,
        /// The length of the payload that was given, in bytes.
        given: usize,
    },
    /// A protocol error has been written, and nothing may follow it
    /// ([rule 4.6](crate::protocol#rule-4-6)).
    Closed,
    /// The `Display` or `Debug` of a value failed while a payload was written in place.
    Format,
}

/// So that `?` works on `write!` beside the methods of a writer.
impl From<fmt::Error> for WriteError {
    fn from(_: fmt::Error) -> Self {
        Self::Format
    }
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        pad(f, &|out| match *self {
            Self::BufferTooSmall { needed, available } => {
                let needed = Bytes(needed);
                write!(out, "the message takes {needed}, but the buffer has {available} free")
            }
            Self::NameTooLong { len } => {
                write!(out, "a name of {} is longer than 4095 bytes", Bytes(len))
            }
            Self::PayloadTooLong { len } => {
                write!(out, "a payload of {} is longer than 4294967295 bytes", Bytes(len))
            }
            Self::EmptyName => out.write_str("the name is empty"),
            Self::EmptyPart => out.write_str("an empty part would end the stream"),
            Self::PayloadMismatch { announced, given } => {
                let (announced, given) = (Bytes(announced), Bytes(given));
                write!(out, "the payload has {given}, but its frame announces {announced}")
            }
            Self::Closed => out.write_str("nothing may follow a protocol error"),
            Self::Format => out.write_str("a value could not be formatted"),
        })
    }
}

impl core::error::Error for WriteError {}

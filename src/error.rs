//! What can go wrong, on either side of the wire.

use core::fmt;

use crate::ErrorCode;
use crate::wire::text::{Bytes, pad};

/// Why reading stopped, and where.
///
/// Every reading function of this crate fails with this type. It names the byte at
/// fault. Once a parser has returned an error, it returns the same error until you
/// reset it (PROTOCOL.md, rules [3.8](crate::protocol#rule-3-8) and
/// [3.11](crate::protocol#rule-3-11)).
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
    /// unexpected end, the number of bytes read.
    pub offset: u64,
}

/// The kinds of [`Error`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum ErrorKind {
    /// The peer speaks a version other than 1. Answer with your own version, then
    /// `f00000001`, and close.
    UnsupportedVersion(u8),
    /// No message starts with this byte.
    UnknownType(u8),
    /// A byte stands where a digit of `[0-9a-fA-F]` must.
    InvalidDigit {
        /// The byte that is no digit.
        byte: u8,
        /// The number that it stands in.
        field: Field,
    },
    /// The input ended inside the version or a message. Only the `finish` methods say so.
    UnexpectedEnd {
        /// The least number of bytes that would complete the message as far as it
        /// is known; 0 when only an event was left untaken.
        missing: u32,
    },
}

/// The numbers on the wire, as an [`ErrorKind::InvalidDigit`] names them.
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
    /// The code to send in a protocol error before you close the connection. `None` at
    /// the end of input: nobody is left to read it, and no byte was wrong.
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
/// (PROTOCOL.md, rules [4.2](crate::protocol#rule-4-2), [4.3](crate::protocol#rule-4-3)
/// and [4.6](crate::protocol#rule-4-6)).
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
        /// The length of the whole refused message, in bytes.
        needed: usize,
        /// What was free in the buffer, in bytes.
        available: usize,
    },
    /// The name is longer than the [`MAX_NAME_LEN`](crate::MAX_NAME_LEN) bytes that
    /// three digits can say.
    NameTooLong {
        /// The length of the name, in bytes.
        len: usize,
    },
    /// The payload is longer than the 4 294 967 295 bytes that eight digits can say.
    PayloadTooLong {
        /// The length of the payload, in bytes.
        len: usize,
    },
    /// An operation or a notification needs a name: the reference peers cannot
    /// read, or cannot ask for, an empty one.
    EmptyName,
    /// An empty part would end the stream. The end has a method of its own.
    EmptyPart,
    /// The payload is not as long as its frame says.
    PayloadMismatch {
        /// What the frame announces, in bytes; 0 for a message without payload.
        announced: u32,
        /// The length of the payload that was given, in bytes.
        given: usize,
    },
    /// A protocol error was written before: nothing may follow it.
    Closed,
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
        })
    }
}

impl core::error::Error for WriteError {}

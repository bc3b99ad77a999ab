//! Messages that own their bytes, in `heapless` vectors.

use core::fmt;

use heapless::Vec;

use crate::WriteError;
use crate::wire::frame::{Frame, Header, Message};
use crate::wire::text::{Bytes, pad};

/// A message that borrows nothing, so you can keep it or send it to another task. It holds
/// up to `P` bytes of payload and `N` of name, and needs no heap. Needs the feature
/// `heapless`.
///
/// ```
/// use gotalk::{Frame, Message, OwnedMessage};
///
/// let frame = Frame::Notification { name: "log".into(), payload_len: 4 };
/// let message = Message { frame, payload: br#""hi""# };
/// let owned = OwnedMessage::<16, 8>::try_from(message)?;
/// assert_eq!(owned.as_message(), message);
/// # Ok::<(), gotalk::OwnedError>(())
/// ```
#[derive(Clone)]
pub struct OwnedMessage<const P: usize, const N: usize = 64> {
    header: Header,
    name: Vec<u8, N>,
    payload: Vec<u8, P>,
}

impl<const P: usize, const N: usize> OwnedMessage<P, N> {
    /// The header.
    pub fn frame(&self) -> Frame<'_> {
        self.header.frame(self.name.as_slice().into())
    }

    /// The payload.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The message, as an assembler gives it and a writer takes it.
    pub fn as_message(&self) -> Message<'_> {
        Message { frame: self.frame(), payload: self.payload() }
    }
}

/// Two are equal if the [`Message`]s that they were made of are.
impl<const P: usize, const N: usize> PartialEq for OwnedMessage<P, N> {
    fn eq(&self, other: &Self) -> bool {
        self.as_message() == other.as_message()
    }
}

impl<const P: usize, const N: usize> Eq for OwnedMessage<P, N> {}

/// Shows the [`Message`] that it was made of.
impl<const P: usize, const N: usize> fmt::Debug for OwnedMessage<P, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_message().fmt(f)
    }
}

#[cfg(feature = "defmt")]
impl<const P: usize, const N: usize> defmt::Format for OwnedMessage<P, N> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "{}", self.as_message());
    }
}

/// Fails if the message does not fit, or if its payload has another length than its frame
/// says. No message of an assembler with the same `P` and `N` fails.
impl<const P: usize, const N: usize> TryFrom<Message<'_>> for OwnedMessage<P, N> {
    type Error = OwnedError;

    fn try_from(message: Message<'_>) -> Result<Self, OwnedError> {
        let Message { frame, payload } = message;
        let announced = frame.payload_len().unwrap_or(0);
        if u32::try_from(payload.len()) != Ok(announced) {
            return Err(OwnedError::PayloadMismatch { announced, given: payload.len() });
        }
        let (header, name) = frame.parts();
        Ok(Self {
            header,
            name: Vec::from_slice(name.as_bytes())
                .map_err(|_| OwnedError::NameTooLong { len: name.len() })?,
            payload: Vec::from_slice(payload)
                .map_err(|_| OwnedError::PayloadTooLong { len: payload.len() })?,
        })
    }
}

/// Why a message did not become an [`OwnedMessage`]. Needs the feature `heapless`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum OwnedError {
    /// The name does not fit.
    NameTooLong {
        /// The length of the name, in bytes.
        len: usize,
    },
    /// The payload does not fit.
    PayloadTooLong {
        /// The length of the payload, in bytes.
        len: usize,
    },
    /// The length of the payload is not the one in its frame.
    PayloadMismatch {
        /// The length in the frame, in bytes. It is 0 if the type has no payload.
        announced: u32,
        /// The length of the payload that was given, in bytes.
        given: usize,
    },
}

impl fmt::Display for OwnedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NameTooLong { len } => {
                pad(f, &|out| write!(out, "a name of {} does not fit", Bytes(len)))
            }
            Self::PayloadTooLong { len } => {
                pad(f, &|out| write!(out, "a payload of {} does not fit", Bytes(len)))
            }
            Self::PayloadMismatch { announced, given } => {
                WriteError::PayloadMismatch { announced, given }.fmt(f)
            }
        }
    }
}

impl core::error::Error for OwnedError {}

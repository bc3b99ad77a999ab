//! Messages that own their bytes, in `heapless` vectors.

use core::fmt;

use heapless::Vec;

use crate::read::assembler::Message;
use crate::wire::frame::{Fields, Frame, MessageType};
use crate::wire::value::RequestId;

/// A message that borrows nothing, and so can be kept or cross a queue to another
/// task: up to `P` bytes of payload and `N` of name, without a heap.
///
/// ```
/// use gotalk::{Frame, Message, OwnedMessage};
///
/// let frame = Frame::Notification { name: "log".into(), payload_len: 2 };
/// let message = Message { frame, payload: b"hi" };
/// let owned = OwnedMessage::<16, 8>::try_from(message)?;
/// assert_eq!(owned.as_message(), message);
/// # Ok::<(), gotalk::OwnedError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct OwnedMessage<const P: usize, const N: usize = 64> {
    message: MessageType,
    id: RequestId,
    name: Vec<u8, N>,
    extra: u32,
    last: u32,
    payload: Vec<u8, P>,
}

impl<const P: usize, const N: usize> OwnedMessage<P, N> {
    /// What the message's header says.
    pub fn frame(&self) -> Frame<'_> {
        let name = self.name.as_slice().into();
        Fields { message: self.message, id: self.id, name, extra: self.extra, last: self.last }
            .into()
    }

    /// The message's payload.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The message as the assembler gives it.
    pub fn as_message(&self) -> Message<'_> {
        Message { frame: self.frame(), payload: self.payload() }
    }
}

/// As the [`Message`] that it was made of.
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

impl<const P: usize, const N: usize> TryFrom<Message<'_>> for OwnedMessage<P, N> {
    type Error = OwnedError;

    fn try_from(message: Message<'_>) -> Result<Self, OwnedError> {
        let Message { frame, payload } = message;
        let Fields { message, id, name, extra, last } = (&frame).into();
        Ok(Self {
            message,
            id,
            name: Vec::from_slice(name.as_bytes())
                .map_err(|_| OwnedError::NameTooLong { len: name.len() })?,
            extra,
            last,
            payload: Vec::from_slice(payload)
                .map_err(|_| OwnedError::PayloadTooLong { len: payload.len() })?,
        })
    }
}

/// Which part of a message did not fit into an [`OwnedMessage`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum OwnedError {
    /// The name, which has this many bytes.
    NameTooLong {
        /// The length of the name, in bytes.
        len: usize,
    },
    /// The payload, which has this many bytes.
    PayloadTooLong {
        /// The length of the payload, in bytes.
        len: usize,
    },
}

impl fmt::Display for OwnedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NameTooLong { len } => write!(f, "no room for a name of {len} bytes"),
            Self::PayloadTooLong { len } => write!(f, "no room for a payload of {len} bytes"),
        }
    }
}

impl core::error::Error for OwnedError {}

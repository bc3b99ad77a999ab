//! Why a session did not do what it was asked.

use core::fmt;

use crate::WriteError;
use crate::wire::text::pad;

/// Why a [`Session`](crate::Session) did not do what it was asked. Nothing was written, and
/// nothing has changed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum SessionError {
    /// As many requests as there is room for are in flight. Wait until one of them is over.
    TooMany,
    /// The request is over: it has its result or its answer, was timed out, forgotten or lost.
    /// Stop sending its parts.
    Over,
    /// The request takes no parts, or no more of them: it was made whole, or its end has been
    /// written. For an answer: parts of the result have been written, so a whole result cannot
    /// follow.
    Parts,
    /// The settings say that the peer does not take streamed requests.
    Unsupported,
    /// The conversation is closed, or is being drained and takes no new request.
    Closed,
    /// The writer refused the message. After
    /// [`BufferTooSmall`](WriteError::BufferTooSmall), send what is in the writer and call
    /// again. Its `needed` counts the version too, if that is still owed.
    Write(WriteError),
}

impl From<WriteError> for SessionError {
    fn from(error: WriteError) -> Self {
        Self::Write(error)
    }
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        pad(f, &|out| match self {
            Self::TooMany => out.write_str("too many requests are in flight"),
            Self::Over => out.write_str("the request is over"),
            Self::Parts => out.write_str("this cannot follow the parts that were written"),
            Self::Unsupported => out.write_str("the peer takes no streamed requests"),
            Self::Closed => out.write_str("the conversation takes no more of this"),
            Self::Write(error) => write!(out, "{error}"),
        })
    }
}

impl core::error::Error for SessionError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Write(error) => Some(error),
            _ => None,
        }
    }
}

//! tmp
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod assembler;
mod error;
mod frame;
mod hex;
mod machine;
#[cfg(feature = "heapless")]
mod owned;
mod parser;
mod whole;
mod writer;

pub use assembler::{Assembler, Item, Message, Messages};
pub use error::{Error, ErrorKind, Field, WriteError};
pub use frame::{
    ErrorCode, Frame, MAX_HEADER_LEN, MAX_NAME_LEN, MessageType, Name, RequestId, VERSION,
    VERSION_LEN,
};
#[cfg(feature = "heapless")]
pub use owned::{OwnedError, OwnedMessage};
pub use parser::{Event, Events, Parser, Step};
pub use writer::{Buffer, Writer};

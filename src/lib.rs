#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "alloc")]
extern crate alloc;

#[doc = include_str!("../PROTOCOL.md")]
pub mod protocol {}

mod error;
mod read;
mod session;
mod wire;
mod write;

/// The version of `heapless` whose types this crate takes. Needs the feature `heapless`.
#[cfg(feature = "heapless")]
pub use heapless;

pub use error::{Error, ErrorKind, Field, WriteError};
pub use read::assembler::{Assembler, Item, Items};
#[cfg(feature = "heapless")]
pub use read::owned::{OwnedError, OwnedMessage};
pub use read::parser::{Event, Events, Parser, Step};
pub use session::Session;
pub use session::backoff::Backoff;
pub use session::error::SessionError;
pub use session::incoming::Incoming;
pub use session::outgoing::Outgoing;
pub use session::payload::{Announced, Payload};
pub use session::poll::Due;
pub use session::receive::{Input, MAX_REPLY_LEN, Received};
pub use session::settings::Settings;
pub use wire::frame::{Frame, MAX_HEADER_LEN, MAX_NAME_LEN, Message, VERSION, VERSION_LEN};
pub use wire::message_type::MessageType;
pub use wire::value::{ErrorCode, Name, RequestId};
pub use write::payload::PayloadWriter;
pub use write::send::SendBuffer;
pub use write::websocket;
pub use write::writer::Writer;

/// Whether the target can spare flash for code that only makes things faster. With
/// `--cfg gotalk_compact` none can, so that every target can test what small ones run.
const LARGE: bool = cfg!(all(target_pointer_width = "64", not(gotalk_compact)));

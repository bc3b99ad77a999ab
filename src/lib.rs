//! The [Gotalk] protocol, version 1, as a codec for firmware and for other runtimes
//! to embed: a push parser and a writer over buffers of the caller's. No `std`, no
//! allocation and no dependency.
//!
//! Gotalk lets two programs talk over any reliable byte stream. Either end may make
//! requests; requests, results, notifications and streams share one connection; and
//! the wire is ASCII that a person can read: `r0001004echo00000005hello`.
//!
//! This crate turns bytes into events and messages into bytes. It does no I/O, keeps
//! no table of requests and looks at no clock: those belong to the program around it.
//!
//! # A peer in a loop
//!
//! ```
//! use gotalk::{Event, Frame, Parser, Writer};
//! # struct Uart(&'static [u8], Vec<u8>);
//! # impl Uart {
//! #     fn read(&mut self, to: &mut [u8]) -> Result<usize, std::io::Error> {
//! #         std::io::Read::read(&mut self.0, to)
//! #     }
//! #     fn write_all(&mut self, bytes: &[u8]) -> Result<(), gotalk::WriteError> {
//! #         self.1.extend_from_slice(bytes);
//! #         Ok(())
//! #     }
//! # }
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let mut uart = Uart(b"01r0001004ping00000000", Vec::new());
//!
//! let mut parser = Parser::new(); // takes names of up to 64 bytes
//! let (mut rx, mut tx) = ([0; 64], [0; 64]);
//! let mut writer = Writer::new(&mut tx);
//! writer.version()?; // each end says its version at once
//! loop {
//!     uart.write_all(writer.as_bytes())?;
//!     writer.clear();
//!     let n = uart.read(&mut rx)?;
//!     if n == 0 {
//!         break;
//!     }
//!     let mut events = parser.feed(&rx[..n]);
//!     while let Some(event) = events.next() {
//!         match event {
//!             Ok(Event::Frame(Frame::SingleRequest { id, op, .. })) if op == "ping" => {
//!                 writer.single_result(id, b"pong")?;
//!             }
//!             Ok(Event::Frame(Frame::SingleRequest { id, .. })) => {
//!                 writer.error_result(id, b"unknown operation")?;
//!             }
//!             Ok(_) => {} // the version, payloads, other messages
//!             Err(error) => {
//!                 if let Some(code) = error.protocol_code() {
//!                     writer.protocol_error(code)?;
//!                 }
//!             }
//!         }
//!     }
//! }
//! # assert_eq!(uart.1, b"01R000100000004pong");
//! # Ok(())
//! # }
//! ```
//!
//! # Which API to use
//!
//! | to | use |
//! | --- | --- |
//! | handle what a read has brought, piece by piece | [`Parser::feed`] |
//! | get whole small messages | [`Assembler`] |
//! | take one event at a time from a slice | [`Parser::next_event`] |
//! | build a connection type that owns its input | [`Parser::step`] and [`Parser::event`] |
//! | keep a message, or send it to another task | `OwnedMessage`, with the feature `heapless` |
//! | write a message | the method of [`Writer`] with its name |
//! | write a header alone, or pass on what was read | [`Writer::frame`], [`Writer::message`] |
//!
//! # Decisions
//!
//! - **A name is handed out whole, a payload in pieces.** Names are short and one
//!   dispatches on them, so they are gathered, up to a limit that is part of the
//!   parser's type. Payloads can have 4 GiB and are never copied.
//! - **Too long is not fatal.** Every field is delimited by its length, so a message
//!   with too long a name is reported, skipped, and can be answered.
//! - **A grammar violation is.** The transport is reliable, so a wrong byte means that
//!   the ends no longer agree; looking for the next message would be guessing.
//! - **Any split of the input gives the same events**, errors and offsets included.
//! - **A message is written whole or not at all**, and the error says how much room it
//!   takes.
//!
//! # Features
//!
//! All are off by default and change nothing that exists without them.
//!
//! - `alloc`: names from a `String`. It adds no dependency.
//! - `heapless`: messages that own their bytes, and `heapless::Vec<u8, N>` as a
//!   writer's buffer. Needs Rust 1.87; the rest of the crate needs 1.85.
//! - `defmt`: `defmt::Format` for every public type.
//!
//! [Gotalk]: https://github.com/rsms/gotalk

#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

#[cfg(feature = "alloc")]
extern crate alloc;

#[doc = include_str!("../PROTOCOL.md")]
pub mod protocol {}

mod error;
mod read;
mod wire;
mod write;

/// The version of `heapless` whose types this crate takes.
#[cfg(feature = "heapless")]
pub use heapless;

pub use error::{Error, ErrorKind, Field, WriteError};
pub use read::assembler::{Assembler, Item, Items, Message};
#[cfg(feature = "heapless")]
pub use read::owned::{OwnedError, OwnedMessage};
pub use read::parser::{Event, Events, Parser, Step};
pub use wire::frame::{Frame, MAX_HEADER_LEN, MAX_NAME_LEN, MessageType, VERSION, VERSION_LEN};
pub use wire::value::{ErrorCode, Name, RequestId};
pub use write::payload::PayloadWriter;
pub use write::send::SendBuffer;
pub use write::websocket;
pub use write::writer::Writer;

/// Whether the target has room for code that is there for speed alone. With
/// `--cfg gotalk_compact` none has, so that what small targets run can be tested on any.
const LARGE: bool = cfg!(all(target_pointer_width = "64", not(gotalk_compact)));

//! A second session, slow and obviously correct, written from the rules alone, and what drives
//! it side by side with the crate's.
//!
//! The model keeps maps where the session keeps tables, counts time in 64 bits that never wrap,
//! writes by the oracle's encoder, and shares no code with `src/session`. Of the crate it has
//! the words of the API: settings, errors, codes. A request is known by its *number*: how many
//! were made, or came, before it.
//!
//! Where the rules leave a choice, such as which slot a request takes or which of two lost
//! requests is reported first, the model is told what the session chose, and says whether that
//! is one of the choices.
//!
//! - `state` is what the model knows, and what the application can do;
//! - `peer` is what the peer can do, and `time` what is due;
//! - `reader` turns the peer's bytes into what is received;
//! - `pair` has a session and a model side by side, and compares them at every call, by
//!   what `words` makes of what the session says;
//! - `actions` chooses what to do, at random or by the bytes of a fuzzer, and `converse` does it.

#![allow(dead_code, unreachable_pub)]

use std::cell::RefCell;
use std::collections::BTreeMap;

use gotalk::{SessionError, WriteError};

use super::support::oracle::Header;

pub mod actions;
pub mod converse;
pub mod pair;
pub mod peer;
pub mod reader;
pub mod state;
pub mod time;
pub mod words;

pub use state::Model;

/// What a writer has: so many bytes free, and whether a protocol error was written.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    pub free: usize,
    pub closed: bool,
}

/// The payload of a message of ours.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Body {
    Bytes(Vec<u8>),
    /// Text that is made in place.
    Text(String),
    /// A header alone.
    Announced(u32),
    /// Text in place that cannot be made.
    Broken,
}

/// What a reader found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Found {
    Version,
    /// With its payload, if it comes from an assembler.
    Message(Header, Option<Vec<u8>>),
    NameTooLong {
        kind: u8,
        id: Option<[u8; 4]>,
        name_len: u16,
    },
    PayloadTooLong(Header),
    Payload {
        data: Vec<u8>,
        remaining: u32,
    },
    Error(gotalk::Error),
}

/// A payload as `Received` has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Payload {
    Len(u32),
    Bytes(Vec<u8>),
}

/// A request of ours that has been made: its number, its slot, and its id.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Made {
    pub number: usize,
    pub slot: usize,
    pub id: [u8; 4],
}

/// `Received`, with numbers in place of handles. A new request of the peer's has its slot.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Said {
    Opened,
    Request { request: usize, slot: usize, op: Vec<u8>, payload: Payload },
    StreamRequest { request: usize, slot: usize, op: Vec<u8>, payload: Payload },
    RequestPart { request: usize, payload: Payload },
    RequestEnd { request: usize },
    RequestTooLong { request: usize },
    Result { request: usize, payload: Payload },
    ResultPart { request: usize, payload: Payload },
    ResultEnd { request: usize },
    ErrorResult { request: usize, payload: Payload },
    RetryResult { request: usize, wait_ms: u32, payload: Payload },
    ResultTooLong { request: usize },
    Notification { name: Vec<u8>, payload: Payload },
    Payload { data: Vec<u8>, remaining: u32 },
    Heartbeat { load: u16, time: u32 },
    Closed { code: u32 },
    Handled,
}

/// `Due`, with numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Due {
    TimedOut(usize),
    Lost(usize),
    Close,
}

/// What a call comes to, and what it adds to the writer.
pub type Outcome<T> = (Result<T, SessionError>, Vec<u8>);

/// What a call came to, in a word, to be counted.
pub trait Kind {
    fn kind(&self) -> &'static str;
}

impl Kind for () {
    fn kind(&self) -> &'static str {
        "done"
    }
}

impl Kind for Made {
    fn kind(&self) -> &'static str {
        "made"
    }
}

impl Kind for Option<Due> {
    fn kind(&self) -> &'static str {
        match self {
            None => "nothing due",
            Some(Due::TimedOut(_)) => "timed out",
            Some(Due::Lost(_)) => "lost",
            Some(Due::Close) => "close",
        }
    }
}

impl Kind for Said {
    fn kind(&self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Request { .. } => "request",
            Self::StreamRequest { .. } => "stream request",
            Self::RequestPart { .. } => "request part",
            Self::RequestEnd { .. } => "request end",
            Self::RequestTooLong { .. } => "request too long",
            Self::Result { .. } => "result",
            Self::ResultPart { .. } => "result part",
            Self::ResultEnd { .. } => "result end",
            Self::ErrorResult { .. } => "error result",
            Self::RetryResult { .. } => "retry result",
            Self::ResultTooLong { .. } => "result too long",
            Self::Notification { .. } => "notification",
            Self::Payload { .. } => "payload",
            Self::Heartbeat { .. } => "heartbeat",
            Self::Closed { .. } => "closed",
            Self::Handled => "handled",
        }
    }
}

impl Kind for SessionError {
    fn kind(&self) -> &'static str {
        match self {
            Self::TooMany => "TooMany",
            Self::Over => "Over",
            Self::Parts => "Parts",
            Self::Unsupported => "Unsupported",
            Self::Closed => "Closed",
            _ => "other",
        }
    }
}

impl Kind for WriteError {
    fn kind(&self) -> &'static str {
        match self {
            Self::BufferTooSmall { .. } => "Write(BufferTooSmall)",
            Self::NameTooLong { .. } => "Write(NameTooLong)",
            Self::EmptyName => "Write(EmptyName)",
            Self::EmptyPart => "Write(EmptyPart)",
            Self::Closed => "Write(Closed)",
            Self::Format => "Write(Format)",
            _ => "other",
        }
    }
}

/// All that calls can come to, and the types of messages that can be written.
pub const KINDS: [&str; 44] = [
    "done",
    "made",
    "nothing due",
    "timed out",
    "lost",
    "close",
    "opened",
    "request",
    "stream request",
    "request part",
    "request end",
    "request too long",
    "result",
    "result part",
    "result end",
    "error result",
    "retry result",
    "result too long",
    "notification",
    "payload",
    "heartbeat",
    "closed",
    "handled",
    "TooMany",
    "Over",
    "Parts",
    "Unsupported",
    "Closed",
    "Write(BufferTooSmall)",
    "Write(NameTooLong)",
    "Write(EmptyName)",
    "Write(EmptyPart)",
    "Write(Closed)",
    "Write(Format)",
    "r",
    "s",
    "p",
    "R",
    "S",
    "E",
    "e",
    "n",
    "h",
    "f",
];

thread_local! {
    static SEEN: RefCell<BTreeMap<&'static str, u64>> = const { RefCell::new(BTreeMap::new()) };
}

/// Counts it.
fn saw(what: &'static str) {
    SEEN.with_borrow_mut(|seen| *seen.entry(what).or_default() += 1);
}

/// How often each kind was seen on this thread.
pub fn seen() -> BTreeMap<&'static str, u64> {
    SEEN.with_borrow(BTreeMap::clone)
}

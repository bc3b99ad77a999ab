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
//! - `pair` has a session and a model side by side, and compares them at every call;
//! - `actions` chooses what to do, at random or by the bytes of a fuzzer.

#![allow(dead_code, unreachable_pub)]

use gotalk::SessionError;

use super::support::oracle::Header;

pub mod actions;
pub mod pair;
pub mod peer;
pub mod state;
pub mod time;

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

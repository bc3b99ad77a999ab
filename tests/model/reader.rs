//! The crate's readers between the peer's bytes and the session: what they find, and the same
//! again for `receive`, as often as it takes.

use std::collections::VecDeque;

use gotalk::{Assembler, Error, Event, Item, Message, MessageType, Parser};

use super::super::support::drive;
use super::Found;

/// The longest names and payloads that the readers take.
pub const MAX_NAME: usize = 8;
pub const MAX_PAYLOAD: usize = 16;

#[derive(Clone)]
pub enum Reader {
    Events(Parser<MAX_NAME>),
    Items(Assembler<MAX_PAYLOAD, MAX_NAME>),
}

impl Reader {
    pub fn new(by_events: bool) -> Self {
        if by_events { Self::Events(Parser::new()) } else { Self::Items(Assembler::new()) }
    }

    pub fn is_by_events(&self) -> bool {
        matches!(self, Self::Events(_))
    }

    /// Reads it all. An error is the last thing found.
    pub fn feed(&mut self, mut rest: &[u8], found: &mut VecDeque<Found>) -> Result<(), Error> {
        loop {
            let (used, step) = match self {
                Self::Events(parser) => {
                    let (used, step) = parser.step(rest);
                    (used, step.map(|step| step.map(|step| event(parser.event(rest, step)))))
                }
                Self::Items(assembler) => {
                    let (used, step) = assembler.step(rest);
                    (used, step.map(|step| step.map(|step| item(assembler.item(rest, step)))))
                }
            };
            rest = &rest[used..];
            match step {
                Ok(Some(step)) => found.push_back(step),
                Ok(None) => return Ok(()),
                Err(error) => {
                    found.push_back(Found::Error(error));
                    return Err(error);
                }
            }
        }
    }

    pub fn finish(&self) -> Result<(), Error> {
        match self {
            Self::Events(parser) => parser.finish(),
            Self::Items(assembler) => assembler.finish(),
        }
    }

    pub fn offset(&self) -> u64 {
        match self {
            Self::Events(parser) => parser.offset(),
            Self::Items(assembler) => assembler.offset(),
        }
    }
}

fn event(event: Event<'_>) -> Found {
    match event {
        Event::Version(_) => Found::Version,
        Event::Frame(frame) => Found::Message(drive::convert_frame(&frame), None),
        Event::NameTooLong { message_type, id, name_len } => {
            let (kind, id) = (message_type.as_byte(), id.map(Into::into));
            Found::NameTooLong { kind, id, name_len }
        }
        Event::Payload { data, remaining } => Found::Payload { data: data.to_vec(), remaining },
    }
}

fn item(item: Item<'_>) -> Found {
    match item {
        Item::Version(_) => Found::Version,
        Item::Message(Message { frame, payload }) => {
            Found::Message(drive::convert_frame(&frame), Some(payload.to_vec()))
        }
        Item::NameTooLong { message_type, id, name_len } => {
            let (kind, id) = (message_type.as_byte(), id.map(Into::into));
            Found::NameTooLong { kind, id, name_len }
        }
        Item::PayloadTooLong(frame) => Found::PayloadTooLong(drive::convert_frame(&frame)),
    }
}

/// The event again, so that it can be given to a session at any time.
pub fn as_event(found: &Found) -> Event<'_> {
    match found {
        Found::Version => Event::Version(1),
        Found::Message(header, _) => Event::Frame(drive::frame(header)),
        Found::NameTooLong { kind, id, name_len } => Event::NameTooLong {
            message_type: MessageType::from_byte(*kind).unwrap(),
            id: id.map(Into::into),
            name_len: *name_len,
        },
        Found::Payload { data, remaining } => Event::Payload { data, remaining: *remaining },
        Found::PayloadTooLong(_) | Found::Error(_) => panic!("{found:?} is no event"),
    }
}

pub fn as_item(found: &Found) -> Item<'_> {
    match found {
        Found::Version => Item::Version(1),
        Found::Message(header, payload) => Item::Message(Message {
            frame: drive::frame(header),
            payload: payload.as_deref().unwrap_or_default(),
        }),
        Found::NameTooLong { kind, id, name_len } => Item::NameTooLong {
            message_type: MessageType::from_byte(*kind).unwrap(),
            id: id.map(Into::into),
            name_len: *name_len,
        },
        Found::PayloadTooLong(header) => Item::PayloadTooLong(drive::frame(header)),
        Found::Payload { .. } | Found::Error(_) => panic!("{found:?} is no item"),
    }
}

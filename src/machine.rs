//! The state machine of the reader, without the room for a name.
//!
//! It walks through the fields of a message in the order that `frame.rs` gives,
//! one byte at a time, and keeps in a few scalars what it has seen. It borrows
//! nothing: a step says *that* something is there, and the fields stay here until
//! the next step, for whoever wants to see them. That is what lets a connection
//! type hold its input and a parser side by side.
//!
//! All errors are made here, in one place, from the byte at hand; whatever way
//! faster there may be around this machine gives up on the first irregularity and
//! leaves the bytes to it. So the result cannot depend on how bytes arrived.

use crate::frame::{Fields, Frame, MessageType, Name, RequestId, VERSION, VERSION_LEN};
use crate::{Error, ErrorKind, Field, hex};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    /// In the digits of the version.
    Version,
    /// Between messages.
    Type,
    Id,
    NameLength,
    Name,
    Extra,
    Last,
    /// In a payload, of which `number` bytes are still to come. An empty payload
    /// stays here until its event is taken.
    Payload,
    /// After a protocol error: whatever comes is counted and ignored.
    Closed,
    /// At a byte that cannot be.
    Failed(Wrong),
}

/// An error without its place, which is where the machine stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wrong {
    Version(u8),
    Type(u8),
    Digit(u8, Field),
}

/// What a step has found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Found {
    Version,
    /// A header is complete. Its name stands in the input of this step or in the
    /// buffer that the step was given.
    Frame {
        name_in_input: bool,
    },
    NameTooLong,
    /// The input of this step starts with this many bytes of payload.
    Payload {
        len: usize,
    },
}

#[derive(Clone, Debug)]
pub(crate) struct Machine {
    pub(crate) offset: u64,
    /// The digits read of the number at hand; then the bytes still to come of the payload.
    pub(crate) number: u32,
    extra: u32,
    id: RequestId,
    pub(crate) name_len: u16,
    /// Bytes still to come of the field at hand.
    left: u16,
    pub(crate) message: MessageType,
    /// The message at hand gives no more events.
    skipping: bool,
    handshake: bool,
    pub(crate) state: State,
}

impl Machine {
    pub(crate) const fn new(handshake: bool) -> Self {
        Self {
            offset: 0,
            number: 0,
            extra: 0,
            id: RequestId::new([0; 4]),
            name_len: 0,
            left: if handshake { VERSION_LEN as u16 } else { 1 },
            message: MessageType::SingleRequest,
            skipping: false,
            handshake,
            state: if handshake { State::Version } else { State::Type },
        }
    }

    pub(crate) const fn reset(&mut self) {
        *self = Self::new(self.handshake);
    }

    /// Reads on until something is found or the input is used up, and says how much
    /// of it was read. On an error what was read is seen from the offset alone.
    pub(crate) fn step(
        &mut self,
        buffer: &mut [u8],
        input: &[u8],
    ) -> Result<(usize, Option<Found>), Error> {
        let mut rest = input;
        let mut wrong = None;
        let found = loop {
            match self.state {
                State::Payload => {
                    let len = usize::try_from(self.number).unwrap_or(usize::MAX).min(rest.len());
                    if len == 0 && self.number != 0 {
                        break None;
                    }
                    rest = rest.get(len..).unwrap_or_default();
                    self.number -= len as u32;
                    if self.number == 0 {
                        self.begin(State::Type, 1);
                    }
                    if !self.skipping {
                        break Some(Found::Payload { len });
                    }
                    continue;
                }
                State::Closed => {
                    rest = &[];
                    break None;
                }
                State::Failed(_) => return Err(self.error()),
                _ => {}
            }
            let Some((&byte, tail)) = rest.split_first() else {
                break None;
            };
            wrong = self.read(buffer, byte);
            if wrong.is_some() {
                break None;
            }
            rest = tail;
            self.left -= 1;
            if self.left == 0 {
                let found = self.field_read(buffer.len());
                if found.is_some() {
                    break found;
                }
            }
        };
        let used = input.len() - rest.len();
        self.offset += used as u64;
        if let Some(wrong) = wrong {
            self.state = State::Failed(wrong);
            return Err(self.error());
        }
        Ok((used, found))
    }

    /// Takes one byte into the field at hand.
    fn read(&mut self, buffer: &mut [u8], byte: u8) -> Option<Wrong> {
        match self.state {
            State::Type => match MessageType::from_byte(byte) {
                Some(message) => {
                    self.message = message;
                    self.skipping = false;
                }
                None => return Some(Wrong::Type(byte)),
            },
            State::Id => {
                let [_, b, c, d] = *self.id.as_bytes();
                self.id = RequestId::new([b, c, d, byte]);
            }
            State::Name => {
                if let Some(slot) = buffer.get_mut(usize::from(self.name_len - self.left)) {
                    *slot = byte;
                }
            }
            _ => {
                let Some(digit) = hex::digit(byte) else {
                    return Some(Wrong::Digit(byte, self.field()));
                };
                let number = self.number << 4 | u32::from(digit);
                if self.state == State::Version && self.left == 1 && number != VERSION.into() {
                    return Some(Wrong::Version(number as u8));
                }
                self.number = number;
            }
        }
        None
    }

    /// Goes on to the next field that the message has.
    fn field_read(&mut self, capacity: usize) -> Option<Found> {
        let message = self.message;
        match self.state {
            State::Version => {
                self.begin(State::Type, 1);
                return Some(Found::Version);
            }
            State::Last => {
                // `number` stays: it is the size of the payload to come.
                self.state = match message {
                    MessageType::Heartbeat => State::Type,
                    MessageType::ProtocolError => State::Closed,
                    _ => State::Payload,
                };
                self.left = 1;
                return if self.skipping {
                    None
                } else {
                    Some(Found::Frame { name_in_input: false })
                };
            }
            State::NameLength => {
                self.name_len = self.number as u16;
                if usize::from(self.name_len) > capacity {
                    self.skipping = true;
                    self.begin(State::Name, self.name_len);
                    return Some(Found::NameTooLong);
                }
            }
            State::Extra => self.extra = self.number,
            _ => {}
        }
        match self.state {
            State::Type if message.has_id() => self.begin(State::Id, 4),
            State::Type | State::Id if message.has_name() => self.begin(State::NameLength, 3),
            State::Type | State::Id if message.extra_digits() > 0 => {
                self.begin(State::Extra, message.extra_digits() as u16);
            }
            State::NameLength if self.name_len > 0 => self.begin(State::Name, self.name_len),
            _ => self.begin(State::Last, 8),
        }
        None
    }

    fn begin(&mut self, state: State, left: u16) {
        self.state = state;
        self.left = left;
        self.number = 0;
    }

    /// The number at hand.
    fn field(&self) -> Field {
        match (self.state, self.message) {
            (State::Version, _) => Field::Version,
            (State::NameLength, _) => Field::NameLength,
            (State::Extra, MessageType::Heartbeat) => Field::Load,
            (State::Extra, _) => Field::Wait,
            (_, MessageType::Heartbeat) => Field::Time,
            (_, MessageType::ProtocolError) => Field::Code,
            _ => Field::PayloadSize,
        }
    }

    fn error(&self) -> Error {
        let kind = match self.state {
            State::Failed(Wrong::Version(version)) => ErrorKind::UnsupportedVersion(version),
            State::Failed(Wrong::Type(byte)) => ErrorKind::UnknownType(byte),
            State::Failed(Wrong::Digit(byte, field)) => ErrorKind::InvalidDigit { byte, field },
            _ => ErrorKind::UnexpectedEnd { missing: self.missing() },
        };
        Error { kind, offset: self.offset }
    }

    /// The least number of bytes to the end of the message. What is known of a
    /// length counts, with zeros for the digits to come; the sum is below 2³².
    fn missing(&self) -> u32 {
        let known = self.number.checked_shl(4 * u32::from(self.left)).unwrap_or(0);
        let after = match self.state {
            State::Payload => return self.number,
            State::Id => self.message.header_len(0) as u32 - 5,
            State::NameLength => known + 8,
            State::Name | State::Extra => 8,
            State::Last if self.message.has_payload() => known,
            _ => 0,
        };
        u32::from(self.left) + after
    }

    pub(crate) fn finish(&self) -> Result<(), Error> {
        match self.state {
            State::Type | State::Closed => Ok(()),
            _ => Err(self.error()),
        }
    }

    pub(crate) fn skip_payload(&mut self) {
        if self.state == State::Payload {
            self.skipping = true;
            if self.number == 0 {
                self.begin(State::Type, 1);
            }
        }
    }

    /// The id of the message at hand, if its type has one.
    pub(crate) fn id(&self) -> Option<RequestId> {
        self.message.has_id().then_some(self.id)
    }

    /// The header read last, with its name and its last number from elsewhere.
    pub(crate) fn frame<'a>(&self, name: Name<'a>, last: u32) -> Frame<'a> {
        Fields { message: self.message, id: self.id, name, extra: self.extra, last }.into()
    }
}

//! The state machine of the reader, without the buffer for a name.
//!
//! It goes through the fields of a message in the order that `message_type.rs` gives, and keeps
//! what it has read of the header in a [`Header`]. It borrows nothing: a step says *that*
//! something was found, and the header stays here until the next step for whoever wants to
//! see it. That is what lets a connection type hold its input beside its parser. The name
//! goes into a buffer of the caller's whose length this type does not know, so one machine
//! serves parsers of every capacity.
//!
//! There are two ways through a header. If all of it lies in the input, `whole.rs` decodes
//! it at once. Everywhere else, and whenever `whole.rs` finds anything out of the ordinary,
//! the loop below takes it field by field as far as the input goes. Only that loop makes
//! errors and says that a name is too long, so neither depends on how the bytes arrived.
//!
//! For whoever changes this:
//!
//! - The order of [`State`] is part of the code: the states up to `Last` hold digits, those
//!   after `Payload` belong to no event, and `Start` has the value 0, so that a parser in a
//!   `static` lies in `.bss`. If you add a state, put it in the right group, and look at
//!   `advance`, `read_header`, `missing` and `finish`.
//! - If you add a field to a message, add its state here, its place in `after_id` and
//!   `field_read`, its minimum in `missing`, and its [`Field`] in `error`; then do the same
//!   in `whole.rs`.
//! - Write sums and differences as wrapping ones. None of them can wrap, but the compiler
//!   does not see that, and would link a panic where overflow is checked.

use core::slice;

use crate::read::whole;
use crate::wire::frame::{Frame, Header, VERSION, VERSION_LEN};
use crate::wire::hex;
use crate::wire::message_type::MessageType;
use crate::wire::value::{Name, RequestId};
use crate::{Error, ErrorKind, Field};

/// Where the machine stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(crate) enum State {
    /// Before the first byte. Leads to `Version`, or to `Type` without a handshake.
    Start,
    /// In the two digits of the version. Leads to `Type` or `BadVersion`.
    Version,
    /// In the three digits of a name's length. Leads to `Name`.
    NameLength,
    /// In the digits of a wait or a load. Leads to `Last`.
    Extra,
    /// In the eight digits of a payload's size, a time or a code. Leads to `Payload`; to
    /// `Skip` if the name was too long; to `Type` after a heartbeat; to `Closed` after a
    /// protocol error. Every state that holds digits can lead to `BadDigit`.
    Last,
    /// Between messages. Leads to the first field that the type has, or to `BadType`.
    Type,
    /// In an id. Leads to `NameLength`, `Extra` or `Last`.
    Id,
    /// In the bytes of a name. Leads to `Last`.
    Name,
    /// In a payload, of which `header.last` bytes are still to come. Leads to `Type`, or to
    /// `Skip` if the user wishes. An empty payload stays here until its event is taken.
    Payload,
    /// In a payload that gives no events, of which `header.last` bytes are still to come.
    /// Leads to `Type`.
    Skip,
    /// After a protocol error: the rest is counted and ignored. Leads nowhere, as do all
    /// states below.
    Closed,
    /// Read a version that is not ours, which is in `header.last`.
    BadVersion,
    /// At a byte that is no type. It is in `header.last`.
    BadType,
    /// At a byte that is no digit, in the state `failed_in`. It is in `header.last`.
    BadDigit,
}

/// The field behind the id, or behind the type where there is no id, and its length.
static AFTER_ID: [(State, u8); MessageType::ALL.len()] = {
    let mut after = [(State::Last, 8); MessageType::ALL.len()];
    let mut place = 0;
    while place < after.len() {
        let message_type = MessageType::ALL[place];
        if message_type.has_name() {
            after[message_type as usize] = (State::NameLength, 3);
        } else if message_type.extra_len() > 0 {
            after[message_type as usize] = (State::Extra, message_type.extra_len() as u8);
        }
        place += 1;
    }
    after
};

/// What an advance has found.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(crate) enum Found {
    /// The version.
    Version,
    /// A whole header, its name in the buffer.
    Frame,
    /// A whole header, which stands with its name at the start of the input.
    FrameInInput,
    /// The length of a name that does not fit into the buffer.
    NameTooLong,
    /// Payload, which is all that was read of the input.
    Payload,
}

/// The input is wrong; [`Machine::error`] says how.
pub(crate) struct Failed;

/// What an advance comes to; `None` at the end of the input.
pub(crate) type Outcome = Result<Option<Found>, Failed>;

/// Shorter input is not tried as a whole header, since a request's would not fit.
const WORTH_TRYING: usize = MessageType::SingleRequest.header_len(1);

#[derive(Clone)]
pub(crate) struct Machine {
    pub(crate) offset: u64,
    /// What has been read of the header. While a field is being read, `last` holds what is
    /// known of it: the number so far, the length of the name so far, or the bytes of the
    /// type or the id. In a payload it holds the bytes still to come, and after a failure
    /// the byte, or the version, that was wrong.
    pub(crate) header: Header,
    /// Bytes still to come of the field at hand.
    left: u32,
    pub(crate) state: State,
    /// The state in which a bad digit was met.
    failed_in: State,
    /// Whether there is no handshake.
    bare: bool,
}

impl Machine {
    /// All zeros with a handshake: see [`State::Start`].
    pub(crate) const fn new(bare: bool) -> Self {
        Self {
            offset: 0,
            header: Header::new(MessageType::RetryResult),
            left: 0,
            state: State::Start,
            failed_in: State::Start,
            bare,
        }
    }

    pub(crate) fn reset(&mut self) {
        *self = Self::new(self.bare);
    }

    /// Reads on until something is found or the input is used up. Gives the number of bytes
    /// that were read, beside a failure too: the wrong byte itself is not read.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    pub(crate) fn advance(&mut self, buffer: &mut [u8], input: &[u8]) -> (usize, Outcome) {
        let (read, outcome) = if self.state == State::Payload {
            // No input left in a payload, the usual way a `feed` loop ends. Checked first,
            // because byte-at-a-time input hits it on every call.
            if self.header.last > 0 && input.is_empty() {
                return (0, Ok(None));
            }
            (self.read_payload(input.len()), Ok(Some(Found::Payload)))
        } else {
            self.read_header(buffer, input)
        };
        self.offset = self.offset.wrapping_add(read as u64);
        (read, outcome)
    }

    /// Reads of a payload what there is of it, and says how much that is.
    #[inline(always)]
    fn read_payload(&mut self, available: usize) -> usize {
        let size = usize::try_from(self.header.last).unwrap_or(usize::MAX);
        if size <= available {
            self.begin(State::Type, 1);
            size
        } else {
            self.header.last = self.header.last.wrapping_sub(available as u32);
            available
        }
    }

    /// [`advance`](Self::advance) outside of payloads, but for the offset.
    #[inline(always)]
    fn read_header(&mut self, buffer: &mut [u8], input: &[u8]) -> (usize, Outcome) {
        if self.state == State::Type && input.len() >= WORTH_TRYING {
            if let Some(len) = self.whole_header(buffer.len(), input) {
                return (len, Ok(Some(Found::FrameInInput)));
            }
        }
        let mut rest = input.iter();
        loop {
            let mut state = self.state;
            if state > State::Payload {
                if state > State::Closed {
                    return (0, Err(Failed));
                }
                if state == State::Closed {
                    return (input.len(), Ok(None));
                }
                let size = usize::try_from(self.header.last).unwrap_or(usize::MAX);
                if size > rest.len() {
                    self.header.last = self.header.last.wrapping_sub(rest.len() as u32);
                    return (input.len(), Ok(None));
                }
                rest = rest.as_slice().get(size..).unwrap_or_default().iter();
                state = State::Type;
                self.begin(state, 1);
            }
            // One field, as far as the input goes. Each kind has a loop of its own: to ask
            // for the kind in one loop for all would cost as much as a digit.
            let mut number = self.header.last;
            let mut left = self.left;
            if state <= State::Last {
                while left > 0 {
                    let Some(&byte) = rest.next() else { break };
                    let digit = hex::digit(byte.into());
                    if digit > 0xf {
                        return (before(input, &rest), self.fail(State::BadDigit, byte.into()));
                    }
                    number = number << 4 | digit;
                    left = left.wrapping_sub(1);
                }
            } else if state == State::Name {
                while left > 0 {
                    let Some(&byte) = rest.next() else { break };
                    if let Some(slot) = buffer.get_mut(number as usize) {
                        *slot = byte;
                    }
                    number = number.wrapping_add(1);
                    left = left.wrapping_sub(1);
                }
            } else {
                // The type or the id.
                while left > 0 {
                    let Some(&byte) = rest.next() else { break };
                    number = number << 8 | u32::from(byte);
                    left = left.wrapping_sub(1);
                }
            }
            if left > 0 {
                self.header.last = number;
                self.left = left;
                return (input.len(), Ok(None));
            }
            match self.field_read(state, number, buffer.len()) {
                Ok(None) => {}
                Ok(found) => return (input.len().wrapping_sub(rest.len()), Ok(found)),
                Err(failed) => return (before(input, &rest), Err(failed)),
            }
        }
    }

    /// Takes a header that lies whole in the input, and says how long it is.
    #[inline(always)]
    fn whole_header(&mut self, capacity: usize, input: &[u8]) -> Option<usize> {
        let (header, len) = whole::header(input, capacity)?;
        self.header = header;
        self.state = match header.message_type {
            MessageType::Heartbeat => State::Type,
            MessageType::ProtocolError => State::Closed,
            _ => State::Payload,
        };
        Some(len)
    }

    /// Stops for good, at the byte or the version that is wrong.
    #[inline(never)]
    fn fail(&mut self, state: State, wrong: u32) -> Outcome {
        self.header.last = wrong;
        self.failed_in = self.state;
        self.state = state;
        Err(Failed)
    }

    /// Takes the field that has just been read whole, and goes on to the next one that the
    /// message has.
    #[cfg_attr(target_pointer_width = "64", inline(never))]
    fn field_read(&mut self, state: State, number: u32, capacity: usize) -> Outcome {
        match state {
            State::Start if self.bare => self.begin(State::Type, 1),
            State::Start => self.begin(State::Version, VERSION_LEN as u32),
            State::Version => {
                if number != u32::from(VERSION) {
                    return self.fail(State::BadVersion, number);
                }
                self.begin(State::Type, 1);
                return Ok(Some(Found::Version));
            }
            State::Type => {
                let Some(message_type) = MessageType::from_byte(number as u8) else {
                    return self.fail(State::BadType, number);
                };
                self.header.message_type = message_type;
                self.header.name_len = 0;
                if message_type.has_id() {
                    self.begin(State::Id, 4);
                } else {
                    self.after_id();
                }
            }
            State::Id => {
                self.header.id = RequestId::new(number.to_be_bytes());
                self.after_id();
            }
            State::NameLength => {
                self.header.name_len = number as u16;
                self.begin(State::Name, number);
                if number as usize > capacity {
                    return Ok(Some(Found::NameTooLong));
                }
            }
            State::Name => self.begin(State::Last, 8),
            State::Extra => {
                self.header.extra = number;
                self.begin(State::Last, 8);
            }
            _ => return Ok(self.header_read(number, capacity)),
        }
        Ok(None)
    }

    /// Goes on to the field behind the id, or behind the type where there is no id.
    fn after_id(&mut self) {
        let (state, len) = AFTER_ID[self.header.message_type as usize];
        self.begin(state, len.into());
    }

    /// Takes the last field of a header.
    #[inline(never)]
    fn header_read(&mut self, number: u32, capacity: usize) -> Option<Found> {
        let Header { name_len, message_type, .. } = self.header;
        self.begin(State::Type, 1);
        self.header.last = number;
        if message_type == MessageType::ProtocolError {
            self.state = State::Closed;
        } else if message_type.has_payload() {
            self.state = State::Payload;
            if usize::from(name_len) > capacity {
                self.state = State::Skip;
                return None;
            }
        }
        Some(Found::Frame)
    }

    #[cfg_attr(target_pointer_width = "64", inline(always))]
    fn begin(&mut self, state: State, left: u32) {
        self.state = state;
        self.left = left;
        self.header.last = 0;
    }

    pub(crate) fn error(&self) -> Error {
        let byte = self.header.last as u8;
        let kind = match self.state {
            State::BadVersion => ErrorKind::UnsupportedVersion(byte),
            State::BadType => ErrorKind::UnknownType(byte),
            State::BadDigit => ErrorKind::InvalidDigit { byte, field: self.bad_field() },
            _ => ErrorKind::UnexpectedEnd { missing: self.missing() },
        };
        Error { kind, offset: self.offset }
    }

    /// The number that a bad digit stands in.
    fn bad_field(&self) -> Field {
        match (self.failed_in, self.header.message_type) {
            (State::Version, _) => Field::Version,
            (State::NameLength, _) => Field::NameLength,
            (State::Extra, MessageType::RetryResult) => Field::Wait,
            (State::Extra, _) => Field::Load,
            (_, MessageType::Heartbeat) => Field::Time,
            (_, MessageType::ProtocolError) => Field::Code,
            _ => Field::PayloadSize,
        }
    }

    /// The minimum number of bytes to the end of the message. What is known of a length
    /// counts, with zeros for the digits to come; the sum is below 2³².
    fn missing(&self) -> u32 {
        let Header { last, message_type, .. } = self.header;
        let known = last.checked_shl(self.left.wrapping_mul(4)).unwrap_or(0);
        let after = match self.state {
            State::Start => return VERSION_LEN as u32,
            State::Payload | State::Skip => return last,
            State::Id => (message_type.min_len() as u32).wrapping_sub(5),
            State::NameLength => known.wrapping_add(8),
            State::Last if message_type.has_payload() => known,
            State::Name | State::Extra => 8,
            _ => 0,
        };
        self.left.wrapping_add(after)
    }

    pub(crate) fn finish(&self) -> Result<(), Error> {
        match self.state {
            State::Type | State::Closed => Ok(()),
            State::Start if self.bare => Ok(()),
            _ => Err(self.error()),
        }
    }

    /// Reads the whole payload that has just begun, for a caller who has all of it.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    pub(crate) fn take_payload(&mut self) {
        self.offset = self.offset.wrapping_add(self.header.last.into());
        self.begin(State::Type, 1);
    }

    pub(crate) fn skip_payload(&mut self) {
        if self.state == State::Payload {
            self.state = State::Skip;
            if self.header.last == 0 {
                self.begin(State::Type, 1);
            }
        }
    }

    /// The id of the message at hand, if its type has one.
    pub(crate) fn id(&self) -> Option<RequestId> {
        self.header.message_type.has_id().then_some(self.header.id)
    }

    /// The header read last, with its name and its last number from elsewhere.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    pub(crate) fn frame<'a>(&self, name: Name<'a>, last: u32) -> Frame<'a> {
        Header { last, ..self.header }.frame(name)
    }
}

/// How much of `input` came before the byte that was taken last.
fn before(input: &[u8], rest: &slice::Iter<'_, u8>) -> usize {
    input.len().wrapping_sub(rest.len()).wrapping_sub(1)
}

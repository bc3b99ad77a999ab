//! The state machine of the reader, without the room for a name.
//!
//! It walks through the fields of a message in the order that `frame.rs` gives and
//! keeps in a few scalars what it has seen. It borrows nothing: a step says *that*
//! something is there, and the fields stay here until the next step, for whoever
//! wants to see them. That is what lets a connection type hold its input beside its
//! parser.
//!
//! There are two ways through a header. Where all of it lies in the input, `whole.rs`
//! decodes it at once. Everywhere else, and whenever `whole.rs` finds anything out of
//! the ordinary, the loop below takes it field by field as far as the input goes, and
//! it alone makes errors and says that a name is too long. So neither can depend on how
//! the bytes arrived.
//!
//! Sums and differences are written as wrapping ones. None of them can wrap, but the
//! compiler does not see that, and would link a panic where overflow is checked.
//!
//! The name goes into a buffer of the caller's, and this type does not know its
//! length: one machine serves parsers of every capacity.

use core::slice;

use crate::read::whole;
use crate::wire::frame::{Fields, Frame, MessageType, VERSION, VERSION_LEN};
use crate::wire::hex;
use crate::wire::value::{Name, RequestId};
use crate::{Error, ErrorKind, Field};

/// Where the machine stands. The order matters: first the numbers, in that of
/// [`Field`], and after `Payload` what is not part of any event.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum State {
    /// At the start of a stream with a handshake.
    Version,
    NameLength,
    Wait,
    Load,
    Time,
    Code,
    PayloadSize,
    /// Between messages.
    Type,
    Id,
    Name,
    /// In a payload, of which `number` bytes are still to come. An empty payload
    /// stays here until its event is taken.
    Payload,
    /// In a payload that gives no events, of which `number` bytes are still to come.
    Skip,
    /// After a protocol error: whatever comes is counted and ignored.
    Closed,
    /// At a byte that cannot be.
    Failed,
}

impl State {
    /// The number that this is in.
    const fn number(self) -> Option<Field> {
        Some(match self {
            Self::Version => Field::Version,
            Self::NameLength => Field::NameLength,
            Self::Wait => Field::Wait,
            Self::Load => Field::Load,
            Self::Time => Field::Time,
            Self::Code => Field::Code,
            Self::PayloadSize => Field::PayloadSize,
            _ => return None,
        })
    }
}

/// What an advance has come to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(crate) enum Found {
    /// The end of the input.
    Nothing,
    Version,
    /// A whole header, its name in the buffer.
    Frame,
    /// A whole header, which stands with its name at the start of the input.
    FrameInInput,
    NameTooLong,
    /// Payload, which is all that was read of the input.
    Payload,
    Error,
}

/// Shorter input is not tried as a whole header, since a request's would not fit.
const WORTH_TRYING: usize = MessageType::SingleRequest.header_len(1);

#[derive(Clone, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(crate) struct Machine {
    pub(crate) offset: u64,
    /// The digits read of the number at hand, or the length of what was read of the name;
    /// then the bytes still to come of the payload. Of a failure the byte, or the version,
    /// that was wrong.
    pub(crate) number: u32,
    /// Bytes still to come of the field at hand.
    left: u32,
    extra: u32,
    id: RequestId,
    pub(crate) name_len: u16,
    pub(crate) message: MessageType,
    handshake: bool,
    state: State,
    /// The state in which a failure was met.
    failed_in: State,
}

impl Machine {
    pub(crate) const fn new(handshake: bool) -> Self {
        let mut machine = Self {
            offset: 0,
            number: 0,
            left: 0,
            extra: 0,
            id: RequestId::new([0; 4]),
            name_len: 0,
            message: MessageType::SingleRequest,
            handshake,
            state: State::Type,
            failed_in: State::Type,
        };
        machine.reset();
        machine
    }

    pub(crate) const fn reset(&mut self) {
        self.offset = 0;
        if self.handshake {
            self.begin(State::Version, VERSION_LEN as u32);
        } else {
            self.begin(State::Type, 1);
        }
    }

    /// Reads on until something is found or the input is used up; says how much of it
    /// was read.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    pub(crate) fn advance(&mut self, buffer: &mut [u8], input: &[u8]) -> (Found, usize) {
        let (found, read) = if self.state == State::Payload {
            // The end of most pieces. It is looked for first because of single bytes, each
            // of which comes to such an end.
            if self.number > 0 && input.is_empty() {
                return (Found::Nothing, 0);
            }
            (Found::Payload, self.read_payload(input.len()))
        } else {
            self.read_header(buffer, input)
        };
        self.offset = self.offset.wrapping_add(read as u64);
        (found, read)
    }

    /// Reads of a payload what there is of it, and says how much that is.
    #[inline(always)]
    fn read_payload(&mut self, available: usize) -> usize {
        let size = usize::try_from(self.number).unwrap_or(usize::MAX);
        if size <= available {
            self.begin(State::Type, 1);
            size
        } else {
            self.number = self.number.wrapping_sub(available as u32);
            available
        }
    }

    /// [`advance`](Self::advance), but for the offset. A wrong byte is not read.
    #[inline(always)]
    fn read_header(&mut self, buffer: &mut [u8], input: &[u8]) -> (Found, usize) {
        if self.state == State::Type && input.len() >= WORTH_TRYING {
            if let Some(len) = self.whole_header(buffer.len(), input) {
                return (Found::FrameInInput, len);
            }
        }
        let mut rest = input.iter();
        loop {
            let mut state = self.state;
            if state > State::Payload {
                if state == State::Failed {
                    return (Found::Error, 0);
                }
                if state == State::Closed {
                    return (Found::Nothing, input.len());
                }
                let size = usize::try_from(self.number).unwrap_or(usize::MAX);
                if size > rest.len() {
                    self.number = self.number.wrapping_sub(rest.len() as u32);
                    return (Found::Nothing, input.len());
                }
                rest = rest.as_slice().get(size..).unwrap_or_default().iter();
                state = State::Type;
                self.begin(state, 1);
            }
            // One field, as far as the input goes: a loop for each kind, for a test in
            // one loop for all would cost as much as a digit.
            let mut number = self.number;
            let mut left = self.left;
            if state <= State::PayloadSize {
                while left > 0 {
                    let Some(&byte) = rest.next() else { break };
                    let digit = hex::digit(byte.into());
                    if digit > 0xf {
                        return (self.fail(byte.into()), before(input, &rest));
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
                self.number = number;
                self.left = left;
                return (Found::Nothing, input.len());
            }
            let found = self.field_read(state, number, buffer.len());
            if found == Found::Error {
                return (found, before(input, &rest));
            }
            if found != Found::Nothing {
                return (found, input.len().wrapping_sub(rest.len()));
            }
        }
    }

    /// Takes a header that lies whole in the input, and says how long it is.
    #[inline(always)]
    fn whole_header(&mut self, capacity: usize, input: &[u8]) -> Option<usize> {
        let header = whole::header(input, capacity)?;
        self.message = header.message;
        self.id = header.id;
        self.name_len = header.name_len;
        self.extra = header.extra;
        self.number = header.last;
        self.state = match header.message {
            MessageType::Heartbeat => State::Type,
            MessageType::ProtocolError => State::Closed,
            _ => State::Payload,
        };
        Some(header.len)
    }

    /// Stops for good, at the byte or the version that is wrong.
    fn fail(&mut self, wrong: u32) -> Found {
        self.number = wrong;
        self.failed_in = self.state;
        self.state = State::Failed;
        Found::Error
    }

    /// Takes the field that has just been read whole and goes on to the next one that
    /// the message has.
    #[cfg_attr(target_pointer_width = "64", inline(never))]
    fn field_read(&mut self, state: State, number: u32, capacity: usize) -> Found {
        let next = match state {
            State::Type => {
                let Some(message) = MessageType::from_byte(number as u8) else {
                    return self.fail(number);
                };
                self.message = message;
                match message {
                    MessageType::Notification => State::NameLength,
                    MessageType::Heartbeat => State::Load,
                    MessageType::ProtocolError => State::Code,
                    _ => State::Id,
                }
            }
            State::Id => {
                self.id = RequestId::new(number.to_be_bytes());
                match self.message {
                    MessageType::SingleRequest | MessageType::StreamRequest => State::NameLength,
                    MessageType::RetryResult => State::Wait,
                    _ => State::PayloadSize,
                }
            }
            State::Version => {
                if number != u32::from(VERSION) {
                    self.left = 0;
                    return self.fail(number);
                }
                self.begin(State::Type, 1);
                return Found::Version;
            }
            State::NameLength => {
                self.name_len = number as u16;
                self.begin(State::Name, number);
                let too_long = number as usize > capacity;
                return if too_long { Found::NameTooLong } else { Found::Nothing };
            }
            State::Wait | State::Load => {
                self.extra = number;
                if state == State::Load { State::Time } else { State::PayloadSize }
            }
            State::Name => State::PayloadSize,
            _ => {
                self.begin(State::Type, 1);
                self.number = number;
                if state == State::Code {
                    self.state = State::Closed;
                } else if state == State::PayloadSize {
                    self.state = State::Payload;
                    if usize::from(self.name_len) > capacity && self.message.has_name() {
                        self.state = State::Skip;
                        return Found::Nothing;
                    }
                }
                return Found::Frame;
            }
        };
        self.begin(
            next,
            match next {
                State::NameLength => 3,
                State::Load | State::Id => 4,
                _ => 8,
            },
        );
        Found::Nothing
    }

    #[cfg_attr(target_pointer_width = "64", inline(always))]
    const fn begin(&mut self, state: State, left: u32) {
        self.state = state;
        self.left = left;
        self.number = 0;
    }

    pub(crate) fn error(&self) -> Error {
        let byte = self.number as u8;
        let kind = if self.state != State::Failed {
            ErrorKind::UnexpectedEnd { missing: self.missing() }
        } else {
            match self.failed_in.number() {
                // Refused as a whole, at its last digit: only a version can be.
                Some(_) if self.left == 0 => ErrorKind::UnsupportedVersion(byte),
                Some(field) => ErrorKind::InvalidDigit { byte, field },
                None => ErrorKind::UnknownType(byte),
            }
        };
        Error { kind, offset: self.offset }
    }

    /// The least number of bytes to the end of the message. What is known of a
    /// length counts, with zeros for the digits to come; the sum is below 2³².
    fn missing(&self) -> u32 {
        let known = self.number.checked_shl(self.left.wrapping_mul(4)).unwrap_or(0);
        let after = match self.state {
            State::Payload | State::Skip => return self.number,
            State::Id => (self.message.least_len() as u32).wrapping_sub(5),
            State::NameLength => known.wrapping_add(8),
            State::PayloadSize => known,
            State::Name | State::Wait | State::Load => 8,
            _ => 0,
        };
        self.left.wrapping_add(after)
    }

    pub(crate) fn finish(&self) -> Result<(), Error> {
        match self.state {
            State::Type | State::Closed => Ok(()),
            _ => Err(self.error()),
        }
    }

    pub(crate) fn skip_payload(&mut self) {
        if self.state == State::Payload {
            self.state = State::Skip;
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
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    pub(crate) fn frame<'a>(&self, name: Name<'a>, last: u32) -> Frame<'a> {
        Fields { message: self.message, id: self.id, name, extra: self.extra, last }.into()
    }
}

/// How much of `input` came before the byte that was taken last.
fn before(input: &[u8], rest: &slice::Iter<'_, u8>) -> usize {
    input.len().wrapping_sub(rest.len()).wrapping_sub(1)
}

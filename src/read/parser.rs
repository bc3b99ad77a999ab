//! The push parser: bytes in, events out.

use crate::Error;
use crate::read::machine::{Found, Machine};
use crate::wire::copy::put;
use crate::wire::frame::{Frame, MessageType, VERSION};
use crate::wire::value::RequestId;

/// What a [`Parser`] finds in its input.
///
/// Every message gives a `Frame`, then, if its type has a payload, one or more
/// `Payload`s, the last of them with `remaining: 0`. An empty payload gives one
/// too. The one exception is a name too long for the parser: that message gives a
/// `NameTooLong` and no more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Event<'a> {
    /// The peer's version. It is always 1: any other is an error.
    Version(u8),
    /// A message starts: its whole header has been read.
    Frame(Frame<'a>),
    /// A message starts whose name is longer than the parser's capacity. It is
    /// skipped, its payload included, and the stream goes on: a request can be
    /// answered with an error result (protocol, section 3, rule 6).
    NameTooLong {
        /// The type of the message.
        message: MessageType,
        /// The request to answer; `None` for a notification.
        id: Option<RequestId>,
        /// The length of the name, in bytes.
        name_len: u16,
    },
    /// A piece of the payload of the message whose `Frame` came last: a slice of
    /// the input, never a copy.
    Payload {
        /// The bytes; empty only if the whole payload is.
        data: &'a [u8],
        /// How many bytes of this payload are still to come; 0: it is complete.
        remaining: u32,
    },
}

/// A push parser for one direction of a conversation. `N` is the longest name it
/// takes, in bytes.
///
/// It is fed whatever has arrived and yields [`Event`]s; any split of the bytes
/// gives the same events, but for payloads, which may come in more pieces. It never
/// allocates, and payload is not buffered: the whole state is `N` bytes for a name
/// and 32 more.
///
/// Three ways in, one parser:
///
/// - [`feed`](Self::feed), for a loop that reads into a buffer and handles what came;
/// - [`next_event`](Self::next_event), for one event at a time from a slice that moves on;
/// - [`step`](Self::step) and [`event`](Self::event), which hold no borrow in
///   between, for types that own their input.
///
/// ```
/// use gotalk::{Event, Frame, Parser};
///
/// let mut parser = Parser::new();
/// let mut events = parser.feed(b"01r0001004echo00000005hello");
/// while let Some(event) = events.next() {
///     match event {
///         Ok(Event::Frame(Frame::SingleRequest { op, payload_len, .. })) => {
///             assert!(op == "echo");
///             assert_eq!(payload_len, 5);
///         }
///         Ok(Event::Payload { data, remaining }) => {
///             assert_eq!(data, b"hello");
///             assert_eq!(remaining, 0);
///         }
///         Ok(_) => {}
///         Err(error) => panic!("{error}"),
///     }
/// }
/// ```
#[derive(Clone, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Parser<const N: usize = 64> {
    pub(crate) machine: Machine,
    name: [u8; N],
}

/// What [`Parser::step`] has found; [`Parser::event`] shows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Step {
    pub(crate) found: Found,
    pub(crate) len: usize,
}

impl Parser<64> {
    /// A parser for names of up to 64 bytes, at the start of a stream.
    pub const fn new() -> Self {
        Self::with_name_capacity()
    }
}

impl Default for Parser<64> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> Parser<N> {
    /// A parser for names of up to `N` bytes, at the start of a stream.
    ///
    /// ```
    /// use gotalk::Parser;
    ///
    /// static PARSER: Parser<255> = Parser::with_name_capacity();
    /// # assert_eq!(PARSER.offset(), 0);
    /// ```
    pub const fn with_name_capacity() -> Self {
        Self { machine: Machine::new(true), name: [0; N] }
    }

    /// The same parser, but it starts at the first message, with no version before
    /// it: for pipes, and captures cut in the middle.
    pub const fn without_handshake(self) -> Self {
        Self { machine: Machine::new(false), name: self.name }
    }

    /// Reads `bytes`, event by event, as the iterator is called.
    ///
    /// Call [`Events::next`] until it gives `None`, not until the input is empty: an
    /// event may need no further byte. Empty input is not an end but a no-op; the
    /// end is said with [`finish`](Self::finish).
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    pub fn feed<'p, 'b>(&'p mut self, bytes: &'b [u8]) -> Events<'p, 'b, N> {
        Events { parser: self, input: bytes, failed: false }
    }

    /// Reads up to the next event, and moves `input` past what was read. `None`
    /// means that all of `input` has been read and more is needed.
    ///
    /// # Errors
    ///
    /// At a byte that the grammar does not allow; `input` then starts with that
    /// byte, and every later call fails in the same way (protocol, section 3, rule 8).
    ///
    /// ```
    /// use gotalk::{Event, Parser};
    ///
    /// # fn main() -> Result<(), gotalk::Error> {
    /// let mut parser = Parser::new();
    /// let mut input = b"01h0000".as_slice();
    /// assert_eq!(parser.next_event(&mut input)?, Some(Event::Version(1)));
    /// assert_eq!(parser.next_event(&mut input)?, None);
    /// assert!(input.is_empty());
    /// # Ok(())
    /// # }
    /// ```
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    pub fn next_event<'s, 'b: 's>(
        &'s mut self,
        input: &mut &'b [u8],
    ) -> Result<Option<Event<'s>>, Error> {
        let bytes = *input;
        let step = self.advance(input);
        match step.found {
            Found::Nothing => Ok(None),
            Found::Error => Err(self.machine.error()),
            _ => Ok(Some(self.event(bytes, step))),
        }
    }

    /// Reads up to the next event, and gives the number of bytes read and, if there
    /// is one, the event in a form that borrows neither parser nor input:
    /// [`event`](Self::event) turns it into an [`Event`].
    ///
    /// # Errors
    ///
    /// At a byte that the grammar does not allow. The bytes before it have been
    /// read: as many as [`offset`](Self::offset) has grown by.
    ///
    /// # Examples
    ///
    /// A connection that owns its input and hands out borrowed events:
    ///
    /// ```
    /// use gotalk::{Event, Parser};
    /// use std::io::{self, Read};
    ///
    /// struct Connection<R> {
    ///     reader: R,
    ///     parser: Parser,
    ///     input: [u8; 512],
    ///     start: usize,
    ///     end: usize,
    /// }
    ///
    /// impl<R: Read> Connection<R> {
    ///     /// The next event, or `None` at the end of the conversation.
    ///     fn next(&mut self) -> io::Result<Option<Event<'_>>> {
    ///         loop {
    ///             let (from, to) = (self.start, self.end);
    ///             let (read, step) =
    ///                 self.parser.step(&self.input[from..to]).map_err(io::Error::other)?;
    ///             self.start += read;
    ///             if let Some(step) = step {
    ///                 return Ok(Some(self.parser.event(&self.input[from..to], step)));
    ///             }
    ///             self.start = 0;
    ///             self.end = self.reader.read(&mut self.input)?;
    ///             if self.end == 0 {
    ///                 self.parser.finish().map_err(io::Error::other)?;
    ///                 return Ok(None);
    ///             }
    ///         }
    ///     }
    /// }
    ///
    /// let reader = b"01n003log00000002hi".as_slice();
    /// let mut connection =
    ///     Connection { reader, parser: Parser::new(), input: [0; 512], start: 0, end: 0 };
    /// let mut events = 0;
    /// while let Some(_event) = connection.next()? {
    ///     events += 1;
    /// }
    /// assert_eq!(events, 3);
    /// # io::Result::Ok(())
    /// ```
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    pub fn step(&mut self, input: &[u8]) -> Result<(usize, Option<Step>), Error> {
        let (found, len) = self.machine.advance(&mut self.name, input);
        match found {
            Found::Nothing => Ok((len, None)),
            Found::Error => Err(self.machine.error()),
            _ => Ok((len, Some(Step { found, len }))),
        }
    }

    /// The event that a step has found. It is to be called with the `input` of that
    /// step, and before the next one; otherwise it gives an event of other bytes.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    pub fn event<'a>(&'a self, input: &'a [u8], step: Step) -> Event<'a> {
        let machine = &self.machine;
        match step.found {
            Found::Payload => Event::Payload {
                data: input.get(..step.len).unwrap_or_default(),
                remaining: machine.number,
            },
            Found::Frame | Found::FrameInInput => {
                Event::Frame(self.frame(input, step.found, machine.number))
            }
            Found::NameTooLong => Event::NameTooLong {
                message: machine.message,
                id: machine.id(),
                name_len: machine.name_len,
            },
            _ => Event::Version(VERSION),
        }
    }

    /// Skips the rest of the payload at hand: it gives no more events, not even an
    /// empty one. Without effect where there is none.
    pub fn skip_payload(&mut self) {
        self.machine.skip_payload();
    }

    /// Says that the input has ended.
    ///
    /// # Errors
    ///
    /// None between messages and after a protocol error message. After an error it
    /// is that error; anywhere else [`UnexpectedEnd`](crate::ErrorKind::UnexpectedEnd).
    pub fn finish(&self) -> Result<(), Error> {
        self.machine.finish()
    }

    /// How many bytes have been read since the start or the last reset.
    pub fn offset(&self) -> u64 {
        self.machine.offset
    }

    /// Back to the state of the constructor, for another stream.
    pub fn reset(&mut self) {
        self.machine.reset();
    }

    /// A step that moves `input` on, to the wrong byte where there is one.
    #[inline(always)]
    pub(crate) fn advance(&mut self, input: &mut &[u8]) -> Step {
        let (found, len) = self.machine.advance(&mut self.name, input);
        if let Some(rest) = input.get(len..) {
            *input = rest;
        }
        Step { found, len }
    }

    /// The frame that a step has found, its last number given by the caller: that of
    /// the machine counts down as the payload is read.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    pub(crate) fn frame<'a>(&'a self, input: &'a [u8], found: Found, last: u32) -> Frame<'a> {
        let name = match found {
            Found::FrameInInput => self.name_in(input),
            _ => self.name.get(..self.machine.name_len.into()),
        };
        self.machine.frame(name.unwrap_or_default().into(), last)
    }

    /// The name in a header that stands whole at the start of `input`.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    fn name_in<'a>(&self, input: &'a [u8]) -> Option<&'a [u8]> {
        let start: usize = if self.machine.message.has_id() { 8 } else { 4 };
        let end = start.wrapping_add(self.machine.name_len.into());
        input.get(start..end)
    }

    /// Keeps the name of the frame that a step has found for when its input is gone.
    pub(crate) fn keep_name(&mut self, input: &[u8], found: Found) {
        if found == Found::FrameInInput {
            let name = self.name_in(input).unwrap_or_default();
            put(&mut self.name, name);
        }
    }
}

/// The events of one piece of input: [`Parser::feed`].
///
/// It lends its events, since a name may lie in the parser; hence it is not an
/// `Iterator`, and is used with `while let`. Nothing is lost by leaving the loop
/// early: [`remaining`](Self::remaining) is what was not read.
#[must_use = "nothing is read until the events are taken"]
#[derive(Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Events<'p, 'b, const N: usize> {
    parser: &'p mut Parser<N>,
    input: &'b [u8],
    failed: bool,
}

impl<'b, const N: usize> Events<'_, 'b, N> {
    /// The next event; `None` when all of the input has been read. An error comes
    /// once, and `None` after it.
    #[expect(clippy::should_implement_trait, reason = "a lending iterator cannot be an Iterator")]
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    pub fn next(&mut self) -> Option<Result<Event<'_>, Error>> {
        if self.failed {
            return None;
        }
        let bytes = self.input;
        let step = self.parser.advance(&mut self.input);
        match step.found {
            Found::Nothing => None,
            Found::Error => {
                self.failed = true;
                Some(Err(self.parser.machine.error()))
            }
            _ => Some(Ok(self.parser.event(bytes, step))),
        }
    }

    /// The input that has not been read.
    pub fn remaining(&self) -> &'b [u8] {
        self.input
    }

    /// As [`Parser::skip_payload`].
    pub fn skip_payload(&mut self) {
        self.parser.skip_payload();
    }

    /// As [`Parser::offset`].
    pub fn offset(&self) -> u64 {
        self.parser.offset()
    }
}

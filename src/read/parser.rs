//! The push parser: bytes in, events out.

use core::fmt;

use crate::Error;
use crate::read::machine::{Found, Machine};
use crate::wire::copy::put;
use crate::wire::frame::{Frame, VERSION};
use crate::wire::message_type::MessageType;
use crate::wire::text::Text;
use crate::wire::value::RequestId;

/// What a [`Parser`] finds in its input.
///
/// Every message gives a `Frame`, which is its header. If its type has a payload, one or
/// more `Payload`s follow, and the last of them has `remaining: 0`. An empty payload gives
/// one too ([rule 3.13](crate::protocol#rule-3-13)). There is one exception: a message whose
/// name is too long for the parser gives a `NameTooLong` and nothing more.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event<'a> {
    /// The peer's version, which is always 1. Any other version is an error.
    Version(u8),
    /// The whole header of a message has been read.
    Frame(Frame<'a>),
    /// A message has a longer name than the parser takes. The parser skips the message with
    /// its payload, and the connection lives ([rule 3.6](crate::protocol#rule-3-6)).
    ///
    /// If there is an id, answer it with an error result. It is the peer's, because only
    /// requests and notifications have names.
    NameTooLong {
        /// The type of the message.
        message_type: MessageType,
        /// The request to answer, or `None` for a notification.
        id: Option<RequestId>,
        /// The length of the name, in bytes.
        name_len: u16,
    },
    /// A chunk of the payload of the message whose `Frame` came last. It is a slice of the
    /// input, never a copy ([rule 3.7](crate::protocol#rule-3-7)).
    Payload {
        /// The bytes. They are empty only if the whole payload is.
        data: &'a [u8],
        /// How many bytes of this payload are still to come. At 0 it is complete.
        remaining: u32,
    },
}

/// As derived, but for the payload, which is shown as text with escapes.
impl fmt::Debug for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => f.debug_tuple("Version").field(version).finish(),
            Self::Frame(frame) => f.debug_tuple("Frame").field(frame).finish(),
            Self::NameTooLong { message_type, id, name_len } => f
                .debug_struct("NameTooLong")
                .field("message_type", message_type)
                .field("id", id)
                .field("name_len", name_len)
                .finish(),
            Self::Payload { data, remaining } => f
                .debug_struct("Payload")
                .field("data", &Text(data))
                .field("remaining", remaining)
                .finish(),
        }
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Event<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        match self {
            Self::Version(version) => defmt::write!(f, "Version({=u8})", version),
            Self::Frame(frame) => defmt::write!(f, "Frame({})", frame),
            Self::NameTooLong { message_type, id, name_len } => defmt::write!(
                f,
                "NameTooLong {{ message_type: {}, id: {}, name_len: {=u16} }}",
                message_type,
                id,
                name_len
            ),
            Self::Payload { data, remaining } => {
                defmt::write!(f, "Payload {{ data: {}, remaining: {=u32} }}", Text(data), remaining)
            }
        }
    }
}

/// A push parser: it decodes one direction of a conversation, chunk by chunk.
///
/// Feed it whatever has arrived, and it yields [`Event`]s. Any split of the input gives the
/// same events, errors and offsets. Only a payload may come in more chunks
/// ([rule 3.1](crate::protocol#rule-3-1)).
///
/// - **Names**: `N` is the length of the longest name that it takes, in bytes. It reports and
///   skips messages with longer names. Choose `N` at the call: `Parser::<64>::new()`.
/// - **RAM**: it takes `N` bytes for a name and 32 more, so a `Parser<64>` has 96 bytes. It
///   never allocates, whatever size a header announces. A fresh one is all zeros, so in a
///   `static` it lies in `.bss` and takes no flash.
/// - **Panics**: none. No input makes it panic, and no panicking path is linked.
///
/// The version comes first. Use [`without_handshake`](Self::without_handshake) for input that
/// has none.
///
/// There are three ways to read, and all are the same parser:
///
/// - Use [`feed`](Self::feed) in a loop that reads into a buffer and handles what came.
/// - Use [`next_event`](Self::next_event) to take one event at a time from a slice.
/// - Use [`step`](Self::step) and [`event`](Self::event) in a type that owns its input, because
///   a step borrows nothing.
///
/// ```
/// use gotalk::{Event, Frame, Parser};
///
/// let mut parser = Parser::<64>::new();
/// let mut events = parser.feed(br#"01r0001004echo00000007"hello""#);
/// while let Some(event) = events.next() {
///     match event {
///         Ok(Event::Frame(Frame::SingleRequest { op, payload_len, .. })) => {
///             assert_eq!(op, "echo");
///             assert_eq!(payload_len, 7);
///         }
///         Ok(Event::Payload { data, remaining }) => {
///             assert_eq!(data, br#""hello""#);
///             assert_eq!(remaining, 0);
///         }
///         Ok(_) => {}
///         Err(error) => panic!("{error}"),
///     }
/// }
/// ```
#[derive(Clone)]
pub struct Parser<const N: usize = 64> {
    pub(crate) machine: Machine,
    name: [u8; N],
}

/// What [`Parser::step`] or [`Assembler::step`](crate::Assembler::step) has found. It borrows
/// nothing. [`Parser::event`] or [`Assembler::item`](crate::Assembler::item) shows it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Step {
    pub(crate) found: Found,
    pub(crate) len: usize,
}

impl<const N: usize> Default for Parser<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> Parser<N> {
    /// Creates a parser for names of up to `N` bytes, at the start of a stream.
    ///
    /// ```
    /// use gotalk::Parser;
    ///
    /// static PARSER: Parser<255> = Parser::new();
    /// # assert_eq!(PARSER.offset(), 0);
    /// ```
    pub const fn new() -> Self {
        Self { machine: Machine::new(false), name: [0; N] }
    }

    /// Makes the parser start at the first message, with no version before it. Use this for
    /// pipes, and for captures that start between two messages.
    pub const fn without_handshake(self) -> Self {
        Self { machine: Machine::new(true), name: self.name }
    }

    /// Reads `bytes` event by event, as you take the events. Until then nothing is read.
    ///
    /// <div class="warning">
    ///
    /// Call [`Events::next`] until it gives `None`, or feed [`Events::remaining`] before
    /// anything else. Otherwise the bytes that were not read are lost. Call `feed` once for
    /// each chunk, and keep what it gives: `while let Some(event) = parser.feed(chunk).next()`
    /// reads the same bytes again and again, and `if let` in its place drops all but the first
    /// event.
    ///
    /// </div>
    ///
    /// Do not stop when the input is used up, because an event may need no further byte
    /// ([rule 3.13](crate::protocol#rule-3-13)). Empty input is not the end of the stream:
    /// call [`finish`](Self::finish) for that.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    pub fn feed<'p, 'b>(&'p mut self, bytes: &'b [u8]) -> Events<'p, 'b, N> {
        Events { parser: self, input: bytes, failed: false }
    }

    /// Reads up to the next event, and moves `input` past what was read. `None` means that
    /// all of `input` has been read and that the next event needs more.
    ///
    /// # Errors
    ///
    /// Fails at a byte that the grammar does not allow. `input` then starts with that byte,
    /// and every later call fails in the same way ([rule 3.8](crate::protocol#rule-3-8)).
    ///
    /// ```
    /// use gotalk::{Event, Parser};
    ///
    /// # fn main() -> Result<(), gotalk::Error> {
    /// let mut parser = Parser::<64>::new();
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
        self.take(input).transpose()
    }

    /// Reads up to the next event. Gives the number of bytes that were read, and what was
    /// found in them, in a form that borrows neither the parser nor the input.
    /// [`event`](Self::event) turns it into an [`Event`]. `None` means that all of `input` has
    /// been read and that the next event needs more.
    ///
    /// # Errors
    ///
    /// Fails at a byte that the grammar does not allow. The number beside the error counts
    /// the bytes before it.
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
    ///     parser: Parser<64>,
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
    ///             let (read, step) = self.parser.step(&self.input[from..to]);
    ///             self.start += read;
    ///             if let Some(step) = step.map_err(io::Error::other)? {
    ///                 return Ok(Some(self.parser.event(&self.input[from..to], step)));
    ///             }
    ///             (self.start, self.end) = (0, 0);
    ///             self.end = self.reader.read(&mut self.input)?;
    ///             if self.end == 0 {
    ///                 self.parser.finish().map_err(io::Error::other)?;
    ///                 return Ok(None);
    ///             }
    ///         }
    ///     }
    /// }
    ///
    /// let reader = br#"01n003log00000004"hi""#.as_slice();
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
    pub fn step(&mut self, input: &[u8]) -> (usize, Result<Option<Step>, Error>) {
        let (len, outcome) = self.machine.advance(&mut self.name, input);
        let step = match outcome {
            Ok(Some(found)) => Ok(Some(Step { found, len })),
            Ok(None) => Ok(None),
            Err(_) => Err(self.machine.error()),
        };
        (len, step)
    }

    /// Gives the event that the latest step has found.
    ///
    /// Pass exactly the slice that you gave to [`step`](Self::step), from its start: not the
    /// rest that is left after the bytes read. Nobody checks that. With another slice, or an
    /// older step, the name or the payload is wrong, but nothing panics.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    pub fn event<'a>(&'a self, input: &'a [u8], step: Step) -> Event<'a> {
        let machine = &self.machine;
        match step.found {
            Found::Version => Event::Version(VERSION),
            Found::Frame | Found::FrameInInput => {
                Event::Frame(self.frame(input, step.found, machine.header.last))
            }
            Found::NameTooLong => {
                let header = &machine.header;
                let message_type = header.message_type;
                Event::NameTooLong { message_type, id: machine.id(), name_len: header.name_len }
            }
            Found::Payload => Event::Payload {
                data: input.get(..step.len).unwrap_or_default(),
                remaining: machine.header.last,
            },
        }
    }

    /// Skips what is still to come of a payload, in later chunks too: it gives no more events,
    /// not even an empty one. Call it after a `Frame`, or between its `Payload`s. Elsewhere it
    /// does nothing.
    pub fn skip_payload(&mut self) {
        self.machine.skip_payload();
    }

    /// Checks that the input may end here. Call it when the transport has ended: without it, a
    /// message that was cut off looks like a clean end. It changes nothing
    /// ([rule 3.10](crate::protocol#rule-3-10)).
    ///
    /// It succeeds between two messages and after the peer's protocol error.
    ///
    /// # Errors
    ///
    /// - After an error, that error.
    /// - Before the whole version, inside a message, and before its last event has been taken,
    ///   [`UnexpectedEnd`](crate::ErrorKind::UnexpectedEnd). A peer that connects and leaves
    ///   without a byte is one, too.
    pub fn finish(&self) -> Result<(), Error> {
        self.machine.finish()
    }

    /// The number of bytes that have been read since the start or the last reset. After an
    /// error, this is the offset of the wrong byte.
    pub fn offset(&self) -> u64 {
        self.machine.offset
    }

    /// Goes back to the state of the constructor, for another stream.
    pub fn reset(&mut self) {
        self.machine.reset();
    }

    /// Takes the next event, and moves `input` on, to the wrong byte where there is one.
    #[inline(always)]
    fn take<'s, 'b: 's>(&'s mut self, input: &mut &'b [u8]) -> Option<Result<Event<'s>, Error>> {
        let bytes = *input;
        let (len, outcome) = self.machine.advance(&mut self.name, bytes);
        if let Some(rest) = bytes.get(len..) {
            *input = rest;
        }
        match outcome {
            Ok(Some(found)) => Some(Ok(self.event(bytes, Step { found, len }))),
            Ok(None) => None,
            Err(_) => Some(Err(self.machine.error())),
        }
    }

    /// Moves the machine on; what it found refers to this parser.
    #[inline(always)]
    pub(crate) fn advance(&mut self, input: &[u8]) -> (usize, crate::read::machine::Outcome) {
        self.machine.advance(&mut self.name, input)
    }

    /// The frame that a step has found. Its last field comes from the caller, because that of
    /// the machine counts down as the payload is read.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    pub(crate) fn frame<'a>(&'a self, input: &'a [u8], found: Found, last: u32) -> Frame<'a> {
        let name = match found {
            Found::FrameInInput => self.name_in(input),
            _ => self.name.get(..self.machine.header.name_len.into()),
        };
        self.machine.frame(name.unwrap_or_default().into(), last)
    }

    /// The name in a header that stands whole at the start of `input`.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    fn name_in<'a>(&self, input: &'a [u8]) -> Option<&'a [u8]> {
        let header = &self.machine.header;
        let start = header.message_type.name_start();
        input.get(start..start.wrapping_add(header.name_len.into()))
    }

    /// Keeps the name of the frame that a step has found for when its input is gone.
    pub(crate) fn keep_name(&mut self, input: &[u8], found: Found) {
        if found == Found::FrameInInput {
            let name = self.name_in(input).unwrap_or_default();
            put(&mut self.name, name);
        }
    }
}

/// Shows the state and the offset, not the bytes: `Parser { state: Payload, offset: 22, .. }`.
impl<const N: usize> fmt::Debug for Parser<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parser")
            .field("state", &self.machine.state)
            .field("offset", &self.machine.offset)
            .field("name_capacity", &N)
            .finish()
    }
}

#[cfg(feature = "defmt")]
impl<const N: usize> defmt::Format for Parser<N> {
    fn format(&self, f: defmt::Formatter<'_>) {
        let Machine { state, offset, .. } = self.machine;
        defmt::write!(
            f,
            "Parser {{ state: {}, offset: {=u64}, name_capacity: {=usize} }}",
            state,
            offset,
            N
        );
    }
}

/// The events of one chunk of input, from [`Parser::feed`].
///
/// An event may borrow a name from the parser, so this cannot be an `Iterator`. Use it with
/// `while let`. If you stop before it gives `None`, feed [`remaining`](Self::remaining)
/// before anything else.
#[must_use = "nothing is read until the events are taken"]
pub struct Events<'p, 'b, const N: usize = 64> {
    parser: &'p mut Parser<N>,
    input: &'b [u8],
    failed: bool,
}

impl<'b, const N: usize> Events<'_, 'b, N> {
    /// Reads up to the next event. Gives `None` when all of the input has been read. An error
    /// comes once and then `None`, so that no loop runs for ever on a peer's bytes.
    ///
    /// # Errors
    ///
    /// See [`Parser::next_event`].
    #[expect(clippy::should_implement_trait, reason = "a lending iterator cannot be an Iterator")]
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    pub fn next(&mut self) -> Option<Result<Event<'_>, Error>> {
        if self.failed {
            return None;
        }
        let event = self.parser.take(&mut self.input);
        if let Some(Err(_)) = event {
            self.failed = true;
        }
        event
    }

    /// The input that has not been read. After an error it starts with the wrong byte.
    pub fn remaining(&self) -> &'b [u8] {
        self.input
    }

    /// Skips the rest of the payload at hand: see [`Parser::skip_payload`].
    pub fn skip_payload(&mut self) {
        self.parser.skip_payload();
    }

    /// The number of bytes read since the start or the last reset: see [`Parser::offset`].
    pub fn offset(&self) -> u64 {
        self.parser.offset()
    }
}

/// Shows the state of the parser, and how many bytes have not been read.
impl<const N: usize> fmt::Debug for Events<'_, '_, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events")
            .field("parser", &self.parser)
            .field("remaining", &self.input.len())
            .finish()
    }
}

#[cfg(feature = "defmt")]
impl<const N: usize> defmt::Format for Events<'_, '_, N> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(
            f,
            "Events {{ parser: {}, remaining: {=usize} }}",
            self.parser,
            self.input.len()
        );
    }
}

//! Whole messages, put together in a buffer of fixed size.

use crate::Error;
use crate::read::machine::Found;
use crate::read::parser::Parser;
use crate::wire::copy::put;
use crate::wire::frame::{Frame, MessageType, VERSION};
use crate::wire::value::RequestId;

/// A whole message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Message<'a> {
    /// What its header says.
    pub frame: Frame<'a>,
    /// Its payload: `frame.payload_len()` bytes, or none where the type has no payload.
    pub payload: &'a [u8],
}

/// What an [`Assembler`] yields.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Item<'a> {
    /// The peer's version. It is always 1: any other is an error.
    Version(u8),
    /// A whole message. Each part of a stream is one.
    Message(Message<'a>),
    /// A message whose name or payload is longer than the assembler takes. It is
    /// skipped, and the stream goes on: a request can be answered with an error
    /// result. This comes as soon as the length has been read.
    TooLong {
        /// The type of the message.
        message: MessageType,
        /// The request to answer; `None` for a notification.
        id: Option<RequestId>,
        /// The length of the name, in bytes; 0 where the type has none.
        name_len: u16,
        /// The size of the payload, in bytes, if that was too long; `None` if the
        /// name was, which comes before it.
        payload_len: Option<u32>,
    },
}

/// A [`Parser`] that yields whole messages, with payloads of up to `P` bytes and
/// names of up to `N`.
///
/// A message that lies whole in the input is handed out from there; any other is
/// copied once, into the assembler. The limits hold in both cases, so that they do
/// not depend on how the bytes arrived.
///
/// ```
/// use gotalk::{Assembler, Item, Message};
///
/// let mut assembler = Assembler::<256>::new();
/// for piece in [b"01n003log0000".as_slice(), b"0005hel", b"lo"] {
///     let mut items = assembler.feed(piece);
///     while let Some(item) = items.next() {
///         if let Item::Message(Message { frame, payload }) = item? {
///             assert!(frame.name().unwrap() == "log");
///             assert_eq!(payload, b"hello");
///         }
///     }
/// }
/// assembler.finish()?;
/// # Ok::<(), gotalk::Error>(())
/// ```
#[derive(Clone, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Assembler<const P: usize, const N: usize = 64> {
    parser: Parser<N>,
    /// Bytes of the payload at hand that lie in `payload`.
    len: usize,
    payload: [u8; P],
}

impl<const P: usize> Assembler<P, 64> {
    /// An assembler for payloads of up to `P` bytes and names of up to 64, at the
    /// start of a stream.
    pub const fn new() -> Self {
        Self::with_name_capacity()
    }
}

impl<const P: usize> Default for Assembler<P, 64> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const P: usize, const N: usize> Assembler<P, N> {
    /// An assembler for payloads of up to `P` bytes and names of up to `N`, at the
    /// start of a stream.
    pub const fn with_name_capacity() -> Self {
        Self { parser: Parser::with_name_capacity(), len: 0, payload: [0; P] }
    }

    /// The same assembler, but it starts at the first message, with no version before it.
    pub const fn without_handshake(self) -> Self {
        Self { parser: self.parser.without_handshake(), len: 0, payload: self.payload }
    }

    /// Reads `bytes`, message by message, as the iterator is called. Call
    /// [`Messages::next`] until it gives `None`.
    pub fn feed<'p, 'b>(&'p mut self, bytes: &'b [u8]) -> Messages<'p, 'b, P, N> {
        Messages { assembler: self, input: bytes, failed: false }
    }

    /// Reads up to the end of the next message, and moves `input` past what was
    /// read. `None` means that all of `input` has been read and more is needed.
    ///
    /// # Errors
    ///
    /// As [`Parser::next_event`].
    pub fn next_message<'s, 'b: 's>(
        &'s mut self,
        input: &mut &'b [u8],
    ) -> Result<Option<Item<'s>>, Error> {
        loop {
            let bytes = *input;
            let step = self.parser.advance(input);
            let found = step.found;
            match found {
                Found::Nothing => return Ok(None),
                Found::Error => return Err(self.parser.machine.error()),
                Found::Version => return Ok(Some(Item::Version(VERSION))),
                Found::NameTooLong => return Ok(Some(self.too_long(None))),
                Found::Frame | Found::FrameInInput => {
                    let machine = &self.parser.machine;
                    let size = machine.number;
                    if !machine.message.has_payload() {
                        let frame = self.parser.frame(bytes, found, size);
                        return Ok(Some(Item::Message(Message { frame, payload: &[] })));
                    }
                    if u64::from(size) > P as u64 {
                        self.parser.skip_payload();
                        return Ok(Some(self.too_long(Some(size))));
                    }
                    // Within `P`, so it is a `usize`.
                    if let Some(payload) = input.get(..size as usize) {
                        self.parser.advance(input);
                        let frame = self.parser.frame(bytes, found, size);
                        return Ok(Some(Item::Message(Message { frame, payload })));
                    }
                    self.parser.keep_name(bytes, found);
                    self.len = 0;
                }
                Found::Payload => {
                    if let Some(free) = self.payload.get_mut(self.len..) {
                        put(free, bytes.get(..step.len).unwrap_or_default());
                    }
                    self.len = self.len.wrapping_add(step.len);
                    if self.parser.machine.number == 0 {
                        let frame = self.parser.frame(bytes, Found::Frame, self.len as u32);
                        let payload = self.payload.get(..self.len).unwrap_or_default();
                        return Ok(Some(Item::Message(Message { frame, payload })));
                    }
                }
            }
        }
    }

    /// Says that the input has ended.
    ///
    /// # Errors
    ///
    /// As [`Parser::finish`].
    pub fn finish(&self) -> Result<(), Error> {
        self.parser.finish()
    }

    /// How many bytes have been read since the start or the last reset.
    pub fn offset(&self) -> u64 {
        self.parser.offset()
    }

    /// Back to the state of the constructor, for another stream.
    pub fn reset(&mut self) {
        self.parser.reset();
    }

    fn too_long(&self, payload_len: Option<u32>) -> Item<'_> {
        let machine = &self.parser.machine;
        let name_len = if machine.message.has_name() { machine.name_len } else { 0 };
        Item::TooLong { message: machine.message, id: machine.id(), name_len, payload_len }
    }
}

/// The messages of one piece of input: [`Assembler::feed`].
///
/// It lends its messages, hence it is not an `Iterator`, and is used with
/// `while let`. Nothing is lost by leaving the loop early:
/// [`remaining`](Self::remaining) is what was not read.
#[must_use = "nothing is read until the messages are taken"]
#[derive(Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Messages<'p, 'b, const P: usize, const N: usize> {
    assembler: &'p mut Assembler<P, N>,
    input: &'b [u8],
    failed: bool,
}

impl<'b, const P: usize, const N: usize> Messages<'_, 'b, P, N> {
    /// The next message; `None` when all of the input has been read. An error comes
    /// once, and `None` after it.
    #[expect(clippy::should_implement_trait, reason = "a lending iterator cannot be an Iterator")]
    pub fn next(&mut self) -> Option<Result<Item<'_>, Error>> {
        if self.failed {
            return None;
        }
        let result = self.assembler.next_message(&mut self.input);
        self.failed = result.is_err();
        result.transpose()
    }

    /// The input that has not been read.
    pub fn remaining(&self) -> &'b [u8] {
        self.input
    }

    /// As [`Assembler::offset`].
    pub fn offset(&self) -> u64 {
        self.assembler.offset()
    }
}

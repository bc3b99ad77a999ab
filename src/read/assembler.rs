//! Whole messages, put together in a buffer of fixed size.
//!
//! A message that lies whole in the input is handed out from there. Of any other, the name
//! goes into the parser's buffer and the payload into the assembler's. [`Assembler::find`]
//! decides which and gives a [`Place`]; [`Assembler::show`] makes the item of it. A [`Step`]
//! is a place without the borrow: if you change what `step` says of a place, also change
//! `item`, which turns it back.

use core::fmt;

use crate::Error;
use crate::read::machine::{Failed, Found};
use crate::read::parser::{Parser, Step};
use crate::wire::copy::put;
use crate::wire::frame::{Frame, Message, VERSION};
use crate::wire::message_type::MessageType;
use crate::wire::value::RequestId;

/// What an [`Assembler`] yields.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Item<'a> {
    /// The peer's version, which is always 1. Any other version is an error.
    Version(u8),
    /// A whole message. Each part of a stream is one.
    Message(Message<'a>),
    /// A message has a longer name than the assembler takes. This comes as soon as the
    /// length of the name has been read. The assembler skips the message, and the connection
    /// lives ([rule 3.6](crate::protocol#rule-3-6)).
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
    /// A message has a longer payload than the assembler takes. This is its header, and it
    /// comes as soon as the header has been read. The assembler skips the payload, and the
    /// connection lives.
    ///
    /// Look at the type before you answer. Answer a request, or a part of one that is still
    /// open, with an error result ([`MessageType::is_request`]). The id of a result is your
    /// own ([`MessageType::is_result`]): fail your request, and send nothing.
    PayloadTooLong(Frame<'a>),
}

/// Where a message that was found lies.
enum Place<'b> {
    /// Nowhere: it is the version, or a message that is too long.
    Nowhere(Found),
    /// Its payload is this slice of the input.
    Input(Found, &'b [u8]),
    /// Its name and its payload are in the buffers.
    Buffer,
}

/// A [`Parser`] with a buffer for a payload: it yields whole messages.
///
/// It takes payloads of up to `P` bytes and names of up to `N`, and reports and skips
/// messages with longer ones. If a message lies whole in the input, you get slices of the
/// input; otherwise it is copied once, into the assembler. The limits hold in both cases, so
/// they do not depend on how the bytes arrived.
///
/// - **RAM**: it takes `P + N` bytes and some 40 more. It never allocates. A fresh one is all
///   zeros, so in a `static` it lies in `.bss` and takes no flash. Keep one with a large `P`
///   there, because a constructor can put it on the stack first.
/// - **Panics**: none. No input makes it panic, and no panicking path is linked.
///
/// Each part of a stream is a message of its own, so a stream may be longer than `P`.
///
/// ```
/// use gotalk::{Assembler, Item, Message};
///
/// let mut assembler = Assembler::<256, 64>::new();
/// for chunk in [b"01n003log0000".as_slice(), b"0007\"hel", b"lo\""] {
///     let mut items = assembler.feed(chunk);
///     while let Some(item) = items.next() {
///         if let Item::Message(Message { frame, payload }) = item? {
///             assert_eq!(frame.name().unwrap(), "log");
///             assert_eq!(payload, b"\"hello\"");
///         }
///     }
/// }
/// assembler.finish()?;
/// # Ok::<(), gotalk::Error>(())
/// ```
#[derive(Clone)]
pub struct Assembler<const P: usize, const N: usize = 64> {
    parser: Parser<N>,
    /// The size of the payload of the message found last, or how much of the payload at hand
    /// lies in `payload`.
    len: u32,
    payload: [u8; P],
}

impl<const P: usize, const N: usize> Default for Assembler<P, N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const P: usize, const N: usize> Assembler<P, N> {
    /// Creates an assembler for payloads of up to `P` bytes and names of up to `N`, at the
    /// start of a stream. `Assembler::<256>::new()` takes names of up to 64 bytes.
    pub const fn new() -> Self {
        Self { parser: Parser::new(), len: 0, payload: [0; P] }
    }

    /// Makes the assembler start at the first message, with no version before it.
    pub const fn without_handshake(self) -> Self {
        Self { parser: self.parser.without_handshake(), len: 0, payload: self.payload }
    }

    /// Reads `bytes` message by message, as you take the items. Until then nothing is read.
    ///
    /// <div class="warning">
    ///
    /// Call [`Items::next`] until it gives `None`, or feed [`Items::remaining`] before
    /// anything else. Otherwise the bytes that were not read are lost. Call `feed` once for
    /// each chunk: `while let Some(item) = assembler.feed(chunk).next()` reads the same bytes
    /// again and again.
    ///
    /// </div>
    pub fn feed<'p, 'b>(&'p mut self, bytes: &'b [u8]) -> Items<'p, 'b, P, N> {
        Items { assembler: self, input: bytes, failed: false }
    }

    /// Reads up to the end of the next message, and moves `input` past what was read. `None`
    /// means that all of `input` has been read and that the next message needs more.
    ///
    /// # Errors
    ///
    /// Fails at a byte that the grammar does not allow. `input` then starts with that byte,
    /// and every later call fails in the same way ([rule 3.8](crate::protocol#rule-3-8)), so
    /// leave the loop at an error. [`Items`] gives it once.
    pub fn next_item<'s, 'b: 's>(
        &'s mut self,
        input: &mut &'b [u8],
    ) -> Result<Option<Item<'s>>, Error> {
        self.take(input).transpose()
    }

    /// Reads up to the end of the next message. Gives the number of bytes that were read, and
    /// what was found in them, in a form that borrows neither the assembler nor the input.
    /// [`item`](Self::item) turns it into an [`Item`]. `None` means that all of `input` has
    /// been read and that the next message needs more.
    ///
    /// # Errors
    ///
    /// Fails at a byte that the grammar does not allow. The number beside the error counts
    /// the bytes before it.
    ///
    /// # Examples
    ///
    /// A connection that owns its input and hands out borrowed messages:
    ///
    /// ```
    /// use gotalk::{Assembler, Item};
    /// use std::io::{self, Read};
    ///
    /// struct Connection<R> {
    ///     reader: R,
    ///     assembler: Assembler<256, 64>,
    ///     input: [u8; 512],
    ///     start: usize,
    ///     end: usize,
    /// }
    ///
    /// impl<R: Read> Connection<R> {
    ///     /// The next item, or `None` at the end of the conversation.
    ///     fn next(&mut self) -> io::Result<Option<Item<'_>>> {
    ///         loop {
    ///             let (from, to) = (self.start, self.end);
    ///             let (read, step) = self.assembler.step(&self.input[from..to]);
    ///             self.start += read;
    ///             if let Some(step) = step.map_err(io::Error::other)? {
    ///                 return Ok(Some(self.assembler.item(&self.input[from..to], step)));
    ///             }
    ///             (self.start, self.end) = (0, 0);
    ///             self.end = self.reader.read(&mut self.input)?;
    ///             if self.end == 0 {
    ///                 self.assembler.finish().map_err(io::Error::other)?;
    ///                 return Ok(None);
    ///             }
    ///         }
    ///     }
    /// }
    ///
    /// let reader = br#"01n003log00000004"hi""#.as_slice();
    /// let mut connection =
    ///     Connection { reader, assembler: Assembler::new(), input: [0; 512], start: 0, end: 0 };
    /// let mut items = 0;
    /// while let Some(_item) = connection.next()? {
    ///     items += 1;
    /// }
    /// assert_eq!(items, 2);
    /// # io::Result::Ok(())
    /// ```
    pub fn step(&mut self, input: &[u8]) -> (usize, Result<Option<Step>, Error>) {
        let mut rest = input;
        let place = self.find(&mut rest);
        let len = input.len().wrapping_sub(rest.len());
        let step = match place {
            Ok(Some(Place::Input(found, _) | Place::Nowhere(found))) => Some(Step { found, len }),
            Ok(Some(Place::Buffer)) => Some(Step { found: Found::Payload, len }),
            Ok(None) => None,
            Err(_) => return (len, Err(self.parser.machine.error())),
        };
        (len, Ok(step))
    }

    /// Gives the item that the latest step has found.
    ///
    /// Pass exactly the slice that you gave to [`step`](Self::step), from its start: not the
    /// rest that is left after the bytes read. Nobody checks that. With another slice, or an
    /// older step, the name or the payload is wrong, but nothing panics.
    pub fn item<'a>(&'a self, input: &'a [u8], step: Step) -> Item<'a> {
        let place = match step.found {
            Found::Version | Found::NameTooLong => Place::Nowhere(step.found),
            Found::Payload => Place::Buffer,
            found if u64::from(self.len) > P as u64 => Place::Nowhere(found),
            found => {
                let start = step.len.wrapping_sub(self.len as usize);
                Place::Input(found, input.get(start..step.len).unwrap_or_default())
            }
        };
        self.show(input, place)
    }

    /// Takes the next item, and moves `input` on, to the wrong byte where there is one.
    #[inline(always)]
    fn take<'s, 'b: 's>(&'s mut self, input: &mut &'b [u8]) -> Option<Result<Item<'s>, Error>> {
        let bytes = *input;
        match self.find(input) {
            Ok(Some(place)) => Some(Ok(self.show(bytes, place))),
            Ok(None) => None,
            Err(_) => Some(Err(self.parser.machine.error())),
        }
    }

    /// Reads up to the end of the next message, and says where it is.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    fn find<'b>(&mut self, input: &mut &'b [u8]) -> Result<Option<Place<'b>>, Failed> {
        loop {
            let bytes = *input;
            let (len, outcome) = self.parser.advance(bytes);
            let (taken, rest) = bytes.split_at_checked(len).unwrap_or((bytes, &[]));
            *input = rest;
            let Some(found) = outcome? else { return Ok(None) };
            match found {
                Found::Version | Found::NameTooLong => return Ok(Some(Place::Nowhere(found))),
                Found::Frame | Found::FrameInInput => {
                    let header = &self.parser.machine.header;
                    if !header.message_type.has_payload() {
                        self.len = 0;
                        return Ok(Some(Place::Input(found, &[])));
                    }
                    let size = header.last;
                    self.len = size;
                    if u64::from(size) > P as u64 {
                        self.parser.skip_payload();
                        return Ok(Some(Place::Nowhere(found)));
                    }
                    // It is at most `P`, and so a `usize`.
                    if let Some((payload, rest)) = rest.split_at_checked(size as usize) {
                        self.parser.machine.take_payload();
                        *input = rest;
                        return Ok(Some(Place::Input(found, payload)));
                    }
                    self.parser.keep_name(bytes, found);
                    self.len = 0;
                }
                Found::Payload => {
                    if let Some(free) = self.payload.get_mut(self.len as usize..) {
                        put(free, taken);
                    }
                    self.len = self.len.wrapping_add(len as u32);
                    if self.parser.machine.header.last == 0 {
                        return Ok(Some(Place::Buffer));
                    }
                }
            }
        }
    }

    /// The item at a place that was found in `input`.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    fn show<'a>(&'a self, input: &'a [u8], place: Place<'a>) -> Item<'a> {
        let header = &self.parser.machine.header;
        let message_type = header.message_type;
        let (found, payload) = match place {
            Place::Nowhere(Found::Version) => return Item::Version(VERSION),
            Place::Nowhere(Found::NameTooLong) => {
                let id = self.parser.machine.id();
                return Item::NameTooLong { message_type, id, name_len: header.name_len };
            }
            Place::Nowhere(found) => {
                return Item::PayloadTooLong(self.parser.frame(input, found, self.len));
            }
            Place::Input(found, payload) => (found, payload),
            // The name is in the parser's buffer by now.
            Place::Buffer => {
                (Found::Frame, self.payload.get(..self.len as usize).unwrap_or_default())
            }
        };
        let last = if message_type.has_payload() { payload.len() as u32 } else { header.last };
        Item::Message(Message { frame: self.parser.frame(input, found, last), payload })
    }

    /// Checks that the input may end here. Call it when the transport has ended. It changes
    /// nothing ([rule 3.10](crate::protocol#rule-3-10)).
    ///
    /// # Errors
    ///
    /// - After an error, that error.
    /// - Inside the version or a message, [`UnexpectedEnd`](crate::ErrorKind::UnexpectedEnd).
    pub fn finish(&self) -> Result<(), Error> {
        self.parser.finish()
    }

    /// The number of bytes that have been read since the start or the last reset. After an
    /// error, this is the offset of the wrong byte.
    pub fn offset(&self) -> u64 {
        self.parser.offset()
    }

    /// Goes back to the state of the constructor, for another stream.
    pub fn reset(&mut self) {
        self.parser.reset();
    }
}

/// Shows the state and the offset, not the bytes.
impl<const P: usize, const N: usize> fmt::Debug for Assembler<P, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Assembler")
            .field("parser", &self.parser)
            .field("payload_capacity", &P)
            .finish()
    }
}

#[cfg(feature = "defmt")]
impl<const P: usize, const N: usize> defmt::Format for Assembler<P, N> {
    fn format(&self, f: defmt::Formatter<'_>) {
        let Self { parser, .. } = self;
        defmt::write!(f, "Assembler {{ parser: {}, payload_capacity: {=usize} }}", parser, P);
    }
}

/// The messages of one chunk of input, from [`Assembler::feed`].
///
/// An item may borrow from the assembler, so this cannot be an `Iterator`. Use it with
/// `while let`. If you stop before it gives `None`, feed [`remaining`](Self::remaining)
/// before anything else.
#[must_use = "nothing is read until the items are taken"]
pub struct Items<'p, 'b, const P: usize, const N: usize = 64> {
    assembler: &'p mut Assembler<P, N>,
    input: &'b [u8],
    failed: bool,
}

impl<'b, const P: usize, const N: usize> Items<'_, 'b, P, N> {
    /// Reads up to the end of the next message. Gives `None` when all of the input has been
    /// read. An error comes once and then `None`, so that no loop runs for ever on a peer's
    /// bytes.
    ///
    /// # Errors
    ///
    /// See [`Assembler::next_item`].
    #[expect(clippy::should_implement_trait, reason = "a lending iterator cannot be an Iterator")]
    pub fn next(&mut self) -> Option<Result<Item<'_>, Error>> {
        if self.failed {
            return None;
        }
        let item = self.assembler.take(&mut self.input);
        if let Some(Err(_)) = item {
            self.failed = true;
        }
        item
    }

    /// The input that has not been read. After an error it starts with the wrong byte.
    pub fn remaining(&self) -> &'b [u8] {
        self.input
    }

    /// The number of bytes read since the start or the last reset: see [`Assembler::offset`].
    pub fn offset(&self) -> u64 {
        self.assembler.offset()
    }
}

/// Shows the state of the assembler, and how many bytes have not been read.
impl<const P: usize, const N: usize> fmt::Debug for Items<'_, '_, P, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Items")
            .field("assembler", &self.assembler)
            .field("remaining", &self.input.len())
            .finish()
    }
}

#[cfg(feature = "defmt")]
impl<const P: usize, const N: usize> defmt::Format for Items<'_, '_, P, N> {
    fn format(&self, f: defmt::Formatter<'_>) {
        let Self { assembler, input, .. } = self;
        defmt::write!(f, "Items {{ assembler: {}, remaining: {=usize} }}", assembler, input.len());
    }
}

//! What every contender is asked to do: to read the same messages, and to write them.
//!
//! A reader hands each message to a [`Consumer`]. The timed consumer adds up every
//! field, so that no reader can leave one out; the checking one keeps the messages
//! and compares them. Readers are generic over it: what is timed is what was checked.

use crate::support::conversation::Message;

/// All of a message but its payload; fields that its type lacks are empty or 0.
#[derive(Clone, Copy)]
pub(crate) struct Head<'a> {
    pub(crate) letter: u8,
    pub(crate) id: [u8; 4],
    pub(crate) name: &'a [u8],
    /// The wait of an `e`, the time of an `h`, the code of an `f`.
    pub(crate) number: u32,
    pub(crate) load: u16,
}

impl Head<'_> {
    /// The head of a message that has no more than these.
    #[inline]
    pub(crate) fn new(letter: u8, id: [u8; 4]) -> Self {
        Self { letter, id, name: &[], number: 0, load: 0 }
    }
}

/// Takes the messages: a head, then its payload in one piece or more, none or an
/// empty one for a message without payload.
pub(crate) trait Consumer {
    fn head(&mut self, head: Head<'_>);
    fn payload(&mut self, data: &[u8]);
}

/// The consumer for timing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Sums {
    messages: u64,
    letters: u64,
    ids: u32,
    names: u64,
    numbers: u64,
    loads: u64,
    payloads: u64,
}

impl Consumer for Sums {
    #[inline]
    fn head(&mut self, head: Head<'_>) {
        self.messages += 1;
        self.letters += u64::from(head.letter);
        self.ids = self.ids.wrapping_add(u32::from_ne_bytes(head.id));
        self.names += head.name.len() as u64;
        self.numbers += u64::from(head.number);
        self.loads += u64::from(head.load);
    }

    #[inline]
    fn payload(&mut self, data: &[u8]) {
        self.payloads += data.len() as u64;
    }
}

/// The consumer for checking.
#[derive(Default)]
pub(crate) struct Collected(pub(crate) Vec<Message>);

impl Consumer for Collected {
    fn head(&mut self, head: Head<'_>) {
        let Head { letter, id, name, number, load } = head;
        self.0.push(Message { letter, id, name: name.to_vec(), number, load, payload: Vec::new() });
    }

    fn payload(&mut self, data: &[u8]) {
        if let Some(message) = self.0.last_mut() {
            message.payload.extend_from_slice(data);
        }
    }
}

/// The input is not what the reader reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Refused;

pub(crate) trait Reader {
    /// How it stands in the tables.
    const NAME: &'static str;

    /// What it wants the wire to lie in. It is filled from the wire before each run,
    /// for every reader, and outside the time.
    type Input;
    fn prepare(wire: &[u8]) -> Self::Input;

    /// Reads an input that lies whole in memory.
    fn whole<C: Consumer>(input: &mut Self::Input, consumer: &mut C) -> Result<(), Refused>;

    /// Reads the wire in pieces of `size` bytes. Each piece is copied into a buffer
    /// of the reader's own first, as reading from a socket would do it.
    fn pieces<C: Consumer>(wire: &[u8], size: usize, consumer: &mut C) -> Result<(), Refused>;
}

pub(crate) trait Writer {
    /// How it stands in the tables.
    const NAME: &'static str;

    /// What it writes into, kept from run to run.
    type Output;
    /// An empty output with room for so many bytes.
    fn output(room: usize) -> Self::Output;

    /// Empties the output and writes the messages.
    fn write(messages: &[Message], output: &mut Self::Output);
    fn written(output: &Self::Output) -> &[u8];
}

/// A read buffer for parsers of slices: what a piece leaves over is moved to the
/// front when the next one arrives.
pub(crate) struct Window {
    bytes: Vec<u8>,
    start: usize,
}

impl Window {
    pub(crate) fn new() -> Self {
        Self { bytes: Vec::with_capacity(1 << 14), start: 0 }
    }

    #[inline]
    pub(crate) fn fill(&mut self, piece: &[u8]) {
        self.bytes.drain(..self.start);
        self.start = 0;
        self.bytes.extend_from_slice(piece);
    }

    #[inline]
    pub(crate) fn data(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    #[inline]
    pub(crate) fn data_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..]
    }

    #[inline]
    pub(crate) fn consume(&mut self, count: usize) {
        self.start += count;
    }
}

//! Reads an input that comes in pieces through each of the crate's ways of reading,
//! checks on the way what must hold at every step (no event without progress, offsets
//! that agree with what was consumed, errors that stay), and gives what was read in
//! the oracle's form.

use gotalk::{Assembler, ErrorKind, Parser};

use super::oracle::{self, Assembly, End, Event, Field, Header, Item, Reading, Wrong};

/// Splits an input at ascending places. A place twice gives an empty piece.
pub fn split<'a>(input: &'a [u8], places: &[usize]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::with_capacity(places.len() + 1);
    let mut from = 0;
    for &to in places {
        pieces.push(&input[from..to]);
        from = to;
    }
    pieces.push(&input[from..]);
    pieces
}

/// The input in pieces of one length, but for the last.
pub fn chunks(input: &[u8], len: usize) -> Vec<&[u8]> {
    input.chunks(len).collect()
}

/// Reads the pieces in every way and fails unless each gives what the oracle gave for
/// the whole input.
#[track_caller]
pub fn check<const P: usize, const N: usize>(pieces: &[&[u8]], handshake: bool, want: &Reading) {
    let same = |way, got: Reading| {
        assert!(got == *want, "{way} differs from the oracle:\n{got:?}\n{want:?}\n{pieces:?}");
    };
    same("feed", by_feed::<N>(pieces, handshake));
    same("next_event", by_next_event::<N>(pieces, handshake));
    same("step", by_step::<N>(pieces, handshake));
    check_assembler::<P, N>(pieces, handshake, want);
}

/// The same for the assembler's three ways.
#[track_caller]
pub fn check_assembler<const P: usize, const N: usize>(
    pieces: &[&[u8]],
    handshake: bool,
    want: &Reading,
) {
    let want = oracle::assemble(want, P);
    let same = |way, got: Assembly| {
        assert!(got == want, "{way} differs from the oracle:\n{got:?}\n{want:?}\n{pieces:?}");
    };
    same("Assembler::feed", by_assembler_feed::<P, N>(pieces, handshake));
    same("next_item", by_next_item::<P, N>(pieces, handshake));
    same("Assembler::step", by_assembler_step::<P, N>(pieces, handshake));
}

pub fn by_feed<const N: usize>(pieces: &[&[u8]], handshake: bool) -> Reading {
    reading(Feed(parser::<N>(handshake)), pieces)
}

pub fn by_next_event<const N: usize>(pieces: &[&[u8]], handshake: bool) -> Reading {
    reading(Next(parser::<N>(handshake)), pieces)
}

pub fn by_step<const N: usize>(pieces: &[&[u8]], handshake: bool) -> Reading {
    reading(Step(parser::<N>(handshake)), pieces)
}

pub fn by_assembler_feed<const P: usize, const N: usize>(
    pieces: &[&[u8]],
    handshake: bool,
) -> Assembly {
    assembly(Feed(assembler::<P, N>(handshake)), pieces)
}

pub fn by_next_item<const P: usize, const N: usize>(pieces: &[&[u8]], handshake: bool) -> Assembly {
    assembly(Next(assembler::<P, N>(handshake)), pieces)
}

pub fn by_assembler_step<const P: usize, const N: usize>(
    pieces: &[&[u8]],
    handshake: bool,
) -> Assembly {
    assembly(Step(assembler::<P, N>(handshake)), pieces)
}

fn parser<const N: usize>(handshake: bool) -> Parser<N> {
    let parser = Parser::new();
    if handshake { parser } else { parser.without_handshake() }
}

fn assembler<const P: usize, const N: usize>(handshake: bool) -> Assembler<P, N> {
    let assembler = Assembler::new();
    if handshake { assembler } else { assembler.without_handshake() }
}

/// A way of reading: a parser or an assembler in one of these.
trait Way {
    /// What it finds, in the oracle's form, but for the offsets.
    type Found;
    /// Reads a piece until nothing is left to find, hands on each thing found with the offset
    /// behind it, and gives the number of bytes read and the error that it met.
    fn read(
        &mut self,
        piece: &[u8],
        found: &mut dyn FnMut(Self::Found, u64),
    ) -> (usize, Option<gotalk::Error>);
    fn offset(&self) -> u64;
    fn finish(&self) -> Result<(), gotalk::Error>;
}

/// By the iterator that `feed` gives.
struct Feed<R>(R);
/// One after the other, from a slice that moves on.
struct Next<R>(R);
/// By steps that borrow nothing.
struct Step<R>(R);

macro_rules! ways {
    ($reader:ident<$(const $n:ident),*>, $found:ty, $next:ident, $show:ident, $convert:ident) => {
        impl<$(const $n: usize),*> Way for Feed<$reader<$($n),*>> {
            type Found = $found;

            fn read(
                &mut self,
                piece: &[u8],
                found: &mut dyn FnMut($found, u64),
            ) -> (usize, Option<gotalk::Error>) {
                let mut iterator = self.0.feed(piece);
                let mut error = None;
                while let Some(next) = iterator.next() {
                    match next {
                        Ok(next) => {
                            let next = $convert(next);
                            found(next, iterator.offset());
                        }
                        Err(met) => {
                            error = Some(met);
                            assert!(iterator.next().is_none(), "an iterator ends with the error");
                            assert!(iterator.next().is_none());
                            break;
                        }
                    }
                }
                assert!(piece.ends_with(iterator.remaining()));
                let read = piece.len() - iterator.remaining().len();
                let offset = iterator.offset();
                assert_eq!(self.0.offset(), offset);
                (read, error)
            }

            fn offset(&self) -> u64 {
                self.0.offset()
            }

            fn finish(&self) -> Result<(), gotalk::Error> {
                self.0.finish()
            }
        }

        impl<$(const $n: usize),*> Way for Next<$reader<$($n),*>> {
            type Found = $found;

            fn read(
                &mut self,
                piece: &[u8],
                found: &mut dyn FnMut($found, u64),
            ) -> (usize, Option<gotalk::Error>) {
                let mut input = piece;
                loop {
                    match self.0.$next(&mut input) {
                        Ok(Some(next)) => {
                            let next = $convert(next);
                            found(next, self.0.offset());
                        }
                        Ok(None) => return (piece.len() - input.len(), None),
                        Err(error) => {
                            let rest = input;
                            assert_eq!(self.0.$next(&mut input), Err(error));
                            assert_eq!(input, rest, "an error consumes nothing");
                            return (piece.len() - input.len(), Some(error));
                        }
                    }
                }
            }

            fn offset(&self) -> u64 {
                self.0.offset()
            }

            fn finish(&self) -> Result<(), gotalk::Error> {
                self.0.finish()
            }
        }

        impl<$(const $n: usize),*> Way for Step<$reader<$($n),*>> {
            type Found = $found;

            fn read(
                &mut self,
                piece: &[u8],
                found: &mut dyn FnMut($found, u64),
            ) -> (usize, Option<gotalk::Error>) {
                let mut at = 0;
                loop {
                    let before = self.0.offset();
                    let (read, step) = self.0.step(&piece[at..]);
                    assert_eq!(self.0.offset(), before + read as u64);
                    match step {
                        Ok(Some(step)) => {
                            let next = $convert(self.0.$show(&piece[at..], step));
                            found(next, self.0.offset());
                            at += read;
                        }
                        Ok(None) => return (at + read, None),
                        Err(error) => return (at + read, Some(error)),
                    }
                }
            }

            fn offset(&self) -> u64 {
                self.0.offset()
            }

            fn finish(&self) -> Result<(), gotalk::Error> {
                self.0.finish()
            }
        }
    };
}

ways!(Parser<const N>, Event, next_event, event, convert);
ways!(Assembler<const P, const N>, Item, next_item, item, convert_item);

/// Reads all pieces in one way, and gives how it ended: what it said at the end, and the
/// number of bytes read.
fn read_all<W: Way>(
    mut way: W,
    pieces: &[&[u8]],
    mut found: impl FnMut(W::Found, u64),
) -> (Result<(), gotalk::Error>, Option<gotalk::Error>, u64) {
    let mut error = None;
    for piece in pieces {
        let before = way.offset();
        let mut last = before;
        let (read, met) = way.read(piece, &mut |next, offset| {
            assert!(error.is_none(), "something is found after an error");
            assert!(offset >= last && offset <= before + piece.len() as u64);
            last = offset;
            found(next, offset);
        });
        assert_eq!(way.offset(), before + read as u64);
        match met {
            None => assert_eq!(read, piece.len(), "input left without an error"),
            Some(met) => assert!(error.is_none_or(|first| first == met), "another error: {met:?}"),
        }
        assert!(error.is_none() || (met == error && read == 0), "an error is forgotten");
        error = met;
    }
    (way.finish(), error, way.offset())
}

fn reading(way: impl Way<Found = Event>, pieces: &[&[u8]]) -> Reading {
    let mut collector = Collector::default();
    let (finish, error, consumed) =
        read_all(way, pieces, |event, offset| collector.push(event, offset));
    let events = collector.events;
    let closed = events
        .iter()
        .any(|event| matches!(event, Event::Header { header, .. } if header.kind == b'f'));
    Reading { events, end: end(finish, error, consumed, closed), consumed }
}

fn assembly(way: impl Way<Found = Item>, pieces: &[&[u8]]) -> Assembly {
    let mut items = Vec::new();
    let (finish, error, consumed) =
        read_all(way, pieces, |item, offset| items.push(item.at(offset)));
    let closed = items
        .iter()
        .any(|item| matches!(item, Item::Message { header, .. } if header.kind == b'f'));
    Assembly { items, end: end(finish, error, consumed, closed), consumed }
}

/// Joins the payload of each message, and checks that what each piece says of the rest
/// is true.
#[derive(Default)]
struct Collector {
    events: Vec<Event>,
    /// What is still to come of the current payload.
    left: Option<u32>,
}

impl Collector {
    fn push(&mut self, mut event: Event, offset: u64) {
        match &mut event {
            Event::Payload { data, missing, end } => {
                let left = self.left.expect("payload belongs to a message");
                assert_eq!(data.len() as u64 + u64::from(*missing), u64::from(left));
                assert!(!data.is_empty() || left == 0, "a payload event that brings nothing");
                *end = offset;
                self.left = (*missing > 0).then_some(*missing);
                if let Some(Event::Payload { data: first, missing: m, end: e }) =
                    self.events.last_mut()
                {
                    first.append(data);
                    (*m, *e) = (*missing, offset);
                    return;
                }
            }
            Event::Version { end, .. } => *end = offset,
            Event::NameTooLong { end, .. } => {
                assert_eq!(self.left, None, "payload is missing");
                *end = offset;
            }
            Event::Header { header, end } => {
                assert_eq!(self.left, None, "payload is missing");
                self.left = header.size;
                header.start = offset - header.start;
                *end = offset;
            }
        }
        self.events.push(event);
    }
}

fn end(
    finish: Result<(), gotalk::Error>,
    error: Option<gotalk::Error>,
    consumed: u64,
    closed: bool,
) -> End {
    let Err(last) = finish else {
        assert_eq!(error, None, "finish forgets the error");
        return if closed { End::Closed } else { End::Clean };
    };
    if let ErrorKind::UnexpectedEnd { missing } = last.kind {
        assert_eq!(error, None, "finish forgets the error");
        assert_eq!(last.offset, consumed);
        return End::Truncated { missing };
    }
    assert_eq!(error, Some(last), "finish gives the error that was given");
    assert_eq!(last.offset, consumed);
    let wrong = match last.kind {
        ErrorKind::UnsupportedVersion(version) => Wrong::Version(version),
        ErrorKind::UnknownType(byte) => Wrong::Type(byte),
        ErrorKind::InvalidDigit { byte, field } => {
            Wrong::Digit { byte, field: convert_field(field) }
        }
        other => panic!("an error that the oracle does not know: {other:?}"),
    };
    End::Bad { offset: last.offset, wrong }
}

fn convert_field(field: gotalk::Field) -> Field {
    match field {
        gotalk::Field::Version => Field::Version,
        gotalk::Field::NameLength => Field::NameLength,
        gotalk::Field::Wait => Field::Wait,
        gotalk::Field::Load => Field::Load,
        gotalk::Field::Time => Field::Time,
        gotalk::Field::Code => Field::Code,
        gotalk::Field::PayloadSize => Field::PayloadSize,
        other => panic!("a field that the oracle does not know: {other:?}"),
    }
}

/// The event in the oracle's form, but for the offsets: they are not known yet.
fn convert(event: gotalk::Event<'_>) -> Event {
    match event {
        gotalk::Event::Version(value) => Event::Version { value, end: 0 },
        gotalk::Event::Frame(frame) => Event::Header { header: convert_frame(&frame), end: 0 },
        gotalk::Event::NameTooLong { message_type, id, name_len } => Event::NameTooLong {
            kind: message_type.as_byte(),
            id: id.map(|id| *id.as_bytes()),
            name_len,
            end: 0,
        },
        gotalk::Event::Payload { data, remaining } => {
            Event::Payload { data: data.to_vec(), missing: remaining, end: 0 }
        }
    }
}

/// The header with its length where its start will stand.
pub fn convert_frame(frame: &gotalk::Frame<'_>) -> Header {
    use gotalk::Frame;
    let mut header = Header {
        start: frame.header_len() as u64,
        kind: frame.message_type().as_byte(),
        id: frame.id().map(|id| *id.as_bytes()),
        name: frame.name().map(|name| name.as_bytes().to_vec()),
        size: frame.payload_len(),
        ..Header::default()
    };
    match *frame {
        Frame::RetryResult { wait_ms, .. } => header.wait = Some(wait_ms),
        Frame::Heartbeat { load, time } => {
            (header.load, header.time) = (Some(load.into()), Some(time));
        }
        Frame::ProtocolError { code } => header.code = Some(code.into()),
        Frame::SingleRequest { .. }
        | Frame::StreamRequest { .. }
        | Frame::StreamRequestPart { .. }
        | Frame::SingleResult { .. }
        | Frame::StreamResult { .. }
        | Frame::ErrorResult { .. }
        | Frame::Notification { .. } => {}
    }
    header
}

fn convert_item(item: gotalk::Item<'_>) -> Item {
    match item {
        gotalk::Item::Version(value) => Item::Version { value, end: 0 },
        gotalk::Item::Message(message) => Item::Message {
            header: convert_frame(&message.frame),
            payload: message.payload.to_vec(),
            end: 0,
        },
        gotalk::Item::NameTooLong { message_type, id, name_len } => Item::NameTooLong {
            kind: message_type.as_byte(),
            id: id.map(|id| *id.as_bytes()),
            name_len,
            end: 0,
        },
        gotalk::Item::PayloadTooLong(frame) => {
            Item::PayloadTooLong { header: convert_frame(&frame), end: 0 }
        }
    }
}

impl Item {
    /// The same with its offsets.
    fn at(mut self, offset: u64) -> Self {
        match &mut self {
            Self::Version { end, .. } | Self::NameTooLong { end, .. } => *end = offset,
            Self::PayloadTooLong { header, end } => {
                header.start = offset - header.start;
                *end = offset;
            }
            Self::Message { header, payload, end } => {
                header.start = offset - payload.len() as u64 - header.start;
                *end = offset;
            }
        }
        self
    }
}

/// The crate's form of a header: the other way round, for the writer.
pub fn frame(header: &Header) -> gotalk::Frame<'_> {
    use gotalk::{Frame, Name, RequestId};
    let id = RequestId::new(header.id.unwrap_or_default());
    let name = Name::from(header.name.as_deref().unwrap_or_default());
    let payload_len = header.size.unwrap_or_default();
    match header.kind {
        b'r' => Frame::SingleRequest { id, op: name, payload_len },
        b's' => Frame::StreamRequest { id, op: name, payload_len },
        b'p' => Frame::StreamRequestPart { id, payload_len },
        b'R' => Frame::SingleResult { id, payload_len },
        b'S' => Frame::StreamResult { id, payload_len },
        b'E' => Frame::ErrorResult { id, payload_len },
        b'e' => Frame::RetryResult { id, wait_ms: header.wait.unwrap(), payload_len },
        b'n' => Frame::Notification { name, payload_len },
        b'h' => Frame::Heartbeat { load: header.load.unwrap() as u16, time: header.time.unwrap() },
        b'f' => Frame::ProtocolError { code: header.code.unwrap().into() },
        other => panic!("no message starts with {other:#04x}"),
    }
}

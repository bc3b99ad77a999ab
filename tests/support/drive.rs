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

/// The same for the assembler's two ways.
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
    same("next_message", by_next_message::<P, N>(pieces, handshake));
    same("Assembler::feed", by_assembler_feed::<P, N>(pieces, handshake));
}

pub fn by_feed<const N: usize>(pieces: &[&[u8]], handshake: bool) -> Reading {
    let mut parser = parser::<N>(handshake);
    let mut collector = Collector::default();
    let mut error = None;
    for piece in pieces {
        let before = parser.offset();
        let mut events = parser.feed(piece);
        loop {
            let event = match events.next() {
                None => break,
                Some(Ok(event)) => convert(event),
                Some(Err(e)) => {
                    assert!(error.is_none_or(|first| first == e), "another error: {e:?}");
                    error = Some(e);
                    assert!(events.next().is_none(), "an iterator ends with the error");
                    assert!(events.next().is_none());
                    break;
                }
            };
            assert!(error.is_none(), "an event after an error");
            collector.push(event, events.offset());
        }
        let rest = events.remaining();
        assert!(piece.ends_with(rest));
        assert_eq!(events.offset(), before + (piece.len() - rest.len()) as u64);
        assert!(rest.is_empty() || error.is_some(), "input left without an error");
        let consumed = events.offset();
        assert_eq!(parser.offset(), consumed);
    }
    collector.reading(parser.finish(), error, parser.offset())
}

pub fn by_next_event<const N: usize>(pieces: &[&[u8]], handshake: bool) -> Reading {
    let mut parser = parser::<N>(handshake);
    let mut collector = Collector::default();
    let mut error = None;
    for piece in pieces {
        let before = parser.offset();
        let mut input = *piece;
        loop {
            let event = match parser.next_event(&mut input) {
                Ok(Some(event)) => convert(event),
                Ok(None) => {
                    assert!(input.is_empty(), "input left without an event");
                    break;
                }
                Err(e) => {
                    assert!(error.is_none_or(|first| first == e), "another error: {e:?}");
                    error = Some(e);
                    let rest = input;
                    assert_eq!(parser.next_event(&mut input), Err(e));
                    assert_eq!(input, rest, "an error consumes nothing");
                    break;
                }
            };
            assert!(error.is_none(), "an event after an error");
            collector.push(event, parser.offset());
            assert_eq!(parser.offset(), before + (piece.len() - input.len()) as u64);
        }
        assert_eq!(parser.offset(), before + (piece.len() - input.len()) as u64);
    }
    collector.reading(parser.finish(), error, parser.offset())
}

pub fn by_step<const N: usize>(pieces: &[&[u8]], handshake: bool) -> Reading {
    let mut parser = parser::<N>(handshake);
    let mut collector = Collector::default();
    let mut error = None;
    for piece in pieces {
        let mut input = *piece;
        loop {
            let before = parser.offset();
            match parser.step(input) {
                Ok((consumed, step)) => {
                    assert!(error.is_none(), "a step after an error");
                    assert_eq!(parser.offset(), before + consumed as u64);
                    if let Some(step) = step {
                        let event = convert(parser.event(input, step));
                        collector.push(event, parser.offset());
                    }
                    input = &input[consumed..];
                    if step.is_none() {
                        assert!(input.is_empty(), "input left without an event");
                        break;
                    }
                }
                Err(e) => {
                    assert!(error.is_none_or(|first| first == e), "another error: {e:?}");
                    assert!(error.is_none() || parser.offset() == before);
                    error = Some(e);
                    break;
                }
            }
        }
    }
    collector.reading(parser.finish(), error, parser.offset())
}

pub fn by_next_message<const P: usize, const N: usize>(
    pieces: &[&[u8]],
    handshake: bool,
) -> Assembly {
    let mut assembler = assembler::<P, N>(handshake);
    let mut items = Vec::new();
    let mut error = None;
    for piece in pieces {
        let before = assembler.offset();
        let mut input = *piece;
        loop {
            let item = match assembler.next_message(&mut input) {
                Ok(Some(item)) => convert_item(item),
                Ok(None) => {
                    assert!(input.is_empty(), "input left without a message");
                    break;
                }
                Err(e) => {
                    assert!(error.is_none_or(|first| first == e), "another error: {e:?}");
                    error = Some(e);
                    let rest = input;
                    assert_eq!(assembler.next_message(&mut input), Err(e));
                    assert_eq!(input, rest, "an error consumes nothing");
                    break;
                }
            };
            assert!(error.is_none(), "a message after an error");
            items.push(item.at(assembler.offset()));
            assert_eq!(assembler.offset(), before + (piece.len() - input.len()) as u64);
        }
        assert_eq!(assembler.offset(), before + (piece.len() - input.len()) as u64);
    }
    assembly(items, assembler.finish(), error, assembler.offset())
}

pub fn by_assembler_feed<const P: usize, const N: usize>(
    pieces: &[&[u8]],
    handshake: bool,
) -> Assembly {
    let mut assembler = assembler::<P, N>(handshake);
    let mut items = Vec::new();
    let mut error = None;
    for piece in pieces {
        let before = assembler.offset();
        let mut messages = assembler.feed(piece);
        loop {
            let item = match messages.next() {
                None => break,
                Some(Ok(item)) => convert_item(item),
                Some(Err(e)) => {
                    assert!(error.is_none_or(|first| first == e), "another error: {e:?}");
                    error = Some(e);
                    assert!(messages.next().is_none(), "an iterator ends with the error");
                    assert!(messages.next().is_none());
                    break;
                }
            };
            assert!(error.is_none(), "a message after an error");
            items.push(item.at(messages.offset()));
        }
        let rest = messages.remaining();
        assert!(piece.ends_with(rest));
        assert_eq!(messages.offset(), before + (piece.len() - rest.len()) as u64);
        assert!(rest.is_empty() || error.is_some(), "input left without an error");
        let consumed = messages.offset();
        assert_eq!(assembler.offset(), consumed);
    }
    assembly(items, assembler.finish(), error, assembler.offset())
}

fn parser<const N: usize>(handshake: bool) -> Parser<N> {
    let parser = Parser::with_name_capacity();
    if handshake { parser } else { parser.without_handshake() }
}

fn assembler<const P: usize, const N: usize>(handshake: bool) -> Assembler<P, N> {
    let assembler = Assembler::with_name_capacity();
    if handshake { assembler } else { assembler.without_handshake() }
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

    fn reading(
        self,
        finish: Result<(), gotalk::Error>,
        error: Option<gotalk::Error>,
        consumed: u64,
    ) -> Reading {
        let closed = self
            .events
            .iter()
            .any(|event| matches!(event, Event::Header { header, .. } if header.kind == b'f'));
        Reading { events: self.events, end: end(finish, error, consumed, closed), consumed }
    }
}

fn assembly(
    items: Vec<Item>,
    finish: Result<(), gotalk::Error>,
    error: Option<gotalk::Error>,
    consumed: u64,
) -> Assembly {
    let closed = items
        .iter()
        .any(|item| matches!(item, Item::Message { header, .. } if header.kind == b'f'));
    Assembly { items, end: end(finish, error, consumed, closed), consumed }
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
        gotalk::Event::NameTooLong { message, id, name_len } => Event::NameTooLong {
            kind: message.as_byte(),
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
        gotalk::Item::TooLong { message, id, name_len, payload_len } => Item::TooLong {
            kind: message.as_byte(),
            id: id.map(|id| *id.as_bytes()),
            name_len,
            payload_len,
            end: 0,
        },
    }
}

impl Item {
    /// The same with its offsets.
    fn at(mut self, offset: u64) -> Self {
        match &mut self {
            Self::Version { end, .. } | Self::TooLong { end, .. } => *end = offset,
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

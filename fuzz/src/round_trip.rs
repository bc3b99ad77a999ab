//! Arbitrary messages, written in every way that there is and read back: the bytes
//! are those of the grammar (the oracle's `write`), a header alone is the start of
//! them, a buffer of any size too small is left as it was, and what was written is
//! read as what was meant. A payload written in place comes to the same; a send buffer
//! gives each byte once and in order, whatever the transport takes; and what was written
//! is cut into the WebSocket messages that gotalk.js wants.
//!
//! Input: the length of the pieces in which the bytes are read back, and in which payloads
//! are written in place (0: whole); a number of four bytes, which headers written alone
//! announce as their payload's size, and which says how much a transport takes at a time;
//! then messages, as [`Source::message`] reads them, until the input is used up.

use gotalk::{ErrorKind, Event, Frame, Message, Parser, SendBuffer, WriteError, Writer, websocket};

use super::support::drive;
use super::support::oracle::{self, End, Header, Reading};

/// Enough to see everything, and little enough for thousands of inputs a second.
const MOST_MESSAGES: usize = 16;

/// Lengths of names that a byte cannot say.
const LONG_NAMES: [usize; 8] = [255, 256, 257, 1000, 4094, 4095, 4096, 70_000];

/// Takes an input apart; it gives zeros when it is used up.
pub struct Source<'a>(pub &'a [u8]);

impl Source<'_> {
    fn byte(&mut self) -> u8 {
        let (byte, rest) = super::first(self.0);
        self.0 = rest;
        byte
    }

    fn number(&mut self) -> u32 {
        u32::from_be_bytes([self.byte(), self.byte(), self.byte(), self.byte()])
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.byte()).collect()
    }

    /// A type (its letter, or any other byte for one of the ten); then, as far as the
    /// type has it: an id of four bytes; a name behind its length, one byte, or one from
    /// 0xf8 on for a long name of one byte repeated; wait, or load and time, or code,
    /// four bytes each; a payload behind its length, one byte.
    pub fn message(&mut self) -> (Header, Vec<u8>) {
        let kinds = b"rspRSEenhf";
        let kind = match self.byte() {
            kind if kinds.contains(&kind) => kind,
            other => kinds[usize::from(other) % kinds.len()],
        };
        let mut header = Header { kind, ..Header::default() };
        if !b"nhf".contains(&kind) {
            header.id = self.bytes(4).try_into().ok();
        }
        if b"rsn".contains(&kind) {
            let len = self.byte();
            header.name = Some(match LONG_NAMES.get(usize::from(len.wrapping_sub(0xf8))) {
                Some(len) => vec![self.byte(); *len],
                None => self.bytes(len.into()),
            });
        }
        match kind {
            b'e' => header.wait = Some(self.number()),
            b'h' => {
                (header.load, header.time) = (Some(self.number() & 0xffff), Some(self.number()))
            }
            b'f' => header.code = Some(self.number()),
            _ => {}
        }
        let mut payload = Vec::new();
        if !b"hf".contains(&kind) {
            let len = self.byte().into();
            payload = self.bytes(len);
            header.size = Some(len as u32);
        }
        (header, payload)
    }
}

/// The input's pieces, announced size and messages.
pub fn messages(data: &[u8]) -> (u8, u32, Vec<(Header, Vec<u8>)>) {
    let mut source = Source(data);
    let (piece, announced) = (source.byte(), source.number());
    let mut messages = Vec::new();
    while !source.0.is_empty() && messages.len() < MOST_MESSAGES {
        messages.push(source.message());
    }
    (piece, announced, messages)
}

pub fn run(data: &[u8]) {
    let (piece, announced, messages) = messages(data);
    small_buffers(b"01", |writer| writer.version());
    for (header, payload) in &messages {
        alone(header, announced);
        every_way(header, payload);
        in_place(header, payload, piece.into());
        #[cfg(feature = "heapless")]
        owned::check(header, payload);
    }
    conversation(&messages, piece.into());
    sent(&messages, piece.into(), announced);
}

/// What the writer must say to a message, were there room: `by_name` is for the methods
/// that name a message.
fn refusal(header: &Header, payload: &[u8], by_name: bool) -> Option<WriteError> {
    let name = header.name.as_ref().map(Vec::len);
    match (header.kind, name) {
        (_, Some(0)) if by_name => Some(WriteError::EmptyName),
        (_, Some(len)) if len > 4095 => Some(WriteError::NameTooLong { len }),
        (b'p' | b'S', _) if by_name && payload.is_empty() => Some(WriteError::EmptyPart),
        _ => None,
    }
}

/// Writes by the method that names the message.
fn by_name(writer: &mut Writer<'_>, frame: &Frame<'_>, payload: &[u8]) -> Result<(), WriteError> {
    match *frame {
        Frame::SingleRequest { id, op, .. } => writer.single_request(id, op, payload),
        Frame::StreamRequest { id, op, .. } => writer.stream_request(id, op, payload),
        Frame::StreamRequestPart { id, .. } => writer.stream_request_part(id, payload),
        Frame::SingleResult { id, .. } => writer.single_result(id, payload),
        Frame::StreamResult { id, .. } => writer.stream_result(id, payload),
        Frame::ErrorResult { id, .. } => writer.error_result(id, payload),
        Frame::RetryResult { id, wait_ms, .. } => writer.retry_result(id, wait_ms, payload),
        Frame::Notification { name, .. } => writer.notification(name, payload),
        Frame::Heartbeat { load, time } => writer.heartbeat(load, time),
        Frame::ProtocolError { code } => writer.protocol_error(code),
    }
}

/// The wire form of a message, by the oracle.
fn wire(header: &Header, payload: &[u8]) -> Vec<u8> {
    [oracle::write(header).as_slice(), payload].concat()
}

/// Each way of writing a message gives the same bytes, or the refusal that is due.
fn every_way(header: &Header, payload: &[u8]) {
    let frame = drive::frame(header);
    let mut room = [0; 4096];
    if let Some(error) = refusal(header, payload, true) {
        let mut writer = Writer::new(&mut room);
        assert_eq!(by_name(&mut writer, &frame, payload), Err(error));
        assert_eq!(writer.as_bytes(), b"");
    } else {
        small_buffers(&wire(header, payload), |writer| by_name(writer, &frame, payload));
    }
    if let Some(error) = refusal(header, payload, false) {
        let mut writer = Writer::new(&mut room);
        assert_eq!(writer.message(Message { frame, payload }), Err(error));
        assert_eq!(writer.frame(&frame), Err(error));
        assert_eq!(writer.as_bytes(), b"");
        return;
    }
    small_buffers(&wire(header, payload), |writer| writer.message(Message { frame, payload }));
    match header.kind {
        b'p' if payload.is_empty() => small_buffers(&wire(header, payload), |writer| {
            writer.stream_request_end(header.id.unwrap().into())
        }),
        b'S' if payload.is_empty() => small_buffers(&wire(header, payload), |writer| {
            writer.stream_result_end(header.id.unwrap().into())
        }),
        _ => {}
    }

    let longer = [payload, b"!"].concat();
    let announced = payload.len() as u32;
    let mut writer = Writer::new(&mut room);
    let mismatch = WriteError::PayloadMismatch { announced, given: longer.len() };
    assert_eq!(writer.message(Message { frame, payload: &longer }), Err(mismatch));
    assert_eq!(writer.as_bytes(), b"");
}

/// Writes a message behind a version into buffers of every size: too small, nothing is
/// written and the error is exact; just large enough, it is `want`.
fn small_buffers(want: &[u8], write: impl Fn(&mut Writer<'_>) -> Result<(), WriteError>) {
    const UNTOUCHED: u8 = 0xee;
    let needed = want.len();
    let mut buffer = vec![UNTOUCHED; 2 + needed];
    for available in 0..needed {
        let mut writer = Writer::new(&mut buffer[..2 + available]);
        assert_eq!(writer.version(), Ok(()));
        assert_eq!(write(&mut writer), Err(WriteError::BufferTooSmall { needed, available }));
        assert_eq!((writer.as_bytes(), writer.len()), (b"01".as_slice(), 2));
    }
    assert!(buffer[2..].iter().all(|byte| *byte == UNTOUCHED), "a refused message was written");

    let mut writer = Writer::new(&mut buffer);
    assert_eq!((writer.version(), write(&mut writer)), (Ok(()), Ok(())));
    assert_eq!((writer.len(), writer.capacity()), (2 + needed, 2 + needed));
    assert_eq!(&writer.as_bytes()[2..], want);
    writer.clear();
    assert!(writer.is_empty());
}

/// The header alone, which announces a payload of any size.
fn alone(header: &Header, announced: u32) {
    let header = Header { size: header.size.map(|_| announced), ..header.clone() };
    let frame = drive::frame(&header);
    if refusal(&header, &[], false).is_some() {
        return;
    }
    let want = oracle::write(&header);
    assert_eq!(frame.header_len(), want.len());
    small_buffers(&want, |writer| writer.frame(&frame));

    let mut parser = Parser::<4095>::new().without_handshake();
    let mut input = want.as_slice();
    assert_eq!(parser.next_event(&mut input), Ok(Some(Event::Frame(frame))));
    assert!(input.is_empty());
    match (parser.finish(), header.size) {
        (Ok(()), None) => {}
        (Err(error), Some(size)) => {
            assert_eq!(error.kind, ErrorKind::UnexpectedEnd { missing: size });
        }
        (end, _) => panic!("{end:?} after the header {frame:?}"),
    }
}

/// A payload written in place, in pieces: into a buffer of every size, the same bytes or the
/// error that is due, and what was there before stays.
fn in_place(header: &Header, payload: &[u8], piece: usize) {
    // What the frame says of the size is ignored.
    let wrong = Header { size: header.size.map(|size| !size), ..header.clone() };
    let frame = drive::frame(&wrong);
    let want = wire(header, payload);
    let due = refusal(header, payload, true);
    let needed = want.len();
    let mut buffer = vec![0; 2 + needed];
    for available in 0..=needed {
        let mut writer = Writer::new(&mut buffer[..2 + available]);
        assert_eq!(writer.version(), Ok(()));
        let mut place = match writer.begin(&frame) {
            Ok(place) => place,
            Err(error) => {
                assert!(matches!(error, WriteError::EmptyName | WriteError::NameTooLong { .. }));
                assert_eq!((Some(error), writer.as_bytes()), (due, b"01".as_slice()));
                return;
            }
        };
        for chunk in payload.chunks(if piece == 0 { 300 } else { piece }) {
            let room = place.room();
            if chunk.len() % 2 == 0 && chunk.len() <= room.len() {
                room[..chunk.len()].copy_from_slice(chunk);
                place.advance(chunk.len());
            } else {
                place.write(chunk);
            }
        }
        assert_eq!(place.len(), payload.len());
        let result = place.commit();
        let too_small = WriteError::BufferTooSmall { needed, available };
        match due.or((available < needed).then_some(too_small)) {
            Some(error) => {
                assert_eq!((result, writer.as_bytes()), (Err(error), b"01".as_slice()));
                assert_eq!((writer.available(), writer.is_closed()), (available, false));
            }
            None => {
                assert_eq!(result, Ok(()));
                assert_eq!(writer.is_closed(), header.kind == b'f');
                assert_eq!(writer.into_bytes(), [b"01", want.as_slice()].concat());
            }
        }
    }
    if header.size.is_none() {
        let mut writer = Writer::new(&mut buffer);
        let mut place = writer.begin(&frame).unwrap();
        place.write(b"!");
        let mismatch = WriteError::PayloadMismatch { announced: 0, given: 1 };
        assert_eq!((place.commit(), writer.as_bytes()), (Err(mismatch), b"".as_slice()));
    }
}

/// All messages through a send buffer whose transport takes some bytes now and some later,
/// with a vector as its model.
fn sent(messages: &[(Header, Vec<u8>)], piece: usize, takes: u32) {
    const N: usize = 300;
    let mut buffer = SendBuffer::<N>::new();
    let (mut written, mut taken) = (Vec::new(), Vec::new());
    let mut closed = false;
    for (turn, (header, payload)) in messages.iter().enumerate() {
        let frame = drive::frame(header);
        let wire = wire(header, payload);
        let (needed, available) = (wire.len(), N - (written.len() - taken.len()));
        let by_place = turn % 2 == 1 && refusal(header, payload, true).is_none();
        let result = buffer.write(|writer| {
            assert_eq!((writer.available(), writer.is_closed()), (available, closed));
            if !by_place {
                return writer.message(Message { frame, payload });
            }
            let mut place = writer.begin(&frame)?;
            payload.chunks(piece.max(1)).for_each(|chunk| place.write(chunk));
            place.commit()
        });
        let too_small = WriteError::BufferTooSmall { needed, available };
        let due = refusal(header, payload, false)
            .or(closed.then_some(WriteError::Closed))
            .or((needed > available).then_some(too_small));
        assert_eq!(result, due.map_or(Ok(()), Err));
        if due.is_none() {
            written.extend(wire);
            closed |= header.kind == b'f';
        }
        // Now and then nothing, or more than there is.
        let len = takes.rotate_left(7 * turn as u32) as usize & 0x1ff;
        let unsent = buffer.unsent();
        assert_eq!(unsent, &written[taken.len()..]);
        taken.extend_from_slice(&unsent[..len.min(unsent.len())]);
        buffer.sent(len);
        assert_eq!(buffer.unsent(), &written[taken.len()..]);
        assert_eq!(buffer.is_empty(), taken.len() == written.len());
        assert_eq!(buffer.is_closed(), closed);
    }
    buffer.reset();
    assert!(buffer.is_empty() && !buffer.is_closed());
}

/// All messages in one buffer, read back in pieces in every way. Nothing is written
/// after a protocol error.
fn conversation(messages: &[(Header, Vec<u8>)], piece: usize) {
    let room: usize = messages.iter().map(|(header, payload)| wire(header, payload).len()).sum();
    let mut buffer = vec![0; 2 + room];
    let mut writer = Writer::new(&mut buffer);
    assert_eq!(writer.version(), Ok(()));
    let mut events = vec![oracle::Event::Version { value: 1, end: 2 }];
    let mut end = End::Clean;
    let mut over_websocket = vec![b"01".to_vec()];
    for (header, payload) in messages {
        let start = writer.len() as u64;
        let result = writer.message(Message { frame: drive::frame(header), payload });
        let want = refusal(header, payload, false)
            .or((end == End::Closed).then_some(WriteError::Closed))
            .map_or(Ok(()), Err);
        assert_eq!(result, want);
        if result.is_err() {
            assert_eq!(writer.len() as u64, start);
            continue;
        }
        let header = Header { start, ..header.clone() };
        over_websocket.push(oracle::write(&header));
        over_websocket.extend((!payload.is_empty()).then(|| payload.clone()));
        let at = start + oracle::write(&header).len() as u64;
        let size = header.size;
        if header.kind == b'f' {
            end = End::Closed;
        }
        events.push(oracle::Event::Header { header, end: at });
        if size.is_some() {
            let (data, end) = (payload.clone(), writer.len() as u64);
            events.push(oracle::Event::Payload { data, missing: 0, end });
        }
    }
    let written = writer.as_bytes();
    let want = Reading { events, end, consumed: written.len() as u64 };
    let pieces = drive::chunks(written, if piece == 0 { written.len() } else { piece });
    drive::check::<255, 4095>(&pieces, true, &want);
    assert!(websocket::messages(written).eq(&over_websocket));
    // Nothing is lost of what no writer has written, either.
    for from in 1..written.len().min(40) {
        let joined: Vec<u8> = websocket::messages(&written[from..]).flatten().copied().collect();
        assert_eq!(joined, &written[from..]);
    }

    writer.clear();
    let result = writer.version();
    assert_eq!(result, if end == End::Closed { Err(WriteError::Closed) } else { Ok(()) });
}

/// Messages that own their bytes, and a vector as the writer's buffer.
#[cfg(feature = "heapless")]
mod owned {
    use super::{Header, drive, refusal, wire};
    use gotalk::{Message, OwnedError, OwnedMessage, WriteError, Writer};
    use heapless::Vec;

    pub fn check(header: &Header, payload: &[u8]) {
        let frame = drive::frame(header);
        let message = Message { frame, payload };
        let name_len = frame.name().map_or(0, |name| name.len());
        match OwnedMessage::<32, 8>::try_from(message) {
            Ok(owned) => {
                assert!(name_len <= 8 && payload.len() <= 32);
                assert_eq!(owned.as_message(), message);
            }
            Err(OwnedError::NameTooLong { len }) => assert!(len == name_len && len > 8),
            Err(OwnedError::PayloadTooLong { len }) => {
                assert!(name_len <= 8 && len == payload.len() && len > 32);
            }
            Err(other) => panic!("{other:?}"),
        }

        let mut vec = Vec::<u8, 64>::from_slice(b"before").unwrap();
        let result = Writer::append_to_heapless(&mut vec, |writer| writer.message(message));
        if let Some(error) = refusal(header, payload, false) {
            assert_eq!((result, vec.as_slice()), (Err(error), b"before".as_slice()));
            return;
        }
        let (wire, available) = (wire(header, payload), 64 - 6);
        if wire.len() <= available {
            assert_eq!(result, Ok(()));
            assert_eq!(vec, [b"before", wire.as_slice()].concat().as_slice());
        } else {
            assert_eq!(result, Err(WriteError::BufferTooSmall { needed: wire.len(), available }));
            assert_eq!(vec, b"before");
        }
    }
}

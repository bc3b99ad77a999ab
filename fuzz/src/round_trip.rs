//! Arbitrary messages, written in every way that there is and read back: the bytes
//! are those of the grammar (the oracle's `write`), a header alone is the start of
//! them, a buffer of any size too small is left as it was, and what was written is
//! read as what was meant.
//!
//! Input: the length of the pieces in which the bytes are read back (0: whole); a
//! number of four bytes, which headers written alone announce as their payload's size;
//! then messages, as [`Source::message`] reads them, until the input is used up.

use gotalk::{ErrorKind, Event, Frame, Message, Parser, WriteError, Writer};

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
        #[cfg(feature = "heapless")]
        owned::check(header, payload);
    }
    conversation(&messages, piece.into());
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

/// All messages in one buffer, read back in pieces in every way. Nothing is written
/// after a protocol error.
fn conversation(messages: &[(Header, Vec<u8>)], piece: usize) {
    let room: usize = messages.iter().map(|(header, payload)| wire(header, payload).len()).sum();
    let mut buffer = vec![0; 2 + room];
    let mut writer = Writer::new(&mut buffer);
    assert_eq!(writer.version(), Ok(()));
    let mut events = vec![oracle::Event::Version { value: 1, end: 2 }];
    let mut end = End::Clean;
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

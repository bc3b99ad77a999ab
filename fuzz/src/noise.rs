//! The parser on noise after a valid start. No second decoder is asked: whatever the
//! bytes are, the events must account for every one of them, an error must stand at a
//! byte that is wrong, and what is said to be missing must be just what is missing.
//!
//! Input: the start, an index into [`STARTS`]; the style (see [`Style`]); then the
//! noise. Byte by byte, in pieces, leaving a loop early and skipping payload are all
//! in the style, since noise gets far more often if it need not invent them.

use gotalk::{Error, ErrorKind, Event, Frame, Parser, Writer};

use super::{NAME_CAPACITIES, Options, first};

/// What stands before the noise: one place in the grammar each.
pub const STARTS: [&[u8]; 20] = [
    b"01",
    b"",
    b"01r",
    b"01r0001",
    b"01r0001004echo",
    b"01r0001004echo00000019{\"message\":\"Hello World\"}",
    b"01s0001004echo0000000b{\"mes",
    b"01s00010000",
    b"01p0001",
    b"01p00010000000e\"Hello",
    b"01p000100000000",
    b"01R0001000",
    b"01S0001000000",
    b"01E000100000002no",
    b"01e00010000138800000014\"request",
    b"01e0001",
    b"01n00cchat mess",
    b"01nfff",
    b"01h0002",
    b"01f00000001",
];

/// Bits 0 to 2 of the second byte are the [`Options`].
pub struct Style {
    pub options: Options,
    /// Bit 3: `feed`, and a new loop for each event; otherwise `step`.
    pub leaving_early: bool,
    /// Bit 4: payload is skipped.
    pub skipping: bool,
    /// Bits 5 to 7: the length of a piece; 0: whole.
    pub piece: usize,
}

/// The stream that an input stands for, and the style.
pub fn stream(data: &[u8]) -> (Style, Vec<u8>) {
    let (start, data) = first(data);
    let (style, noise) = first(data);
    let style = Style {
        options: Options::new(style),
        leaving_early: style & 8 != 0,
        skipping: style & 16 != 0,
        piece: usize::from(style >> 5),
    };
    let start = STARTS[usize::from(start) % STARTS.len()];
    let start = if style.options.handshake { start } else { start.get(2..).unwrap_or_default() };
    (style, [start, noise].concat())
}

pub fn run(data: &[u8]) {
    let (style, stream) = stream(data);
    match style.options.capacities {
        0 => check::<{ NAME_CAPACITIES[0] }>(&style, &stream),
        1 => check::<{ NAME_CAPACITIES[1] }>(&style, &stream),
        2 => check::<{ NAME_CAPACITIES[2] }>(&style, &stream),
        _ => check::<{ NAME_CAPACITIES[3] }>(&style, &stream),
    }
}

fn check<const N: usize>(style: &Style, stream: &[u8]) {
    let parser = Parser::<N>::new();
    let mut parser = if style.options.handshake { parser } else { parser.without_handshake() };
    let first = read(&mut parser, style, stream);
    parser.reset();
    assert_eq!(parser.offset(), 0);
    assert_eq!(read(&mut parser, style, stream), first, "a second time after a reset");
}

/// Reads the stream to its end or to an error, and gives the number of events and
/// what `finish` says.
fn read<const N: usize>(
    parser: &mut Parser<N>,
    style: &Style,
    stream: &[u8],
) -> (usize, Result<(), Error>) {
    let handshake = style.options.handshake;
    let mut ledger =
        Ledger { stream, handshake, capacity: N, at: 0, left: None, closed: false, events: 0 };
    let whole = stream.len().max(1);
    for piece in stream.chunks(if style.piece == 0 { whole } else { style.piece }) {
        let mut rest = piece;
        loop {
            let result = if style.leaving_early {
                by_feed(parser, style, &mut rest, &mut ledger)
            } else {
                by_step(parser, style, &mut rest, &mut ledger)
            };
            match result {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    ledger.error(error, parser.offset());
                    stays(parser, error);
                    return (ledger.events, Err(error));
                }
            }
        }
        assert!(rest.is_empty(), "bytes are left though no event is");
    }
    assert_eq!(parser.offset(), stream.len() as u64);
    let end = parser.finish();
    ledger.end(end, parser);
    (ledger.events, end)
}

/// One event through a loop that is left at once.
fn by_feed<const N: usize>(
    parser: &mut Parser<N>,
    style: &Style,
    rest: &mut &[u8],
    ledger: &mut Ledger<'_>,
) -> Result<bool, Error> {
    let mut events = parser.feed(rest);
    let offset = match events.next() {
        None => None,
        Some(event) => Some(ledger.event(&event?, style.skipping)),
    };
    if style.skipping {
        events.skip_payload();
    }
    *rest = events.remaining();
    if let Some(offset) = offset {
        assert_eq!(events.offset(), offset);
    }
    Ok(offset.is_some())
}

fn by_step<const N: usize>(
    parser: &mut Parser<N>,
    style: &Style,
    rest: &mut &[u8],
    ledger: &mut Ledger<'_>,
) -> Result<bool, Error> {
    let before = parser.offset();
    let (used, step) = parser.step(rest);
    assert_eq!(parser.offset(), before + used as u64);
    let input = *rest;
    *rest = &input[used..];
    let step = step?;
    let offset = step.map(|step| ledger.event(&parser.event(input, step), style.skipping));
    if style.skipping {
        parser.skip_payload();
    }
    if let Some(offset) = offset {
        assert_eq!(parser.offset(), offset);
    }
    Ok(step.is_some())
}

/// An error is final, whatever is done.
fn stays<const N: usize>(parser: &mut Parser<N>, error: Error) {
    assert_eq!(parser.finish(), Err(error));
    parser.skip_payload();
    let mut input = b"01h000000000000".as_slice();
    assert_eq!(parser.next_event(&mut input), Err(error));
    assert_eq!(input.len(), 15, "bytes are read after an error");
    assert_eq!(parser.step(b"0"), (0, Err(error)));
    let mut events = parser.feed(b"");
    assert_eq!(events.next(), Some(Err(error)));
    assert_eq!(events.next(), None, "an error comes once");
    assert_eq!(parser.offset(), error.offset);
    assert!(error.protocol_code().is_some());
    assert!(error.to_string().starts_with(&format!("at byte {}: ", error.offset)));
}

/// Follows the events through the stream.
struct Ledger<'a> {
    stream: &'a [u8],
    handshake: bool,
    /// The longest name.
    capacity: usize,
    /// Where the bytes of the next event start; `u64::MAX` when there can be none.
    at: u64,
    /// What is still to come of the payload at hand.
    left: Option<u32>,
    closed: bool,
    events: usize,
}

impl<'a> Ledger<'a> {
    /// Enters an event, and gives the offset that the parser must be at now.
    fn event(&mut self, event: &Event<'_>, skipping: bool) -> u64 {
        self.events += 1;
        assert!(self.events <= 2 * self.stream.len() + 2, "events without bytes");
        assert!(!self.closed, "an event after a protocol error");
        let start = self.at;
        match *event {
            Event::Version(version) => {
                assert_eq!((start, version), (0, 1));
                assert_eq!(self.bytes(0, 2), b"01");
                self.at = 2;
                self.at
            }
            Event::Frame(frame) => {
                assert_eq!(self.left, None, "payload is missing");
                self.header(&frame);
                let end = start + frame.header_len() as u64;
                self.at = end;
                match frame.payload_len() {
                    Some(size) if skipping => self.at += u64::from(size),
                    size => self.left = size,
                }
                self.closed = matches!(frame, Frame::ProtocolError { .. });
                end
            }
            Event::NameTooLong { message_type, id, name_len } => {
                assert_eq!(self.left, None, "payload is missing");
                assert!(usize::from(name_len) > self.capacity);
                let name = start + message_type.header_len(0) as u64 - 8;
                assert_eq!(self.bytes(start, 1), [message_type.as_byte()]);
                if let Some(id) = id {
                    assert_eq!(self.bytes(start + 1, 4), id.as_bytes());
                }
                assert_eq!(self.number(name - 3, 3), Some(name_len.into()));
                // It is skipped, and so is its payload if its size can be read.
                let size = name + u64::from(name_len);
                self.at = self.number(size, 8).map_or(u64::MAX, |len| size + 8 + u64::from(len));
                name
            }
            Event::Payload { data, remaining } => {
                let left = self.left.take().expect("payload belongs to a message");
                assert_eq!(data.len() as u64 + u64::from(remaining), left.into());
                assert_eq!(data.is_empty(), left == 0, "a payload event that brings nothing");
                let place = self.bytes(start, data.len());
                assert!(left == 0 || std::ptr::eq(data, place), "payload is not copied");
                self.left = (remaining > 0).then_some(remaining);
                self.at += data.len() as u64;
                self.at
            }
        }
    }

    /// The frame says what the bytes say: written again they are the same, but for the
    /// case of digits.
    fn header(&self, frame: &Frame<'_>) {
        let len = frame.header_len();
        let bytes = self.bytes(self.at, len);
        let mut again = vec![0; len];
        assert_eq!(Writer::new(&mut again).frame(frame), Ok(()));
        assert!(again.eq_ignore_ascii_case(bytes), "{frame:?} is not {}", bytes.escape_ascii());
        let mut at = self.at + 1;
        if let Some(id) = frame.id() {
            assert_eq!(self.bytes(at, 4), id.as_bytes());
            at += 4;
        }
        if let Some(name) = frame.name() {
            assert!(name.len() <= self.capacity);
            assert_eq!(self.bytes(at + 3, name.len()), name.as_bytes());
        }
        // Text for people must not fail, whatever the name is.
        assert!(!format!("{frame:?}").is_empty());
    }

    /// An error stands at a wrong byte, behind the last event.
    fn error(&self, error: Error, offset: u64) {
        assert_eq!(error.offset, offset);
        assert!(!self.closed, "an error after a protocol error");
        assert_eq!(self.left, None, "no byte of a payload is wrong");
        assert!(self.at <= offset || self.at == u64::MAX, "an error among bytes that were good");
        let wrong = *self.bytes(offset, 1).first().expect("a wrong byte");
        match error.kind {
            ErrorKind::UnsupportedVersion(version) => {
                assert_eq!((self.at, offset), (0, 1));
                assert_eq!(self.number(0, 2), Some(version.into()));
                assert_ne!(version, 1);
            }
            ErrorKind::UnknownType(byte) => {
                assert_eq!((self.at, byte), (offset, wrong));
                assert!(!b"rspRSEenhf".contains(&byte));
            }
            ErrorKind::InvalidDigit { byte, .. } => {
                assert_eq!(byte, wrong);
                assert!(!byte.is_ascii_hexdigit());
            }
            other => panic!("{other:?} before the end"),
        }
    }

    /// The end of the stream is clean only where a message ends, and what is missing is
    /// exact: zeros complete the message and nothing less does.
    fn end<const N: usize>(&self, end: Result<(), Error>, parser: &Parser<N>) {
        let len = self.stream.len() as u64;
        let Err(error) = end else {
            assert!(self.closed || self.left.is_none() && self.at == len);
            return;
        };
        let ErrorKind::UnexpectedEnd { missing } = error.kind else {
            panic!("{error:?} comes from finish alone");
        };
        assert_eq!(error.offset, len);
        assert_eq!(error.protocol_code(), None);
        assert!(!self.closed && missing > 0);
        if self.left.is_some() {
            assert_eq!(Some(missing), self.left);
        }
        let mut parser = parser.clone();
        let zeros = [b'0'; 5000];
        let input = match self.stream {
            b"" | b"0" if self.in_version() => &b"01"[self.stream.len()..],
            // No second digit makes a version of it that is supported.
            _ if self.in_version() => return,
            _ => &zeros[..zeros.len().min(missing as usize)],
        };
        let mut events = parser.feed(input);
        while let Some(event) = events.next() {
            assert!(event.is_ok(), "{event:?} where zeros must do");
        }
        match missing - input.len() as u32 {
            0 => assert_eq!(parser.finish(), Ok(())),
            missing => {
                let error = parser.finish().unwrap_err();
                assert_eq!(error.kind, ErrorKind::UnexpectedEnd { missing });
            }
        }
    }

    fn in_version(&self) -> bool {
        self.handshake && self.at == 0
    }

    fn bytes(&self, at: u64, len: usize) -> &'a [u8] {
        let rest = usize::try_from(at).ok().and_then(|at| self.stream.get(at..));
        rest.and_then(|rest| rest.get(..len)).expect("the bytes of an event are in the stream")
    }

    /// The number there, if all its digits are there and are digits.
    fn number(&self, at: u64, len: u64) -> Option<u32> {
        let digits = self.stream.get(at as usize..(at + len) as usize)?;
        digits
            .iter()
            .try_fold(0, |number, byte| Some(number * 16 + char::from(*byte).to_digit(16)?))
    }
}

//! Properties: the parser against the oracle under random splits, and what is written
//! is read back equal. `million.rs` does the first on many more inputs; here a failure
//! is shrunk to the smallest. `PROPTEST_CASES` sets how many cases each has.

mod support;

use gotalk::{Event, Frame, Parser, WriteError, Writer};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use support::oracle::{self, End, Header};
use support::{drive, generate};

/// A header and its payload, which is as long as the header says.
type Message = (Header, Vec<u8>);

/// Lengths on both sides of the capacities that are tried, most of them small.
fn name() -> impl Strategy<Value = Vec<u8>> {
    let edges = select(vec![0usize, 1, 4, 5, 63, 64, 65, 254, 255, 256, 4094, 4095]);
    prop_oneof![
        6 => vec(any::<u8>(), 0..20),
        2 => "[a-z_]{1,12}".prop_map(String::into_bytes),
        1 => (edges, any::<u8>()).prop_map(|(len, byte)| vec![byte; len]),
    ]
}

fn payload() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => vec(any::<u8>(), 0..40),
        1 => Just(Vec::new()),
        1 => Just(b"R000100000001xf00000002r0001004echo00000000".to_vec()),
        1 => vec(any::<u8>(), 60..70),
        1 => vec(any::<u8>(), 0..1500),
    ]
}

fn number() -> impl Strategy<Value = u32> {
    prop_oneof![any::<u32>(), select(vec![0, 1, 0xffff, 0x7fff_ffff, 0x8000_0000, u32::MAX])]
}

/// A message of one of these types.
fn message(kinds: &'static [u8]) -> impl Strategy<Value = Message> {
    (select(kinds), any::<[u8; 4]>(), name(), number(), number(), payload()).prop_map(
        |(kind, id, name, a, b, payload)| {
            let mut header = Header { kind, ..Header::default() };
            let (has_id, has_name) = (!b"nhf".contains(&kind), b"rsn".contains(&kind));
            let has_payload = !b"hf".contains(&kind);
            header.id = has_id.then_some(id);
            header.name = has_name.then_some(name);
            header.size = has_payload.then_some(payload.len() as u32);
            match kind {
                b'e' => header.wait = Some(a),
                b'h' => (header.load, header.time) = (Some(a & 0xffff), Some(b)),
                b'f' => header.code = Some(a),
                _ => {}
            }
            (header, if has_payload { payload } else { Vec::new() })
        },
    )
}

const ALL: &[u8] = b"rspRSEenhf";
const OPEN: &[u8] = b"rspRSEenh";

/// What the oracle writes for messages, each `true` turning a digit's case.
fn wire(messages: &[Message], upper: &[bool]) -> Vec<u8> {
    let mut out = b"01".to_vec();
    let mut upper = upper.iter().cycle();
    for (header, payload) in messages {
        let mut bytes = oracle::write(header);
        let size = bytes.len() - 8;
        for byte in &mut bytes[size..] {
            if *upper.next().unwrap_or(&false) {
                byte.make_ascii_uppercase();
            }
        }
        out.extend(bytes);
        out.extend(payload);
    }
    out
}

fn conversation() -> impl Strategy<Value = Vec<u8>> {
    let end = prop_oneof![3 => Just(Vec::new()), 1 => vec(message(b"f"), 1)];
    (vec(message(OPEN), 0..12), end, vec(any::<bool>(), 0..9))
        .prop_map(|(messages, end, upper)| wire(&[messages, end].concat(), &upper))
}

/// A conversation cut anywhere, or not.
fn valid() -> impl Strategy<Value = Vec<u8>> {
    (conversation(), any::<Index>(), prop::bool::weighted(0.3)).prop_map(|(mut input, at, cut)| {
        if cut {
            input.truncate(at.index(input.len() + 1));
        }
        input
    })
}

#[derive(Clone, Debug)]
enum Mutation {
    Set(Index, u8),
    Flip(Index, u32),
    Insert(Index, u8),
    Remove(Index),
    Repeat(Index, usize),
}

fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let byte = || {
        prop_oneof![
            any::<u8>(),
            select(generate::NEAR_DIGITS),
            select(b"0123456789abcdefABCDEF".as_slice()),
            select(ALL),
        ]
    };
    let mutation = prop_oneof![
        (any::<Index>(), byte()).prop_map(|(at, byte)| Mutation::Set(at, byte)),
        (any::<Index>(), 0..8u32).prop_map(|(at, bit)| Mutation::Flip(at, bit)),
        (any::<Index>(), byte()).prop_map(|(at, byte)| Mutation::Insert(at, byte)),
        any::<Index>().prop_map(Mutation::Remove),
        (any::<Index>(), 1..30usize).prop_map(|(at, len)| Mutation::Repeat(at, len)),
    ];
    (valid(), vec(mutation, 1..4)).prop_map(|(mut input, mutations)| {
        for mutation in mutations {
            let len = input.len();
            match mutation {
                Mutation::Insert(at, byte) => input.insert(at.index(len + 1), byte),
                _ if len == 0 => {}
                Mutation::Set(at, byte) => input[at.index(len)] = byte,
                Mutation::Flip(at, bit) => input[at.index(len)] ^= 1 << bit,
                Mutation::Remove(at) => {
                    input.remove(at.index(len));
                }
                Mutation::Repeat(at, count) => {
                    let at = at.index(len);
                    let copy = input[at..len.min(at + count)].to_vec();
                    input.splice(at..at, copy);
                }
            }
        }
        input
    })
}

fn noise() -> impl Strategy<Value = Vec<u8>> {
    let bytes = prop_oneof![
        vec(any::<u8>(), 0..200),
        vec(select(b"rspRSEenhf00000000000000000001".as_slice()), 0..1000),
        vec(select(b"0000000000012abcdefABCDEFrspRSEenh".as_slice()), 0..1000),
    ];
    (conversation(), bytes).prop_map(|(start, noise)| [start, noise].concat())
}

fn splits() -> impl Strategy<Value = Vec<Index>> {
    prop_oneof![vec(any::<Index>(), 0..4), vec(any::<Index>(), 0..100)]
}

/// Reads an input whole, byte by byte and in random pieces, in every way, with several
/// capacities, with a version before it and without.
fn check(input: &[u8], splits: &[Index], bare: bool) -> oracle::Reading {
    let input = if bare { input.get(2..).unwrap_or_default() } else { input };
    let mut places: Vec<usize> = splits.iter().map(|at| at.index(input.len() + 1)).collect();
    places.sort_unstable();
    for pieces in [vec![input], drive::chunks(input, 1), drive::split(input, &places)] {
        drive::check::<0, 0>(&pieces, !bare, &oracle::read(input, 0, !bare));
        drive::check::<32, 4>(&pieces, !bare, &oracle::read(input, 4, !bare));
        drive::check::<1024, 64>(&pieces, !bare, &oracle::read(input, 64, !bare));
        drive::check::<64, 4095>(&pieces, !bare, &oracle::read(input, 4095, !bare));
    }
    oracle::read(input, 4095, !bare)
}

fn config() -> ProptestConfig {
    // The printed case is small enough to become a test of its own; no file is kept.
    ProptestConfig { failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn valid_conversations_are_read_as_the_oracle_reads_them(
        input in valid(), splits in splits(), bare in any::<bool>(),
    ) {
        let reading = check(&input, &splits, bare);
        let bad = matches!(reading.end, End::Bad { .. });
        prop_assert!(bare || !bad, "{:?}", reading.end);
    }

    #[test]
    fn mutated_conversations_are_read_as_the_oracle_reads_them(
        input in mutated(), splits in splits(), bare in any::<bool>(),
    ) {
        check(&input, &splits, bare);
    }

    #[test]
    fn noise_after_a_valid_start_is_read_as_the_oracle_reads_it(
        input in noise(), splits in splits(), bare in any::<bool>(),
    ) {
        check(&input, &splits, bare);
    }

    #[test]
    fn what_is_written_is_read_back_equal(
        messages in vec(message(OPEN), 0..10), end in vec(message(b"f"), 0..2), splits in splits(),
    ) {
        let messages = [messages, end].concat();
        let want = wire(&messages, &[]);
        let mut buffer = vec![0; want.len()];
        let mut writer = Writer::new(&mut buffer);
        prop_assert_eq!(writer.version(), Ok(()));
        let closed = messages.iter().position(|(header, _)| header.kind == b'f');
        for (i, (header, payload)) in messages.iter().enumerate() {
            let result = writer.message(gotalk::Message { frame: drive::frame(header), payload });
            let late = closed.is_some_and(|closed| i > closed);
            prop_assert_eq!(result, if late { Err(WriteError::Closed) } else { Ok(()) });
        }
        prop_assert_eq!(writer.as_bytes(), &want[..writer.len()]);

        let written = writer.as_bytes();
        let reading = check(written, &splits, false);
        prop_assert_eq!(reading.consumed, written.len() as u64);
        let mut events = reading.events.into_iter();
        prop_assert_eq!(events.next(), Some(oracle::Event::Version { value: 1, end: 2 }));
        let mut at = 2;
        for (header, payload) in &messages[..closed.map_or(messages.len(), |closed| closed + 1)] {
            let header = Header { start: at, ..header.clone() };
            at += oracle::write(&header).len() as u64;
            let size = header.size;
            prop_assert_eq!(events.next(), Some(oracle::Event::Header { header, end: at }));
            if size.is_some() {
                at += payload.len() as u64;
                let data = payload.clone();
                let payload = oracle::Event::Payload { data, missing: 0, end: at };
                prop_assert_eq!(events.next(), Some(payload));
            }
        }
        prop_assert_eq!(events.next(), None);
    }

    #[test]
    fn any_header_alone_is_written_and_read_back((header, _) in message(ALL), size in number()) {
        let size = header.size.map(|_| size);
        let header = Header { size, ..header };
        let frame = drive::frame(&header);
        let want = oracle::write(&header);
        prop_assert_eq!(frame.header_len(), want.len());
        let mut buffer = vec![0; want.len()];
        let mut writer = Writer::new(&mut buffer);
        prop_assert_eq!(writer.frame(&frame), Ok(()));
        prop_assert_eq!(writer.as_bytes(), &want[..]);

        let mut parser = Parser::<4095>::new().without_handshake();
        let mut input = want.as_slice();
        prop_assert_eq!(parser.next_event(&mut input), Ok(Some(Event::Frame(frame))));
        prop_assert!(input.is_empty());
    }

    #[test]
    fn a_message_that_does_not_fit_leaves_the_buffer_as_it_was(
        (header, payload) in message(ALL), before in 0..40usize, room in any::<Index>(),
    ) {
        let frame = drive::frame(&header);
        for alone in [false, true] {
            let payload = if alone { &[] } else { payload.as_slice() };
            let needed = frame.header_len() + payload.len();
            let available = room.index(needed);
            let mut buffer = vec![0xee; 13 * before + available];
            let mut writer = Writer::new(&mut buffer);
            for _ in 0..before {
                prop_assert_eq!(writer.heartbeat(1, 2), Ok(()));
            }
            let result =
                if alone { writer.frame(&frame) } else { writer.message(gotalk::Message { frame, payload }) };
            prop_assert_eq!(result, Err(WriteError::BufferTooSmall { needed, available }));
            prop_assert_eq!(writer.as_bytes(), b"h000100000002".repeat(before));
            prop_assert!(buffer[13 * before..].iter().all(|byte| *byte == 0xee));
        }
    }

    #[test]
    fn the_named_methods_write_what_message_writes((header, payload) in message(ALL)) {
        let frame = drive::frame(&header);
        let (mut a, mut b) = ([0; 6000], [0; 6000]);
        let (mut by_name, mut by_frame) = (Writer::new(&mut a), Writer::new(&mut b));
        let p = payload.as_slice();
        let result = match frame {
            Frame::SingleRequest { id, op, .. } => by_name.single_request(id, op, p),
            Frame::StreamRequest { id, op, .. } => by_name.stream_request(id, op, p),
            Frame::StreamRequestPart { id, .. } => by_name.stream_request_part(id, p),
            Frame::SingleResult { id, .. } => by_name.single_result(id, p),
            Frame::StreamResult { id, .. } => by_name.stream_result(id, p),
            Frame::ErrorResult { id, .. } => by_name.error_result(id, p),
            Frame::RetryResult { id, wait_ms, .. } => by_name.retry_result(id, wait_ms, p),
            Frame::Notification { name, .. } => by_name.notification(name, p),
            Frame::Heartbeat { load, time } => by_name.heartbeat(load, time),
            Frame::ProtocolError { code } => by_name.protocol_error(code),
        };
        let empty_part = p.is_empty() && matches!(header.kind, b'p' | b'S');
        if frame.name().is_some_and(|name| name.is_empty()) {
            prop_assert_eq!(result, Err(WriteError::EmptyName));
        } else if empty_part {
            prop_assert_eq!(result, Err(WriteError::EmptyPart));
        } else {
            prop_assert_eq!(result, Ok(()));
            prop_assert_eq!(by_frame.message(gotalk::Message { frame, payload: p }), Ok(()));
            prop_assert_eq!(by_name.as_bytes(), by_frame.as_bytes());
        }
    }

    #[test]
    fn skipping_payload_leaves_every_other_event(
        input in valid(), splits in splits(), skip in vec(any::<bool>(), 1..20),
    ) {
        // Which messages are skipped is decided at their headers; what remains must be
        // what the oracle reads without their payload.
        let want = oracle::read(&input, 64, true);
        let mut skips = skip.iter().cycle();
        let mut skipping = false;
        let want_events: Vec<_> = want.events.into_iter().filter(|event| match event {
            oracle::Event::Header { .. } => {
                skipping = *skips.next().unwrap();
                true
            }
            oracle::Event::Payload { .. } => !skipping,
            _ => true,
        }).collect();

        let mut places: Vec<usize> = splits.iter().map(|at| at.index(input.len() + 1)).collect();
        places.sort_unstable();
        let mut parser = Parser::<64>::new();
        let mut skips = skip.iter().cycle();
        let (mut headers, mut payload) = (Vec::new(), Vec::new());
        for piece in drive::split(&input, &places) {
            let mut events = parser.feed(piece);
            while let Some(event) = events.next() {
                match event.unwrap() {
                    Event::Frame(frame) => {
                        headers.push(Header { start: 0, ..drive::convert_frame(&frame) });
                        if *skips.next().unwrap() {
                            events.skip_payload();
                        }
                    }
                    Event::Payload { data, .. } => payload.extend_from_slice(data),
                    Event::Version(_) | Event::NameTooLong { .. } => {}
                }
            }
        }
        let (mut want_headers, mut want_payload) = (Vec::new(), Vec::new());
        for event in want_events {
            match event {
                oracle::Event::Header { header, .. } => {
                    want_headers.push(Header { start: 0, ..header });
                }
                oracle::Event::Payload { data, .. } => want_payload.extend(data),
                _ => {}
            }
        }
        prop_assert_eq!(headers, want_headers);
        prop_assert_eq!(payload, want_payload);
        prop_assert_eq!(parser.offset(), want.consumed);
        match want.end {
            End::Truncated { missing } => {
                let kind = gotalk::ErrorKind::UnexpectedEnd { missing };
                prop_assert_eq!(parser.finish().map_err(|error| error.kind), Err(kind));
            }
            _ => prop_assert_eq!(parser.finish(), Ok(())),
        }
    }
}

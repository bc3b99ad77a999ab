//! The rules for reading, section 3 of PROTOCOL.md, by their numbers: what is refused,
//! and how. `rules_reading.rs` has the rules on what is read, and `rules_ending.rs` the
//! rule for the end of input.

mod support;

use gotalk::{Error, ErrorCode, ErrorKind, Event, Field, Frame, MessageType, Parser, RequestId};
use support::drive;
use support::oracle::{self, End, Wrong};

const ID: RequestId = RequestId::new(*b"0001");

fn bare<const N: usize>() -> Parser<N> {
    Parser::new().without_handshake()
}

/// The first error and where it stands, the same whole, byte by byte, in two pieces
/// split at the wrong byte, and with nothing behind it.
#[track_caller]
fn refused(input: &[u8], handshake: bool) -> (ErrorKind, u64) {
    let error_of = |pieces: &[&[u8]]| {
        let mut parser = Parser::<64>::new();
        if !handshake {
            parser = parser.without_handshake();
        }
        for piece in pieces {
            let mut events = parser.feed(piece);
            while let Some(event) = events.next() {
                if let Err(error) = event {
                    assert_eq!(events.next(), None);
                    return (error.kind, error.offset);
                }
            }
        }
        panic!("nothing is wrong: {pieces:?}");
    };
    let error = error_of(&[input]);
    let at = error.1 as usize;
    assert_eq!(error_of(&drive::chunks(input, 1)), error);
    assert_eq!(error_of(&drive::split(input, &[at])), error);
    assert_eq!(error_of(&[&input[..=at]]), error, "nothing is needed behind the wrong byte");
    error
}

/// Where a header has digits, and which number they are of.
type Digits = Vec<(usize, Field)>;

fn each_header() -> Vec<(&'static [u8], Digits)> {
    let run = |from: usize, count: usize, field| (from..from + count).map(move |at| (at, field));
    let size = |from| run(from, 8, Field::PayloadSize);
    let mut headers = Vec::new();
    for header in [b"r0001001x00000000".as_slice(), b"s0001001x00000000"] {
        headers.push((header, run(5, 3, Field::NameLength).chain(size(9)).collect()));
    }
    for header in [b"p000100000000", b"R000100000000", b"S000100000000", b"E000100000000"] {
        headers.push((header.as_slice(), size(5).collect()));
    }
    headers.push((b"e00010000000000000000", run(5, 8, Field::Wait).chain(size(13)).collect()));
    headers.push((b"n001x00000000", run(1, 3, Field::NameLength).chain(size(5)).collect()));
    headers
        .push((b"h000000000000", run(1, 4, Field::Load).chain(run(5, 8, Field::Time)).collect()));
    headers.push((b"f00000000", run(1, 8, Field::Code).collect()));
    headers
}

#[test]
fn rule_3_02_an_unknown_type_is_refused_at_its_first_byte() {
    for byte in 0..=255u8 {
        let known = b"rspRSEenhf".contains(&byte);
        assert_eq!(MessageType::from_byte(byte).is_some(), known);
        if known {
            assert_eq!(bare::<64>().feed(&[byte]).next(), None);
            continue;
        }
        let kind = ErrorKind::UnknownType(byte);
        for rest in [b"".as_slice(), b"0", b"000100000000000000000000"] {
            assert_eq!(refused(&[&[byte], rest].concat(), false), (kind, 0));
            assert_eq!(refused(&[b"01".as_slice(), &[byte], rest].concat(), true), (kind, 2));
            // After a message with a payload, and after one without.
            let input = [b"01n001x00000002abh000000000000".as_slice(), &[byte], rest].concat();
            assert_eq!(refused(&input, true), (kind, 30));
            let input = [b"01R000100000000".as_slice(), &[byte], rest].concat();
            assert_eq!(refused(&input, true), (kind, 15));
        }
    }
}

#[test]
fn rule_3_02_and_3_03_a_byte_that_is_no_digit_is_refused_at_its_place() {
    let mut tried = 0;
    for (header, digits) in each_header() {
        for (at, field) in digits {
            for byte in (0..=255u8).filter(|byte| !byte.is_ascii_hexdigit()) {
                let mut input = header.to_vec();
                input[at] = byte;
                let kind = ErrorKind::InvalidDigit { byte, field };
                assert_eq!(refused(&input, false), (kind, at as u64));
                // Two wrong digits: the first counts. And with plenty behind it.
                input[header.len() - 1] = b'?';
                let kind = if at == header.len() - 1 {
                    ErrorKind::InvalidDigit { byte: b'?', field }
                } else {
                    kind
                };
                input.extend(b"00000000000000000000");
                assert_eq!(refused(&input, false), (kind, at as u64));
                tried += 1;
            }
        }
    }
    assert_eq!(tried, 234 * (2 * 11 + 4 * 8 + 16 + 11 + 12 + 8));
}

#[test]
fn rule_3_03_what_other_readers_take_for_a_number() {
    let digit = |byte, field, at| (ErrorKind::InvalidDigit { byte, field }, at);
    for (size, byte, at) in [
        ("+0000001", b'+', 5),
        ("-0000001", b'-', 5),
        ("0_000001", b'_', 6),
        ("0x000001", b'x', 6),
        (" 0000001", b' ', 5),
        ("0000001 ", b' ', 12),
        ("0000000:", b':', 12),
        ("0000000?", b'?', 12),
        ("0000000\0", 0, 12),
        ("000001\r\n", b'\r', 11),
    ] {
        let input = format!("R0001{size}");
        assert_eq!(refused(input.as_bytes(), false), digit(byte, Field::PayloadSize, at));
    }
    // Fullwidth and Arabic digits are no digits.
    assert_eq!(refused("R0001１".as_bytes(), false), digit(0xef, Field::PayloadSize, 5));
    assert_eq!(refused("h٠".as_bytes(), false), digit(0xd9, Field::Load, 1));
    assert_eq!(refused(b"h00-16b01ed36", false), digit(b'-', Field::Load, 3));
}

/// A message of one of the types with a name, and the size of the part before the name.
fn named(kind: u8, name: &[u8], payload: &[u8]) -> (Vec<u8>, usize) {
    let mut input = vec![kind];
    if kind != b'n' {
        input.extend(ID.as_bytes());
    }
    input.extend(format!("{:03x}", name.len()).bytes());
    let before = input.len();
    input.extend(name);
    input.extend(format!("{:08x}", payload.len()).bytes());
    input.extend(payload);
    (input, before)
}

/// Every name length of interest through a parser of one capacity.
fn check_capacity<const N: usize>() {
    for kind in *b"rsn" {
        for len in [0, 1, 7, 8, 63, 64, 65, 254, 255, 256, 4094, 4095] {
            for payload in [b"".as_slice(), b"h000000000001"] {
                let name = vec![b'r'; len];
                let (input, before) = named(kind, &name, payload);
                let id = (kind != b'n').then_some(ID);
                let message_type = MessageType::from_byte(kind).unwrap();
                let too_long = Event::NameTooLong { message_type, id, name_len: len as u16 };

                // Decided at the third digit of the length, before any byte of the name.
                let mut parser = bare::<N>();
                assert_eq!(parser.feed(&input[..before - 1]).next(), None);
                let want = (len > N).then_some(Ok(too_long));
                assert_eq!(parser.feed(&input[before - 1..before]).next(), want, "{len} {N}");

                // The same whole, where all of the name is there to be had.
                let mut parser = bare::<N>();
                let follows = [input.as_slice(), b"h00fe00000001"].concat();
                let mut events = parser.feed(&follows);
                if len > N {
                    assert_eq!(events.next(), Some(Ok(too_long)));
                    assert_eq!(events.offset(), before as u64);
                    assert_eq!(events.remaining(), &follows[before..]);
                } else {
                    let Some(Ok(Event::Frame(frame))) = events.next() else { panic!() };
                    assert_eq!(frame.name().unwrap().as_bytes(), name);
                    assert_eq!((frame.message_type(), frame.id()), (message_type, id));
                    let whole = Event::Payload { data: payload, remaining: 0 };
                    assert_eq!(events.next(), Some(Ok(whole)));
                }
                // No further event of it, and the next message is there.
                let beat = Frame::Heartbeat { load: 0xfe, time: 1 };
                assert_eq!(events.next(), Some(Ok(Event::Frame(beat))));
                assert_eq!(events.next(), None);
                for pieces in [drive::chunks(&follows, 1), drive::chunks(&follows, 7)] {
                    let want = oracle::read(&follows, N, false);
                    drive::check::<64, N>(&pieces, false, &want);
                }
            }
        }
    }
}

#[test]
fn rule_3_06_a_name_is_too_long_from_the_capacity_on_however_it_arrives() {
    check_capacity::<0>();
    check_capacity::<1>();
    check_capacity::<8>();
    check_capacity::<63>();
    check_capacity::<64>();
    check_capacity::<65>();
    check_capacity::<255>();
    check_capacity::<4094>();
    check_capacity::<4095>();
    // More room than any name can need.
    check_capacity::<5000>();
}

#[test]
fn rule_3_06_the_rest_of_a_skipped_message_is_checked() {
    let size = Field::PayloadSize;
    for at in 0..8 {
        for byte in [b'g', b'+', 0, 0xff] {
            let mut input = b"01r0001041".to_vec();
            input.extend([b'x'; 65]);
            input.extend(b"00000000");
            input[75 + at] = byte;
            let error = (ErrorKind::InvalidDigit { byte, field: size }, 75 + at as u64);
            assert_eq!(refused(&input, true), error);
        }
    }
    // An unknown type behind it.
    let (mut input, _) = named(b'n', &[b'x'; 65], b"payload");
    input.push(b'Z');
    let at = input.len() as u64 - 1;
    assert_eq!(refused(&input, false), (ErrorKind::UnknownType(b'Z'), at));
}

#[test]
fn rule_3_06_the_end_in_a_skipped_message_is_a_truncation() {
    let (input, before) = named(b'r', &[b'x'; 0x123], b"payload");
    for cut in before..=input.len() {
        let mut parser = bare::<64>();
        let mut events = parser.feed(&input[..cut]);
        assert!(matches!(events.next(), Some(Ok(Event::NameTooLong { name_len: 0x123, .. }))));
        assert_eq!(events.next(), None);
        let name_end = before + 0x123;
        let missing = match cut {
            _ if cut < name_end + 8 => name_end + 8 - cut,
            _ => input.len() - cut,
        };
        let want = match missing {
            0 => Ok(()),
            _ => Err((ErrorKind::UnexpectedEnd { missing: missing as u32 }, cut as u64)),
        };
        assert_eq!(parser.finish().map_err(|error| (error.kind, error.offset)), want);
    }
}

#[test]
fn rule_3_06_later_parts_of_a_skipped_stream_are_ordinary() {
    let (mut input, _) = named(b's', &[b'x'; 65], b"first");
    input.extend(b"p000100000003two");
    let mut parser = bare::<64>();
    let mut events = parser.feed(&input);
    let message_type = MessageType::StreamRequest;
    let too_long = Event::NameTooLong { message_type, id: Some(ID), name_len: 65 };
    assert_eq!(events.next(), Some(Ok(too_long)));
    let part = Frame::StreamRequestPart { id: ID, payload_len: 3 };
    assert_eq!(events.next(), Some(Ok(Event::Frame(part))));
    let data = Event::Payload { data: b"two", remaining: 0 };
    assert_eq!(events.next(), Some(Ok(data)));
    assert_eq!(events.next(), None);
}

#[test]
fn rule_3_08_an_error_stays_until_reset() {
    let digit = |byte, field| ErrorKind::InvalidDigit { byte, field };
    let cases: [(&[u8], ErrorKind, u64); 6] = [
        (b"x1", digit(b'x', Field::Version), 0),
        (b"0x", digit(b'x', Field::Version), 1),
        (b"02", ErrorKind::UnsupportedVersion(2), 1),
        (b"01X", ErrorKind::UnknownType(b'X'), 2),
        (b"01r000100g", digit(b'g', Field::NameLength), 9),
        (b"01n003log0000000?", digit(b'?', Field::PayloadSize), 16),
    ];
    for (input, kind, offset) in cases {
        let mut parser = Parser::<64>::new();
        let mut events = parser.feed(input);
        let error: Error = loop {
            match events.next().expect("an error") {
                Ok(Event::Version(1)) => {}
                Ok(other) => panic!("{other:?}"),
                Err(error) => break error,
            }
        };
        assert_eq!((error.kind, error.offset), (kind, offset));
        // Once by the iterator, and the wrong byte is not consumed.
        assert_eq!(events.next(), None);
        assert_eq!(events.next(), None);
        assert_eq!(events.remaining(), &input[offset as usize..]);
        assert_eq!(events.offset(), offset);
        // Ever again by everything else, whatever comes.
        for later in [b"".as_slice(), b"h000000000000", b"01", input] {
            let mut rest = later;
            assert_eq!(parser.next_event(&mut rest), Err(error));
            assert_eq!(rest, later);
            assert_eq!(parser.step(later), (0, Err(error)));
            let mut events = parser.feed(later);
            assert_eq!(events.next(), Some(Err(error)));
            assert_eq!(events.next(), None);
            assert_eq!(events.remaining(), later);
            parser.skip_payload();
            assert_eq!(parser.finish(), Err(error));
            assert_eq!(parser.offset(), offset);
        }
        parser.reset();
        assert_eq!(parser.offset(), 0);
        assert_eq!(parser.feed(b"01").next(), Some(Ok(Event::Version(1))));
        assert_eq!(parser.finish(), Ok(()));
    }
}

#[test]
fn rule_3_08_nothing_is_resynchronised() {
    let input = b"01Xh000000000000f00000001";
    let reading = drive::by_feed::<64>(&drive::chunks(input, 1), true);
    assert_eq!(reading.events.len(), 1);
    assert_eq!(reading.end, End::Bad { offset: 2, wrong: Wrong::Type(b'X') });
}

#[test]
fn rule_3_11_every_pair_of_bytes_as_a_version() {
    let value = |byte: u8| char::from(byte).to_digit(16);
    for first in 0..=255 {
        for second in 0..=255 {
            let input = [first, second];
            let want = match (value(first), value(second)) {
                (None, _) => {
                    Err((ErrorKind::InvalidDigit { byte: first, field: Field::Version }, 0))
                }
                (_, None) => {
                    Err((ErrorKind::InvalidDigit { byte: second, field: Field::Version }, 1))
                }
                (Some(0), Some(1)) => Ok(Event::Version(1)),
                (Some(a), Some(b)) => Err((ErrorKind::UnsupportedVersion((a * 16 + b) as u8), 1)),
            };
            let plain = |error: Error| (error.kind, error.offset);
            let mut parser = Parser::<64>::new();
            assert_eq!(parser.feed(&input).next().unwrap().map_err(plain), want);
            // One by one: a first digit alone decides nothing.
            let mut parser = Parser::<64>::new();
            let (a, b) = input.split_at(1);
            let at_the_first = matches!(want, Err((_, 0)));
            let mut events = parser.feed(a);
            let got = events.next().map(|event| event.map_err(plain));
            assert_eq!(got, at_the_first.then_some(want));
            if !at_the_first {
                assert_eq!(parser.feed(b).next().unwrap().map_err(plain), want);
            }
        }
    }
}

#[test]
fn rule_3_11_what_to_answer() {
    let error = |input: &[u8]| Parser::<64>::new().feed(input).next().unwrap().unwrap_err();
    let code = |input: &[u8]| error(input).protocol_code();
    assert_eq!(code(b"02"), Some(ErrorCode::UNSUPPORTED));
    // A peer that closes at once reads as version 0xf0.
    assert_eq!(error(b"f00000001").kind, ErrorKind::UnsupportedVersion(0xf0));
    assert_eq!(error(b"f00000001").offset, 1);
    assert_eq!(code(b"f00000001"), Some(ErrorCode::UNSUPPORTED));
    // What is no version at all is an invalid message.
    assert_eq!(code(b"GET / HTTP/1.1"), Some(ErrorCode::INVALID_MESSAGE));
    let error = bare::<64>().feed(b"X").next().unwrap().unwrap_err();
    assert_eq!(error.protocol_code(), Some(ErrorCode::INVALID_MESSAGE));
    assert_eq!(Parser::<64>::new().finish().unwrap_err().protocol_code(), None);
}

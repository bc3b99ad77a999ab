//! The rule for the end of input, rule 3.10 of PROTOCOL.md: every place where a message
//! can be cut, and how many bytes are missing there.

mod support;

use gotalk::{Assembler, ErrorKind, Event, Parser};
use support::drive;

/// What `finish` says after all events of an input were taken, in each way of reading.
#[track_caller]
fn finish<const N: usize>(input: &[u8], handshake: bool) -> Result<(), (ErrorKind, u64)> {
    let plain = |error: gotalk::Error| (error.kind, error.offset);
    let mut results = Vec::new();
    for pieces in [vec![input], drive::chunks(input, 1), drive::chunks(input, 5)] {
        let mut parser = Parser::<N>::new();
        let mut assembler = Assembler::<16, N>::new();
        if !handshake {
            (parser, assembler) = (parser.without_handshake(), assembler.without_handshake());
        }
        for piece in pieces {
            let mut events = parser.feed(piece);
            while let Some(event) = events.next() {
                event.unwrap();
            }
            let mut items = assembler.feed(piece);
            while let Some(item) = items.next() {
                item.unwrap();
            }
        }
        results.push(parser.finish().map_err(plain));
        results.push(assembler.finish().map_err(plain));
    }
    assert!(results.iter().all(|result| *result == results[0]), "{results:?}");
    results[0]
}

fn missing(missing: u32, offset: usize) -> Result<(), (ErrorKind, u64)> {
    Err((ErrorKind::UnexpectedEnd { missing }, offset as u64))
}

/// Cuts a message after each of its bytes; `want` has what is missing after the first
/// byte, after the second, and so on, in figures that were counted by hand.
#[track_caller]
fn cut_everywhere(message: &[u8], want: &[u32]) {
    assert_eq!(want.len(), message.len() - 1);
    for (before, handshake) in [(b"".as_slice(), false), (b"01", true), (b"h000000000000", false)] {
        for (cut, want) in (1..).zip(want) {
            let input = [before, &message[..cut]].concat();
            assert_eq!(finish::<4095>(&input, handshake), missing(*want, input.len()), "{cut}");
        }
        let input = [before, message].concat();
        assert_eq!(finish::<4095>(&input, handshake), Ok(()));
    }
}

/// Counts down from one figure to another.
fn down(from: u32, to: u32) -> impl Iterator<Item = u32> {
    (to..=from).rev()
}

#[test]
fn rule_3_10_requests() {
    for kind in ["r", "s"] {
        // 4 id, 3 digits, 4 name, 8 digits, 5 payload. With the third digit the name's
        // length is known, with the last the payload's.
        let want: Vec<u32> = down(15, 9).chain(down(12, 1)).chain(down(5, 1)).collect();
        cut_everywhere(format!("{kind}0001004echo00000005hello").as_bytes(), &want);
        // The same with nothing in either.
        let want: Vec<u32> = down(15, 1).collect();
        cut_everywhere(format!("{kind}000100000000000").as_bytes(), &want);
        // Each digit read counts with zeros for those to come.
        let name = "n".repeat(0x123);
        let want = down(15, 11)
            .chain([0x100 + 2 + 8, 0x120 + 1 + 8])
            .chain(down(0x123 + 8, 1))
            .collect::<Vec<u32>>();
        cut_everywhere(format!("{kind}0001123{name}00000000").as_bytes(), &want);
    }
}

#[test]
fn rule_3_10_messages_with_an_id() {
    for kind in ["p", "R", "S", "E"] {
        let want: Vec<u32> = down(12, 1).chain(down(3, 1)).collect();
        cut_everywhere(format!("{kind}000100000003abc").as_bytes(), &want);
        let want: Vec<u32> = down(12, 1).collect();
        cut_everywhere(format!("{kind}000100000000").as_bytes(), &want);
    }
    let want: Vec<u32> = down(20, 1).chain([1]).collect();
    cut_everywhere(b"e00010000138800000001x", &want);
    // The digits of the wait are no length.
    let want: Vec<u32> = down(20, 1).collect();
    cut_everywhere(b"e0001ffffffff00000000", &want);
}

#[test]
fn rule_3_10_notifications_heartbeats_and_protocol_errors() {
    let want: Vec<u32> = down(11, 9).chain(down(11, 1)).chain([2, 1]).collect();
    cut_everywhere(b"n003log00000002hi", &want);
    cut_everywhere(b"n00000000000", &down(11, 1).collect::<Vec<u32>>());
    cut_everywhere(b"hffffffffffff", &down(12, 1).collect::<Vec<u32>>());
    cut_everywhere(b"fffffffff", &down(8, 1).collect::<Vec<u32>>());
}

#[test]
fn rule_3_10_what_is_known_of_a_size_counts() {
    let cases: [(&[u8], u32); 16] = [
        (b"R0001", 8),
        (b"R00010", 7),
        (b"R00011", 7 + 0x1000_0000),
        (b"R000112", 6 + 0x1200_0000),
        (b"R0001123", 5 + 0x1230_0000),
        (b"R00011234", 4 + 0x1234_0000),
        (b"R000112345", 3 + 0x1234_5000),
        (b"R0001123456", 2 + 0x1234_5600),
        (b"R00011234567", 1 + 0x1234_5670),
        (b"R000112345678", 0x1234_5678),
        (b"R0001f", 7 + 0xf000_0000),
        (b"R0001fffffff", 1 + 0xffff_fff0),
        (b"R0001ffffffff", 0xffff_ffff),
        (b"R0001ffffffffabc", 0xffff_fffc),
        (b"e00010000000080000000", 0x8000_0000),
        (b"n001xF", 7 + 0xf000_0000),
    ];
    for (input, want) in cases {
        assert_eq!(finish::<64>(input, false), missing(want, input.len()));
    }
    let names: [(&[u8], u32); 7] = [
        (b"r0001", 11),
        (b"r00010", 10),
        (b"r00011", 2 + 0x100 + 8),
        (b"r000110", 1 + 0x100 + 8),
        (b"r0001100", 0x100 + 8),
        (b"nf", 2 + 0xf00 + 8),
        (b"nfff", 0xfff + 8),
    ];
    for (input, want) in names {
        // A name that is too long is missing no less than one that is not.
        assert_eq!(finish::<4095>(input, false), missing(want, input.len()));
        assert_eq!(finish::<0>(input, false), missing(want, input.len()));
    }
    let mut input = b"nfff".to_vec();
    input.extend([b'x'; 4095]);
    for size in [b"".as_slice(), b"8", b"8000000"] {
        let input = [input.as_slice(), size].concat();
        let digits = 8 - size.len() as u32;
        let want = digits + if size.is_empty() { 0 } else { 0x8000_0000 };
        assert_eq!(finish::<4095>(&input, false), missing(want, input.len()));
        assert_eq!(finish::<64>(&input, false), missing(want, input.len()));
    }
}

#[test]
fn rule_3_10_the_version() {
    assert_eq!(finish::<64>(b"", true), missing(2, 0));
    assert_eq!(finish::<64>(b"0", true), missing(1, 1));
    assert_eq!(finish::<64>(b"f", true), missing(1, 1));
    assert_eq!(finish::<64>(b"01", true), Ok(()));
    assert_eq!(finish::<64>(b"", false), Ok(()));
}

#[test]
fn rule_3_10_after_a_protocol_error_the_end_is_clean() {
    assert_eq!(finish::<64>(b"01f00000000", true), Ok(()));
    assert_eq!(finish::<64>(b"01f00000000R0001", true), Ok(()));
}

#[test]
fn rule_3_10_an_event_left_untaken() {
    let untaken = missing(0, 13);
    let plain = |error: gotalk::Error| (error.kind, error.offset);
    let mut parser = Parser::<64>::new().without_handshake();
    assert!(matches!(parser.feed(b"R000100000000").next(), Some(Ok(Event::Frame(_)))));
    assert_eq!(parser.finish().map_err(plain), untaken);
    assert_eq!(parser.finish().map_err(plain), untaken, "asking changes nothing");
    assert!(matches!(parser.feed(b"").next(), Some(Ok(Event::Payload { .. }))));
    assert_eq!(parser.finish(), Ok(()));
    // Input that was never given to the parser is not known to it.
    assert!(parser.feed(b"X").remaining() == b"X");
    assert_eq!(parser.finish(), Ok(()));
}

#[test]
fn rule_3_10_the_rest_of_a_skipped_payload_is_missing_too() {
    let mut parser = Parser::<64>::new().without_handshake();
    assert!(parser.feed(b"R000100000005h").next().is_some());
    parser.skip_payload();
    assert!(parser.feed(b"he").next().is_none());
    let error = parser.finish().unwrap_err();
    assert_eq!((error.kind, error.offset), (ErrorKind::UnexpectedEnd { missing: 3 }, 15));
    assert!(parser.feed(b"llo").next().is_none());
    assert_eq!(parser.finish(), Ok(()));
}

#[test]
fn rule_3_10_empty_input_is_no_end() {
    let message = b"01r0001041".iter().chain(&[b'x'; 65]).chain(b"00000003abc");
    let message: Vec<u8> = message.chain(b"e00010000000100000001x").copied().collect();
    for at in 0..=message.len() {
        let mut parser = Parser::<64>::new();
        let mut rest = &message[..at];
        while let Some(event) = parser.next_event(&mut rest).unwrap() {
            assert!(!matches!(event, Event::Payload { data: [], .. }));
        }
        let before = (parser.offset(), parser.finish());
        for _ in 0..3 {
            assert_eq!(parser.feed(b"").next(), None);
            assert_eq!(parser.step(b""), (0, Ok(None)));
            assert_eq!(parser.next_event(&mut b"".as_slice()), Ok(None));
        }
        assert_eq!((parser.offset(), parser.finish()), before);
        let mut rest = &message[at..];
        while parser.next_event(&mut rest).unwrap().is_some() {}
        assert_eq!(parser.finish(), Ok(()));
    }
}

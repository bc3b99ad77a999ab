//! The rules for reading, section 3 of PROTOCOL.md, by their numbers: what is read, and
//! when. `rules_refusing.rs` has the rules on what is refused, and `rules_ending.rs` the
//! rule for the end of input.

mod support;

use gotalk::{Assembler, ErrorCode, ErrorKind, Event, Frame, Name, Parser, RequestId};
use support::{drive, oracle};

const ID: RequestId = RequestId::new(*b"0001");

/// One of each message and more, and two that a `Parser<64>` finds too long.
fn conversation() -> Vec<u8> {
    let mut input = Vec::new();
    for message in [
        b"01r0001004echo00000003abc".as_slice(),
        b"s0002002up00000002hi",
        b"p000200000001!",
        b"p000200000000",
        b"R000100000019{\"message\":\"Hello World\"}",
        b"S0002000000010",
        b"S000200000000",
        b"E000300000004nope",
        b"e00040000138800000004wait",
        b"n041",
        &[b'x'; 65],
        b"00000004skip",
        b"n00cchat message00000000",
        b"h000254d7de9a",
        b"r0005123",
        &[b'y'; 0x123],
        b"00000000",
        b"f00000003ignored",
    ] {
        input.extend_from_slice(message);
    }
    input
}

/// The next events are these, and then there is none.
#[track_caller]
fn expect<const N: usize>(parser: &mut Parser<N>, mut input: &[u8], events: &[Event<'_>]) {
    for event in events {
        assert_eq!(parser.next_event(&mut input), Ok(Some(*event)));
    }
    assert_eq!(parser.next_event(&mut input), Ok(None));
    assert!(input.is_empty());
}

fn bare<const N: usize>() -> Parser<N> {
    Parser::new().without_handshake()
}

#[test]
fn rule_3_01_any_split_gives_the_same_events() {
    let input = conversation();
    let want = oracle::read(&input, 64, true);
    assert_eq!(want.end, oracle::End::Closed);
    drive::check::<64, 64>(&[&input], true, &want);
    // In two pieces at every place, with nothing between them now and then.
    for at in 0..=input.len() {
        drive::check::<64, 64>(&drive::split(&input, &[at]), true, &want);
        drive::check::<3, 64>(&drive::split(&input, &[at, at]), true, &want);
    }
    // In pieces of every length.
    for len in 1..200 {
        drive::check::<64, 64>(&drive::chunks(&input, len), true, &want);
    }
    // In three pieces at every two places of the dense part.
    let input = &input[..130];
    let want = oracle::read(input, 64, true);
    for a in 0..=input.len() {
        for b in a..=input.len() {
            drive::check::<64, 64>(&drive::split(input, &[a, b]), true, &want);
        }
    }
}

#[test]
fn rule_3_01_errors_and_their_offsets_do_not_depend_on_the_split() {
    let good = conversation();
    for (at, bad) in [(0, b'g'), (1, b'2'), (2, b'X'), (8, b' '), (20, b'+'), (21, b':')] {
        let mut input = good[..50].to_vec();
        input[at] = bad;
        let want = oracle::read(&input, 64, true);
        assert!(matches!(want.end, oracle::End::Bad { offset, .. } if offset == at as u64));
        for a in 0..=input.len() {
            for b in a..=input.len() {
                drive::check::<64, 64>(&drive::split(&input, &[a, b]), true, &want);
            }
        }
    }
}

#[test]
fn rule_3_01_a_name_split_anywhere_comes_whole() {
    for at in 0..=14 {
        let (a, b) = b"r0001004echo00000000".split_at(at);
        let mut parser = bare::<64>();
        assert_eq!(parser.feed(a).next(), None);
        let want = Frame::SingleRequest { id: ID, op: "echo".into(), payload_len: 0 };
        assert_eq!(parser.feed(b).next(), Some(Ok(Event::Frame(want))));
    }
}

/// The shortest message of each type, and the values that a header with every digit
/// different gives.
fn each_type() -> Vec<(&'static [u8], Frame<'static>)> {
    let op = Name::from("x");
    let id = ID;
    let payload_len = 0x1234_5678;
    vec![
        (b"r0001001x12345678", Frame::SingleRequest { id, op, payload_len }),
        (b"s0001001x12345678", Frame::StreamRequest { id, op, payload_len }),
        (b"p000112345678", Frame::StreamRequestPart { id, payload_len }),
        (b"R000112345678", Frame::SingleResult { id, payload_len }),
        (b"S000112345678", Frame::StreamResult { id, payload_len }),
        (b"E000112345678", Frame::ErrorResult { id, payload_len }),
        (b"e00019abcdef012345678", Frame::RetryResult { id, wait_ms: 0x9abc_def0, payload_len }),
        (b"n001x12345678", Frame::Notification { name: op, payload_len }),
        (b"hfedc9abcdef0", Frame::Heartbeat { load: 0xfedc, time: 0x9abc_def0 }),
        (b"f9abcdef0", Frame::ProtocolError { code: ErrorCode::from(0x9abc_def0) }),
    ]
}

#[test]
fn rule_3_02_a_header_is_complete_at_its_last_byte_and_not_before() {
    for (header, frame) in each_type() {
        assert_eq!(frame.header_len(), header.len());
        for junk in [b"".as_slice(), b"X", b"\xff\xff\xff\xff\xff\xff\xff\xff"] {
            let mut parser = bare::<64>();
            let (body, last) = header.split_at(header.len() - 1);
            assert_eq!(parser.feed(body).next(), None);
            let input = [last, junk].concat();
            let mut events = parser.feed(&input);
            assert_eq!(events.next(), Some(Ok(Event::Frame(frame))));
            assert_eq!(events.offset(), header.len() as u64);
            assert_eq!(events.remaining(), junk);

            let input = [header, junk].concat();
            let mut parser = bare::<64>();
            let mut events = parser.feed(&input);
            assert_eq!(events.next(), Some(Ok(Event::Frame(frame))));
            assert_eq!(events.offset(), header.len() as u64);
            assert_eq!(events.remaining(), junk);
        }
    }
}

#[test]
fn rule_3_02_an_empty_name_has_no_byte() {
    let empty = Event::Payload { data: &[], remaining: 0 };
    let op = Name::from("");
    let cases: [(&[u8], Frame<'_>); 3] = [
        (b"n00000000000", Frame::Notification { name: op, payload_len: 0 }),
        (b"r000100000000000", Frame::SingleRequest { id: ID, op, payload_len: 0 }),
        (b"s000100000000000", Frame::StreamRequest { id: ID, op, payload_len: 0 }),
    ];
    for (header, frame) in cases {
        expect(&mut bare::<64>(), header, &[Event::Frame(frame), empty]);
        expect(&mut bare::<0>(), header, &[Event::Frame(frame), empty]);
        // What follows is a message of its own.
        let mut input = header.to_vec();
        input.extend(b"h000100000002");
        let beat = Event::Frame(Frame::Heartbeat { load: 1, time: 2 });
        expect(&mut bare::<64>(), &input, &[Event::Frame(frame), empty, beat]);
    }
}

#[test]
fn rule_3_03_every_digit_counts_in_its_place_in_either_case() {
    // A digit of each value in each place of each number; the others 0.
    type Number = fn(&Frame<'_>) -> u32;
    let size: Number = |frame| frame.payload_len().unwrap();
    let name_len: Number = |frame| frame.name().unwrap().len() as u32;
    let cases: [(&[u8], usize, usize, Number); 8] = [
        (b"R000100000000", 5, 8, size),
        (b"n00000000000", 4, 8, size),
        (b"r0001001x00000000", 9, 8, size),
        (b"e00010000000000000000", 13, 8, size),
        (b"e00010000000000000000", 5, 8, |frame| match frame {
            Frame::RetryResult { wait_ms, .. } => *wait_ms,
            _ => unreachable!(),
        }),
        (b"h000000000000", 1, 4, |frame| match frame {
            Frame::Heartbeat { load, .. } => (*load).into(),
            _ => unreachable!(),
        }),
        (b"h000000000000", 5, 8, |frame| match frame {
            Frame::Heartbeat { time, .. } => *time,
            _ => unreachable!(),
        }),
        (b"f00000000", 1, 8, |frame| match frame {
            Frame::ProtocolError { code } => (*code).into(),
            _ => unreachable!(),
        }),
    ];
    let digits = b"00112233445566778899aAbBcCdDeEfF".chunks(2).enumerate();
    for (value, forms) in digits {
        for (header, at, count, number) in cases {
            for place in 0..count {
                for digit in forms {
                    let mut input = header.to_vec();
                    input[at + place] = *digit;
                    let want = (value as u32) << (4 * (count - 1 - place));
                    assert_eq!(read_whole_and_split(&input, number), want);
                }
            }
        }
        for place in 0..3 {
            let want = (value as u32) << (4 * (2 - place));
            for digit in forms {
                let mut input = b"n000".to_vec();
                input[1 + place] = *digit;
                input.extend(vec![b'x'; want as usize]);
                input.extend(b"00000000");
                assert_eq!(read_whole_and_split(&input, name_len), want);
            }
        }
    }
}

/// A number of the first frame, which is the same whole and byte by byte.
#[track_caller]
fn read_whole_and_split(input: &[u8], number: fn(&Frame<'_>) -> u32) -> u32 {
    let mut parser = bare::<4095>();
    let whole = match parser.feed(input).next() {
        Some(Ok(Event::Frame(frame))) => number(&frame),
        other => panic!("{other:?}"),
    };
    let mut parser = bare::<4095>();
    let split = input.iter().find_map(|byte| match parser.feed(&[*byte]).next() {
        Some(Ok(Event::Frame(frame))) => Some(number(&frame)),
        other => {
            assert_eq!(other, None);
            None
        }
    });
    assert_eq!(Some(whole), split);
    whole
}

#[test]
fn rule_3_04_ids_are_bytes() {
    let mut with_id = 0;
    for (header, frame) in each_type() {
        if frame.id().is_none() {
            continue;
        }
        with_id += 1;
        for byte in 0..=255 {
            for place in 0..4 {
                let mut input = header.to_vec();
                input[1 + place] = byte;
                let id = RequestId::new(*input[1..5].first_chunk().unwrap());
                let reading = drive::by_feed::<64>(&[&input[..header.len()]], false);
                let split = drive::by_feed::<64>(&drive::chunks(&input, 3), false);
                for reading in [reading, split] {
                    let oracle::Event::Header { header, .. } = &reading.events[0] else { panic!() };
                    assert_eq!(header.id, Some(*id.as_bytes()));
                }
            }
        }
    }
    assert_eq!(with_id, 7, "all types but n, h and f");
    // The Go package counts in little-endian bytes.
    let part = Frame::SingleResult { id: RequestId::new([1, 0, 0, 0]), payload_len: 0 };
    let empty = Event::Payload { data: &[], remaining: 0 };
    expect(&mut bare::<64>(), b"R\x01\0\0\x0000000000", &[Event::Frame(part), empty]);
}

#[test]
fn rule_3_05_a_name_that_is_not_utf_8_is_a_name() {
    let names: [&[u8]; 6] =
        [b"\xff\xfe", b"\xc3", b"\0", b"a\x80b", b"\xed\xa0\x80", "å".as_bytes()];
    for name in names {
        let mut input = format!("r0001{:03x}", name.len()).into_bytes();
        input.extend(name);
        input.extend(b"00000001xh000100000002");
        for pieces in [drive::chunks(&input, 1), vec![input.as_slice()]] {
            let reading = drive::by_feed::<64>(&pieces, false);
            assert_eq!(reading.end, oracle::End::Clean, "the connection lives");
            let oracle::Event::Header { header, .. } = &reading.events[0] else { panic!() };
            assert_eq!(header.name.as_deref(), Some(name));
        }
        assert_eq!(Name::from(name).to_str().is_ok(), std::str::from_utf8(name).is_ok());
    }
}

#[test]
fn rule_3_07_payload_is_a_slice_of_the_input() {
    let input = b"01R000100000019{\"message\":\"Hello World\"}n003log00000002hi".to_vec();
    for len in 1..=input.len() {
        let mut parser = Parser::<64>::new();
        let mut payload = 0;
        for piece in input.chunks(len) {
            let mut events = parser.feed(piece);
            while let Some(event) = events.next() {
                if let Ok(Event::Payload { data, .. }) = event {
                    assert!(!data.is_empty());
                    let (from, to) = (data.as_ptr_range().start, data.as_ptr_range().end);
                    assert!(from >= piece.as_ptr_range().start && to <= piece.as_ptr_range().end);
                    payload += data.len();
                }
            }
        }
        assert_eq!(payload, 25 + 2, "in pieces of {len}");
        assert_eq!(parser.finish(), Ok(()));
    }
}

#[test]
fn rule_3_07_an_announced_size_costs_nothing() {
    assert!(size_of::<Parser<64>>() <= 96);
    let mut parser = bare::<64>();
    let frame = Frame::SingleResult { id: ID, payload_len: u32::MAX };
    expect(&mut parser, b"R0001ffffffff", &[Event::Frame(frame)]);
    assert_eq!(parser.finish().unwrap_err().kind, ErrorKind::UnexpectedEnd { missing: u32::MAX });
}

#[test]
fn rule_3_09_nothing_is_read_after_a_protocol_error() {
    let code = Event::Frame(Frame::ProtocolError { code: ErrorCode::TIMEOUT });
    for rest in [b"".as_slice(), b"h000100000002", b"X", b"\xff\0zzzz", b"f00000001", b"01"] {
        let input = [b"01f00000003", rest].concat();
        for at in 0..=rest.len() {
            let (input, later) = input.split_at(11 + at);
            let mut parser = Parser::<64>::new();
            expect(&mut parser, input, &[Event::Version(1), code]);
            assert_eq!(parser.finish(), Ok(()));
            assert_eq!(parser.offset(), 11 + at as u64, "later bytes are counted");
            let mut events = parser.feed(later);
            assert_eq!(events.next(), None);
            assert_eq!(events.remaining(), b"");
            assert_eq!(parser.step(b""), (0, Ok(None)));
            assert_eq!(parser.step(b"more"), (4, Ok(None)));
            assert_eq!(parser.offset(), (11 + rest.len() + 4) as u64);
            assert_eq!(parser.finish(), Ok(()));
        }
    }
    let mut assembler = Assembler::<8>::new();
    let mut items = assembler.feed(b"01f00000003r0001X");
    assert_eq!(items.next(), Some(Ok(gotalk::Item::Version(1))));
    assert!(matches!(items.next(), Some(Ok(gotalk::Item::Message(_)))));
    assert_eq!(items.next(), None);
    assert_eq!((items.remaining(), items.offset()), (b"".as_slice(), 17));
}

#[test]
fn rule_3_12_sizes_are_32_bit_everywhere() {
    // All of the longest payload, in slices of one megabyte: nothing is done by the byte.
    let slice = vec![0; 1 << 20];
    let mut parser = bare::<64>();
    let frame = Frame::SingleResult { id: ID, payload_len: u32::MAX };
    expect(&mut parser, b"R0001ffffffff", &[Event::Frame(frame)]);
    let mut left = u32::MAX;
    while left > 0 {
        let len = slice.len().min(left as usize);
        left -= len as u32;
        let mut events = parser.feed(&slice[..len]);
        let Some(Ok(Event::Payload { data, remaining })) = events.next() else { panic!() };
        assert_eq!((data.len(), remaining), (len, left));
        assert_eq!(events.next(), None);
    }
    assert_eq!(parser.finish(), Ok(()));
    assert_eq!(parser.offset(), 13 + u64::from(u32::MAX));
    let beat = Event::Frame(Frame::Heartbeat { load: 1, time: 2 });
    expect(&mut parser, b"h000100000002", &[beat]);
    let error = parser.feed(b"X").next().unwrap().unwrap_err();
    assert_eq!(error.offset, 26 + u64::from(u32::MAX), "offsets are 64-bit");
}

#[test]
fn rule_3_13_an_empty_payload_gives_one_event_and_needs_no_input() {
    let empty = Event::Payload { data: &[], remaining: 0 };
    let mut with_payload = 0;
    for (header, frame) in each_type() {
        let Some(_) = frame.payload_len() else {
            // Types without a payload give none.
            let mut parser = bare::<64>();
            expect(&mut parser, header, &[Event::Frame(frame)]);
            continue;
        };
        with_payload += 1;
        let mut header = header.to_vec();
        let size = header.len() - 8;
        header[size..].copy_from_slice(b"00000000");

        let mut parser = bare::<64>();
        let mut input = header.as_slice();
        assert!(matches!(parser.next_event(&mut input), Ok(Some(Event::Frame(_)))));
        assert!(input.is_empty());
        assert_eq!(parser.next_event(&mut input), Ok(Some(empty)));
        assert_eq!(parser.next_event(&mut input), Ok(None));

        // Left untaken, it is there at the next call, whichever.
        for way in 0..3 {
            let mut parser = bare::<64>();
            assert!(matches!(parser.feed(&header).next(), Some(Ok(Event::Frame(_)))));
            match way {
                0 => {
                    let mut events = parser.feed(&[]);
                    assert_eq!(events.next(), Some(Ok(empty)));
                    assert_eq!(events.next(), None);
                }
                1 => {
                    let (used, step) = parser.step(&[]);
                    let step = step.unwrap();
                    assert_eq!(used, 0);
                    assert_eq!(parser.event(&[], step.unwrap()), empty);
                    assert_eq!(parser.step(&[]), (0, Ok(None)));
                }
                _ => {
                    let mut input = b"h0".as_slice();
                    assert_eq!(parser.next_event(&mut input), Ok(Some(empty)));
                    assert_eq!(input, b"h0");
                }
            }
            assert_eq!(parser.offset(), header.len() as u64);
        }
    }
    assert_eq!(with_payload, 8, "all types but h and f");
}

#[test]
fn rule_3_13_a_payload_that_is_not_empty_gives_no_event_without_bytes() {
    let mut parser = bare::<64>();
    let frame = Frame::SingleResult { id: ID, payload_len: 2 };
    expect(&mut parser, b"R000100000002", &[Event::Frame(frame)]);
    expect(&mut parser, b"", &[]);
    expect(&mut parser, b"a", &[Event::Payload { data: b"a", remaining: 1 }]);
    expect(&mut parser, b"", &[]);
    expect(&mut parser, b"b", &[Event::Payload { data: b"b", remaining: 0 }]);
    expect(&mut parser, b"", &[]);
    assert_eq!(parser.finish(), Ok(()));
}

//! The parser's ways in beside the rules of the protocol: leaving early, skipping
//! payload, starting without a version, starting again, and steps that borrow nothing.

use gotalk::{ErrorKind, Event, Frame, Parser, RequestId, Step};

const ID: RequestId = RequestId::new(*b"0001");
const BEAT: &[u8] = b"h000100000002";

fn beat() -> Event<'static> {
    Event::Frame(Frame::Heartbeat { load: 1, time: 2 })
}

fn result(payload_len: u32) -> Event<'static> {
    Event::Frame(Frame::SingleResult { id: ID, payload_len })
}

fn data(data: &[u8], remaining: u32) -> Event<'_> {
    Event::Payload { data, remaining }
}

#[test]
fn leaving_early_loses_nothing() {
    let input = b"01R000100000002hih000100000002R000100000000";
    let all = [Event::Version(1), result(2), data(b"hi", 0), beat(), result(0), data(b"", 0)];
    // Take so many events, leave, and go on with what remained.
    for taken in 0..=all.len() {
        let mut parser = Parser::<64>::new();
        let mut events = parser.feed(input);
        for event in &all[..taken] {
            assert_eq!(events.next(), Some(Ok(*event)));
        }
        let rest = events.remaining();
        assert_eq!(events.offset(), (input.len() - rest.len()) as u64);
        let mut events = parser.feed(rest);
        for event in &all[taken..] {
            assert_eq!(events.next(), Some(Ok(*event)));
        }
        assert_eq!(events.next(), None);
        assert_eq!(events.remaining(), b"");
        assert_eq!(parser.finish(), Ok(()));
    }
}

#[test]
fn events_say_where_they_are() {
    let input = b"01r0001004echo00000002hi";
    let mut parser = Parser::<64>::new();
    let mut events = parser.feed(input);
    assert_eq!((events.offset(), events.remaining()), (0, &input[..]));
    for (offset, _) in [(2, "version"), (22, "frame"), (24, "payload")] {
        assert!(events.next().is_some());
        assert_eq!((events.offset(), events.remaining()), (offset, &input[offset as usize..]));
    }
    assert_eq!(events.next(), None);
    assert_eq!(parser.offset(), 24);
    // The next piece goes on counting.
    let mut events = parser.feed(BEAT);
    assert_eq!(events.offset(), 24);
    assert!(events.next().is_some());
    assert_eq!(events.offset(), 37);
}

#[test]
fn a_skipped_payload_gives_no_events() {
    let message = b"R000100000005hello";
    // Skipped after so many of its bytes were seen, the rest in pieces of every length.
    for seen in 0..=5 {
        for len in 1..=20 {
            for by_events in [false, true] {
                let mut parser = Parser::<64>::new().without_handshake();
                let input = [message.as_slice(), BEAT].concat();
                let (first, rest) = input.split_at(13 + seen);
                let mut events = parser.feed(first);
                assert_eq!(events.next(), Some(Ok(result(5))));
                if seen > 0 {
                    let piece = data(&message[13..13 + seen], 5 - seen as u32);
                    assert_eq!(events.next(), Some(Ok(piece)));
                }
                if by_events {
                    events.skip_payload();
                    assert_eq!(events.next(), None);
                } else {
                    parser.skip_payload();
                }
                let mut found = 0;
                for piece in rest.chunks(len) {
                    let mut events = parser.feed(piece);
                    while let Some(event) = events.next() {
                        assert_eq!(event, Ok(beat()));
                        found += 1;
                    }
                    assert_eq!(events.remaining(), b"");
                }
                assert_eq!(found, 1);
                assert_eq!(parser.offset(), input.len() as u64, "skipped bytes are counted");
                assert_eq!(parser.finish(), Ok(()));
            }
        }
    }
}

#[test]
fn a_skipped_empty_payload_gives_no_event_either() {
    let mut parser = Parser::<64>::new().without_handshake();
    let mut events = parser.feed(b"R000100000000");
    assert_eq!(events.next(), Some(Ok(result(0))));
    events.skip_payload();
    assert_eq!(events.next(), None);
    assert_eq!(parser.finish(), Ok(()), "there is nothing left untaken");
    assert_eq!(parser.feed(BEAT).next(), Some(Ok(beat())));
}

#[test]
fn skipping_concerns_one_payload_only() {
    let mut parser = Parser::<64>::new().without_handshake();
    let mut events = parser.feed(b"R000100000002abR000100000002cd");
    assert_eq!(events.next(), Some(Ok(result(2))));
    events.skip_payload();
    assert_eq!(events.next(), Some(Ok(result(2))));
    assert_eq!(events.next(), Some(Ok(data(b"cd", 0))));
}

#[test]
fn skipping_where_there_is_no_payload_does_nothing() {
    let input = b"01n003log00000002hih000100000002e00010000000a00000000";
    let log = Frame::Notification { name: "log".into(), payload_len: 2 };
    let retry = Frame::RetryResult { id: ID, wait_ms: 10, payload_len: 0 };
    // At every place but behind a header that announces a payload.
    for at in (0..=input.len()).filter(|at| ![17, 18, input.len()].contains(at)) {
        let mut parser = Parser::<64>::new();
        let mut rest = &input[..at];
        let mut seen = 0;
        while parser.next_event(&mut rest).unwrap().is_some() {
            seen += 1;
        }
        let before = parser.finish();
        parser.skip_payload();
        parser.skip_payload();
        assert_eq!(parser.finish(), before);
        let all = [
            Event::Version(1),
            Event::Frame(log),
            data(b"hi", 0),
            beat(),
            Event::Frame(retry),
            data(b"", 0),
        ];
        let mut rest = &input[at..];
        for event in &all[seen..] {
            assert_eq!(parser.next_event(&mut rest), Ok(Some(*event)), "{at}");
        }
        assert_eq!(parser.next_event(&mut rest), Ok(None));
    }
    // After a protocol error, too.
    let mut parser = Parser::<64>::new().without_handshake();
    assert!(parser.feed(b"f00000001").next().is_some());
    parser.skip_payload();
    assert_eq!(parser.feed(BEAT).next(), None);
    assert_eq!(parser.finish(), Ok(()));
}

#[test]
fn a_name_that_is_too_long_has_no_payload_to_skip() {
    let mut parser = Parser::<2>::new().without_handshake();
    let mut events = parser.feed(b"n003log00000002hiR000100000002ab");
    assert!(matches!(events.next(), Some(Ok(Event::NameTooLong { .. }))));
    events.skip_payload();
    assert_eq!(events.next(), Some(Ok(result(2))));
    assert_eq!(events.next(), Some(Ok(data(b"ab", 0))));
}

#[test]
fn reset_starts_again_from_anywhere() {
    let input = b"01r0001004echo00000003abcn00000000000e00010000000a00000001xf00000000zz";
    let bad = [b"X".as_slice(), b"01X", b"02", b"01R00010000000g", b"01n041"];
    let cuts = (0..=input.len()).map(|at| &input[..at]);
    for start in cuts.chain(bad) {
        let mut parser = Parser::<64>::new();
        let mut events = parser.feed(start);
        while let Some(Ok(_)) = events.next() {}
        for skip in [false, true] {
            if skip {
                parser.skip_payload();
            }
            parser.reset();
            assert_eq!(parser.offset(), 0);
            let missing = ErrorKind::UnexpectedEnd { missing: 2 };
            assert_eq!(parser.finish().unwrap_err().kind, missing);
            let mut events = parser.feed(b"01R000100000002hi");
            assert_eq!(events.next(), Some(Ok(Event::Version(1))));
            assert_eq!(events.next(), Some(Ok(result(2))));
            assert_eq!(events.next(), Some(Ok(data(b"hi", 0))));
            assert_eq!(events.next(), None);
        }
    }
}

#[test]
fn reset_forgets_that_a_message_is_skipped() {
    let mut parser = Parser::<0>::new();
    for byte in b"01n001" {
        let input = [*byte];
        let mut events = parser.feed(&input);
        while events.next().is_some() {}
    }
    parser.reset();
    let mut found = Vec::new();
    for byte in b"01R000100000000" {
        let input = [*byte];
        let mut events = parser.feed(&input);
        while let Some(event) = events.next() {
            found.push(match event {
                Ok(Event::Version(version)) => Event::Version(version),
                Ok(Event::Payload { data: b"", remaining }) => data(b"", remaining),
                Ok(Event::Frame(frame)) => result(frame.payload_len().unwrap()),
                other => panic!("{other:?}"),
            });
        }
    }
    assert_eq!(found, [Event::Version(1), result(0), data(b"", 0)]);
}

#[test]
fn without_a_handshake_the_first_byte_is_a_message_after_a_reset_too() {
    let mut parser = Parser::<64>::new().without_handshake();
    assert_eq!(parser.finish(), Ok(()), "nothing read is a clean end");
    for _ in 0..3 {
        assert_eq!(parser.feed(BEAT).next(), Some(Ok(beat())));
        parser.reset();
    }
    let error = parser.feed(b"01").next().unwrap().unwrap_err();
    assert_eq!((error.kind, error.offset), (ErrorKind::UnknownType(b'0'), 0));
    parser.reset();
    assert_eq!(parser.feed(BEAT).next(), Some(Ok(beat())));
}

#[test]
fn a_parser_can_stand_in_a_constant() {
    const PARSER: Parser<255> = Parser::new();
    const BARE: Parser = Parser::new().without_handshake();
    static STATIC: Parser<0> = Parser::new().without_handshake();
    assert_eq!(PARSER.clone().feed(b"01").next(), Some(Ok(Event::Version(1))));
    assert_eq!(BARE.clone().feed(BEAT).next(), Some(Ok(beat())));
    assert_eq!(STATIC.finish(), Ok(()));
    let mut parser = Parser::<64>::default();
    let mut events = parser.feed(b"01n040");
    assert_eq!(events.next(), Some(Ok(Event::Version(1))), "the default expects a version");
    assert_eq!(events.next(), None, "and takes names of 64 bytes");
}

#[test]
fn a_clone_goes_on_where_the_original_stood() {
    let input = b"01r0001004echo00000003abch000100000002";
    for at in 0..=input.len() {
        let mut parser = Parser::<64>::new();
        let mut rest = &input[..at];
        while parser.next_event(&mut rest).unwrap().is_some() {}
        let mut clone = parser.clone();
        let (mut a, mut b) = (&input[at..], &input[at..]);
        loop {
            let event = parser.next_event(&mut a).unwrap();
            assert_eq!(clone.next_event(&mut b).unwrap(), event);
            if event.is_none() {
                break;
            }
        }
        assert_eq!(clone.offset(), parser.offset());
    }
}

#[test]
fn a_step_borrows_nothing_and_can_be_shown_twice() {
    let input = b"01r0001004echo00000005hello";
    let mut parser = Parser::<64>::new();
    let mut rest = input.as_slice();
    let op = Frame::SingleRequest { id: ID, op: "echo".into(), payload_len: 5 };
    for (used, event) in [(2, Event::Version(1)), (20, Event::Frame(op)), (5, data(b"hello", 0))] {
        let (n, step) = parser.step(rest);
        let step = step.unwrap();
        let step: Step = step.unwrap();
        let copy = step;
        assert_eq!(n, used);
        assert_eq!(parser.event(rest, step), event);
        assert_eq!(parser.event(rest, copy), event);
        assert_eq!(step, copy);
        rest = &rest[n..];
    }
    assert_eq!(parser.step(rest), (0, Ok(None)));

    // The name may come from earlier input, which need not be there any more.
    let mut parser = Parser::<64>::new().without_handshake();
    for byte in &input[2..21] {
        assert_eq!(parser.step(&[*byte]), (1, Ok(None)));
    }
    let (_, step) = parser.step(b"5hello");
    let step = step.unwrap();
    assert_eq!(parser.event(b"5hello", step.unwrap()), Event::Frame(op));
}

#[test]
fn what_a_step_read_before_an_error_shows_in_the_offset() {
    let mut parser = Parser::<64>::new();
    assert_eq!(parser.step(b"01").0, 2);
    let (read, error) = parser.step(b"R0001000x");
    let error = error.unwrap_err();
    assert_eq!(read, 8, "the bytes before the wrong one are read");
    assert_eq!((parser.offset(), error.offset), (10, 10));
    assert_eq!(parser.step(b"R0001"), (0, Err(error)));
    assert_eq!(parser.offset(), 10);
    // And next_event moves its input up to the wrong byte.
    let mut parser = Parser::<64>::new().without_handshake();
    let mut input = b"R0001000xyz".as_slice();
    assert!(parser.next_event(&mut input).is_err());
    assert_eq!(input, b"xyz");
}

#[test]
fn an_event_shown_with_the_wrong_input_does_not_panic() {
    let mut parser = Parser::<64>::new().without_handshake();
    let input = b"n003log00000005hello";
    let (n, frame) = parser.step(input);
    let frame = frame.unwrap();
    let (_, payload) = parser.step(&input[n..]);
    let payload = payload.unwrap();
    for step in [frame, payload] {
        for other in [b"".as_slice(), b"x", b"n003"] {
            let _ = parser.event(other, step.unwrap());
        }
    }
}

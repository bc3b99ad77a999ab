//! The worked examples, section 2 of PROTOCOL.md, and what real peers do, section 5, as
//! far as it concerns the codec.

use gotalk::{ErrorCode, ErrorKind, Event, Frame, Name, Parser, RequestId};

const ID: RequestId = RequestId::new(*b"0001");

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
fn section_2_the_worked_examples() {
    let op = Name::from("echo");
    let id = ID;
    let data = |data| Event::Payload { data, remaining: 0 };
    let cases: [(&[u8], &[Event<'_>]); 14] = [
        (b"01", &[Event::Version(1)]),
        (
            b"r0001004echo00000019{\"message\":\"Hello World\"}",
            &[
                Event::Frame(Frame::SingleRequest { id, op, payload_len: 25 }),
                data(b"{\"message\":\"Hello World\"}"),
            ],
        ),
        (
            b"R000100000019{\"message\":\"Hello World\"}",
            &[
                Event::Frame(Frame::SingleResult { id, payload_len: 25 }),
                data(b"{\"message\":\"Hello World\"}"),
            ],
        ),
        (
            b"E000100000026{\"error\":\"Unknown operation \\\"echo\\\"\"}",
            &[
                Event::Frame(Frame::ErrorResult { id, payload_len: 38 }),
                data(b"{\"error\":\"Unknown operation \\\"echo\\\"\"}"),
            ],
        ),
        (
            b"e00010000138800000014\"request rate limit\"",
            &[
                Event::Frame(Frame::RetryResult { id, wait_ms: 5000, payload_len: 20 }),
                data(b"\"request rate limit\""),
            ],
        ),
        (
            b"n00cchat message00000020{\"message\":\"Hi\",\"room\":\"gonuts\"}",
            &[
                Event::Frame(Frame::Notification { name: "chat message".into(), payload_len: 32 }),
                data(b"{\"message\":\"Hi\",\"room\":\"gonuts\"}"),
            ],
        ),
        (
            b"s0001004echo0000000b{\"message\":",
            &[
                Event::Frame(Frame::StreamRequest { id, op, payload_len: 11 }),
                data(b"{\"message\":"),
            ],
        ),
        (
            b"p00010000000e\"Hello World\"}",
            &[
                Event::Frame(Frame::StreamRequestPart { id, payload_len: 14 }),
                data(b"\"Hello World\"}"),
            ],
        ),
        (
            b"p000100000000",
            &[Event::Frame(Frame::StreamRequestPart { id, payload_len: 0 }), data(b"")],
        ),
        (
            b"S00010000000b{\"message\":",
            &[Event::Frame(Frame::StreamResult { id, payload_len: 11 }), data(b"{\"message\":")],
        ),
        (
            b"S00010000000e\"Hello World\"}",
            &[Event::Frame(Frame::StreamResult { id, payload_len: 14 }), data(b"\"Hello World\"}")],
        ),
        (b"S000100000000", &[Event::Frame(Frame::StreamResult { id, payload_len: 0 }), data(b"")]),
        (b"h000254d7de9a", &[Event::Frame(Frame::Heartbeat { load: 2, time: 1_423_433_370 })]),
        (b"f00000001", &[Event::Frame(Frame::ProtocolError { code: ErrorCode::UNSUPPORTED })]),
    ];
    let mut parser = Parser::<64>::new();
    for (input, events) in cases {
        expect(&mut parser, input, events);
    }
    let joined = cases.map(|(input, _)| input).concat();
    let all = cases.map(|(_, events)| events).concat();
    expect(&mut Parser::<64>::new(), &joined, &all);
}

#[test]
fn section_5_what_real_peers_do() {
    // A stray end after an error result is two ordinary messages.
    let id = ID;
    let empty = Event::Payload { data: &[], remaining: 0 };
    expect(
        &mut bare::<64>(),
        b"E000100000000S000100000000",
        &[
            Event::Frame(Frame::ErrorResult { id, payload_len: 0 }),
            empty,
            Event::Frame(Frame::StreamResult { id, payload_len: 0 }),
            empty,
        ],
    );
    // Go, on a version mismatch: its version and the end.
    let mut parser = Parser::<64>::new();
    expect(&mut parser, b"01", &[Event::Version(1)]);
    assert_eq!(parser.finish(), Ok(()));
    // Go and JS leave out the field of an empty name. It reads as the grammar says.
    let error = bare::<64>().feed(b"n00000005hello").next().unwrap().unwrap_err();
    let field = gotalk::Field::PayloadSize;
    assert_eq!((error.kind, error.offset), (ErrorKind::InvalidDigit { byte: b'h', field }, 9));
    // python-gotalk's decimal length of an operation.
    let error = bare::<64>().feed(b"r0001010abcdefghij00000001x").next().unwrap().unwrap_err();
    assert_eq!((error.kind, error.offset), (ErrorKind::InvalidDigit { byte: b'x', field }, 26));
    // A size and nothing after it can be skipped.
    let mut parser = bare::<64>();
    assert!(parser.feed(b"R0001ffffffff").next().is_some());
    parser.skip_payload();
    expect(&mut parser, b"whatever", &[]);
}

//! Whole messages: what comes, when, from where, and what is too long.

mod support;

use gotalk::{Assembler, ErrorKind, Frame, Item, Message, MessageType, RequestId};
use support::{drive, oracle};

const ID: RequestId = RequestId::new(*b"0001");

fn bare<const P: usize, const N: usize>() -> Assembler<P, N> {
    Assembler::new().without_handshake()
}

fn message<'a>(frame: Frame<'a>, payload: &'a [u8]) -> Item<'a> {
    Item::Message(Message { frame, payload })
}

fn beat() -> Item<'static> {
    message(Frame::Heartbeat { load: 1, time: 2 }, b"")
}

#[track_caller]
fn expect<const P: usize, const N: usize>(pieces: &[&[u8]], items: &[Item<'_>]) {
    let mut assembler = bare::<P, N>();
    let mut items = items.iter();
    for piece in pieces {
        let mut got = assembler.feed(piece);
        while let Some(item) = got.next() {
            assert_eq!(item, Ok(*items.next().expect("no more items")));
        }
        assert_eq!(got.remaining(), b"");
    }
    assert_eq!(items.next(), None);
    assert_eq!(assembler.finish(), Ok(()));
}

#[test]
fn every_type_comes_whole_however_it_is_split() {
    let op = "echo".into();
    let id = ID;
    let len = |payload: &[u8]| payload.len() as u32;
    let (hello, empty) = (b"hello".as_slice(), b"".as_slice());
    let items = [
        (
            "r0001004echo00000005hello",
            message(Frame::SingleRequest { id, op, payload_len: 5 }, hello),
        ),
        ("s0001004echo00000000", message(Frame::StreamRequest { id, op, payload_len: 0 }, empty)),
        ("p000100000005hello", message(Frame::StreamRequestPart { id, payload_len: 5 }, hello)),
        ("p000100000000", message(Frame::StreamRequestPart { id, payload_len: 0 }, empty)),
        ("R000100000005hello", message(Frame::SingleResult { id, payload_len: 5 }, hello)),
        ("S000100000001!", message(Frame::StreamResult { id, payload_len: 1 }, b"!")),
        ("S000100000000", message(Frame::StreamResult { id, payload_len: 0 }, empty)),
        ("E000100000004nope", message(Frame::ErrorResult { id, payload_len: 4 }, b"nope")),
        (
            "e00010000138800000004wait",
            message(Frame::RetryResult { id, wait_ms: 5000, payload_len: len(b"wait") }, b"wait"),
        ),
        ("n004echo00000005hello", message(Frame::Notification { name: op, payload_len: 5 }, hello)),
        ("h000100000002", beat()),
        ("f00000003", message(Frame::ProtocolError { code: 3.into() }, empty)),
    ];
    for (text, item) in items {
        for pieces in (1..=text.len()).map(|len| drive::chunks(text.as_bytes(), len)) {
            expect::<5, 4>(&pieces, &[item]);
        }
    }
    let joined: String = items.map(|(text, _)| text).concat();
    for len in 1..=joined.len() {
        expect::<5, 4>(&drive::chunks(joined.as_bytes(), len), &items.map(|(_, item)| item));
    }
}

#[test]
fn a_message_that_lies_whole_in_the_input_is_not_copied() {
    let input = b"r0001004echo00000005hello".to_vec();
    let mut assembler = bare::<16, 16>();
    let mut items = assembler.feed(&input);
    let Some(Ok(Item::Message(Message { payload, .. }))) = items.next() else { panic!() };
    assert!(std::ptr::eq(payload, &raw const input[20..]));

    // From pieces it is, so that the pieces can go.
    let mut assembler = bare::<16, 16>();
    for piece in [b"r0001004ec".to_vec(), b"ho00000005he".to_vec()] {
        assert_eq!(assembler.feed(&piece).next(), None);
    }
    let mut items = assembler.feed(b"llo");
    let want = Frame::SingleRequest { id: ID, op: "echo".into(), payload_len: 5 };
    assert_eq!(items.next(), Some(Ok(message(want, b"hello"))));
}

#[test]
fn a_message_comes_as_soon_as_its_last_byte() {
    let input = b"r0001004echo00000005hellorest";
    let mut assembler = bare::<16, 16>();
    assert_eq!(assembler.feed(&input[..24]).next(), None);
    assert_eq!(assembler.offset(), 24);
    let mut rest = &input[24..];
    assert!(matches!(assembler.next_item(&mut rest), Ok(Some(Item::Message(_)))));
    assert_eq!(rest, b"rest");
    assert_eq!(assembler.offset(), 25);
}

/// A payload of one size through one capacity, in every split.
fn check_payload<const P: usize>() {
    for len in [0, 1, 7, 8, 9, 31, 32, 33, 255, 256, 257] {
        let mut input = format!("R0001{len:08x}").into_bytes();
        input.extend((0..len).map(|i| i as u8));
        let mut follows = input.clone();
        follows.extend(b"h000100000002");
        let too_long = Item::PayloadTooLong(Frame::SingleResult { id: ID, payload_len: len });
        let whole = message(Frame::SingleResult { id: ID, payload_len: len }, &input[13..]);
        let want = if len as usize > P { too_long } else { whole };
        for size in 1..=follows.len() {
            expect::<P, 0>(&drive::chunks(&follows, size), &[want, beat()]);
        }
        // Refused at its header, whatever of it there is.
        if len as usize > P {
            let mut assembler = bare::<P, 0>();
            assert_eq!(assembler.feed(&follows[..12]).next(), None);
            let mut items = assembler.feed(&follows[12..]);
            assert_eq!(items.next(), Some(Ok(too_long)));
            assert_eq!((items.offset(), items.remaining()), (13, &follows[13..]));
        }
    }
}

#[test]
fn a_payload_is_too_long_from_the_capacity_on_however_it_arrives() {
    check_payload::<0>();
    check_payload::<1>();
    check_payload::<8>();
    check_payload::<32>();
    check_payload::<256>();
}

#[test]
fn too_long_says_what_and_whose() {
    let (id, op, name, payload_len) = (ID, "up".into(), "".into(), 3);
    let payload = Item::PayloadTooLong;
    let long = |message_type, id| Item::NameTooLong { message_type, id, name_len: 5 };
    let cases: [(&[u8], Item<'_>); 11] = [
        (b"r0001002up00000003abc", payload(Frame::SingleRequest { id, op, payload_len })),
        (b"s0001002up00000003abc", payload(Frame::StreamRequest { id, op, payload_len })),
        (b"n00000000003abc", payload(Frame::Notification { name, payload_len })),
        (b"e00010000000100000003abc", payload(Frame::RetryResult { id, wait_ms: 1, payload_len })),
        (b"p000100000003abc", payload(Frame::StreamRequestPart { id, payload_len })),
        (b"R000100000003abc", payload(Frame::SingleResult { id, payload_len })),
        (b"S000100000003abc", payload(Frame::StreamResult { id, payload_len })),
        (b"E000100000003abc", payload(Frame::ErrorResult { id, payload_len })),
        // The name comes first: what the payload would have been does not matter.
        (b"r0001005upper00000003abc", long(MessageType::SingleRequest, Some(ID))),
        (b"s0001005upper00000001a", long(MessageType::StreamRequest, Some(ID))),
        (b"n005upper00000000", long(MessageType::Notification, None)),
    ];
    for (input, item) in cases {
        let mut follows = input.to_vec();
        follows.extend(b"h000100000002");
        for size in 1..=follows.len() {
            expect::<2, 4>(&drive::chunks(&follows, size), &[item, beat()]);
        }
    }
    // The length of a name that an earlier message had is not that of a later one.
    let input = b"n003log00000000R000100000003abc";
    let log = message(Frame::Notification { name: "log".into(), payload_len: 0 }, b"");
    let result = payload(Frame::SingleResult { id, payload_len });
    for size in 1..=input.len() {
        expect::<2, 4>(&drive::chunks(input, size), &[log, result]);
    }
}

#[test]
fn the_end_in_a_message_is_a_truncation() {
    let input = b"r0001004echo00000005hello";
    for at in 1..input.len() {
        for piece in [1, 3, 25] {
            let mut assembler = bare::<16, 16>();
            for piece in input[..at].chunks(piece) {
                assert_eq!(assembler.feed(piece).next(), None);
            }
            let want = oracle::read(&input[..at], 16, false);
            let oracle::End::Truncated { missing } = want.end else { panic!() };
            let error = assembler.finish().unwrap_err();
            assert_eq!(error.kind, ErrorKind::UnexpectedEnd { missing });
            assert_eq!(error.offset, at as u64);
        }
    }
    // In a payload that is skipped, too.
    let mut assembler = bare::<2, 16>();
    assert!(assembler.feed(b"R000100000005").next().is_some());
    assert!(assembler.feed(b"he").next().is_none());
    let missing = ErrorKind::UnexpectedEnd { missing: 3 };
    assert_eq!(assembler.finish().unwrap_err().kind, missing);
}

#[test]
fn an_error_stays_until_reset() {
    let mut assembler = Assembler::<8>::new();
    let mut items = assembler.feed(b"01R000100000002abX!");
    assert_eq!(items.next(), Some(Ok(Item::Version(1))));
    assert!(matches!(items.next(), Some(Ok(Item::Message(_)))));
    let error = items.next().unwrap().unwrap_err();
    assert_eq!((error.kind, error.offset), (ErrorKind::UnknownType(b'X'), 17));
    assert_eq!(items.next(), None);
    assert_eq!(items.remaining(), b"X!");
    let mut input = b"h000100000002".as_slice();
    assert_eq!(assembler.next_item(&mut input), Err(error));
    assert_eq!(input.len(), 13);
    assert_eq!(assembler.feed(b"").next(), Some(Err(error)));
    assert_eq!(assembler.finish(), Err(error));
    assembler.reset();
    assert_eq!(assembler.offset(), 0);
    assert_eq!(assembler.feed(b"01").next(), Some(Ok(Item::Version(1))));
}

#[test]
fn reset_in_the_middle_leaves_nothing_behind() {
    let input = b"01r0001004echo00000005hello";
    for at in 0..=input.len() {
        for size in [1, 7, 27] {
            let mut assembler = Assembler::<8>::default();
            for piece in input[..at].chunks(size) {
                let mut items = assembler.feed(piece);
                while items.next().is_some() {}
            }
            assembler.reset();
            assert_eq!(assembler.offset(), 0);
            let mut items = assembler.feed(b"01R000100000002");
            assert_eq!(items.next(), Some(Ok(Item::Version(1))));
            assert_eq!(items.next(), None);
            let mut items = assembler.feed(b"hi");
            let want = Frame::SingleResult { id: ID, payload_len: 2 };
            assert_eq!(items.next(), Some(Ok(message(want, b"hi"))));
        }
    }
    let mut assembler = Assembler::<8>::new().without_handshake();
    assert_eq!(assembler.finish(), Ok(()));
    for _ in 0..2 {
        assert_eq!(assembler.feed(b"h000100000002").next(), Some(Ok(beat())));
        assembler.reset();
    }
}

#[test]
fn leaving_early_loses_nothing() {
    let input = b"h000100000002R000100000002hih000100000002";
    let result = message(Frame::SingleResult { id: ID, payload_len: 2 }, b"hi");
    let all = [beat(), result, beat()];
    for taken in 0..=all.len() {
        let mut assembler = bare::<8, 8>();
        let mut items = assembler.feed(input);
        for item in &all[..taken] {
            assert_eq!(items.next(), Some(Ok(*item)));
        }
        let rest = items.remaining();
        assert_eq!(items.offset(), (input.len() - rest.len()) as u64);
        let mut items = assembler.feed(rest);
        for item in &all[taken..] {
            assert_eq!(items.next(), Some(Ok(*item)));
        }
        assert_eq!(items.next(), None);
    }
}

#[test]
fn names_go_up_to_64_bytes_unless_said_otherwise() {
    const CONST: Assembler<4> = Assembler::new().without_handshake();
    for len in [64, 65] {
        let input = format!("n{len:03x}{}00000000", "x".repeat(len));
        let mut assembler = CONST.clone();
        let item = assembler.feed(input.as_bytes()).next().unwrap().map(|item| match item {
            Item::Message(_) => 64,
            Item::NameTooLong { name_len, .. } => name_len,
            other => panic!("{other:?}"),
        });
        assert_eq!(item, Ok(len as u16));
    }
}

#[test]
fn the_longest_name_lies_whole_in_the_assembler() {
    let name: String = ('a'..='z').cycle().take(4095).collect();
    let input = format!("nfff{name}00000003abc");
    let want = Frame::Notification { name: name.as_str().into(), payload_len: 3 };
    for size in [1, 100, 4000, 4098, 4099, 4106, 4107, 4108, 5000] {
        expect::<3, 4095>(&drive::chunks(input.as_bytes(), size), &[message(want, b"abc")]);
    }
}

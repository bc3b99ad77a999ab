//! The feature `defmt`: what each public type prints. The sink keeps the bytes that a
//! device would send; they are decoded here as `defmt-print` does it on a developer's
//! machine, with the format strings from this executable's own symbol table (ELF only).

#![allow(unsafe_code)] // The trait of a logger is unsafe to implement.

mod decode;
mod table;

use std::cell::RefCell;

use gotalk::{
    Announced, Backoff, Due, Error, ErrorCode, ErrorKind, Event, Field, Frame, Item, Message,
    MessageType, Name, Parser, Received, RequestId, Session, SessionError, Settings, WriteError,
    Writer,
};

thread_local! {
    static SENT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

#[defmt::global_logger]
struct Sink;

// Each thread has a buffer of its own, so there is nothing to be acquired.
unsafe impl defmt::Logger for Sink {
    fn acquire() {}
    unsafe fn flush() {}
    unsafe fn release() {}
    unsafe fn write(bytes: &[u8]) {
        SENT.with_borrow_mut(|sent| sent.extend_from_slice(bytes));
    }
}

defmt::timestamp!("");

// Nothing here calls it, but whether the linker sees that depends on the profile.
#[defmt::panic_handler]
fn panic() -> ! {
    unreachable!("no defmt panic is in this crate")
}

/// What a developer sees of a value.
fn print(value: &dyn Print) -> String {
    SENT.take();
    value.send();
    let sent = SENT.take();
    // An empty timestamp sends its format string alone; the text is ours.
    let text = decode::message(&table::read("value: {}"), &sent);
    text.strip_prefix("value: ").unwrap().to_owned()
}

trait Print {
    fn send(&self);
}

impl<T: defmt::Format> Print for T {
    fn send(&self) {
        defmt::println!("value: {}", self);
    }
}

const ID: RequestId = RequestId::new(*b"0001");

#[test]
fn ids_names_and_codes_are_readable() {
    let cases: [(&dyn Print, &str); 14] = [
        (&ID, r#"RequestId(b"0001")"#),
        (&RequestId::new([0, 1, b'"', 0xff]), r#"RequestId(b"\x00\x01\"\xff")"#),
        (&Name::from("echo"), r#""echo""#),
        (&Name::from("smörgås \"x\""), r#""smörgås \"x\"""#),
        (&Name::from(b"\xff\xfea".as_slice()), r#"b"\xff\xfea""#),
        (&Name::new("a\n\t\r"), r#""a\n\t\r""#),
        // Where a string could hide something, its bytes.
        (&Name::new("\u{202e}gnp.exe"), r#"b"\xe2\x80\xaegnp.exe""#),
        (&Name::new("\u{3164}"), r#"b"\xe3\x85\xa4""#),
        (&Name::new("\0"), r#"b"\x00""#),
        (&Name::new(""), r#""""#),
        (&ErrorCode::ABNORMAL, "ErrorCode(0, abnormal)"),
        (&ErrorCode::UNSUPPORTED, "ErrorCode(1, unsupported protocol)"),
        (&ErrorCode::TIMEOUT, "ErrorCode(3, timeout)"),
        (&ErrorCode::from(4), "ErrorCode(4)"),
    ];
    for (value, text) in cases {
        assert_eq!(print(value), text);
    }
}

#[test]
fn every_message_type_prints_its_name() {
    let types: Vec<_> = (0..=255).filter_map(MessageType::from_byte).collect();
    assert_eq!(types.len(), 10);
    for message in types {
        assert_eq!(print(&message), format!("{message:?}"));
    }
}

#[test]
fn every_frame_prints_all_its_fields() {
    let (id, op, payload_len) = (ID, Name::from("echo"), 5);
    let named = r#"{ id: RequestId(b"0001"), op: "echo", payload_len: 5 }"#;
    let plain = r#"{ id: RequestId(b"0001"), payload_len: 5 }"#;
    let frames = [
        (Frame::SingleRequest { id, op, payload_len }, format!("SingleRequest {named}")),
        (Frame::StreamRequest { id, op, payload_len }, format!("StreamRequest {named}")),
        (Frame::StreamRequestPart { id, payload_len }, format!("StreamRequestPart {plain}")),
        (Frame::SingleResult { id, payload_len }, format!("SingleResult {plain}")),
        (Frame::StreamResult { id, payload_len }, format!("StreamResult {plain}")),
        (Frame::ErrorResult { id, payload_len }, format!("ErrorResult {plain}")),
        (
            Frame::RetryResult { id, wait_ms: 5000, payload_len },
            r#"RetryResult { id: RequestId(b"0001"), wait_ms: 5000, payload_len: 5 }"#.to_owned(),
        ),
        (
            Frame::Notification { name: op, payload_len: u32::MAX },
            r#"Notification { name: "echo", payload_len: 4294967295 }"#.to_owned(),
        ),
        (
            Frame::Heartbeat { load: 0xffff, time: 7 },
            "Heartbeat { load: 65535, time: 7 }".to_owned(),
        ),
        (
            Frame::ProtocolError { code: ErrorCode::TIMEOUT },
            "ProtocolError { code: ErrorCode(3, timeout) }".to_owned(),
        ),
    ];
    for (frame, text) in frames {
        assert_eq!(print(&frame), text);
        assert_eq!(print(&Event::Frame(frame)), format!("Frame({text})"));
        let message = Message { frame, payload: b"hi" };
        let text = format!("Message {{ frame: {text}, payload: \"hi\" }}");
        assert_eq!(print(&message), text);
        assert_eq!(print(&Item::Message(message)), format!("Message({text})"));
    }
}

#[test]
fn every_event_and_item_prints() {
    let message_type = MessageType::SingleRequest;
    let id = Some(ID);
    let large = Frame::SingleResult { id: ID, payload_len: 300 };
    let too_long = "message_type: SingleRequest, id: Some(RequestId(b\"0001\")), name_len: 65";
    let cases: [(&dyn Print, String); 7] = [
        (&Event::Version(1), "Version(1)".to_owned()),
        (
            &Event::NameTooLong { message_type, id, name_len: 65 },
            format!("NameTooLong {{ {too_long} }}"),
        ),
        (
            &Event::Payload { data: b"abc", remaining: 9 },
            "Payload { data: \"abc\", remaining: 9 }".to_owned(),
        ),
        (
            &Event::Payload { data: b"", remaining: 0 },
            "Payload { data: \"\", remaining: 0 }".into(),
        ),
        (&Item::Version(1), "Version(1)".to_owned()),
        (
            &Item::NameTooLong { message_type, id, name_len: 65 },
            format!("NameTooLong {{ {too_long} }}"),
        ),
        (&Item::PayloadTooLong(large), format!("PayloadTooLong({})", print(&large))),
    ];
    for (value, text) in cases {
        assert_eq!(print(value), text);
    }
}

#[test]
fn every_field_prints_its_name() {
    for field in [
        Field::Version,
        Field::NameLength,
        Field::Wait,
        Field::Load,
        Field::Time,
        Field::Code,
        Field::PayloadSize,
    ] {
        assert_eq!(print(&field), format!("{field:?}"));
    }
}

#[test]
fn every_error_prints_what_and_where() {
    for (input, text) in [
        (b"02".as_slice(), "Error { kind: UnsupportedVersion(2), offset: 1 }"),
        (b"01X", "Error { kind: UnknownType(88), offset: 2 }"),
        (b"01hx", "Error { kind: InvalidDigit { byte: 120, field: Load }, offset: 3 }"),
        (b"01R0001", "Error { kind: UnexpectedEnd { missing: 8 }, offset: 7 }"),
    ] {
        let mut parser = Parser::<64>::new();
        let mut rest = input;
        let error: Error = loop {
            match parser.next_event(&mut rest) {
                Ok(Some(_)) => {}
                Ok(None) => break parser.finish().unwrap_err(),
                Err(error) => break error,
            }
        };
        assert_eq!(print(&error), text);
        let kind: ErrorKind = error.kind;
        assert!(text.contains(&print(&kind)));
    }
    for error in [
        WriteError::BufferTooSmall { needed: 18, available: 16 },
        WriteError::NameTooLong { len: 4096 },
        WriteError::PayloadTooLong { len: 70_000 },
        WriteError::EmptyName,
        WriteError::EmptyPart,
        WriteError::PayloadMismatch { announced: 4, given: 5 },
        WriteError::Closed,
        WriteError::Format,
    ] {
        assert_eq!(print(&error), format!("{error:?}"));
    }
}

#[test]
fn every_error_of_a_session_prints() {
    for error in [
        SessionError::TooMany,
        SessionError::Over,
        SessionError::Parts,
        SessionError::Unsupported,
        SessionError::Closed,
        SessionError::Write(WriteError::BufferTooSmall { needed: 18, available: 16 }),
    ] {
        assert_eq!(print(&error), format!("{error:?}"));
    }
}

/// As `Debug` does, but for the bytes of ids and payloads.
#[test]
fn a_session_and_what_it_says_print() {
    let mut session = Session::<2, 2>::new(Settings::DEFAULT);
    let mut buffer = [0; 64];
    let mut writer = Writer::new(&mut buffer);
    let ours = session.request(0, &mut writer, "x", "").unwrap();
    assert_eq!(print(&ours), format!("{ours:?}"));
    let frame = Frame::SingleRequest { id: ID, op: "echo".into(), payload_len: 2 };
    let received = session.receive(0, Event::Frame(frame), &mut writer).unwrap();
    let Received::Request { request: theirs, .. } = received else { panic!("{received:?}") };
    let (ours_text, theirs_text) = (print(&ours), print(&theirs));
    assert_eq!(theirs_text, format!("{theirs:?}").replace("(\"", "(b\""));
    assert_eq!(
        print(&received),
        format!("Request {{ request: {theirs_text}, op: \"echo\", payload: 2 }}")
    );
    let retry = Received::RetryResult { request: ours, wait_ms: 5, payload: b"hi".as_slice() };
    let text = print(&retry);
    assert!(text.starts_with(&format!("RetryResult {{ request: {ours_text}, wait_ms: 5, ")));

    for phase in ["Open", "Draining", "Closing", "Ended"] {
        match phase {
            "Open" => {}
            "Draining" => session.drain(),
            "Closing" => session.close(ErrorCode::ABNORMAL),
            _ => session.disconnected(),
        }
        assert_eq!(print(&session), format!("{session:?}"));
        assert!(print(&session).contains(phase));
    }
    for due in [Due::TimedOut(ours), Due::Lost(ours), Due::Close] {
        assert_eq!(print(&due), format!("{due:?}"));
    }
    for settings in [Settings::DEFAULT, Settings::BROWSER] {
        assert_eq!(print(&settings), format!("{settings:?}"));
    }
    assert_eq!(print(&Backoff::new()), format!("{:?}", Backoff::new()));
    assert_eq!(print(&Announced(7)), "Announced(7)");
}

/// What has no payload.
#[test]
fn the_rest_of_what_a_session_says_prints() {
    let mut session = Session::<1, 0>::new(Settings::DEFAULT);
    let request = session.request(0, &mut Writer::new(&mut [0; 64]), "x", "").unwrap();
    for received in [
        Received::Opened,
        Received::ResultEnd { request },
        Received::ResultTooLong { request },
        Received::Notification { name: "log".into(), payload: 7u32 },
        Received::Heartbeat { load: 2, time: 3 },
        Received::Handled,
    ] {
        assert_eq!(print(&received), format!("{received:?}"));
    }
    let closed: Received<'_, u32> = Received::Closed { code: ErrorCode::TIMEOUT };
    assert_eq!(print(&closed), "Closed { code: ErrorCode(3, timeout) }");
}

#[test]
#[cfg(not(feature = "heapless"))]
#[ignore = "needs --features heapless"]
fn owned_messages_and_their_errors_print() {}

#[test]
#[cfg(feature = "heapless")]
fn owned_messages_and_their_errors_print() {
    use gotalk::{OwnedError, OwnedMessage};
    let frame = Frame::Notification { name: "log".into(), payload_len: 2 };
    let message = Message { frame, payload: b"hi" };
    let owned = OwnedMessage::<8, 8>::try_from(message).unwrap();
    let text = print(&owned);
    for part in ["Notification", "log", "\"hi\""] {
        assert!(text.contains(part), "{text}");
    }
    for error in [OwnedError::NameTooLong { len: 65 }, OwnedError::PayloadTooLong { len: 257 }] {
        assert_eq!(print(&error), format!("{error:?}"));
    }
}

/// As `Debug`, of which `tests/fresh.rs` shows that it keeps silent about what they hold; and
/// nothing of it is sent either, shown or not.
#[test]
fn machines_and_buffers_print_where_they_stand() {
    const SECRET: &[u8] = b"PASSWORD~1234567";
    fn check(value: &(impl defmt::Format + std::fmt::Debug)) {
        assert_eq!(print(value), format!("{value:?}"));
        SENT.take();
        Print::send(value);
        let sent = SENT.take();
        assert!(!sent.windows(4).any(|bytes| SECRET.windows(4).any(|secret| secret == bytes)));
    }
    let input = [b"01r0001010", SECRET, b"00000010", SECRET].concat();
    for end in 0..=input.len() {
        let (mut parser, mut assembler) = (Parser::<64>::new(), gotalk::Assembler::<300>::new());
        let mut events = parser.feed(&input[..end]);
        check(&events);
        while let Some(Ok(_)) = events.next() {}
        check(&events);
        check(&parser);
        let mut items = assembler.feed(&input[..end]);
        while let Some(Ok(_)) = items.next() {}
        check(&items);
        check(&assembler);
        let mut read = input.as_slice();
        parser.reset();
        while let Ok(Some(_)) = parser.next_event(&mut read) {}
        check(&parser);
    }
    let mut buffer = [0; 100];
    let mut writer = gotalk::Writer::new(&mut buffer);
    writer.notification(SECRET, SECRET).unwrap();
    check(&writer);
    writer.clear();
    check(&writer);
    let mut place = writer.begin(&Frame::SingleResult { id: ID, payload_len: 0 }).unwrap();
    place.write(SECRET);
    check(&place);
    let mut send = gotalk::SendBuffer::<100>::new();
    send.write(|writer| writer.notification(SECRET, SECRET)).unwrap();
    check(&send);
    check(&gotalk::websocket::messages(send.unsent()));
    send.sent(44);
    check(&send);
}

#[test]
fn every_public_type_can_be_printed() {
    fn formats<T: defmt::Format + ?Sized>() {}
    formats::<Parser>();
    formats::<gotalk::Step>();
    formats::<gotalk::Events<'_, '_, 64>>();
    formats::<gotalk::Assembler<8>>();
    formats::<gotalk::Items<'_, '_, 8, 64>>();
    formats::<gotalk::PayloadWriter<'_, '_>>();
    formats::<gotalk::SendBuffer<8>>();
    formats::<gotalk::websocket::Messages<'_>>();
    formats::<gotalk::Writer<'_>>();
    formats::<Session<1, 1>>();
    formats::<gotalk::Outgoing>();
    formats::<gotalk::Incoming>();
    formats::<Received<'_, u32>>();
    formats::<Received<'_, &[u8]>>();
}

#[test]
fn the_decoder_knows_a_wrong_text() {
    assert_ne!(print(&Event::Version(1)), print(&Event::Version(2)));
    assert_ne!(print(&Name::from("a")), print(&Name::from("b")));
}

//! Machines and buffers hold bytes of strangers: what they print must never show these, and
//! be short. And a fresh one is all zeros, so that a static costs no flash.

use std::fmt::Debug;

use gotalk::{
    Assembler, Event, Frame, Item, Message, MessageType, Parser, RequestId, SendBuffer, Session,
    Settings, Writer, websocket,
};

const ID: RequestId = RequestId::new(*b"0001");

/// As a name and as a payload, with bytes that nothing else prints.
const SECRET: &str = "PASSWORD~1234567";

/// What is printed, in either form, has nothing of the secret: no four bytes of it as text,
/// and no two as numbers, decimal or hexadecimal.
#[track_caller]
fn silent(value: &impl Debug, longest: usize) {
    assert_eq!(told(value, longest), None);
}

/// What `value` shows, if it is more than it should.
fn told(value: &dyn Debug, longest: usize) -> Option<String> {
    let secret = SECRET.as_bytes();
    [format!("{value:?}"), format!("{value:#?}")].into_iter().find(|text| {
        let bare: String = text.split_whitespace().collect();
        let as_text = |bytes: &[u8]| text.contains(std::str::from_utf8(bytes).unwrap());
        let as_numbers = |pair: &[u8]| {
            bare.contains(&format!("{},{}", pair[0], pair[1]))
                || bare.contains(&format!("{:02x}{:02x}", pair[0], pair[1]))
                || bare.contains(&format!("{:x},{:x}", pair[0], pair[1]))
        };
        secret.windows(4).any(as_text) || secret.windows(2).any(as_numbers) || text.len() > longest
    })
}

/// The control: what would show it is found out.
#[test]
fn a_secret_would_be_noticed() {
    #[derive(Debug)]
    struct Leak<T>(#[allow(dead_code)] T);
    let noticed = |leak: &dyn Debug| assert!(told(leak, 10_000).is_some(), "{leak:?}");
    noticed(&Leak(SECRET));
    noticed(&Leak(SECRET.as_bytes()));
    noticed(&Leak(SECRET.as_bytes().to_vec()));
    noticed(&format!("{:x?}", SECRET.as_bytes()));
    noticed(&gotalk::Name::new(SECRET));
    assert!(told(&"x".repeat(400), 300).is_some());
    assert!(told(&"x".repeat(200), 300).is_none());
}

#[test]
fn a_parser_and_its_events_keep_silent() {
    let mut input = format!("01r0001010{SECRET}00000010").into_bytes();
    input.extend_from_slice(SECRET.as_bytes());
    for end in 0..=input.len() {
        for whole in [false, true] {
            let mut parser = Parser::<4095>::new();
            for piece in input[..end].chunks(if whole { 100 } else { 1 }) {
                let mut events = parser.feed(piece);
                silent(&events, 250);
                while let Some(Ok(_)) = events.next() {}
                silent(&events, 250);
                assert!(format!("{events:?}").contains("remaining: 0"));
            }
            silent(&parser, 200);
            assert!(format!("{parser:?}").contains(&format!("offset: {end}")));
            parser.reset();
            // As a new one, whatever lies in it.
            assert_eq!(format!("{parser:?}"), format!("{:?}", Parser::<4095>::new()));
            // The bytes that were not read are counted and not shown.
            let events = parser.feed(&input);
            silent(&events, 250);
            assert!(format!("{events:?}").contains("remaining: 50"), "{events:?}");
        }
    }
    // A step says what was found, not what it is.
    let mut parser = Parser::<64>::new().without_handshake();
    let (_, step) = parser.step(&input[2..]);
    silent(&step, 200);
}

#[test]
fn a_parser_shows_where_it_stands() {
    let mut parser = Parser::<7>::new();
    assert_eq!(format!("{parser:?}"), "Parser { state: Start, offset: 0, name_capacity: 7 }");
    let mut input = b"01R000100000005he".as_slice();
    while parser.next_event(&mut input).unwrap().is_some() {}
    assert_eq!(format!("{parser:?}"), "Parser { state: Payload, offset: 17, name_capacity: 7 }");
}

#[test]
fn an_assembler_and_its_items_keep_silent() {
    let mut input = format!("01r0001010{SECRET}00000010").into_bytes();
    input.extend_from_slice(SECRET.as_bytes());
    let mut assembler = Assembler::<65536>::new();
    for end in 0..=input.len() {
        for piece in input[..end].chunks(1) {
            let mut items = assembler.feed(piece);
            while let Some(Ok(_)) = items.next() {}
            silent(&items, 450);
        }
        silent(&assembler, 400);
        assembler.reset();
        let fresh = Assembler::<65536>::new();
        assert_eq!(format!("{assembler:?}"), format!("{fresh:?}"));
    }
    let want = "Assembler { parser: Parser { state: Start, offset: 0, name_capacity: 64 }, \
                payload_capacity: 65536 }";
    assert_eq!(format!("{assembler:?}"), want);
}

#[test]
fn writers_and_buffers_keep_silent() {
    let mut buffer = [0; 256];
    let mut writer = Writer::new(&mut buffer);
    writer.single_request(ID, SECRET, SECRET.as_bytes()).unwrap();
    silent(&writer, 200);
    writer.clear();
    silent(&writer, 200);
    assert_eq!(format!("{writer:?}"), "Writer { len: 0, capacity: 256, closed: false }");
    let frame = Frame::SingleResult { id: ID, payload_len: 0 };
    let mut place = writer.begin(&frame).unwrap();
    silent(&place, 350);
    place.write(SECRET.as_bytes());
    silent(&place, 350);
    assert!(
        format!("{place:?}").starts_with("PayloadWriter { message_type: SingleResult, len: 16")
    );
    drop(place);
    silent(&writer, 200);

    let mut send = SendBuffer::<256>::new();
    for _ in 0..3 {
        send.write(|writer| writer.notification(SECRET, SECRET.as_bytes())).unwrap();
        silent(&send, 200);
        assert_eq!(format!("{send:?}"), "SendBuffer { unsent: 44, capacity: 256, closed: false }");
        silent(&websocket::messages(send.unsent()), 100);
        send.sent(44);
        silent(&send, 200);
    }
    send.reset();
    silent(&send, 200);
    assert_eq!(format!("{send:?}"), "SendBuffer { unsent: 0, capacity: 256, closed: false }");
    let mut messages = websocket::messages(b"01h000000000000");
    messages.next();
    assert_eq!(format!("{messages:?}"), "Messages { remaining: 13 }");
}

#[test]
fn a_session_shows_how_far_it_has_come_and_keeps_silent() {
    let mut session = Session::<8, 8>::new(Settings::DEFAULT);
    let mut parser = Parser::<64>::new();
    let mut buffer = [0; 256];
    let mut writer = Writer::new(&mut buffer);
    let shown = |session: &Session, phase, requests, answers_owed| {
        silent(session, 200);
        let counts = format!("requests: {requests}, answers_owed: {answers_owed}");
        assert_eq!(format!("{session:?}"), format!("Session {{ phase: {phase}, {counts}, .. }}"));
    };
    shown(&session, "Open", 0, 0);
    for requests in 1..3 {
        session.request(0, &mut writer, SECRET, SECRET).unwrap();
        shown(&session, "Open", requests, 0);
    }
    let input = format!("01r~123010{SECRET}00000010{SECRET}");
    let mut events = parser.feed(input.as_bytes());
    while let Some(event) = events.next() {
        session.receive(0, event.unwrap(), &mut writer).unwrap();
    }
    shown(&session, "Open", 2, 1);
    session.drain();
    shown(&session, "Draining", 2, 1);
    session.close(7.into());
    shown(&session, "Closing", 2, 1);
    session.disconnected();
    shown(&session, "Ended", 2, 1);
    session.reset();
    shown(&session, "Open", 0, 0);
}

/// What is handed out is shown, as text: it is for a person who looks for it.
#[test]
fn messages_and_events_show_what_came() {
    let frame = Frame::SingleResult { id: ID, payload_len: 3 };
    let message = Message { frame, payload: b"hi\n" };
    let shown = r#"SingleResult { id: RequestId("0001"), payload_len: 3 }"#;
    let text = format!(r#"Message {{ frame: {shown}, payload: "hi\n" }}"#);
    assert_eq!(format!("{message:?}"), text);
    assert_eq!(format!("{:?}", Item::Message(message)), format!("Message({text})"));
    assert_eq!(format!("{:?}", Event::Frame(frame)), format!("Frame({shown})"));
    let binary = Event::Payload { data: b"\xff\0\"", remaining: 7 };
    assert_eq!(format!("{binary:?}"), r#"Payload { data: "\xff\u{0}\"", remaining: 7 }"#);
}

/// `new` and `default` give the same for every capacity, and take just such names.
#[test]
fn a_capacity_is_said_by_the_type() {
    fn takes<const N: usize>() {
        for mut parser in [Parser::<N>::new(), Parser::<N>::default(), Parser::default()] {
            let longest = "x".repeat(N);
            let input = format!("01n{N:03x}{longest}00000000n{:03x}", N + 1);
            let mut events = parser.feed(input.as_bytes());
            assert_eq!(events.next(), Some(Ok(Event::Version(1))));
            let name = longest.as_str().into();
            let frame = Frame::Notification { name, payload_len: 0 };
            assert_eq!(events.next(), Some(Ok(Event::Frame(frame))));
            assert!(matches!(events.next(), Some(Ok(Event::Payload { data: b"", .. }))));
            let (message_type, name_len) = (MessageType::Notification, N as u16 + 1);
            let too_long = Event::NameTooLong { message_type, id: None, name_len };
            // Three digits cannot say 4096.
            if N < 4095 {
                assert_eq!(events.next(), Some(Ok(too_long)));
            }
        }
        assert_eq!(size_of::<Parser<N>>(), (32 + N).next_multiple_of(align_of::<Parser<N>>()));
        let assembler = Assembler::<3, N>::default();
        assert_eq!(format!("{assembler:?}"), format!("{:?}", Assembler::<3, N>::new()));
    }
    takes::<0>();
    takes::<1>();
    takes::<3>();
    takes::<4>();
    takes::<5>();
    takes::<64>();
    takes::<255>();
    takes::<1000>();
    takes::<4095>();
    // Without a number in the type: 64.
    let parser: Parser = Parser::new();
    assert!(format!("{parser:?}").ends_with("name_capacity: 64 }"));
}

/// The tables of the crate have a place for each, and the first of them is in a fresh parser.
#[test]
fn message_types_are_numbered_without_a_gap() {
    let mut numbers = MessageType::ALL.map(|message_type| message_type as u8);
    numbers.sort_unstable();
    assert_eq!(numbers, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    // Also where there is no type: one byte holds it.
    assert_eq!(size_of::<Option<MessageType>>(), 1);
}

/// A section that has no bytes in the file: if one of these were not all zeros, this would
/// not compile. `tests/firmware/run` looks where the linker puts them on a Cortex-M.
#[cfg(target_os = "linux")]
#[test]
fn a_fresh_one_lies_in_bss() {
    #[unsafe(link_section = ".bss.gotalk")]
    static PARSER: Parser<64> = Parser::new();
    #[unsafe(link_section = ".bss.gotalk")]
    static ASSEMBLER: Assembler<1024> = Assembler::new();
    #[unsafe(link_section = ".bss.gotalk")]
    static SEND: SendBuffer<512> = SendBuffer::new();
    #[unsafe(link_section = ".bss.gotalk")]
    static SESSION: Session<4, 4> = Session::new(Settings::DEFAULT);
    assert_eq!(PARSER.clone().feed(b"01").next(), Some(Ok(Event::Version(1))));
    assert_eq!(ASSEMBLER.clone().feed(b"01").next(), Some(Ok(Item::Version(1))));
    assert!(SEND.clone().write(|writer| writer.version()).is_ok());
    assert!(SESSION.clone().is_open());
}

/// Zeroed memory is a fresh one: as where a loader clears `.bss`.
#[test]
fn zeros_are_a_fresh_one() {
    // Safety: that zeros are a valid value is what is tested here.
    let (parser, assembler, send) = unsafe {
        (
            std::mem::zeroed::<Parser<64>>(),
            std::mem::zeroed::<Assembler<64>>(),
            std::mem::zeroed::<SendBuffer<64>>(),
        )
    };
    let input = b"01r0001004echo00000005helloh000000000000f00000001rest";
    for piece in 1..=input.len() {
        let mut readers = [parser.clone(), Parser::new()];
        let mut assemblers = [assembler.clone(), Assembler::new()];
        for bytes in input.chunks(piece) {
            let [zeros, fresh] = &mut readers;
            let (mut zeros, mut fresh) = (zeros.feed(bytes), fresh.feed(bytes));
            loop {
                let (zeros, fresh) = (zeros.next(), fresh.next());
                assert_eq!(zeros, fresh);
                if fresh.is_none() {
                    break;
                }
            }
            let [zeros, fresh] = &mut assemblers;
            let (mut zeros, mut fresh) = (zeros.feed(bytes), fresh.feed(bytes));
            loop {
                let (zeros, fresh) = (zeros.next(), fresh.next());
                assert_eq!(zeros, fresh);
                if fresh.is_none() {
                    break;
                }
            }
        }
        let [zeros, fresh] = readers;
        assert_eq!(format!("{zeros:?}"), format!("{fresh:?}"));
    }
    let mut buffers = [send, SendBuffer::new()];
    for buffer in &mut buffers {
        assert!(buffer.is_empty() && !buffer.is_closed());
        buffer.write(|writer| writer.notification("log", b"hi")).unwrap();
        assert_eq!(buffer.unsent(), b"n003log00000002hi");
    }
}

#[test]
fn zeros_are_a_fresh_session() {
    // Safety: that zeros are a valid value is what is tested here.
    let zeros = unsafe { std::mem::zeroed::<Session<2, 1>>() };
    for mut session in [zeros, Session::new(Settings::DEFAULT)] {
        let mut assembler = Assembler::<8, 8>::new();
        let mut buffer = [0; 256];
        let mut writer = Writer::new(&mut buffer);
        assert_eq!(session.wait_ms(7), Some(0));
        assert_eq!(session.poll(7, &mut writer), Ok(None));
        session.request(7, &mut writer, "echo", "hi").unwrap();
        session.stream_request(7, &mut writer, "up", "").unwrap();
        let input = b"01R000000000002hir0001004echo00000000s0002002up00000000h000000000000";
        let mut items = assembler.feed(input);
        let mut received = 0;
        while let Some(item) = items.next() {
            session.receive(8, item.unwrap(), &mut writer).unwrap();
            received += 1;
        }
        assert_eq!(received, 5);
        assert_eq!(session.poll(20_007, &mut writer), Ok(None));
        let written = "01r0000004echo00000002his0001002up00000000E00020000000ano streams\
                       h000000000000";
        assert_eq!(writer.as_bytes().escape_ascii().to_string(), written);
        let shown = "Session { phase: Open, requests: 1, answers_owed: 1, .. }";
        assert_eq!(format!("{session:?}"), shown);
    }
}

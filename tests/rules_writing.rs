//! The rules for writing, section 4 of PROTOCOL.md, by their numbers. (`conversations.rs`
//! tests rule 4.5, the header alone, on real WebSocket traffic as well.)

mod support;

use gotalk::{
    ErrorCode, Event, Frame, MAX_NAME_LEN, Message, Name, Parser, RequestId, WriteError, Writer,
};
use support::drive;

const ID: RequestId = RequestId::new(*b"0001");

type Write = fn(&mut Writer<'_>) -> Result<(), WriteError>;

/// Every method that names a message, and what it writes.
fn methods() -> Vec<(Write, &'static str)> {
    vec![
        (|w| w.version(), "01"),
        (|w| w.single_request(ID, "echo", b"hello"), "r0001004echo00000005hello"),
        (|w| w.single_request(ID, "echo", b""), "r0001004echo00000000"),
        (|w| w.stream_request(ID, "up", b"one"), "s0001002up00000003one"),
        (|w| w.stream_request(ID, "up", b""), "s0001002up00000000"),
        (|w| w.stream_request_part(ID, b"two"), "p000100000003two"),
        (|w| w.stream_request_end(ID), "p000100000000"),
        (|w| w.single_result(ID, b"result"), "R000100000006result"),
        (|w| w.single_result(ID, b""), "R000100000000"),
        (|w| w.stream_result(ID, b"part"), "S000100000004part"),
        (|w| w.stream_result_end(ID), "S000100000000"),
        (|w| w.error_result(ID, b"no"), "E000100000002no"),
        (|w| w.error_result(ID, b""), "E000100000000"),
        (|w| w.retry_result(ID, 5000, b"busy"), "e00010000138800000004busy"),
        (|w| w.retry_result(ID, u32::MAX, b""), "e0001ffffffff00000000"),
        (|w| w.notification("chat message", b"hi"), "n00cchat message00000002hi"),
        (|w| w.notification("log", b""), "n003log00000000"),
        (|w| w.heartbeat(2, 1_423_433_370), "h000254d7de9a"),
        (|w| w.heartbeat(0xffff, u32::MAX), "hffffffffffff"),
        (|w| w.heartbeat(0, 0), "h000000000000"),
        (|w| w.protocol_error(ErrorCode::UNSUPPORTED), "f00000001"),
        (|w| w.protocol_error(ErrorCode::from(0xdead_beef)), "fdeadbeef"),
    ]
}

#[test]
fn rule_4_01_lower_case_digits_of_exact_widths() {
    for (write, text) in methods() {
        let mut buffer = [0xee; 64];
        let mut writer = Writer::new(&mut buffer);
        assert_eq!(write(&mut writer), Ok(()));
        assert_eq!(writer.as_bytes(), text.as_bytes());
        assert_eq!(writer.len(), text.len());
        // Not a byte is touched behind it.
        assert!(buffer[text.len()..].iter().all(|byte| *byte == 0xee));
    }
}

#[test]
fn rule_4_01_every_digit_of_every_number() {
    let values = (0..32).map(|bit| 1u32 << bit);
    let values = values.chain((0..8).flat_map(|at| (0..16).map(move |digit| digit << (4 * at))));
    for value in values.chain([0, 0x0123_4567, 0x89ab_cdef, u32::MAX]) {
        let mut buffer = [0; 32];
        let mut text = |frame: Frame<'_>| {
            let mut writer = Writer::new(&mut buffer);
            writer.frame(&frame).unwrap();
            String::from_utf8(writer.as_bytes().to_vec()).unwrap()
        };
        let id = ID;
        let size = text(Frame::SingleResult { id, payload_len: value });
        assert_eq!(size, format!("R0001{value:08x}"));
        let wait = text(Frame::RetryResult { id, wait_ms: value, payload_len: !value });
        assert_eq!(wait, format!("e0001{value:08x}{:08x}", !value));
        let load = (value >> 8) as u16;
        let beat = text(Frame::Heartbeat { load, time: value });
        assert_eq!(beat, format!("h{load:04x}{value:08x}"));
        let code = text(Frame::ProtocolError { code: value.into() });
        assert_eq!(code, format!("f{value:08x}"));
    }
    for len in 0..=MAX_NAME_LEN {
        let name = vec![b'x'; len];
        let mut buffer = [0; 4200];
        let mut writer = Writer::new(&mut buffer);
        let frame = Frame::Notification { name: name.as_slice().into(), payload_len: 7 };
        writer.frame(&frame).unwrap();
        assert_eq!(&writer.as_bytes()[..4], format!("n{len:03x}").as_bytes());
        assert_eq!(&writer.as_bytes()[4 + len..], b"00000007");
    }
}

#[test]
fn rule_4_02_all_or_nothing() {
    for (write, text) in methods() {
        let needed = text.len();
        for before in ["", "01", "h000000000000"] {
            for available in 0..=needed + 1 {
                let mut buffer = vec![0xee; before.len() + available];
                let mut writer = Writer::new(&mut buffer);
                match before.len() {
                    0 => {}
                    2 => writer.version().unwrap(),
                    _ => writer.heartbeat(0, 0).unwrap(),
                }
                let result = write(&mut writer);
                if available >= needed {
                    assert_eq!(result, Ok(()));
                    assert_eq!(writer.as_bytes(), [before, text].concat().as_bytes());
                    continue;
                }
                assert_eq!(result, Err(WriteError::BufferTooSmall { needed, available }));
                assert_eq!(writer.as_bytes(), before.as_bytes());
                assert_eq!((writer.len(), writer.is_empty()), (before.len(), before.is_empty()));
                assert_eq!(writer.capacity(), before.len() + available);
                // A smaller message still has its place, a refused `f` closes nothing.
                if available >= 2 {
                    assert_eq!(writer.version(), Ok(()));
                    writer.clear();
                }
                let untouched = before.len() + if available >= 2 { 2 } else { 0 };
                assert!(buffer[untouched..].iter().all(|byte| *byte == 0xee));
            }
        }
    }
}

#[test]
fn rule_4_02_frame_and_message_too() {
    let name = [b'n'; 300];
    let payload = [b'p'; 200];
    let frame = Frame::StreamRequest { id: ID, op: name.as_slice().into(), payload_len: 200 };
    let mut small = vec![0xee; 600];
    for available in 0..=516 {
        let mut writer = Writer::new(&mut small[..available]);
        let header = writer.frame(&frame);
        writer.clear();
        let whole = writer.message(Message { frame, payload: &payload });
        let error = |needed| Err(WriteError::BufferTooSmall { needed, available });
        assert_eq!(header, if available < 316 { error(316) } else { Ok(()) });
        assert_eq!(whole, if available < 516 { error(516) } else { Ok(()) });
        if available < 316 {
            assert!(small.iter().all(|byte| *byte == 0xee));
        }
    }
}

#[test]
fn rule_4_03_a_name_has_up_to_4095_bytes() {
    let mut buffer = vec![0; 5000];
    let longest = vec![b'x'; 4095];
    let payload = b"p".as_slice();
    for name in [&longest[..1], &longest[..4094], &longest] {
        let (mut writer, len) = (Writer::new(&mut buffer), name.len());
        assert_eq!(writer.single_request(ID, name, payload), Ok(()));
        assert_eq!(writer.len(), 16 + len + 1);
        writer.clear();
        assert_eq!(writer.stream_request(ID, name, payload), Ok(()));
        writer.clear();
        assert_eq!(writer.notification(name, payload), Ok(()));
        assert_eq!(writer.len(), 12 + len + 1);
    }
    for len in [4096, 4097, 8192, 65536, 65537, 70000] {
        let name = vec![b'x'; len];
        let name = name.as_slice();
        let error = Err(WriteError::NameTooLong { len });
        // It is said whatever the buffer: more room would not help.
        for size in [0, 10, 5000] {
            let mut writer = Writer::new(&mut buffer[..size]);
            assert_eq!(writer.single_request(ID, name, payload), error);
            assert_eq!(writer.stream_request(ID, name, payload), error);
            assert_eq!(writer.notification(name, payload), error);
            let frame = Frame::SingleRequest { id: ID, op: name.into(), payload_len: 1 };
            assert_eq!(writer.frame(&frame), error);
            assert_eq!(writer.message(Message { frame, payload }), error);
            let frame = Frame::Notification { name: name.into(), payload_len: 1 };
            assert_eq!(writer.frame(&frame), error);
            assert!(writer.is_empty());
        }
    }
}

/// More than 32 bits can say exists in memory on 64-bit targets alone, and there it is
/// zeroed pages that nobody touches.
#[test]
#[cfg(target_pointer_width = "64")]
fn rule_4_03_a_payload_has_up_to_4_294_967_295_bytes() {
    let most = vec![0; (1 << 32) + 1];
    let mut buffer = [0xee; 64];
    for len in [1 << 32, (1 << 32) + 1] {
        let payload = &most[..len];
        let error = Err(WriteError::PayloadTooLong { len });
        let mut writer = Writer::new(&mut buffer);
        assert_eq!(writer.single_request(ID, "x", payload), error);
        assert_eq!(writer.stream_request(ID, "x", payload), error);
        assert_eq!(writer.stream_request_part(ID, payload), error);
        assert_eq!(writer.single_result(ID, payload), error);
        assert_eq!(writer.stream_result(ID, payload), error);
        assert_eq!(writer.error_result(ID, payload), error);
        assert_eq!(writer.retry_result(ID, 0, payload), error);
        assert_eq!(writer.notification("x", payload), error);
        for payload_len in [0, 1, u32::MAX] {
            let frame = Frame::SingleResult { id: ID, payload_len };
            let mismatch = WriteError::PayloadMismatch { announced: payload_len, given: len };
            assert_eq!(writer.message(Message { frame, payload }), Err(mismatch));
        }
        assert!(writer.is_empty());
    }
    // The longest that there is only does not fit.
    let mut writer = Writer::new(&mut buffer);
    let needed = 13 + 0xffff_ffff;
    let error = WriteError::BufferTooSmall { needed, available: 64 };
    assert_eq!(writer.single_result(ID, &most[..0xffff_ffff]), Err(error));
    let frame = Frame::SingleResult { id: ID, payload_len: u32::MAX };
    assert_eq!(writer.message(Message { frame, payload: &most[..0xffff_ffff] }), Err(error));
    assert_eq!(writer.frame(&frame), Ok(()));
    assert_eq!(writer.as_bytes(), b"R0001ffffffff");
}

#[test]
fn rule_4_03_an_empty_name_is_refused_by_name_and_written_by_frame() {
    let mut buffer = [0; 64];
    let mut writer = Writer::new(&mut buffer);
    for payload in [b"".as_slice(), b"x"] {
        assert_eq!(writer.single_request(ID, "", payload), Err(WriteError::EmptyName));
        assert_eq!(writer.stream_request(ID, "", payload), Err(WriteError::EmptyName));
        assert_eq!(writer.notification("", payload), Err(WriteError::EmptyName));
    }
    assert!(writer.is_empty());
    let op = Name::from("");
    for (frame, text) in [
        (Frame::SingleRequest { id: ID, op, payload_len: 1 }, "r000100000000001"),
        (Frame::StreamRequest { id: ID, op, payload_len: 1 }, "s000100000000001"),
        (Frame::Notification { name: op, payload_len: 1 }, "n00000000001"),
    ] {
        writer.clear();
        assert_eq!(writer.frame(&frame), Ok(()));
        assert_eq!(writer.as_bytes(), text.as_bytes());
        writer.clear();
        assert_eq!(writer.message(Message { frame, payload: b"!" }), Ok(()));
        assert_eq!(writer.as_bytes(), format!("{text}!").as_bytes());
    }
}

#[test]
fn rule_4_03_an_empty_part_is_refused_by_name_and_written_by_frame() {
    let mut buffer = [0; 64];
    let mut writer = Writer::new(&mut buffer);
    assert_eq!(writer.stream_request_part(ID, b""), Err(WriteError::EmptyPart));
    assert_eq!(writer.stream_result(ID, b""), Err(WriteError::EmptyPart));
    assert!(writer.is_empty());
    for (frame, text) in [
        (Frame::StreamRequestPart { id: ID, payload_len: 0 }, "p000100000000"),
        (Frame::StreamResult { id: ID, payload_len: 0 }, "S000100000000"),
    ] {
        writer.clear();
        assert_eq!(writer.frame(&frame), Ok(()));
        assert_eq!(writer.as_bytes(), text.as_bytes());
        writer.clear();
        assert_eq!(writer.message(Message { frame, payload: b"" }), Ok(()));
        assert_eq!(writer.as_bytes(), text.as_bytes());
    }
}

#[test]
fn rule_4_03_a_message_has_the_payload_that_it_announces() {
    let mut buffer = [0; 64];
    let mut writer = Writer::new(&mut buffer);
    let id = ID;
    for announced in [0, 1, 4, 5, 6, u32::MAX] {
        let frames = [
            Frame::SingleRequest { id, op: "x".into(), payload_len: announced },
            Frame::StreamRequestPart { id, payload_len: announced },
            Frame::RetryResult { id, wait_ms: 5, payload_len: announced },
            Frame::Notification { name: "x".into(), payload_len: announced },
        ];
        for frame in frames {
            writer.clear();
            let want = match announced {
                5 => Ok(()),
                _ => Err(WriteError::PayloadMismatch { announced, given: 5 }),
            };
            assert_eq!(writer.message(Message { frame, payload: b"hello" }), want);
            assert_eq!(writer.is_empty(), want.is_err());
        }
    }
    // Where there is no payload, none may be given; a time or a code is no size.
    for frame in [
        Frame::Heartbeat { load: 1, time: 1 },
        Frame::ProtocolError { code: ErrorCode::UNSUPPORTED },
    ] {
        writer.clear();
        let mismatch = WriteError::PayloadMismatch { announced: 0, given: 1 };
        assert_eq!(writer.message(Message { frame, payload: b"x" }), Err(mismatch));
        assert!(writer.is_empty());
        assert_eq!(writer.message(Message { frame, payload: b"" }), Ok(()));
        assert_eq!(writer.len(), frame.header_len());
    }
}

#[test]
fn rule_4_04_an_empty_stream_start_is_a_start_and_the_end_is_explicit() {
    let mut buffer = [0; 64];
    let mut writer = Writer::new(&mut buffer);
    writer.stream_request(ID, "up", b"").unwrap();
    writer.stream_request_end(ID).unwrap();
    assert_eq!(writer.as_bytes(), b"s0001002up00000000p000100000000");
    writer.clear();
    writer.stream_result(ID, b"x").unwrap();
    writer.stream_result_end(ID).unwrap();
    assert_eq!(writer.as_bytes(), b"S000100000001xS000100000000");
}

#[test]
fn rule_4_05_frame_writes_the_header_alone() {
    for (_, text) in methods().into_iter().skip(1) {
        let mut parser = Parser::<64>::new().without_handshake();
        let mut events = parser.feed(text.as_bytes());
        let Some(Ok(Event::Frame(frame))) = events.next() else { panic!() };
        let mut buffer = [0; 64];
        let mut writer = Writer::new(&mut buffer);
        assert_eq!(writer.frame(&frame), Ok(()));
        assert_eq!(writer.len(), frame.header_len());
        assert!(text.as_bytes().starts_with(writer.as_bytes()));
        let payload = &text.as_bytes()[writer.len()..];
        assert_eq!(payload.len(), frame.payload_len().unwrap_or(0) as usize);
    }
}

#[test]
fn rule_4_06_nothing_is_written_after_a_protocol_error() {
    type Close = fn(&mut Writer<'_>);
    let closers: [Close; 3] = [
        |w| w.protocol_error(ErrorCode::TIMEOUT).unwrap(),
        |w| w.frame(&Frame::ProtocolError { code: ErrorCode::TIMEOUT }).unwrap(),
        |w| {
            let frame = Frame::ProtocolError { code: ErrorCode::TIMEOUT };
            w.message(Message { frame, payload: b"" }).unwrap();
        },
    ];
    for close in closers {
        for clear in [false, true] {
            let mut buffer = [0; 64];
            let mut writer = Writer::new(&mut buffer);
            writer.version().unwrap();
            close(&mut writer);
            assert_eq!(writer.as_bytes(), b"01f00000003");
            if clear {
                writer.clear();
            }
            let len = writer.len();
            for (write, _) in methods() {
                assert_eq!(write(&mut writer), Err(WriteError::Closed));
            }
            let frame = Frame::SingleResult { id: ID, payload_len: 1 };
            assert_eq!(writer.frame(&frame), Err(WriteError::Closed));
            assert_eq!(writer.message(Message { frame, payload: b"x" }), Err(WriteError::Closed));
            // Closed comes before a lack of room, and what is wrong with the message itself
            // before that.
            let payload = [0; 100];
            assert_eq!(writer.single_result(ID, &payload), Err(WriteError::Closed));
            let long = [b'x'; 4096];
            let too_long = WriteError::NameTooLong { len: 4096 };
            assert_eq!(writer.notification(long.as_slice(), b""), Err(too_long));
            assert_eq!(writer.notification("", b""), Err(WriteError::EmptyName));
            assert_eq!(writer.stream_result(ID, b""), Err(WriteError::EmptyPart));
            let mismatch = WriteError::PayloadMismatch { announced: 1, given: 0 };
            assert_eq!(writer.message(Message { frame, payload: b"" }), Err(mismatch));
            assert_eq!(writer.len(), len);
            // A new writer on the same buffer is another stream.
            assert_eq!(Writer::new(&mut buffer).version(), Ok(()));
        }
    }
}

#[test]
fn rule_4_07_ids_are_the_callers_bytes() {
    for byte in 0..=255 {
        for place in 0..4 {
            let mut id = *b"0001";
            id[place] = byte;
            let mut buffer = [0; 64];
            let mut writer = Writer::new(&mut buffer);
            writer.single_result(id.into(), b"").unwrap();
            writer.single_request(id.into(), "x", b"").unwrap();
            assert_eq!(writer.as_bytes()[1..5], id);
            assert_eq!(writer.as_bytes()[14..18], id);
        }
    }
}

#[test]
fn names_may_be_bytes_or_text() {
    let mut buffer = [0; 64];
    let mut writer = Writer::new(&mut buffer);
    writer.notification("log", b"").unwrap();
    writer.notification(b"log", b"").unwrap();
    writer.notification(b"\xff\0".as_slice(), b"").unwrap();
    writer.notification(Name::from("log"), b"").unwrap();
    let want = b"n003log00000000n003log00000000n002\xff\x0000000000n003log00000000";
    assert_eq!(writer.as_bytes(), want);
}

#[test]
fn clear_makes_room_for_the_next() {
    let mut buffer = vec![0; 13];
    let mut writer = Writer::new(&mut buffer);
    assert_eq!((writer.len(), writer.capacity(), writer.is_empty()), (0, 13, true));
    for time in 0..3 {
        assert_eq!(writer.heartbeat(0, time), Ok(()));
        assert_eq!(writer.as_bytes(), format!("h0000{time:08x}").as_bytes());
        let full = WriteError::BufferTooSmall { needed: 2, available: 0 };
        assert_eq!(writer.version(), Err(full));
        writer.clear();
        assert_eq!((writer.as_bytes(), writer.is_empty()), (b"".as_slice(), true));
    }
}

#[test]
fn what_is_written_is_read_back() {
    let mut buffer = [0; 1024];
    let mut writer = Writer::new(&mut buffer);
    for (write, _) in methods() {
        write(&mut writer)
            .or_else(|error| match error {
                WriteError::Closed => Ok(()),
                error => Err(error),
            })
            .unwrap();
    }
    let written = writer.as_bytes();
    let reading = drive::by_feed::<64>(&drive::chunks(written, 3), true);
    assert_eq!(reading.consumed, written.len() as u64);
    assert_eq!(reading.end, support::oracle::End::Closed);
    let headers = reading
        .events
        .iter()
        .filter(|event| matches!(event, support::oracle::Event::Header { .. }));
    assert_eq!(headers.count(), methods().len() - 2);
}

/// Names and payloads of all the lengths at which a copy could go another way.
#[test]
fn every_length_is_copied_whole() {
    let text: Vec<u8> = (b'!'..=b'~').cycle().take(300).collect();
    for len in 1..=text.len() {
        let mut buffer = [0; 700];
        let mut writer = Writer::new(&mut buffer);
        writer.notification(&text[..len], &text[300 - len..]).unwrap();
        let mut expected = format!("n{len:03x}").into_bytes();
        expected.extend_from_slice(&text[..len]);
        expected.extend_from_slice(format!("{len:08x}").as_bytes());
        expected.extend_from_slice(&text[300 - len..]);
        assert_eq!(writer.as_bytes(), expected, "{len}");
    }
}

//! The vocabulary: what converts into what, how it prints, and how large it is.

use std::collections::HashSet;
use std::error::Error as _;
use std::fmt::Display;

use gotalk::{
    Assembler, Error, ErrorCode, ErrorKind, Event, Field, Frame, Item, MAX_HEADER_LEN,
    MAX_NAME_LEN, Message, MessageType, Name, Parser, RequestId, Step, VERSION, VERSION_LEN,
    WriteError, Writer,
};

const ID: RequestId = RequestId::new(*b"0001");

#[test]
fn message_types_are_their_bytes() {
    let known: [(u8, MessageType, usize, bool, bool, bool); 10] = [
        (b'r', MessageType::SingleRequest, 16, true, true, true),
        (b's', MessageType::StreamRequest, 16, true, true, true),
        (b'p', MessageType::StreamRequestPart, 13, true, false, true),
        (b'R', MessageType::SingleResult, 13, true, false, true),
        (b'S', MessageType::StreamResult, 13, true, false, true),
        (b'E', MessageType::ErrorResult, 13, true, false, true),
        (b'e', MessageType::RetryResult, 21, true, false, true),
        (b'n', MessageType::Notification, 12, false, true, true),
        (b'h', MessageType::Heartbeat, 13, false, false, false),
        (b'f', MessageType::ProtocolError, 9, false, false, false),
    ];
    for byte in 0..=255 {
        let Some((_, message, header, id, name, payload)) =
            known.into_iter().find(|known| known.0 == byte)
        else {
            assert_eq!(MessageType::from_byte(byte), None);
            continue;
        };
        assert_eq!(MessageType::from_byte(byte), Some(message));
        assert_eq!(message.as_byte(), byte);
        assert_eq!(message.has_id(), id);
        assert_eq!(message.has_name(), name);
        assert_eq!(message.has_payload(), payload);
        assert_eq!(message.header_len(0), header);
        for len in [1, 64, 4095] {
            assert_eq!(message.header_len(len), if name { header + len } else { header });
        }
    }
    let types: HashSet<MessageType> = known.iter().map(|known| known.1).collect();
    assert_eq!(types.len(), 10);
    assert_eq!(MessageType::ALL, known.map(|known| known.1));
}

#[test]
fn message_types_say_whose_the_id_is_and_print_their_names() {
    let known = [
        ("single request", true, false),
        ("stream request", true, false),
        ("stream request part", true, false),
        ("single result", false, true),
        ("stream result", false, true),
        ("error result", false, true),
        ("retry result", false, true),
        ("notification", false, false),
        ("heartbeat", false, false),
        ("protocol error", false, false),
    ];
    for (message, (name, request, result)) in MessageType::ALL.into_iter().zip(known) {
        assert_eq!(message.to_string(), name);
        assert_eq!((message.is_request(), message.is_result()), (request, result), "{name}");
        assert_eq!(message.has_id(), request || result, "{name}");
    }
    const REQUEST: [bool; 2] =
        [MessageType::StreamRequestPart.is_request(), MessageType::StreamRequestPart.is_result()];
    assert_eq!(REQUEST, [true, false]);
}

#[test]
fn lengths_are_constants() {
    const HEADER: usize = MessageType::SingleRequest.header_len("echo".len());
    const FRAME: Frame<'static> = Frame::SingleResult { id: ID, payload_len: 5 };
    const FRAME_LEN: usize = FRAME.header_len();
    const TYPE: MessageType = FRAME.message_type();
    const OP: Name<'static> = Name::new("echo");
    const BYTES: Name<'static> = Name::from_bytes(b"\xff");
    const CODE: ErrorCode = ErrorCode::new(7);
    const NAMED: Frame<'static> = Frame::Notification { name: OP, payload_len: 0 };
    const NAMED_LEN: usize = NAMED.header_len();
    assert_eq!([0u8; NAMED_LEN].len(), 16);
    assert_eq!((OP.as_bytes(), BYTES.as_bytes()), (b"echo".as_slice(), b"\xff".as_slice()));
    assert_eq!(u32::from(CODE), 7);
    const PAYLOAD: Option<u32> = FRAME.payload_len();
    assert_eq!([[0u8; HEADER].len(), [0u8; FRAME_LEN].len()], [20, 13]);
    assert_eq!((TYPE, PAYLOAD), (MessageType::SingleResult, Some(5)));
    assert_eq!((VERSION, VERSION_LEN), (1, 2));
    assert_eq!((MAX_NAME_LEN, MAX_HEADER_LEN), (4095, 4111));
}

#[test]
fn a_frame_tells_what_it_has() {
    let (id, op, payload_len) = (ID, Name::from("echo"), 5);
    let some_id = Some(id);
    let frames = [
        (Frame::SingleRequest { id, op, payload_len }, b'r', some_id, Some(op), Some(5), 20),
        (Frame::StreamRequest { id, op, payload_len }, b's', some_id, Some(op), Some(5), 20),
        (Frame::StreamRequestPart { id, payload_len }, b'p', some_id, None, Some(5), 13),
        (Frame::SingleResult { id, payload_len }, b'R', some_id, None, Some(5), 13),
        (Frame::StreamResult { id, payload_len }, b'S', some_id, None, Some(5), 13),
        (Frame::ErrorResult { id, payload_len }, b'E', some_id, None, Some(5), 13),
        (Frame::RetryResult { id, wait_ms: 9, payload_len }, b'e', some_id, None, Some(5), 21),
        (Frame::Notification { name: op, payload_len }, b'n', None, Some(op), Some(5), 16),
        (Frame::Heartbeat { load: 1, time: 2 }, b'h', None, None, None, 13),
        (Frame::ProtocolError { code: ErrorCode::TIMEOUT }, b'f', None, None, None, 9),
    ];
    for (frame, byte, id, name, payload_len, header_len) in frames {
        assert_eq!(frame.message_type().as_byte(), byte);
        assert_eq!(frame.id(), id);
        assert_eq!(frame.name(), name);
        assert_eq!(frame.payload_len(), payload_len);
        assert_eq!(frame.header_len(), header_len);
        let copy = frame;
        assert_eq!(copy, frame);
    }
    let different: HashSet<Frame<'_>> = frames.iter().map(|frame| frame.0).collect();
    assert_eq!(different.len(), 10);
}

#[test]
fn a_frame_is_one_line() {
    let (id, op) = (ID, Name::new("echo"));
    let binary = RequestId::new([1, 0, 0, b'\n']);
    for (frame, line) in [
        (
            Frame::SingleRequest { id, op, payload_len: 25 },
            r#"single request 0001 "echo", 25 bytes"#,
        ),
        (
            Frame::SingleRequest { id: binary, op: Name::new("a\n\"\u{202e}"), payload_len: 0 },
            r#"single request \x01\x00\x00\n "a\n\"\u{202e}", 0 bytes"#,
        ),
        (Frame::StreamRequest { id, op, payload_len: 0 }, r#"stream request 0001 "echo", 0 bytes"#),
        (Frame::StreamRequestPart { id, payload_len: 1 }, "stream request part 0001, 1 byte"),
        (Frame::StreamRequestPart { id, payload_len: 0 }, "stream request part 0001, end"),
        (Frame::SingleResult { id, payload_len: 0 }, "single result 0001, 0 bytes"),
        (Frame::StreamResult { id, payload_len: 2 }, "stream result 0001, 2 bytes"),
        (Frame::StreamResult { id, payload_len: 0 }, "stream result 0001, end"),
        (Frame::ErrorResult { id, payload_len: u32::MAX }, "error result 0001, 4294967295 bytes"),
        (
            Frame::RetryResult { id, wait_ms: 5000, payload_len: 20 },
            "retry result 0001, wait 5000 ms, 20 bytes",
        ),
        (
            Frame::Notification { name: Name::new("chat message"), payload_len: 32 },
            r#"notification "chat message", 32 bytes"#,
        ),
        (Frame::Heartbeat { load: 2, time: 1_423_433_370 }, "heartbeat, load 2, time 1423433370"),
        (Frame::ProtocolError { code: ErrorCode::TIMEOUT }, "protocol error, timeout (3)"),
        (Frame::ProtocolError { code: ErrorCode::new(9) }, "protocol error, code 9"),
    ] {
        assert_eq!(frame.to_string(), line);
    }
}

#[test]
fn ids_from_numbers() {
    for (number, id) in [
        (0, b"0000"),
        (1, b"0001"),
        (9, b"0009"),
        (10, b"000a"),
        (35, b"000z"),
        (36, b"0010"),
        (36 * 36 - 1, b"00zz"),
        (36 * 36, b"0100"),
        (36 * 36 * 36, b"1000"),
        (1_679_615, b"zzzz"),
    ] {
        assert_eq!(RequestId::from_number(number), Some(RequestId::new(*id)));
        assert_eq!(RequestId::new(*id).to_number(), Some(number));
    }
    for number in [1_679_616, 1_679_617, 0x7fff_ffff, u32::MAX] {
        assert_eq!(RequestId::from_number(number), None);
    }
    for number in (0..1_679_616).step_by(101) {
        let id = RequestId::from_number(number).unwrap();
        assert_eq!(id.to_number(), Some(number));
        let digits = std::str::from_utf8(id.as_bytes()).unwrap();
        assert_eq!(u32::from_str_radix(digits, 36), Ok(number));
    }
    // Each byte that is no digit of that form, at each place.
    for byte in 0..=255u8 {
        let digit = byte.is_ascii_digit() || byte.is_ascii_lowercase();
        for place in 0..4 {
            let mut id = *b"0000";
            id[place] = byte;
            assert_eq!(RequestId::new(id).to_number().is_some(), digit, "{byte}");
        }
    }
    const ONE: Option<RequestId> = RequestId::from_number(1);
    assert_eq!(ONE.and_then(RequestId::to_number), Some(1));
}

#[test]
fn ids_are_bytes() {
    let id = RequestId::from([0, 1, 0xfe, 0xff]);
    assert_eq!(id, RequestId::new([0, 1, 0xfe, 0xff]));
    assert_eq!(id.as_bytes(), &[0, 1, 0xfe, 0xff]);
    assert_eq!(<[u8; 4]>::from(id), [0, 1, 0xfe, 0xff]);
    assert_eq!(format!("{id:?} {id}"), r#"RequestId("\x00\x01\xfe\xff") \x00\x01\xfe\xff"#);
    assert_eq!(format!("{ID:?} {ID}"), r#"RequestId("0001") 0001"#);
    assert!(RequestId::new(*b"0001") < RequestId::new(*b"0010"));
}

#[test]
fn names_are_bytes_with_a_text_view() {
    let name = Name::from("echo");
    assert_eq!(name.as_bytes(), b"echo");
    assert_eq!(name.to_str(), Ok("echo"));
    assert_eq!((name.len(), name.is_empty()), (4, false));
    assert_eq!((Name::default().len(), Name::default().is_empty()), (0, true));
    assert_eq!(name, Name::from(b"echo"));
    assert_eq!(name, Name::from(b"echo".as_slice()));
    assert!(Name::from(b"\xff".as_slice()).to_str().is_err());

    // The parts outlive the name.
    fn text<'a>(name: &Name<'a>) -> (&'a [u8], &'a str) {
        (name.as_bytes(), name.to_str().unwrap())
    }
    assert_eq!(text(&name), (b"echo".as_slice(), "echo"));
}

#[test]
fn names_compare_with_text_both_ways() {
    let name = Name::from("echo");
    let (text, other): (&str, &str) = ("echo", "ech");
    assert_eq!([name == text, name == *text, text == name, *text == name], [true; 4]);
    assert_eq!([name == other, name == *other, other == name, *other == name], [false; 4]);
    assert_eq!([name == *"Echo", *"echo " == name], [false; 2]);
    assert!(Name::from("a") < Name::from("b"));
}

#[test]
fn names_compare_with_bytes_both_ways() {
    let name = Name::new("echo");
    let (bytes, other): (&[u8], &[u8]) = (b"echo", b"ech");
    assert_eq!([name == bytes, name == *bytes, bytes == name, *bytes == name], [true; 4]);
    assert_eq!([name == other, name == *other, other == name, *other == name], [false; 4]);
    let (bytes, other): (&[u8; 4], &[u8; 4]) = (b"echo", b"Echo");
    assert_eq!([name == bytes, name == *bytes, bytes == name, *bytes == name], [true; 4]);
    assert_eq!([name == other, name == *other, other == name, *other == name], [false; 4]);
    assert_eq!([name == b"echo ", b"" == name], [false; 2]);
    assert_eq!(Name::from_bytes(b"\xff"), b"\xff");

    fn dispatch(name: impl AsRef<[u8]>) -> bool {
        name.as_ref() == b"echo"
    }
    assert_eq!([dispatch(name), dispatch(Name::new("ech"))], [true, false]);
}

#[test]
#[cfg(feature = "alloc")]
fn names_come_from_strings() {
    let text = String::from("echo");
    let name = Name::from(&text);
    assert_eq!(name, "echo");
}

#[test]
#[cfg(feature = "heapless")]
fn names_come_from_heapless_strings() {
    use gotalk::heapless::String;
    use gotalk::heapless::string::StringView;
    let text: String<8> = String::try_from("echo").unwrap();
    let short: String<8, u8> = String::try_from("echo").unwrap();
    let (view, short_view): (&StringView, &StringView<u8>) = (&text, &short);
    let names = [Name::from(&text), Name::from(&short), view.into(), short_view.into()];
    assert_eq!(names, [Name::new("echo"); 4]);
}

#[test]
fn names_print_readably() {
    for (bytes, debug, display) in [
        (b"echo".as_slice(), r#""echo""#, "echo"),
        (b"", r#""""#, ""),
        ("blåbär".as_bytes(), r#""blåbär""#, "blåbär"),
        (b"say \"hi\"\n\0", r#""say \"hi\"\n\u{0}""#, r#"say "hi"\n\u{0}"#),
        (br"a\b", r#""a\\b""#, r"a\b"),
        (b"\t\r\x7f", r#""\t\r\u{7f}""#, r"\t\r\u{7f}"),
        ("\u{202e}gnp.exe".as_bytes(), r#""\u{202e}gnp.exe""#, r"\u{202e}gnp.exe"),
        (
            "ad\u{200b}min\u{feff}".as_bytes(),
            r#""ad\u{200b}min\u{feff}""#,
            r"ad\u{200b}min\u{feff}",
        ),
        (b"\xff\xfe", r#""\xff\xfe""#, "\u{fffd}\u{fffd}"),
        (b"a\xc3(b", r#""a\xc3(b""#, "a\u{fffd}(b"),
    ] {
        let name = Name::from(bytes);
        assert_eq!(format!("{name:?}"), debug);
        assert_eq!(format!("{name}"), display);
    }
}

/// Lines of the Unicode Character Database: `Default_Ignorable_Code_Point` in
/// `DerivedCoreProperties.txt`, and the ranges of `Cc`, `Zl` and `Zp` in
/// `DerivedGeneralCategory.txt`.
const HIDDEN: &str = "
0000..001F 007F..009F 2028 2029
00AD 034F 061C 115F..1160 17B4..17B5 180B..180D 180E 180F 200B..200F 202A..202E
2060..2064 2065 2066..206F 3164 FE00..FE0F FEFF FFA0 FFF0..FFF8 1BCA0..1BCA3
1D173..1D17A E0000 E0001 E0002..E001F E0020..E007F E0080..E00FF E0100..E01EF
E01F0..E0FFF
FFF9 FFFA FFFB";

#[test]
fn every_hidden_character_is_escaped_and_no_other() {
    let hex = |digits| u32::from_str_radix(digits, 16).unwrap();
    let mut hidden = HashSet::new();
    for range in HIDDEN.split_whitespace() {
        let (first, last) = range.split_once("..").unwrap_or((range, range));
        hidden.extend(hex(first)..=hex(last));
    }
    let mut buffer = [0; 4];
    for c in '\0'..=char::MAX {
        let name = Name::new(c.encode_utf8(&mut buffer));
        let escape = match c {
            '\t' => r"\t".to_owned(),
            '\n' => r"\n".to_owned(),
            '\r' => r"\r".to_owned(),
            _ if hidden.contains(&u32::from(c)) => format!(r"\u{{{:x}}}", u32::from(c)),
            _ => c.to_string(),
        };
        assert_eq!(name.to_string(), escape);
        let escape = if matches!(c, '"' | '\\') { format!(r"\{c}") } else { escape };
        assert_eq!(format!("{name:?}"), format!("\"{escape}\""));
    }
}

#[test]
fn whatever_prints_is_padded() {
    fn padded(value: &dyn Display) {
        let text = value.to_string();
        let len = text.chars().count();
        for (width, padding) in [(0, 0), (len - 1, 0), (len, 0), (len + 1, 1), (len + 7, 7)] {
            let (less, more) = (padding / 2, padding - padding / 2);
            for (printed, before, fill, after) in [
                (format!("{value:width$}"), 0, " ", padding),
                (format!("{value:<width$}"), 0, " ", padding),
                (format!("{value:>width$}"), padding, " ", 0),
                (format!("{value:^width$}"), less, " ", more),
                (format!("{value:*^width$}"), less, "*", more),
                (format!("{value:·>width$}"), padding, "·", 0),
            ] {
                assert_eq!(printed, fill.repeat(before) + &text + &fill.repeat(after), "{width}");
            }
        }
    }
    padded(&ID);
    padded(&RequestId::new([0, b'"', 0xff, b'a']));
    padded(&Name::new("blåbär \"\u{202e}\n"));
    padded(&Name::from_bytes(b"a\xff\xfe"));
    padded(&ErrorCode::TIMEOUT);
    padded(&ErrorCode::new(4));
    MessageType::ALL.iter().for_each(|message| padded(message));
    padded(&Field::Load);
    for input in [b"01hx".as_slice(), b"01\xff", b"02", b"0"] {
        padded(&error(input));
        padded(&error(input).kind);
    }
    padded(&WriteError::EmptyName);
    padded(&WriteError::BufferTooSmall { needed: 18, available: 16 });
    padded(&Frame::SingleRequest { id: ID, op: Name::new("å\n"), payload_len: 25 });
    padded(&Frame::Heartbeat { load: 2, time: 3 });
    assert_eq!(
        format!("[{:>8}] [{:<6}] [{:^7}]", ID, Name::new("log"), Field::Time),
        "[    0001] [log   ] [ time  ]"
    );
}

#[test]
fn codes_are_their_numbers() {
    for (code, number, debug, display) in [
        (ErrorCode::ABNORMAL, 0, "ErrorCode(0, abnormal)", "abnormal (0)"),
        (
            ErrorCode::UNSUPPORTED,
            1,
            "ErrorCode(1, unsupported protocol)",
            "unsupported protocol (1)",
        ),
        (ErrorCode::INVALID_MESSAGE, 2, "ErrorCode(2, invalid message)", "invalid message (2)"),
        (ErrorCode::TIMEOUT, 3, "ErrorCode(3, timeout)", "timeout (3)"),
        (ErrorCode::from(4), 4, "ErrorCode(4)", "code 4"),
        (ErrorCode::from(u32::MAX), u32::MAX, "ErrorCode(4294967295)", "code 4294967295"),
    ] {
        assert_eq!(u32::from(code), number);
        assert_eq!([ErrorCode::from(number), ErrorCode::new(number)], [code; 2]);
        assert_eq!(format!("{code:?}"), debug);
        assert_eq!(format!("{code}"), display);
    }
}

/// The error that an input leads to, its end included.
fn error(input: &[u8]) -> Error {
    let mut parser = Parser::<64>::new();
    let mut events = parser.feed(input);
    while let Some(event) = events.next() {
        if let Err(error) = event {
            return error;
        }
    }
    parser.finish().unwrap_err()
}

#[test]
fn errors_say_what_was_wrong_and_where() {
    for (input, text) in [
        (b"02".as_slice(), "at byte 1: protocol version 0x02 is not supported"),
        (b"f0", "at byte 1: protocol version 0xf0 is not supported"),
        (b"x", "at byte 0: 'x' is not a hexadecimal digit of the version"),
        (b"01X", "at byte 2: 'X' is not a message type"),
        (b"01 ", "at byte 2: ' ' is not a message type"),
        (b"01~", "at byte 2: '~' is not a message type"),
        (b"01\x7f", "at byte 2: 0x7f is not a message type"),
        (b"01\0", "at byte 2: 0x00 is not a message type"),
        (b"01\xff", "at byte 2: 0xff is not a message type"),
        (b"01r000100g", "at byte 9: 'g' is not a hexadecimal digit of the name length"),
        (b"01e0001+", "at byte 7: '+' is not a hexadecimal digit of the wait"),
        (b"01h\n", "at byte 3: 0x0a is not a hexadecimal digit of the load"),
        (b"01h0000-", "at byte 7: '-' is not a hexadecimal digit of the time"),
        (b"01fz", "at byte 3: 'z' is not a hexadecimal digit of the error code"),
        (b"01R0001\x80", "at byte 7: 0x80 is not a hexadecimal digit of the payload size"),
        (b"", "at byte 0: the input ended too soon, at least 2 bytes are missing"),
        (b"0", "at byte 1: the input ended too soon, at least 1 byte is missing"),
        (b"01R0001", "at byte 7: the input ended too soon, at least 8 bytes are missing"),
    ] {
        let error = error(input);
        assert_eq!(error.to_string(), text);
        assert_eq!(error.to_string(), format!("at byte {}: {}", error.offset, error.kind));
        assert!(error.source().is_none());
    }
    let mut parser = Parser::<64>::new().without_handshake();
    assert!(parser.feed(b"R000100000000").next().is_some());
    let text = "at byte 13: the input ended before its last event was taken";
    assert_eq!(parser.finish().unwrap_err().to_string(), text);
}

#[test]
fn errors_say_what_to_answer() {
    let digit = ErrorKind::InvalidDigit { byte: b'x', field: Field::Wait };
    assert_eq!(error(b"01e0001x").kind, digit);
    assert_eq!(error(b"01e0001x").protocol_code(), Some(ErrorCode::INVALID_MESSAGE));
    assert_eq!(error(b"01X").protocol_code(), Some(ErrorCode::INVALID_MESSAGE));
    assert_eq!(error(b"03").protocol_code(), Some(ErrorCode::UNSUPPORTED));
    assert_eq!(error(b"01R").protocol_code(), None);
}

#[test]
fn write_errors_say_what_was_wrong() {
    for (error, text) in [
        (
            WriteError::BufferTooSmall { needed: 18, available: 16 },
            "the message takes 18 bytes, but the buffer has 16 free",
        ),
        (WriteError::NameTooLong { len: 4096 }, "a name of 4096 bytes is longer than 4095 bytes"),
        (
            WriteError::PayloadTooLong { len: 5 },
            "a payload of 5 bytes is longer than 4294967295 bytes",
        ),
        (WriteError::EmptyName, "the name is empty"),
        (WriteError::EmptyPart, "an empty part would end the stream"),
        (
            WriteError::PayloadMismatch { announced: 4, given: 5 },
            "the payload has 5 bytes, but its frame announces 4 bytes",
        ),
        (
            WriteError::PayloadMismatch { announced: 1, given: 0 },
            "the payload has 0 bytes, but its frame announces 1 byte",
        ),
        (WriteError::NameTooLong { len: 1 }, "a name of 1 byte is longer than 4095 bytes"),
        (WriteError::Closed, "nothing may follow a protocol error"),
        (WriteError::Format, "a value could not be formatted"),
    ] {
        assert_eq!(error.to_string(), text);
        assert!(error.source().is_none());
    }
}

#[test]
fn sizes() {
    assert!(size_of::<Parser<64>>() <= 96);
    assert!(size_of::<Parser<0>>() <= 32);
    assert_eq!(size_of::<RequestId>(), 4);
    assert_eq!(size_of::<ErrorCode>(), 4);
    assert_eq!(size_of::<MessageType>(), 1);
    assert_eq!(size_of::<Name<'_>>(), size_of::<&[u8]>());
    assert!(size_of::<Error>() <= 16);
    assert!(size_of::<Option<Step>>() <= 2 * size_of::<usize>());
    assert!(size_of::<Assembler<256>>() <= 256 + 96 + 8);
}

#[test]
fn what_is_shared_between_threads_and_copied() {
    fn sendable<T: Send + Sync + Unpin + 'static>() {}
    sendable::<Parser>();
    sendable::<Assembler<8>>();
    sendable::<Writer<'static>>();
    sendable::<Error>();
    sendable::<WriteError>();
    fn copied<T: Copy + Eq + std::fmt::Debug>() {}
    copied::<Event<'_>>();
    copied::<Frame<'_>>();
    copied::<Name<'_>>();
    copied::<RequestId>();
    copied::<ErrorCode>();
    copied::<MessageType>();
    copied::<Step>();
    copied::<Error>();
    copied::<ErrorKind>();
    copied::<Field>();
    copied::<WriteError>();
    copied::<Item<'_>>();
    copied::<Message<'_>>();
}

//! Payloads that are written in place: the same bytes as by the other methods, all or
//! nothing, with the length of the whole message exact where it does not fit.

mod support;

use std::fmt::Write as _;

use gotalk::{
    ErrorCode, Frame, Message, MessageType, PayloadWriter, RequestId, WriteError, Writer,
};
use support::drive;
use support::generate::{self, Rng};
use support::oracle::{self, Header};

const ID: RequestId = RequestId::new(*b"0001");

/// What lies in every buffer before anything is written to it.
const OLD: u8 = 0xee;

/// One of each type. Their `payload_len` is wrong, and has to be ignored.
fn frames() -> [Frame<'static>; 10] {
    let (id, op, payload_len) = (ID, "echo".into(), 0xfedc_ba98);
    [
        Frame::SingleRequest { id, op, payload_len },
        Frame::StreamRequest { id, op, payload_len },
        Frame::StreamRequestPart { id, payload_len },
        Frame::SingleResult { id, payload_len },
        Frame::StreamResult { id, payload_len },
        Frame::ErrorResult { id, payload_len },
        Frame::RetryResult { id, wait_ms: 5000, payload_len },
        Frame::Notification { name: op, payload_len },
        Frame::Heartbeat { load: 2, time: 1_423_433_370 },
        Frame::ProtocolError { code: ErrorCode::TIMEOUT },
    ]
}

/// The frame's message with this payload, by the oracle.
fn wire(frame: &Frame<'_>, payload: &[u8]) -> Vec<u8> {
    let mut header = drive::convert_frame(frame);
    header.size = header.size.map(|_| payload.len() as u32);
    [oracle::write(&header).as_slice(), payload].concat()
}

/// By the method that names the message.
fn by_name(writer: &mut Writer<'_>, frame: &Frame<'_>, payload: &[u8]) -> Result<(), WriteError> {
    match *frame {
        Frame::SingleRequest { id, op, .. } => writer.single_request(id, op, payload),
        Frame::StreamRequest { id, op, .. } => writer.stream_request(id, op, payload),
        Frame::StreamRequestPart { id, .. } => writer.stream_request_part(id, payload),
        Frame::SingleResult { id, .. } => writer.single_result(id, payload),
        Frame::StreamResult { id, .. } => writer.stream_result(id, payload),
        Frame::ErrorResult { id, .. } => writer.error_result(id, payload),
        Frame::RetryResult { id, wait_ms, .. } => writer.retry_result(id, wait_ms, payload),
        Frame::Notification { name, .. } => writer.notification(name, payload),
        Frame::Heartbeat { load, time } => writer.heartbeat(load, time),
        Frame::ProtocolError { code } => writer.protocol_error(code),
    }
}

type Fill = fn(&mut PayloadWriter<'_, '_>, &[u8]);

/// Every way to write a payload in place. The payloads here are ASCII.
const WAYS: [(&str, Fill); 6] = [
    ("at once", |place, payload| place.write(payload)),
    ("byte by byte", |place, payload| {
        for byte in payload {
            place.write(&[*byte]);
            place.write(b"");
        }
    }),
    ("in threes", |place, payload| payload.chunks(3).for_each(|piece| place.write(piece))),
    ("as text", |place, payload| {
        write!(place, "{}", std::str::from_utf8(payload).unwrap()).unwrap();
    }),
    ("character by character", |place, payload| {
        for byte in payload {
            place.write_char(char::from(*byte)).unwrap();
        }
    }),
    ("into the room", |place, payload| {
        let mut rest = payload;
        while !rest.is_empty() {
            let room = place.room();
            let len = rest.len().min(room.len()).min(7);
            if len == 0 {
                break;
            }
            room[..len].copy_from_slice(&rest[..len]);
            place.advance(len);
            rest = &rest[len..];
        }
        place.advance(rest.len());
    }),
];

/// What `commit` has to say where there is room.
fn refusal(frame: &Frame<'_>, payload: &[u8]) -> Option<WriteError> {
    match frame {
        Frame::StreamRequestPart { .. } | Frame::StreamResult { .. } if payload.is_empty() => {
            Some(WriteError::EmptyPart)
        }
        Frame::Heartbeat { .. } | Frame::ProtocolError { .. } if !payload.is_empty() => {
            Some(WriteError::PayloadMismatch { announced: 0, given: payload.len() })
        }
        _ => None,
    }
}

/// Writes in place behind a version, with so much room behind that, and compares with what
/// has to be there.
#[track_caller]
fn check(frame: &Frame<'_>, payload: &[u8], available: usize, way: &(&str, Fill)) {
    let want = wire(frame, payload);
    let needed = want.len();
    let mut buffer = vec![OLD; 2 + available];
    let mut writer = Writer::new(&mut buffer);
    writer.version().unwrap();
    let mut place = writer.begin(frame).unwrap();
    assert!(place.is_empty());
    (way.1)(&mut place, payload);
    assert_eq!((place.len(), place.is_empty()), (payload.len(), payload.is_empty()));
    let result = place.commit();

    let about = (way.0, frame, available);
    if let Some(error) = refusal(frame, payload) {
        assert_eq!(result, Err(error), "{about:?}");
    } else if available < needed {
        assert_eq!(result, Err(WriteError::BufferTooSmall { needed, available }), "{about:?}");
    } else {
        assert_eq!(result, Ok(()), "{about:?}");
        assert_eq!(writer.as_bytes(), [b"01", want.as_slice()].concat(), "{about:?}");
        assert_eq!(writer.available(), available - needed);
        assert_eq!(writer.is_closed(), frame.message_type() == MessageType::ProtocolError);
        let mut ordinary = vec![OLD; 2 + available];
        let mut ordinary_writer = Writer::new(&mut ordinary);
        ordinary_writer.version().unwrap();
        by_name(&mut ordinary_writer, frame, payload).unwrap();
        // What lies behind the message is the same, too: untouched.
        assert_eq!(buffer, ordinary, "{about:?}");
        return;
    }
    assert_eq!(writer.as_bytes(), b"01");
    assert_eq!((writer.available(), writer.is_closed()), (available, false));
    // The writer goes on as if nothing had been.
    if available >= 2 {
        writer.version().unwrap();
        assert_eq!(writer.as_bytes(), b"0101");
    }
}

#[test]
fn every_type_in_every_buffer_in_every_way() {
    for frame in frames() {
        for payload in [b"".as_slice(), b"x", b"hello", b"{\"message\":\"Hello World\"} and more"] {
            let needed = wire(&frame, payload).len();
            for available in 0..=needed + 3 {
                for way in &WAYS {
                    check(&frame, payload, available, way);
                }
            }
        }
    }
}

#[test]
fn the_longest_name_and_no_longer() {
    let longest = [b'x'; 4096];
    for len in [1, 255, 256, 4095] {
        let op = longest[..len].into();
        for frame in [
            Frame::SingleRequest { id: ID, op, payload_len: 0 },
            Frame::StreamRequest { id: ID, op, payload_len: 0 },
            Frame::Notification { name: op, payload_len: 0 },
        ] {
            let needed = wire(&frame, b"hello").len();
            for available in [0, 11, 12, 16, needed - 6, needed - 5, needed - 1, needed, needed + 1]
            {
                check(&frame, b"hello", available, &WAYS[2]);
            }
        }
    }
    let (op, empty) = (longest.as_slice().into(), "".into());
    for (name, error) in
        [(op, WriteError::NameTooLong { len: 4096 }), (empty, WriteError::EmptyName)]
    {
        for frame in [
            Frame::SingleRequest { id: ID, op: name, payload_len: 0 },
            Frame::StreamRequest { id: ID, op: name, payload_len: 0 },
            Frame::Notification { name, payload_len: 0 },
        ] {
            for size in [0, 2, 5000] {
                let mut buffer = vec![OLD; size];
                let mut writer = Writer::new(&mut buffer);
                assert_eq!(writer.begin(&frame).unwrap_err(), error);
                // What is wrong with the message comes before that the writer is closed.
                if writer.protocol_error(ErrorCode::TIMEOUT).is_ok() {
                    assert_eq!(writer.begin(&frame).unwrap_err(), error);
                }
            }
        }
    }
}

#[test]
fn a_dropped_payload_was_never_there() {
    for frame in frames() {
        let mut buffer = [OLD; 64];
        let mut writer = Writer::new(&mut buffer);
        writer.heartbeat(0, 0).unwrap();
        for _ in 0..2 {
            let mut place = writer.begin(&frame).unwrap();
            place.write(b"hello");
        }
        assert_eq!(writer.as_bytes(), b"h000000000000");
        assert_eq!((writer.available(), writer.is_closed()), (51, false));
        writer.notification("log", b"hi").unwrap();
        assert_eq!(writer.as_bytes(), b"h000000000000n003log00000002hi");
    }
}

#[test]
fn what_does_not_fit_is_counted_and_nothing_follows_it() {
    let frame = Frame::SingleResult { id: ID, payload_len: 0 };
    for room in 0..20 {
        let mut buffer = vec![OLD; 13 + room];
        let mut writer = Writer::new(&mut buffer);
        let mut place = writer.begin(&frame).unwrap();
        assert_eq!(place.room().len(), room);
        place.write(&[b'a'; 20]);
        assert_eq!((place.room().len(), place.len()), (0, 20));
        // This would fit, but what comes before it did not.
        place.write(b"b");
        write!(place, "{}{:>5}", 1, 2).unwrap();
        assert_eq!((place.room().len(), place.len()), (0, 27));
        place.advance(100);
        let too_small = WriteError::BufferTooSmall { needed: 13 + 127, available: 13 + room };
        assert_eq!(place.commit(), Err(too_small));
        assert_eq!(writer.as_bytes(), b"");
        assert!(!buffer[13..].contains(&b'b'));
    }
    // No room even for the header: none for the payload either.
    for size in 0..13 {
        let mut buffer = vec![OLD; size];
        let mut writer = Writer::new(&mut buffer);
        let mut place = writer.begin(&frame).unwrap();
        assert_eq!(place.room().len(), 0);
        place.write(b"abc");
        let too_small = WriteError::BufferTooSmall { needed: 16, available: size };
        assert_eq!(place.commit(), Err(too_small));
        assert_eq!(buffer, vec![OLD; size]);
    }
}

#[test]
fn lengths_that_no_memory_has() {
    let frame = Frame::SingleResult { id: ID, payload_len: 0 };
    let mut buffer = [OLD; 64];
    let mut writer = Writer::new(&mut buffer);
    let mut commit = |lengths: &[usize]| {
        let mut place = writer.begin(&frame).unwrap();
        lengths.iter().for_each(|len| place.advance(*len));
        place.write(b"");
        let _ = place.room();
        let result = place.commit();
        assert_eq!(writer.as_bytes(), b"");
        result
    };
    let most = u32::MAX as usize;
    let needed = most.saturating_add(13);
    let too_small = WriteError::BufferTooSmall { needed, available: 64 };
    assert_eq!(commit(&[most]), Err(too_small));
    assert_eq!(commit(&[5, most - 5]), Err(too_small));
    let saturated = match u32::try_from(usize::MAX) {
        Ok(_) => WriteError::BufferTooSmall { needed: usize::MAX, available: 64 },
        Err(_) => WriteError::PayloadTooLong { len: usize::MAX },
    };
    assert_eq!(commit(&[usize::MAX]), Err(saturated));
    assert_eq!(commit(&[usize::MAX, usize::MAX]), Err(saturated));
    assert_eq!(commit(&[1, usize::MAX, 7]), Err(saturated));
    #[cfg(target_pointer_width = "64")]
    assert_eq!(commit(&[most + 1]), Err(WriteError::PayloadTooLong { len: 1 << 32 }));
    // More than there is room for, though not more than a size can say.
    assert_eq!(commit(&[52]), Err(WriteError::BufferTooSmall { needed: 65, available: 64 }));
}

#[test]
fn nothing_is_begun_after_a_protocol_error() {
    for frame in frames() {
        let mut buffer = [OLD; 64];
        let mut writer = Writer::new(&mut buffer);
        let closing = Frame::ProtocolError { code: ErrorCode::INVALID_MESSAGE };
        writer.begin(&closing).unwrap().commit().unwrap();
        assert!(writer.is_closed());
        assert_eq!(writer.begin(&frame).unwrap_err(), WriteError::Closed);
        assert_eq!(writer.version(), Err(WriteError::Closed));
        writer.clear();
        assert_eq!(writer.begin(&frame).unwrap_err(), WriteError::Closed);
        assert_eq!(writer.into_bytes(), b"");
    }
}

/// Messages of all types behind each other, in place or not, in pieces of any length.
#[test]
fn mixed_with_other_messages() {
    let mut rng = Rng::new(0x1a_9ace);
    for turn in 0..3000 {
        let mut buffer = vec![OLD; rng.below(600)];
        let capacity = buffer.len();
        let mut writer = Writer::new(&mut buffer);
        let mut want = Vec::new();
        for _ in 0..rng.below(8) {
            let kind = rng.pick(b"rspRSEenh");
            let (header, payload): (Header, Vec<u8>) = generate::message_of(&mut rng, kind);
            if header.name.as_ref().is_some_and(Vec::is_empty) {
                continue;
            }
            let frame = drive::frame(&header);
            let message = wire(&frame, &payload);
            let available = capacity - want.len();
            let result = if rng.one_in(3) {
                writer.message(Message { frame, payload: &payload })
            } else {
                let mut place = writer.begin(&frame).unwrap();
                let mut rest = payload.as_slice();
                while !rest.is_empty() {
                    let (piece, after) = rest.split_at(1 + rng.below(rest.len()));
                    place.write(piece);
                    rest = after;
                }
                match refusal(&frame, &payload) {
                    Some(error) => {
                        assert_eq!(place.commit(), Err(error));
                        continue;
                    }
                    None => place.commit(),
                }
            };
            if message.len() <= available {
                assert_eq!(result, Ok(()), "turn {turn}");
                want.extend(message);
            } else {
                let needed = message.len();
                let too_small = WriteError::BufferTooSmall { needed, available };
                assert_eq!(result, Err(too_small), "turn {turn}");
            }
            assert_eq!(writer.as_bytes(), want, "turn {turn}");
            assert_eq!(writer.available(), capacity - want.len());
        }
        assert_eq!(writer.into_bytes(), want);
    }
}

#[test]
fn what_was_written_outlives_the_writer() {
    fn answer(buffer: &mut [u8]) -> Result<&[u8], WriteError> {
        let mut writer = Writer::new(buffer);
        let mut place = writer.begin(&Frame::SingleResult { id: ID, payload_len: 7 })?;
        place.write(b"yes");
        place.commit()?;
        Ok(writer.into_bytes())
    }
    assert_eq!(answer(&mut [OLD; 16]), Ok(b"R000100000003yes".as_slice()));
    let too_small = WriteError::BufferTooSmall { needed: 16, available: 15 };
    assert_eq!(answer(&mut [OLD; 15]), Err(too_small));
    // After an error, and after it was cleared, nothing.
    let mut buffer = [OLD; 16];
    let mut writer = Writer::new(&mut buffer);
    writer.version().unwrap();
    writer.clear();
    assert_eq!(writer.into_bytes(), b"");
}

/// A value that gives up after some text.
struct GivesUp;

impl std::fmt::Display for GivesUp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("{\"half")?;
        Err(std::fmt::Error)
    }
}

/// A payload that was cut is never sent, whether its writer looks at the result or not.
#[test]
fn a_value_that_cannot_be_formatted_writes_nothing() {
    let mut buffer = [0; 64];
    let mut writer = Writer::new(&mut buffer);
    let frame = Frame::SingleResult { id: ID, payload_len: 0 };
    let mut payload = writer.begin(&frame).unwrap();
    write!(payload, "{GivesUp}").unwrap_err();
    payload.write(b"more");
    write!(payload, "{}", 1).unwrap();
    assert_eq!(payload.commit(), Err(WriteError::Format));
    assert!(writer.is_empty());

    fn by_question_mark(writer: &mut Writer<'_>) -> Result<(), WriteError> {
        let mut payload = writer.begin(&Frame::SingleResult { id: ID, payload_len: 0 })?;
        write!(payload, "{GivesUp}")?;
        payload.commit()
    }
    assert_eq!(by_question_mark(&mut writer), Err(WriteError::Format));
    writer.single_result(ID, b"whole").unwrap();
    assert_eq!(writer.as_bytes(), b"R000100000005whole");
}

//! A check of the codec for targets that have no `cargo test`: real conversations, in
//! pieces and back again, and the sizes that do not fit into 16 bits. That of the session is
//! in `session.rs`.

#![no_std]

use core::fmt::Write;

use gotalk::{
    Assembler, Error, ErrorKind, Event, Frame, Item, Message, Parser, RequestId, SendBuffer,
    WriteError, Writer, websocket,
};

/// Says in which line it is that something is not as it should be.
type Check = Result<(), u32>;

macro_rules! check {
    ($condition:expr) => {
        if !$condition {
            return Err(line!());
        }
    };
}

macro_rules! recorded {
    ($($name:literal),*) => {
        [$(include_bytes!(concat!("../../conversations/", $name, ".bin")).as_slice()),*]
    };
}

pub mod session;

/// Small ones, of all types but `f`: an AVR keeps constants in its 8 KiB of RAM.
static CONVERSATIONS: [&[u8]; 11] = recorded!(
    "a-single-json.c2s",
    "a-single-json.s2c",
    "c-error-unknown-op.c2s",
    "c-error-unknown-op.s2c",
    "d-retry-limit.s2c",
    "e-stream.c2s",
    "e-stream.s2c",
    "e-stream-error.s2c",
    "g-notify.c2s",
    "h-heartbeat.c2s",
    "j-bad-type.s2c"
);

const ID: RequestId = RequestId::new(*b"0001");

/// Everything. Gives the number of conversations.
pub fn check() -> Result<usize, u32> {
    for conversation in CONVERSATIONS {
        for piece in [1, 2, 3, 7, 16, 64, conversation.len()] {
            by_event(conversation, piece)?;
            whole(conversation, piece)?;
            sent(conversation, piece)?;
        }
        cut(conversation)?;
    }
    fields()?;
    large_payload()?;
    large_for_assembler()?;
    large_missing()?;
    large_written()?;
    large_in_place()?;
    large_over_websocket()?;
    Ok(CONVERSATIONS.len())
}

/// Written again, header by header and payload by payload: the same bytes.
fn by_event(conversation: &[u8], piece: usize) -> Check {
    let mut parser = Parser::<64>::new();
    let mut expected = conversation;
    for input in conversation.chunks(piece) {
        let mut events = parser.feed(input);
        while let Some(event) = events.next() {
            let mut buffer = [0; 80];
            let mut writer = Writer::new(&mut buffer);
            let written = match event {
                Ok(Event::Version(1)) => writer.version(),
                Ok(Event::Frame(frame)) => writer.frame(&frame),
                Ok(Event::Payload { data, .. }) => {
                    check!(expected.starts_with(data));
                    expected = &expected[data.len()..];
                    Ok(())
                }
                _ => return Err(line!()),
            };
            check!(written == Ok(()));
            check!(expected.starts_with(writer.as_bytes()));
            expected = &expected[writer.len()..];
        }
    }
    check!(expected.is_empty());
    check!(parser.offset() == conversation.len() as u64);
    check!(parser.finish() == Ok(()));
    Ok(())
}

/// Written again, message by message.
fn whole(conversation: &[u8], piece: usize) -> Check {
    let mut assembler = Assembler::<32, 16>::new();
    let mut expected = conversation;
    for mut input in conversation.chunks(piece) {
        while let Ok(Some(item)) = assembler.next_item(&mut input) {
            let mut buffer = [0; 80];
            let mut writer = Writer::new(&mut buffer);
            let written = match item {
                Item::Version(1) => writer.version(),
                Item::Message(message) => writer.message(message),
                _ => return Err(line!()),
            };
            check!(written == Ok(()));
            check!(expected.starts_with(writer.as_bytes()));
            expected = &expected[writer.len()..];
        }
    }
    check!(expected.is_empty());
    check!(assembler.finish() == Ok(()));
    Ok(())
}

/// Written in place, message by message, into a send buffer that is sent in pieces of this
/// size; and each message cut for WebSocket.
fn sent(conversation: &[u8], piece: usize) -> Check {
    let mut assembler = Assembler::<32, 16>::new();
    let mut send = SendBuffer::<96>::new();
    let (mut input, mut expected) = (conversation, conversation);
    loop {
        let (read, step) = assembler.step(input);
        let Some(step) = step.map_err(|_| line!())? else { break };
        let written = match assembler.item(input, step) {
            Item::Version(1) => send.write(|writer| writer.version()),
            Item::Message(Message { frame, payload: b"" }) => {
                send.write(|writer| writer.message(Message { frame, payload: b"" }))
            }
            Item::Message(message) => send.write(|writer| {
                let mut place = writer.begin(&message.frame)?;
                for chunk in message.payload.chunks(piece) {
                    place.write(chunk);
                }
                place.commit()
            }),
            _ => return Err(line!()),
        };
        check!(written == Ok(()));
        input = &input[read..];
        let mut joined = 0;
        for message in websocket::messages(send.unsent()) {
            check!(!message.is_empty());
            joined += message.len();
        }
        check!(joined == send.unsent().len());
        while !send.is_empty() {
            let len = piece.min(send.unsent().len());
            check!(expected.starts_with(&send.unsent()[..len]));
            expected = &expected[len..];
            send.sent(piece);
        }
    }
    check!(expected.is_empty());
    Ok(())
}

/// Cut anywhere, it is whole or truncated, and says where it ends.
fn cut(conversation: &[u8]) -> Check {
    for len in 0..conversation.len() {
        let mut parser = Parser::<64>::new();
        let mut input = &conversation[..len];
        while parser.next_event(&mut input).map_err(|_| line!())?.is_some() {}
        check!(parser.offset() == len as u64);
        match parser.finish() {
            Ok(()) => {}
            Err(Error { kind: ErrorKind::UnexpectedEnd { missing }, offset, .. }) => {
                check!(offset == len as u64 && missing > 0);
                check!(missing as usize <= conversation.len() - len);
            }
            Err(_) => return Err(line!()),
        }
    }
    Ok(())
}

fn fields() -> Check {
    let mut parser = Parser::<64>::new().without_handshake();
    let mut input = b"e00010001388100000002hihfffe54d7de9af89abcdef!".as_slice();
    let frame = Frame::RetryResult { id: ID, wait_ms: 0x0001_3881, payload_len: 2 };
    check!(parser.next_event(&mut input) == Ok(Some(Event::Frame(frame))));
    check!(parser.next_event(&mut input) == Ok(Some(Event::Payload { data: b"hi", remaining: 0 })));
    let frame = Frame::Heartbeat { load: 0xfffe, time: 0x54d7_de9a };
    check!(parser.next_event(&mut input) == Ok(Some(Event::Frame(frame))));
    let frame = Frame::ProtocolError { code: 0x89ab_cdef.into() };
    check!(parser.next_event(&mut input) == Ok(Some(Event::Frame(frame))));
    check!(parser.next_event(&mut input) == Ok(None));
    check!(parser.offset() == 46);
    Ok(())
}

/// 4 GiB announced, and read in pieces: what remains stays exact.
fn large_payload() -> Check {
    let mut parser = Parser::<64>::new();
    let mut input = b"01R0001ffffffff".as_slice();
    check!(parser.next_event(&mut input) == Ok(Some(Event::Version(1))));
    let frame = Frame::SingleResult { id: ID, payload_len: u32::MAX };
    check!(parser.next_event(&mut input) == Ok(Some(Event::Frame(frame))));
    let piece = [0; 250];
    let mut read = 0;
    while read < 70_000 {
        let mut input = piece.as_slice();
        read += piece.len() as u32;
        let event = Event::Payload { data: &piece, remaining: u32::MAX - read };
        check!(parser.next_event(&mut input) == Ok(Some(event)));
        check!(parser.next_event(&mut input) == Ok(None));
    }
    check!(parser.offset() == 15 + u64::from(read));
    let missing = u32::MAX - read;
    let kind = parser.finish().map_err(|error| error.kind);
    check!(kind == Err(ErrorKind::UnexpectedEnd { missing }));

    // Skipped to its end: 65,536 bytes and 5 more are not 5.
    let mut parser = Parser::<64>::new().without_handshake();
    let mut input = b"R000100010005".as_slice();
    let frame = Frame::SingleResult { id: ID, payload_len: 0x1_0005 };
    check!(parser.next_event(&mut input) == Ok(Some(Event::Frame(frame))));
    parser.skip_payload();
    let mut left = 0x1_0005;
    while left > 0 {
        let mut input = &piece[..left.min(250) as usize];
        left -= input.len() as u32;
        check!(parser.next_event(&mut input) == Ok(None));
    }
    check!(parser.finish() == Ok(()));
    check!(parser.offset() == 13 + 0x1_0005);
    Ok(())
}

/// The low 16 bits of the size would fit.
fn large_for_assembler() -> Check {
    let mut assembler = Assembler::<32>::new().without_handshake();
    let mut input = b"R000100010005hello".as_slice();
    let expected = Item::PayloadTooLong(Frame::SingleResult { id: ID, payload_len: 0x1_0005 });
    check!(assembler.next_item(&mut input) == Ok(Some(expected)));
    check!(assembler.next_item(&mut input) == Ok(None));
    let kind = assembler.finish().map_err(|error| error.kind);
    check!(kind == Err(ErrorKind::UnexpectedEnd { missing: 0x1_0000 }));
    Ok(())
}

fn large_missing() -> Check {
    for (input, missing) in [
        (b"R00011".as_slice(), 7 + 0x1000_0000),
        (b"R000100010000".as_slice(), 0x1_0000),
        (b"r0001fff".as_slice(), 0xfff + 8),
    ] {
        let mut parser = Parser::<4095>::new().without_handshake();
        let mut rest = input;
        while parser.next_event(&mut rest).map_err(|_| line!())?.is_some() {}
        let kind = parser.finish().map_err(|error| error.kind);
        check!(kind == Err(ErrorKind::UnexpectedEnd { missing }));
    }
    Ok(())
}

fn large_written() -> Check {
    let mut buffer = [0; 24];
    let mut writer = Writer::new(&mut buffer);
    let frame = Frame::RetryResult { id: ID, wait_ms: 0x1_0000, payload_len: 0xfedc_ba98 };
    check!(writer.frame(&frame) == Ok(()));
    check!(writer.as_bytes() == b"e000100010000fedcba98");
    // Its payload of 5 bytes is not one of 65,541.
    let frame = Frame::SingleResult { id: ID, payload_len: 0x1_0005 };
    let mismatch = WriteError::PayloadMismatch { announced: 0x1_0005, given: 5 };
    check!(writer.message(Message { frame, payload: b"hello" }) == Err(mismatch));
    check!(
        writer.single_result(ID, b"hello")
            == Err(WriteError::BufferTooSmall { needed: 18, available: 3 })
    );
    check!(writer.len() == 21);
    Ok(())
}

/// What does not fit is counted up to the largest number that there is.
fn large_in_place() -> Check {
    let mut buffer = [0; 24];
    let mut writer = Writer::new(&mut buffer);
    let frame = Frame::SingleResult { id: ID, payload_len: 0x1_0005 };
    for (len, needed) in [(1000, 1018), (usize::MAX, usize::MAX)] {
        let mut place = writer.begin(&frame).map_err(|_| line!())?;
        check!(place.write_str("hello").is_ok());
        place.advance(len);
        check!(place.room().is_empty());
        let error = match u32::try_from(place.len()) {
            Ok(_) => WriteError::BufferTooSmall { needed, available: 24 },
            Err(_) => WriteError::PayloadTooLong { len: usize::MAX },
        };
        check!(place.commit() == Err(error));
    }
    let mut place = writer.begin(&frame).map_err(|_| line!())?;
    check!(place.write_str("hello").is_ok());
    check!(place.commit() == Ok(()));
    check!(writer.as_bytes() == b"R000100000005hello");
    Ok(())
}

/// The low 16 bits of the size would end the payload too soon.
fn large_over_websocket() -> Check {
    let mut messages = websocket::messages(b"R000100010005hellof00000001");
    check!(messages.next() == Some(b"R000100010005"));
    check!(messages.next() == Some(b"hellof00000001"));
    check!(messages.next().is_none());
    Ok(())
}

/// For node: the number of conversations, or the line at fault as a negative number.
#[cfg(target_family = "wasm")]
#[unsafe(no_mangle)]
extern "C" fn run() -> i32 {
    match check().and_then(|codec| Ok(codec + session::check()?)) {
        Ok(conversations) => conversations as i32,
        Err(line) => -(line as i32),
    }
}

#[cfg(target_family = "wasm")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}

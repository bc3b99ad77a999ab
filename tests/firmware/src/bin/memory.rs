//! Measures the stack of each public function, and prints the size of each type.
//!
//! Each function is called through an opaque pointer, on every kind of message and
//! error, cut at every byte. The stack below the caller is painted before the call;
//! how far down the paint is gone after it is what the function needs, and whatever
//! it calls, `memcpy` included. Arguments and results in the caller's frame are the
//! caller's.
//!
//! Prints a line a figure.

#![no_std]
#![no_main]

use core::hint::black_box;
use core::mem::size_of;

use gotalk::{
    Assembler, Backoff, Due, Error, ErrorCode, Event, Events, Frame, Incoming, Item, Items,
    Message, Name, Outgoing, Parser, PayloadWriter, Received, RequestId, Session, SessionError,
    Settings, Step, WriteError, Writer,
};
use gotalk_firmware::measure::{self, depth, paint};
use gotalk_firmware::{api, board, println};

gotalk_firmware::entry!(run);

/// Each message, one with a name that is too long, and then `$end`.
macro_rules! streams {
    ($($end:literal),*) => {
        [$(concat!(
            "01r0001004echo00000005hello",
            "s0001004echo00000000p000100000003abcp000100000000",
            "n00cchat message00000002hi",
            "r0002041aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa00000002hi",
            "R000100000005helloS000100000000E000100000002noe00010000138800000004wait",
            "R000300000140", // more than the assembler takes: the rest is its payload
            "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567",
            "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567",
            "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567",
            "01234567890123456789012345678901234567890123456789012345",
            "h000254d7de9a",
            $end,
        ).as_bytes()),*]
    };
}
static STREAMS: [&[u8]; 6] =
    streams!("f00000002ignored", "x", "R00010000000g", "n-", "h0002+", "e0001000000001234567/");

/// Calls, and keeps the deepest that the stack went under this function's name. A
/// macro, since what counts is the frame that the call is made from.
macro_rules! measured {
    ($deepest:ident . $function:ident ( $($argument:expr),* )) => {{
        let pointer = paint();
        let result = ($deepest.call.$function)($($argument),*);
        let depth = depth(pointer);
        $deepest.note(stringify!($function), depth);
        result
    }};
}

/// A table of functions and what was measured of each.
struct Deepest<T> {
    call: T,
    of: &'static str,
    names: [&'static str; 40],
    depths: [usize; 40],
}

impl<T> Deepest<T> {
    fn new(of: &'static str, table: &T) -> Self {
        // Safety: a copy of a table of function pointers, which are `Copy`; read as
        // volatile, so that the compiler does not know what they point at.
        let call = unsafe { core::ptr::read_volatile(table) };
        Self { call, of, names: [""; 40], depths: [0; 40] }
    }

    fn note(&mut self, name: &'static str, depth: usize) {
        for (known, deepest) in self.names.iter_mut().zip(&mut self.depths) {
            if known.is_empty() {
                *known = name;
            }
            if *known == name {
                *deepest = depth.max(*deepest);
                if depth == measure::PAINTED {
                    fail("the stack is not painted far enough");
                }
                return;
            }
        }
        fail("too many functions");
    }

    fn report(&self) {
        for (name, depth) in self.names.iter().zip(self.depths) {
            if !name.is_empty() {
                println!("stack {} {name} {depth}", self.of);
            }
        }
    }
}

/// The tables speak of `'static` where a lifetime is bound.
fn forever<T: ?Sized>(value: &mut T) -> &'static mut T {
    // Safety: what is lent here is used only while `value` is alive, and is gone
    // before `value` is looked at again.
    unsafe { &mut *core::ptr::from_mut(value) }
}

fn run() {
    sizes();
    reading();
    assembling();
    writing();
    conversing();
}

fn sizes() {
    macro_rules! sizes {
        ($($type:ty),* $(,)?) => {
            $(println!("size {} {}", stringify!($type), size_of::<$type>());)*
        };
    }
    sizes!(
        Parser<16>, Parser<64>, Parser<255>, Events<64>, Event, Step, Frame, Error,
        Writer, PayloadWriter, WriteError, Assembler<256>, Items<256, 64>, Item, Message,
        Session<4, 4>, Session<8, 8>, Session<0, 1>, Outgoing, Incoming, Received<u32>, Due,
        SessionError, Settings, Backoff,
    );
}

fn reading() {
    let mut read = Deepest::new("parser", &api::READING);
    for stream in STREAMS {
        for cut in 0..=stream.len() {
            let pieces = [&stream[..cut], &stream[cut..]];
            by_step(&mut read, pieces);
            by_event(&mut read, pieces);
            by_feed(&mut read, pieces);
            skipping(&mut read, pieces);
        }
    }
    let parser = measured!(read.new());
    black_box(measured!(read.without_handshake(parser)));
    read.report();
}

fn by_step(read: &mut Deepest<api::Reading>, pieces: [&'static [u8]; 2]) {
    let mut parser = measured!(read.new());
    for mut input in pieces {
        loop {
            let here = input;
            match measured!(read.step(&mut parser, here)) {
                (used, Ok(Some(step))) => {
                    black_box(measured!(read.event(&parser, here, step)));
                    input = &here[used..];
                }
                (_, Ok(None)) => break,
                (_, Err(error)) => {
                    black_box(measured!(read.protocol_code(&error)));
                    break;
                }
            }
        }
        black_box(measured!(read.finish(&parser)).is_ok());
    }
    black_box(measured!(read.offset(&parser)));
    measured!(read.reset(&mut parser));
}

fn by_event(read: &mut Deepest<api::Reading>, pieces: [&'static [u8]; 2]) {
    let mut parser = Parser::new();
    for mut input in pieces {
        while let Ok(Some(event)) = measured!(read.next_event(forever(&mut parser), &mut input)) {
            black_box(event);
        }
    }
}

fn by_feed(read: &mut Deepest<api::Reading>, pieces: [&'static [u8]; 2]) {
    let mut parser = Parser::new();
    for input in pieces {
        let mut events = measured!(read.feed(forever(&mut parser), input));
        while let Some(event) = measured!(read.events_next(forever(&mut events))) {
            black_box(event.is_ok());
        }
        black_box(measured!(read.events_remaining(&events)));
        black_box(measured!(read.events_offset(&events)));
        measured!(read.events_skip_payload(&mut events));
    }
}

fn skipping(read: &mut Deepest<api::Reading>, [head, tail]: [&'static [u8]; 2]) {
    let mut parser = Parser::new();
    let mut events = parser.feed(head);
    while let Some(event) = events.next() {
        black_box(event.is_ok());
    }
    measured!(read.skip_payload(&mut parser));
    black_box(measured!(read.step(&mut parser, tail)).1.is_ok());
}

fn assembling() {
    let mut assemble = Deepest::new("assembler", &api::ASSEMBLING);
    for stream in STREAMS {
        for cut in 0..=stream.len() {
            let mut whole = measured!(assemble.new());
            for mut input in [&stream[..cut], &stream[cut..]] {
                while let Ok(Some(item)) =
                    measured!(assemble.next_item(forever(&mut whole), &mut input))
                {
                    black_box(item);
                }
                black_box(measured!(assemble.finish(&whole)).is_ok());
            }
            measured!(assemble.reset(&mut whole));
            for mut input in [&stream[..cut], &stream[cut..]] {
                while let (used, Ok(Some(step))) = measured!(assemble.step(&mut whole, input)) {
                    black_box(measured!(assemble.item(&whole, input, step)));
                    input = &input[used..];
                }
            }
            measured!(assemble.reset(&mut whole));
            for input in [&stream[..cut], &stream[cut..]] {
                let mut items = measured!(assemble.feed(forever(&mut whole), input));
                while let Some(item) = measured!(assemble.items_next(forever(&mut items))) {
                    black_box(item.is_ok());
                }
                black_box(measured!(assemble.items_remaining(&items)));
                black_box(measured!(assemble.items_offset(&items)));
            }
            black_box(measured!(assemble.offset(&whole)));
        }
    }
    let whole = measured!(assemble.new());
    black_box(measured!(assemble.without_handshake(whole)));
    assemble.report();
}

fn writing() {
    let mut write = Deepest::new("writer", &api::WRITING);
    let (id, op) = (RequestId::new(*b"0001"), Name::from("echo"));
    let mut buffer = [0; 48];
    // Every length, so that each message is once too long for the buffer and fits once.
    for len in 0..=buffer.len() {
        let mut writer = measured!(write.new(forever(&mut buffer[..len])));
        for payload in [b"".as_slice(), b"hello"] {
            let payload_len = payload.len() as u32;
            let frames = [
                Frame::SingleRequest { id, op, payload_len },
                Frame::RetryResult { id, wait_ms: 5000, payload_len },
                Frame::StreamResult { id, payload_len },
                Frame::Notification { name: op, payload_len },
                Frame::Heartbeat { load: 1, time: 1 },
            ];
            let mut results = [Ok(()); 24];
            let mut slots = results.iter_mut();
            // Each message into an empty buffer.
            macro_rules! each {
                ($($function:ident ( $($argument:expr),* );)*) => {$(
                    measured!(write.clear(&mut writer));
                    let result = measured!(write.$function(&mut writer $(, $argument)*));
                    if let Some(slot) = slots.next() {
                        *slot = result;
                    }
                )*};
            }
            each! {
                version();
                single_request(id, op, payload);
                stream_request(id, op, payload);
                stream_request_part(id, payload);
                stream_request_end(id);
                single_result(id, payload);
                stream_result(id, payload);
                stream_result_end(id);
                error_result(id, payload);
                retry_result(id, 5000, payload);
                notification(op, payload);
                heartbeat(1, 1);
            }
            for frame in &frames {
                each! {
                    frame(frame);
                    message(Message { frame: *frame, payload });
                }
                measured!(write.clear(&mut writer));
                if let Ok(mut place) = measured!(write.begin(forever(&mut writer), frame)) {
                    measured!(write.payload_write(&mut place, payload));
                    black_box(measured!(write.payload_room(forever(&mut place))));
                    measured!(write.payload_advance(&mut place, 1));
                    black_box(measured!(write.payload_len(&place)));
                    black_box(measured!(write.payload_is_empty(&place)));
                    black_box(measured!(write.payload_commit(place)).is_ok());
                }
            }
            let _ = black_box(results);
        }
        measured!(write.clear(&mut writer));
        for _ in 0..2 {
            black_box(measured!(write.protocol_error(&mut writer, ErrorCode::TIMEOUT)).is_ok());
        }
        black_box(measured!(write.len(&writer)));
        black_box(measured!(write.is_empty(&writer)));
        black_box(measured!(write.capacity(&writer)));
        black_box(measured!(write.available(&writer)));
        black_box(measured!(write.is_closed(&writer)));
        black_box(measured!(write.as_bytes(&writer)));
        black_box(measured!(write.into_bytes(writer)));
    }
    write.report();
}

type Talk = Deepest<api::Conversing>;

fn conversing() {
    let mut talk = Deepest::new("session", &api::CONVERSING);
    let mut buffer = [0; 48];
    let settings = [
        Settings { answer_ms: Some(50), silence_ms: Some(500), streams: 8, ..Settings::DEFAULT },
        Settings { streams: 0, ..Settings::BROWSER },
    ];
    for settings in settings {
        for stream in STREAMS {
            // Every length, as above.
            for len in 0..=buffer.len() {
                let mut session = measured!(talk.new(settings));
                let mut writer = Writer::new(forever(&mut buffer[..len]));
                by_parser(&mut talk, &mut session, &mut writer, stream);
                asking(&mut talk, &mut session, &mut writer);
                measured!(talk.reset(&mut session));
                asking(&mut talk, &mut session, &mut writer);
                by_assembler(&mut talk, &mut session, &mut writer, stream);
                ending(&mut talk, &mut session, &mut writer);
            }
        }
    }
    for mut backoff in [measured!(talk.backoff_new()), measured!(talk.backoff_with_limits(1, 9))] {
        black_box(measured!(talk.backoff_next_ms(&mut backoff, 7)));
        measured!(talk.backoff_reset(&mut backoff));
    }
    talk.report();
}

fn by_parser(
    talk: &mut Talk,
    session: &mut Session,
    writer: &mut Writer<'static>,
    stream: &'static [u8],
) {
    let mut parser = Parser::<64>::new();
    let mut events = forever(&mut parser).feed(stream);
    while let Some(event) = forever(&mut events).next() {
        writer.clear();
        if let Ok(received) = measured!(talk.receive_event(session, 1, event, writer)) {
            answering(talk, session, writer, received);
        }
    }
    if let Err(error) = parser.finish() {
        measured!(talk.fail(session, &error));
    }
}

fn by_assembler(
    talk: &mut Talk,
    session: &mut Session,
    writer: &mut Writer<'static>,
    stream: &'static [u8],
) {
    let mut whole = Assembler::<256, 64>::new();
    let mut items = forever(&mut whole).feed(stream);
    while let Some(item) = forever(&mut items).next() {
        writer.clear();
        if let Ok(received) = measured!(talk.receive_item(session, 1, item, writer)) {
            answering(talk, session, writer, received);
        }
    }
}

/// Answers in each of the ways, in turn.
fn answering<P>(
    talk: &mut Talk,
    session: &mut Session,
    writer: &mut Writer<'static>,
    received: Received<'_, P>,
) {
    let (Received::Request { request, .. } | Received::StreamRequest { request, .. }) = received
    else {
        return;
    };
    black_box(measured!(talk.incoming_id(request)));
    black_box(measured!(talk.incoming_index(request)));
    let way = writer.capacity() % 6;
    writer.clear();
    if way > 0 {
        black_box(measured!(talk.respond_part(session, writer, request, b"hello")).is_ok());
        writer.clear();
    }
    let done = match way {
        0 | 1 => measured!(talk.respond(session, writer, request, b"hello")),
        2 => measured!(talk.respond_end(session, writer, request)),
        3 => measured!(talk.respond_error(session, writer, request, b"no")),
        4 => measured!(talk.respond_retry(session, writer, request, 9, b"later")),
        // It stays, so that there comes to be no room.
        _ => Ok(()),
    };
    black_box(done.is_ok());
}

fn asking(talk: &mut Talk, session: &mut Session, writer: &mut Writer<'static>) {
    let op = Name::from("echo");
    // More than there is room for.
    for turn in 0..10 {
        let now = 10 * turn;
        writer.clear();
        let asked = [
            measured!(talk.request(session, now, writer, op, b"hello")),
            measured!(talk.stream_request(session, now, writer, op, b"")),
        ];
        for request in asked.into_iter().flatten() {
            black_box(measured!(talk.outgoing_id(request)));
            black_box(measured!(talk.outgoing_index(request)));
            let part = measured!(talk.request_part(session, now, writer, request, b"hello"));
            black_box(part.is_ok());
            black_box(measured!(talk.request_end(session, now, writer, request)).is_ok());
            if turn % 4 == 0 {
                measured!(talk.forget(session, request));
            }
        }
        writer.clear();
        black_box(measured!(talk.notify(session, now, writer, op, b"hello")).is_ok());
        measured!(talk.set_load(session, 1));
        measured!(talk.set_clock(session, now, 1));
        polling(talk, session, writer, now);
    }
    polling(talk, session, writer, 20_000);
    black_box(measured!(talk.is_open(session)));
    black_box(measured!(talk.is_idle(session)));
}

fn polling(talk: &mut Talk, session: &mut Session, writer: &mut Writer<'static>, now: u32) {
    for _ in 0..20 {
        writer.clear();
        match measured!(talk.poll(session, now, writer)) {
            Ok(Some(due)) => black_box(due),
            _ => break,
        };
    }
    black_box(measured!(talk.wait_ms(session, now)));
}

fn ending(talk: &mut Talk, session: &mut Session, writer: &mut Writer<'static>) {
    measured!(talk.drain(session));
    polling(talk, session, writer, 20_001);
    measured!(talk.close(session, ErrorCode::TIMEOUT));
    polling(talk, session, writer, 20_002);
    measured!(talk.disconnected(session));
    polling(talk, session, writer, 20_003);
}

fn fail(why: &str) -> ! {
    println!("{why}");
    board::exit(false)
}

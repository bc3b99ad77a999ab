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
    Assembler, Error, ErrorCode, Event, Events, Frame, Item, Items, Message, Name, Parser,
    PayloadWriter, RequestId, Step, WriteError, Writer,
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
    names: [&'static str; 32],
    depths: [usize; 32],
}

impl<T> Deepest<T> {
    fn new(of: &'static str, table: &T) -> Self {
        // Safety: a copy of a table of function pointers, which are `Copy`; read as
        // volatile, so that the compiler does not know what they point at.
        let call = unsafe { core::ptr::read_volatile(table) };
        Self { call, of, names: [""; 32], depths: [0; 32] }
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

fn fail(why: &str) -> ! {
    println!("{why}");
    board::exit(false)
}

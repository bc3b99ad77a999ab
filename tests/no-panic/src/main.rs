//! Calls every public function of the crate, and links only if none of them can
//! panic: the panic handler calls a function that does not exist, so that whatever
//! leads to it is an error of the linker. It is never run.
//!
//! Everything that a function is given comes out of `black_box`, and what it gives
//! goes into one: the compiler knows nothing of the state of a parser, the length of
//! an input or the value of a field, and cannot drop a path because this program
//! would not take it. Functions are written as `Type::function`, by which the script
//! `run` sees that none has been forgotten.

#![no_std]
#![no_main]

#[cfg(feature = "formatting")]
use core::fmt::{self, Write};
use core::fmt::{Debug, Display};
use core::hint::black_box;

use gotalk::{
    Assembler, Error, ErrorCode, ErrorKind, Event, Events, Frame, Item, Message, MessageType,
    Messages, Name, Parser, RequestId, WriteError, Writer,
};

unsafe extern "C" {
    fn a_panic_path_is_still_reachable() -> !;
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // Safety: there is no such function, so this is never linked and never called.
    unsafe { a_panic_path_is_still_reachable() }
}

#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    reading(Parser::new());
    reading(Parser::default());
    reading::<0>(Parser::new());
    reading::<5000>(Parser::new());
    assembling::<256, 64>(Assembler::new());
    assembling::<256, 64>(Assembler::default());
    assembling::<0, 0>(Assembler::new());
    assembling::<300, 5000>(Assembler::new());
    writing();
    vocabulary();
    #[cfg(feature = "control-index")]
    black_box(bytes()[black_box(0)]);
    #[cfg(feature = "control-overflow")]
    black_box(black_box(0_u8) + 1);
    loop {
        core::hint::spin_loop();
    }
}

/// Bytes of which nothing is known, not even how many they are.
fn bytes() -> &'static [u8] {
    black_box(b"")
}

fn reading<const N: usize>(parser: Parser<N>) {
    let mut parser = Parser::without_handshake(black_box(parser));
    let parser = black_box(&mut parser);
    show(&*parser);

    let mut events = Parser::feed(parser, bytes());
    let events = black_box(&mut events);
    show(&*events);
    while let Some(event) = Events::next(events) {
        show(&event);
        if let Err(error) = event {
            black_box(Error::protocol_code(&error));
            show(&error);
            show(&error.kind);
            print(&error);
            print(&error.kind);
            if let ErrorKind::InvalidDigit { field, .. } = error.kind {
                show(&field);
                print(&field);
            }
        }
    }
    black_box(Events::remaining(events));
    black_box(Events::offset(events));
    Events::skip_payload(events);

    let step = Parser::step(black_box(parser), bytes());
    show(&step);
    if let Ok((_, Some(step))) = step {
        // With another input, too, and after other calls.
        let event: Event<'_> = Parser::event(black_box(parser), bytes(), black_box(step));
        black_box(event == black_box(event));
        black_box(step == black_box(step));
    }
    Parser::skip_payload(black_box(parser));
    show(&Parser::finish(black_box(parser)));
    black_box(Parser::offset(black_box(parser)));
    Parser::reset(black_box(parser));
    black_box(black_box(&*parser).clone());
    black_box(&Parser::next_event(black_box(parser), black_box(&mut bytes())));
}

fn assembling<const P: usize, const N: usize>(assembler: Assembler<P, N>) {
    let mut assembler = Assembler::without_handshake(black_box(assembler));
    let assembler = black_box(&mut assembler);
    show(&*assembler);

    let mut messages = Assembler::feed(assembler, bytes());
    let messages = black_box(&mut messages);
    show(&*messages);
    while let Some(item) = Messages::next(messages) {
        show(&item);
        if let Ok(item) = item {
            let item: Item<'_> = black_box(item);
            black_box(item == black_box(item));
            if let Item::Message(message) = item {
                let message: Message<'_> = message;
                show(&message);
            }
        }
    }
    black_box(Messages::remaining(messages));
    black_box(Messages::offset(messages));

    show(&Assembler::finish(black_box(assembler)));
    black_box(Assembler::offset(black_box(assembler)));
    Assembler::reset(black_box(assembler));
    black_box(black_box(&*assembler).clone());
    black_box(&Assembler::next_item(black_box(assembler), black_box(&mut bytes())));
}

fn writing() {
    let mut buffer = [0; 64];
    let buffer: &mut [u8] = black_box(&mut buffer);
    let mut writer = Writer::new(buffer);
    let writer = black_box(&mut writer);
    show(&*writer);

    let id = || black_box(RequestId::new([0; 4]));
    let name = || black_box("");
    let results = [
        Writer::version(black_box(writer)),
        Writer::single_request(black_box(writer), id(), name(), bytes()),
        Writer::stream_request(black_box(writer), id(), bytes(), bytes()),
        Writer::stream_request_part(black_box(writer), id(), bytes()),
        Writer::stream_request_end(black_box(writer), id()),
        Writer::single_result(black_box(writer), id(), bytes()),
        Writer::stream_result(black_box(writer), id(), bytes()),
        Writer::stream_result_end(black_box(writer), id()),
        Writer::error_result(black_box(writer), id(), bytes()),
        Writer::retry_result(black_box(writer), id(), black_box(0), bytes()),
        Writer::notification(black_box(writer), name(), bytes()),
        Writer::heartbeat(black_box(writer), black_box(0), black_box(0)),
        Writer::protocol_error(black_box(writer), ErrorCode::from(black_box(0))),
        Writer::frame(black_box(writer), black_box(&frame())),
        Writer::message(black_box(writer), black_box(&frame()), bytes()),
    ];
    for result in black_box(results) {
        if let Err(error) = result {
            let error: WriteError = error;
            show(&error);
            print(&error);
        }
    }
    black_box(Writer::len(black_box(writer)));
    black_box(Writer::is_empty(black_box(writer)));
    black_box(Writer::capacity(black_box(writer)));
    black_box(Writer::as_bytes(black_box(writer)));
    Writer::clear(black_box(writer));
}

fn frame() -> Frame<'static> {
    black_box(Frame::Heartbeat { load: 0, time: 0 })
}

fn vocabulary() {
    let frame = frame();
    black_box(Frame::message_type(&frame));
    black_box(Frame::id(&frame));
    black_box(Frame::name(&frame));
    black_box(Frame::payload_len(&frame));
    black_box(Frame::header_len(&frame));
    black_box(frame == self::frame());
    show(&frame);
    print(&frame);

    black_box(MessageType::ALL);
    if let Some(message) = MessageType::from_byte(black_box(0)) {
        black_box(MessageType::as_byte(message));
        black_box(MessageType::has_id(message));
        black_box(MessageType::has_name(message));
        black_box(MessageType::has_payload(message));
        black_box(MessageType::is_request(message));
        black_box(MessageType::is_result(message));
        black_box(MessageType::header_len(message, black_box(0)));
        show(&message);
        print(&message);
    }

    let id = black_box(RequestId::from(black_box([0; 4])));
    black_box(RequestId::new(black_box([0; 4])));
    black_box(RequestId::as_bytes(&id));
    black_box(RequestId::from_number(black_box(0)));
    black_box(RequestId::to_number(id));
    black_box(<[u8; 4]>::from(id));
    black_box(id.cmp(&black_box(id)));
    show(&id);
    print(&id);

    let name = black_box(Name::from(bytes()));
    black_box(Name::from(black_box(b"echo")));
    black_box(Name::from(black_box("")));
    black_box(Name::new(black_box("")));
    black_box(Name::from_bytes(bytes()));
    black_box(<Name<'_> as AsRef<[u8]>>::as_ref(&name));
    black_box(Name::default());
    black_box(Name::as_bytes(name));
    black_box(Name::to_str(name)).ok();
    black_box(Name::len(name));
    black_box(Name::is_empty(name));
    black_box(name == black_box("") && black_box("") == name);
    black_box(name == *black_box("") && *black_box("") == name);
    black_box(name == bytes() && bytes() == name);
    black_box(name == *bytes() && *bytes() == name);
    black_box(name == black_box(b"echo") && black_box(b"echo") == name);
    black_box(name == *black_box(b"echo") && *black_box(b"echo") == name);
    black_box(name.cmp(&black_box(name)));
    show(&name);
    print(&name);

    let code = black_box(ErrorCode::from(black_box(0)));
    black_box(ErrorCode::new(black_box(0)));
    black_box(u32::from(code));
    black_box(code.cmp(&black_box(code)));
    show(&code);
    print(&code);
}

/// Takes what is printed.
#[cfg(feature = "formatting")]
struct Sink;

#[cfg(feature = "formatting")]
impl Write for Sink {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        black_box(text);
        black_box(Ok(()))
    }
}

/// Prints for a programmer.
fn show(value: &impl Debug) {
    black_box(value);
    #[cfg(feature = "formatting")]
    let _ = (write!(Sink, "{value:?}"), write!(Sink, "{value:#?}"));
}

/// Prints for everybody.
fn print(value: &impl Display) {
    black_box(value);
    #[cfg(feature = "formatting")]
    let _ = (write!(Sink, "{value}"), write!(Sink, "{value:>0$}", usize::from(black_box(0_u16))));
}

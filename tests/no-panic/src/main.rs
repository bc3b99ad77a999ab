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

mod session;

#[cfg(feature = "formatting")]
use core::fmt::{self, Write};
use core::fmt::{Debug, Display};
use core::hint::black_box;

use gotalk::websocket::{self, Messages};
use gotalk::{
    Assembler, Error, ErrorCode, ErrorKind, Event, Events, Frame, Item, Items, Message,
    MessageType, Name, Parser, PayloadWriter, RequestId, SendBuffer, Step, WriteError, Writer,
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
    reading::<64>(Parser::new());
    reading::<64>(Parser::default());
    reading::<0>(Parser::new());
    reading::<5000>(Parser::new());
    assembling::<256, 64>(Assembler::new());
    assembling::<256, 64>(Assembler::default());
    assembling::<0, 0>(Assembler::new());
    assembling::<300, 5000>(Assembler::new());
    writing();
    sending::<64>(SendBuffer::new());
    sending::<64>(SendBuffer::default());
    sending::<0>(SendBuffer::new());
    cutting();
    session::conversing();
    vocabulary();
    #[cfg(feature = "heapless")]
    in_heapless();
    #[cfg(feature = "alloc")]
    in_vectors();
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

    let (read, step) = black_box(Parser::step(black_box(parser), bytes()));
    black_box(read);
    show(&step);
    if let Ok(Some(step)) = step {
        // With another input, too, and after other calls.
        let step: Step = black_box(step);
        let event: Event<'_> = Parser::event(black_box(parser), bytes(), step);
        show(&event);
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

    let mut items = Assembler::feed(assembler, bytes());
    let items = black_box(&mut items);
    show(&*items);
    while let Some(item) = Items::next(items) {
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
    black_box(Items::remaining(items));
    black_box(Items::offset(items));

    let (read, step) = black_box(Assembler::step(black_box(assembler), bytes()));
    black_box(read);
    if let Ok(Some(step)) = step {
        // With another input, too, and after other calls.
        show(&Assembler::item(black_box(assembler), bytes(), black_box(step)));
        black_box(&Assembler::step(black_box(assembler), bytes()));
        show(&Assembler::item(black_box(assembler), bytes(), black_box(step)));
    }
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
    write_all(black_box(&mut writer));
    black_box(Writer::into_bytes(black_box(writer)));
}

/// By every method of a writer of which nothing is known.
fn write_all(writer: &mut Writer<'_>) {
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
        Writer::message(black_box(writer), black_box(Message { frame: frame(), payload: bytes() })),
        in_place(black_box(writer)),
    ];
    black_box(results).into_iter().for_each(written);
    black_box(Writer::len(black_box(writer)));
    black_box(Writer::is_empty(black_box(writer)));
    black_box(Writer::capacity(black_box(writer)));
    black_box(Writer::available(black_box(writer)));
    black_box(Writer::is_closed(black_box(writer)));
    black_box(Writer::as_bytes(black_box(writer)));
    Writer::clear(black_box(writer));
}

fn written(result: Result<(), WriteError>) {
    if let Err(error) = result {
        let error: WriteError = error;
        show(&error);
        print(&error);
    }
}

fn in_place(writer: &mut Writer<'_>) -> Result<(), WriteError> {
    let mut place = Writer::begin(writer, black_box(&frame()))?;
    let place = black_box(&mut place);
    show(&*place);
    PayloadWriter::write(black_box(place), bytes());
    for byte in black_box(PayloadWriter::room(black_box(place))) {
        *byte = black_box(0);
    }
    PayloadWriter::advance(black_box(place), black_box(0));
    let _ = <PayloadWriter<'_, '_> as core::fmt::Write>::write_str(black_box(place), black_box(""));
    // What `write!` comes to: PayloadWriter::write_str and PayloadWriter::write_fmt.
    let _ = core::fmt::Write::write_char(black_box(place), black_box('x'));
    #[cfg(feature = "formatting")]
    let _ = write!(black_box(&mut *place), "{}", black_box(0_u32));
    black_box(WriteError::from(black_box(core::fmt::Error)));
    black_box(PayloadWriter::len(black_box(place)));
    black_box(PayloadWriter::is_empty(black_box(place)));
    // Dropped, and another one for the end.
    let mut place = Writer::begin(writer, black_box(&frame()))?;
    PayloadWriter::write(black_box(&mut place), bytes());
    PayloadWriter::commit(black_box(place))
}

fn sending<const N: usize>(buffer: SendBuffer<N>) {
    let mut buffer = black_box(buffer);
    let buffer = black_box(&mut buffer);
    show(&*buffer);
    written(SendBuffer::write(black_box(buffer), |writer| {
        write_all(black_box(writer));
        // Another writer in the place of this one.
        let mut no_room = [];
        let mut other = Writer::new(black_box(&mut no_room));
        black_box(&mut other);
        Writer::version(black_box(writer))
    }));
    black_box(SendBuffer::unsent(black_box(buffer)));
    SendBuffer::sent(black_box(buffer), black_box(0));
    written(SendBuffer::write(black_box(buffer), |writer| Writer::version(writer)));
    black_box(SendBuffer::is_empty(black_box(buffer)));
    black_box(SendBuffer::len(black_box(buffer)));
    black_box(SendBuffer::capacity(black_box(buffer)));
    black_box(SendBuffer::available(black_box(buffer)));
    black_box(SendBuffer::is_closed(black_box(buffer)));
    black_box(black_box(&*buffer).clone());
    SendBuffer::reset(black_box(buffer));
    show(&*buffer);
}

fn cutting() {
    let mut messages = websocket::messages(bytes());
    let messages = black_box(&mut messages);
    show(&*messages);
    black_box(black_box(&*messages).clone());
    while let Some(message) = Messages::next(messages) {
        black_box(message);
        show(&*messages);
    }
}

#[cfg(feature = "heapless")]
fn in_heapless() {
    use gotalk::heapless::{String, Vec};
    use gotalk::{OwnedError, OwnedMessage};

    let mut vec = Vec::<u8, 64>::new();
    let vec = black_box(&mut vec);
    written(Writer::append_to_heapless(vec, |writer| {
        write_all(black_box(writer));
        Writer::version(black_box(writer))
    }));
    black_box(Name::from(black_box(&String::<8>::new())));

    let message = black_box(Message { frame: frame(), payload: bytes() });
    let owned: Result<OwnedMessage<16, 8>, OwnedError> = OwnedMessage::try_from(message);
    match owned {
        Ok(owned) => {
            let owned = black_box(&owned);
            black_box(OwnedMessage::frame(owned));
            black_box(OwnedMessage::payload(owned));
            black_box(OwnedMessage::as_message(owned));
            black_box(*owned == owned.clone());
            show(owned);
        }
        Err(error) => {
            let error: OwnedError = error;
            show(&error);
            print(&error);
        }
    }
}

#[cfg(feature = "alloc")]
mod heap {
    use core::alloc::{GlobalAlloc, Layout};

    /// Of which nothing is known, but that it has no memory.
    struct Heap;

    // Safety: an allocator may always fail.
    unsafe impl GlobalAlloc for Heap {
        unsafe fn alloc(&self, _: Layout) -> *mut u8 {
            super::black_box(core::ptr::null_mut())
        }
        unsafe fn dealloc(&self, pointer: *mut u8, _: Layout) {
            super::black_box(pointer);
        }
    }

    #[global_allocator]
    static HEAP: Heap = Heap;
}

#[cfg(feature = "alloc")]
fn in_vectors() {
    extern crate alloc;
    let mut vec = alloc::vec::Vec::new();
    let vec = black_box(&mut vec);
    written(Writer::append_to_vec(vec, |writer| {
        write_all(black_box(writer));
        Writer::version(black_box(writer))
    }));
    black_box(Name::from(black_box(&alloc::string::String::new())));
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
        black_box(MessageType::as_str(message));
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
    black_box::<&[u8]>(Name::as_ref(&name));
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

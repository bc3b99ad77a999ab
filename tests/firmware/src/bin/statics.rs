//! Where statics lie: a fresh machine or buffer is all zeros, and so takes no flash. The
//! script `run` looks at the symbols, and runs this.

#![no_std]
#![no_main]

use core::cell::UnsafeCell;

use gotalk::{Assembler, Event, Item, Parser, Received, SendBuffer, Session, Settings, Writer};
use gotalk_firmware::{board, println};

gotalk_firmware::entry!(main);

/// For one core without interrupts.
struct Alone<T>(UnsafeCell<T>);

// Safety: nothing runs beside `main`.
unsafe impl<T> Sync for Alone<T> {}

impl<T> Alone<T> {
    const fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// Once for each static.
    #[expect(clippy::mut_from_ref, reason = "each is taken once")]
    fn take(&self) -> &mut T {
        // Safety: nothing runs beside `main`, which takes each once.
        unsafe { &mut *self.0.get() }
    }
}

#[cfg(not(feature = "control-data"))]
const PARSER_AT_START: Parser<64> = Parser::new();
/// Not all zeros: the control of what looks at the symbols.
#[cfg(feature = "control-data")]
const PARSER_AT_START: Parser<64> = Parser::new().without_handshake();

#[cfg(not(feature = "control-settings"))]
const SETTINGS: Settings = Settings::DEFAULT;
/// Not the defaults: another control.
#[cfg(feature = "control-settings")]
const SETTINGS: Settings = Settings { answer_ms: Some(5_000), ..Settings::DEFAULT };

// Used, lest the compiler put it on the stack of `main`.
#[used]
#[unsafe(no_mangle)]
static PARSER: Alone<Parser<64>> = Alone::new(PARSER_AT_START);
#[used]
#[unsafe(no_mangle)]
static ASSEMBLER: Alone<Assembler<1024>> = Alone::new(Assembler::new());
#[used]
#[unsafe(no_mangle)]
static SEND: Alone<SendBuffer<512>> = Alone::new(SendBuffer::new());
#[used]
#[unsafe(no_mangle)]
static SESSION: Alone<Session<4, 4>> = Alone::new(Session::new(SETTINGS));
/// In a section of its own, as for a memory that DMA cannot reach: the compiler refuses it
/// unless all of it is zeros.
#[used]
#[unsafe(no_mangle)]
#[unsafe(link_section = ".bss.ccm")]
static ELSEWHERE: Alone<Assembler<256>> = Alone::new(Assembler::new());

fn main() {
    let (parser, send) = (PARSER.take(), SEND.take());
    let mut good = parser.feed(b"01").next() == Some(Ok(Event::Version(1)));
    for assembler in [ASSEMBLER.take().feed(b"01").next(), ELSEWHERE.take().feed(b"01").next()] {
        good &= assembler == Some(Ok(Item::Version(1)));
    }
    good &= send.write(|writer| writer.notification("log", b"hi")).is_ok();
    good &= send.unsent() == b"n003log00000002hi";
    send.reset();
    let session = SESSION.take();
    let asked = send.write(|writer| session.request(0, writer, "echo", b"hi"));
    good &=
        session.receive(0, Event::Version(1), &mut Writer::new(&mut [])) == Ok(Received::Opened);
    good &= asked.is_ok() && send.unsent() == b"01r0000004echo00000002hi";
    println!("statics: {}", if good { "as they should be" } else { "wrong" });
    board::exit(good);
}

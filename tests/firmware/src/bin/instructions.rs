//! Counts the instructions of reading and writing, as firmware does them.
//!
//! Each figure is a loop that is counted whole, divided by its messages, less the
//! same loop around nothing. So it holds all that a message costs: the calls, the
//! `memcpy` of whatever is copied, and for reading a consumer that takes each event
//! apart and adds up the lengths of names, those of payloads, and loads. The sums
//! and the bytes written are checked, so that no work can be left out.
//!
//! Prints a line a figure: its name, then hundredths of an instruction a message
//! (or a byte, where it says so).

#![no_std]
#![no_main]

use core::hint::black_box;

use gotalk::{Event, Frame, Parser, RequestId, WriteError, Writer};
use gotalk_firmware::measure::{self, Stopwatch};
use gotalk_firmware::{board, mixed, println};

gotalk_firmware::entry!(run);

const ID: RequestId = RequestId::new(*b"0001");
const PAYLOAD: &[u8; 25] = b"{\"message\":\"Hello World\"}";

/// Streams of equal messages. The lengths are odd, so that the ends of pieces fall on
/// every byte of a message equally often.
const REQUEST: &[u8; 45] = b"r0001004echo00000019{\"message\":\"Hello World\"}";
const RESULT: &[u8; 38] = b"R000100000019{\"message\":\"Hello World\"}";
const NOTIFICATION: &[u8; 41] = b"n004chat00000019{\"message\":\"Hello World\"}";
const EQUAL: u32 = 64;
static REQUESTS: [u8; 45 * 64] = repeat(REQUEST);
static RESULTS: [u8; 38 * 64] = repeat(RESULT);
static NOTIFICATIONS: [u8; 41 * 64] = repeat(NOTIFICATION);

const fn repeat<const ONE: usize, const ALL: usize>(message: &[u8; ONE]) -> [u8; ALL] {
    let mut all = [0; ALL];
    let mut at = 0;
    while at < ALL {
        all[at] = message[at % ONE];
        at += 1;
    }
    all
}

/// What the consumer adds up.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Sums {
    names: u32,
    payloads: u32,
    loads: u32,
}

impl Sums {
    const fn new(names: u32, payloads: u32, loads: u32) -> Self {
        Self { names, payloads, loads }
    }
}

fn run() {
    measure::check_stopwatch();

    let equal = Sums::new(4 * EQUAL, 25 * EQUAL, 0);
    let mixed = mixed::MESSAGES as u32;
    // One message in each piece; all at once; what a network or a UART brings.
    read("request", "alone", &REQUESTS, REQUEST.len(), EQUAL, equal);
    for (message, stream, messages, sums) in [
        ("request", REQUESTS.as_slice(), EQUAL, equal),
        ("result", &RESULTS, EQUAL, Sums { names: 0, ..equal }),
        ("notification", &NOTIFICATIONS, EQUAL, equal),
        ("mixed", &mixed::STREAM, mixed, mixed_sums()),
    ] {
        for (pieces, piece) in [("whole", stream.len()), ("64", 64), ("16", 16), ("1", 1)] {
            read(message, pieces, stream, piece, messages, sums);
        }
    }

    write("reply", 1, |writer| writer.single_result(ID, black_box(PAYLOAD)));
    write("request", 1, |writer| writer.single_request(ID, black_box("echo"), black_box(PAYLOAD)));
    write("notification", 1, |writer| writer.notification(black_box("chat"), black_box(PAYLOAD)));
    check_mixed_written();
    write("mixed", mixed, |writer| {
        for message in black_box(&mixed::LIST) {
            writer.clear();
            write_mixed(writer, message)?;
        }
        Ok(())
    });
}

fn read(message: &str, pieces: &str, stream: &[u8], piece: usize, messages: u32, sums: Sums) {
    const ROUNDS: u32 = 10;
    let mut parser = Parser::<64>::new().without_handshake();
    let mut seen = Sums::new(0, 0, 0);

    let watch = Stopwatch::start();
    for _ in 0..ROUNDS {
        for input in black_box(stream).chunks(black_box(piece)) {
            consume(&mut parser, black_box(input), &mut seen);
        }
    }
    let all = watch.stop();

    let watch = Stopwatch::start();
    for _ in 0..ROUNDS {
        for input in black_box(stream).chunks(black_box(piece)) {
            black_box(input);
        }
    }
    let empty = watch.stop();

    let Sums { names, payloads, loads } = sums;
    if seen != Sums::new(names * ROUNDS, payloads * ROUNDS, loads * ROUNDS) {
        fail("wrong sums");
    }
    report("read", message, pieces, all - empty, ROUNDS * messages);
    if piece == 1 {
        report("read", message, "byte", all - empty, ROUNDS * stream.len() as u32);
    }
}

/// What is counted: the loop of a program that reads.
fn consume(parser: &mut Parser<64>, input: &[u8], sums: &mut Sums) {
    let mut events = parser.feed(input);
    while let Some(event) = events.next() {
        match event {
            Ok(Event::Frame(frame)) => match frame {
                Frame::SingleRequest { op, .. } => sums.names += op.len() as u32,
                Frame::Notification { name, .. } => sums.names += name.len() as u32,
                Frame::Heartbeat { load, .. } => sums.loads += u32::from(load),
                _ => {}
            },
            Ok(Event::Payload { data, .. }) => sums.payloads += data.len() as u32,
            Ok(_) => {}
            Err(error) => {
                // A program would look at it, so what finds it is not to be left out.
                black_box(error);
                fail("error");
            }
        }
    }
}

fn write(message: &str, messages: u32, body: impl Fn(&mut Writer<'_>) -> Result<(), WriteError>) {
    const ROUNDS: u32 = 1000;
    let rounds = ROUNDS / messages;
    let mut buffer = [0; 128];

    let watch = Stopwatch::start();
    for _ in 0..rounds {
        let mut writer = Writer::new(black_box(&mut buffer));
        if body(&mut writer).is_err() {
            fail("not written");
        }
        black_box(writer.as_bytes());
    }
    let all = watch.stop();

    let watch = Stopwatch::start();
    for _ in 0..rounds {
        black_box(black_box(&mut buffer).as_slice());
    }
    let empty = watch.stop();

    report("write", message, "-", all - empty, rounds * messages);
}

fn write_mixed(writer: &mut Writer<'_>, message: &mixed::Message) -> Result<(), WriteError> {
    let id = RequestId::new(message.id);
    let name = &mixed::NAME[..message.name_len];
    let payload = &mixed::PAYLOAD[..message.payload_len];
    match message.kind {
        b'r' => writer.single_request(id, name, payload),
        b'R' => writer.single_result(id, payload),
        b'n' => writer.notification(name, payload),
        b'e' => writer.retry_result(id, message.number.into(), payload),
        b'E' => writer.error_result(id, payload),
        _ => writer.heartbeat(message.number, mixed::TIME),
    }
}

fn check_mixed_written() {
    let mut expected = mixed::STREAM.as_slice();
    for message in &mixed::LIST {
        let mut buffer = [0; 128];
        let mut writer = Writer::new(&mut buffer);
        let result = write_mixed(&mut writer, message);
        match expected.strip_prefix(writer.as_bytes()) {
            Some(rest) if result.is_ok() && !writer.is_empty() => expected = rest,
            _ => fail("wrong bytes"),
        }
    }
    if !expected.is_empty() {
        fail("too few bytes");
    }
}

fn mixed_sums() -> Sums {
    let mut sums = Sums::new(0, 0, 0);
    for message in &mixed::LIST {
        sums.names += message.name_len as u32;
        sums.payloads += message.payload_len as u32;
        if message.kind == b'h' {
            sums.loads += u32::from(message.number);
        }
    }
    sums
}

fn report(what: &str, message: &str, pieces: &str, instructions: u64, messages: u32) {
    println!("{what} {message} {pieces} {}", instructions * 100 / u64::from(messages));
}

fn fail(why: &str) -> ! {
    println!("{why}");
    board::exit(false)
}

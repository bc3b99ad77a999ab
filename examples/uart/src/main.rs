//! Firmware that talks Gotalk over a UART, for the board `lm3s6965evb`, which has a Cortex-M3
//! and which the emulator knows. `README.md` says how to try it, and what to change for another
//! board; all that is special about this one is in `board.rs` and `uart.rs`.
//!
//! The host can ask for the `temperature`, and for `watch` with a number, which streams the
//! temperature so many times, a line each, while other requests go on. The device asks the host for the
//! `time`, sends heartbeats, and logs the notifications of the host.
//!
//! # A line that never hangs up
//!
//! A UART does not say when the other end goes away, comes back, or loses a byte. These rules
//! bring both ends together again, whatever has happened:
//!
//! 1. **The host speaks first.** The device sends nothing, not even its version, before the
//!    host's version has come. (On a socket both ends send it at once. Here nobody may be there
//!    to hear it, and a host that has missed it cannot read what follows.)
//! 2. **Whoever ends a conversation says so by `f`**, also if nothing is wrong: a host that is
//!    done sends `f00000000`. On a socket it would close.
//! 3. **Both send heartbeats, and end a conversation in which no whole message has come for
//!    5 s.** That is for an end that is gone, and for faults that no reader can see: if a digit
//!    of a length is wrong, all that follows looks like a payload.
//! 4. **After the end both drop their input until the line has been silent**: the device for
//!    100 ms, the host for 250 ms, so that the device is ready when the host begins. Then both
//!    reset their reader and their session.
//! 5. **A host that opens the line does as if a conversation had just ended**: it sends
//!    `f00000000` and waits for silence. (A device that waits for a version answers
//!    `01f00000001`, which is dropped.) If the device was in the middle of a message, the first
//!    attempt may fail. Try again, for as long as rule 3 takes.
//!
//! A host that is the only one on the line and keeps rule 2 may leave out rule 5. So any Gotalk
//! client can talk to a device that has just started.
//!
//! A UART has no checksum. A byte that is wrong ends the conversation or gets an error result,
//! but in a payload nobody notices it. Turn on parity, or put a checksum into payloads that
//! matter.

#![no_std]
#![no_main]

mod board;
mod uart;

use gotalk::{
    Assembler, Due, ErrorCode, Incoming, MAX_REPLY_LEN, MessageType, Received, Session,
    SessionError, Settings, Writer,
};

const SETTINGS: Settings = Settings {
    heartbeat_ms: Some(1_000),
    silence_ms: Some(5_000),
    answer_ms: Some(2_000),
    ..Settings::DEFAULT
};
const SILENCE_MS: u32 = 100;
const WATCH_MS: u32 = 200;
/// The longest answer: a retry result with a text of 13 bytes.
const MAX_ANSWER: usize = MessageType::RetryResult.header_len(0) + 13;

/// A `watch` that has parts to come.
struct Watch {
    request: Incoming,
    parts: u16,
    at: u32,
}

fn main() -> ! {
    board::init();
    uart::init();
    let mut assembler = Assembler::new();
    let mut session = Session::new(SETTINGS);
    log!("ready");
    loop {
        if let Err(error) = converse(&mut assembler, &mut session) {
            log!("{error}"); // the host finds out by rule 3
        }
        uart::wait_for_silence(SILENCE_MS);
        assembler.reset();
        session.reset();
        log!("ready for a new conversation");
    }
}

/// Serves the host until the conversation ends.
fn converse(
    assembler: &mut Assembler<32, 16>,
    session: &mut Session<1, 2>,
) -> Result<(), SessionError> {
    let (mut rx, mut tx) = ([0; 32], [0; MAX_ANSWER + MAX_REPLY_LEN]);
    let mut writer = Writer::new(&mut tx);
    let mut host_is_there = false;
    let mut watch: Option<Watch> = None;
    loop {
        let mut wait_ms = None;
        // Rule 1. An error closes the session, and goes out whether the host was there or not.
        if host_is_there || !session.is_open() {
            let watch_ms = go_on(&mut watch, session, &mut writer)?;
            send(&mut writer);
            while let Some(due) = session.poll(board::now(), &mut writer)? {
                match due {
                    Due::Close => {
                        send(&mut writer);
                        return Ok(());
                    }
                    Due::TimedOut(_) => log!("the host does not tell the time"),
                    Due::Lost(_) => {}
                }
            }
            send(&mut writer);
            wait_ms = [watch_ms, session.wait_ms(board::now())].into_iter().flatten().min();
        }

        let Ok(len) = uart::read(&mut rx, wait_ms) else {
            log!("a fault of the line");
            session.close(ErrorCode::ABNORMAL);
            continue;
        };
        let mut items = assembler.feed(rx.get(..len).unwrap_or_default());
        while let Some(item) = items.next() {
            match &item {
                Err(_) if !host_is_there => log!("a host is there: rule 5"),
                Err(error) => log!("{error}"),
                Ok(_) => {}
            }
            match session.receive(board::now(), item, &mut writer)? {
                Received::Opened => {
                    host_is_there = true;
                    session.request(board::now(), &mut writer, "time", "null")?;
                }
                Received::Request { request, op, payload } => match op.as_bytes() {
                    b"temperature" => {
                        let json = format_args!("{}", board::temperature());
                        session.respond(&mut writer, request, json)?;
                    }
                    b"watch" if watch.is_some() => {
                        session.respond_retry(&mut writer, request, WATCH_MS, "one at a time")?;
                    }
                    b"watch" => match number(payload) {
                        Some(parts) => watch = Some(Watch { request, parts, at: board::now() }),
                        None => session.respond_error(&mut writer, request, "how many times?")?,
                    },
                    _ => session.respond_error(&mut writer, request, "no such operation")?,
                },
                Received::Result { payload, .. } => match number(payload) {
                    Some(unix_s) => session.set_clock(board::now(), unix_s), // for heartbeats
                    None => log!("that is no time"),
                },
                Received::Notification { name, payload } => {
                    log!("{name}: {}", payload.escape_ascii());
                }
                Received::Closed { code } => log!("the host leaves: {code}"),
                _ => {} // what needs no answer
            }
            send(&mut writer); // so that the next answer has room
        }
    }
}

/// Sends the next part of a `watch` if it is time, and says how long to wait for the one after.
fn go_on(
    watch: &mut Option<Watch>,
    session: &mut Session<1, 2>,
    writer: &mut Writer<'_>,
) -> Result<Option<u32>, SessionError> {
    let Some(Watch { request, parts, at }) = watch else { return Ok(None) };
    if !session.is_open() {
        return Ok(None);
    }
    let left = at.wrapping_sub(board::now()) as i32;
    if left > 0 {
        return Ok(Some(left as u32));
    }
    if *parts == 0 {
        session.respond_end(writer, *request)?;
        *watch = None;
        return Ok(None);
    }
    session.respond_part(writer, *request, format_args!("{}\n", board::temperature()))?;
    *parts -= 1;
    *at = at.wrapping_add(WATCH_MS);
    Ok(Some(0))
}

fn send(writer: &mut Writer<'_>) {
    uart::write_all(writer.as_bytes());
    writer.clear();
}

fn number<T: core::str::FromStr>(payload: &[u8]) -> Option<T> {
    core::str::from_utf8(payload.trim_ascii()).ok()?.parse().ok()
}

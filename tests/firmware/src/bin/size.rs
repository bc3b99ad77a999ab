//! An image that holds the codec, and nothing that uses it: the parts that the
//! features choose, every public function of each. What it takes beyond the image
//! without any part is the size of those parts.
//!
//! With the feature `program` it is a program instead that uses what many need, and no
//! more: it reads with `feed`, answers requests, and says what was wrong with the input.
//! With `session` it does the same through a session, which adds heartbeats, timeouts, limits
//! and requests that are answered later.

#![no_std]
#![no_main]

#[cfg(any(
    feature = "parser",
    feature = "writer",
    feature = "assembler",
    feature = "session-functions"
))]
use gotalk_firmware::api;

gotalk_firmware::entry!(main);

#[cfg(not(any(feature = "program", feature = "session")))]
fn main() {}

#[cfg(feature = "session")]
fn main() {
    use core::hint::black_box;
    use gotalk::{Parser, Received, Session, Settings, Writer};

    let mut parser = Parser::<64>::new();
    let mut session = const { Session::<4, 4>::new(Settings::DEFAULT) };
    let mut buffer = [0; 128];
    let mut echo = None;
    loop {
        let now = black_box(0);
        let mut writer = Writer::new(&mut buffer);
        let mut events = parser.feed(black_box(&[]));
        while let Some(event) = events.next() {
            let written = match session.receive(now, event, &mut writer) {
                Ok(Received::Request { request, op, .. }) if op == "echo" => {
                    echo = Some(request);
                    Ok(())
                }
                Ok(Received::Request { request, .. }) => {
                    session.respond_error(&mut writer, request, b"what?")
                }
                Ok(Received::Payload { data, .. }) => match echo.take() {
                    Some(request) => session.respond(&mut writer, request, data),
                    None => Ok(()),
                },
                Ok(_) => Ok(()),
                Err(error) => Err(error.into()),
            };
            if written.is_err() {
                return;
            }
        }
        match session.poll(now, &mut writer) {
            Ok(None) => {}
            _ => return,
        }
        black_box(writer.as_bytes());
    }
}

#[cfg(feature = "program")]
fn main() {
    use core::hint::black_box;
    use gotalk::{Event, Frame, Parser, Writer};

    let mut parser = Parser::<64>::new();
    let mut buffer = [0; 128];
    let mut request = None;
    loop {
        let mut writer = Writer::new(&mut buffer);
        let mut events = parser.feed(black_box(&[]));
        while let Some(event) = events.next() {
            let written = match event {
                Ok(Event::Frame(Frame::SingleRequest { id, op, .. })) if op == "echo" => {
                    request = Some(id);
                    Ok(())
                }
                Ok(Event::Payload { data, .. }) => match request.take() {
                    Some(id) => writer.single_result(id, data),
                    None => Ok(()),
                },
                Ok(Event::NameTooLong { id: Some(id), .. }) => writer.error_result(id, b"what?"),
                Ok(_) => Ok(()),
                Err(error) => match error.protocol_code() {
                    Some(code) => writer.protocol_error(code),
                    None => return,
                },
            };
            if written.is_err() {
                return;
            }
        }
        black_box(writer.as_bytes());
    }
}

#[cfg(feature = "parser")]
#[used]
#[unsafe(link_section = ".api")]
static READING: api::Reading = api::READING;

#[cfg(feature = "writer")]
#[used]
#[unsafe(link_section = ".api")]
static WRITING: api::Writing = api::WRITING;

#[cfg(feature = "assembler")]
#[used]
#[unsafe(link_section = ".api")]
static ASSEMBLING: api::Assembling = api::ASSEMBLING;

#[cfg(feature = "session-functions")]
#[used]
#[unsafe(link_section = ".api")]
static CONVERSING: api::Conversing = api::CONVERSING;

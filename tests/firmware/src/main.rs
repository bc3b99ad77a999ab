//! A device that speaks Gotalk over a UART, in 16 KiB of RAM and without an allocator.
//!
//! `serve` is what a program of yours would look like. The line is a stand-in: it
//! plays what real clients sent, recorded from the wire, in pieces as a UART would
//! bring them, and compares each byte that the device sends with what the real
//! server answered (`line.rs`, `conversations.rs`).

#![no_std]
#![no_main]

mod conversations;
mod line;

use gotalk::{
    Announced, Due, Error, ErrorKind, Incoming, MAX_REPLY_LEN, Parser, Received, Session,
    SessionError, Settings, Writer,
};
use gotalk_firmware::{board, println};
use line::Line;

gotalk_firmware::entry!(main);

/// The longest operation that this device has, with some room: requests for longer
/// ones are refused by the session, and need no buffer.
const LONGEST_NAME: usize = 32;

/// It asks nothing itself, and owes two answers at most, of which one may be a stream.
type Requests = Session<0, 2>;
const SETTINGS: Settings = Settings { streams: 1, ..Settings::DEFAULT };

/// Talks to one client until the line is closed.
fn serve(line: &mut Line) -> Result<(), SessionError> {
    let mut parser = Parser::<LONGEST_NAME>::new();
    let mut session = Requests::new(SETTINGS);
    let mut task = Task::None;
    let mut received = [0; 16];
    // The longest thing that is written at once is an answer of the session's own.
    let mut buffer = [0; MAX_REPLY_LEN];
    let mut writer = Writer::new(&mut buffer);

    loop {
        // The version, heartbeats, and the last word before the end; never in the middle of a
        // payload that has been announced. Of its own requests the device has none, so none
        // can time out or be lost.
        if let Task::None = task {
            let due = session.poll(line.millis(), &mut writer)?;
            line.send(&mut writer);
            if let Some(Due::Close) = due {
                return Ok(());
            }
        }
        let Some(bytes) = line.receive(&mut received) else { break };
        let mut events = parser.feed(bytes);
        while let Some(event) = events.next() {
            // After an error `poll` says what was wrong, and hangs up.
            let received = session.receive(line.millis(), event, &mut writer)?;
            line.send(&mut writer);
            match received {
                Received::Payload { data, remaining } => task.go_on(line, data, remaining),
                received => task = begin(line, &mut writer, &mut session, received)?,
            }
        }
    }
    if let Err(Error { kind: ErrorKind::UnexpectedEnd { missing }, .. }) = parser.finish() {
        println!("the line was closed, and {missing} bytes or more are missing");
    }
    Ok(())
}

/// What is to be done with the payload that comes next. It is never collected: each
/// piece is dealt with as it arrives, so a request of a megabyte needs no more RAM
/// than one of a byte.
enum Task {
    None,
    Echo,
    Upper,
}

/// A message has begun, and its payload is still to come.
fn begin(
    line: &mut Line,
    writer: &mut Writer<'_>,
    session: &mut Requests,
    received: Received<'_, u32>,
) -> Result<Task, SessionError> {
    let task = match received {
        Received::Request { request, op, payload: len } => match op.as_bytes() {
            // As long as the request. The header goes now, the payload piece by piece.
            b"echo" | b"blob" => {
                session.respond(writer, request, Announced(len))?;
                Task::Echo
            }
            b"nothing" => {
                session.respond(writer, request, b"")?;
                Task::None
            }
            unknown => return refuse(line, writer, session, request, unknown),
        },
        Received::StreamRequest { request, op, payload: len } => match op.as_bytes() {
            b"upper" => upper(writer, session, request, len)?,
            unknown => return refuse(line, writer, session, request, unknown),
        },
        Received::RequestPart { request, payload: len } => upper(writer, session, request, len)?,
        Received::RequestEnd { request } => {
            session.respond_end(writer, request)?;
            Task::None
        }
        // Notifications, which this device has no use for, and what the session has dealt
        // with. It asks nothing itself, so there are no results.
        _ => Task::None,
    };
    line.send(writer);
    Ok(task)
}

/// Each part of a request is answered by a part of a result.
fn upper(
    writer: &mut Writer<'_>,
    session: &mut Requests,
    request: Incoming,
    len: u32,
) -> Result<Task, SessionError> {
    // An empty part of a result would end it.
    if len > 0 {
        session.respond_part(writer, request, Announced(len))?;
    }
    Ok(Task::Upper)
}

/// An error result whose text is put together on the line: no formatting, no buffer.
fn refuse(
    line: &mut Line,
    writer: &mut Writer<'_>,
    session: &mut Requests,
    request: Incoming,
    op: &[u8],
) -> Result<Task, SessionError> {
    let text = [b"unknown operation \"", op, b"\""];
    let len = text.iter().map(|part| part.len() as u32).sum();
    session.respond_error(writer, request, Announced(len))?;
    line.send(writer);
    for part in text {
        line.send_bytes(part);
    }
    Ok(Task::None)
}

impl Task {
    fn go_on(&mut self, line: &mut Line, data: &[u8], remaining: u32) {
        match self {
            Self::None => {}
            Self::Echo => line.send_bytes(data),
            Self::Upper => {
                for byte in data {
                    line.send_bytes(&[byte.to_ascii_uppercase()]);
                }
            }
        }
        if remaining == 0 {
            *self = Self::None;
        }
    }
}

fn main() {
    for pieces in [&[1][..], &[16], &[7, 1, 16, 3, 11]] {
        for conversation in conversations::ALL {
            let mut line = Line::new(conversation, pieces);
            if let Err(error) = serve(&mut line) {
                println!("{}: {error}", conversation.name);
                board::exit(false);
            }
            line.close();
        }
    }
    println!("{} conversations, each answered as it was recorded", conversations::ALL.len());
}

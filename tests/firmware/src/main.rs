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

use gotalk::{Error, ErrorKind, Event, Frame, Parser, RequestId, WriteError, Writer};
use gotalk_firmware::{board, println};
use line::Line;

gotalk_firmware::entry!(main);

/// The longest operation that this device has, with some room: requests for longer
/// ones are refused by the parser, and need no buffer.
const LONGEST_NAME: usize = 32;

/// Talks to one client until the line is closed.
fn serve(line: &mut Line) -> Result<(), WriteError> {
    let mut parser = Parser::<LONGEST_NAME>::new();
    let mut task = Task::None;
    let mut stream = None;
    let mut received = [0; 16];
    // The longest thing that is written at once is the header of a result.
    let mut buffer = [0; 32];
    let mut writer = Writer::new(&mut buffer);

    // Both ends send their version at once, without waiting for the other's.
    writer.version()?;
    line.send(&mut writer);

    while let Some(bytes) = line.receive(&mut received) {
        let mut events = parser.feed(bytes);
        while let Some(event) = events.next() {
            match event {
                Ok(Event::Frame(frame)) => {
                    task = begin(line, &mut writer, frame, &mut stream)?;
                    if let Task::None = task {
                        events.skip_payload();
                    }
                }
                Ok(Event::Payload { data, .. }) => task.go_on(line, data),
                Ok(Event::NameTooLong { id: Some(id), .. }) => {
                    writer.error_result(id, b"unknown operation")?;
                    line.send(&mut writer);
                }
                Ok(Event::NameTooLong { id: None, .. } | Event::Version(_)) => {}
                Err(error) => {
                    // Nothing after it can be understood. Say why, and hang up.
                    if let Some(code) = error.protocol_code() {
                        writer.protocol_error(code)?;
                        line.send(&mut writer);
                    }
                    return Ok(());
                }
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
    frame: Frame<'_>,
    stream: &mut Option<RequestId>,
) -> Result<Task, WriteError> {
    let task = match frame {
        Frame::SingleRequest { id, op, payload_len } => match op.as_bytes() {
            // As long as the request. The header goes now, the payload piece by piece.
            b"echo" | b"blob" => {
                writer.frame(&Frame::SingleResult { id, payload_len })?;
                Task::Echo
            }
            b"nothing" => {
                writer.single_result(id, b"")?;
                Task::None
            }
            unknown => return refuse(line, writer, id, unknown),
        },
        Frame::StreamRequest { id, op, payload_len } => match op.as_bytes() {
            b"upper" if stream.is_none() => {
                *stream = Some(id);
                upper(writer, id, payload_len)?
            }
            unknown => return refuse(line, writer, id, unknown),
        },
        Frame::StreamRequestPart { id, payload_len } if *stream == Some(id) => {
            if payload_len == 0 {
                *stream = None;
                writer.stream_result_end(id)?;
            }
            upper(writer, id, payload_len)?
        }
        // Parts of what was refused, and notifications that this device has no use for.
        // It asks nothing itself, so there are no results to wait for.
        _ => Task::None,
    };
    line.send(writer);
    Ok(task)
}

/// Each part of a request is answered by a part of a result.
fn upper(writer: &mut Writer<'_>, id: RequestId, payload_len: u32) -> Result<Task, WriteError> {
    // An empty part of a result would end it.
    if payload_len > 0 {
        writer.frame(&Frame::StreamResult { id, payload_len })?;
    }
    Ok(Task::Upper)
}

/// An error result whose text is put together on the line: no formatting, no buffer.
fn refuse(
    line: &mut Line,
    writer: &mut Writer<'_>,
    id: RequestId,
    op: &[u8],
) -> Result<Task, WriteError> {
    let text = [b"unknown operation \"", op, b"\""];
    let payload_len = text.iter().map(|part| part.len() as u32).sum();
    writer.frame(&Frame::ErrorResult { id, payload_len })?;
    line.send(writer);
    for part in text {
        line.send_bytes(part);
    }
    Ok(Task::None)
}

impl Task {
    fn go_on(&self, line: &mut Line, data: &[u8]) {
        match self {
            Self::None => {}
            Self::Echo => line.send_bytes(data),
            Self::Upper => {
                for byte in data {
                    line.send_bytes(&[byte.to_ascii_uppercase()]);
                }
            }
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

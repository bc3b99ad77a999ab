//! One connection on which both ends ask and answer at once, and neither ever blocks:
//!
//! ```sh
//! cargo run --example both_ways
//! ```
//!
//! Each end streams words to the other, which gives them back in upper case as they come, and
//! asks for an `echo` meanwhile. What every such program needs is in `link.rs`.

pub mod link;

use gotalk::{Outgoing, Received, SessionError, Settings, Writer};
use link::{App, Link, Session};
use std::error::Error;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::{thread, time::Duration, time::Instant};

/// Each end takes one stream at a time.
pub const SETTINGS: Settings = Settings { streams: 1, ..Settings::DEFAULT };

/// What one end does.
pub struct Peer {
    stream: Outgoing,
    /// The parts that are still to be sent. The empty one stands for the end of the stream.
    words: std::slice::Iter<'static, &'static str>,
}

impl Peer {
    /// Makes two requests at once.
    pub fn new<T: Read + Write>(link: &mut Link<T>, now: u32) -> Result<Self, Box<dyn Error>> {
        let written = link.write(|session, writer| {
            let stream = session.stream_request(now, writer, "upper", "one ")?;
            session.request(now, writer, "echo", r#""hello""#)?;
            Ok::<_, SessionError>(stream)
        });
        let stream = written.ok_or("no room")??;
        Ok(Self { stream, words: ["two ", "three", ""].iter() })
    }
}

impl App for Peer {
    fn receive(
        &mut self,
        now: u32,
        received: Received<'_, &[u8]>,
        session: &mut Session,
        writer: &mut Writer<'_>,
    ) -> Result<(), SessionError> {
        match received {
            Received::Request { request, op, payload } if op == "echo" => {
                session.respond(writer, request, payload)?;
            }
            Received::StreamRequest { op, payload: b"", .. } if op == "upper" => {}
            Received::StreamRequest { request, op, payload } if op == "upper" => {
                session.respond_part(writer, request, &payload.to_ascii_uppercase())?;
            }
            Received::RequestPart { request, payload } => {
                session.respond_part(writer, request, &payload.to_ascii_uppercase())?;
            }
            Received::RequestEnd { request } => session.respond_end(writer, request)?,
            Received::Request { request, .. } | Received::StreamRequest { request, .. } => {
                session.respond_error(writer, request, "no such operation")?;
            }
            Received::ResultPart { request, payload } => {
                println!("{}: {}", request.id(), payload.escape_ascii());
                // The next part, if this answers one of ours. One at a time is under way, so
                // neither end ever waits for room that the other does not make.
                let word = if request == self.stream { self.words.next() } else { None };
                match word.copied() {
                    Some("") => session.request_end(now, writer, request)?,
                    Some(word) => session.request_part(now, writer, request, word)?,
                    None => {}
                }
            }
            Received::Result { request, payload } => {
                println!("{}: {}", request.id(), payload.escape_ascii());
            }
            _ => {}
        }
        if session.is_idle() {
            session.drain(); // the peer's requests came before its answers
        }
        Ok(())
    }

    fn give_up(&mut self, request: Outgoing) {
        println!("{}: no result", request.id());
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut near = Link::new(TcpStream::connect(listener.local_addr()?)?, SETTINGS);
    let mut far = Link::new(listener.accept()?.0, SETTINGS);
    let start = Instant::now();
    let mut peers = (Peer::new(&mut near, 0)?, Peer::new(&mut far, 0)?);
    for link in [&near, &far] {
        link.transport.set_nonblocking(true)?;
    }
    loop {
        let now = start.elapsed().as_millis() as u32; // it may wrap
        let is_over = near.turn(now, &mut peers.0)?;
        if far.turn(now, &mut peers.1)? && is_over {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(1)); // better: until one of them is ready
    }
}

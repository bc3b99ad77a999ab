//! The program of Gotalk's own introduction, both ends, with JSON by `serde_json`:
//!
//! ```sh
//! cargo run --example greet -- serve 127.0.0.1:1234
//! cargo run --example greet -- ask 127.0.0.1:1234 Rasmus
//! ```

use gotalk::{Assembler, Due, MAX_REPLY_LEN, MessageType, Received, Session, Settings, Writer};
use serde_json::{Value, json};
use std::io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
use std::io::{self, BufWriter, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::{Duration, Instant};
use std::{env, error::Error, thread};

const MAX_PAYLOAD: usize = 256;
const MAX_ANSWER: usize = MessageType::SingleResult.header_len(0) + MAX_PAYLOAD;
const SETTINGS: Settings = Settings { answer_ms: Some(5_000), ..Settings::DEFAULT };

/// Either end: it answers `greet`, and with a name it asks for a greeting, and leaves with it.
pub fn talk(
    mut input: impl Read,
    mut output: impl Write,
    set_timeout: impl Fn(Option<Duration>) -> io::Result<()>, // of `input`
    name: Option<&str>,
) -> Result<Option<String>, Box<dyn Error>> {
    let start = Instant::now();
    let now = || start.elapsed().as_millis() as u32; // it may wrap
    let mut session = Session::<1, 4>::new(SETTINGS);
    let mut assembler = Assembler::<MAX_PAYLOAD>::new();
    let (mut rx, mut tx) = ([0; 512], [0; MAX_ANSWER + MAX_REPLY_LEN]);
    let mut writer = Writer::new(&mut tx);
    let mut greeting = Ok(None);
    if let Some(name) = name {
        session.request(now(), &mut writer, "greet", &json!({ "name": name }).to_string())?;
        session.drain(); // close when it has its result
    }
    loop {
        while let Some(due) = session.poll(now(), &mut writer)? {
            if due == Due::Close {
                output.write_all(writer.as_bytes())?;
                output.flush()?;
                assembler.finish()?;
                return Ok(greeting?);
            }
            greeting = Err("no result".to_string()); // it timed out, or the peer has left
        }
        output.write_all(writer.as_bytes())?;
        output.flush()?;
        writer.clear();
        set_timeout(session.wait_ms(now()).map(|ms| Duration::from_millis(ms.max(1).into())))?;
        let len = match input.read(&mut rx) {
            Err(error) if matches!(error.kind(), WouldBlock | TimedOut | Interrupted) => continue,
            result => result?,
        };
        if len == 0 {
            session.disconnected();
        }
        let mut items = assembler.feed(&rx[..len]);
        while let Some(item) = items.next() {
            match session.receive(now(), item, &mut writer)? {
                Received::Request { request, op, payload } => match answer(op, payload) {
                    Ok(result) => session.respond(&mut writer, request, &result)?,
                    Err(text) => session.respond_error(&mut writer, request, text)?,
                },
                Received::Result { payload, .. } => greeting = Ok(text(payload, "greeting")),
                Received::ErrorResult { payload, .. } | Received::RetryResult { payload, .. } => {
                    greeting = Err(payload.escape_ascii().to_string());
                }
                _ => {}
            }
            output.write_all(writer.as_bytes())?; // so that the next answer has room
            writer.clear();
        }
    }
}

/// The result of `greet` for `{"name":"Rasmus"}` is `{"greeting":"Hello Rasmus"}`.
fn answer(op: gotalk::Name<'_>, parameter: &[u8]) -> Result<String, &'static str> {
    if op != "greet" {
        return Err("no such operation");
    }
    let name = text(parameter, "name").ok_or("the parameter has no name")?;
    let result = json!({ "greeting": format!("Hello {name}") }).to_string();
    if result.len() <= MAX_PAYLOAD { Ok(result) } else { Err("the name is too long") }
}

/// The string that a JSON object has under this key.
fn text(json: &[u8], key: &str) -> Option<String> {
    Some(serde_json::from_slice::<Value>(json).ok()?.get(key)?.as_str()?.to_string())
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next(), arguments.next()) {
        (Some("serve"), Some(address), None) => {
            for stream in TcpListener::bind(address)?.incoming() {
                let stream = stream?;
                thread::spawn(move || {
                    converse(&stream, None).map_err(|error| eprintln!("{error}"))
                });
            }
        }
        (Some("ask"), Some(address), Some(name)) => {
            let greeting = converse(&TcpStream::connect(address)?, Some(&name))?;
            println!("{}", greeting.ok_or("the result has no greeting")?);
        }
        _ => return Err("usage: greet serve HOST:PORT | greet ask HOST:PORT NAME".into()),
    }
    Ok(())
}

pub fn converse(stream: &TcpStream, name: Option<&str>) -> Result<Option<String>, Box<dyn Error>> {
    stream.set_write_timeout(Some(Duration::from_secs(20)))?;
    let end = talk(stream, BufWriter::new(stream), |wait| stream.set_read_timeout(wait), name);
    stream.shutdown(Shutdown::Write).ok(); // `hang_up` of the example `peer` does more
    end
}

//! Two programs that ask and answer each other, over TCP:
//!
//! ```sh
//! cargo run --example peer -- listen 127.0.0.1:7070
//! cargo run --example peer -- connect 127.0.0.1:7070
//! ```
//!
//! `talk` is the example on the front page; tests/examples.rs gives it every kind of bad input.

use std::io::{self, BufWriter, Read};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::{env, thread};

// README.md has this part.
use gotalk::{Assembler, Due, MAX_REPLY_LEN, MessageType, Received, Session, Settings, Writer};
use std::io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
use std::time::{Duration, Instant};

const MAX_PAYLOAD: usize = 256;
const MAX_ANSWER: usize = MessageType::SingleResult.header_len(0) + MAX_PAYLOAD;
const SETTINGS: Settings = Settings { answer_ms: Some(5_000), ..Settings::DEFAULT };

/// Talks to one peer until one of the two closes. An error of the stream ends it at once.
pub fn talk(
    mut input: impl std::io::Read,
    mut output: impl std::io::Write,
    set_timeout: impl Fn(Option<Duration>) -> std::io::Result<()>, // of `input`
) -> Result<(), Box<dyn std::error::Error>> {
    let start = Instant::now();
    let now = || start.elapsed().as_millis() as u32; // it may wrap
    let mut session = Session::<4, 4>::new(SETTINGS); // 4 requests at once, each way
    let mut assembler = Assembler::<MAX_PAYLOAD>::new();
    let (mut rx, mut tx) = ([0; 512], [0; MAX_ANSWER + MAX_REPLY_LEN]);
    let mut writer = Writer::new(&mut tx);
    session.request(now(), &mut writer, "clock", "null")?;
    loop {
        while let Some(due) = session.poll(now(), &mut writer)? {
            if due == Due::Close {
                output.write_all(writer.as_bytes())?;
                output.flush()?;
                return Ok(assembler.finish()?);
            }
            println!("a request without a result: {due:?}");
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
                Received::Request { request, op, payload } => match op.as_bytes() {
                    b"echo" => session.respond(&mut writer, request, payload)?,
                    b"clock" => session.respond(&mut writer, request, format_args!("{}", now()))?,
                    _ => session.respond_error(&mut writer, request, "no such operation")?,
                },
                Received::Result { payload, .. } => println!("at {} ms", payload.escape_ascii()),
                Received::ErrorResult { payload, .. } => println!("no: {}", payload.escape_ascii()),
                other => println!("{other:?}"),
            }
            output.write_all(writer.as_bytes())?; // so that the next answer has room
            writer.clear();
        }
    }
}
// README.md has the part up to here.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["listen", address] => {
            let listener = TcpListener::bind(address)?;
            eprintln!("listening on {}", listener.local_addr()?);
            for stream in listener.incoming() {
                let stream = stream?;
                thread::spawn(move || converse(&stream));
            }
        }
        ["connect", address] => converse(&TcpStream::connect(address)?),
        _ => return Err("usage: peer listen|connect HOST:PORT".into()),
    }
    Ok(())
}

pub fn converse(stream: &TcpStream) {
    // A peer that takes nothing must not hold this thread for ever.
    let ready = stream.set_write_timeout(Some(Duration::from_secs(20)));
    let output = BufWriter::new(stream);
    let end = ready
        .map_err(Into::into)
        .and_then(|()| talk(stream, output, |wait| stream.set_read_timeout(wait)));
    if let Err(error) = end {
        eprintln!("closing the connection: {error}");
    }
    hang_up(stream).ok();
}

/// Closes in the order of rule 7.11 of PROTOCOL.md. Otherwise TCP resets the connection if
/// some input has not been read, and the peer may never see the protocol error.
fn hang_up(stream: &TcpStream) -> io::Result<()> {
    stream.shutdown(Shutdown::Write)?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    io::copy(&mut stream.take(1 << 16), &mut io::sink())?;
    Ok(())
}

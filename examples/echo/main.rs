//! A Gotalk peer over TCP, with nothing but the standard library: a server that
//! echoes, and a client that makes one request.
//!
//! ```text
//! cargo run --example echo -- serve 127.0.0.1:1234
//! cargo run --example echo -- call 127.0.0.1:1234 echo 'hello'
//! cargo run --example echo -- call --stream 127.0.0.1:1234 echo 'hello in parts'
//! ```
//!
//! `serve` prints the address it listens on as its first line, so that port 0 works,
//! then the notifications that arrive and how the conversations ended that did not
//! end well. Each connection takes a file descriptor, and many systems allow 1,024 of
//! them: `ulimit -n 4096` makes room for the 2,000 connections that it accepts.
//!
//! `call` prints the payload of the result, and everything else on standard error:
//! notifications, requests that the server makes, the error. With `--stream` the
//! payload goes out in parts of 16 bytes.
//!
//! | exit code | of `call` |
//! | ---: | --- |
//! | 0 | the result has been printed |
//! | 1 | an error result: the request was at fault |
//! | 2 | a retry result: the server says how long to wait |
//! | 3 | no answer: not connected, cut off, silence, not Gotalk, or it could not be printed |
//! | 64 | wrong use |
//!
//! What is where, for those who copy it: `wire` is the part that every peer needs, a
//! reader and a writer over any `Read` and `Write`; `server` and `client` are two ways
//! of driving it; `text` makes text of what a peer sent.

mod client;
mod server;
mod text;
mod wire;

use std::io::{self, IsTerminal, Write};
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;

use client::{Answer, Request};

/// The bytes in a part of a streamed request.
const PART: usize = 16;

const NO_ANSWER: u8 = 3;
const WRONG_USE: u8 = 64;

fn main() -> ExitCode {
    let mut args: Vec<_> = std::env::args_os().skip(1).collect();
    let all = args.len();
    args.retain(|arg| arg != "--stream");
    let part = (args.len() < all).then_some(PART);
    let text = |at: usize| args.get(at).and_then(|arg| arg.to_str());

    match (text(0), text(1), text(2), args.get(3), args.len()) {
        (Some("serve"), Some(addr), None, None, 2) if part.is_none() => serve(addr),
        (Some("call"), Some(addr), Some(op), Some(payload), 4) => {
            call(addr, &Request { op, payload: payload.as_encoded_bytes(), part })
        }
        _ => {
            eprintln!("usage: echo serve ADDR\n       echo call [--stream] ADDR OP PAYLOAD");
            ExitCode::from(WRONG_USE)
        }
    }
}

fn serve(addr: &str) -> ExitCode {
    let bound = TcpListener::bind(addr).and_then(|l| Ok((l.local_addr()?, l)));
    let (local, listener) = match bound {
        Ok(bound) => bound,
        Err(error) => return failed(format_args!("{addr}: {error}")),
    };
    // One thread prints, so that a terminal that is stopped, or a pipe that nobody
    // reads, stops no connection: lines that find no room are dropped.
    let (lines, printed) = mpsc::sync_channel::<String>(1024);
    let _ = lines.try_send(local.to_string());
    thread::spawn(move || {
        for line in printed {
            let _ = writeln!(io::stdout(), "{line}");
        }
    });
    server::serve(&listener, server::Limits::default(), lines)
}

fn call(addr: &str, request: &Request<'_>) -> ExitCode {
    if let Err(error) = request.check() {
        eprintln!("{error}");
        return ExitCode::from(WRONG_USE);
    }
    let stream = match TcpStream::connect(addr) {
        Ok(stream) => stream,
        Err(error) => return failed(format_args!("{addr}: {error}")),
    };
    let (mut out, mut notes) = (io::stdout(), io::stderr());
    let answer = client::call(&stream, request, client::Limits::default(), &mut out, &mut notes);
    // For the eye only: in a file or a pipe the result is to be exactly its bytes.
    if out.is_terminal() {
        let _ = writeln!(out);
    }
    match answer {
        Ok(Answer::Result) => ExitCode::SUCCESS,
        Ok(Answer::Error(text)) => {
            eprintln!("error: {text}");
            ExitCode::from(1)
        }
        Ok(Answer::Retry { wait_ms, text }) => {
            eprintln!("retry after {wait_ms} ms: {text}");
            ExitCode::from(2)
        }
        Err(end) => failed(format_args!("no answer: {end}")),
    }
}

fn failed(why: std::fmt::Arguments<'_>) -> ExitCode {
    eprintln!("{why}");
    ExitCode::from(NO_ANSWER)
}

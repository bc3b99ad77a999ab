//! The command `gotalk`: looks into conversations, serves an echo, makes a call.
//!
//! This file joins the parts to the process. `inspect` shows a capture; `server` and
//! `client` are two ways of driving `wire`, which is a reader and a writer over any
//! `Read` and `Write`; `args` says how all of it is called.

mod args;
mod client;
mod connect;
mod escape;
mod inspect;
mod output;
mod server;
mod text;
mod wire;

use std::io::{self, IsTerminal, Write};
use std::net::TcpListener;
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};

use args::{Call, Command, Gotalk, WRONG_USE};
use client::{Answer, Request};
use output::{Terminal, tell};
use wire::End;

/// The bytes in a part of a streamed request.
const PART: usize = 16;

/// The exit codes of `call`, and of a `serve` that cannot.
const ERROR_RESULT: u8 = 1;
const RETRY_RESULT: u8 = 2;
const NO_ANSWER: u8 = 3;

fn main() -> ExitCode {
    let code = match Gotalk::try_parse() {
        Ok(Gotalk { command }) => run(command),
        Err(error) => explain(&error),
    };
    ExitCode::from(code)
}

fn run(command: Command) -> u8 {
    match command {
        Command::Inspect(args) => {
            let mut stdin = io::stdin();
            if let Some(mistake) = args.mistake(stdin.is_terminal()) {
                return wrong_use("inspect", ErrorKind::ArgumentConflict, mistake);
            }
            inspect::run(&args, &mut stdin, true, &mut io::stdout(), &mut io::stderr())
        }
        Command::Serve { address } => serve(&address),
        Command::Call(args) => call(&args),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Gotalk::command(), "gotalk", &mut script);
            output::print(&script)
        }
    }
}

/// What clap has to say: the help that was asked for, or what is wrong.
fn explain(error: &clap::Error) -> u8 {
    let text = error.render().to_string();
    if error.use_stderr() {
        tell(format_args!("{}", text.trim_end()));
        return WRONG_USE;
    }
    output::print(text.as_bytes())
}

/// A mistake that only shows when the arguments are looked at together.
fn wrong_use(subcommand: &str, kind: ErrorKind, what: impl std::fmt::Display) -> u8 {
    let mut gotalk = Gotalk::command();
    gotalk.build();
    let error = match gotalk.find_subcommand_mut(subcommand) {
        Some(command) => command.error(kind, what),
        None => gotalk.error(kind, what),
    };
    explain(&error)
}

fn serve(address: &str) -> u8 {
    let bound = TcpListener::bind(address).and_then(|l| Ok((l.local_addr()?, l)));
    let (local, listener) = match bound {
        Ok(bound) => bound,
        Err(error) => return failed(format_args!("{address}: {error}")),
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

fn call(args: &Call) -> u8 {
    let part = args.stream.then_some(PART);
    let request = Request { op: &args.op, payload: args.payload.as_encoded_bytes(), part };
    if let Err(error) = request.check() {
        return wrong_use("call", ErrorKind::ValueValidation, error);
    }
    let until = args.timeout.and_then(|time| Instant::now().checked_add(time));
    let limits = client::Limits { until, ..Default::default() };
    let stream = match connect::connect(&args.address, limits.connect_by()) {
        Ok(stream) => stream,
        Err(error) => return failed(format_args!("{}: {error}", args.address)),
    };
    let on_terminal = io::stdout().is_terminal();
    let mut out: Box<dyn Write> = match on_terminal {
        true => Box::new(Terminal::new(io::stdout())),
        false => Box::new(io::stdout()),
    };
    let answer = client::call(&stream, &request, limits, &mut out, &mut io::stderr());
    // For the eye only: in a file or a pipe the result is to be exactly its bytes.
    if on_terminal {
        let _ = writeln!(out);
    }
    match answer {
        Ok(Answer::Result) => 0,
        Ok(Answer::Error(text)) => {
            tell(format_args!("error: {text}"));
            ERROR_RESULT
        }
        Ok(Answer::Retry { wait_ms, text }) => {
            tell(format_args!("retry after {wait_ms} ms: {text}"));
            RETRY_RESULT
        }
        Err(End::Unprinted(error)) => output::failed(&error),
        Err(end) => failed(format_args!("no answer: {end}")),
    }
}

fn failed(why: std::fmt::Arguments<'_>) -> u8 {
    tell(why);
    NO_ANSWER
}

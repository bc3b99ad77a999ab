//! The command `gotalk`: looks into conversations, serves an echo, makes a call, passes a
//! conversation on.
//!
//! This file joins the parts to the process. `inspect` shows a capture; `client` and
//! `server`, with its `operations`, are two ways of using `wire`, which is a session over
//! a `transport`, which an `address` stands for; `args` says how all of it is called.

mod address;
mod args;
mod client;
mod colors;
mod command;
mod connect;
mod escape;
mod exec;
mod inspect;
mod json;
mod log;
mod man;
mod operations;
mod output;
mod relay;
mod serial;
mod serve;
mod server;
mod text;
mod transport;
mod websocket;
mod wire;

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use tokio::runtime::{Builder, Runtime};

use address::Address;
use args::{Call, Command, Gotalk, WRONG_USE};
use client::{Answer, Request};
use output::{Terminal, tell};
use wire::End;

/// The bytes in a part of a streamed request.
const PART: usize = 16;

/// The longest time to connect.
const CONNECT: Duration = Duration::from_secs(10);

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
            let (mut out, colored) = colors::screen(false);
            let (mut err, err_colored) = colors::screen(true);
            inspect::run(&args, &mut stdin, true, (&mut out, colored), (&mut err, err_colored))
        }
        Command::Serve(args) => serve::run(&args),
        Command::Call(args) => call(&args),
        Command::Relay(args) => relay::run(&args),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Gotalk::command(), "gotalk", &mut script);
            output::print(&script)
        }
        Command::Man { directory } => match man::write(&directory) {
            Ok(()) => 0,
            Err(error) => {
                tell(format_args!("gotalk: cannot write {}: {error}", directory.display()));
                output::NO_OUTPUT
            }
        },
    }
}

/// What clap has to say: the help that was asked for, or what is wrong.
fn explain(error: &clap::Error) -> u8 {
    let (mut out, colored) = colors::screen(error.use_stderr());
    let text = match colored {
        true => error.render().ansi().to_string(),
        false => error.render().to_string(),
    };
    if error.use_stderr() {
        let _ = out.write_all(text.as_bytes());
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

fn call(args: &Call) -> u8 {
    let part = args.stream.then_some(PART);
    let payload = args.payload.as_encoded_bytes();
    let request = Request { op: &args.op, payload, part, notify: args.notify };
    if let Err(error) = request.check() {
        return wrong_use("call", ErrorKind::ValueValidation, error);
    }
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return failed(format_args!("{}: {error}", args.address)),
    };
    let code = runtime.block_on(ask(args, &request));
    runtime.shutdown_background(); // it may be looking for an address that nobody waits for
    code
}

async fn ask(args: &Call, request: &Request<'_>) -> u8 {
    let start = Instant::now();
    let until = args.timeout.and_then(|time| start.checked_add(time));
    let connected_by = start + CONNECT;
    let connected_by = until.map_or(connected_by, |until| until.min(connected_by));
    let stream = match transport::connect(&args.address, connected_by).await {
        Ok(stream) => stream,
        Err(error) => return failed(format_args!("{}: {error}", args.address)),
    };
    // The conversation takes the standard output.
    let to_stderr = args.address == Address::Standard;
    let on_terminal = match to_stderr {
        true => io::stderr().is_terminal(),
        false => io::stdout().is_terminal(),
    };
    let out: Box<dyn Write> = match to_stderr {
        true => Box::new(io::stderr()),
        false => Box::new(io::stdout()),
    };
    let mut out: Box<dyn Write> = match on_terminal {
        true => Box::new(Terminal::new(out)),
        false => out,
    };
    let limits = client::Limits {
        patience: 30_000,
        goodbye: 1000,
        takes_leave: matches!(args.address, Address::WebSocket { .. } | Address::Serial { .. }),
        says_goodbye: args.address.is_serial(),
        until,
    };
    let answer = client::call(stream, request, limits, &mut out, &mut io::stderr()).await;
    // For the eye only: in a file or a pipe the result is to be exactly its bytes.
    if on_terminal && !args.notify {
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

fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_io().enable_time().build()
}

fn failed(why: std::fmt::Arguments<'_>) -> u8 {
    tell(why);
    NO_ANSWER
}

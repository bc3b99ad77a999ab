//! `gotalk call`: what joins the client to the process.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::time::Instant;

use clap::error::ErrorKind;

use crate::address::Address;
use crate::args::Call;
use crate::body::{Parts, Source};
use crate::client::{self, Answer, Body, Request, Show};
use crate::codes::{NO_ANSWER, NO_INPUT, NO_OUTPUT};
use crate::colors;
use crate::command::{Commands, Running};
use crate::json::Object;
use crate::output::{self, Screen, Sink, Terminal, complain, tell};
use crate::transport;
use crate::wire::{End, FULL};
use crate::{CONNECT, runtime, wrong_use};

mod json;
mod load;
mod plain;
mod summary;

use json::Json;
use plain::Plain;

/// The bytes in a part of a streamed request whose payload is an argument.
const PART: usize = 16;

/// How many commands answer the server at once.
const COMMANDS: usize = 64;

/// The exit codes of its own.
const ERROR_RESULT: u8 = 1;
const RETRY_RESULT: u8 = 2;

pub(crate) fn run(args: &Call) -> u8 {
    if let Some(mistake) = Commands::mistake(&args.handle) {
        return wrong_use("call", ErrorKind::ArgumentConflict, mistake);
    }
    let source = args.payload.as_deref().map_or(Source::Bytes(b""), Source::of);
    if let Some(mistake) = mistake(args, source) {
        return wrong_use("call", ErrorKind::ArgumentConflict, mistake);
    }
    let mut whole = Vec::new();
    let body = match args.stream {
        true => {
            let most = if let Source::Bytes(_) = source { PART } else { FULL };
            Parts::open(source, args.part.map_or(most, usize::from)).map(Body::Stream)
        }
        false => source.read().map(|bytes| {
            whole = bytes;
            if args.notify { Body::Notification(&whole) } else { Body::Single(&whole) }
        }),
    };
    let body = match body {
        Ok(body) => body,
        Err(error) => return no_payload(args, &error),
    };
    let request = Request { op: &args.op, body };
    if let Err(error) = request.check() {
        return wrong_use("call", ErrorKind::ValueValidation, error);
    }
    if let Body::Stream(parts) = &request.body
        && args.retry > 0
        && !parts.is_lasting
    {
        let mistake = "`--retry` needs a payload that can be read again, which a streamed pipe \
                       is not: leave out `--stream`";
        return wrong_use("call", ErrorKind::ArgumentConflict, mistake);
    }
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return no_answer(args, format_args!("{}: {error}", args.address)),
    };
    // Its commands are to be killed, and a line is to be told the end.
    let has_an_end = !args.handle.is_empty() || args.address.is_serial();
    if args.repeat.is_some() || has_an_end {
        transport::end_when_interrupted();
    }
    let code = runtime.block_on(async {
        match (args.repeat, request.body) {
            (Some(requests), Body::Single(payload)) => load::load(args, payload, requests).await,
            (_, body) => {
                let request = Request { body, ..request };
                tokio::select! {
                    code = ask(args, request) => code,
                    code = transport::interrupted(), if has_an_end => code,
                }
            }
        }
    });
    runtime.shutdown_background(); // it may be looking for an address that nobody waits for
    code
}

/// What is wrong with arguments that are right one by one.
fn mistake(args: &Call, source: Source<'_>) -> Option<&'static str> {
    let is_single = matches!(args.address, Address::Standard | Address::Serial { .. });
    if args.address == Address::Standard && source == Source::Input {
        return Some("the standard input cannot be both the address and the payload");
    }
    (args.connections > 1 && is_single).then_some("there is only one connection to this address")
}

async fn ask(args: &Call, request: Request<'_>) -> u8 {
    let start = Instant::now();
    let until = args.timeout.and_then(|time| start.checked_add(time));
    let connected_by = start + CONNECT;
    let connected_by = until.map_or(connected_by, |until| until.min(connected_by));
    let stream = match transport::connect(&args.address, connected_by).await {
        Ok(stream) => stream,
        Err(error) => return no_answer(args, format_args!("{}: {error}", args.address)),
    };
    let limits = client::Limits {
        patience: 30_000,
        goodbye: 1000,
        takes_leave: takes_leave(&args.address),
        is_line: args.address.is_serial(),
        until,
        retries: args.retry,
    };
    let commands = Commands::new(args.handle.clone(), COMMANDS, limits.patience);
    let running = Running::new(commands.into(), args.address.to_string());
    let call =
        async |show: &mut dyn Show| client::call(stream, request, running, limits, show).await;
    let answer;
    if args.json {
        answer = call(&mut Json::new(screen(args))).await;
    } else {
        let on_terminal = match args.address {
            // The conversation takes the standard output.
            Address::Standard => io::stderr().is_terminal(),
            _ => io::stdout().is_terminal(),
        };
        let result: Box<dyn Sink> = match on_terminal {
            true => Box::new(Terminal::new(screen(args))),
            false => screen(args),
        };
        let mut plain = Plain::new(result, colors::screen(true));
        plain.ends_line = on_terminal;
        answer = call(&mut plain).await;
    }
    match answer {
        Ok(Answer::Result) if args.notify && args.json => {
            let sent = Object::new("sent").end(&mut out(args));
            sent.map_or_else(|error| unprinted(&error), |()| 0)
        }
        Ok(Answer::Result) => 0,
        Ok(Answer::Error) => ERROR_RESULT,
        Ok(Answer::Retry) => RETRY_RESULT,
        Err(End::Unprinted(error)) => unprinted(&error),
        Err(End::NoPayload(error)) => no_payload(args, &error),
        Err(end) => {
            let start = if args.json { "" } else { "no answer: " };
            no_answer(args, format_args!("{start}{end}{}", hint(&args.address, &end)))
        }
    }
}

/// What may be the cause, where users have met that.
fn hint(address: &Address, end: &End) -> &'static str {
    match (address, end) {
        (Address::Serial { .. }, End::Silence) => {
            "; does the device run, and is this its line and its speed?"
        }
        // An input that has ended is a line that is gone.
        (Address::Serial { .. }, End::Protocol(error)) if error.protocol_code().is_some() => {
            "; does another program use the line, or is its speed another one?"
        }
        // The start of an answer of HTTP.
        (Address::Tcp(_), End::Protocol(error))
            if error.offset == 0
                && matches!(error.kind, gotalk::ErrorKind::InvalidDigit { byte: b'H', .. }) =>
        {
            "; it seems to speak HTTP: give a ws:// address"
        }
        _ => "",
    }
}

/// Where results go: the standard output, unless the conversation takes it.
fn screen(args: &Call) -> Box<dyn Sink> {
    match args.address {
        Address::Standard => Box::new(Screen::new(tokio::io::stderr())),
        _ => Box::new(Screen::new(tokio::io::stdout())),
    }
}

/// The same where nothing goes on meanwhile.
fn out(args: &Call) -> Box<dyn Write> {
    match args.address {
        Address::Standard => Box::new(io::stderr()),
        _ => Box::new(io::stdout()),
    }
}

/// Whether a peer at this address may not see a mere end.
fn takes_leave(address: &Address) -> bool {
    matches!(address, Address::WebSocket { .. } | Address::Serial { .. })
}

/// Also where a reader has closed the pipe, of which nobody need be told: 0 would say that
/// the result is there, whole.
fn unprinted(error: &io::Error) -> u8 {
    output::failed(error);
    NO_OUTPUT
}

fn no_payload(args: &Call, error: &io::Error) -> u8 {
    let name = args.payload.as_deref().unwrap_or_default().to_string_lossy();
    let hint = match name.starts_with('@') && error.kind() == io::ErrorKind::NotFound {
        true => format!("; to send `{name}` itself, give `-` and send it by a pipe"),
        false => String::new(),
    };
    let name = name.strip_prefix('@').unwrap_or(&name);
    tell(format_args!("gotalk: cannot read {name}: {error}{hint}"));
    NO_INPUT
}

fn no_answer(args: &Call, why: fmt::Arguments<'_>) -> u8 {
    if !args.json {
        complain(why);
        return NO_ANSWER;
    }
    let mut object = Object::new("no_answer");
    object.set("error", why.to_string());
    object.end(&mut out(args)).map_or_else(|error| unprinted(&error), |()| NO_ANSWER)
}

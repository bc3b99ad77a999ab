//! The command `gotalk`: looks into conversations, serves commands or an echo, makes calls,
//! passes conversations on.
//!
//! This file joins the parts to the process. `args` says how all of it is called.
//!
//! - `inspect` shows what was captured, and `relay` what it passes on.
//! - `serve` and `call` make a `server` and a `client` of their arguments. Both are ways of
//!   using `wire`, which is a session over a `transport`, which an `address` stands for:
//!   `connect` (TCP), `websocket`, `serial`. `http` gives the files beside a WebSocket.
//! - `operations` are those that a server has by itself. `command` runs programs that answer
//!   requests, for both; `exec` names them. `body` is what a request sends.
//! - `output`, `colors`, `text` and `escape` are for people, `json` and `log` for programs too;
//!   `man` writes the manual. `codes` are the exit codes that several commands share.

mod address;
mod args;
mod body;
mod call;
mod client;
mod codes;
mod colors;
mod command;
mod connect;
mod escape;
mod exec;
mod http;
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

use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use tokio::runtime::{Builder, Runtime};

use args::{Command, Gotalk};
use codes::{NO_ANSWER, NO_OUTPUT, WRONG_USE};
use output::{complain, tell};

/// The longest time to connect.
const CONNECT: Duration = Duration::from_secs(10);

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
        Command::Call(args) => call::run(&args),
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
                NO_OUTPUT
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

fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_io().enable_time().build()
}

fn failed(why: std::fmt::Arguments<'_>) -> u8 {
    complain(why);
    NO_ANSWER
}

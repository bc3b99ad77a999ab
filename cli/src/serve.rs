//! `gotalk serve`: makes a server of its arguments.

use std::io::{self, ErrorKind::Interrupted, Write};
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use clap::error::ErrorKind;
use gotalk::Settings;

use crate::address::Address;
use crate::args::Serve;
use crate::codes::NO_INPUT;
use crate::command::Commands;
use crate::log::{self, Line, Lines};
use crate::output::tell;
use crate::server::{Limits, Shared};
use crate::transport::{self, Listener};
use crate::{failed, runtime, server, wire, wrong_use};

/// How long the program waits at its end for somebody to take its last lines.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Serves as the arguments say, and gives the exit code.
pub(crate) fn run(args: &Serve) -> u8 {
    if let Some(mistake) = Commands::mistake(&args.exec) {
        return wrong_use("serve", ErrorKind::ArgumentConflict, mistake);
    }
    if args.folder.is_some() && !matches!(args.address, Address::WebSocket { .. }) {
        let mistake = "--static is for a ws:// address: a browser is to find both there";
        return wrong_use("serve", ErrorKind::ArgumentConflict, mistake);
    }
    let folder = match args.folder.as_ref().map(folder).transpose() {
        Ok(folder) => folder,
        Err(error) => {
            tell(format_args!("gotalk: cannot read {error}"));
            return NO_INPUT;
        }
    };
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return failed(format_args!("{}: {error}", args.address)),
    };
    let (log, lines) = log::log(args.json);
    let printed = print(lines, args);
    let code = runtime.block_on(async {
        let (listener, local) = match Listener::bind(&args.address, folder).await {
            Ok(bound) => bound,
            Err(error) => return failed(format_args!("{}: {error}", args.address)),
        };
        log.tell(&Line::Listening(&local.to_string()));
        let patience = args.timeout.as_millis() as u64;
        let commands = Arc::new(Commands::new(args.exec.clone(), args.max_commands, patience));
        let shared = Shared { limits: limits(args), commands, log };
        tokio::select! {
            () = server::serve(listener, shared) => 0,
            code = transport::interrupted() => code,
        }
    });
    runtime.shutdown_background(); // it may be reading what nobody sends
    // Nobody has a `Log` any more, so the printing ends with the lines that are there.
    let _ = printed.recv_timeout(LAST_LINES);
    code
}

/// The folder, whatever links lead to it.
fn folder(path: &PathBuf) -> io::Result<PathBuf> {
    let named = |error| io::Error::other(format!("{}: {error}", path.display()));
    let folder = std::fs::canonicalize(path).map_err(named)?;
    std::fs::read_dir(&folder).map_err(named)?;
    Ok(folder)
}

fn limits(args: &Serve) -> Limits {
    let mut limits = Limits {
        wire: wire::Limits {
            idle: args.silence.map_or(wire::NEVER, wire::in_ms),
            unread: wire::in_ms(args.unread),
            ..wire::Limits::default()
        },
        requests: args.limit,
        connections: args.max_connections,
        version: args.speak,
        ..Limits::default()
    };
    let heartbeat = args.heartbeat.as_millis() as u32;
    limits.settings.streams = args.streams;
    if matches!(args.address, Address::WebSocket { .. }) {
        limits.settings.retry_after_ms = Settings::BROWSER.retry_after_ms;
    }
    limits.settings.answer_ms = Some(args.timeout.as_millis() as u32);
    limits.settings.heartbeat_ms = (heartbeat > 0).then_some(heartbeat);
    if args.address.is_serial() {
        wire::on_a_line(&mut limits.settings, &mut limits.wire);
    }
    limits
}

/// One thread prints, so that a terminal that is stopped, or a pipe that nobody reads,
/// stops no connection. The receiver tells when all is printed and no more can come: it gets
/// nothing, and is disconnected then.
fn print(lines: Lines, args: &Serve) -> mpsc::Receiver<()> {
    let (printing, printed) = mpsc::channel();
    let is_json = args.json;
    let mut out: Box<dyn Write + Send> = match args.address {
        Address::Standard => Box::new(io::stderr()),
        _ => Box::new(io::stdout()),
    };
    thread::spawn(move || {
        let _printing = printing;
        let mut dropped = 0;
        for (text, more) in lines {
            tell_dropped(&mut out, &mut dropped, is_json);
            dropped += match dropped {
                0 => write(&mut out, &text),
                _ => text.lines().count(),
            };
            dropped += more;
            tell_dropped(&mut out, &mut dropped, is_json);
        }
    });
    printed
}

/// How many lines were dropped, where that can be written.
fn tell_dropped(out: &mut dyn Write, dropped: &mut usize, is_json: bool) {
    if *dropped > 0 && write(out, &(Line::Dropped(*dropped).line(is_json) + "\n")) == 0 {
        *dropped = 0;
    }
}

/// Writes lines, and says how many could not be written.
fn write(out: &mut dyn Write, lines: &str) -> usize {
    let mut rest = lines.as_bytes();
    while !rest.is_empty() {
        match out.write(rest) {
            Ok(len @ 1..) => rest = &rest[len..],
            Err(error) if error.kind() == Interrupted => {}
            Ok(0) | Err(_) => break,
        }
    }
    rest.iter().filter(|byte| **byte == b'\n').count()
}

//! `gotalk serve`: makes a server of its arguments.

use std::io::{self, Write};
use std::sync::mpsc;
use std::thread;

use crate::address::Address;
use crate::args::Serve;
use crate::output::tell;
use crate::transport::{self, Listener};
use crate::{failed, runtime, server, wire};

/// Serves as the arguments say, and gives the exit code.
pub(crate) fn run(args: &Serve) -> u8 {
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return failed(format_args!("{}: {error}", args.address)),
    };
    let code = runtime.block_on(async {
        let (listener, local) = match Listener::bind(&args.address).await {
            Ok(bound) => bound,
            Err(error) => return failed(format_args!("{}: {error}", args.address)),
        };
        let lines = printer(args.address == Address::Standard);
        let _ = lines.try_send(local.to_string());
        let mut limits = server::Limits {
            requests: args.limit,
            idle: args.silence.map_or(wire::NEVER, |time| time.as_millis() as u64),
            version: args.speak,
            says_goodbye: args.address.is_serial(),
            ..Default::default()
        };
        limits.settings.streams = args.streams;
        if limits.says_goodbye {
            limits.settings = wire::on_a_line(limits.settings);
        }
        let shared = server::Shared { limits, lines };
        tokio::select! {
            () = server::serve(listener, shared) => 0,
            // Its file is to be removed.
            code = transport::interrupted(), if matches!(local, Address::Unix(_)) => code,
        }
    });
    runtime.shutdown_background(); // it may be reading what nobody sends
    code
}

/// One thread prints, so that a terminal that is stopped, or a pipe that nobody reads,
/// stops no connection: lines that find no room are dropped.
fn printer(to_stderr: bool) -> mpsc::SyncSender<String> {
    let (lines, printed) = mpsc::sync_channel::<String>(1024);
    thread::spawn(move || {
        for line in printed {
            if to_stderr {
                tell(format_args!("{line}"));
            } else {
                let _ = writeln!(io::stdout(), "{line}");
            }
        }
    });
    lines
}

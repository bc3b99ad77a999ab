//! `gotalk serve`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::{RangedU64ValueParser, TypedValueParser};

use super::seconds;
use crate::address::Address;
use crate::exec::Exec;

/// Serve commands as operations, or an `echo` and some more to try clients
///
/// The first line of the output is the address. Then come the notifications that
/// arrive, commands that failed, and how conversations ended that did not end well.
/// It goes on serving: on `-` until the input ends, else without end. Nor does it
/// wait for whoever takes its lines: 8 MiB of them are kept, more are dropped, as is
/// what cannot be written; when there is room again, a line tells how many.
///
/// Each connection takes a file descriptor, each command four, and many systems
/// allow 1,024 of them: `ulimit -n 4096` makes room for more.
#[derive(Args, Debug)]
#[command(
    verbatim_doc_comment,
    after_help = concat!(addresses!(), "
Commands:
  --exec OP=COMMAND starts `sh -c COMMAND` for each request for OP, and for `*` also for
  requests that have no other. Then nothing else is served. A command gets the payload as its
  standard input, the name of the operation in GOTALK_OP, the address of the client in
  GOTALK_PEER, and nothing of either on its command line. It is over when it has exited and
  its outputs are closed.
    - A single request is answered with what it writes to its standard output, at most 1 MiB;
      more is an error result.
    - The parts of a streamed request are its input as they come, and what it writes is sent
      at once, in parts as they happen to be read.
    - An exit code other than 0 is an error result with what it writes to its standard error,
      at most 4 KiB, or `exit code N`. A client gets to read that.
    - Above --max-commands there is a retry result, or over WebSocket an error result.
    - While a command does not take what has come for it, its connection is not read. That
      the client has gone is noticed then only when a heartbeat or a result cannot be sent.
    - It is killed with all processes of its group when it takes longer than --timeout, when
      its connection ends, and when the server is interrupted. What it leaves running when it
      is over goes on.
  Notifications start nothing: they have no answer, so nobody could be told to wait. They are
  printed, with --json so that a program can take them.

Without --exec, single requests:
  echo          the payload
  upper         a JSON string, in upper case
  fail, panic   the error result `boom`
  limited       the payload, after 100 ms
  slow          the payload, after as many milliseconds as it says, 10,000 at most
  callback      asks the client for `client-echo`, and answers what it says
  notify-me     notifies the client of `greeting`, with the payload; then an empty result
  close-me      closes the connection
  abort         closes it with the protocol error whose code is the payload
  n, blåbär, 日本語, 🚀🚀, and 255 times a
                their own name
and streamed requests:
  echo, stream-echo
                a part of the result for each part
  stream-join   all parts in one
  stream-count  the first part is a number N: the parts 1 to N
  stream-fail   the part `partial`, then the error result `boom`

Browsers:
  Any page may connect to a WebSocket here, from whatever site it came: whoever visits a page
  with a browser on this machine lets it do what is served on 127.0.0.1. So think twice about
  --exec with a ws:// address on a machine where somebody browses.

JSON:
  With --json each line is an object, whose `type` is `listening` with an `address`,
  `notification` with `peer`, `name`, `size` and `payload`, `failed` with `peer`, `name` and
  `error`, `closed` with `peer` and `error`, `not_accepted` with `error`,
  `accepting_again`, or `dropped` with the number of `lines`. A payload or a name that is
  no text is in `payload_hex` or `name_hex`; of a payload there are 16 KiB at most, and
  `payload_cut` is true if there were more.

Examples:
  gotalk serve 127.0.0.1:7000
  gotalk serve '[::1]:0'            a free port; the first line tells which
  gotalk serve ws://127.0.0.1:7000/gotalk
  gotalk serve --static examples/browser ws://127.0.0.1:7000/gotalk/
  gotalk serve --exec date=date --exec upper='tr a-z A-Z' 127.0.0.1:7000
  gotalk serve --exec log='tail -n 3 -f /var/log/syslog' --timeout 86400 127.0.0.1:7000
  socat EXEC:'gotalk serve -' OPENSSL-LISTEN:7000,cert=server.pem

Exit codes:
   0  the standard input has ended
   3  the address cannot be listened on
  64  wrong use
  66  the folder cannot be read
  129, 130, 143
      its terminal is closed (on Linux), interrupted, terminated: commands have been killed,
      a socket in the file system has been removed. On Linux it goes on where it was started
      to ignore that, as by `nohup`, or by `&` in a script")
)]
pub(crate) struct Serve {
    /// Start COMMAND for requests for the operation OP. Can be repeated
    #[arg(long, value_name = "OP=COMMAND")]
    pub(crate) exec: Vec<Exec>,
    /// Give the files of a folder to browsers, at the same ws:// address
    ///
    /// A path is that of a file in FOLDER, and of `index.html` if it ends with a slash.
    /// Names that begin with a dot are not found, nor is what links lead to elsewhere.
    #[arg(verbatim_doc_comment, long = "static", value_name = "FOLDER")]
    pub(crate) folder: Option<PathBuf>,
    /// How many commands may run at once, for all connections: 1 to 10,000
    #[arg(long, value_name = "N", default_value_t = 64, requires = "exec", value_parser = count(1, 10_000))]
    pub(crate) max_commands: usize,
    /// How long a client may wait for a command: 0.001 to 1,000,000
    ///
    /// For the result of a single request, counted from the last that the command got of
    /// the payload; for the next part of a streamed one either way. Without commands, how
    /// long a client is waited for that is asked by `callback`.
    #[arg(verbatim_doc_comment, long, value_name = "SECONDS", default_value = "30", value_parser = short_seconds)]
    pub(crate) timeout: Duration,
    /// How many connections may be open at once: 1 to 1,000,000; others are told, and closed
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = count(1, 1_000_000))]
    pub(crate) max_connections: usize,
    /// How many single requests may wait for their answer, on each connection: 0 to 128
    ///
    /// With streamed requests there are 128 at most. More get a retry result, or over
    /// WebSocket an error result: gotalk.js closes the connection on a retry result.
    #[arg(verbatim_doc_comment, long, value_name = "N", default_value_t = 64, value_parser = count(0, 128))]
    pub(crate) limit: usize,
    /// How many streamed requests may be open, on each connection: 0 to 64; 0 takes none
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(0..=64))]
    pub(crate) streams: u16,
    /// How often to send heartbeats: at most every 1,000,000; 0 sends none
    ///
    /// Clients of the Go package close after 30 seconds in which nothing came. On a serial line
    /// it is always every second.
    #[arg(verbatim_doc_comment, long, value_name = "SECONDS", default_value = "20", value_parser = heartbeat)]
    pub(crate) heartbeat: Duration,
    /// Close a connection on which nothing comes for so long
    ///
    /// Without it, a client may be silent for ever between two messages, and for a minute
    /// in the middle of one.
    #[arg(verbatim_doc_comment, long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) silence: Option<Duration>,
    /// Close a connection whose client does not read what was sent for so long
    ///
    /// Of a client that reads slowly it can be seen only now and then that it reads.
    #[arg(verbatim_doc_comment, long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    pub(crate) unread: Duration,
    /// Print one JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
    /// Say another version than 01, such as 02, to see what a client makes of it
    #[arg(long, value_name = "VERSION", value_parser = version)]
    pub(crate) speak: Option<[u8; 2]>,
    /// Where to listen
    #[arg(value_name = "ADDRESS")]
    pub(crate) address: Address,
}

/// Up to twelve days, which is the longest interval of a session.
fn short_seconds(text: &str) -> Result<Duration, String> {
    match seconds(text)? {
        time if time <= Duration::from_secs(1_000_000) => Ok(time),
        _ => Err("give at most 1,000,000 seconds".to_owned()),
    }
}

fn heartbeat(text: &str) -> Result<Duration, String> {
    if text == "0" { Ok(Duration::ZERO) } else { short_seconds(text) }
}

fn count(least: u64, most: u64) -> impl TypedValueParser<Value = usize> {
    RangedU64ValueParser::new().range(least..=most)
}

fn version(text: &str) -> Result<[u8; 2], String> {
    text.as_bytes().try_into().map_err(|_| "give two characters".to_owned())
}

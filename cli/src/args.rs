//! How the tool is called, in the words of its `--help`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{RangedU64ValueParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use crate::address::Address;
use crate::exec::Exec;

/// The exit code of a call that cannot be understood: EX_USAGE of sysexits.h.
pub(crate) const WRONG_USE: u8 = 64;

/// What stands in the help of every command that takes an address.
macro_rules! addresses {
    () => {
        "\
Addresses:
  HOST:PORT, tcp://HOST:PORT
                TCP. Without HOST, as in `:7000` and `ws://:7000/`, who listens does so on all
                interfaces, and who connects means localhost
  ws://HOST:PORT/PATH
                WebSocket, without TLS; who listens answers at this path alone
  unix:PATH     a socket in the file system; who listens removes a stale one, and its own
                at the end
  -             the standard input and output, for socat or ssh; what would go to the
                standard output goes to the standard error
  serial:PATH?baud=N
                a serial line, 115,200 without `?baud=N`. It never hangs up: who connects is
                the host, which says `f00000000`, three times if there is no answer, waits
                for 250 ms of silence, and speaks first; who listens is the device, which waits for 100 ms of silence and then
                for the host. Both say `f00000000` at the end, send heartbeats, and give up
                after 5 s without a message. A first call may fail: try again
"
    };
}

/// Look into Gotalk conversations, serve an echo, make a call, pass conversations on
#[derive(Debug, Parser)]
#[command(
    name = "gotalk",
    version,
    after_help = "\
`gotalk COMMAND --help` shows examples and exit codes, and so do the pages of `gotalk man`."
)]
pub(crate) struct Gotalk {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Inspect(Inspect),
    Serve(Serve),
    Call(Call),
    Relay(Relay),
    /// Print a script that completes commands and options in a shell
    #[command(after_help = "\
Examples:
  gotalk completions bash > ~/.local/share/bash-completion/completions/gotalk
  gotalk completions fish > ~/.config/fish/completions/gotalk.fish

Exit codes:
   0  the script has been printed
  64  wrong use
  74  it could not be written")]
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Write the manual pages, one for each command
    #[command(after_help = "\
Examples:
  gotalk man ~/.local/share/man/man1
  man gotalk-call

Exit codes:
   0  the pages have been written
  64  wrong use
  74  they could not be written")]
    Man {
        /// Where they go; it is made if there is none
        #[arg(value_name = "DIRECTORY")]
        directory: PathBuf,
    },
}

/// Show what is in a captured Gotalk conversation
///
/// FILE holds the bytes that one side sent, or what `gotalk relay` has recorded, or what
/// was captured of a network (pcap, pcapng). With --client and --server both directions
/// are shown as one conversation: each result after its request, otherwise in the order
/// of each file. Each can be a pipe too: what comes is shown at once, and bad input ends
/// it although a pipe is still open.
#[derive(Args, Debug)]
#[command(
    verbatim_doc_comment,
    after_help = "\
Captures of a network:
  A TCP connection is shown if one side begins with version 1, and the other with what can
  be a version, or says nothing; inside a WebSocket too, if its start was captured and it is
  not compressed. Each has a number, its addresses as `CLIENT -> SERVER`, times since its
  first packet, and a summary at its end; the other connections are counted. The client is
  who asked for the connection, or, if that was not captured, who sends first. Where a part
  of a stream was not captured, that side is shown no further, and the gap is told. Fragments
  of IP packets are not put together. No more is kept than 1 MiB of a stream, 64 MiB of all
  streams, and 4,096 connections.

JSON lines:
  `type` tells what a line is: `conversation` or `connection`; then the messages by their
  names, such as `single_request`, with `from`, `offset`, `time_us` if it is known, and what
  is in them; `clean`, `truncated`, `bad_input` with an `excerpt`, or `gap` where a side
  ends; `open_stream`, `summary`; and `capture` with all else that a network has. Where there
  can be several connections, each line has the number of its `connection`.

Colours:
  On a terminal, unless NO_COLOR is set or TERM=dumb; elsewhere if CLICOLOR_FORCE=1 is.

Examples:
  gotalk inspect capture.bin
  gotalk inspect talk.rec           a recording
  tcpdump -i lo -U -w - port 7000 | gotalk inspect
  gotalk inspect --port 7000 long-running.pcapng
  some-tap | gotalk inspect --json
  gotalk inspect --client c2s.bin --server s2c.bin
  CLICOLOR_FORCE=1 gotalk inspect talk.rec | less -R

Exit codes:
   0  all is well
   1  bad input: a byte that cannot be
   2  the input ends inside a message, or a part of it was not captured
  64  wrong use
  66  a file cannot be read
  74  the output cannot be written"
)]
pub(crate) struct Inspect {
    /// What one side sent, a recording, or a capture; `-`, or no file, is the standard input
    #[arg(value_name = "FILE", conflicts_with_all = ["client", "server"])]
    pub(crate) file: Option<OsString>,
    /// What the client sent; `-` is the standard input
    #[arg(long, value_name = "FILE", requires = "server")]
    pub(crate) client: Option<OsString>,
    /// What the server sent; `-` is the standard input
    #[arg(long, value_name = "FILE", requires = "client")]
    pub(crate) server: Option<OsString>,
    /// Expect no version at the start: the capture begins in the middle
    #[arg(long)]
    pub(crate) no_handshake: bool,
    /// Of a capture of a network, show all TCP connections with this port
    ///
    /// Also those whose beginning is not in the capture: they must go on with a message.
    /// Without it, those are shown that begin as Gotalk does.
    #[arg(
        verbatim_doc_comment, long, value_name = "N", conflicts_with_all = ["client", "no_handshake"],
        value_parser = clap::value_parser!(u16).range(1..),
    )]
    pub(crate) port: Option<u16>,
    /// Print one JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
}

impl Inspect {
    /// What is wrong with arguments that are right one by one.
    pub(crate) fn mistake(&self, on_terminal: bool) -> Option<&'static str> {
        let both = self.client.as_ref().zip(self.server.as_ref());
        if both.is_some_and(|(client, server)| client == "-" && server == "-") {
            return Some("only one side can be the standard input");
        }
        // Nobody types Gotalk.
        (on_terminal && self.file.is_none() && both.is_none())
            .then_some("give a file, or a pipe on the standard input")
    }
}

/// Serve commands as operations, or an `echo` and some more to try clients
///
/// The first line of the output is the address. Then come the notifications that
/// arrive, commands that failed, and how conversations ended that did not end well.
/// Lines that cannot be written are dropped, and it goes on serving: on `-` until
/// the input ends, else without end.
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
    - Above --max-commands there is a retry result.
    - While a command does not take what has come for it, its connection is not read.
    - It is killed with all processes of its group when it takes longer than --timeout, when
      its connection ends, and when the server is interrupted.
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
  `error`, `closed` with `peer` and `error`, `not_accepted` with `error`, or
  `accepting_again`. A payload or a name that is no text is in `payload_hex` or `name_hex`;
  of a payload there are 16 KiB at most, and `payload_cut` is true if there were more.

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
   3  the address cannot be listened on, or the folder cannot be read
  64  wrong use
  130, 143
      interrupted, terminated: commands have been killed, a socket in the file system has
      been removed")
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
    /// How long a client may wait for a command: above 0, and at most 1,000,000
    ///
    /// For the result of a single request, counted from the last that the command got of
    /// the payload; for the next part of a streamed one either way. Without commands, how
    /// long a client is waited for that is asked by `callback`.
    #[arg(verbatim_doc_comment, long, value_name = "SECONDS", default_value = "30", value_parser = short_seconds)]
    pub(crate) timeout: Duration,
    /// How many connections may be open at once: 1 to 1,000,000; others are told, and closed
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = count(1, 1_000_000))]
    pub(crate) max_connections: usize,
    /// How many single requests may wait for their answer, on each connection
    ///
    /// More get a retry result.
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub(crate) limit: usize,
    /// How many streamed requests may be open, on each connection: 0 to 64; 0 takes none
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(0..=64))]
    pub(crate) streams: u16,
    /// How often to send heartbeats: at most every 1,000,000; 0 sends none
    ///
    /// Clients of the Go package close after 30 seconds in which nothing came.
    #[arg(long, value_name = "SECONDS", default_value = "20", value_parser = heartbeat)]
    pub(crate) heartbeat: Duration,
    /// Close a connection on which nothing comes for so long
    ///
    /// Without it, a client may be silent for ever between two messages, and for a minute
    /// in the middle of one.
    #[arg(verbatim_doc_comment, long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) silence: Option<Duration>,
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

/// Make a request, and print the payload of its result
///
/// Everything else goes to the standard error: notifications, requests that the server
/// makes and no --handle answers, the error. On a terminal what could disturb it is escaped;
/// a file or a pipe gets the bytes as they are.
///
/// With --repeat it measures a server: it makes many requests and prints a summary. Each
/// connection has as many in flight as --concurrency says, and makes the next one when one
/// has its reply, whole. A connection that ends is not made again; its requests in flight
/// have failed. A latency is the time from writing a request to the last byte of its reply.
#[derive(Args, Debug)]
#[command(
    verbatim_doc_comment,
    after_help = concat!(addresses!(), "
With --json each object has a `type`: `single_result`, `error_result`, `retry_result` with
`wait_ms`, or `notification` with `name`. Each has the `size` of the payload, and the
`payload` or, if it is no plain text, its `payload_hex`. A payload longer than 1 MiB comes
in several objects; all but the last have `remaining`, the bytes that still come. Each part
of a streamed result is a `stream_result`, and one of size 0 is its end. `no_answer` has an
`error`, and a notification of yours that has gone out gives `sent`. --repeat gives one
object, `summary`, whose times are in microseconds.

Examples:
  gotalk call 127.0.0.1:7000 echo hello
  gotalk call 127.0.0.1:7000 echo @picture.png > same.png
  date | gotalk call 127.0.0.1:7000 echo -
  printf @home | gotalk call 127.0.0.1:7000 echo -      sends `@home` itself
  gotalk call --stream 127.0.0.1:7000 echo 'hello in parts'
  tail -f log | gotalk call --stream 127.0.0.1:7000 echo -
  gotalk call --timeout 2 example.org:7000 ping '{}'
  gotalk call --retry 5 --timeout 60 example.org:7000 ping
  gotalk call --json 127.0.0.1:7000 echo hello | jq -r .payload
  gotalk call --notify 127.0.0.1:7000 log '{\"text\":\"hi\"}'
  gotalk call --handle client-echo=cat 127.0.0.1:7000 callback hello
  gotalk call ws://127.0.0.1:7000/gotalk echo hello
  gotalk call 'serial:/dev/ttyUSB0?baud=9600' temperature
  gotalk call --repeat 100000 --concurrency 64 127.0.0.1:7000 echo hello
  gotalk call --repeat 100000 --connections 1000 127.0.0.1:7000 echo hello

Exit codes:
   0  the result has been printed, or the notification sent
   1  an error result: the request was at fault
   2  a retry result: the server says how long to wait
   3  no answer: not connected, cut off, silence, not Gotalk
  64  wrong use
  66  the payload cannot be read
  74  the result cannot be written
  130, 143
      interrupted, terminated: with --handle when its commands have been killed, with
      --repeat when the summary has told what was seen until then
With --repeat it is the highest code of all requests.")
)]
pub(crate) struct Call {
    /// Send the payload in parts
    ///
    /// An argument goes in parts of 16 bytes. A file or the standard input is sent as it is
    /// read, in parts of up to 16 KiB, and may be of any length.
    #[arg(verbatim_doc_comment, long)]
    pub(crate) stream: bool,
    /// Send a notification, which has no answer, in place of a request
    #[arg(long, conflicts_with = "stream")]
    pub(crate) notify: bool,
    /// The longest time for all of it, the connection included; with --repeat for each request
    ///
    /// Then the server is told, which takes two seconds at most. Without a limit of yours
    /// it is ten seconds to connect, and thirty without a sign of the answer when all has
    /// been sent. A payload that is read before it is sent is read before the time begins.
    /// With --repeat a request that has no reply in time has failed, and the others go on.
    #[arg(verbatim_doc_comment, long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) timeout: Option<Duration>,
    /// After a retry result, wait as told and ask again, so many times at most
    ///
    /// The wait counts against --timeout; one that would not end in time is not begun. A
    /// request is not made again if a part of its result has been printed.
    #[arg(
        verbatim_doc_comment,
        long,
        value_name = "N",
        default_value_t = 0,
        hide_default_value = true,
        conflicts_with = "notify"
    )]
    pub(crate) retry: u32,
    /// Start COMMAND for requests for OP that the server makes meanwhile. Can be repeated
    ///
    /// As with `gotalk serve --exec`, whose help tells how commands answer: 64 run at once, each
    /// has 30 seconds for the next sign of its answer, and those that still run when the call
    /// is over are killed. Other requests are refused.
    #[arg(
        verbatim_doc_comment,
        long,
        value_name = "OP=COMMAND",
        conflicts_with_all = ["notify", "repeat"]
    )]
    pub(crate) handle: Vec<Exec>,
    /// Print JSON objects, one a line
    #[arg(long)]
    pub(crate) json: bool,
    /// Make N requests in all, and print a summary in place of the results
    #[arg(
        long,
        value_name = "N",
        value_parser = clap::value_parser!(u64).range(1..),
        conflicts_with_all = ["stream", "notify", "retry"]
    )]
    pub(crate) repeat: Option<u64>,
    /// How many requests are in flight at once, on each connection
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1,
        value_parser = clap::value_parser!(u16).range(1..=1024),
        requires = "repeat"
    )]
    pub(crate) concurrency: u16,
    /// How many connections are made, all before the first request
    ///
    /// Each takes a file descriptor: `ulimit -n 4096` makes room for more than some 1,000.
    #[arg(
        verbatim_doc_comment,
        long,
        value_name = "N",
        default_value_t = 1,
        value_parser = clap::value_parser!(u16).range(1..),
        requires = "repeat"
    )]
    pub(crate) connections: u16,
    /// Where the server is
    #[arg(value_name = "ADDRESS")]
    pub(crate) address: Address,
    /// The name of the operation, or of the notification
    #[arg(value_name = "OPERATION")]
    pub(crate) op: String,
    /// What to send, for many servers JSON; `@FILE` a file, `-` the standard input
    ///
    /// Nothing is sent without it. What begins with `@`, or is `-`, can be sent from a file
    /// or the standard input.
    #[arg(verbatim_doc_comment, allow_hyphen_values = true)]
    pub(crate) payload: Option<OsString>,
}

/// Pass a conversation on between two transports, and show it
///
/// Waits at LISTEN for one client, connects it to TARGET, and passes on every byte as it
/// comes. Each message is shown as `gotalk inspect` does, with the time since the client
/// came. When both ends are done, the summary is shown, and that is all: with --keep-open
/// it waits for the next client.
///
/// Where it listens is told on the standard error. Who comes while another is there waits
/// until that one is done.
#[derive(Args, Debug)]
#[command(
    verbatim_doc_comment,
    after_help = concat!(addresses!(), "
Recordings:
  A recording begins with the line `gotalk-recording 1 START`, where START is the UNIX time
  in microseconds. Then comes for each piece that passed a line `SIDE TIME LENGTH`, and so
  many bytes and a line feed. SIDE is `client` or `server`, and has sent them; TIME is in
  microseconds since the client came; a LENGTH of 0 is the end of that side.

Examples:
  gotalk relay 127.0.0.1:7001 example.org:7000
  gotalk relay --record talk.rec ws://127.0.0.1:7001/gotalk unix:/run/service
  gotalk inspect talk.rec
  gotalk relay -k ws://127.0.0.1:1234/gotalk/ serial:/dev/ttyUSB0
                                    a page that is loaded again, and a device

Exit codes:
   0  all is well
   1  bad input: a byte that cannot be, which has been passed on like the others
   2  a side has ended inside a message
   3  not listened or not connected
  64  wrong use
  74  the output or the recording cannot be written
  130, 143
      interrupted, terminated")
)]
pub(crate) struct Relay {
    /// Print one JSON object a line, and where it listens as one too
    #[arg(long)]
    pub(crate) json: bool,
    /// Pass on one conversation after another, until it is interrupted
    ///
    /// Each has a number. If one cannot be passed on, the reason is told, and it goes on.
    #[arg(short, long)]
    pub(crate) keep_open: bool,
    /// Write what passes to a file, with the times; `gotalk inspect FILE` shows it
    ///
    /// With --keep-open, the conversations go to FILE.1, FILE.2, and so on.
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
    /// Where the client will come
    #[arg(value_name = "LISTEN")]
    pub(crate) listen: Address,
    /// Where the server is
    #[arg(value_name = "TARGET")]
    pub(crate) target: Address,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let time = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    time.filter(|time| !time.is_zero()).ok_or_else(|| "give a number of seconds above 0".to_owned())
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

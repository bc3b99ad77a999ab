//! `gotalk call`.

use std::ffi::OsString;
use std::time::Duration;

use clap::Args;

use super::seconds;
use crate::address::Address;
use crate::exec::Exec;

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
object, `summary`, whose times are in microseconds; its `first_refusal` has the `size` of the
payload, and as much of it as can be shown in `payload` or `payload_hex`.

Examples:
  gotalk call 127.0.0.1:7000 echo hello
  gotalk call 127.0.0.1:7000 echo @picture.png > same.png
  date | gotalk call 127.0.0.1:7000 echo -
  printf @home | gotalk call 127.0.0.1:7000 echo -      sends `@home` itself
  gotalk call --stream 127.0.0.1:7000 echo 'hello in parts'
  tail -f log | gotalk call --stream 127.0.0.1:7000 echo -
  gotalk call --stream --part 32 serial:/dev/ttyUSB0 update @firmware.bin
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
  74  the result cannot be written, or its reader has gone
  129, 130, 143
      its terminal is closed (on Linux), interrupted, terminated: with --handle when its
      commands have been killed, over a serial line when the device has been told, with
      --repeat when the summary has told what was seen until then, if all connections were
      made. On Linux it goes on where it was started to ignore that
With --repeat it is the highest code of all requests.")
)]
pub(crate) struct Call {
    /// Send the payload in parts
    ///
    /// An argument goes in parts of 16 bytes. A file or the standard input is sent as it is
    /// read, in parts of up to 16 KiB, and may be of any length.
    #[arg(verbatim_doc_comment, long)]
    pub(crate) stream: bool,
    /// With --stream, the most bytes in a part: a small device takes no long ones
    #[arg(
        long,
        value_name = "BYTES",
        value_parser = clap::value_parser!(u16).range(1..=16 * 1024),
        requires = "stream"
    )]
    pub(crate) part: Option<u16>,
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
    /// As with `gotalk serve --exec`, whose help tells how commands answer: 64 run at once,
    /// and each has 30 seconds for the next sign of its answer. Other requests are refused.
    /// The call is over with its own result, and what still runs then is killed: a peer that
    /// wants an answer has to wait for it before it gives the result.
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
    /// Make N single requests in all, and print a summary in place of the results
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
    /// What to send, for many servers JSON; `@FILE` a file, `-` or `@-` the standard input
    ///
    /// Nothing is sent without it. What begins with `@`, or is `-`, can be sent from a file
    /// or the standard input.
    #[arg(verbatim_doc_comment, allow_hyphen_values = true)]
    pub(crate) payload: Option<OsString>,
}

//! `gotalk relay`.

use std::path::PathBuf;

use clap::Args;

use crate::address::Address;

/// Pass a conversation on between two transports, and show it
///
/// Waits at LISTEN for one client, connects it to TARGET, and passes on every byte as it
/// comes. Each message is shown as `gotalk inspect` does, with the time since the client
/// came. When both ends are done, the summary is shown, and that is all: with --keep-open
/// it waits for the next client.
///
/// Where it listens is told on the standard error. Who comes while another is there waits
/// until that one is done. Who comes to a ws:// address and opens no WebSocket in ten seconds
/// is told, and is no client.
#[derive(Args, Debug)]
#[command(
    verbatim_doc_comment,
    after_help = concat!(addresses!(), "
Recordings:
  A recording begins with the line `gotalk-recording 1 START`. START is the UNIX time in
  microseconds when the client came, TIME is counted from it. Then comes for each piece that
  passed a line `SIDE TIME LENGTH`, and so many bytes and a line feed. SIDE is `client` or
  `server`, and has sent them; TIME is in microseconds; a LENGTH of 0 is the end of that
  side.

Examples:
  gotalk relay 127.0.0.1:7001 example.org:7000
  gotalk relay --record talk.rec ws://127.0.0.1:7001/gotalk unix:/run/service
  gotalk inspect talk.rec
  gotalk relay -k ws://127.0.0.1:1234/gotalk/ serial:/dev/ttyUSB0
                                    a page that is loaded again, and a device

Exit codes:
   0  all is well
   1  bad input: a byte that cannot be, which has been passed on like the others
   2  a side has ended inside a message, or the server before one to it was complete
   3  not listened or not connected, or a side was reset, or did not take what was to be
      passed on and had not closed: what is under way to a client that has closed is no fault
  64  wrong use
  74  the output or the recording cannot be written, or what was to be passed on to `-`
  129, 130, 143
      its terminal is closed (on Linux), interrupted, terminated. On Linux it goes on where
      it was started to ignore that, as by `nohup`, or by `&` in a script")
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
    /// FILE is emptied when the relay listens. With --keep-open, each conversation goes to
    /// the first of FILE.1, FILE.2, and so on that is not there yet: those of an earlier time
    /// are kept.
    #[arg(verbatim_doc_comment, long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
    /// Where the client will come
    #[arg(value_name = "LISTEN")]
    pub(crate) listen: Address,
    /// Where the server is
    #[arg(value_name = "TARGET")]
    pub(crate) target: Address,
}

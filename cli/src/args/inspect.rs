//! `gotalk inspect`.

use std::ffi::OsString;

use clap::Args;

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
  streams, and 4,096 connections: to make room, those that said nothing for longest are shown
  no further, and that is told as a gap.

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
   2  the input ends inside a message, or a part of it was not captured, or not
      followed
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

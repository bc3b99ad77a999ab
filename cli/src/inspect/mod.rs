//! The inspector: what is asked for, and the loop that does it.

use std::fmt;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::time::Duration;

mod capture;
mod conversation;
mod json;
mod network;
mod pair;
mod recording;
mod tally;
mod text;
mod timed;

pub(crate) use capture::Handshake;
use capture::{Capture, Ending, Excerpt, PIECE, Progress, Record};
use network::Rest;
pub(crate) use recording::Recorder;
use tally::Tally;
pub(crate) use timed::Timed;

use crate::args::Inspect as Args;
use crate::codes::{NO_INPUT, WRONG_USE};
use crate::colors::Palette;
use crate::{escape, output};

/// The exit codes. Those of the shell tools where these have one: sysexits.h.
const CLEAN: u8 = 0;
pub(crate) const BAD_INPUT: u8 = 1;
const TRUNCATED: u8 = 2;

/// Who sent a message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Server,
}

impl Side {
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Client => "client",
            Self::Server => "server",
        })
    }
}

/// What is shown.
#[derive(Clone, Copy)]
enum Heading {
    One,
    /// Both directions, without times.
    Pair,
    /// Both, in the order of time.
    Timed,
}

/// A form of the output. `from` is given when both directions are shown, `time` if it is
/// known.
trait Show {
    fn heading(&self, out: &mut dyn Write, heading: Heading) -> io::Result<()>;
    fn record(
        &self,
        out: &mut dyn Write,
        from: Option<Side>,
        time: Option<Duration>,
        record: &Record,
        remark: Option<&str>,
    ) -> io::Result<()>;
    /// How a capture ends, after `offset` bytes.
    fn ending(
        &self,
        out: &mut dyn Write,
        from: Option<Side>,
        offset: u64,
        ending: &Ending,
    ) -> io::Result<()>;
    fn excerpt(&self, out: &mut dyn Write, from: Option<Side>, excerpt: &Excerpt)
    -> io::Result<()>;
    fn tally(&self, out: &mut dyn Write, tally: &Tally) -> io::Result<()>;
    /// That what a side sent is known no further than to `offset`.
    fn gap(&self, out: &mut dyn Write, from: Side, offset: u64, gap: &Gap) -> io::Result<()>;
    /// A connection begins, of which there can be several.
    fn connection(&self, out: &mut dyn Write, number: u64, parties: &Parties) -> io::Result<()>;
    /// Messages follow behind the end of a connection.
    fn goes_on(&self, out: &mut dyn Write) -> io::Result<()>;
    /// What was captured beside that.
    fn rest(&self, out: &mut dyn Write, rest: &Rest) -> io::Result<()>;
}

/// How the output is to look.
#[derive(Clone, Copy)]
pub(crate) struct Look {
    pub(crate) json: bool,
    pub(crate) colored: bool,
    /// The number of the connection, if there can be several.
    pub(crate) connection: Option<u64>,
}

impl Look {
    fn show(self) -> Box<dyn Show> {
        match self.json {
            true => Box::new(json::Json { connection: self.connection }),
            false => Box::new(text::Text {
                palette: Palette::new(self.colored),
                connection: self.connection,
            }),
        }
    }
}

/// Who talks to whom.
pub(crate) struct Parties {
    client: String,
    server: String,
    /// The path of the WebSocket, if it is known to be one.
    websocket: Option<String>,
    is_compressed: bool,
    /// Since 1970, and whether it is the start of the connection.
    start: Duration,
    start_seen: bool,
}

impl Parties {
    /// Those of a connection that is seen from its start, which is given since 1970.
    pub(crate) fn new(client: String, server: String, start: Duration) -> Self {
        let (websocket, is_compressed, start_seen) = (None, false, true);
        Self { client, server, websocket, is_compressed, start, start_seen }
    }
}

impl fmt::Display for Parties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {}", escape::plain(&self.client), escape::plain(&self.server))?;
        if let Some(path) = &self.websocket {
            write!(f, ", WebSocket {}", escape::plain(path))?;
        }
        if self.is_compressed {
            f.write_str(" with permessage-deflate")?;
        }
        Ok(())
    }
}

/// A place in what a side sent, behind which it is not known.
pub(crate) struct Gap {
    /// The packet that shows it.
    packet: u64,
    /// How many bytes are missing, if that is known.
    missing: Option<u64>,
    why: String,
    /// The side has sent what cannot be, else the capture lacks something.
    is_bad_input: bool,
}

/// Why the inspection could not be carried through.
enum Stop {
    Input(io::Error),
    /// The arguments are not for such an input.
    WrongUse(String),
    Output(io::Error),
}

impl Stop {
    /// Tells which input it is about.
    fn of(self, name: &str) -> Self {
        match self {
            Self::Input(error) => {
                Self::Input(io::Error::new(error.kind(), format!("{name}: {error}")))
            }
            Self::WrongUse(what) => Self::WrongUse(format!("{name} {what}")),
            Self::Output(error) => Self::Output(error),
        }
    }
}

/// Writing is the rule, so `?` means that.
impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// Where the output goes, and what its end is to be made of.
struct Report<'o> {
    show: &'o dyn Show,
    out: &'o mut dyn Write,
    tally: &'o mut Tally,
}

impl Report<'_> {
    fn heading(&mut self, heading: Heading) -> io::Result<()> {
        self.show.heading(self.out, heading)
    }

    fn record(
        &mut self,
        from: Option<Side>,
        time: Option<Duration>,
        record: &Record,
        remark: Option<&str>,
    ) -> io::Result<()> {
        self.tally.note(from, record);
        self.show.record(self.out, from, time, record, remark)
    }

    /// Shows how a capture has ended, if it has, and gives the exit code for that.
    fn ending(
        &mut self,
        from: Option<Side>,
        capture: &mut Capture,
        ending: Option<&Ending>,
        following: &mut dyn Read,
    ) -> io::Result<u8> {
        self.tally.bytes += capture.offset();
        let Some(ending) = ending else { return Ok(CLEAN) };
        self.show.ending(self.out, from, capture.offset(), ending)?;
        match ending {
            Ending::Clean { .. } => Ok(CLEAN),
            Ending::Truncated { .. } => Ok(TRUNCATED),
            Ending::Bad(_) => {
                self.out.flush()?;
                self.show.excerpt(self.out, from, &capture.excerpt(following))?;
                Ok(BAD_INPUT)
            }
        }
    }
}

/// Does all that is asked for, and gives the exit code. A `live` input may stay open
/// without end, so that nothing is awaited that need not be seen.
pub(crate) fn run(
    args: &Args,
    stdin: &mut dyn Read,
    live: bool,
    stdout: (&mut dyn Write, bool),
    stderr: (&mut dyn Write, bool),
) -> u8 {
    let (stdout, colored) = stdout;
    let mut out = BufWriter::new(stdout);
    let look = Look { json: args.json, colored, connection: None };
    let result = inspect(args, stdin, live, look, &mut out);
    let flushed = out.flush();
    match result.and_then(|code| flushed.map(|()| code).map_err(Stop::from)) {
        Ok(code) => code,
        Err(Stop::Output(error)) => output::failed_on(stderr, &error),
        Err(Stop::Input(error)) => {
            output::tell_on(stderr, format_args!("gotalk: cannot read {error}"));
            NO_INPUT
        }
        Err(Stop::WrongUse(what)) => {
            output::tell_on(stderr, format_args!("error: {what}"));
            WRONG_USE
        }
    }
}

fn inspect(
    args: &Args,
    stdin: &mut dyn Read,
    live: bool,
    look: Look,
    out: &mut dyn Write,
) -> Result<u8, Stop> {
    if let (Some(client), Some(server)) = (&args.client, &args.server) {
        let (show, mut tally) = (look.show(), Tally::default());
        let mut report = Report { show: &*show, out, tally: &mut tally };
        let code = pair::show(client, server, handshake(args), &mut report)?;
        show.tally(out, &tally)?;
        return Ok(code);
    }
    match &args.file {
        Some(file) if file != "-" => {
            let opened = File::open(file).and_then(|file| Ok((!file.metadata()?.is_file(), file)));
            let shown = opened.map_err(Stop::Input);
            let shown = shown.and_then(|(live, mut file)| one(&mut file, live, args, look, out));
            shown.map_err(|stop| stop.of(&escape::plain(&file.to_string_lossy())))
        }
        _ => one(stdin, live, args, look, out).map_err(|stop| stop.of("the standard input")),
    }
}

fn handshake(args: &Args) -> Handshake {
    if args.no_handshake { Handshake::Absent } else { Handshake::Expected }
}

/// Shows one file: one direction, a recording of both, or a capture of a network.
fn one(
    source: &mut dyn Read,
    live: bool,
    args: &Args,
    look: Look,
    out: &mut dyn Write,
) -> Result<u8, Stop> {
    let start = start(source).map_err(Stop::Input)?;
    let is_recording = start.get_ref().starts_with(recording::MAGIC);
    let is_network = network::is_capture(start.get_ref());
    let mut source = start.chain(source);
    if is_network {
        if args.no_handshake {
            let what = "is a capture of a network: give --port in place of --no-handshake";
            return Err(Stop::WrongUse(what.to_owned()));
        }
        return network::show(&mut source, args.port, look, out);
    }
    if args.port.is_some() {
        let what = "is no capture of a network (pcap, pcapng), and --port is only for these";
        return Err(Stop::WrongUse(what.to_owned()));
    }
    if is_recording {
        let mut timed = Timed::new(look, handshake(args));
        timed.heading(out)?;
        let shown = recording::show(&mut source, &mut timed, out);
        let code = timed.finish(out)?;
        return Ok(if shown? || code != CLEAN { code } else { TRUNCATED });
    }
    let (show, mut tally) = (look.show(), Tally::default());
    let mut report = Report { show: &*show, out, tally: &mut tally };
    let code = capture(&mut source, live, handshake(args), &mut report)?;
    show.tally(out, &tally)?;
    Ok(code)
}

/// Reads until it shows what it is: once, if it is one direction.
fn start(source: &mut dyn Read) -> io::Result<io::Cursor<Vec<u8>>> {
    let (mut start, mut len) = (vec![0; PIECE], 0);
    let may_be_more = |start: &[u8]| {
        recording::MAGIC.starts_with(start) && start != recording::MAGIC
            || network::MAGICS.iter().any(|magic| magic.starts_with(start) && start != *magic)
    };
    loop {
        let read = capture::read(source, &mut start[len..])?;
        len += read;
        if read == 0 || !may_be_more(&start[..len]) {
            start.truncate(len);
            return Ok(io::Cursor::new(start));
        }
    }
}

/// Shows one direction.
fn capture(
    source: &mut dyn Read,
    live: bool,
    handshake: Handshake,
    report: &mut Report<'_>,
) -> Result<u8, Stop> {
    let mut capture = Capture::new(handshake, PIECE);
    report.heading(Heading::One)?;
    let ending = loop {
        match capture.advance() {
            Progress::Message(record) => report.record(None, None, &record, None)?,
            Progress::End(ending) => break ending,
            Progress::NeedsInput => {
                // The read may wait; what is known by now is to be seen.
                report.out.flush()?;
                capture.fill(source).map_err(Stop::Input)?;
            }
        }
    };
    let mut nothing = io::empty();
    let following = if live { &mut nothing } else { source };
    Ok(report.ending(None, &mut capture, Some(&ending), following)?)
}

//! The inspector: what is asked for, and the loop that does it.

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Read, Write};

mod capture;
mod conversation;
mod json;
mod tally;
mod text;

use capture::{Capture, Ending, Excerpt, Progress, Record};
use conversation::Conversation;
use tally::Tally;

use crate::args::Inspect as Args;
use crate::output::NO_OUTPUT;

/// The exit codes. Those of the shell tools where these have one: sysexits.h.
const CLEAN: u8 = 0;
const BAD_INPUT: u8 = 1;
const TRUNCATED: u8 = 2;
const NO_INPUT: u8 = 66;

/// Who sent a message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Server,
}

impl Side {
    fn other(self) -> Self {
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

/// A form of the output. `from` is given when both directions are shown.
trait Show {
    fn heading(&self, out: &mut dyn Write, both: bool) -> io::Result<()>;
    fn record(
        &self,
        out: &mut dyn Write,
        from: Option<Side>,
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
}

/// Why the inspection could not be carried through.
enum Stop {
    Input { name: String, error: io::Error },
    Output(io::Error),
}

/// Writing is the rule, so `?` means that.
impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// Does all that is asked for, and gives the exit code.
pub(crate) fn run(
    args: &Args,
    stdin: &mut dyn Read,
    stdout: &mut dyn Write,
    stderr: &mut dyn Write,
) -> u8 {
    let mut out = BufWriter::new(stdout);
    let result = inspect(args, stdin, &mut out);
    let flushed = out.flush();
    match result.and_then(|code| flushed.map(|()| code).map_err(Stop::from)) {
        Ok(code) => code,
        // Whoever reads has seen enough, as in `inspect CAPTURE | head`.
        Err(Stop::Output(error)) if error.kind() == ErrorKind::BrokenPipe => CLEAN,
        Err(Stop::Output(error)) => {
            let _ = writeln!(stderr, "gotalk: cannot write: {error}");
            NO_OUTPUT
        }
        Err(Stop::Input { name, error }) => {
            let _ = writeln!(stderr, "gotalk: cannot read {name}: {error}");
            NO_INPUT
        }
    }
}

fn inspect(args: &Args, stdin: &mut dyn Read, out: &mut dyn Write) -> Result<u8, Stop> {
    let show: &dyn Show = if args.json { &json::Json } else { &text::Text };
    let mut tally = Tally::default();
    let mut stdin = Some(stdin);
    let handshake = !args.no_handshake;
    let code = match (&args.client, &args.server) {
        (None, _) | (_, None) => {
            let file = args.file.clone().unwrap_or_else(|| "-".into());
            let mut lane = Lane::open(None, &file, handshake, &mut stdin)?;
            show.heading(out, false)?;
            while let Some(record) = lane.take(out)? {
                tally.note(None, &record);
                show.record(out, None, &record, None)?;
            }
            lane.conclude(show, out, &mut tally)?
        }
        (Some(client), Some(server)) => {
            let mut client = Lane::open(Some(Side::Client), client, handshake, &mut stdin)?;
            let mut server = Lane::open(Some(Side::Server), server, handshake, &mut stdin)?;
            show.heading(out, true)?;
            let mut conversation = Conversation::new();
            loop {
                let next = conversation.next(client.head(out)?, server.head(out)?);
                let Some(side) = next else { break };
                let (lane, other) = match side {
                    Side::Client => (&mut client, &server),
                    Side::Server => (&mut server, &client),
                };
                let Some(record) = lane.take(out)? else { break };
                let remark = conversation.shown(side, &record, other.head.is_none());
                tally.note(Some(side), &record);
                show.record(out, Some(side), &record, remark)?;
            }
            let codes =
                [client.conclude(show, out, &mut tally)?, server.conclude(show, out, &mut tally)?];
            let worst = [BAD_INPUT, TRUNCATED].into_iter().find(|code| codes.contains(code));
            worst.unwrap_or(CLEAN)
        }
    };
    show.tally(out, &tally)?;
    Ok(code)
}

/// A capture with its next message taken out, so that it can be looked at.
struct Lane<'r> {
    side: Option<Side>,
    name: String,
    capture: Capture<'r>,
    head: Option<Record>,
    ending: Option<Ending>,
}

impl<'r> Lane<'r> {
    fn open(
        side: Option<Side>,
        file: &OsString,
        handshake: bool,
        stdin: &mut Option<&'r mut dyn Read>,
    ) -> Result<Self, Stop> {
        let (name, capture) = match stdin.take_if(|_| file == "-") {
            Some(stdin) => ("the standard input".to_owned(), Capture::new(stdin, handshake)),
            None => {
                let name = file.to_string_lossy().into_owned();
                match File::open(file) {
                    Ok(file) => (name, Capture::new(file, handshake)),
                    Err(error) => return Err(Stop::Input { name, error }),
                }
            }
        };
        Ok(Self { side, name, capture, head: None, ending: None })
    }

    /// The next message; `None` after the last.
    fn head(&mut self, out: &mut dyn Write) -> Result<Option<&Record>, Stop> {
        while self.head.is_none() && self.ending.is_none() {
            match self.capture.advance() {
                Progress::Message(record) => self.head = Some(record),
                Progress::End(ending) => self.ending = Some(ending),
                Progress::NeedsInput => {
                    // The read may wait; what is known by now is to be seen.
                    out.flush()?;
                    let filled = self.capture.fill();
                    filled.map_err(|error| Stop::Input { name: self.name.clone(), error })?;
                }
            }
        }
        Ok(self.head.as_ref())
    }

    fn take(&mut self, out: &mut dyn Write) -> Result<Option<Record>, Stop> {
        self.head(out)?;
        Ok(self.head.take())
    }

    /// Shows how the capture has ended, and gives the exit code for that.
    fn conclude(
        mut self,
        show: &dyn Show,
        out: &mut dyn Write,
        tally: &mut Tally,
    ) -> Result<u8, Stop> {
        tally.bytes += self.capture.offset();
        let Some(ending) = &self.ending else { return Ok(CLEAN) };
        show.ending(out, self.side, self.capture.offset(), ending)?;
        match ending {
            Ending::Clean { .. } => Ok(CLEAN),
            Ending::Truncated { .. } => Ok(TRUNCATED),
            Ending::Bad(_) => {
                out.flush()?;
                let excerpt = self.capture.excerpt();
                let excerpt =
                    excerpt.map_err(|error| Stop::Input { name: self.name.clone(), error })?;
                show.excerpt(out, self.side, &excerpt)?;
                Ok(BAD_INPUT)
            }
        }
    }
}

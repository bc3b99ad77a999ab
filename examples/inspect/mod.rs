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

const USAGE: &str = "\
Shows what is in a captured Gotalk conversation.

usage: inspect [OPTIONS] FILE
       inspect [OPTIONS] --client FILE --server FILE

FILE holds the bytes that one side sent; `-` stands for the standard input.
With --client and --server both directions are shown as one conversation: each
result after its request, otherwise in the order of each file.

options:
  --no-handshake  there is no version at the start: a capture cut in the middle
  --json          one JSON object a line
  --help          this text

exit codes: 0 all is well, 1 bad input, 2 the input ends inside a message,
            64 wrong use, 66 a file cannot be read, 74 the output cannot be written
";

/// The exit codes. Those of the shell tools where these have one: sysexits.h.
const CLEAN: u8 = 0;
const BAD_INPUT: u8 = 1;
const TRUNCATED: u8 = 2;
const WRONG_USE: u8 = 64;
const NO_INPUT: u8 = 66;
const NO_OUTPUT: u8 = 74;

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

/// Does all that the program does, and gives its exit code.
pub(crate) fn run(
    args: &[OsString],
    stdin: &mut dyn Read,
    stdout: &mut dyn Write,
    stderr: &mut dyn Write,
) -> u8 {
    let mut out = BufWriter::new(stdout);
    let result = match parse(args) {
        Ok(Command::Help) => out.write_all(USAGE.as_bytes()).map(|()| CLEAN).map_err(Stop::from),
        Ok(Command::Inspect(options)) => inspect(&options, stdin, &mut out),
        Err(wrong) => {
            // Nobody is left to tell if this cannot be written either.
            let _ = write!(stderr, "inspect: {wrong}\n\n{USAGE}");
            return WRONG_USE;
        }
    };
    let flushed = out.flush();
    match result.and_then(|code| flushed.map(|()| code).map_err(Stop::from)) {
        Ok(code) => code,
        // Whoever reads has seen enough, as in `inspect CAPTURE | head`.
        Err(Stop::Output(error)) if error.kind() == ErrorKind::BrokenPipe => CLEAN,
        Err(Stop::Output(error)) => {
            let _ = writeln!(stderr, "inspect: cannot write: {error}");
            NO_OUTPUT
        }
        Err(Stop::Input { name, error }) => {
            let _ = writeln!(stderr, "inspect: cannot read {name}: {error}");
            NO_INPUT
        }
    }
}

enum Command {
    Help,
    Inspect(Options),
}

struct Options {
    handshake: bool,
    json: bool,
    input: Input,
}

enum Input {
    One(OsString),
    Both { client: OsString, server: OsString },
}

fn parse(args: &[OsString]) -> Result<Command, String> {
    let (mut handshake, mut json) = (true, false);
    let (mut file, mut client, mut server) = (None, None, None);
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let place = match arg.to_str() {
            Some("--help" | "-h") => return Ok(Command::Help),
            Some("--no-handshake") => {
                handshake = false;
                continue;
            }
            Some("--json") => {
                json = true;
                continue;
            }
            Some("--client") => &mut client,
            Some("--server") => &mut server,
            Some(option) if option.starts_with('-') && option != "-" => {
                return Err(format!("there is no option {option}"));
            }
            _ => &mut file,
        };
        let option = arg.to_str().filter(|text| text.starts_with("--"));
        let value = match option {
            Some(option) => args.next().ok_or(format!("{option} needs a file"))?,
            None => arg,
        };
        if place.replace(value.clone()).is_some() {
            let value = value.to_string_lossy();
            return Err(format!("one {} too many: {value}", option.unwrap_or("file")));
        }
    }
    let input = match (file, client, server) {
        (Some(file), None, None) => Input::One(file),
        (None, Some(client), Some(server)) if client == "-" && server == "-" => {
            return Err("only one side can be the standard input".to_owned());
        }
        (None, Some(client), Some(server)) => Input::Both { client, server },
        (None, None, None) => return Err("no file given".to_owned()),
        (None, ..) => return Err("--client and --server go together".to_owned()),
        (Some(_), ..) => return Err("give a file, or --client and --server".to_owned()),
    };
    Ok(Command::Inspect(Options { handshake, json, input }))
}

fn inspect(options: &Options, stdin: &mut dyn Read, out: &mut dyn Write) -> Result<u8, Stop> {
    let show: &dyn Show = if options.json { &json::Json } else { &text::Text };
    let mut tally = Tally::default();
    let mut stdin = Some(stdin);
    let code = match &options.input {
        Input::One(file) => {
            let mut lane = Lane::open(None, file, options.handshake, &mut stdin)?;
            show.heading(out, false)?;
            while let Some(record) = lane.take(out)? {
                tally.note(None, &record);
                show.record(out, None, &record, None)?;
            }
            lane.conclude(show, out, &mut tally)?
        }
        Input::Both { client, server } => {
            let handshake = options.handshake;
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

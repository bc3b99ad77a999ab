//! The relay: stands between two ends of a conversation, passes on what each says, and shows
//! it.
//!
//! The bytes go on as they are, also those that are no Gotalk. Each direction has one buffer,
//! which is filled when all of it has been passed on, so the memory is fixed, and an end that
//! does not read stops the other as it would without a relay. A WebSocket adds what it keeps,
//! at most a message each way, and does not pass on a message that breaks off.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::{Duration, Instant};

use clap::error::ErrorKind;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::address::Address;
use crate::args::Relay as Args;
use crate::codes::{NO_ANSWER, NO_OUTPUT};
use crate::colors;
use crate::inspect::{BAD_INPUT, Handshake, Look, Parties, Recorder, Side, Timed};
use crate::log::Line;
use crate::output::{self, complain, tell};
use crate::transport::{self, Accepted, Listener, Stream};
use crate::{CONNECT, failed, runtime, wire, wrong_use};

/// How much is passed on at once.
const PIECE: usize = 16 * 1024;
/// How long the client may go on when the server has ended.
const CLIENT_LINGERS: Duration = Duration::from_secs(10);
/// How long an end may go on that is not told, as it does not see when a transport ends.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How many WebSockets are being opened at once.
const OPENING: usize = 64;
/// How long to wait when nobody can be let in, as when there are no more descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// Does all that is asked for, and gives the exit code.
pub(crate) fn run(args: &Args) -> u8 {
    let is_standard = [&args.listen, &args.target].map(|address| *address == Address::Standard);
    let mistake = match is_standard {
        [true, true] => Some("only one end can be the standard input and output"),
        [false, false] => None,
        _ if args.keep_open => Some("the standard input and output are there only once"),
        _ => None,
    };
    if let Some(mistake) = mistake {
        return wrong_use("relay", ErrorKind::ArgumentConflict, mistake);
    }
    let (out, colored) = colors::screen(is_standard.contains(&true));
    let mut out = io::BufWriter::new(out);
    let look = Look { json: args.json, colored, connection: None };
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return failed(format_args!("{error}")),
    };
    let code = runtime.block_on(pass_on(args, look, &mut out));
    runtime.shutdown_background(); // it may be reading what nobody sends
    code.unwrap_or_else(|error| output::failed(&error))
}

/// Fails if there is no writing.
async fn pass_on(args: &Args, look: Look, out: &mut dyn Write) -> io::Result<u8> {
    transport::end_when_interrupted();
    // One for all of it, so that no signal is lost between two conversations.
    let mut interrupted = pin!(transport::interrupted());
    let listened = tokio::select! {
        listened = Listener::bind(&args.listen, None) => listened,
        code = &mut interrupted => return Ok(code),
    };
    let (listener, local) = match listened {
        Ok(listened) => listened,
        Err(error) => return Ok(failed(format_args!("{}: {error}", args.listen))),
    };
    // Only now, as a relay that does not listen must not empty the file of one that does. But
    // that it cannot be written is to be known before a client comes.
    let (mut recording, mut file_number) = (None, 1);
    match &args.record {
        Some(path) if args.keep_open => {
            let tried = Recording::create_next(path, &mut file_number)?;
            let _ = std::fs::remove_file(&tried.path);
        }
        Some(path) => recording = Some(Recording::create(path)?),
        None => {}
    }
    tell(format_args!("{}", Line::Listening(&local.to_string()).line(args.json)));
    let mut entrance = Entrance { listener, opening: JoinSet::new() };
    let mut number = 0;
    loop {
        let ends = tokio::select! {
            ends = ends(&mut entrance, args) => ends,
            code = &mut interrupted => return Ok(code),
        };
        let Ends { client, server, peer, start, since_1970 } = match ends {
            Ok(ends) => ends,
            Err((address, error)) => {
                let code = failed(format_args!("{address}: {error}"));
                if !args.keep_open {
                    return Ok(code);
                }
                tokio::select! {
                    () = sleep(PAUSE) => continue,
                    code = &mut interrupted => return Ok(code),
                }
            }
        };
        let mut look = look;
        if args.keep_open {
            number += 1;
            look.connection = Some(number);
            if let Some(path) = &args.record {
                recording = Some(Recording::create_next(path, &mut file_number)?);
            }
        }
        let screen = Timed::new(look, Handshake::Expected);
        match number {
            0 => screen.heading(out)?,
            number => {
                let parties = Parties::new(peer, args.target.to_string(), since_1970);
                screen.connection(out, number, &parties)?;
            }
        }
        let recorder = recording.take().map(|file| Recorder::new(file, since_1970)).transpose()?;
        let passing =
            RefCell::new(Passing { screen, out, recorder, start, has_ended: [false; 2], fault: 0 });
        let stopped = tokio::select! {
            passed = relay((client, &args.listen), (server, &args.target), &passing) => {
                passed?;
                None
            }
            code = &mut interrupted => Some(code),
        };
        let Passing { screen, has_ended, fault, .. } = passing.into_inner();
        let code_of_the_ended = screen.code();
        let mut code = screen.finish(out)?;
        if has_ended[Side::Client as usize] {
            code = code_of_the_ended; // nobody is there for the rest
        }
        if code != BAD_INPUT && fault != 0 {
            code = fault;
        }
        if stopped.is_some() || !args.keep_open {
            return Ok(stopped.unwrap_or(code));
        }
    }
}

/// Its errors tell that it is not the output that cannot be written.
struct Recording {
    file: io::BufWriter<File>,
    path: PathBuf,
}

impl Recording {
    fn create(path: &Path) -> io::Result<Self> {
        Self::new(File::create(path), path.to_owned())
    }

    /// The first of FILE.1, FILE.2, and so on, from this number, that is not there: what was
    /// recorded before stays.
    fn create_next(file: &Path, number: &mut u64) -> io::Result<Self> {
        loop {
            let mut path = file.to_owned().into_os_string();
            path.push(format!(".{number}"));
            match File::create_new(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => *number += 1,
                created => return Self::new(created, path.into()),
            }
        }
    }

    fn new(file: io::Result<File>, path: PathBuf) -> io::Result<Self> {
        let file = file.map_err(|error| named(&path, &error))?;
        Ok(Self { file: io::BufWriter::new(file), path })
    }
}

impl Write for Recording {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes).map_err(|error| named(&self.path, &error))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush().map_err(|error| named(&self.path, &error))
    }
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::other(format!("{}: {error}", path.display()))
}

/// A client that has come, and the server that it is connected to.
struct Ends {
    client: Stream,
    server: Stream,
    peer: String,
    /// When the client came, by both clocks.
    start: Instant,
    since_1970: Duration,
}

/// Waits for the next client, and connects to the server.
async fn ends<'a>(
    entrance: &mut Entrance,
    args: &'a Args,
) -> Result<Ends, (&'a Address, io::Error)> {
    let Args { listen, target, .. } = args;
    let (client, peer) = entrance.client(args).await.map_err(|e| (listen, e))?;
    let start = Instant::now();
    let since_1970 = wire::since_1970();
    let server = transport::connect(target, start + CONNECT).await.map_err(|e| (target, e))?;
    Ok(Ends { client, server, peer, start, since_1970 })
}

/// Where clients come. Those who come while another is there wait where they are: they have a
/// connection, and nobody reads what they say.
struct Entrance {
    listener: Listener,
    /// Those who are to open a WebSocket. They do it beside each other: browsers make connections
    /// that say nothing until they are needed.
    opening: JoinSet<(String, io::Result<Stream>)>,
}

impl Entrance {
    /// The next client. Who opens no WebSocket is told, and is none.
    async fn client(&mut self, args: &Args) -> io::Result<(Stream, String)> {
        loop {
            let accepting = async {
                if !args.keep_open {
                    return self.listener.accept().await;
                }
                let told = |line: &Line<'_>| tell(format_args!("{}", line.line(args.json)));
                Ok(self.listener.accept_at_last(told).await)
            };
            tokio::select! {
                Some(opened) = self.opening.join_next() => match opened {
                    Ok((peer, Ok(client))) => return Ok((client, peer)),
                    Ok((peer, Err(error))) => complain(format_args!("{peer}: {error}")),
                    Err(error) => complain(format_args!("{error}")),
                },
                accepted = accepting, if self.opening.len() < OPENING => {
                    let (accepted, peer) = accepted?.ok_or(io::ErrorKind::UnexpectedEof)?;
                    if let Accepted::Open(client) = accepted {
                        return Ok((client, peer));
                    }
                    self.opening.spawn(async {
                        let opened = async { accepted.open().await?.into_stream().await };
                        let too_long = || io::Error::other("no WebSocket: it took too long");
                        let opened = timeout(CONNECT, opened).await;
                        (peer, opened.unwrap_or_else(|_| Err(too_long())))
                    });
                }
            }
        }
    }
}

/// What passes is shown, and recorded.
struct Passing<'o> {
    screen: Timed,
    out: &'o mut dyn Write,
    recorder: Option<Recorder<Recording>>,
    start: Instant,
    /// Who has said all.
    has_ended: [bool; 2],
    /// The exit code for what has failed, or 0.
    fault: u8,
}

impl Passing<'_> {
    fn note(&mut self, side: Side, bytes: &[u8]) -> io::Result<()> {
        self.has_ended[side as usize] |= bytes.is_empty();
        // As it is in the recording, so that both are shown alike.
        let time = Duration::from_micros(self.start.elapsed().as_micros() as u64);
        if let Some(recorder) = &mut self.recorder {
            recorder.piece(side, time, bytes)?;
        }
        self.screen.take(self.out, side, time, bytes)
    }

    /// What a side does not take is a fault, unless it has closed: a client may leave while
    /// something is under way to it.
    fn not_taken(&mut self, by: Side, error: &io::Error, code: u8) {
        let has_closed = match error.kind() {
            io::ErrorKind::BrokenPipe => true,
            io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => {
                self.has_ended[by as usize]
            }
            _ => false,
        };
        if !has_closed {
            self.failed(code);
        }
    }

    fn failed(&mut self, code: u8) {
        self.fault = self.fault.max(code);
    }
}

/// Passes on a conversation until it is over. It fails if it cannot be shown or recorded.
async fn relay(
    client: (Stream, &Address),
    server: (Stream, &Address),
    passing: &RefCell<Passing<'_>>,
) -> io::Result<()> {
    let ((client, listened), (server, target)) = (client, server);
    let (from_client, to_client) = split(client);
    let (from_server, to_server) = split(server);
    let is_line = listened.is_serial() || target.is_serial();
    let direction = |side, from, (mut to, lost)| async move {
        pass(side, from, (&mut to, lost), is_line, passing).await?;
        let _ = timeout(LAST_WORDS, to.shutdown()).await;
        // A half of it would keep it open; both are dropped at the end.
        io::Result::Ok(to)
    };
    let lost = |to: &Address| if *to == Address::Standard { NO_OUTPUT } else { NO_ANSWER };
    let mut requests = pin!(direction(Side::Client, from_client, (to_server, lost(target))));
    let mut answers = pin!(direction(Side::Server, from_server, (to_client, lost(listened))));
    tokio::select! {
        ended = &mut requests => {
            let _to_server = ended?;
            if target.hangs_up() && listened.closes_by_halves() {
                answers.await?;
            } else if !is_over(is_line, passing) {
                timeout(LAST_WORDS, answers).await.map_or(Ok(()), |ended| ended.map(drop))?;
            }
        }
        ended = &mut answers => {
            let _to_client = ended?;
            let time = if listened.hangs_up() { CLIENT_LINGERS } else { LAST_WORDS };
            if !is_over(is_line, passing) {
                timeout(time, requests).await.map_or(Ok(()), |ended| ended.map(drop))?;
            }
        }
    }
    Ok(())
}

/// On a line that never hangs up, a protocol error is the end.
fn is_over(is_line: bool, passing: &RefCell<Passing<'_>>) -> bool {
    is_line && passing.borrow().screen.has_closed()
}

/// Passes on what a side says, to the end. The exit code is for what the other does not take.
async fn pass(
    side: Side,
    mut from: ReadHalf<Stream>,
    (to, lost): (&mut WriteHalf<Stream>, u8),
    is_line: bool,
    passing: &RefCell<Passing<'_>>,
) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    loop {
        let read = from.read(&mut piece).await.unwrap_or_else(|error| {
            tell(format_args!("{side}: {error}"));
            passing.borrow_mut().failed(NO_ANSWER);
            0
        });
        passing.borrow_mut().note(side, &piece[..read])?;
        if read == 0 {
            return Ok(());
        }
        if let Err(error) = to.write_all(&piece[..read]).await {
            tell(format_args!("{side}: not passed on: {error}"));
            passing.borrow_mut().not_taken(side.other(), &error, lost);
            return Ok(());
        }
        if is_over(is_line, passing) {
            return Ok(());
        }
    }
}

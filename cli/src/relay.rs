//! The relay: stands between two ends of a conversation, passes on what each says, and shows
//! it.
//!
//! The bytes go on as they are, also those that are no Gotalk. Each direction has one buffer,
//! which is filled when all of it has been passed on, so the memory is fixed, and an end that
//! does not read stops the other as it would without a relay.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Write};
use std::pin::pin;
use std::time::{Duration, Instant};

use clap::error::ErrorKind;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::time::timeout;

use crate::address::Address;
use crate::args::Relay as Args;
use crate::colors;
use crate::inspect::{Handshake, Look, Recorder, Side, Timed};
use crate::output::{self, tell};
use crate::serial::GOODBYE;
use crate::transport::{self, Listener, Stream};
use crate::{CONNECT, failed, runtime, wrong_use};

/// How much is passed on at once.
const PIECE: usize = 16 * 1024;
/// How long the client may go on when the server has ended.
const CLIENT_LINGERS: Duration = Duration::from_secs(10);
/// How long an end may go on that is not told, as it does not see when a transport ends.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Does all that is asked for, and gives the exit code.
pub(crate) fn run(args: &Args) -> u8 {
    let is_standard = [&args.listen, &args.target].map(|address| *address == Address::Standard);
    if is_standard == [true; 2] {
        let mistake = "only one end can be the standard input and output";
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
    let recorder = match &args.record {
        None => None,
        Some(path) => {
            let file: Box<dyn Write> = Box::new(io::BufWriter::new(File::create(path)?));
            Some(Recorder::new(file)?)
        }
    };
    let Args { listen, target, .. } = args;
    let ends = async {
        let (mut listener, local) = Listener::bind(listen).await.map_err(|e| (listen, e))?;
        tell(format_args!("{local}"));
        let closed = || (listen, io::ErrorKind::UnexpectedEof.into());
        let (client, _) = listener.accept().await.map_err(|e| (listen, e))?.ok_or_else(closed)?;
        let opened = timeout(CONNECT, client.open()).await;
        let client = opened.unwrap_or_else(|e| Err(e.into())).map_err(|e| (listen, e))?;
        let start = Instant::now();
        let server = transport::connect(target, start + CONNECT).await.map_err(|e| (target, e))?;
        Ok((client, server, start))
    };
    let (client, server, start) = tokio::select! {
        ends = ends => match ends {
            Ok(ends) => ends,
            Err::<_, (&Address, io::Error)>((address, error)) => {
                return Ok(failed(format_args!("{address}: {error}")));
            }
        },
        code = transport::interrupted() => return Ok(code),
    };
    let screen = Timed::new(look, Handshake::Expected);
    screen.heading(out)?;
    let passing = RefCell::new(Passing { screen, out, recorder, start });
    let interrupted = tokio::select! {
        passed = relay((client, listen), (server, target), &passing) => {
            passed?;
            None
        }
        code = transport::interrupted() => Some(code),
    };
    let Passing { screen, out, .. } = passing.into_inner();
    let code = screen.finish(out)?;
    Ok(interrupted.unwrap_or(code))
}

/// What passes is shown, and recorded.
struct Passing<'o> {
    screen: Timed,
    out: &'o mut dyn Write,
    recorder: Option<Recorder<Box<dyn Write>>>,
    start: Instant,
}

impl Passing<'_> {
    fn note(&mut self, side: Side, bytes: &[u8]) -> io::Result<()> {
        // As it is in the recording, so that both are shown alike.
        let time = Duration::from_micros(self.start.elapsed().as_micros() as u64);
        if let Some(recorder) = &mut self.recorder {
            recorder.piece(side, time, bytes)?;
        }
        self.screen.take(self.out, side, time, bytes)
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
    let direction = |side, from, to, address| {
        let is_serial = Address::is_serial(address);
        async move {
            let mut to = to;
            pass(side, from, &mut to, is_line, passing).await?;
            let goodbye = async {
                if is_serial && !passing.borrow().screen.has_closed() {
                    to.write_all(GOODBYE).await?;
                }
                to.shutdown().await
            };
            let _ = timeout(LAST_WORDS, goodbye).await;
            // A half of it would keep it open; both are dropped at the end.
            io::Result::Ok(to)
        }
    };
    let mut requests = pin!(direction(Side::Client, from_client, to_server, target));
    let mut answers = pin!(direction(Side::Server, from_server, to_client, listened));
    tokio::select! {
        ended = &mut requests => {
            let _to_server = ended?;
            if target.hangs_up() {
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

/// Passes on what a side says, to the end.
async fn pass(
    side: Side,
    mut from: ReadHalf<Stream>,
    to: &mut WriteHalf<Stream>,
    is_line: bool,
    passing: &RefCell<Passing<'_>>,
) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    loop {
        let read = from.read(&mut piece).await.unwrap_or_else(|error| {
            tell(format_args!("{side}: {error}"));
            0
        });
        passing.borrow_mut().note(side, &piece[..read])?;
        if read == 0 {
            return Ok(());
        }
        if let Err(error) = to.write_all(&piece[..read]).await {
            tell(format_args!("{side}: not passed on: {error}"));
            return Ok(());
        }
        if is_over(is_line, passing) {
            return Ok(());
        }
    }
}

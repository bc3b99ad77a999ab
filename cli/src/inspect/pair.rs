//! Both directions as they come.
//!
//! Each direction is read by a thread of its own, which reads once whenever it is asked
//! to: so a pipe on which nothing comes, or that nobody has opened yet, holds up nothing
//! but its own messages, and no more than one piece of each waits in memory. A file
//! always has its next message ready, and so the output for two files is always the same.
//! Beside a pipe a message waits a moment for what may belong before it, and no longer.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use super::capture::{self, Capture, Ending, Handshake, Progress, Record};
use super::conversation::{Conversation, Turn};
use super::timed::worst;
use super::{Heading, Report, Side, Stop};
use crate::escape;

/// How long a message waits for those of the other side that may come before it.
const MOMENT: Duration = Duration::from_millis(100);
/// How long a result waits for its request.
const PATIENCE: Duration = Duration::from_secs(1);

/// What a thread has read: nothing at the end.
type Piece = (Side, io::Result<Vec<u8>>);

/// A direction with its next message taken out, so that it can be looked at.
struct Lane {
    side: Side,
    name: String,
    /// Whether it can wait for input for longer than a disk does.
    live: bool,
    capture: Capture,
    head: Option<Record>,
    ending: Option<Ending>,
    /// Asks the thread for the next piece.
    ask: Sender<()>,
    /// A piece has been asked for and is not here.
    asked: bool,
    /// When it was asked for the last piece, and when that came.
    asked_at: Instant,
    arrived_at: Instant,
}

/// Shows both directions as one conversation, and gives the exit code.
pub(super) fn show(
    client: &OsStr,
    server: &OsStr,
    handshake: Handshake,
    report: &mut Report<'_>,
) -> Result<u8, Stop> {
    let (sender, pieces) = mpsc::channel();
    let mut lanes = [
        Lane::open(Side::Client, client, handshake, sender.clone())?,
        Lane::open(Side::Server, server, handshake, sender)?,
    ];
    report.heading(Heading::Pair)?;
    let mut conversation = Conversation::new();
    loop {
        for lane in &mut lanes {
            lane.advance();
        }
        match next(&conversation, &lanes) {
            Next::Show(side) => {
                let other_ended = lanes[side.other() as usize].is_over();
                let Some(record) = lanes[side as usize].head.take() else { break };
                let remark = conversation.shown(side, &record, other_ended);
                report.record(Some(side), None, &record, remark)?;
            }
            Next::Wait(until) => {
                report.out.flush()?; // what is known by now is to be seen
                let Some((side, piece)) = receive(&pieces, until) else { continue };
                lanes[side as usize].take(piece)?;
            }
            Next::End => break,
        }
    }
    let mut codes = Vec::new();
    for Lane { side, capture, ending, .. } in &mut lanes {
        codes.push(report.ending(Some(*side), capture, ending.as_ref(), &mut io::empty())?);
    }
    Ok(worst(&codes))
}

enum Next {
    Show(Side),
    /// For the next piece, but not longer than until then.
    Wait(Option<Instant>),
    End,
}

fn next(conversation: &Conversation, lanes: &[Lane; 2]) -> Next {
    let [client, server] = lanes;
    let (lane, other) = match (client.asked, server.asked) {
        (false, false) => {
            let side = conversation.next(client.head.as_ref(), server.head.as_ref());
            return side.map_or(Next::End, Next::Show);
        }
        (true, true) => return Next::Wait(None),
        (false, true) => (client, server),
        (true, false) => (server, client),
    };
    // One waits for input.
    let due = match (&lane.head, &lane.ending) {
        _ if !other.live => return Next::Wait(None),
        (Some(head), _) => match conversation.turn(lane.side, head, None) {
            Turn::Answer => return Next::Show(lane.side),
            Turn::Free => other.asked_at.min(lane.arrived_at) + MOMENT,
            Turn::Later => lane.arrived_at + PATIENCE,
        },
        // Bad input is told at once, and not when the other side has no more to say.
        (None, Some(Ending::Bad(_))) => lane.arrived_at + MOMENT,
        (None, _) => return Next::Wait(None),
    };
    match (due > Instant::now(), lane.head.is_some()) {
        (true, _) => Next::Wait(Some(due)),
        (false, true) => Next::Show(lane.side),
        (false, false) => Next::End,
    }
}

/// The next piece, or nothing if that takes too long.
fn receive(pieces: &Receiver<Piece>, until: Option<Instant>) -> Option<Piece> {
    match until {
        None => pieces.recv().ok(),
        Some(until) => pieces.recv_timeout(until.saturating_duration_since(Instant::now())).ok(),
    }
}

impl Lane {
    fn open(
        side: Side,
        file: &OsStr,
        handshake: Handshake,
        pieces: Sender<Piece>,
    ) -> Result<Self, Stop> {
        let (name, live) = match file == "-" {
            true => ("the standard input".to_owned(), true),
            false => {
                let name = escape::plain(&file.to_string_lossy());
                match fs::metadata(file) {
                    Ok(metadata) => (name, !metadata.is_file()),
                    Err(error) => return Err(Stop::Input(error).of(&name)),
                }
            }
        };
        let (ask, asked) = mpsc::channel();
        let file = file.to_owned();
        // It ends when there is nobody to ask it, or with the process.
        thread::spawn(move || read(side, &file, &asked, &pieces));
        let now = Instant::now();
        Ok(Self {
            side,
            name,
            live,
            capture: Capture::new(handshake, capture::PIECE),
            head: None,
            ending: None,
            ask,
            asked: false,
            asked_at: now,
            arrived_at: now,
        })
    }

    /// Goes on to the next message, and asks for input if it is not all there.
    fn advance(&mut self) {
        if self.asked || self.head.is_some() || self.ending.is_some() {
            return;
        }
        match self.capture.advance() {
            Progress::Message(record) => self.head = Some(record),
            Progress::End(ending) => self.ending = Some(ending),
            Progress::NeedsInput => {
                self.asked = true;
                self.asked_at = Instant::now();
                // Without a thread the reason why is under way already.
                let _ = self.ask.send(());
            }
        }
    }

    /// Takes a piece.
    fn take(&mut self, piece: io::Result<Vec<u8>>) -> Result<(), Stop> {
        let taken = piece.and_then(|piece| self.capture.fill(&mut piece.as_slice()));
        self.asked = false;
        self.arrived_at = Instant::now();
        taken.map_err(|error| Stop::Input(error).of(&self.name))
    }

    fn is_over(&self) -> bool {
        self.head.is_none() && self.ending.is_some()
    }
}

/// What the thread of a side does. To open a named pipe takes until its other end is open.
fn read(side: Side, file: &OsStr, asked: &Receiver<()>, pieces: &Sender<Piece>) {
    let opened: io::Result<Box<dyn Read>> = match file == "-" {
        true => Ok(Box::new(io::stdin())),
        false => File::open(file).map(|file| Box::new(file) as _),
    };
    let mut source = match opened {
        Ok(source) => source,
        Err(error) => {
            let _ = pieces.send((side, Err(error)));
            return;
        }
    };
    for () in asked {
        let mut piece = vec![0; capture::PIECE];
        let read = capture::read(&mut source, &mut piece).map(|read| {
            piece.truncate(read);
            piece
        });
        if pieces.send((side, read)).is_err() {
            return;
        }
    }
}

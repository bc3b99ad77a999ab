//! What `serve` has to tell, and where `relay` listens, a line each: for people, or as JSON.

use std::io;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};

use crate::escape;
use crate::json::Object;
use crate::text::{self, Excerpt};

/// How much of the payload of a notification a program gets.
const MOST_JSON: usize = 16 * 1024;
/// How much waits for whoever prints it, in bytes.
const MOST_WAITING: usize = 8 << 20;

pub(crate) enum Line<'a> {
    /// Where it listens.
    Listening(&'a str),
    NotAccepted(&'a io::Error),
    AcceptingAgain,
    Notification {
        peer: &'a str,
        name: &'a [u8],
        payload: &'a Excerpt,
    },
    /// A notification whose name was not read.
    NameTooLong {
        peer: &'a str,
        len: u16,
    },
    /// A command did not do well.
    Failed {
        peer: &'a str,
        op: &'a [u8],
        why: &'a str,
    },
    Closed {
        peer: &'a str,
        why: &'a dyn std::fmt::Display,
    },
    /// So many lines found no room.
    Dropped(usize),
}

impl Line<'_> {
    pub(crate) fn line(&self, is_json: bool) -> String {
        if is_json { self.json() } else { self.text() }
    }

    fn text(&self) -> String {
        match self {
            Self::Listening(address) => (*address).to_owned(),
            Self::NotAccepted(error) => format!("not accepted: {error}; trying again"),
            Self::AcceptingAgain => "accepting again".to_owned(),
            Self::Notification { peer, name, payload } => {
                format!("notification from {peer}: {} {payload}", text::name(name))
            }
            Self::NameTooLong { peer, len } => {
                format!("notification from {peer}: a name of {len} bytes")
            }
            Self::Failed { peer, op, why } => {
                format!("failed for {peer}: {}: {}", text::name(op), escape::plain(why))
            }
            Self::Closed { peer, why } => format!("closed {peer}: {why}"),
            Self::Dropped(1) => "1 line was dropped".to_owned(),
            Self::Dropped(lines) => format!("{lines} lines were dropped"),
        }
    }

    fn json(&self) -> String {
        let mut object;
        match self {
            Self::Listening(address) => {
                object = Object::new("listening");
                object.set("address", *address);
            }
            Self::NotAccepted(error) => {
                object = Object::new("not_accepted");
                object.set("error", error.to_string());
            }
            Self::AcceptingAgain => object = Object::new("accepting_again"),
            Self::Notification { peer, name, payload } => {
                object = Object::new("notification");
                object.set("peer", *peer);
                object.name(name);
                object.set("size", payload.size());
                object.payload(&payload.preview(), payload.is_cut());
            }
            Self::NameTooLong { peer, len } => {
                object = Object::new("notification");
                object.set("peer", *peer);
                object.set("name_too_long", *len);
            }
            Self::Failed { peer, op, why } => {
                object = Object::new("failed");
                object.set("peer", *peer);
                object.name(op);
                object.set("error", *why);
            }
            Self::Closed { peer, why } => {
                object = Object::new("closed");
                object.set("peer", *peer);
                object.set("error", why.to_string());
            }
            Self::Dropped(lines) => {
                object = Object::new("dropped");
                object.set("lines", *lines);
            }
        }
        object.line()
    }
}

/// Lines, and those who take them: [`Lines`] ends with the last [`Log`].
pub(crate) fn log(is_json: bool) -> (Log, Lines) {
    let waiting = Arc::default();
    let (wake, woken) = mpsc::sync_channel(1);
    let lines = Lines { waiting: Arc::clone(&waiting), woken };
    (Log { waiting, wake, is_json }, lines)
}

/// Takes the lines to whoever prints them, and never waits: what finds no room is dropped, and
/// counted.
#[derive(Clone)]
pub(crate) struct Log {
    waiting: Arc<Mutex<Waiting>>,
    wake: SyncSender<()>,
    is_json: bool,
}

#[derive(Default)]
struct Waiting {
    /// Each line with its line feed.
    text: String,
    /// How many lines behind it found no room.
    dropped: usize,
}

impl Log {
    /// Keeps as much of the payload of a notification as is told.
    pub(crate) fn excerpt(&self) -> Excerpt {
        if self.is_json { Excerpt::new(MOST_JSON) } else { Excerpt::default() }
    }

    pub(crate) fn tell(&self, line: &Line<'_>) {
        let line = line.line(self.is_json);
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        // A short line does not overtake a long one, so it is known where lines are missing.
        if waiting.dropped > 0 || waiting.text.len() + line.len() >= MOST_WAITING {
            waiting.dropped += 1;
        } else {
            waiting.text.push_str(&line);
            waiting.text.push('\n');
        }
        drop(waiting);
        let _ = self.wake.try_send(()); // one that is on its way will do
    }
}

/// All lines that wait, at once, and how many were dropped behind them; again and again.
pub(crate) struct Lines {
    waiting: Arc<Mutex<Waiting>>,
    woken: Receiver<()>,
}

impl Iterator for Lines {
    type Item = (String, usize);

    fn next(&mut self) -> Option<(String, usize)> {
        self.woken.recv().ok()?;
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let Waiting { text, dropped } = std::mem::take(&mut *waiting);
        Some((text, dropped))
    }
}

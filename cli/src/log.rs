//! What `serve` has to tell, and where `relay` listens, a line each: for people, or as JSON.

use std::io;
use std::sync::mpsc::SyncSender;

use crate::escape;
use crate::json::Object;
use crate::text::{self, Excerpt};

/// How much of the payload of a notification a program gets.
const MOST_JSON: usize = 16 * 1024;

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
        }
        object.line()
    }
}

/// Takes the lines to whoever prints them, and never waits: if nobody takes them, they are
/// lost.
#[derive(Clone)]
pub(crate) struct Log {
    pub(crate) lines: SyncSender<String>,
    pub(crate) is_json: bool,
}

impl Log {
    /// Keeps as much of the payload of a notification as is told.
    pub(crate) fn excerpt(&self) -> Excerpt {
        if self.is_json { Excerpt::new(MOST_JSON) } else { Excerpt::default() }
    }

    pub(crate) fn tell(&self, line: &Line<'_>) {
        let _ = self.lines.try_send(line.line(self.is_json));
    }
}

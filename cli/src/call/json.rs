//! What a call shows to programs: one JSON object a line, as `gotalk inspect --json` has them.

use std::fmt;
use std::io;
use std::task::{Context, Poll};

use crate::client::{Show, What};
use crate::json::Object;
use crate::output::{Sink, tell};
use crate::text::Preview;

/// How many bytes of a payload stand in an object at most: a longer one comes in several.
const PIECE: usize = 1 << 20;

pub(crate) struct Json<W> {
    out: W,
    begun: Begun,
    /// What of the payload has come, and is not yet shown.
    held: Vec<u8>,
    size: u32,
    shown: usize,
}

/// What the payload is for.
enum Begun {
    Plain(&'static str),
    Retry(u32),
    Notification(Vec<u8>),
}

impl<W: Sink> Json<W> {
    pub(crate) fn new(out: W) -> Self {
        Self { out, begun: Begun::Plain(""), held: Vec::new(), size: 0, shown: 0 }
    }

    /// Shows the next bytes of the payload.
    fn object(&mut self, len: usize) -> io::Result<()> {
        let mut object = match &self.begun {
            Begun::Plain(kind) => Object::new(kind),
            Begun::Retry(wait_ms) => {
                let mut object = Object::new("retry_result");
                object.set("wait_ms", *wait_ms);
                object
            }
            Begun::Notification(name) => {
                let mut object = Object::new("notification");
                object.name(name);
                object
            }
        };
        object.set("size", self.size);
        object.payload(&Preview::new(&self.held[..len], false), false);
        self.held.drain(..len);
        self.shown += len;
        match self.size as usize - self.shown {
            0 => {}
            remaining => object.set("remaining", remaining),
        }
        object.end(&mut self.out)
    }
}

impl<W: Sink> Show for Json<W> {
    fn begin(&mut self, what: What<'_>, size: u32) -> io::Result<()> {
        self.begun = match what {
            What::Result => Begun::Plain("single_result"),
            What::Part => Begun::Plain("stream_result"),
            What::Error => Begun::Plain("error_result"),
            What::Retry { wait_ms } => Begun::Retry(wait_ms),
            What::Notification(name) => Begun::Notification(name.as_bytes().to_vec()),
        };
        self.held.clear();
        (self.size, self.shown) = (size, 0);
        Ok(())
    }

    fn piece(&mut self, data: &[u8], remaining: u32) -> io::Result<()> {
        self.held.extend_from_slice(data);
        while self.held.len() >= PIECE {
            // A character that goes on behind it comes with the next one.
            let len = match std::str::from_utf8(&self.held[..PIECE]) {
                Err(error) if error.error_len().is_none() => error.valid_up_to(),
                _ => PIECE,
            };
            self.object(len)?;
        }
        if remaining == 0 && (!self.held.is_empty() || self.shown == 0) {
            return self.object(self.held.len());
        }
        Ok(())
    }

    fn note(&mut self, text: fmt::Arguments<'_>) {
        tell(text);
    }

    fn end(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn poll_written(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.out.poll_written(cx)
    }
}

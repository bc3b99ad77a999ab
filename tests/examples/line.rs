//! A transport in memory that watches whoever uses it.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};

use crate::device::Uart;
use crate::support::oracle::{self, End, Event, Header};

/// How the transport behaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Manner {
    /// Every call does all that it can.
    Smooth,
    /// A write takes this many bytes at most.
    Partial(usize),
    /// Every second call is interrupted by a signal.
    Interrupted,
    /// Every second call would block, and a write takes three bytes at most.
    NonBlocking,
}

/// A peer that says what it has to say, piece by piece, and then leaves. It panics if the
/// other end reads while it still has something to send, after a protocol error of either
/// end, or after the end of input.
pub struct Line {
    pieces: RefCell<VecDeque<Vec<u8>>>,
    sent: RefCell<Vec<u8>>,
    flushed: Cell<usize>,
    manner: Manner,
    calls: Cell<usize>,
    received: Cell<usize>,
    /// Where the peer's protocol error ends, if it sends one.
    closed_at: Option<usize>,
    ended: Cell<bool>,
}

impl Line {
    pub fn new(pieces: &[&[u8]], manner: Manner) -> Self {
        let reading = oracle::read(&pieces.concat(), usize::MAX, true);
        let closed_at = reading.events.iter().find_map(|event| match event {
            Event::Header { header: Header { kind: b'f', .. }, end } => Some(*end as usize),
            _ => None,
        });
        let pieces = pieces.iter().filter(|piece| !piece.is_empty());
        Self {
            pieces: RefCell::new(pieces.map(|piece| piece.to_vec()).collect()),
            sent: RefCell::default(),
            flushed: Cell::new(0),
            manner,
            calls: Cell::new(0),
            received: Cell::new(0),
            closed_at,
            ended: Cell::new(false),
        }
    }

    pub fn into_sent(self) -> Vec<u8> {
        assert_eq!(self.flushed.get(), self.sent.borrow().len(), "the last bytes were not flushed");
        self.sent.into_inner()
    }

    fn disturb(&self) -> io::Result<()> {
        let calls = self.calls.get();
        self.calls.set(calls + 1);
        match self.manner {
            Manner::Interrupted if calls % 2 == 0 => Err(ErrorKind::Interrupted.into()),
            Manner::NonBlocking if calls % 2 == 0 => Err(ErrorKind::WouldBlock.into()),
            _ => Ok(()),
        }
    }

    fn is_refused(&self) -> bool {
        let sent = self.sent.borrow();
        // The oracle takes its time. It is asked only if the last bytes look like `f`.
        sent.len() >= 9
            && sent[sent.len() - 9..].starts_with(b"f0000000")
            && oracle::read(&sent, usize::MAX, true).end == End::Closed
    }
}

impl Read for &Line {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if self.manner != Manner::NonBlocking {
            let unsent = self.sent.borrow().len() - self.flushed.get();
            assert_eq!(unsent, 0, "it waits for the peer, which waits for an answer");
            let is_closed = self.closed_at.is_some_and(|end| self.received.get() >= end);
            assert!(!is_closed, "it reads after the peer's protocol error");
        }
        assert!(!self.is_refused(), "it reads after its protocol error");
        self.disturb()?;
        let mut pieces = self.pieces.borrow_mut();
        let Some(mut piece) = pieces.pop_front() else {
            assert!(!self.ended.replace(true), "it reads after the end of input");
            return Ok(0);
        };
        let len = piece.len().min(to.len());
        to[..len].copy_from_slice(&piece[..len]);
        piece.drain(..len);
        self.received.set(self.received.get() + len);
        if !piece.is_empty() {
            pieces.push_front(piece);
        }
        Ok(len)
    }
}

impl Write for &Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.disturb()?;
        let len = match self.manner {
            Manner::Partial(most) => bytes.len().min(most),
            Manner::NonBlocking => bytes.len().min(3),
            Manner::Smooth | Manner::Interrupted => bytes.len(),
        };
        self.sent.borrow_mut().extend(&bytes[..len]);
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.flushed.set(self.sent.borrow().len());
        Ok(())
    }
}

/// A UART sends at once and waits as long as it takes. Here no time passes.
impl Uart for &Line {
    fn now(&mut self) -> u32 {
        0
    }

    fn read(&mut self, to: &mut [u8], wait_ms: Option<u32>) -> Option<usize> {
        assert_eq!(wait_ms, Some(20_000), "it waits until the next heartbeat");
        match Read::read(self, to) {
            Err(error) if error.kind() == ErrorKind::Interrupted => Some(0),
            result => Some(result.expect("a line that holds")).filter(|len| *len > 0),
        }
    }

    fn write_all(&mut self, bytes: &[u8]) {
        Write::write_all(self, bytes).and_then(|()| self.flush()).expect("a line that holds");
    }
}

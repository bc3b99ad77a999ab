//! A session on a transport that never blocks. It owns its buffers and knows nothing of the
//! program, so you can copy it.

use gotalk::{Assembler, Due, MessageType, Outgoing, Received, SendBuffer, SessionError};
use gotalk::{MAX_REPLY_LEN, Settings, Writer};
use std::error::Error;
use std::io::{self, ErrorKind, Read, Write};
use std::ops::Range;

/// Up to 4 requests at once, each way.
pub type Session = gotalk::Session<4, 4>;

/// The longest payload that is taken, and that an `App` may write for one message.
pub const MAX_PAYLOAD: usize = 128;
pub const STALL: u32 = 20_000; // milliseconds in which the peer takes nothing
/// Room for the answer to one message, and then for what the session writes by itself.
pub const ROOM: usize = MessageType::SingleResult.header_len(0) + MAX_PAYLOAD + MAX_REPLY_LEN;

/// What a program does with what comes.
pub trait App {
    /// Answers, or takes a result. It may write one message.
    fn receive(
        &mut self,
        now: u32,
        received: Received<'_, &[u8]>,
        session: &mut Session,
        writer: &mut Writer<'_>,
    ) -> Result<(), SessionError>;

    /// The request will have no result.
    fn give_up(&mut self, request: Outgoing);
}

/// One end of a conversation over `T`.
pub struct Link<T> {
    pub session: Session,
    pub transport: T,
    assembler: Assembler<MAX_PAYLOAD>,
    /// Room for the answers to all that the peer may have asked, and for a message of ours.
    tx: SendBuffer<{ 5 * ROOM }>,
    /// Since when the transport takes nothing.
    stalled: Option<u32>,
    rx: [u8; 256],
    unread: Range<usize>,
}

impl<T: Read + Write> Link<T> {
    pub fn new(transport: T, settings: Settings) -> Self {
        let session = Session::new(settings);
        let (assembler, tx) = (Assembler::new(), SendBuffer::new());
        Self { session, transport, assembler, tx, stalled: None, rx: [0; 256], unread: 0..0 }
    }

    /// Writes what `f` does, such as a request: up to `ROOM` bytes. On `None` take a turn, and try
    /// again: the room for an answer stays free, as two ends without it both stop reading.
    pub fn write<R>(&mut self, f: impl FnOnce(&mut Session, &mut Writer<'_>) -> R) -> Option<R> {
        let has_room = self.tx.available() >= 2 * ROOM;
        has_room.then(|| self.tx.write(|writer| f(&mut self.session, writer)))
    }

    /// Does all that can be done without waiting, and tells whether the conversation is over.
    /// Call it again when the transport is ready, or after `session.wait_ms`.
    ///
    /// It fails when the peer has taken nothing for `STALL`, also of the last word.
    pub fn turn(&mut self, now: u32, app: &mut impl App) -> Result<bool, Box<dyn Error>> {
        loop {
            while let Some(due) = self.tx.write(|writer| self.session.poll(now, writer))? {
                match due {
                    Due::TimedOut(request) | Due::Lost(request) => app.give_up(request),
                    Due::Close if !self.flush(now)? => return Ok(false),
                    Due::Close => return Ok(self.assembler.finish().map(|()| true)?),
                }
            }
            if !self.flush(now)? && self.tx.available() < ROOM {
                return Ok(false); // take no message whose answer may find no room
            }
            let unread = self.unread.clone();
            let (len, step) = self.assembler.step(&self.rx[unread.clone()]);
            self.unread.start += len;
            match step {
                Ok(Some(step)) => {
                    let item = self.assembler.item(&self.rx[unread], step);
                    let session = &mut self.session;
                    self.tx.write(|writer| {
                        let received = session.receive(now, item, writer)?;
                        app.receive(now, received, session, writer)
                    })?;
                }
                Ok(None) => match self.transport.read(&mut self.rx) {
                    Ok(0) => self.session.disconnected(),
                    Ok(len) => self.unread = 0..len,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) => return Err(error.into()),
                },
                Err(error) => self.session.fail(&error),
            }
        }
    }

    /// Sends what the transport takes now, and tells whether that was all.
    fn flush(&mut self, now: u32) -> io::Result<bool> {
        while !self.tx.is_empty() {
            let since = self.stalled.take().unwrap_or(now);
            match self.transport.write(self.tx.unsent()) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(len) => self.tx.sent(len),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.stalled = Some(since);
                    let is_late = now.wrapping_sub(since) >= STALL;
                    return if is_late { Err(ErrorKind::TimedOut.into()) } else { Ok(false) };
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.transport.flush().map(|()| true)
    }
}

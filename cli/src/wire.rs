//! A Gotalk connection over anything that reads and writes, in two halves.
//!
//! [`Incoming`] owns its input and hands out events that borrow it, which only
//! [`Parser::step`] allows: a step borrows nothing, and the event is made of it when
//! it is sure to be returned. [`Outgoing`] collects messages and keeps them whole:
//! nothing can be written into the middle of a payload. They are two types, and not
//! one with two buffers, so that an event can be answered while it is still borrowed.
//!
//! ```text
//! loop {
//!     while let Some(event) = incoming.next_event()? {
//!         // answer it with `outgoing`
//!     }
//!     outgoing.flush()?;          // before waiting, or the peer waits too
//!     if incoming.fill()? == 0 {
//!         return incoming.finish();
//!     }
//! }
//! ```

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use gotalk::{ErrorCode, Event, Frame, MAX_HEADER_LEN, Parser, WriteError, Writer};

/// The longest name that is read.
pub(crate) const NAME: usize = 255;
/// The size of each buffer, two a connection. Any header fits, and so does any message
/// that is written whole; a payload need not.
const BUFFER: usize = 8 * 1024;
const _: () = assert!(BUFFER > MAX_HEADER_LEN);

/// How often a heartbeat is due. Go peers give up after 30 seconds of silence.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(20);

/// The half that reads.
pub(crate) struct Incoming<R> {
    from: R,
    parser: Parser<NAME>,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
}

impl<R: Read> Incoming<R> {
    pub(crate) fn new(from: R) -> Self {
        let buffer = vec![0; BUFFER].into_boxed_slice();
        Self { from, parser: Parser::new(), buffer, start: 0, end: 0 }
    }

    /// The next event in what has been read; `None`: it is time to [`fill`](Self::fill).
    pub(crate) fn next_event(&mut self) -> Result<Option<Event<'_>>, gotalk::Error> {
        let unread = &self.buffer[self.start..self.end];
        let (used, step) = self.parser.step(unread);
        self.start += used;
        Ok(step?.map(|step| self.parser.event(unread, step)))
    }

    /// Reads once, if all that was read has been taken. 0: the input has ended.
    pub(crate) fn fill(&mut self) -> io::Result<usize> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            self.end = loop {
                match self.from.read(&mut self.buffer) {
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    result => break result?,
                }
            };
        }
        Ok(self.end - self.start)
    }

    /// Whether the input may end here: an error between the bytes of a message, and
    /// before the version.
    pub(crate) fn finish(&self) -> Result<(), gotalk::Error> {
        self.parser.finish()
    }
}

/// The half that writes. What is written waits for [`flush`](Self::flush), or until
/// there is no room for more.
pub(crate) struct Outgoing<W> {
    to: W,
    buffer: Box<[u8]>,
    len: usize,
    /// The bytes of an announced payload that are still to be written.
    owed: u32,
}

impl<W: Write> Outgoing<W> {
    pub(crate) fn new(to: W) -> Self {
        Self { to, buffer: vec![0; BUFFER].into_boxed_slice(), len: 0, owed: 0 }
    }

    /// Writes a small message: `send(|w| w.single_result(id, b"yes"))`.
    pub(crate) fn send(
        &mut self,
        write: impl Fn(&mut Writer<'_>) -> Result<(), WriteError>,
    ) -> io::Result<()> {
        if !self.is_whole() {
            return Err(io::Error::other("a message in the middle of a payload"));
        }
        loop {
            let mut writer = Writer::new(&mut self.buffer[self.len..]);
            match write(&mut writer) {
                Ok(()) => {
                    self.len += writer.len();
                    return Ok(());
                }
                Err(WriteError::BufferTooSmall { .. }) if self.len > 0 => self.flush()?,
                Err(error) => return Err(io::Error::new(ErrorKind::InvalidInput, error)),
            }
        }
    }

    /// Writes a header. The payload that it announces is to follow, in pieces of any
    /// size, through [`payload`](Self::payload); until then nothing else can be written.
    pub(crate) fn begin(&mut self, frame: &Frame<'_>) -> io::Result<()> {
        self.send(|writer| writer.frame(frame))?;
        self.owed = frame.payload_len().unwrap_or(0);
        Ok(())
    }

    /// Writes the next piece of the payload.
    pub(crate) fn payload(&mut self, data: &[u8]) -> io::Result<()> {
        let len = u32::try_from(data.len()).ok();
        self.owed = len
            .and_then(|len| self.owed.checked_sub(len))
            .ok_or_else(|| io::Error::other("more payload than was announced"))?;
        if data.len() > BUFFER - self.len {
            self.flush()?;
        }
        if data.len() > BUFFER {
            return self.to.write_all(data);
        }
        self.buffer[self.len..][..data.len()].copy_from_slice(data);
        self.len += data.len();
        Ok(())
    }

    /// Whether what has been written ends with a whole message.
    pub(crate) fn is_whole(&self) -> bool {
        self.owed == 0
    }

    /// Sends what has been written.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        let len = std::mem::take(&mut self.len);
        self.to.write_all(&self.buffer[..len])?;
        self.to.flush()
    }
}

/// Why a conversation ended.
#[derive(Debug)]
pub(crate) enum End {
    /// The peer closed where a message could have started.
    Closed,
    /// What came is not Gotalk, or was cut short.
    Protocol(gotalk::Error),
    /// The peer sent `f`.
    PeerGaveUp(ErrorCode),
    /// Nothing came in time.
    Silence,
    /// Not all came in time.
    TimeUp,
    /// The connection failed, or the peer does not read.
    Lost(io::Error),
    /// The result came, and cannot be written.
    Unprinted(io::Error),
}

impl End {
    /// What to tell the peer before closing, if anything.
    pub(crate) fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Protocol(error) => error.protocol_code(),
            Self::Silence | Self::TimeUp => Some(ErrorCode::TIMEOUT),
            Self::Closed | Self::PeerGaveUp(_) | Self::Lost(_) | Self::Unprinted(_) => None,
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the peer has closed"),
            Self::Protocol(error) => error.fmt(f),
            Self::PeerGaveUp(code) => write!(f, "the peer gave up: {code}"),
            Self::Silence => f.write_str("nothing came in time"),
            Self::TimeUp => f.write_str("the time is up"),
            Self::Lost(error) if timed_out(error) => f.write_str("the peer does not read"),
            Self::Lost(error) | Self::Unprinted(error) => error.fmt(f),
        }
    }
}

impl From<gotalk::Error> for End {
    fn from(error: gotalk::Error) -> Self {
        Self::Protocol(error)
    }
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        Self::Lost(error)
    }
}

/// Whether a read or a write gave up waiting; systems differ in what they call it.
pub(crate) fn timed_out(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// Lets the next read wait for `time`. (None at all would mean for ever.)
pub(crate) fn wait_at_most(stream: &TcpStream, time: Duration) -> io::Result<()> {
    stream.set_read_timeout(Some(time.max(Duration::from_millis(1))))
}

/// The time for a heartbeat.
pub(crate) fn unix_time() -> u32 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u32::try_from(since.as_secs()).unwrap_or(u32::MAX)
}

/// Ends a connection in such a way that the peer gets to read the last of what was
/// said. To close while input is unread resets the connection, and a reset overtakes
/// the bytes that are under way; so this side is ended first, and then what the peer
/// still sends is thrown away, for `patience` and 256 KiB at most.
pub(crate) fn close(mut stream: &TcpStream, patience: Duration) {
    let until = Instant::now() + patience;
    let mut scrap = [0; 4096];
    let mut reads = 64;
    let _ = stream.shutdown(Shutdown::Write);
    while reads > 0 && wait_at_most(stream, until.saturating_duration_since(Instant::now())).is_ok()
    {
        match stream.read(&mut scrap) {
            Ok(1..) if Instant::now() < until => reads -= 1,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            _ => break,
        }
    }
}

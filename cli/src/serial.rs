//! A serial line, which never hangs up.
//!
//! The rules are those that `examples/uart` in the repository of the library tells at its
//! head. Whoever connects is the host: it ends what may have been, waits until the line is
//! silent, and speaks first. Whoever listens is the device: it drops what comes until the
//! line is silent, for a shorter time, and says nothing before the host does. Both say
//! `f00000000` when they are done: a [`Serial`] does that when it is shut down, and when it is
//! dropped before that, as when the program is interrupted.

#[cfg(unix)]
use std::fs::File;
use std::io;
#[cfg(unix)]
use std::os::unix::fs::OpenOptionsExt;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use gotalk::{Event, Frame, Parser};
#[cfg(unix)]
use nix::errno::Errno;
#[cfg(unix)]
use nix::fcntl::{Flock, FlockArg, OFlag};
use serial2_tokio::SerialPort;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::time::timeout;

/// How long the line must be silent before a conversation.
const HOST: Duration = Duration::from_millis(250);
const DEVICE: Duration = Duration::from_millis(100);

/// How often a host says goodbye before a conversation, and how long it waits for an answer.
const ATTEMPTS: usize = 3;
const ANSWER: Duration = Duration::from_millis(500);

/// What ends a conversation.
const GOODBYE: &[u8] = b"f00000000";
/// What a device says to it that waits for a version: that this is none.
const ANSWER_TO_GOODBYE: &[u8] = b"01f00000001";

/// An open line. It is locked, so that no other program has it that asks for the lock, as this
/// one and picocom do.
pub(crate) struct Line {
    port: SerialPort,
    #[cfg(unix)]
    _lock: Flock<File>,
}

impl Line {
    pub(crate) fn open(path: &str, baud: u32) -> io::Result<Self> {
        #[cfg(unix)]
        let lock = lock(path)?; // before the settings of the line are changed
        Ok(Self {
            port: SerialPort::open(path, baud)?,
            #[cfg(unix)]
            _lock: lock,
        })
    }
}

/// As the device: waits for hosts to speak, one after the other.
pub(crate) struct Device {
    path: String,
    baud: u32,
    /// None after it has failed, as when an adapter was pulled out. Its name is free for another
    /// then, which is opened the next time.
    line: Option<Line>,
}

impl Device {
    pub(crate) fn open(path: &str, baud: u32) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), baud, line: Some(Line::open(path, baud)?) })
    }

    pub(crate) async fn accept(&mut self) -> io::Result<Serial> {
        let line = match self.line.take() {
            Some(line) => line,
            None => Line::open(&self.path, self.baud)?,
        };
        let serial = accept(line.port.try_clone()?).await?;
        self.line = Some(line);
        Ok(serial)
    }
}

#[cfg(unix)]
fn lock(path: &str) -> io::Result<Flock<File>> {
    // Otherwise it could wait for a carrier, or become the terminal of this process.
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let file = File::options().read(true).custom_flags(flags.bits()).open(path)?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, error)| match error {
        Errno::EWOULDBLOCK => io::Error::other("another program uses it"),
        error => error.into(),
    })
}

pub(crate) struct Serial {
    port: SerialPort,
    /// The lock. `None`: the listener has it.
    _line: Option<Line>,
    /// What came first, and is still to be read.
    first: Option<u8>,
    said: Ear,
    heard: Ear,
}

impl Serial {
    fn new(port: SerialPort, line: Option<Line>, first: Option<u8>) -> Self {
        Self { port, _line: line, first, said: Ear::default(), heard: Ear::default() }
    }

    /// Unless one end has, or a message is half sent: it would be taken for a piece of that.
    fn say_goodbye(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let is_over = self.said.has_ended || self.heard.has_ended;
        if !is_over && self.said.parser.finish().is_ok() {
            ready!(Pin::new(self).poll_write(cx, GOODBYE))?;
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for Serial {
    fn drop(&mut self) {
        let _ = self.say_goodbye(&mut Context::from_waker(Waker::noop()));
    }
}

/// Follows what one end says.
#[derive(Default)]
struct Ear {
    parser: Parser<0>,
    has_ended: bool,
}

impl Ear {
    fn hear(&mut self, mut bytes: &[u8]) {
        while let Ok(Some(event)) = self.parser.next_event(&mut bytes) {
            self.has_ended |= matches!(event, Event::Frame(Frame::ProtocolError { .. }));
        }
    }
}

/// As the host.
pub(crate) async fn connect(path: &str, baud: u32) -> io::Result<Serial> {
    let line = Line::open(path, baud)?;
    let mut port = line.port.try_clone()?;
    port.discard_input_buffer()?; // what nobody has read is no answer
    // A device that waits for a host answers. One that does not may not be listening yet, as
    // behind an emulator that looks once a second whether the line is open.
    for _ in 0..ATTEMPTS {
        port.write_all(GOODBYE).await?;
        if timeout(ANSWER, port.read(&mut [0])).await.is_ok() {
            break;
        }
    }
    silence(&mut port, HOST).await?;
    Ok(Serial::new(port, Some(line), None))
}

async fn accept(mut port: SerialPort) -> io::Result<Serial> {
    loop {
        silence(&mut port, DEVICE).await?;
        let first = port.read_u8().await?;
        if first != GOODBYE[0] {
            return Ok(Serial::new(port, None, Some(first)));
        }
        // A host that opens the line ends what may have been, and looks for a device.
        port.write_all(ANSWER_TO_GOODBYE).await?;
    }
}

/// Drops what comes until nothing does.
async fn silence(port: &mut SerialPort, time: Duration) -> io::Result<()> {
    let mut scrap = [0; 256];
    while let Ok(read) = timeout(time, port.read(&mut scrap)).await {
        if read? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(())
}

impl AsyncRead for Serial {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buffer.remaining() > 0
            && let Some(first) = self.first.take()
        {
            buffer.put_slice(&[first]);
            self.heard.hear(&[first]);
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.port).poll_read(cx, buffer))?;
        self.heard.hear(&buffer.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Serial {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let len = ready!(Pin::new(&mut self.port).poll_write(cx, bytes))?;
        self.said.hear(&bytes[..len]);
        Poll::Ready(Ok(len))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.say_goodbye(cx)
    }
}

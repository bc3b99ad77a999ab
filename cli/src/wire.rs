//! A conversation over any stream of bytes: what comes goes through a parser to the session,
//! and what the session writes goes out.
//!
//! For whoever changes this:
//!
//! - Only [`converse`] waits, for reading and for writing at once: a peer may answer before
//!   it has read all that it is sent.
//! - Between the pieces of a payload that was announced nothing else may be written, no
//!   heartbeat and no `f`. The session does not know where they end; [`Link::owed`] does.
//! - An idle connection has no buffer for what comes, and a small one for what goes.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use gotalk::{
    Due, ErrorCode, Event, Incoming, MAX_REPLY_LEN, Outgoing, Parser, Payload, Received,
    SessionError, Settings, WriteError, Writer,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::{sleep_until, timeout};

/// The longest name that is read.
pub(crate) const NAME: usize = 255;
/// How much is read at once, and how much is written before it is sent.
pub(crate) const FULL: usize = 16 * 1024;
/// A time that does not come. All times are in milliseconds.
pub(crate) const NEVER: u64 = u64::MAX;
/// One that does not come either, but fits a clock.
const YEARS: u64 = 1 << 40;

/// How many requests of ours may be in flight on a connection that serves, or calls once.
const OUT: usize = 32;

/// Up to so many requests of ours, and so many of the peer's that have no answer yet.
pub(crate) type Session<const N: usize = OUT> = gotalk::Session<N, 128>;

/// What a peer may cost on a connection.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// The longest silence in the middle of a message, or before the version.
    pub(crate) silence: u64,
    /// The longest silence at all.
    pub(crate) idle: u64,
    /// How many bytes may wait for a peer to read them before it is not read any more.
    pub(crate) waiting: usize,
    /// The longest wait for it to read some of them.
    pub(crate) unread: u64,
    /// The longest time to see a peer off.
    pub(crate) goodbye: u64,
    /// Whether the transport never hangs up, as a serial line: the end is said.
    pub(crate) says_goodbye: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            silence: 60_000,
            idle: NEVER,
            waiting: FULL,
            unread: 60_000,
            goodbye: 1000,
            says_goodbye: false,
        }
    }
}

/// What is done with a connection.
pub(crate) trait App<const N: usize = OUT> {
    /// Takes what has come, but for payloads. `rest` is what has come behind it.
    fn event(&mut self, event: Event<'_>, rest: &[u8], link: &mut Link<N>) -> Result<(), End>;
    /// Takes a piece of the payload of the latest event.
    fn payload(&mut self, data: &[u8], remaining: u32, link: &mut Link<N>) -> Result<(), End>;
    /// Does what is due while there is room for it, and says when something is due next.
    fn tick(&mut self, link: &mut Link<N>) -> Result<u64, End>;
    /// A request had no answer in time.
    fn unanswered(&mut self, request: Outgoing, link: &mut Link<N>) -> Result<(), End>;
    /// Whether something that does not come from the peer is there for [`tick`](Self::tick).
    fn poll_source(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
    /// Whether more may come from the peer. Until then it is not read.
    fn takes_more(&self) -> bool {
        true
    }
}

/// The session, and what is to be sent.
pub(crate) struct Link<const N: usize = OUT> {
    pub(crate) session: Session<N>,
    /// The wait in a retry result, if the peer takes those.
    retry_ms: Option<u32>,
    start: Instant,
    /// The time since then.
    pub(crate) now: u64,
    /// The first `len` bytes were written, and the first `gone` of them have been sent.
    buffer: Vec<u8>,
    len: usize,
    gone: usize,
    /// The bytes of an announced payload that are still to be written.
    owed: u32,
}

impl<const N: usize> Link<N> {
    pub(crate) fn new(settings: Settings) -> Self {
        let mut session = Session::new(settings);
        session.set_clock(0, unix_time());
        let (retry_ms, start) = (settings.retry_after_ms, Instant::now());
        Self { session, retry_ms, start, now: 0, buffer: Vec::new(), len: 0, gone: 0, owed: 0 }
    }

    /// Says another version than the session's.
    pub(crate) fn pretend(&mut self, version: [u8; 2]) {
        self.send(|session, _, writer| session.poll(0, writer));
        self.buffer[..2].copy_from_slice(&version);
    }

    pub(crate) fn is_full(&self) -> bool {
        self.unsent().len() >= FULL
    }

    /// Whether the peer has been sent all that was written.
    pub(crate) fn is_sent(&self) -> bool {
        self.unsent().is_empty()
    }

    fn unsent(&self) -> &[u8] {
        &self.buffer[self.gone..self.len]
    }

    /// The time when so many milliseconds will have passed, not nearly.
    pub(crate) fn after(&self, ms: u64) -> u64 {
        self.now.saturating_add(ms).saturating_add((ms > 0).into()) // `now` is rounded down
    }

    /// Lets the session write. `None`: it will not, because the request or the conversation
    /// is over, or because it has as many requests as it can.
    #[inline(always)]
    pub(crate) fn send<T, E: Into<SessionError>>(
        &mut self,
        mut write: impl FnMut(&mut Session<N>, u32, &mut Writer<'_>) -> Result<T, E>,
    ) -> Option<T> {
        loop {
            let mut writer = Writer::new(&mut self.buffer[self.len..]);
            let result = write(&mut self.session, self.now as u32, &mut writer).map_err(E::into);
            self.len += writer.len();
            match result {
                Err(SessionError::Write(WriteError::BufferTooSmall { needed, .. })) => {
                    self.make_room(needed);
                }
                result => return result.ok(),
            }
        }
    }

    #[inline(always)]
    pub(crate) fn receive<'a>(&mut self, event: Event<'a>) -> Received<'a, u32> {
        self.make_room(MAX_REPLY_LEN);
        let mut writer = Writer::new(&mut self.buffer[self.len..]);
        let received = self.session.receive(self.now as u32, event, &mut writer);
        self.len += writer.len();
        received.unwrap_or(Received::Handled) // there is room
    }

    pub(crate) fn respond(&mut self, request: Incoming, payload: impl Payload + Copy) {
        self.send(|session, _, writer| session.respond(writer, request, payload));
    }

    pub(crate) fn refuse(&mut self, request: Incoming, why: impl Payload + Copy) {
        self.send(|session, _, writer| session.respond_error(writer, request, why));
    }

    /// Refuses what may be asked again later.
    pub(crate) fn refuse_for_now(&mut self, request: Incoming, why: &str) {
        match self.retry_ms {
            None => self.refuse(request, why),
            Some(wait_ms) => {
                self.send(|session, _, writer| {
                    session.respond_retry(writer, request, wait_ms, why)
                });
            }
        }
    }

    /// Announces a payload of `len` bytes, if that can be written. [`pass`](Self::pass) takes
    /// its pieces, and drops them otherwise.
    #[inline(always)]
    pub(crate) fn announce(
        &mut self,
        len: u32,
        write: impl FnMut(&mut Session<N>, u32, &mut Writer<'_>) -> Result<(), SessionError>,
    ) {
        self.owed = self.send(write).map_or(0, |()| len);
    }

    #[inline(always)]
    pub(crate) fn pass(&mut self, data: &[u8]) {
        let len = data.len().min(self.owed as usize);
        self.make_room(len);
        self.buffer[self.len..][..len].copy_from_slice(&data[..len]);
        self.len += len;
        self.owed -= len as u32;
    }

    #[inline(always)]
    fn make_room(&mut self, needed: usize) {
        let needed = self.len + needed;
        if needed > self.buffer.len() {
            self.buffer.resize(needed.next_power_of_two().max(64), 0);
        }
    }

    /// Sends what the peer takes now, and says whether it took something.
    async fn flush(&mut self, writer: &mut (impl AsyncWrite + Unpin)) -> io::Result<bool> {
        if self.is_sent() {
            return Ok(false);
        }
        let mut writer = Pin::new(writer);
        let Poll::Ready(sent) =
            poll_fn(|cx| Poll::Ready(writer.as_mut().poll_write(cx, self.unsent()))).await
        else {
            return Ok(false);
        };
        self.sent(sent?);
        Ok(true)
    }

    fn sent(&mut self, len: usize) {
        self.gone += len;
        // What is left is moved only if it is no more than what has gone: a long payload goes
        // in many writes.
        if self.unsent().len() <= self.gone {
            self.buffer.copy_within(self.gone..self.len, 0);
            self.len -= self.gone;
            self.gone = 0;
        }
        if self.len == 0 && self.buffer.len() > 512 {
            self.buffer = Vec::new();
        }
    }

    /// Does what is due, and says when something is due next.
    fn due(&mut self, app: &mut impl App<N>) -> Result<u64, End> {
        if self.owed > 0 {
            return Ok(NEVER);
        }
        let next = app.tick(self)?;
        while let Some(Some(due)) = self.send(|session, now, writer| session.poll(now, writer)) {
            match due {
                Due::TimedOut(request) => app.unanswered(request, self)?,
                // Every end is seen before it comes to this.
                Due::Lost(_) | Due::Close => return Err(End::Closed),
            }
        }
        let wait = self.session.wait_ms(self.now as u32);
        Ok(next.min(wait.map_or(NEVER, |wait| self.now + u64::from(wait))))
    }
}

/// Talks until there is a reason to stop.
pub(crate) async fn converse<const N: usize>(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    link: &mut Link<N>,
    app: &mut impl App<N>,
    limits: &Limits,
) -> Result<Infallible, End> {
    let mut parser = Parser::<NAME>::new();
    let (mut reader, mut writer) = tokio::io::split(stream);
    let mut timer = pin!(sleep_until(link.start.into()));
    // When something came last, and when the peer took something or had nothing to take.
    let [mut heard, mut taken] = [link.now; 2];
    loop {
        let mut due = link.due(app)?;
        let mut held_up = link.owed > 0;
        let was_full = link.is_full();
        // What can be sent at once is not waited for: the task then wakes once for a request.
        if link.flush(&mut writer).await? {
            taken = link.now;
        }
        if was_full && !link.is_full() {
            due = link.now; // the application may have stopped for want of room
        }
        let begun = parser.finish().is_err();
        let silence = if begun { limits.silence.min(limits.idle) } else { limits.idle };
        let silent = heard.saturating_add(silence);
        let unread = if link.is_sent() { NEVER } else { taken.saturating_add(limits.unread) };
        let until = (link.start + ms(due.min(silent).min(unread).min(YEARS))).into();
        if timer.deadline() != until {
            timer.as_mut().reset(until);
        }
        let reads = link.unsent().len() < limits.waiting && app.takes_more();
        let mut input = Vec::new();
        tokio::select! {
            read = poll_fn(|cx| poll_piece(Pin::new(&mut reader), cx)), if reads => {
                input = read?;
                if input.is_empty() {
                    return Err(parser.finish().map_or_else(End::Protocol, |()| End::Closed));
                }
            }
            sent = writer.write(link.unsent()), if !link.is_sent() => {
                link.sent(sent?);
                taken = link.now;
            }
            () = poll_fn(|cx| app.poll_source(cx)) => {}
            () = &mut timer => {}
        }
        link.now = link.start.elapsed().as_millis() as u64;
        if link.is_sent() {
            taken = link.now;
        }
        // Nobody is silent who is not listened to.
        if !input.is_empty() || !reads {
            heard = link.now;
        } else if link.now >= silent {
            return Err(End::Silence);
        }
        if input.is_empty() && link.now >= unread {
            return Err(End::Unread);
        }
        let mut rest = input.as_slice();
        while let Some(event) = parser.next_event(&mut rest)? {
            match event {
                Event::Payload { data, remaining } => app.payload(data, remaining, link)?,
                event => app.event(event, rest, link)?,
            }
            if held_up && link.owed == 0 {
                link.due(app)?; // at the first chance: the next payload may end with no read
                held_up = false;
            }
        }
    }
}

/// Reads what is there. Whoever waits has no buffer, and to ask when nothing is there costs
/// little: the space is not even cleared.
pub(crate) fn poll_piece(
    stream: Pin<&mut impl AsyncRead>,
    cx: &mut Context<'_>,
) -> Poll<io::Result<Vec<u8>>> {
    let mut space = [const { MaybeUninit::uninit() }; FULL];
    let mut piece = ReadBuf::uninit(&mut space);
    ready!(stream.poll_read(cx, &mut piece))?;
    Poll::Ready(Ok(piece.filled().to_vec()))
}

/// Sends what is left, with the reason for the end, and closes so that the peer gets to read
/// it: to close while input is unread resets the connection, and a reset overtakes the bytes
/// that are under way. So what still comes is thrown away, but not for ever.
pub(crate) async fn see_off<const N: usize>(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    link: &mut Link<N>,
    end: &End,
    limits: &Limits,
) {
    let code = match end {
        End::Lost(_) | End::Unread => return,
        End::Protocol(error) => error.protocol_code(),
        End::Told(code, _) => Some(*code),
        End::Silence | End::TimeUp => Some(ErrorCode::TIMEOUT),
        End::NoPayload(_) => Some(ErrorCode::ABNORMAL),
        End::Closed | End::Unprinted(_) if limits.says_goodbye => Some(ErrorCode::ABNORMAL),
        End::Closed | End::PeerGaveUp(_) | End::Unprinted(_) => None,
    };
    // In the middle of a payload an `f` would be taken for a piece of it.
    if let (Some(code), 0) = (code, link.owed) {
        link.session.close(code);
        link.send(|session, now, writer| session.poll(now, writer));
    }
    let rest = timeout(ms(limits.unread), stream.write_all(link.unsent())).await;
    if limits.says_goodbye {
        return; // nothing shows that the peer has closed
    }
    if let Ok(Ok(())) = rest {
        hang_up(stream, limits).await;
    }
}

/// Ends the output, and reads on for a while, so that what was sent is not overtaken.
pub(crate) async fn hang_up(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), limits: &Limits) {
    if let Ok(Ok(())) = timeout(ms(limits.unread), stream.shutdown()).await {
        let (mut scrap, mut reads) = (vec![0; 4096], 64);
        let drain = async {
            while reads > 0 && stream.read(&mut scrap).await.is_ok_and(|len| len > 0) {
                reads -= 1;
            }
        };
        let _ = timeout(ms(limits.goodbye), drain).await;
    }
}

/// A time that does not fit does not come.
pub(crate) fn in_ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(NEVER)
}

fn ms(time: u64) -> Duration {
    Duration::from_millis(time)
}

/// What is other on a line that never hangs up: only heartbeats show that a peer is there. A
/// session would not count the pieces of a payload as signs of it, so its own limit for silence
/// is not set.
pub(crate) fn on_a_line(settings: &mut Settings, limits: &mut Limits) {
    settings.heartbeat_ms = Some(1000);
    limits.idle = limits.idle.min(5000);
    limits.says_goodbye = true;
}

/// Why a conversation ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum End {
    #[error("the peer has closed")]
    Closed,
    #[error("{1}")]
    Told(ErrorCode, &'static str),
    #[error("{0}")]
    Protocol(#[from] gotalk::Error),
    #[error("the peer gave up: {0}")]
    PeerGaveUp(ErrorCode),
    #[error("nothing came in time")]
    Silence,
    #[error("the time is up")]
    TimeUp,
    #[error("the peer does not read")]
    Unread,
    #[error("{0}")]
    Lost(#[from] io::Error),
    /// What is to be sent cannot be read to its end.
    #[error("{0}")]
    NoPayload(io::Error),
    /// The result came, and cannot be written.
    #[error("{0}")]
    Unprinted(io::Error),
}

/// The time for heartbeats.
pub(crate) fn unix_time() -> u32 {
    u32::try_from(since_1970().as_secs()).unwrap_or(u32::MAX)
}

pub(crate) fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

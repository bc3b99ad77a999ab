//! The session: requests, answers, time and the end of a conversation, over the codec.
//!
//! A session stands beside a reader and a writer, and owns neither: an event borrows from its
//! reader, so a session that owned the reader could not be called while an event is looked
//! at. It reads no clock and holds no bytes. What it knows is two tables of fixed size:
//! `outgoing` (our requests that wait for a result) and `incoming` (the peer's that wait for
//! an answer). `receive` takes what a reader found, `poll` does what is due, and `settings`
//! holds what both go by. `payload` is what may be sent, `write` chooses how, and `backoff`
//! stands alone.
//!
//! For whoever changes this:
//!
//! - Write first, then change the state, and change nothing when writing fails: callers
//!   repeat a call whose message found no room. Messages are written by [`Session::send`], or
//!   in place by `payload`, and both put the version before the first one.
//! - A fresh session with the default settings is all zeros, so that a static one lies in
//!   `.bss`. A new field must be zero at the start, and a new setting stored as its
//!   difference from the default (see `settings`).
//! - A function that needs no `OUT` and no `IN` costs flash once; one of `Session` costs it
//!   once for each size in a program.
//! - The work for a message must not depend on how many requests are in flight. Only a part
//!   of a request looks at the open streams, and only a timeout at all requests.

use core::fmt;

use crate::wire::frame::Header;
use crate::wire::message_type::MessageType;
use crate::wire::value::{ErrorCode, Name};
use crate::write::writer::Writer;
use crate::{Error, WriteError};

pub(crate) mod backoff;
pub(crate) mod error;
pub(crate) mod incoming;
pub(crate) mod outgoing;
pub(crate) mod payload;
pub(crate) mod poll;
pub(crate) mod receive;
pub(crate) mod settings;
mod write;

use error::SessionError;
use incoming::IncomingTable;
use outgoing::OutgoingTable;
use payload::{Form, Payload};
use settings::{Settings, Stored};

/// How far the conversation has come. The order is part of the code.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum Phase {
    /// Both ends may make requests.
    Open,
    /// No new requests; those in flight are finished.
    Draining,
    /// A protocol error is to be written, whose code is in `outgoing.deadline`.
    Closing,
    /// Nothing more is written. Requests in flight are lost.
    Ended,
}

/// One end of a conversation: it makes requests, finds the results that belong to them, and
/// keeps what is owed to the peer.
///
/// Put it beside a reader, [`Parser`](crate::Parser) or [`Assembler`](crate::Assembler), and
/// a [`Writer`]. It does no I/O, reads no clock, holds no payload and never allocates.
///
/// 1. Call [`poll`](Self::poll) until it gives `None`, and send what was written. It writes
///    the version, heartbeats and the last word, and says which requests timed out and when to
///    close.
/// 2. Read from the transport, for [`wait_ms`](Self::wait_ms) at most.
/// 3. Give each event or item to [`receive`](Self::receive), and answer requests with
///    [`respond`](Self::respond) and its kin, at once or later.
/// 4. When the transport ends, tell [`disconnected`](Self::disconnected). When `poll` gives
///    [`Due::Close`](crate::Due::Close), send what has been written, and close.
///
/// `OUT` is the number of requests that you can have in flight, `IN` the number of the peer's
/// that you can owe an answer, up to 65,535 each. Both can be 0.
///
/// - **Time**: `now` is in milliseconds, from any clock that starts anywhere and wraps at 2³².
///   Give every call the same clock, and read it anew after every wait. While a conversation
///   lasts, poll at least every 12 days. A clock that wraps earlier stops everything that is
///   timed: `micros() as u32 / 1000` wraps after 71 minutes, so divide in 64 bits.
/// - **All or nothing**: when the writer has no room, nothing is written and nothing has
///   changed. Send what is in the writer, and call again with the same arguments, the event
///   included. A message of the session's own takes up to
///   [`MAX_REPLY_LEN`](crate::MAX_REPLY_LEN) bytes.
/// - **Room**: on a transport that does not block, write a message of your own only if the room
///   for an answer stays free behind it. Two ends that have no such room both stop reading, for
///   ever. If the peer takes nothing for as long as you would let a write wait, call
///   [`disconnected`](Self::disconnected): `silence_ms` cannot end a conversation whose last
///   word finds no room.
/// - **One way out**: write everything through the session, and nothing by the methods of the
///   [`Writer`]. It does not see what goes past it, so the version would come too late, and
///   requests would stay unanswered.
/// - **RAM**: 9 bytes for each request of ours, 8 for each of the peer's, and some 60 more:
///   `Session<4, 4>` has 128 bytes. With the default settings a fresh one is all zeros, so in
///   a `static` it lies in `.bss` and takes no flash.
/// - **Panics**: none, whatever the peer or the program does.
///
/// The rules are in [section 10](crate::protocol#section-10) of PROTOCOL.md.
///
/// ```
/// use gotalk::{Assembler, Received, Session, SessionError, Settings, Writer};
///
/// let mut session = Session::<4, 4>::new(Settings::DEFAULT);
/// let mut assembler = Assembler::<256>::new();
/// let mut buffer = [0; 512];
/// let mut writer = Writer::new(&mut buffer);
/// let now = 0; // milliseconds, from a clock
///
/// let question = session.request(now, &mut writer, "greet", br#"{"name":"Rasmus"}"#)?;
/// assert_eq!(writer.as_bytes(), br#"01r0000005greet00000011{"name":"Rasmus"}"#);
///
/// // The peer answers, and asks something itself.
/// let mut items = assembler.feed(br#"01R00000000000f"Hello Rasmus!"r0007004ping00000000"#);
/// writer.clear();
/// while let Some(item) = items.next() {
///     match session.receive(now, item, &mut writer)? {
///         Received::Result { request, payload } => {
///             assert_eq!(request, question);
///             assert_eq!(payload, br#""Hello Rasmus!""#);
///         }
///         Received::Request { request, op, .. } if op == "ping" => {
///             session.respond(&mut writer, request, br#""pong""#)?;
///         }
///         Received::Request { request, .. } => {
///             session.respond_error(&mut writer, request, "no such operation")?;
///         }
///         _ => {}
///     }
/// }
/// assert_eq!(writer.as_bytes(), br#"R000700000006"pong""#);
/// # Ok::<(), SessionError>(())
/// ```
#[derive(Clone)]
pub struct Session<const OUT: usize = 8, const IN: usize = 8> {
    outgoing: OutgoingTable<OUT>,
    incoming: IncomingTable<IN>,
    settings: Stored,
    /// When something was received last.
    received_at: u32,
    /// When a heartbeat was written last.
    beat_at: u32,
    /// A moment, and the time of day at that moment.
    clock_ms: u32,
    clock_s: u32,
    load: u16,
    phase: Phase,
    flags: u8,
}

/// The version has been written.
const GREETED: u8 = 1;
/// The payload that comes next belongs to nothing the program knows of.
const DROPPING: u8 = 2;
/// The time of day has been told.
const HAS_CLOCK: u8 = 4;

impl<const OUT: usize, const IN: usize> Session<OUT, IN> {
    /// Creates a session at the start of a conversation.
    ///
    /// It does not compile if `OUT` or `IN` is more than 65,535.
    pub const fn new(settings: Settings) -> Self {
        const {
            assert!(OUT <= u16::MAX as usize, "more than 65,535 requests at once");
            assert!(IN <= u16::MAX as usize, "more than 65,535 answers at once");
        }
        Self {
            outgoing: OutgoingTable::new(),
            incoming: IncomingTable::new(),
            settings: Stored::new(settings),
            received_at: 0,
            beat_at: 0,
            clock_ms: 0,
            clock_s: 0,
            load: 0,
            phase: Phase::Open,
            flags: 0,
        }
    }

    /// Goes back to the start of a conversation, for another connection. The settings, the
    /// load and the clock stay. Handles of the conversation before stay over: none of them
    /// ever means a request of the new one.
    ///
    /// Reset the reader as well, and the [`SendBuffer`](crate::SendBuffer), or make a new
    /// [`Writer`]. After a protocol error a reader swallows everything, and a writer refuses
    /// everything, until then.
    ///
    /// Requests still in flight are forgotten; take them from [`poll`](Self::poll) first if
    /// you want to know which.
    pub fn reset(&mut self) {
        self.outgoing.clear();
        self.incoming.clear();
        self.phase = Phase::Open;
        self.flags &= HAS_CLOCK;
    }

    /// Ends the conversation in an orderly way: new requests of the peer's are refused, ours
    /// give [`Closed`](SessionError::Closed), and when nothing is in flight any more,
    /// [`poll`](Self::poll) gives [`Due::Close`](crate::Due::Close). Until then heartbeats go
    /// on, and answers and notifications can be written. No protocol error is written.
    pub fn drain(&mut self) {
        if self.phase == Phase::Open {
            self.phase = Phase::Draining;
        }
    }

    /// Ends the conversation at once: the next [`poll`](Self::poll) writes the protocol error
    /// `code`, and then reports what was in flight and [`Due::Close`](crate::Due::Close).
    pub fn close(&mut self, code: ErrorCode) {
        if self.is_live() {
            self.phase = Phase::Closing;
            self.outgoing.deadline = code.into();
        }
    }

    /// Tells the session that its reader failed. [`receive`](Self::receive) does that for you if
    /// you give it the reader's `Result`. The next [`poll`](Self::poll) writes the
    /// protocol error that belongs to `error`
    /// ([rule 7.11](crate::protocol#rule-7-11)). If the input ended in the middle of a
    /// message, nothing is written, because nobody is left to read it.
    pub fn fail(&mut self, error: &Error) {
        match error.protocol_code() {
            Some(code) => self.close(code),
            None => self.disconnected(),
        }
    }

    /// Tells the session that the transport has ended. Nothing more is written.
    pub fn disconnected(&mut self) {
        self.phase = Phase::Ended;
    }

    /// Whether requests can be made: until the conversation is drained, closed or has ended.
    pub fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    /// Whether nothing is in flight: no request of ours waits for a result, and none of the
    /// peer's for an answer, which after the end nobody can write any more.
    pub fn is_idle(&self) -> bool {
        let is_owed = self.incoming.owed > 0 && self.phase != Phase::Ended;
        self.outgoing.in_flight == 0 && !is_owed
    }

    /// Whether messages can still be written and received.
    fn is_live(&self) -> bool {
        self.phase < Phase::Closing
    }

    fn live(&self) -> Result<(), SessionError> {
        if self.is_live() { Ok(()) } else { Err(SessionError::Closed) }
    }

    /// Starts the clocks. They stand until the version has been written.
    fn start(&mut self, now: u32) {
        if self.flags & GREETED == 0 {
            self.received_at = now;
            self.beat_at = now;
        }
    }

    /// Writes a message, and the version before it if that is still owed: both or nothing. The
    /// header has the size of the payload.
    fn send(
        &mut self,
        writer: &mut Writer<'_>,
        header: &Header,
        name: Name<'_>,
        payload: &[u8],
    ) -> Result<(), WriteError> {
        let header = Header { with_version: self.flags & GREETED == 0, ..*header };
        writer.send(&header, name, payload)?;
        self.flags |= GREETED;
        Ok(())
    }

    /// Writes a notification, which is never answered. It can be written until the
    /// conversation is closed, while draining too.
    ///
    /// # Errors
    ///
    /// [`Closed`](SessionError::Closed), or [`Write`](SessionError::Write) with what the
    /// writer refused.
    pub fn notify<'n>(
        &mut self,
        now: u32,
        writer: &mut Writer<'_>,
        name: impl Into<Name<'n>>,
        payload: impl Payload,
    ) -> Result<(), SessionError> {
        self.live()?;
        let header = Header::new(MessageType::Notification);
        self.start(now);
        payload.form().send(self, writer, header, name.into())?;
        Ok(())
    }
}

/// Whether `interval` has passed from `since` to `now`. Both wrap; what lies more than 2³¹ ms
/// back counts as ahead. No interval is longer than that.
fn has_passed(now: u32, since: u32, interval: u32) -> bool {
    now.wrapping_sub(since) as i32 >= interval as i32
}

/// How much of `interval` is still to come at `now`, if it began at `since`.
fn left(now: u32, since: u32, interval: u32) -> u32 {
    if has_passed(now, since, interval) {
        return 0;
    }
    // More than the interval only if `now` lies before `since`.
    interval.wrapping_sub(now.wrapping_sub(since)).min(interval)
}

/// Shows how far the conversation has come and what is in flight.
impl<const OUT: usize, const IN: usize> fmt::Debug for Session<OUT, IN> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("phase", &self.phase)
            .field("requests", &self.outgoing.in_flight)
            .field("answers_owed", &self.incoming.owed)
            .finish_non_exhaustive()
    }
}

#[cfg(feature = "defmt")]
impl<const OUT: usize, const IN: usize> defmt::Format for Session<OUT, IN> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(
            f,
            "Session {{ phase: {}, requests: {=u16}, answers_owed: {=u16}, .. }}",
            self.phase,
            self.outgoing.in_flight,
            self.incoming.owed
        );
    }
}

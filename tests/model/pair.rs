//! A session and its model side by side. Every call is made on both, and what they say, what
//! they write and what they show of themselves must be the same.

use std::collections::VecDeque;
use std::fmt::Debug;

use gotalk::{
    Announced, ErrorCode, Event, Input, Item, MAX_REPLY_LEN, Session, SessionError, Settings,
    WriteError, Writer,
};

use super::reader::{self, Reader};
use super::time::{RANGE, interval};
use super::words::Handles;
use super::{Body, Due, Found, Kind, Model, Outcome, Payload, Room, Said, saw};

/// More than any message of the tests takes.
const AMPLE: usize = 4400;
/// What stands in the writer before each call.
const BEFORE: &[u8] = b"0101";

/// How much room the writer has for a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Space {
    Ample,
    /// So many bytes. If that is too little, the call fails and is not repeated.
    Only(usize),
    /// None at first, and a byte more at each repetition.
    Climbing,
    /// None at first, and enough at the second call.
    NoneFirst,
}

#[derive(Clone)]
pub struct Pair<const OUT: usize, const IN: usize> {
    session: Session<OUT, IN>,
    pub model: Model,
    /// The time that has passed. Its low 32 bits are the clock that the session sees.
    pub now: u64,
    /// When a poll found nothing more to do.
    settled: u64,
    reader: Reader,
    /// The reader has failed or its input has ended.
    pub input_ended: bool,
    /// What the reader has found and the session has not received.
    pub queue: VecDeque<Found>,
    handles: Handles,
    /// The application has written a protocol error by itself.
    pub closed: bool,
    /// How many bytes were written.
    pub written: usize,
}

/// A value whose `Display` fails.
struct Broken;

impl std::fmt::Display for Broken {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Err(std::fmt::Error)
    }
}

/// Gives the body to a method of a session, which takes any kind of payload.
macro_rules! with {
    ($body:expr, $payload:ident => $call:expr) => {
        match $body {
            Body::Bytes(bytes) => {
                let $payload = bytes;
                $call
            }
            Body::Text(text) => {
                let (start, end) = text.split_at(text.len() / 2);
                // Not `let`, which Rust 1.85 does not take.
                match format_args!("{start}{end}") {
                    $payload => $call,
                }
            }
            Body::Announced(len) => {
                let $payload = Announced(*len);
                $call
            }
            Body::Broken => match format_args!("start {Broken}") {
                $payload => $call,
            },
        }
    };
}

impl<const OUT: usize, const IN: usize> Pair<OUT, IN> {
    pub fn new(settings: Settings, now: u64, by_events: bool) -> Self {
        Self {
            session: Session::new(settings),
            model: Model::new(OUT, IN, settings),
            now,
            settled: now,
            reader: Reader::new(by_events),
            input_ended: false,
            queue: VecDeque::new(),
            handles: Handles::default(),
            closed: false,
            written: 0,
        }
    }

    /// The clock as the session sees it.
    fn clock(&self) -> u32 {
        self.now as u32
    }

    /// Makes a call on both. `tell` puts what the session gave in the words of the model.
    fn attempt<R, T: Kind + Debug + PartialEq>(
        &mut self,
        space: Space,
        act: impl Fn(&mut Session<OUT, IN>, &mut Writer<'_>) -> Result<R, SessionError>,
        tell: impl Fn(&mut Handles, R) -> T,
        predict: impl Fn(&mut Model, Room, Option<&T>) -> Outcome<T>,
    ) -> Result<T, SessionError> {
        let mut free = match space {
            Space::Ample => AMPLE,
            Space::Only(free) => free.min(AMPLE),
            Space::Climbing | Space::NoneFirst => 0,
        };
        loop {
            let got = self.once(free, &act, &tell, &predict);
            match (got, space) {
                (Err(SessionError::Write(WriteError::BufferTooSmall { needed, .. })), _)
                    if free < needed && space == Space::Climbing =>
                {
                    // A long name is climbed in steps.
                    free += if needed - free > 100 { (needed - free) / 2 } else { 1 };
                }
                (Err(SessionError::Write(WriteError::BufferTooSmall { .. })), Space::NoneFirst)
                    if free == 0 =>
                {
                    free = AMPLE;
                }
                (got, _) => return got,
            }
        }
    }

    fn once<R, T: Kind + Debug + PartialEq>(
        &mut self,
        free: usize,
        act: impl Fn(&mut Session<OUT, IN>, &mut Writer<'_>) -> Result<R, SessionError>,
        tell: impl Fn(&mut Handles, R) -> T,
        predict: impl Fn(&mut Model, Room, Option<&T>) -> Outcome<T>,
    ) -> Result<T, SessionError> {
        let before: &[u8] = if self.closed { b"f00000000" } else { BEFORE };
        let mut buffer = [0; AMPLE + 16];
        let mut writer = Writer::new(&mut buffer[..before.len() + free]);
        if self.closed {
            writer.protocol_error(ErrorCode::ABNORMAL).unwrap();
        } else {
            (0..BEFORE.len() / 2).for_each(|_| writer.version().unwrap());
        }
        let got = act(&mut self.session, &mut writer);
        let bytes = writer.as_bytes();
        let got = got.map(|given| tell(&mut self.handles, given));
        let room = Room { free, closed: self.closed };
        let (want, due) = predict(&mut self.model, room, got.as_ref().ok());
        assert_eq!(got, want, "the session gave the left, the model the right");
        let want = [before, &due].concat();
        assert!(
            bytes == want,
            "the session wrote {}, the model {}",
            bytes.escape_ascii(),
            want.escape_ascii()
        );
        self.written += due.len();
        saw(match &got {
            Ok(told) => told.kind(),
            Err(SessionError::Write(error)) => error.kind(),
            Err(error) => error.kind(),
        });
        let message = due.strip_prefix(b"01").unwrap_or(&due);
        if let Some(place) = b"rspRSEenhf".iter().position(|kind| message.first() == Some(kind)) {
            saw(["r", "s", "p", "R", "S", "E", "e", "n", "h", "f"][place]);
        }
        self.agree();
        got
    }

    /// What both show of themselves is the same.
    pub fn agree(&self) {
        let Self { session, model, .. } = self;
        assert_eq!(session.is_open(), model.is_open(), "is_open");
        assert_eq!(session.is_idle(), model.is_idle(), "is_idle");
        let (got, due) = (session.wait_ms(self.clock()), model.wait_ms(self.now));
        match (got, due) {
            (None, None) => {}
            (Some(got), Some(due)) => {
                assert!(u64::from(got) <= due, "wait_ms gives {got}, but {due} is true");
            }
            _ => panic!("wait_ms gives {got:?}, but {due:?} is true"),
        }
    }

    /// The id of a request of ours.
    pub fn our_id(&self, request: usize) -> [u8; 4] {
        *self.handles.ours(request).1.id().as_bytes()
    }

    pub fn request(&mut self, space: Space, op: &[u8], is_stream: bool, body: &Body) {
        let now = self.now;
        let _ = self.attempt(
            space,
            |session, writer| {
                let now = now as u32;
                if is_stream {
                    with!(body, payload => session.stream_request(now, writer, op, payload))
                } else {
                    with!(body, payload => session.request(now, writer, op, payload))
                }
            },
            Handles::made,
            |model, room, made| {
                model.request(now, room, (op, is_stream), body, made.map(|made| made.slot))
            },
        );
    }

    /// A part of a request, or its end.
    pub fn request_part(&mut self, space: Space, request: usize, body: Option<&Body>) {
        let now = self.now;
        let (request, handle) = self.handles.ours(request);
        let _ = self.attempt(
            space,
            |session, writer| match body {
                Some(body) => {
                    with!(body, payload => session.request_part(now as u32, writer, handle, payload))
                }
                None => session.request_end(now as u32, writer, handle),
            },
            |_, ()| (),
            |model, room, _| model.request_part(now, room, request, body),
        );
    }

    pub fn forget(&mut self, request: usize) {
        let (request, handle) = self.handles.ours(request);
        self.session.forget(handle);
        self.model.forget(request);
        self.agree();
    }

    pub fn notify(&mut self, space: Space, name: &[u8], body: &Body) {
        let now = self.now;
        let _ = self.attempt(
            space,
            |session, writer| {
                with!(body, payload => session.notify(now as u32, writer, name, payload))
            },
            |_, ()| (),
            |model, room, _| model.notify(now, room, name, body),
        );
    }

    /// An answer: `R`, `S` with a body, `S` without one for the end, `E`, or `e` with a wait.
    pub fn respond(&mut self, space: Space, request: usize, kind: u8, wait: u32, body: &Body) {
        let (request, handle) = self.handles.theirs(request);
        let _ = self.attempt(
            space,
            |session, writer| {
                with!(body, payload => match kind {
                    b'R' => session.respond(writer, handle, payload),
                    b'S' => session.respond_part(writer, handle, payload),
                    b'E' => session.respond_error(writer, handle, payload),
                    _ => session.respond_retry(writer, handle, wait, payload),
                })
            },
            |_, ()| (),
            |model, room, _| model.respond(room, request, kind, wait, Some(body)),
        );
    }

    pub fn respond_end(&mut self, space: Space, request: usize) {
        let (request, handle) = self.handles.theirs(request);
        let _ = self.attempt(
            space,
            |session, writer| session.respond_end(writer, handle),
            |_, ()| (),
            |model, room, _| model.respond(room, request, b'S', 0, None),
        );
    }

    pub fn poll(&mut self, space: Space) -> Result<Option<Due>, SessionError> {
        let now = self.now;
        let got = self.attempt(
            space,
            |session, writer| Ok(session.poll(now as u32, writer)?),
            Handles::due,
            |model, room, told| model.poll(now, room, told.copied().flatten()),
        );
        Self::fits(got);
        if got == Ok(None) {
            self.settled = now;
            assert_ne!(self.session.wait_ms(now as u32), Some(0), "nothing is done, and at once");
        }
        got
    }

    /// Polls until nothing more is due, and says whether anything was.
    pub fn settle(&mut self, space: Space) -> bool {
        let before = self.written;
        for turn in 0.. {
            assert!(turn <= OUT + 1, "it does not come to an end");
            match self.poll(space) {
                Ok(Some(Due::TimedOut(_) | Due::Lost(_))) => {}
                Ok(Some(Due::Close)) => return true,
                Ok(None) => return turn > 0 || self.written > before,
                Err(_) => return true,
            }
        }
        true
    }

    /// Waits as long as the session wants, and polls. If that was for nothing, the session
    /// knows better from now on.
    pub fn wait(&mut self) {
        let Some(wait) = self.session.wait_ms(self.clock()) else { return };
        let before = self.now;
        self.pass(wait.into());
        let was_due = self.settle(Space::Ample);
        if !was_due && self.now == before + u64::from(wait) {
            let (got, due) = (self.session.wait_ms(self.clock()), self.model.wait_ms(self.now));
            assert_eq!(got.map(u64::from), due, "woken for nothing, and again");
        }
    }

    /// Lets time pass, but no more than a session can tell: see the documentation of `now`.
    pub fn pass(&mut self, ms: u64) {
        let Model { settings, heard, beat, clock, .. } = &self.model;
        let mut until = u64::MAX;
        if self.model.is_live() {
            if settings.heartbeat_ms.is_some() {
                until = until.min(beat.unwrap_or(self.now) + RANGE);
            }
            if settings.silence_ms.is_some() {
                until = until.min(heard.unwrap_or(self.now) + RANGE);
            }
            if let Some(answer) = interval(settings.answer_ms) {
                until = until.min(self.settled + RANGE - answer);
            }
        }
        if clock.is_some() && settings.heartbeat_ms.is_some() {
            // It goes on from a whole second.
            until = until.min(self.model.clock_read + RANGE - 999);
        }
        self.now = (self.now + ms).min(until).max(self.now);
        self.agree();
    }

    /// Whether the peer has begun.
    pub fn version_came(&self) -> bool {
        self.reader.offset() > 0
    }

    /// Bytes of the peer's come, so many at a time. What the reader finds waits in the queue.
    pub fn feed(&mut self, bytes: &[u8], piece: usize) {
        for chunk in bytes.chunks(piece.max(1)) {
            if !self.input_ended {
                self.input_ended = self.reader.feed(chunk, &mut self.queue).is_err();
            }
        }
    }

    /// The peer's input ends. Between two messages there is no error.
    pub fn end_input(&mut self) {
        self.input_ended = true;
        match self.reader.finish() {
            Ok(()) => self.disconnected(),
            Err(error) => self.fail(&error),
        }
    }

    /// Receives the first of what was found. If there is no room, it stays there.
    pub fn receive(&mut self, space: Space) -> Option<Result<Said, SessionError>> {
        let found = self.queue.pop_front()?;
        // Bare, or as a reader's iterator gives it.
        let is_bare = self.queue.len() % 2 == 0;
        let got = match (&found, self.reader.is_by_events()) {
            (Found::Error(error), true) => {
                self.receive_input(space, &found, Err::<Event<'_>, _>(*error))
            }
            (Found::Error(error), false) => {
                self.receive_input(space, &found, Err::<Item<'_>, _>(*error))
            }
            (_, true) if is_bare => self.receive_input(space, &found, reader::as_event(&found)),
            (_, true) => self.receive_input(space, &found, Ok(reader::as_event(&found))),
            (_, false) if is_bare => self.receive_input(space, &found, reader::as_item(&found)),
            (_, false) => self.receive_input(space, &found, Ok(reader::as_item(&found))),
        };
        if got.is_err() {
            self.queue.push_front(found);
        }
        Some(got)
    }

    fn receive_input<'a, I>(
        &mut self,
        space: Space,
        found: &Found,
        input: I,
    ) -> Result<Said, SessionError>
    where
        I: Input<'a> + Copy,
        I::Payload: Into<Payload>,
    {
        let now = self.now;
        let got = self.attempt(
            space,
            |session, writer| Ok(session.receive(now as u32, input, writer)?),
            |handles, received| handles.said(received, found),
            |model, room, said| model.receive(now, room, found, said),
        );
        Self::fits(got.as_ref().map(drop).map_err(|error| *error));
        got
    }

    /// No message of the session's own takes more room than it says.
    fn fits<T>(got: Result<T, SessionError>) {
        if let Err(SessionError::Write(WriteError::BufferTooSmall { needed, .. })) = got {
            assert!(needed <= MAX_REPLY_LEN, "a reply of {needed} bytes");
        }
    }

    pub fn fail(&mut self, error: &gotalk::Error) {
        self.session.fail(error);
        self.model.fail(error);
        self.agree();
    }

    pub fn disconnected(&mut self) {
        self.session.disconnected();
        self.model.disconnected();
        self.agree();
    }

    pub fn drain(&mut self) {
        self.session.drain();
        self.model.drain();
        self.agree();
    }

    pub fn close(&mut self, code: u32) {
        self.session.close(code.into());
        self.model.close(code);
        self.agree();
    }

    /// Another connection: the readers and the writer begin anew, too.
    pub fn reset(&mut self) {
        self.session.reset();
        self.model.reset();
        self.reader = Reader::new(self.reader.is_by_events());
        self.queue.clear();
        (self.closed, self.input_ended) = (false, false);
        self.settled = self.now;
        self.agree();
    }

    pub fn set_load(&mut self, load: u16) {
        self.session.set_load(load);
        self.model.load = load;
    }

    pub fn set_clock(&mut self, unix_s: u32) {
        self.session.set_clock(self.clock(), unix_s);
        (self.model.clock, self.model.clock_read) = (Some((self.now, unix_s)), self.now);
    }

    /// Goes on with a copy, which must be as good.
    pub fn copy(&mut self) {
        self.session = self.session.clone();
        let text = format!("{:?}", self.session);
        let counts = format!(
            "requests: {}, answers_owed: {}",
            self.model.ours.len(),
            self.model.theirs.len()
        );
        assert!(text.contains(&counts), "{text} does not show {counts}");
    }
}

//! The client: one request, and all that may come until it has its answer.
//!
//! For whoever changes this: the session looks at no time here. How long to wait depends on
//! what is still to be sent, and on whether to ask again: see [`Caller::waits_until`].

use std::fmt;
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::task::{Context, Poll};
use std::time::Instant;

use gotalk::{
    Event, Frame, Incoming, MAX_NAME_LEN, Name, Outgoing, Received, Settings, WriteError,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout_at;

use crate::body::Parts;
use crate::command::Running;
use crate::escape;
use crate::text::{self, SAME_ID, unknown};
use crate::wire::{self, App, End, Link, NEVER, converse, on_a_line, see_off};

/// What to put up with, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The longest wait for the next sign of the answer.
    pub(crate) patience: u64,
    /// The longest time to see a peer off that is told why.
    pub(crate) goodbye: u64,
    /// Whether the peer is seen off even if all is well: it may not see a mere end.
    pub(crate) takes_leave: bool,
    /// Whether it is a line that never hangs up.
    pub(crate) is_line: bool,
    /// When all of it is to be over, if that is set.
    pub(crate) until: Option<Instant>,
    /// How often to ask again after a retry result.
    pub(crate) retries: u32,
}

/// What to say.
pub(crate) struct Request<'a> {
    pub(crate) op: &'a str,
    pub(crate) body: Body<'a>,
}

pub(crate) enum Body<'a> {
    Single(&'a [u8]),
    Stream(Parts<'a>),
    /// It has no answer.
    Notification(&'a [u8]),
}

impl Request<'_> {
    /// Whether it can be asked.
    pub(crate) fn check(&self) -> Result<(), WriteError> {
        let op = self.op.len();
        if op == 0 {
            return Err(WriteError::EmptyName);
        }
        if op > MAX_NAME_LEN {
            return Err(WriteError::NameTooLong { len: op });
        }
        match self.body.len() {
            len if u32::try_from(len).is_err() => Err(WriteError::PayloadTooLong { len }),
            _ => Ok(()),
        }
    }
}

impl Body<'_> {
    /// How much of it is kept.
    fn len(&self) -> usize {
        match self {
            Self::Single(payload) | Self::Notification(payload) => payload.len(),
            Self::Stream(_) => 0,
        }
    }
}

/// The answer. [`Show`] has been shown its payload.
#[derive(Debug)]
pub(crate) enum Answer {
    /// The result. Of a notification, that it has gone out.
    Result,
    /// The request was at fault.
    Error,
    /// The request may be made again, but not before the time that was shown.
    Retry,
}

/// What has a payload that is shown.
#[derive(Clone, Copy)]
pub(crate) enum What<'a> {
    Result,
    /// A part of a result. An empty one is its end.
    Part,
    Error,
    Retry {
        wait_ms: u32,
    },
    Notification(Name<'a>),
}

/// Shows what comes. An error ends the call.
pub(crate) trait Show {
    /// So many bytes of it come, in one piece or more.
    fn begin(&mut self, what: What<'_>, size: u32) -> io::Result<()>;
    /// The next piece, and how many bytes come after it.
    fn piece(&mut self, data: &[u8], remaining: u32) -> io::Result<()>;
    /// A word on anything else.
    fn note(&mut self, text: fmt::Arguments<'_>);
    /// Nothing comes after it.
    fn end(&mut self) -> io::Result<()>;
    /// Is ready when all that was shown has been written. Until then nothing more is taken from
    /// the peer; the conversation goes on.
    fn poll_written(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

/// Makes a request. Those of the peer are answered by commands, if there are any for them.
pub(crate) async fn call(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    request: Request<'_>,
    running: Running,
    limits: Limits,
    show: &mut dyn Show,
) -> Result<Answer, End> {
    let mut settings = Settings { streams: u16::MAX, ..Settings::DEFAULT };
    let is_notification = matches!(request.body, Body::Notification(_));
    let takes_leave = limits.takes_leave || is_notification;
    let until = limits.until.map(|until| until.saturating_duration_since(Instant::now()));
    let mut wire = wire::Limits {
        silence: limits.patience,
        waiting: request.body.len() + (1 << 20),
        unread: limits.patience,
        goodbye: limits.goodbye,
        ..wire::Limits::default()
    };
    if limits.is_line {
        on_a_line(&mut settings, &mut wire);
    }
    let mut link = Link::new(settings);
    let mut caller = Caller {
        request,
        asked: Asked::At(0),
        patience: limits.patience,
        until: until.map_or(NEVER, wire::in_ms),
        retries: limits.retries,
        progress: 0,
        takes: Takes::Nothing,
        has_parts: false,
        is_opened: false,
        was_asked: false,
        answer: None,
        running,
        show,
        was_busy: false,
        is_written: true,
        unwritten: None,
    };
    let Err(end) = converse(&mut stream, &mut link, &mut caller, &wire).await;
    // It would have been asked again, but what was said stands.
    let was_refused = caller.retries < limits.retries && matches!(caller.asked, Asked::At(_));
    let is_gone = matches!(end, End::Closed | End::PeerGaveUp(_) | End::Lost(_));
    if was_refused && is_gone && caller.answer.is_none() {
        caller.show.note(format_args!("not asked again: {end}"));
        caller.answer = Some(Answer::Retry);
    }
    let Caller { answer, was_asked, running, show, .. } = caller;
    drop(running); // which kills the commands
    let leave = async {
        // Otherwise what it was told could be lost on the way.
        if answer.is_none() || takes_leave || was_asked {
            wire.unread = limits.goodbye;
            see_off(&mut stream, &mut link, &end, &wire).await;
        }
    };
    let write = async {
        if matches!(end, End::Unprinted(_)) {
            return Ok(()); // it was tried
        }
        show.end()?;
        let written = poll_fn(|cx| show.poll_written(cx));
        match limits.until {
            Some(until) => timeout_at(until.into(), written).await.unwrap_or_else(|_| Err(late())),
            None => written.await,
        }
    };
    let (written, ()) = tokio::join!(write, leave);
    match written {
        Err(error) => Err(End::Unprinted(error)),
        Ok(()) => answer.ok_or(end),
    }
}

/// Nobody has taken what was shown.
fn late() -> io::Error {
    io::Error::new(ErrorKind::TimedOut, "it was not taken in time")
}

/// How far the request has come.
#[derive(Clone, Copy)]
enum Asked {
    /// It is to be asked then.
    At(u64),
    /// It is streamed, and its first part is still to be sent.
    Begins,
    /// Its next part is to be sent.
    Goes(Outgoing),
    /// It has been sent.
    Sent,
}

/// What the payload is that is being read.
#[derive(Clone, Copy)]
enum Takes {
    Nothing,
    /// It is shown, and that is all: a notification.
    Shown,
    /// A part of the result, which is shown and not the last.
    Part,
    /// The call is over behind it.
    Result,
    Error,
    Retry(u32),
    /// It goes to a command.
    Run(Incoming),
}

struct Caller<'a> {
    request: Request<'a>,
    asked: Asked,
    patience: u64,
    until: u64,
    retries: u32,
    /// When there was the latest sign of the answer, or something was still to be sent.
    progress: u64,
    takes: Takes,
    /// Whether a part of a result has been shown.
    has_parts: bool,
    /// Whether the peer has said its version.
    is_opened: bool,
    /// Whether it has made a request.
    was_asked: bool,
    answer: Option<Answer>,
    running: Running,
    show: &'a mut dyn Show,
    /// Whether something was still to be sent, answered or written a moment ago.
    was_busy: bool,
    /// Whether all that was shown has been written.
    is_written: bool,
    /// Why it cannot be.
    unwritten: Option<io::Error>,
}

impl App for Caller<'_> {
    fn event(&mut self, event: Event<'_>, _: &[u8], link: &mut Link) -> Result<(), End> {
        // An answer to the one would be taken for an answer to the other.
        if let Event::Frame(Frame::StreamRequest { id, .. }) = event
            && let Some(first) = self.running.stop_stream(id)
        {
            link.refuse(first, SAME_ID);
            self.takes = Takes::Nothing;
            return Ok(());
        }
        let received = link.receive(event);
        if let Received::Result { .. }
        | Received::ResultPart { .. }
        | Received::ErrorResult { .. }
        | Received::RetryResult { .. } = received
        {
            self.progress = link.now;
        }
        self.takes = match received {
            Received::Result { payload, .. } => {
                self.show(What::Result, payload)?;
                Takes::Result
            }
            Received::ResultPart { payload, .. } => {
                self.has_parts = true;
                self.show(What::Part, payload)?;
                Takes::Part
            }
            Received::ResultEnd { .. } => {
                self.show(What::Part, 0)?;
                Takes::Result
            }
            Received::ErrorResult { payload, .. } => {
                self.show(What::Error, payload)?;
                Takes::Error
            }
            Received::RetryResult { wait_ms, payload, .. } => {
                self.show(What::Retry { wait_ms }, payload)?;
                Takes::Retry(wait_ms)
            }
            Received::Notification { name, payload } => {
                self.show(What::Notification(name), payload)?;
                Takes::Shown
            }
            Received::Closed { code } => return Err(End::PeerGaveUp(code)),
            Received::Request { request, op, .. } => self.answer_request(request, op, false, link),
            Received::StreamRequest { request, op, .. } => {
                self.answer_request(request, op, true, link)
            }
            Received::RequestPart { request, .. } if self.running.has(request) => {
                Takes::Run(request)
            }
            Received::RequestEnd { request } if self.running.has(request) => {
                self.running.end(request);
                Takes::Nothing
            }
            Received::Opened => {
                self.is_opened = true;
                Takes::Nothing
            }
            Received::Heartbeat { load, .. } => {
                self.show.note(format_args!("heartbeat: load {load}"));
                Takes::Nothing
            }
            // Names that are too long, parts of what was refused, and results of what was not
            // asked: Go peers send the latter after a failed stream.
            _ => {
                match event {
                    Event::NameTooLong { message_type, name_len, .. } => self
                        .show
                        .note(format_args!("ignored: {message_type}, a name of {name_len} bytes")),
                    Event::Frame(frame) => self.show.note(format_args!("ignored: {frame}")),
                    Event::Version(_) | Event::Payload { .. } => {}
                }
                Takes::Nothing
            }
        };
        Ok(())
    }

    fn payload(&mut self, data: &[u8], remaining: u32, link: &mut Link) -> Result<(), End> {
        match self.takes {
            Takes::Nothing => return Ok(()),
            Takes::Run(request) => {
                self.running.input(request, data, remaining);
                return Ok(());
            }
            _ => {}
        }
        self.is_written = false;
        self.show.piece(data, remaining).map_err(End::Unprinted)?;
        if !matches!(self.takes, Takes::Shown) {
            self.progress = link.now;
        }
        match self.takes {
            _ if remaining > 0 => Ok(()),
            Takes::Nothing | Takes::Shown | Takes::Part | Takes::Run(_) => Ok(()),
            Takes::Result => self.over(Answer::Result),
            Takes::Error => self.over(Answer::Error),
            Takes::Retry(wait_ms) => {
                let at = link.after(wait_ms.into());
                // What has been shown cannot be taken back, and time that is over will not do.
                if self.retries == 0 || self.has_parts || at >= self.until {
                    return self.over(Answer::Retry);
                }
                if let Body::Stream(parts) = &mut self.request.body {
                    parts.rewind().map_err(End::NoPayload)?;
                }
                self.retries -= 1;
                self.asked = Asked::At(at);
                Ok(())
            }
        }
    }

    fn tick(&mut self, link: &mut Link) -> Result<u64, End> {
        if let Some(error) = self.unwritten.take() {
            return Err(End::Unprinted(error));
        }
        if let Asked::At(at) = self.asked
            && at <= link.now
        {
            self.ask(link);
        }
        self.send_parts(link)?;
        let show = &mut self.show;
        let next_run = self.running.tick(link, |op, why| {
            let op = text::name(op);
            show.note(format_args!("failed: a request {op}: {}", escape::plain(why)));
        });
        // The peer may wait for a command, and then nobody can wait for the peer.
        // It is a Gotalk peer, so it will read the notification.
        if self.is_opened && link.is_sent() && self.is_notification() {
            return self.over(Answer::Result).map(|()| NEVER);
        }
        let is_busy = !link.is_sent() || !self.running.is_idle() || !self.is_written;
        if is_busy || self.was_busy {
            self.progress = link.now; // also where it has just ended
        }
        self.was_busy = is_busy;
        let waits_until = self.waits_until();
        match link.now {
            now if now >= self.until && !self.is_written => Err(End::Unprinted(late())),
            now if now >= self.until => Err(End::TimeUp),
            now if now >= waits_until => Err(End::Silence),
            _ => Ok(next_run.min(self.until).min(match self.asked {
                Asked::At(at) => at,
                _ => waits_until,
            })),
        }
    }

    fn unanswered(&mut self, _: Outgoing, _: &mut Link) -> Result<(), End> {
        Err(End::Silence)
    }

    fn takes_more(&self) -> bool {
        self.is_written && self.running.takes_more()
    }

    fn poll_source(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.is_written
            && let Poll::Ready(written) = self.show.poll_written(cx)
        {
            self.is_written = true;
            self.unwritten = written.err();
            return Poll::Ready(());
        }
        if self.running.poll(cx).is_ready() {
            return Poll::Ready(());
        }
        match (self.asked, &mut self.request.body) {
            (Asked::Begins | Asked::Goes(_), Body::Stream(parts)) => parts.poll_read(cx),
            _ => Poll::Pending,
        }
    }
}

impl Caller<'_> {
    fn is_notification(&self) -> bool {
        matches!(self.request.body, Body::Notification(_))
    }

    /// There is nothing more to wait for.
    fn over(&mut self, answer: Answer) -> Result<(), End> {
        self.answer = Some(answer);
        Err(End::Closed)
    }

    fn show(&mut self, what: What<'_>, size: u32) -> Result<(), End> {
        self.is_written = false;
        self.show.begin(what, size).map_err(End::Unprinted)
    }

    /// The peer asks for something. If there is no command for it, its payload is not read.
    fn answer_request(
        &mut self,
        request: Incoming,
        op: Name<'_>,
        is_stream: bool,
        link: &mut Link,
    ) -> Takes {
        self.was_asked = true;
        if self.running.start(request, op, is_stream, link) {
            return Takes::Run(request);
        }
        link.refuse(request, &unknown(op));
        let (id, op) = (escape::id(request.id()), text::name(op.as_bytes()));
        self.show.note(format_args!("refused: a request {id} {op}"));
        Takes::Nothing
    }

    /// Until when the next sign of the answer must come. While the request is still to be
    /// sent there is no such time: what it sends may come slowly.
    fn waits_until(&self) -> u64 {
        match self.asked {
            Asked::Sent => self.progress.saturating_add(self.patience),
            _ => NEVER,
        }
    }

    fn ask(&mut self, link: &mut Link) {
        let op = self.request.op;
        self.asked = Asked::Sent;
        match self.request.body {
            Body::Notification(payload) => {
                link.send(|session, now, writer| session.notify(now, writer, op, payload));
            }
            Body::Single(payload) => {
                link.send(|session, now, writer| session.request(now, writer, op, payload));
            }
            Body::Stream(_) => self.asked = Asked::Begins,
        }
    }

    /// Sends parts, but none after the request has its answer: the session refuses them.
    fn send_parts(&mut self, link: &mut Link) -> Result<(), End> {
        let Body::Stream(parts) = &mut self.request.body else { return Ok(()) };
        let op = self.request.op;
        while let Asked::Begins | Asked::Goes(_) = self.asked
            && !link.is_full()
        {
            let Some(part) = parts.next().map_err(End::NoPayload)? else { break };
            let is_end = part.is_empty();
            let sent = match self.asked {
                Asked::Goes(request) if is_end => Some(request),
                Asked::Goes(request) => link
                    .send(|session, now, writer| session.request_part(now, writer, request, part))
                    .map(|()| request),
                _ => {
                    link.send(|session, now, writer| session.stream_request(now, writer, op, part))
                }
            };
            self.asked = sent.map_or(Asked::Sent, Asked::Goes);
            if let (true, Some(request)) = (is_end, sent) {
                link.send(|session, now, writer| session.request_end(now, writer, request));
                self.asked = Asked::Sent;
            }
        }
        Ok(())
    }
}

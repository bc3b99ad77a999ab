//! The client: one request, and all that may come until it has its answer.

use std::io::Write;
use std::slice::Chunks;
use std::time::Instant;

use gotalk::{Event, MAX_NAME_LEN, Outgoing, Received, Settings, WriteError};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::text::{self, Excerpt, unknown};
use crate::wire::{self, App, End, Link, NEVER, converse, on_a_line, see_off};

/// What to put up with, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The longest wait for the next sign of the answer.
    pub(crate) patience: u32,
    /// The longest time to see a peer off that is told why.
    pub(crate) goodbye: u64,
    /// Whether the peer is seen off even if all is well: it may not see a mere end.
    pub(crate) takes_leave: bool,
    /// Whether it is a line that never hangs up.
    pub(crate) says_goodbye: bool,
    /// When all of it is to be over, if that is set.
    pub(crate) until: Option<Instant>,
}

/// What to say.
pub(crate) struct Request<'a> {
    pub(crate) op: &'a str,
    pub(crate) payload: &'a [u8],
    /// The size of its parts, if it is to be streamed.
    pub(crate) part: Option<usize>,
    /// Whether it is a notification, which has no answer.
    pub(crate) notify: bool,
}

impl Request<'_> {
    /// Whether it can be asked.
    pub(crate) fn check(&self) -> Result<(), WriteError> {
        match (self.op.len(), self.payload.len()) {
            (0, _) => Err(WriteError::EmptyName),
            (len, _) if len > MAX_NAME_LEN => Err(WriteError::NameTooLong { len }),
            (_, len) if u32::try_from(len).is_err() => Err(WriteError::PayloadTooLong { len }),
            _ => Ok(()),
        }
    }
}

/// The answer.
#[derive(Debug)]
pub(crate) enum Answer {
    /// The result; its payload has been written out as it came. Of a notification, that it
    /// has gone out.
    Result,
    /// The request was at fault.
    Error(String),
    /// The request may be made again, but not before.
    Retry { wait_ms: u32, text: String },
}

/// Makes a request. The payload of the result goes to `result`, word of anything else
/// that comes to `notes`.
pub(crate) async fn call(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    request: &Request<'_>,
    limits: Limits,
    result: &mut impl Write,
    notes: &mut impl Write,
) -> Result<Answer, End> {
    let answer_ms = Some(limits.patience);
    let mut settings = Settings { answer_ms, streams: u16::MAX, ..Settings::DEFAULT };
    if limits.says_goodbye {
        settings = on_a_line(settings);
    }
    let takes_leave = limits.takes_leave || request.notify;
    let mut link = Link::new(settings);
    let &Request { op, payload, .. } = request;
    let mut parts = request.part.map(|size| payload.chunks(size.max(1)));
    let first = parts.as_mut().map(|parts| parts.next().unwrap_or_default());
    let asked = link.send(|session, now, writer| match first {
        _ if request.notify => session.notify(now, writer, op, payload).map(|()| None),
        None => session.request(now, writer, op, payload).map(Some),
        Some(part) => session.stream_request(now, writer, op, part).map(Some),
    });
    let until = limits.until.map(|until| until.saturating_duration_since(Instant::now()));
    let mut caller = Caller {
        parts: asked.flatten().zip(parts),
        notify: request.notify,
        until: until.map_or(NEVER, |until| until.as_millis() as u64),
        takes: Takes::Nothing,
        name: String::new(),
        text: Excerpt::default(),
        answer: None,
        result,
        notes,
    };
    let patience = limits.patience.into();
    let mut limits = wire::Limits {
        idle: patience,
        waiting: payload.len() + (1 << 20),
        unread: patience,
        goodbye: limits.goodbye,
        says_goodbye: limits.says_goodbye,
        ..wire::Limits::default()
    };
    let Err(end) = converse(&mut stream, &mut link, &mut caller, &limits).await;
    let answer = caller.answer;
    if answer.is_none() || takes_leave {
        limits.unread = limits.goodbye;
        see_off(&mut stream, &mut link, &end, &limits).await;
    }
    answer.ok_or(end)
}

/// What the payload is that is being read.
#[derive(Clone, Copy)]
enum Takes {
    Nothing,
    Part,
    Result,
    Error,
    Retry(u32),
    Note,
}

struct Caller<'a, R, N> {
    /// The parts that are still to be sent, and of which request.
    parts: Option<(Outgoing, Chunks<'a, u8>)>,
    notify: bool,
    until: u64,
    takes: Takes,
    /// The name of the notification that is being read, and the start of a payload.
    name: String,
    text: Excerpt,
    answer: Option<Answer>,
    result: R,
    notes: N,
}

impl<R: Write, N: Write> App for Caller<'_, R, N> {
    fn event(&mut self, event: Event<'_>, _: &[u8], link: &mut Link) -> Result<(), End> {
        self.takes = match link.receive(event) {
            // It is a Gotalk peer, so the notification will be read.
            Received::Opened if self.notify => return self.over(Answer::Result),
            Received::Result { .. } => Takes::Result,
            Received::ResultPart { .. } => Takes::Part,
            Received::ResultEnd { .. } => return self.over(Answer::Result),
            Received::ErrorResult { .. } => Takes::Error,
            Received::RetryResult { wait_ms, .. } => Takes::Retry(wait_ms),
            Received::Closed { code } => return Err(End::PeerGaveUp(code)),
            Received::Notification { name, .. } => {
                self.name = text::name(name);
                Takes::Note
            }
            Received::Request { request, op, .. } | Received::StreamRequest { request, op, .. } => {
                link.refuse(request, &unknown(op));
                self.note(format_args!("refused: a request {:?}", request.id()))
            }
            Received::Heartbeat { load, .. } => self.note(format_args!("heartbeat: load {load}")),
            Received::Opened => Takes::Nothing,
            // Names that are too long, parts of what was refused, and results of what was not
            // asked: Go peers send the latter after a failed stream.
            _ => self.note(format_args!("ignored: {event:?}")),
        };
        Ok(())
    }

    fn payload(&mut self, data: &[u8], remaining: u32, _: &mut Link) -> Result<(), End> {
        match self.takes {
            Takes::Nothing => {}
            Takes::Part | Takes::Result => {
                let printed = self.result.write_all(data).and_then(|()| self.result.flush());
                printed.map_err(End::Unprinted)?;
            }
            _ => self.text.push(data),
        }
        if remaining > 0 {
            return Ok(());
        }
        let text = std::mem::take(&mut self.text).to_string();
        match self.takes {
            Takes::Nothing | Takes::Part => Ok(()),
            Takes::Result => self.over(Answer::Result),
            Takes::Error => self.over(Answer::Error(text)),
            Takes::Retry(wait_ms) => self.over(Answer::Retry { wait_ms, text }),
            Takes::Note => {
                let name = std::mem::take(&mut self.name);
                self.note(format_args!("notification: {name} {text}"));
                Ok(())
            }
        }
    }

    /// Sends parts, but none after the request has its answer: the session refuses them.
    fn tick(&mut self, link: &mut Link) -> Result<u64, End> {
        while let Some((request, parts)) = &mut self.parts
            && !link.is_full()
        {
            let part = parts.next();
            let sent = link.send(|session, now, writer| match part {
                Some(part) => session.request_part(now, writer, *request, part),
                None => session.request_end(now, writer, *request),
            });
            if sent.is_none() || part.is_none() {
                self.parts = None;
            }
        }
        if link.now < self.until { Ok(self.until) } else { Err(End::TimeUp) }
    }

    fn unanswered(&mut self, _: Outgoing, _: &mut Link) -> Result<(), End> {
        Err(End::Silence)
    }
}

impl<R: Write, N: Write> Caller<'_, R, N> {
    /// There is nothing more to wait for.
    fn over(&mut self, answer: Answer) -> Result<(), End> {
        self.answer = Some(answer);
        Err(End::Closed)
    }

    /// A word to the user. That it cannot be said is no reason to stop.
    fn note(&mut self, text: std::fmt::Arguments<'_>) -> Takes {
        let _ = writeln!(self.notes, "{text}");
        Takes::Nothing
    }
}

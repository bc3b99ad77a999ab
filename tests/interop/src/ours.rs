//! Ours: a program on `gotalk::Session` that does what one side of a recording did, and
//! reports what has come. It answers what was asked, when it was asked.

use std::io;
use std::time::{Duration, Instant};

use gotalk::{
    Assembler, Due, Incoming, Outgoing, Received, Session, SessionError, Settings, Writer,
};

use crate::recording::{Cause, Conversation, Progress, Role};
use crate::socket::{Carrier, Socket};
use crate::wire::{self, Message};

/// What has come, as the session tells it.
#[derive(Default, Debug)]
pub struct Report {
    /// Each message with the number of its request, whoever made that. Ids are left out.
    pub came: Vec<(Option<usize>, Message)>,
    pub heartbeats: usize,
    /// Whether the peer's version has come.
    pub opened: bool,
    /// How the conversation ended.
    pub end: String,
    /// Bytes after the end.
    pub late: usize,
    /// The requests that were made, and those that the session gave up as lost.
    pub made: usize,
    pub lost: usize,
    /// Parts that the session did not let out, because the request was over.
    pub refused: usize,
}

struct Ours<'a> {
    socket: Socket,
    session: Session<64, 64>,
    conversation: &'a Conversation,
    role: Role,
    causes: Vec<Vec<Cause>>,
    start: Instant,
    buffer: Vec<u8>,
    /// How many messages of the recording are done.
    done: usize,
    /// How many heartbeats have been written.
    beats: usize,
    outgoing: Vec<Outgoing>,
    incoming: Vec<Incoming>,
    progress: Progress,
    report: Report,
}

/// Plays `role` until the conversation has ended, or for as long as `patience`.
pub fn run(
    socket: Socket,
    conversation: &Conversation,
    role: Role,
    patience: Duration,
) -> io::Result<Report> {
    let serves_browser = conversation.carrier == Carrier::WebSocket && role == Role::Server;
    let settings = Settings {
        heartbeat_ms: (conversation.side(role).count(b'h') > 0).then_some(50),
        // The only code of a recorded peer that is not an answer to what came.
        silence_ms: conversation
            .side(role)
            .messages
            .iter()
            .any(|m| m.kind == b'f' && m.last == 3)
            .then_some(300),
        streams: 8,
        ..if serves_browser { Settings::BROWSER } else { Settings::DEFAULT }
    };
    let mut ours = Ours {
        socket,
        session: Session::new(settings),
        conversation,
        role,
        causes: conversation.causes(role),
        start: Instant::now(),
        buffer: vec![0; 16 * 1024],
        done: 0,
        beats: 0,
        outgoing: Vec::new(),
        incoming: Vec::new(),
        progress: Progress::default(),
        report: Report::default(),
    };
    ours.converse(patience)?;
    ours.report.made = ours.outgoing.len();
    Ok(ours.report)
}

impl Ours<'_> {
    fn now(&self) -> u32 {
        self.start.elapsed().as_millis() as u32
    }

    /// Lets the session write, and sends that.
    fn send<T>(
        &mut self,
        write: impl FnOnce(&mut Session<64, 64>, u32, &mut Writer<'_>) -> Result<T, SessionError>,
    ) -> io::Result<Result<T, SessionError>> {
        let now = self.now();
        let mut writer = Writer::new(&mut self.buffer);
        let result = write(&mut self.session, now, &mut writer);
        let written = self.socket.send(writer.as_bytes());
        self.watch(written);
        Ok(result)
    }

    /// A transport that takes no more has ended.
    fn watch(&mut self, written: io::Result<()>) {
        if let Err(error) = written {
            self.ended(format!("lost: {}", error.kind()));
            self.session.disconnected();
        }
    }

    fn converse(&mut self, patience: Duration) -> io::Result<()> {
        let mut assembler = Assembler::<4096, 256>::new();
        loop {
            while self.done < self.causes.len() && self.act()? {
                self.done += 1;
            }
            if self.role == Role::Client && self.is_done() && self.session.is_open() {
                self.session.drain();
                self.report.end = "ours closed".to_owned();
            }
            if self.hangs_up() {
                self.report.end = "ours closed".to_owned();
                return self.close(patience);
            }
            if self.poll()? {
                // A message that was begun and is not complete.
                self.report.late += usize::from(assembler.finish().is_err());
                return self.close(patience);
            }
            if self.start.elapsed() >= patience {
                self.report.end =
                    format!("time is up, {} of {} done", self.done, self.causes.len());
                return Ok(());
            }
            let wait = self.session.wait_ms(self.now()).unwrap_or(u32::MAX).clamp(1, 50);
            self.socket.set_read_timeout(Duration::from_millis(wait.into()))?;
            let input = match self.socket.receive() {
                Ok(None) => {
                    let end = match assembler.finish() {
                        Ok(()) => "the peer closed".to_owned(),
                        Err(error) => format!("cut: {error}"),
                    };
                    self.ended(end);
                    self.session.disconnected();
                    continue;
                }
                Ok(Some(piece)) => piece.bytes,
                Err(error) if is_timeout(&error) => continue,
                Err(error) => {
                    self.ended(format!("lost: {}", error.kind()));
                    self.session.disconnected();
                    continue;
                }
            };
            let now = self.now();
            let mut items = assembler.feed(&input);
            while let Some(item) = items.next() {
                if let (Err(error), true) = (&item, self.report.end.is_empty()) {
                    self.report.end = format!("failed: {error}");
                }
                let mut writer = Writer::new(&mut self.buffer);
                let received =
                    self.session.receive(now, item, &mut writer).map_err(io::Error::other)?;
                // One that is gone is noticed by reading.
                let _ = self.socket.send(writer.as_bytes());
                let drains = self.conversation.name == "o-shutdown" && self.role == Role::Server;
                if drains && matches!(received, Received::Request { .. }) {
                    self.session.drain();
                    self.report.end = "ours closed".to_owned();
                }
                note(
                    received,
                    &mut self.incoming,
                    &self.outgoing,
                    &mut self.progress,
                    &mut self.report,
                );
            }
        }
    }

    fn ended(&mut self, how: String) {
        if self.report.end.is_empty() {
            self.report.end = how;
        }
    }

    /// What the recorded side did next, if its time has come.
    fn act(&mut self) -> io::Result<bool> {
        let at = self.done;
        let holds = |cause: &Cause| self.conversation.holds(self.role, *cause, &self.progress);
        if !self.causes[at].iter().all(holds) {
            return Ok(false);
        }
        let conversation = self.conversation;
        let message = &conversation.side(self.role).messages[at];
        let payload = &message.payload;
        let name = message.name.as_slice();
        let request = conversation.question(message);
        let asked = request.and_then(|request| self.outgoing.get(request).copied());
        let to_answer = request.and_then(|request| self.incoming.get(request).copied());
        let result = match (message.kind, asked, to_answer) {
            (b'r', ..) => self
                .send(|s, now, w| s.request(now, w, name, payload))?
                .map(|request| self.outgoing.push(request)),
            (b's', ..) => self
                .send(|s, now, w| s.stream_request(now, w, name, payload))?
                .map(|request| self.outgoing.push(request)),
            (b'p', Some(request), _) if payload.is_empty() => {
                self.send(|s, now, w| s.request_end(now, w, request))?
            }
            (b'p', Some(request), _) => {
                self.send(|s, now, w| s.request_part(now, w, request, payload))?
            }
            (b'n', ..) => self.send(|s, now, w| s.notify(now, w, name, payload))?,
            (b'R', _, Some(request)) => self.send(|s, _, w| s.respond(w, request, payload))?,
            (b'S', _, Some(request)) if payload.is_empty() => {
                self.send(|s, _, w| s.respond_end(w, request))?
            }
            (b'S', _, Some(request)) => self.send(|s, _, w| s.respond_part(w, request, payload))?,
            (b'E', _, Some(request)) => {
                self.send(|s, _, w| s.respond_error(w, request, payload))?
            }
            (b'e', _, Some(request)) => {
                self.send(|s, _, w| s.respond_retry(w, request, message.extra, payload))?
            }
            // The session writes them itself.
            (b'h', ..) => return Ok(self.beats >= self.count_before(at, b'h')),
            _ => Ok(()),
        };
        match result {
            Ok(()) => {}
            Err(SessionError::Over) => self.report.refused += 1,
            Err(SessionError::Closed) => return Ok(false),
            Err(error) => return Err(io::Error::other(error)),
        }
        Ok(true)
    }

    /// How many messages of a kind there are up to this one.
    fn count_before(&self, at: usize, kind: u8) -> usize {
        self.conversation.side(self.role).messages[..=at].iter().filter(|m| m.kind == kind).count()
    }

    /// Whether all that was recorded has been done, and has come.
    fn is_done(&self) -> bool {
        let peer = self.conversation.side(self.role.other());
        // One that speaks no Gotalk, or ends by `f`, ends the conversation itself.
        let ends = peer.stop != wire::Stop::Clean
            || peer.count(b'f') > 0
            || self.conversation.has_no_answer();
        let has_come = self.report.opened && self.progress.messages >= peer.messages.len();
        self.done == self.causes.len() && !ends && has_come
    }

    /// Whether the recorded server closed here, with a request that it had not answered.
    fn hangs_up(&self) -> bool {
        let asked = self.conversation.side(Role::Client).messages.len();
        self.role == Role::Server
            && self.conversation.closer == Role::Server
            && self.conversation.has_no_answer()
            && self.progress.messages >= asked
    }

    /// Does what is due, and says whether to close.
    fn poll(&mut self) -> io::Result<bool> {
        loop {
            let now = self.now();
            let mut writer = Writer::new(&mut self.buffer);
            let due = self.session.poll(now, &mut writer).map_err(io::Error::other)?;
            self.beats += usize::from(writer.as_bytes().contains(&b'h'));
            let _ = self.socket.send(writer.as_bytes());
            match due {
                Some(Due::Close) => return Ok(true),
                Some(Due::Lost(_)) => self.report.lost += 1,
                Some(Due::TimedOut(_)) => {}
                None => return Ok(false),
            }
        }
    }

    fn close(&mut self, patience: Duration) -> io::Result<()> {
        if self.report.end.is_empty() {
            self.report.end = "silence".to_owned();
        }
        let _ = self.socket.finish();
        self.socket.set_read_timeout(patience)?;
        while let Ok(Some(piece)) = self.socket.receive() {
            self.report.late += piece.bytes.len();
        }
        Ok(())
    }
}

pub fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

fn note(
    received: Received<'_, &[u8]>,
    incoming: &mut Vec<Incoming>,
    outgoing: &[Outgoing],
    progress: &mut Progress,
    report: &mut Report,
) {
    let theirs =
        |incoming: &[Incoming], request| incoming.iter().rposition(|known| *known == request);
    let mine = |request| outgoing.iter().rposition(|known| *known == request);
    let mut came = |request: Option<usize>, kind: u8, name: &[u8], payload: &[u8]| {
        let message =
            Message { name: name.to_vec(), payload: payload.to_vec(), ..wire::empty(kind) };
        report.came.push((request, message));
    };
    progress.messages += 1;
    match received {
        Received::Opened => {
            progress.messages -= 1;
            report.opened = true;
        }
        Received::Request { request, op, payload } => {
            incoming.push(request);
            progress.asked.push(0);
            came(Some(incoming.len() - 1), b'r', op.as_bytes(), payload);
        }
        Received::StreamRequest { request, op, payload } => {
            incoming.push(request);
            progress.asked.push(0);
            came(Some(incoming.len() - 1), b's', op.as_bytes(), payload);
        }
        Received::RequestPart { request, payload } => {
            let request = theirs(incoming, request);
            if let Some(request) = request {
                progress.asked[request] += 1;
            }
            came(request, b'p', b"", payload);
        }
        Received::RequestEnd { request } => {
            let request = theirs(incoming, request);
            if let Some(request) = request {
                progress.asked[request] += 1;
            }
            came(request, b'p', b"", b"");
        }
        Received::Result { request, payload } => {
            progress.answered.extend(mine(request));
            came(mine(request), b'R', b"", payload);
        }
        Received::ResultPart { request, payload } => came(mine(request), b'S', b"", payload),
        Received::ResultEnd { request } => {
            progress.answered.extend(mine(request));
            came(mine(request), b'S', b"", b"");
        }
        Received::ErrorResult { request, payload } => {
            progress.answered.extend(mine(request));
            came(mine(request), b'E', b"", payload);
        }
        Received::RetryResult { request, payload, .. } => {
            progress.answered.extend(mine(request));
            came(mine(request), b'e', b"", payload);
        }
        Received::Notification { name, payload } => came(None, b'n', name.as_bytes(), payload),
        Received::Heartbeat { .. } => report.heartbeats += 1,
        Received::Closed { code } => {
            report.end = format!("the peer's f {}", u32::from(code));
        }
        // Dropped by the session, such as what comes after the end of a result; or an error.
        _ => {}
    }
}

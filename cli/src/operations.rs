//! The operations that `gotalk serve` has, as one connection sees them: commands, if there are
//! any, and otherwise those that are built in.
//!
//! An echo of any size passes through piece by piece. Every other payload is kept until it
//! is complete, in a [`Job`], which lives until the request has its answer.

use std::ops::Range;
use std::sync::Arc;
use std::task::{Context, Poll};

use gotalk::{Announced, ErrorCode, Event, Frame, Incoming, Name, Outgoing, Received};
use serde_json::json;

use crate::command::Running;
use crate::log::Line;
use crate::server::Shared;
use crate::text::{Excerpt, SAME_ID, too_long, unknown};
use crate::wire::{App, End, Link, NAME, NEVER};

/// How many bytes are kept for a connection.
const KEPT: usize = 256 * 1024;

/// Operations that answer with their name.
const NAMES: [&[u8]; 5] =
    [b"n", &[b'a'; NAME], "blåbär".as_bytes(), "日本語".as_bytes(), "🚀🚀".as_bytes()];
/// Those whose payload matters.
const SINGLE: [&str; 7] =
    ["upper", "limited", "slow", "callback", "notify-me", "close-me", "abort"];
const STREAMED: [&str; 4] = ["echo", "stream-echo", "stream-join", "stream-count"];

/// A request that waits for its answer, and what is needed for that.
struct Job {
    request: Incoming,
    op: &'static str,
    is_stream: bool,
    kept: Vec<u8>,
    /// When there is something to do next.
    due: Option<u64>,
    /// The request to the client that its answer waits for.
    asked: Option<Outgoing>,
    /// The parts that are still to be written.
    count: Range<i64>,
    has_ended: bool,
}

/// Where the payload that is being read goes.
#[derive(Clone, Copy)]
enum Payload {
    Ignored,
    Passed,
    Kept(Incoming),
    /// To a command.
    Run(Incoming),
    Noted,
}

pub(crate) struct Service {
    peer: String,
    shared: Arc<Shared>,
    jobs: Vec<Job>,
    running: Running,
    payload: Payload,
    /// The notification that is being read.
    note: (Vec<u8>, Excerpt),
}

impl App for Service {
    fn event(&mut self, event: Event<'_>, rest: &[u8], link: &mut Link) -> Result<(), End> {
        match event {
            // The session would not say how long.
            Event::NameTooLong { id: Some(id), name_len, .. } => {
                link.send(|_, _, writer| {
                    writer.error_result(id, too_long(name_len, NAME).as_bytes())
                });
                return Ok(());
            }
            Event::NameTooLong { id: None, name_len, .. } => {
                self.shared.log.tell(&Line::NameTooLong { peer: &self.peer, len: name_len });
            }
            // An answer to the one would be taken for an answer to the other.
            Event::Frame(Frame::StreamRequest { id, .. }) => {
                let is_second = |job: &Job| job.is_stream && job.request.id() == id;
                let job = self.jobs.iter().position(is_second);
                let first = job.map(|at| self.jobs.swap_remove(at).request);
                if let Some(first) = first.or_else(|| self.running.stop_stream(id)) {
                    link.refuse(first, SAME_ID);
                    self.payload = Payload::Ignored;
                    return Ok(());
                }
            }
            _ => {}
        }
        self.payload = match link.receive(event) {
            Received::Request { request, op, payload: len } => {
                // An echo in one go if its payload is all there: that is the faster way.
                match rest.get(..len as usize) {
                    Some(payload) if op == "echo" && self.has_echo() => {
                        link.respond(request, payload);
                        Payload::Ignored
                    }
                    _ => self.request(request, op, len, link),
                }
            }
            Received::StreamRequest { request, op, payload } => {
                self.stream(request, op, payload, link)
            }
            Received::RequestPart { request, payload } => self.part(request, payload, link),
            Received::RequestEnd { request } => self.end(request, link),
            Received::Result { request, payload } => self.pass_on(request, payload, true, link),
            Received::ErrorResult { request, payload } => {
                self.pass_on(request, payload, false, link)
            }
            Received::RetryResult { request, wait_ms, .. } => {
                if let Some(at) = self.asking(request) {
                    self.jobs[at].due = Some(link.after(wait_ms.into()));
                }
                Payload::Ignored
            }
            Received::ResultPart { request, .. } | Received::ResultEnd { request } => {
                if let Some(at) = self.asking(request) {
                    link.session.forget(request);
                    self.refuse(at, b"unexpected streaming response", link);
                }
                Payload::Ignored
            }
            Received::Notification { name, .. } => {
                self.note = (name.as_bytes().to_vec(), self.shared.log.excerpt());
                Payload::Noted
            }
            Received::Closed { code } => return Err(End::PeerGaveUp(code)),
            _ => Payload::Ignored,
        };
        Ok(())
    }

    fn payload(&mut self, data: &[u8], remaining: u32, link: &mut Link) -> Result<(), End> {
        match self.payload {
            Payload::Ignored => {}
            Payload::Passed => link.pass(data),
            Payload::Noted => {
                self.note.1.push(data);
                if remaining == 0 {
                    let (name, payload) = &std::mem::take(&mut self.note);
                    self.shared.log.tell(&Line::Notification { peer: &self.peer, name, payload });
                }
            }
            Payload::Run(request) => self.running.input(request, data, remaining),
            Payload::Kept(request) => {
                if let Some(at) = self.job(request) {
                    self.jobs[at].kept.extend_from_slice(data);
                    if remaining == 0 {
                        return self.complete(at, link);
                    }
                }
            }
        }
        Ok(())
    }

    fn tick(&mut self, link: &mut Link) -> Result<u64, End> {
        link.session.set_load(self.shared.load());
        let (log, peer) = (&self.shared.log, &self.peer);
        let next_run = self.running.tick(link, |op, why| log.tell(&Line::Failed { peer, op, why }));
        while !link.is_full() {
            let due = self.jobs.iter().enumerate().filter_map(|(at, job)| Some((job.due?, at)));
            match due.min() {
                Some((due, at)) if due <= link.now => self.go_on(at, link),
                next => return Ok(next.map_or(NEVER, |(due, _)| due).min(next_run)),
            }
        }
        Ok(NEVER) // until there is room again
    }

    fn unanswered(&mut self, request: Outgoing, link: &mut Link) -> Result<(), End> {
        if let Some(at) = self.asking(request) {
            self.refuse(at, b"no answer from the client", link);
        }
        Ok(())
    }

    fn poll_source(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.running.poll(cx)
    }

    fn takes_more(&self) -> bool {
        self.running.takes_more()
    }
}

impl Service {
    pub(crate) fn new(peer: String, shared: Arc<Shared>) -> Self {
        let running = Running::new(Arc::clone(&shared.commands), peer.clone());
        let note = Default::default();
        Self { peer, shared, jobs: Vec::new(), running, payload: Payload::Ignored, note }
    }

    /// Kills the commands that still run.
    pub(crate) fn stop(self) -> Arc<Shared> {
        self.shared
    }

    /// Whether no more single requests are taken.
    fn is_busy(&self) -> bool {
        let jobs = self.jobs.iter().filter(|job| !job.is_stream).count();
        jobs + self.running.singles() >= self.shared.limits.requests
    }

    fn has_echo(&self) -> bool {
        self.running.is_empty() && !self.is_busy()
    }

    /// A single request begins.
    fn request(&mut self, request: Incoming, op: Name<'_>, len: u32, link: &mut Link) -> Payload {
        if self.is_busy() {
            link.refuse_for_now(request, "request rate limit");
        } else if !self.running.is_empty() {
            return self.run(request, op, false, link);
        } else if op == "echo" {
            link.announce(len, |session, _, writer| {
                session.respond(writer, request, Announced(len))
            });
            return Payload::Passed;
        } else if NAMES.iter().any(|name| op == *name) {
            link.respond(request, &op);
        } else if op == "fail" || op == "panic" {
            link.refuse(request, "boom");
        } else if let Some(op) = SINGLE.into_iter().find(|known| op == *known) {
            let at = self.start(request, op, false);
            return self.keep(at, len, link);
        } else {
            link.refuse(request, &unknown(op));
        }
        Payload::Ignored
    }

    /// A streamed request begins.
    fn stream(&mut self, request: Incoming, op: Name<'_>, len: u32, link: &mut Link) -> Payload {
        if !self.running.is_empty() {
            return self.run(request, op, true, link);
        }
        if let Some(op) = STREAMED.into_iter().find(|known| op == *known) {
            let at = self.start(request, op, true);
            return match op {
                "stream-count" => self.keep(at, len, link),
                _ => self.part(request, len, link),
            };
        }
        if op == "stream-fail" {
            link.send(|session, _, writer| session.respond_part(writer, request, "partial"));
            link.refuse(request, "boom");
        } else {
            link.refuse(request, &unknown(op));
        }
        Payload::Ignored
    }

    fn run(
        &mut self,
        request: Incoming,
        op: Name<'_>,
        is_stream: bool,
        link: &mut Link,
    ) -> Payload {
        if !self.running.start(request, op, is_stream, link) {
            link.refuse(request, &unknown(op));
        }
        Payload::Run(request)
    }

    fn start(&mut self, request: Incoming, op: &'static str, is_stream: bool) -> usize {
        let (kept, due, asked, count, has_ended) = (Vec::new(), None, None, 0..0, false);
        self.jobs.push(Job { request, op, is_stream, kept, due, asked, count, has_ended });
        self.jobs.len() - 1
    }

    /// A part of a streamed request begins.
    fn part(&mut self, request: Incoming, len: u32, link: &mut Link) -> Payload {
        match self.job(request).map(|at| (at, self.jobs[at].op)) {
            Some((at, "stream-join")) => self.keep(at, len, link),
            Some((_, "echo" | "stream-echo")) if len > 0 => {
                link.announce(len, |session, _, writer| {
                    session.respond_part(writer, request, Announced(len))
                });
                Payload::Passed
            }
            None => Payload::Run(request),
            _ => Payload::Ignored,
        }
    }

    /// A streamed request is complete.
    fn end(&mut self, request: Incoming, link: &mut Link) -> Payload {
        self.running.end(request);
        if let Some(at) = self.job(request) {
            let job = &mut self.jobs[at];
            job.has_ended = true;
            if job.due.is_none() {
                let Job { kept, op, .. } = self.jobs.swap_remove(at);
                if op == "stream-join" {
                    // Nothing, if nothing has come: the session writes no empty part.
                    link.send(|session, _, writer| session.respond_part(writer, request, &kept));
                }
                link.send(|session, _, writer| session.respond_end(writer, request));
            }
        }
        Payload::Ignored
    }

    /// The payload that comes is kept for a job, if that is not too much.
    fn keep(&mut self, at: usize, len: u32, link: &mut Link) -> Payload {
        let kept: usize = self.jobs.iter().map(|job| job.kept.len()).sum();
        if kept + len as usize > KEPT {
            self.refuse(at, b"too much to keep", link);
            return Payload::Ignored;
        }
        Payload::Kept(self.jobs[at].request)
    }

    /// What is to be kept is complete.
    fn complete(&mut self, at: usize, link: &mut Link) -> Result<(), End> {
        let job = &mut self.jobs[at];
        let number = String::from_utf8_lossy(&job.kept).parse::<i64>();
        let due = match (job.op, number) {
            ("upper", _) => {
                match serde_json::from_slice::<String>(&job.kept) {
                    Ok(text) => {
                        link.respond(job.request, &json!(text.to_uppercase()).to_string());
                        self.jobs.swap_remove(at);
                    }
                    Err(_) => self.refuse(at, b"unexpected parameter type", link),
                }
                return Ok(());
            }
            ("notify-me", _) => {
                let Job { request, kept, .. } = self.jobs.swap_remove(at);
                link.send(|session, now, writer| session.notify(now, writer, "greeting", &kept));
                link.respond(request, b"");
                return Ok(());
            }
            ("close-me", _) => return Err(End::Closed),
            ("abort", Ok(code @ 0..=0x7fff_ffff)) => {
                return Err(End::Told(ErrorCode::new(code as u32), "it asked for that"));
            }
            ("abort", _) => {
                self.refuse(at, b"the payload must be a code", link);
                return Ok(());
            }
            ("slow" | "stream-count", Err(error)) => {
                self.refuse(at, error.to_string().as_bytes(), link);
                return Ok(());
            }
            ("slow", Ok(wait)) => link.after(wait.clamp(0, 10_000) as u64),
            ("limited", _) => link.after(100),
            ("stream-join", _) => return Ok(()),
            (_, number) => {
                job.count = 0..number.unwrap_or(0);
                link.now // to count, or to ask the client
            }
        };
        job.due = Some(due);
        Ok(())
    }

    /// Does what a job has waited for.
    fn go_on(&mut self, at: usize, link: &mut Link) {
        let job = &mut self.jobs[at];
        let (request, kept) = (job.request, &job.kept);
        match (job.op, job.count.next()) {
            ("callback", _) => {
                job.due = None;
                job.asked = link
                    .send(|session, now, writer| session.request(now, writer, "client-echo", kept));
                if job.asked.is_none() {
                    link.refuse_for_now(request, "too many callbacks");
                    self.jobs.swap_remove(at);
                }
            }
            ("stream-count", Some(before)) => {
                let number = before + 1;
                link.send(|session, _, writer| {
                    session.respond_part(writer, request, format_args!("{number}"))
                });
            }
            ("stream-count", None) => {
                job.due = None;
                if job.has_ended {
                    self.end(request, link);
                }
            }
            _ => {
                link.respond(request, kept);
                self.jobs.swap_remove(at);
            }
        }
    }

    /// The client has answered a callback, well or not, and that is the answer.
    fn pass_on(&mut self, asked: Outgoing, len: u32, well: bool, link: &mut Link) -> Payload {
        let Some(at) = self.asking(asked) else { return Payload::Ignored };
        let request = self.jobs.swap_remove(at).request;
        link.announce(len, |session, _, writer| match well {
            true => session.respond(writer, request, Announced(len)),
            false => session.respond_error(writer, request, Announced(len)),
        });
        Payload::Passed
    }

    fn refuse(&mut self, at: usize, why: &[u8], link: &mut Link) {
        link.refuse(self.jobs.swap_remove(at).request, why);
    }

    fn job(&self, request: Incoming) -> Option<usize> {
        self.jobs.iter().position(|job| job.request == request)
    }

    /// The job that waits for the result of `request`.
    fn asking(&self, request: Outgoing) -> Option<usize> {
        self.jobs.iter().position(|job| job.asked == Some(request))
    }
}

//! Many requests, to measure a server.
//!
//! For whoever changes this:
//!
//! - What is done for each request is what the figures measure, too. So nothing is allocated
//!   for one, and the clock is read once for all replies of a read, and once for all requests
//!   of a write.
//! - The session ends a request at the header of its reply, so that its payload may belong to
//!   none that is in flight: [`Loader::takes`] has what was known of it.

use std::future::pending;
use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gotalk::{Event, Outgoing, Received, Settings};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::summary::{Reply, Seen};
use super::{no_answer, out, takes_leave};
use crate::CONNECT;
use crate::args::Call;
use crate::text::{Excerpt, unknown};
use crate::transport::{self, Stream};
use crate::wire::{self, App, End, Link, NEVER, converse, on_a_line, see_off};

/// How many connections are being made at once.
const CONNECTING: usize = 64;
/// The longest wait for a reply.
const PATIENCE: Duration = Duration::from_secs(30);
/// Requests in flight on a connection: a table that is no larger than most need, and one for
/// all that may be asked for.
const FEW: usize = 64;
const MANY: usize = 1024;

struct Plan {
    op: String,
    payload: Vec<u8>,
    concurrency: usize,
    timeout: Duration,
    limits: wire::Limits,
    settings: Settings,
    takes_leave: bool,
}

/// Makes the requests, and prints what came of them.
pub(super) async fn load(args: &Call, payload: &[u8], requests: u64) -> u8 {
    let timeout = args.timeout.unwrap_or(PATIENCE);
    let ms = u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX).max(1);
    let mut settings = Settings { answer_ms: Some(ms), ..Settings::DEFAULT };
    let mut limits = wire::Limits {
        silence: ms.into(),
        // The peer's requests get answers too: it has to read some of them.
        waiting: payload.len() + (1 << 20),
        unread: ms.into(),
        ..wire::Limits::default()
    };
    if args.address.is_serial() {
        on_a_line(&mut settings, &mut limits);
    }
    let plan = Arc::new(Plan {
        op: args.op.clone(),
        payload: payload.to_vec(),
        concurrency: args.concurrency.into(),
        timeout,
        limits,
        settings,
        takes_leave: takes_leave(&args.address),
    });
    let streams = tokio::select! {
        streams = connect(args, timeout) => streams,
        code = transport::interrupted() => return code,
    };
    let streams = match streams {
        Ok(streams) => streams,
        Err(why) => return no_answer(args, format_args!("{}: {why}", args.address)),
    };
    let seen = Arc::new(Mutex::new(Seen::new(requests)));
    let mut connections = JoinSet::new();
    for stream in streams {
        let (plan, seen) = (Arc::clone(&plan), Arc::clone(&seen));
        match plan.concurrency {
            ..=FEW => connections.spawn(ask::<FEW>(stream, plan, seen)),
            _ => connections.spawn(ask::<MANY>(stream, plan, seen)),
        };
    }
    let interrupted = tokio::select! {
        () = async { while connections.join_next().await.is_some() {} } => None,
        () = show_progress(&seen) => None,
        code = transport::interrupted() => Some(code),
    };
    let seen = lock(&seen);
    let (connections, concurrency, mut out) = (args.connections, args.concurrency, out(args));
    let printed = match args.json {
        true => seen.json(connections, concurrency).end(&mut out),
        false => out.write_all(seen.text(connections, concurrency).as_bytes()),
    };
    match printed.and_then(|()| out.flush()) {
        Ok(()) => interrupted.unwrap_or(seen.code()),
        Err(error) => super::unprinted(&error),
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes all connections, or none.
async fn connect(args: &Call, timeout: Duration) -> Result<Vec<Stream>, String> {
    let mut streams = Vec::new();
    let mut connecting = JoinSet::new();
    let wanted = usize::from(args.connections);
    while streams.len() < wanted {
        while connecting.len() < CONNECTING && streams.len() + connecting.len() < wanted {
            let address = args.address.clone();
            let by = Instant::now() + timeout.min(CONNECT);
            connecting.spawn(async move { transport::connect(&address, by).await });
        }
        match connecting.join_next().await {
            Some(Ok(Ok(stream))) => streams.push(stream),
            Some(Ok(Err(error))) if wanted == 1 => return Err(error.to_string()),
            Some(Ok(Err(error))) => {
                return Err(format!("{error}, after {} of {wanted} connections", streams.len()));
            }
            Some(Err(error)) => return Err(error.to_string()),
            None => break,
        }
    }
    Ok(streams)
}

/// Where somebody may look.
async fn show_progress(seen: &Mutex<Seen>) {
    if !io::stderr().is_terminal() {
        return pending().await;
    }
    let wanted = lock(seen).wanted;
    let bar = ProgressBar::with_draw_target(Some(wanted), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{wide_bar} {pos}/{len} {elapsed}") {
        bar.set_style(style);
    }
    let bar = Shown(bar);
    loop {
        bar.0.set_position(lock(seen).ended());
        sleep(Duration::from_millis(100)).await;
    }
}

/// The bar goes when nobody waits any more, so that the summary stands alone.
struct Shown(ProgressBar);

impl Drop for Shown {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// One connection.
async fn ask<const N: usize>(mut stream: Stream, plan: Arc<Plan>, seen: Arc<Mutex<Seen>>) {
    let mut link = Link::<N>::new(plan.settings);
    let mut loader = Loader {
        plan: &plan,
        seen: &seen,
        in_flight: 0,
        started: [Instant::now(); N],
        read_at: None,
        takes: None,
        text: Excerpt::default(),
    };
    let Err(end) = converse(&mut stream, &mut link, &mut loader, &plan.limits).await;
    let is_done = loader.in_flight == 0 && lock(&seen).left == 0;
    if !is_done {
        lock(&seen).lost(loader.in_flight as u64, &end);
    }
    if !is_done || plan.takes_leave {
        see_off(&mut stream, &mut link, &end, &plan.limits).await;
    }
}

struct Loader<'a, const N: usize> {
    plan: &'a Plan,
    seen: &'a Mutex<Seen>,
    /// Those whose reply is not yet whole.
    in_flight: usize,
    /// When they were written, by their index.
    started: [Instant; N],
    /// When the bytes came that are being looked at.
    read_at: Option<Instant>,
    /// The reply whose payload is being read, and when its request was written.
    takes: Option<(Reply, Instant)>,
    /// The start of the payload of an error or retry result.
    text: Excerpt,
}

impl<const N: usize> App<N> for Loader<'_, N> {
    fn event(&mut self, event: Event<'_>, _: &[u8], link: &mut Link<N>) -> Result<(), End> {
        self.takes = None;
        match link.receive(event) {
            Received::Result { request, .. } => self.take(Reply::Result, request),
            Received::ErrorResult { request, .. } => self.take(Reply::Error, request),
            Received::RetryResult { request, .. } => self.take(Reply::Retry, request),
            Received::ResultEnd { request } => {
                self.take(Reply::Result, request);
                self.whole();
            }
            // The session gives a request the whole time again for each part.
            Received::ResultPart { request, .. } if self.is_late(self.started[request.index()]) => {
                link.session.forget(request);
                self.in_flight -= 1;
                lock(self.seen).lost(1, &End::Silence);
            }
            Received::Request { request, op, .. } | Received::StreamRequest { request, op, .. } => {
                link.refuse(request, &unknown(op));
            }
            Received::Closed { code } => return Err(End::PeerGaveUp(code)),
            _ => {}
        }
        Ok(())
    }

    fn payload(&mut self, data: &[u8], remaining: u32, _: &mut Link<N>) -> Result<(), End> {
        let Some((reply, started)) = self.takes else { return Ok(()) };
        if let Reply::Error | Reply::Retry = reply {
            self.text.push(data);
        }
        if remaining == 0 {
            self.whole();
        } else if self.is_late(started) {
            return Err(End::Silence);
        }
        Ok(())
    }

    fn tick(&mut self, link: &mut Link<N>) -> Result<u64, End> {
        self.read_at = None;
        let mut now = None;
        let mut seen = lock(self.seen);
        while self.in_flight < self.plan.concurrency && seen.left > 0 && !link.is_full() {
            let Plan { op, payload, .. } = self.plan;
            let asked = link
                .send(|session, now, writer| session.request(now, writer, op.as_str(), payload));
            let Some(request) = asked else { break };
            self.started[request.index()] = *now.get_or_insert_with(Instant::now);
            self.in_flight += 1;
            seen.left -= 1;
        }
        if self.in_flight == 0 && seen.left == 0 {
            return Err(End::Closed);
        }
        Ok(NEVER)
    }

    fn unanswered(&mut self, _: Outgoing, link: &mut Link<N>) -> Result<(), End> {
        self.in_flight -= 1;
        lock(self.seen).lost(1, &End::Silence);
        self.tick(link).map(drop) // another one at once, or the end
    }
}

impl<const N: usize> Loader<'_, N> {
    fn take(&mut self, reply: Reply, request: Outgoing) {
        self.takes = Some((reply, self.started[request.index()]));
    }

    /// The reply is whole.
    fn whole(&mut self) {
        let Some((reply, started)) = self.takes.take() else { return };
        let now = self.now();
        self.in_flight -= 1;
        let mut seen = lock(self.seen);
        seen.replied(reply, now, now - started);
        if let Reply::Error | Reply::Retry = reply {
            let text = std::mem::take(&mut self.text);
            seen.first_refusal.get_or_insert(text);
        }
    }

    fn is_late(&mut self, started: Instant) -> bool {
        self.now() - started > self.plan.timeout
    }

    fn now(&mut self) -> Instant {
        *self.read_at.get_or_insert_with(Instant::now)
    }
}

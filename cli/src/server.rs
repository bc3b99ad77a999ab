//! The server: a thread for each connection, which reads, answers and sends
//! heartbeats.
//!
//! Why threads: the standard library has no way to wait for many sockets at once, and
//! a thread that waits costs a few pages of memory. It makes the rest simple. A peer
//! that stalls stalls its own thread. A peer that does not read stops being read, as
//! its thread waits in a write; nothing is queued for it but what the two sockets
//! hold, and after a while it is disconnected. And as one thread writes, no heartbeat
//! can get into the middle of a result. The price: a peer must read while it writes
//! a payload that is larger than what the sockets hold, as Gotalk peers do.
//!
//! Payloads are not kept but passed on as they come, so that a request of any size is
//! echoed in the same 16 KiB. When the peer stalls in the middle of its request, the
//! result stops in the middle too, and nothing can be said until the connection ends.

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::SyncSender;
use std::thread;
use std::time::{Duration, Instant};

use gotalk::{ErrorCode, Event, Frame, Name, RequestId};

use crate::text::{self, Excerpt, error_json, too_long, unknown};
use crate::wire::{self, End, HEARTBEAT, Incoming, NAME, Outgoing};

/// Stack of a connection's thread. Only what is used of it takes memory.
const STACK: usize = 128 * 1024;
/// Threads that tell a peer that there is no room for it, when there is none.
const TURNED_AWAY: usize = 50;
/// The pauses after failing to accept: at first, and when that goes on.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LAST_PAUSE: Duration = Duration::from_millis(500);
/// How many streamed requests a connection may have open.
const STREAMS: usize = 64;

/// What a peer may cost.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// Connections at once.
    pub(crate) connections: usize,
    /// The time between two heartbeats.
    pub(crate) heartbeat: Duration,
    /// The longest silence in the middle of a message, or before the version. Between
    /// messages a peer may be silent for ever.
    pub(crate) silence: Duration,
    /// The longest wait for a peer to read something of what it was sent.
    pub(crate) unread: Duration,
    /// The longest time to see a peer off.
    pub(crate) goodbye: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 2000,
            heartbeat: HEARTBEAT,
            silence: Duration::from_secs(60),
            unread: Duration::from_secs(10),
            goodbye: Duration::from_secs(1),
        }
    }
}

/// What all connections share.
struct Shared {
    limits: Limits,
    open: AtomicUsize,
    lines: SyncSender<String>,
}

impl Shared {
    /// Never waits: if nobody takes the lines, they are lost.
    fn log(&self, line: String) {
        let _ = self.lines.try_send(line);
    }

    /// The load that a heartbeat tells.
    fn load(&self) -> u16 {
        let open = self.open.load(Ordering::Relaxed);
        let load = open.saturating_mul(usize::from(u16::MAX)) / self.limits.connections.max(1);
        u16::try_from(load).unwrap_or(u16::MAX)
    }
}

/// A place among the open connections, for as long as it lives.
struct Place(Arc<Shared>);

impl Place {
    /// The place, and how many were taken before it.
    fn take(shared: &Arc<Shared>) -> (Self, usize) {
        let before = shared.open.fetch_add(1, Ordering::Relaxed);
        (Self(Arc::clone(shared)), before)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Serves for ever. What there is to tell goes to `lines`.
pub(crate) fn serve(listener: &TcpListener, limits: Limits, lines: SyncSender<String>) -> ! {
    let shared = Arc::new(Shared { limits, open: AtomicUsize::new(0), lines });
    loop {
        let (stream, peer) = accept(listener, &shared);
        let (place, before) = Place::take(&shared);
        let most = shared.limits.connections;
        if before >= most + TURNED_AWAY {
            continue;
        }
        let conversation = move || {
            let Place(shared) = &place;
            let end = match before < most {
                true => attend(&stream, peer, shared),
                false => turn_away(&stream, shared),
            };
            if let Err(end) = end {
                shared.log(format!("closed {peer}: {end}"));
            }
        };
        if let Err(error) = thread::Builder::new().stack_size(STACK).spawn(conversation) {
            shared.log(format!("not served {peer}: {error}"));
        }
    }
}

/// The next connection. While none can be had, as when descriptors are out, it tries
/// again less and less often, and says so once.
fn accept(listener: &TcpListener, shared: &Shared) -> (TcpStream, SocketAddr) {
    let mut pause = Duration::ZERO;
    loop {
        match listener.accept() {
            Ok(accepted) => {
                if !pause.is_zero() {
                    shared.log("accepting again".to_owned());
                }
                return accepted;
            }
            Err(error) if pause.is_zero() => {
                shared.log(format!("not accepted: {error}; trying again"));
                pause = FIRST_PAUSE;
            }
            Err(_) => pause = LAST_PAUSE.min(2 * pause),
        }
        thread::sleep(pause);
    }
}

/// One connection, from the version to the end.
fn attend(stream: &TcpStream, peer: SocketAddr, shared: &Shared) -> Result<(), End> {
    let mut out = Outgoing::new(stream);
    let end = converse(stream, &mut out, peer, shared);
    if let Err(End::Lost(_)) = end {
        return end; // there is nobody to see off
    }
    // The answers to what came before the end are still in `out`. In the middle of a
    // result nothing more can be said: it would be read as payload.
    if let Some(code) = end.as_ref().err().and_then(End::code).filter(|_| out.is_whole()) {
        out.send(|writer| writer.protocol_error(code))?;
    }
    out.flush()?;
    wire::close(stream, shared.limits.goodbye);
    end
}

/// For those that come when the house is full.
fn turn_away(stream: &TcpStream, shared: &Shared) -> Result<(), End> {
    let mut out = Outgoing::new(stream);
    out.send(|writer| writer.version())?;
    out.send(|writer| writer.protocol_error(ErrorCode::ABNORMAL))?;
    out.flush()?;
    wire::close(stream, shared.limits.goodbye);
    Ok(())
}

/// Reads and answers, until the peer closes or there is a reason to.
fn converse<'s>(
    stream: &'s TcpStream,
    out: &mut Outgoing<&'s TcpStream>,
    peer: SocketAddr,
    shared: &Shared,
) -> Result<(), End> {
    let limits = &shared.limits;
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(limits.unread))?;
    let mut incoming = Incoming::new(stream);
    let mut echo = Echo { peer, shared, streams: Vec::new(), payload: Payload::Ignored };
    let mut heard = Instant::now();
    let mut beat = heard + limits.heartbeat;

    out.send(|writer| writer.version())?;
    loop {
        while let Some(event) = incoming.next_event()? {
            echo.answer(event, out)?;
        }
        if out.is_whole() && Instant::now() >= beat {
            out.send(|writer| writer.heartbeat(shared.load(), wire::unix_time()))?;
            beat = Instant::now() + limits.heartbeat;
        }
        out.flush()?;

        let expecting = incoming.finish().is_err();
        let silent = if expecting { heard + limits.silence } else { beat };
        let next = if out.is_whole() { beat.min(silent) } else { silent };
        wire::wait_at_most(stream, next.saturating_duration_since(Instant::now()))?;
        match incoming.fill() {
            Ok(0) => return Ok(incoming.finish()?),
            Ok(_) => heard = Instant::now(),
            Err(error) if !wire::timed_out(&error) => return Err(error.into()),
            Err(_) if expecting && Instant::now() >= silent => return Err(End::Silence),
            Err(_) => {} // a heartbeat is due
        }
    }
}

/// The service, as one connection sees it.
struct Echo<'s> {
    peer: SocketAddr,
    shared: &'s Shared,
    /// The streamed requests that are open.
    streams: Vec<RequestId>,
    payload: Payload,
}

/// What becomes of the payload that is being read.
enum Payload {
    Ignored,
    Echoed,
    Noted { name: String, text: Excerpt },
}

impl Echo<'_> {
    fn answer<W: Write>(&mut self, event: Event<'_>, out: &mut Outgoing<W>) -> Result<(), End> {
        match event {
            Event::Version(_) => {}
            Event::Frame(frame) => self.payload = self.start(frame, out)?,
            Event::NameTooLong { id: Some(id), name_len, .. } => {
                out.send(|writer| writer.error_result(id, &too_long(name_len, NAME)))?;
            }
            Event::NameTooLong { id: None, name_len, .. } => {
                let peer = self.peer;
                self.shared.log(format!("notification from {peer}: a name of {name_len} bytes"));
            }
            Event::Payload { data, remaining } => match &mut self.payload {
                Payload::Ignored => {}
                Payload::Echoed => out.payload(data)?,
                Payload::Noted { name, text } => {
                    text.push(data);
                    if remaining == 0 {
                        let peer = self.peer;
                        self.shared.log(format!("notification from {peer}: {name} {text}"));
                    }
                }
            },
        }
        Ok(())
    }

    /// A message starts: says what is to be done with its payload.
    fn start<W: Write>(&mut self, frame: Frame<'_>, out: &mut Outgoing<W>) -> Result<Payload, End> {
        match frame {
            Frame::SingleRequest { id, op, payload_len } if op == "echo" => {
                out.begin(&Frame::SingleResult { id, payload_len })?;
                Ok(Payload::Echoed)
            }
            Frame::StreamRequest { id, op, payload_len } if op == "echo" => {
                self.start_stream(id, payload_len, out)
            }
            Frame::StreamRequestPart { id, payload_len } => self.go_on(id, payload_len, out),
            Frame::SingleRequest { id, op, .. } | Frame::StreamRequest { id, op, .. } => {
                refuse(id, op, out)
            }
            Frame::Notification { name, .. } => {
                Ok(Payload::Noted { name: text::name(name), text: Excerpt::default() })
            }
            // Nothing was asked, so these answer nothing.
            Frame::SingleResult { .. }
            | Frame::StreamResult { .. }
            | Frame::ErrorResult { .. }
            | Frame::RetryResult { .. }
            | Frame::Heartbeat { .. } => Ok(Payload::Ignored),
            Frame::ProtocolError { code } => Err(End::PeerGaveUp(code)),
        }
    }

    fn start_stream<W: Write>(
        &mut self,
        id: RequestId,
        payload_len: u32,
        out: &mut Outgoing<W>,
    ) -> Result<Payload, End> {
        if let Some(at) = self.streams.iter().position(|open| *open == id) {
            // An answer to the one would be taken for an answer to the other.
            self.streams.swap_remove(at);
            let why = error_json("Request id is in use");
            out.send(|writer| writer.error_result(id, &why))?;
            return Ok(Payload::Ignored);
        }
        if self.streams.len() == STREAMS {
            let why = error_json("Too many streams at once");
            out.send(|writer| writer.retry_result(id, 1000, &why))?;
            return Ok(Payload::Ignored);
        }
        self.streams.push(id);
        if payload_len > 0 {
            return part(id, payload_len, out);
        }
        Ok(Payload::Ignored) // a start without data; an empty part would be the end
    }

    fn go_on<W: Write>(
        &mut self,
        id: RequestId,
        payload_len: u32,
        out: &mut Outgoing<W>,
    ) -> Result<Payload, End> {
        match self.streams.iter().position(|open| *open == id) {
            None => Ok(Payload::Ignored), // of a stream that was refused, and has its answer
            Some(_) if payload_len > 0 => part(id, payload_len, out),
            Some(at) => {
                self.streams.swap_remove(at);
                out.send(|writer| writer.stream_result_end(id))?;
                Ok(Payload::Ignored)
            }
        }
    }
}

fn part<W: Write>(id: RequestId, payload_len: u32, out: &mut Outgoing<W>) -> Result<Payload, End> {
    out.begin(&Frame::StreamResult { id, payload_len })?;
    Ok(Payload::Echoed)
}

fn refuse<W: Write>(id: RequestId, op: Name<'_>, out: &mut Outgoing<W>) -> Result<Payload, End> {
    let why = unknown(op);
    out.send(|writer| writer.error_result(id, &why))?;
    Ok(Payload::Ignored)
}

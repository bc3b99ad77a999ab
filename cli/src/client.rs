//! The client: one request, and all that may come until it has its answer.
//!
//! Two threads. One writes and does nothing else; the other reads, and passes on to
//! the first what the peer has to be told. So a peer that answers before it has read
//! the whole request cannot bring both sides to a halt, each waiting for the other to
//! read. The reader never waits for the writer: it drops what finds no room.

use std::io::{self, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

use gotalk::{ErrorCode, Event, Frame, MAX_NAME_LEN, Name, RequestId, WriteError};

use crate::text::{self, Excerpt, too_long, unknown};
use crate::wire::{self, End, HEARTBEAT, Incoming, NAME, Outgoing};

/// There is one request on the connection, so any id will do.
const ID: RequestId = RequestId::new(*b"0001");

/// What to put up with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The longest time to connect.
    pub(crate) connect: Duration,
    /// The longest wait for the next sign of the answer.
    pub(crate) patience: Duration,
    /// The longest time to see a peer off that is told why.
    pub(crate) goodbye: Duration,
    /// When all of it is to be over, if that is set.
    pub(crate) until: Option<Instant>,
}

impl Default for Limits {
    fn default() -> Self {
        let [connect, patience, goodbye] = [10, 30, 1].map(Duration::from_secs);
        Self { connect, patience, goodbye, until: None }
    }
}

impl Limits {
    /// When the connection is to be there, if it is begun now.
    pub(crate) fn connect_by(&self) -> Instant {
        let by = Instant::now() + self.connect;
        self.until.map_or(by, |until| until.min(by))
    }
}

/// What to ask.
pub(crate) struct Request<'a> {
    pub(crate) op: &'a str,
    pub(crate) payload: &'a [u8],
    /// The size of its parts, if it is to be streamed.
    pub(crate) part: Option<usize>,
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
    /// The result; its payload has been written out as it came.
    Result,
    /// The request was at fault.
    Error(String),
    /// The request may be made again, but not before.
    Retry { wait_ms: u32, text: String },
}

/// What the reader wants the writer to say.
enum Order {
    Refuse(RequestId, Vec<u8>),
    GiveUp(ErrorCode),
}

/// Makes a request. The payload of the result goes to `result`, word of anything else
/// that comes to `notes`.
pub(crate) fn call(
    stream: &TcpStream,
    request: &Request<'_>,
    limits: Limits,
    result: &mut impl Write,
    notes: &mut impl Write,
) -> Result<Answer, End> {
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(limits.patience))?;
    let (orders, taken) = mpsc::sync_channel(16);
    let (running, ended) = mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            // An error here is one of the connection: the reader will see it too, and
            // before it the answer, if there is one.
            let _ = Sender::new(stream, limits, taken).run(request);
            drop(running);
        });
        let mut reader = Reader { notes, orders: Some(orders), takes: Takes::Nothing };
        let answer = reader.run(stream, limits, result);

        let code = answer.as_ref().err().and_then(End::code);
        if let (Some(code), Some(orders)) = (code, reader.orders.take()) {
            let _ = orders.try_send(Order::GiveUp(code));
            drop(orders);
            let _ = ended.recv_timeout(2 * limits.goodbye);
        }
        // Without a reader there are no orders, and the sender stops, unless it is in
        // a write that nobody takes. This ends that.
        reader.orders = None;
        let _ = stream.shutdown(Shutdown::Both);
        answer
    })
}

// ---- the half that writes ----------------------------------------------------------

struct Sender<'s> {
    stream: &'s TcpStream,
    limits: Limits,
    out: Outgoing<&'s TcpStream>,
    orders: Receiver<Order>,
    beat: Instant,
}

impl<'s> Sender<'s> {
    fn new(stream: &'s TcpStream, limits: Limits, orders: Receiver<Order>) -> Self {
        Self {
            stream,
            limits,
            out: Outgoing::new(stream),
            orders,
            beat: Instant::now() + HEARTBEAT,
        }
    }

    fn run(&mut self, request: &Request<'_>) -> io::Result<()> {
        self.out.send(|writer| writer.version())?;
        match request.part {
            None => {
                let op = Name::new(request.op);
                let message = |payload_len| Frame::SingleRequest { id: ID, op, payload_len };
                self.say(message, request.payload)?;
            }
            Some(part) => self.stream(request, part.max(1))?,
        }
        while self.attend(HEARTBEAT)? {}
        Ok(())
    }

    /// Sends the parts, but none after the request has its answer: a Go peer closes the
    /// connection when a part comes to a request that it has refused.
    fn stream(&mut self, request: &Request<'_>, part: usize) -> io::Result<()> {
        let op = Name::new(request.op);
        let mut parts = request.payload.chunks(part);
        let first = parts.next().unwrap_or_default();
        self.say(|payload_len| Frame::StreamRequest { id: ID, op, payload_len }, first)?;
        for part in parts {
            if !self.attend(Duration::ZERO)? {
                return Ok(());
            }
            self.say(|payload_len| Frame::StreamRequestPart { id: ID, payload_len }, part)?;
        }
        if self.attend(Duration::ZERO)? {
            self.out.send(|writer| writer.stream_request_end(ID))?;
            self.out.flush()?;
        }
        Ok(())
    }

    /// Sends a message with a payload of any size.
    fn say<'a>(&mut self, message: impl Fn(u32) -> Frame<'a>, payload: &[u8]) -> io::Result<()> {
        let payload_len = u32::try_from(payload.len()).map_err(io::Error::other)?;
        self.out.begin(&message(payload_len))?;
        self.out.payload(payload)?;
        self.out.flush()
    }

    /// Waits for an order, but not longer than `time` or until a heartbeat is due, and
    /// does what is to be done. False: nothing more is to be sent.
    fn attend(&mut self, time: Duration) -> io::Result<bool> {
        let due = self.beat.saturating_duration_since(Instant::now());
        match self.orders.recv_timeout(time.min(due)) {
            Ok(Order::Refuse(id, why)) => self.out.send(|writer| writer.error_result(id, &why))?,
            Ok(Order::GiveUp(code)) => {
                self.out.send(|writer| writer.protocol_error(code))?;
                self.out.flush()?;
                wire::close(self.stream, self.limits.goodbye);
                return Ok(false);
            }
            Err(RecvTimeoutError::Disconnected) => return Ok(false),
            Err(RecvTimeoutError::Timeout) => {}
        }
        if Instant::now() >= self.beat {
            self.out.send(|writer| writer.heartbeat(0, wire::unix_time()))?;
            self.beat = Instant::now() + HEARTBEAT;
        }
        self.out.flush()?;
        Ok(true)
    }
}

// ---- the half that reads -----------------------------------------------------------

struct Reader<N> {
    notes: N,
    /// To the sender; gone when nothing more is to be sent.
    orders: Option<SyncSender<Order>>,
    takes: Takes,
}

/// Where the payload that is being read belongs.
enum Takes {
    Nothing,
    Result { last: bool },
    Error(Excerpt),
    Retry(u32, Excerpt),
    Note(String, Excerpt),
}

impl<N: Write> Reader<N> {
    fn run(
        &mut self,
        stream: &TcpStream,
        limits: Limits,
        result: &mut impl Write,
    ) -> Result<Answer, End> {
        let mut incoming = Incoming::new(stream);
        let mut heard = Instant::now();
        loop {
            while let Some(event) = incoming.next_event()? {
                match event {
                    Event::Version(_) => {}
                    Event::Frame(frame) => self.start(frame)?,
                    Event::NameTooLong { id: Some(id), name_len, .. } => {
                        self.refuse(id, too_long(name_len, NAME));
                    }
                    Event::NameTooLong { id: None, name_len, .. } => {
                        self.note(format_args!("notification: a name of {name_len} bytes"));
                    }
                    Event::Payload { data, remaining } => {
                        if let Some(answer) = self.payload(data, remaining == 0, result)? {
                            return Ok(answer);
                        }
                    }
                }
                if !matches!(self.takes, Takes::Nothing | Takes::Note(..)) {
                    heard = Instant::now();
                }
            }
            let mut left = limits.patience.checked_sub(heard.elapsed()).ok_or(End::Silence)?;
            if let Some(until) = limits.until {
                let rest = until.checked_duration_since(Instant::now()).ok_or(End::TimeUp)?;
                left = left.min(rest);
            }
            wire::wait_at_most(stream, left)?;
            match incoming.fill() {
                Ok(0) => return Err(incoming.finish().map_or_else(End::from, |()| End::Closed)),
                // What was waited for in vain is found at the start of the next round.
                Err(error) if wire::timed_out(&error) => {}
                Ok(_) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// A message starts.
    fn start(&mut self, frame: Frame<'_>) -> Result<(), End> {
        self.takes = match frame {
            Frame::SingleResult { id: ID, .. } => Takes::Result { last: true },
            Frame::StreamResult { id: ID, payload_len } => Takes::Result { last: payload_len == 0 },
            Frame::ErrorResult { id: ID, .. } => {
                self.orders = None; // no more parts from here on
                Takes::Error(Excerpt::default())
            }
            Frame::RetryResult { id: ID, wait_ms, .. } => {
                self.orders = None;
                Takes::Retry(wait_ms, Excerpt::default())
            }
            Frame::Notification { name, .. } => {
                Takes::Note(format!("notification: {}", text::name(name)), Excerpt::default())
            }
            Frame::SingleRequest { id, op, .. } | Frame::StreamRequest { id, op, .. } => {
                self.refuse(id, unknown(op));
                Takes::Nothing
            }
            Frame::ProtocolError { code } => return Err(End::PeerGaveUp(code)),
            Frame::Heartbeat { load, .. } => {
                self.note(format_args!("heartbeat: load {load}"));
                Takes::Nothing
            }
            // Parts of what was refused, and results of what was not asked: Go peers
            // send the latter after a failed stream.
            Frame::StreamRequestPart { .. }
            | Frame::SingleResult { .. }
            | Frame::StreamResult { .. }
            | Frame::ErrorResult { .. }
            | Frame::RetryResult { .. } => {
                self.note(format_args!("ignored: {frame:?}"));
                Takes::Nothing
            }
        };
        Ok(())
    }

    /// A piece of a payload: gives the answer when it is complete.
    fn payload(
        &mut self,
        data: &[u8],
        complete: bool,
        result: &mut impl Write,
    ) -> Result<Option<Answer>, End> {
        match &mut self.takes {
            Takes::Nothing => return Ok(None),
            Takes::Result { .. } => {
                let printed = result.write_all(data).and_then(|()| result.flush());
                printed.map_err(End::Unprinted)?;
            }
            Takes::Error(text) | Takes::Retry(_, text) | Takes::Note(_, text) => text.push(data),
        }
        if !complete {
            return Ok(None);
        }
        Ok(match std::mem::replace(&mut self.takes, Takes::Nothing) {
            Takes::Result { last: true } => Some(Answer::Result),
            Takes::Error(text) => Some(Answer::Error(text.to_string())),
            Takes::Retry(wait_ms, text) => Some(Answer::Retry { wait_ms, text: text.to_string() }),
            Takes::Note(name, text) => {
                self.note(format_args!("{name} {text}"));
                None
            }
            Takes::Result { last: false } | Takes::Nothing => None,
        })
    }

    fn refuse(&mut self, id: RequestId, why: Vec<u8>) {
        self.note(format_args!("refused: a request {id:?}"));
        if let Some(orders) = &self.orders {
            let _ = orders.try_send(Order::Refuse(id, why));
        }
    }

    /// A word to the user. That it cannot be said is no reason to stop.
    fn note(&mut self, text: std::fmt::Arguments<'_>) {
        let _ = writeln!(self.notes, "{text}");
    }
}

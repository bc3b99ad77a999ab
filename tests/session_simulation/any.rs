//! Sessions, readers and send buffers of every size, behind one trait each.

use gotalk::{
    Announced, Assembler, Due, Error, ErrorCode, Event, Incoming, Item, Name, Outgoing, Parser,
    Received, SendBuffer, Session, SessionError, Settings, Step, WriteError, Writer,
};

use crate::support::generate::Rng;

/// A payload in one of the forms that a session takes.
#[derive(Clone, Copy)]
pub enum Body<'a> {
    Bytes(&'a [u8]),
    Text(&'a str),
    Announced(u32),
}

macro_rules! given {
    ($body:expr, $payload:ident => $call:expr) => {
        match $body {
            Body::Bytes($payload) => $call,
            Body::Text(text) => match format_args!("{text}") {
                $payload => $call,
            },
            Body::Announced(len) => {
                let $payload = Announced(len);
                $call
            }
        }
    };
}

type Done = Result<(), SessionError>;

/// A session.
pub trait Talker {
    /// `OUT` and `IN`.
    fn sizes(&self) -> (usize, usize);
    fn copy(&self) -> Box<dyn Talker>;
    fn request(
        &mut self,
        now: u32,
        writer: &mut Writer<'_>,
        is_stream: bool,
        op: &[u8],
        body: Body<'_>,
    ) -> Result<Outgoing, SessionError>;
    fn request_part(
        &mut self,
        now: u32,
        writer: &mut Writer<'_>,
        request: Outgoing,
        body: Body<'_>,
    ) -> Done;
    fn request_end(&mut self, now: u32, writer: &mut Writer<'_>, request: Outgoing) -> Done;
    fn forget(&mut self, request: Outgoing);
    fn notify(&mut self, now: u32, writer: &mut Writer<'_>, name: &[u8], body: Body<'_>) -> Done;
    fn respond(&mut self, writer: &mut Writer<'_>, request: Incoming, body: Body<'_>) -> Done;
    fn respond_part(&mut self, writer: &mut Writer<'_>, request: Incoming, body: Body<'_>) -> Done;
    fn respond_end(&mut self, writer: &mut Writer<'_>, request: Incoming) -> Done;
    fn respond_error(&mut self, writer: &mut Writer<'_>, request: Incoming, body: Body<'_>)
    -> Done;
    fn respond_retry(
        &mut self,
        writer: &mut Writer<'_>,
        request: Incoming,
        wait_ms: u32,
        body: Body<'_>,
    ) -> Done;
    fn receive<'a>(
        &mut self,
        now: u32,
        found: Found<'a>,
        writer: &mut Writer<'_>,
    ) -> Result<(Received<'a, ()>, Payload<'a>), WriteError>;
    fn receive_error(
        &mut self,
        now: u32,
        error: Error,
        writer: &mut Writer<'_>,
    ) -> Result<Received<'static, u32>, WriteError>;
    fn poll(&mut self, now: u32, writer: &mut Writer<'_>) -> Result<Option<Due>, WriteError>;
    fn wait_ms(&self, now: u32) -> Option<u32>;
    fn set_load(&mut self, load: u16);
    fn set_clock(&mut self, now: u32, unix_s: u32);
    fn drain(&mut self);
    fn close(&mut self, code: ErrorCode);
    fn fail(&mut self, error: &Error);
    fn disconnected(&mut self);
    fn reset(&mut self);
    fn is_open(&self) -> bool;
    fn is_idle(&self) -> bool;
}

impl<const OUT: usize, const IN: usize> Talker for Session<OUT, IN> {
    fn sizes(&self) -> (usize, usize) {
        (OUT, IN)
    }

    fn copy(&self) -> Box<dyn Talker> {
        Box::new(self.clone())
    }

    fn request(
        &mut self,
        now: u32,
        writer: &mut Writer<'_>,
        is_stream: bool,
        op: &[u8],
        body: Body<'_>,
    ) -> Result<Outgoing, SessionError> {
        let op = Name::from_bytes(op);
        if is_stream {
            given!(body, payload => self.stream_request(now, writer, op, payload))
        } else {
            given!(body, payload => self.request(now, writer, op, payload))
        }
    }

    fn request_part(
        &mut self,
        now: u32,
        writer: &mut Writer<'_>,
        request: Outgoing,
        body: Body<'_>,
    ) -> Done {
        given!(body, payload => self.request_part(now, writer, request, payload))
    }

    fn request_end(&mut self, now: u32, writer: &mut Writer<'_>, request: Outgoing) -> Done {
        self.request_end(now, writer, request)
    }

    fn forget(&mut self, request: Outgoing) {
        self.forget(request);
    }

    fn notify(&mut self, now: u32, writer: &mut Writer<'_>, name: &[u8], body: Body<'_>) -> Done {
        let name = Name::from_bytes(name);
        given!(body, payload => self.notify(now, writer, name, payload))
    }

    fn respond(&mut self, writer: &mut Writer<'_>, request: Incoming, body: Body<'_>) -> Done {
        given!(body, payload => self.respond(writer, request, payload))
    }

    fn respond_part(&mut self, writer: &mut Writer<'_>, request: Incoming, body: Body<'_>) -> Done {
        given!(body, payload => self.respond_part(writer, request, payload))
    }

    fn respond_end(&mut self, writer: &mut Writer<'_>, request: Incoming) -> Done {
        self.respond_end(writer, request)
    }

    fn respond_error(
        &mut self,
        writer: &mut Writer<'_>,
        request: Incoming,
        body: Body<'_>,
    ) -> Done {
        given!(body, payload => self.respond_error(writer, request, payload))
    }

    fn respond_retry(
        &mut self,
        writer: &mut Writer<'_>,
        request: Incoming,
        wait_ms: u32,
        body: Body<'_>,
    ) -> Done {
        given!(body, payload => self.respond_retry(writer, request, wait_ms, payload))
    }

    fn receive<'a>(
        &mut self,
        now: u32,
        found: Found<'a>,
        writer: &mut Writer<'_>,
    ) -> Result<(Received<'a, ()>, Payload<'a>), WriteError> {
        // Bare, or in a `Result` as the iterators give it: by the size, so that both occur.
        Ok(match found {
            Found::Event(event) if IN % 2 == 0 => by_event(self.receive(now, event, writer)?),
            Found::Event(event) => by_event(self.receive(now, Ok(event), writer)?),
            Found::Item(item) if IN % 2 == 0 => by_item(self.receive(now, item, writer)?),
            Found::Item(item) => by_item(self.receive(now, Ok(item), writer)?),
        })
    }

    fn receive_error(
        &mut self,
        now: u32,
        error: Error,
        writer: &mut Writer<'_>,
    ) -> Result<Received<'static, u32>, WriteError> {
        self.receive(now, Err::<Event<'static>, _>(error), writer)
    }

    fn poll(&mut self, now: u32, writer: &mut Writer<'_>) -> Result<Option<Due>, WriteError> {
        self.poll(now, writer)
    }

    fn wait_ms(&self, now: u32) -> Option<u32> {
        self.wait_ms(now)
    }

    fn set_load(&mut self, load: u16) {
        self.set_load(load);
    }

    fn set_clock(&mut self, now: u32, unix_s: u32) {
        self.set_clock(now, unix_s);
    }

    fn drain(&mut self) {
        self.drain();
    }

    fn close(&mut self, code: ErrorCode) {
        self.close(code);
    }

    fn fail(&mut self, error: &Error) {
        self.fail(error);
    }

    fn disconnected(&mut self) {
        self.disconnected();
    }

    fn reset(&mut self) {
        self.reset();
    }

    fn is_open(&self) -> bool {
        self.is_open()
    }

    fn is_idle(&self) -> bool {
        self.is_idle()
    }
}

pub fn session(rng: &mut Rng, settings: Settings) -> Box<dyn Talker> {
    fn of<const OUT: usize, const IN: usize>(settings: Settings) -> Box<dyn Talker> {
        Box::new(Session::<OUT, IN>::new(settings))
    }
    let make = match rng.below(24) {
        0 => of::<0, 0>,
        1 => of::<0, 3>,
        2 => of::<3, 0>,
        3 | 4 => of::<1, 1>,
        5 => of::<1, 4>,
        6 => of::<4, 1>,
        7 | 8 => of::<2, 2>,
        9..=11 => of::<7, 3>,
        12 => of::<300, 300>,
        13..=15 => of::<16, 16>,
        _ => of::<8, 8>,
    };
    make(settings)
}

/// The payload that a session gave beside what it received.
#[derive(PartialEq, Eq, Debug)]
pub enum Payload<'a> {
    None,
    Len(u32),
    Bytes(&'a [u8]),
}

fn by_event(received: Received<'_, u32>) -> (Received<'_, ()>, Payload<'_>) {
    let (received, len) = split(received);
    (received, len.map_or(Payload::None, Payload::Len))
}

fn by_item<'a>(received: Received<'a, &'a [u8]>) -> (Received<'a, ()>, Payload<'a>) {
    let (received, bytes) = split(received);
    (received, bytes.map_or(Payload::None, Payload::Bytes))
}

/// What was received without the payload, and the payload.
fn split<P>(received: Received<'_, P>) -> (Received<'_, ()>, Option<P>) {
    let mut given = None;
    let mut take = |payload| given = Some(payload);
    let received = match received {
        Received::Opened => Received::Opened,
        Received::Request { request, op, payload } => {
            Received::Request { request, op, payload: take(payload) }
        }
        Received::StreamRequest { request, op, payload } => {
            Received::StreamRequest { request, op, payload: take(payload) }
        }
        Received::RequestPart { request, payload } => {
            Received::RequestPart { request, payload: take(payload) }
        }
        Received::RequestEnd { request } => Received::RequestEnd { request },
        Received::RequestTooLong { request } => Received::RequestTooLong { request },
        Received::Result { request, payload } => {
            Received::Result { request, payload: take(payload) }
        }
        Received::ResultPart { request, payload } => {
            Received::ResultPart { request, payload: take(payload) }
        }
        Received::ResultEnd { request } => Received::ResultEnd { request },
        Received::ErrorResult { request, payload } => {
            Received::ErrorResult { request, payload: take(payload) }
        }
        Received::RetryResult { request, wait_ms, payload } => {
            Received::RetryResult { request, wait_ms, payload: take(payload) }
        }
        Received::ResultTooLong { request } => Received::ResultTooLong { request },
        Received::Notification { name, payload } => {
            Received::Notification { name, payload: take(payload) }
        }
        Received::Payload { data, remaining } => Received::Payload { data, remaining },
        Received::Heartbeat { load, time } => Received::Heartbeat { load, time },
        Received::Closed { code } => Received::Closed { code },
        Received::Handled => Received::Handled,
    };
    (received, given)
}

/// What a reader found.
#[derive(Clone, Copy)]
pub enum Found<'a> {
    Event(Event<'a>),
    Item(Item<'a>),
}

/// A parser or an assembler. It is used by steps, so that what it found can wait until the
/// session has room for its answer, while other things happen.
pub trait Reader {
    fn name_capacity(&self) -> usize;
    /// Of a parser none.
    fn payload_capacity(&self) -> Option<usize>;
    fn step(&mut self, input: &[u8]) -> (usize, Result<Option<Step>, Error>);
    fn found<'a>(&'a self, input: &'a [u8], step: Step) -> Found<'a>;
    fn finish(&self) -> Result<(), Error>;
}

impl<const N: usize> Reader for Parser<N> {
    fn name_capacity(&self) -> usize {
        N
    }

    fn payload_capacity(&self) -> Option<usize> {
        None
    }

    fn step(&mut self, input: &[u8]) -> (usize, Result<Option<Step>, Error>) {
        self.step(input)
    }

    fn found<'a>(&'a self, input: &'a [u8], step: Step) -> Found<'a> {
        Found::Event(self.event(input, step))
    }

    fn finish(&self) -> Result<(), Error> {
        self.finish()
    }
}

impl<const P: usize, const N: usize> Reader for Assembler<P, N> {
    fn name_capacity(&self) -> usize {
        N
    }

    fn payload_capacity(&self) -> Option<usize> {
        Some(P)
    }

    fn step(&mut self, input: &[u8]) -> (usize, Result<Option<Step>, Error>) {
        self.step(input)
    }

    fn found<'a>(&'a self, input: &'a [u8], step: Step) -> Found<'a> {
        Found::Item(self.item(input, step))
    }

    fn finish(&self) -> Result<(), Error> {
        self.finish()
    }
}

pub fn reader(rng: &mut Rng) -> Box<dyn Reader> {
    match rng.below(16) {
        0 => Box::new(Parser::<0>::new()),
        1 | 2 => Box::new(Parser::<8>::new()),
        3..=7 => Box::new(Parser::<64>::new()),
        8 => Box::new(Assembler::<0, 8>::new()),
        9 => Box::new(Assembler::<6, 64>::new()),
        10 | 11 => Box::new(Assembler::<40, 16>::new()),
        _ => Box::new(Assembler::<512, 64>::new()),
    }
}

/// A send buffer.
pub trait Outlet {
    fn capacity(&self) -> usize;
    fn available(&self) -> usize;
    fn unsent(&self) -> &[u8];
    fn write(&mut self, write: &mut dyn FnMut(&mut Writer<'_>));
    fn sent(&mut self, len: usize);
}

impl<const N: usize> Outlet for SendBuffer<N> {
    fn capacity(&self) -> usize {
        N
    }

    fn available(&self) -> usize {
        self.available()
    }

    fn unsent(&self) -> &[u8] {
        self.unsent()
    }

    fn write(&mut self, write: &mut dyn FnMut(&mut Writer<'_>)) {
        self.write(|writer| write(writer));
    }

    fn sent(&mut self, len: usize) {
        self.sent(len);
    }
}

/// A buffer of which each call gets a writer of its own for what is free, where a send buffer
/// keeps one. At first something else stands in it.
struct Slices {
    space: Vec<u8>,
    other: usize,
    unsent: Vec<u8>,
}

impl Slices {
    fn new(rng: &mut Rng, capacity: usize) -> Self {
        Self { space: vec![b'~'; capacity], other: rng.below(capacity + 1), unsent: Vec::new() }
    }
}

impl Outlet for Slices {
    fn capacity(&self) -> usize {
        self.space.len()
    }

    fn available(&self) -> usize {
        self.space.len() - self.other - self.unsent.len()
    }

    fn unsent(&self) -> &[u8] {
        &self.unsent
    }

    fn write(&mut self, write: &mut dyn FnMut(&mut Writer<'_>)) {
        let available = self.available();
        let mut writer = Writer::new(&mut self.space[..available]);
        write(&mut writer);
        self.unsent.extend(writer.as_bytes());
    }

    fn sent(&mut self, len: usize) {
        self.other = 0;
        self.unsent.drain(..len);
    }
}

/// The most that a session writes by itself at once.
pub const REPLY: usize = gotalk::MAX_REPLY_LEN;

pub fn outlet(rng: &mut Rng) -> Box<dyn Outlet> {
    match rng.below(8) {
        0 => Box::new(SendBuffer::<REPLY>::new()),
        1 => Box::new(SendBuffer::<48>::new()),
        2 | 3 => Box::new(SendBuffer::<64>::new()),
        4 => Box::new(SendBuffer::<120>::new()),
        5 => Box::new(Slices::new(rng, 100)),
        _ => Box::new(SendBuffer::<1024>::new()),
    }
}

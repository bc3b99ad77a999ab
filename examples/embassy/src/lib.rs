//! Gotalk on embassy: no `std`, no allocation, over any transport of `embedded-io-async`.
//!
//! One task calls [`talk`]. The others reach it through a [`Link`], which lies in a `static`:
//! they ask the peer through an [`Asker`], and answer what comes in [`Link::asked`].
//!
//! - **Back-pressure**: while the peer does not take what was written, nothing more is taken,
//!   neither from it nor from other tasks. After [`STALL`] the conversation is given up.
//! - **Cancellation**: a read or a write of the transport is never dropped half way, which one
//!   that uses DMA could not bear: each has a pipe, and `select` drops only what embassy itself
//!   can repeat. Dropping [`Asker::ask`] drops the result, and dropping [`talk`] ends all at once.

#![no_std]
#![allow(clippy::new_without_default, reason = "what `new` makes belongs into a `static`")]

use core::cell::Cell;
use core::future::pending;
use core::pin::pin;
use embassy_futures::select::{Either, Either3, Either4, select, select3, select4};
use embassy_sync::blocking_mutex::raw::{CriticalSectionRawMutex, NoopRawMutex};
use embassy_sync::{blocking_mutex, channel::Channel, mutex::Mutex, pipe::Pipe, signal::Signal};
use embassy_time::{Duration, Instant, Timer, with_timeout};
use embedded_io_async::{Read, Write};
use gotalk::{Assembler, Due, Incoming, MAX_REPLY_LEN, MessageType, Outgoing, Received};
use gotalk::{SendBuffer, SessionError};

pub const MAX_PAYLOAD: usize = 64;
pub const MAX_OP: usize = 16;
/// How many requests can be in flight, each way.
pub const MAX_REQUESTS: usize = 4;
/// How long the peer may take nothing of what is sent.
pub const STALL: Duration = Duration::from_secs(20);
/// Room for the longest message, and for what the session writes by itself.
const ROOM: usize = MessageType::SingleRequest.header_len(MAX_OP) + MAX_PAYLOAD + MAX_REPLY_LEN;

pub type Session = gotalk::Session<MAX_REQUESTS, MAX_REQUESTS>;
pub type Bytes = heapless::Vec<u8, MAX_PAYLOAD>;
/// A result, or in plain text why there is none. That is empty if the peer did not say.
pub type Answer = Result<Bytes, Bytes>;

/// A request of the peer's. Send its handle and the answer to [`Link::answers`].
pub struct Asked {
    pub request: Incoming,
    pub op: heapless::Vec<u8, MAX_OP>,
    pub payload: Bytes,
}

/// A request of ours on its way to [`talk`].
struct Request {
    asker: &'static Asker,
    turn: u32,
    op: &'static str,
    payload: Bytes,
}

type Shared<T> = Channel<CriticalSectionRawMutex, T, MAX_REQUESTS>;

/// What the task that talks shares with the others.
pub struct Link {
    pub asked: Shared<Asked>,
    pub answers: Shared<(Incoming, Answer)>,
    requests: Shared<Request>,
}

impl Link {
    pub const fn new() -> Self {
        Self { asked: Channel::new(), answers: Channel::new(), requests: Channel::new() }
    }
}

/// Asks the peer, one thing at a time. Give each task that asks one of its own.
pub struct Asker {
    one: Mutex<CriticalSectionRawMutex, ()>,
    /// A result of an earlier turn belongs to a request that was dropped.
    turn: blocking_mutex::Mutex<CriticalSectionRawMutex, Cell<u32>>,
    answer: Signal<CriticalSectionRawMutex, Answer>,
}

impl Asker {
    pub const fn new() -> Self {
        let turn = blocking_mutex::Mutex::new(Cell::new(0));
        Self { one: Mutex::new(()), turn, answer: Signal::new() }
    }

    /// A request that is made while no conversation goes on waits for the next one.
    pub async fn ask(&'static self, link: &Link, op: &'static str, payload: Bytes) -> Answer {
        let _one = self.one.lock().await;
        let turn = self.turn.lock(|turn| turn.replace(turn.get().wrapping_add(1))).wrapping_add(1);
        self.answer.reset();
        link.requests.send(Request { asker: self, turn, op, payload }).await;
        self.answer.wait().await
    }

    fn settle(&self, turn: u32, answer: Answer) {
        if self.turn.lock(Cell::get) == turn {
            self.answer.signal(answer);
        }
    }
}

/// Our requests in flight. However the conversation ends, those that are left hear of it.
#[derive(Default)]
struct Waiting([Option<(&'static Asker, u32)>; MAX_REQUESTS]);

impl Waiting {
    fn settle(&mut self, request: Outgoing, answer: Answer) {
        if let Some((asker, turn)) = self.0[request.index()].take() {
            asker.settle(turn, answer);
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        for (asker, turn) in self.0.iter_mut().filter_map(Option::take) {
            asker.settle(turn, Err(Bytes::new()));
        }
    }
}

/// Why a conversation has not ended well.
#[derive(Debug)]
pub enum Error<E> {
    Output(E),
    Protocol(gotalk::Error),
    Session(SessionError),
    /// The peer took nothing for too long.
    Stalled,
}

/// Talks to one peer until one of the two closes. Then close the transport.
pub async fn talk<W: Write>(
    mut input: impl Read,
    mut output: W,
    link: &Link,
    session: &mut Session,
) -> Result<(), Error<W::Error>> {
    let (rx, tx) = (Pipe::new(), Pipe::new());
    let (ended, over) = (Signal::new(), Signal::<NoopRawMutex, ()>::new());
    let reading = async {
        let mut bytes = [0; 32];
        while let Ok(len @ 1..) = input.read(&mut bytes).await {
            rx.write_all(&bytes[..len]).await;
        }
        ended.signal(()); // an error is the end too
        pending().await
    };
    let mut writing = pin!(async {
        let mut bytes = [0; 32];
        while let Either::First(len) = select(tx.read(&mut bytes), over.wait()).await {
            output.write_all(&bytes[..len]).await?;
            output.flush().await?;
        }
        Ok(())
    });
    let conversing = converse(&rx, &tx, &ended, link, session);
    match select3(reading, writing.as_mut(), conversing).await {
        Either3::First(never) => never,
        Either3::Second(end) => end.map_err(Error::Output),
        Either3::Third(end) => {
            over.signal(()); // once the pipe is empty
            let sent = with_timeout(STALL, writing).await.unwrap_or(Ok(()));
            end.and(sent.map_err(Error::Output))
        }
    }
}

type Bytewise = Pipe<NoopRawMutex, 64>;

async fn converse<E>(
    rx: &Bytewise,
    tx: &Bytewise,
    ended: &Signal<NoopRawMutex, ()>,
    link: &Link,
    session: &mut Session,
) -> Result<(), Error<E>> {
    session.reset();
    link.asked.clear(); // answers to these are refused
    let mut assembler = Assembler::<MAX_PAYLOAD, MAX_OP>::new();
    let mut unsent = SendBuffer::<ROOM>::new();
    let mut waiting = Waiting::default();
    let (mut chunk, mut start, mut end) = ([0; 32], 0, 0);
    let mut progress = Instant::now();
    let now = || Instant::now().as_millis() as u32; // it may wrap
    loop {
        if unsent.is_empty() {
            progress = Instant::now();
            match unsent.write(|writer| session.poll(now(), writer)) {
                Err(error) => return Err(Error::Session(error.into())),
                Ok(Some(Due::TimedOut(request) | Due::Lost(request))) => {
                    waiting.settle(request, Err(Bytes::new()));
                    continue;
                }
                Ok(Some(Due::Close)) if unsent.is_empty() => {
                    return assembler.finish().map_err(Error::Protocol);
                }
                Ok(_) => {}
            }
        }
        let may_write = unsent.is_empty();
        let (from, to) = (start, end);
        let (len, step) = if may_write { assembler.step(&chunk[from..to]) } else { (0, Ok(None)) };
        start += len;
        if let Some(step) = step.transpose() {
            let item = step.map(|step| assembler.item(&chunk[from..to], step));
            let received = unsent.write(|writer| session.receive(now(), item, writer));
            match received.map_err(|error| Error::Session(error.into()))? {
                Received::Request { request, op, payload } => {
                    let op = op.as_bytes().try_into().unwrap_or_default(); // it fits
                    let asked = Asked { request, op, payload: bytes(payload) };
                    link.asked.try_send(asked).ok(); // there is room for each that is owed
                }
                Received::Result { request, payload } => {
                    waiting.settle(request, Ok(bytes(payload)));
                }
                Received::ErrorResult { request, payload }
                | Received::RetryResult { request, payload, .. } => {
                    waiting.settle(request, Err(bytes(payload)));
                }
                Received::ResultPart { request, .. }
                | Received::ResultEnd { request }
                | Received::ResultTooLong { request } => {
                    session.forget(request);
                    waiting.settle(request, Err(bytes(b"too long, or in parts")));
                }
                _ => {} // what needs no answer
            }
            continue;
        }
        let has_slot = waiting.0.iter().any(Option::is_none);
        let due = match session.wait_ms(now()) {
            Some(ms) if may_write => Instant::now() + Duration::from_millis(ms.into()),
            _ => progress + STALL,
        };
        let event = select4(
            only_if(!may_write, tx.write(unsent.unsent())),
            only_if(may_write, select(rx.read(&mut chunk), ended.wait())),
            only_if(
                may_write,
                select(link.answers.receive(), only_if(has_slot, link.requests.receive())),
            ),
            Timer::at(due),
        );
        match event.await {
            Either4::First(len) => {
                unsent.sent(len);
                progress = Instant::now();
            }
            Either4::Second(Either::First(len)) => (start, end) = (0, len),
            Either4::Second(Either::Second(())) => session.disconnected(),
            Either4::Third(Either::First((request, answer))) => {
                let written = unsent.write(|writer| match &answer {
                    Ok(payload) => session.respond(writer, request, payload),
                    Err(why) => session.respond_error(writer, request, why),
                });
                match written {
                    Ok(()) | Err(SessionError::Over) => {} // of an earlier conversation
                    Err(error) => return Err(Error::Session(error)),
                }
            }
            Either4::Third(Either::Second(Request { asker, turn, op, payload })) => {
                match unsent.write(|writer| session.request(now(), writer, op, &payload)) {
                    Ok(request) => waiting.0[request.index()] = Some((asker, turn)),
                    Err(_) => asker.settle(turn, Err(bytes(b"not now"))),
                }
            }
            Either4::Fourth(()) if may_write => {} // something is due
            Either4::Fourth(()) => return Err(Error::Stalled),
        }
    }
}

/// What comes from the assembler fits.
fn bytes(bytes: &[u8]) -> Bytes {
    bytes.try_into().unwrap_or_default()
}

async fn only_if<F: Future>(condition: bool, future: F) -> F::Output {
    if condition { future.await } else { pending().await }
}

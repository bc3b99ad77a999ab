//! Gotalk on embassy: no `std`, no allocation, over any transport of `embedded-io-async`.
//!
//! One task calls [`talk`]. The others reach it through a [`Link`], which lies in a `static`:
//! they ask the peer through an [`Asker`], and answer what comes in [`Link::asked`].
//!
//! - **Back-pressure**: there is room for what both ends may have in flight, so they never wait
//!   for each other. While it is full, nothing more is taken, neither from the peer nor from
//!   other tasks. After [`STALL`] the conversation is given up.
//! - **Cancellation**: a read or a write of the transport is never dropped half way, which one
//!   that uses DMA could not bear: each has a loop of its own, and `select` drops only what
//!   embassy itself can repeat. Dropping [`Asker::ask`] drops the result, and dropping [`talk`]
//!   ends all at once.

#![no_std]
#![allow(clippy::new_without_default, reason = "what `new` makes belongs into a `static`")]

use core::{cell::Cell, future::pending};
use embassy_futures::select::{Either3, select3};
use embassy_sync::blocking_mutex::raw::{CriticalSectionRawMutex, NoopRawMutex};
use embassy_sync::{blocking_mutex, channel::Channel, mutex::Mutex, signal::Signal};
use embassy_time::{Duration, Instant, with_timeout};
use embedded_io_async::{Read, Write};
use gotalk::{Due, Incoming, MAX_REPLY_LEN, MessageType, Received, SessionError, Writer};

pub const MAX_PAYLOAD: usize = 64;
pub const MAX_OP: usize = 16;
/// How many requests can be in flight, each way.
pub const MAX_REQUESTS: usize = 4;
/// How long the peer may take nothing of what is sent.
pub const STALL: Duration = Duration::from_secs(20);
/// Room for the longest message, and for what the session writes by itself.
const ROOM: usize = MessageType::SingleRequest.header_len(MAX_OP) + MAX_PAYLOAD + MAX_REPLY_LEN;

pub type Session = gotalk::Session<MAX_REQUESTS, MAX_REQUESTS>;
type Assembler = gotalk::Assembler<MAX_PAYLOAD, MAX_OP>;
pub type Bytes = heapless::Vec<u8, MAX_PAYLOAD>;
/// A result, or in plain text why there is none. That is empty if the peer did not say.
pub type Answer = Result<Bytes, Bytes>;

/// A request of the peer's. Send its handle and the answer to [`Link::answers`].
pub struct Asked {
    pub request: Incoming,
    pub op: heapless::Vec<u8, MAX_OP>,
    pub payload: Bytes,
}

type Shared<T> = Channel<CriticalSectionRawMutex, T, MAX_REQUESTS>;

/// What the task that talks shares with the others.
pub struct Link {
    pub asked: Shared<Asked>,
    pub answers: Shared<(Incoming, Answer)>,
    requests: Shared<(&'static str, Bytes, Reply)>,
}

impl Link {
    pub const fn new() -> Self {
        Self { asked: Channel::new(), answers: Channel::new(), requests: Channel::new() }
    }
}

/// Asks the peer, one thing at a time. Give each task that asks one of its own.
pub struct Asker {
    one: Mutex<CriticalSectionRawMutex, ()>,
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
        let turn = self.turn.lock(|turn| {
            self.answer.reset(); // it belongs to a request that was dropped
            turn.replace(turn.get().wrapping_add(1)).wrapping_add(1)
        });
        link.requests.send((op, payload, Reply { asker: self, turn })).await;
        self.answer.wait().await
    }
}

/// Takes one answer, if somebody still waits for it. Dropped, it says that there is none.
struct Reply {
    asker: &'static Asker,
    turn: u32,
}

impl Reply {
    fn send(&self, answer: Answer) {
        self.asker.turn.lock(|turn| {
            if turn.get() == self.turn {
                turn.set(self.turn.wrapping_add(1));
                self.asker.answer.signal(answer);
            }
        });
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        self.send(Err(Bytes::new()));
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

/// What was read or is to be written. An empty one is the end.
type Chunk = heapless::Vec<u8, ROOM>;
type Input = Channel<NoopRawMutex, Chunk, 1>;
/// Room for what both ends may have in flight.
type Output = Channel<NoopRawMutex, Chunk, { 2 * MAX_REQUESTS }>;

/// Talks to one peer until one of the two closes. Then close the transport.
pub async fn talk<W: Write>(
    mut input: impl Read,
    mut output: W,
    link: &Link,
    session: &mut Session,
) -> Result<(), Error<W::Error>> {
    let (rx, tx, mut assembler) = (Input::new(), Output::new(), Assembler::new());
    let mut end = Ok(());
    let reading = async {
        let mut chunk = [0; ROOM];
        while let Ok(len @ 1..) = input.read(&mut chunk).await {
            rx.send(bytes(&chunk[..len])).await;
        }
        rx.send(Chunk::new()).await; // an error is the end too
        pending().await
    };
    let writing = async {
        loop {
            let chunk = tx.receive().await;
            if chunk.is_empty() {
                return Ok(());
            }
            let written = async {
                output.write_all(&chunk).await?;
                output.flush().await
            };
            with_timeout(STALL, written)
                .await
                .map_err(|_| Error::Stalled)?
                .map_err(Error::Output)?;
        }
    };
    let conversing = async {
        end = converse(&rx, &tx, link, session, &mut assembler).await;
        tx.send(Chunk::new()).await;
        pending().await
    };
    match select3(reading, writing, conversing).await {
        Either3::First(never) | Either3::Third(never) => never,
        Either3::Second(sent) => sent?,
    }
    end.map_err(Error::Session)?;
    assembler.finish().map_err(Error::Protocol)
}

async fn converse(
    rx: &Input,
    tx: &Output,
    link: &Link,
    session: &mut Session,
    assembler: &mut Assembler,
) -> Result<(), SessionError> {
    let now = || Instant::now().as_millis() as u32; // it may wrap
    let mut buffer = [0; ROOM];
    let mut writer = Writer::new(&mut buffer);
    let mut waiting = [const { None::<Reply> }; MAX_REQUESTS];
    session.reset();
    link.asked.clear(); // answers to these are refused
    loop {
        while let Some(due) = session.poll(now(), &mut writer)? {
            match due {
                Due::TimedOut(request) | Due::Lost(request) => waiting[request.index()] = None,
                Due::Close => {
                    send(tx, &mut writer).await;
                    return Ok(());
                }
            }
        }
        send(tx, &mut writer).await;
        let wait = Duration::from_millis(session.wait_ms(now()).unwrap_or(u32::MAX).into());
        let has_slot = waiting.iter().any(Option::is_none);
        let requests =
            async { if has_slot { link.requests.receive().await } else { pending().await } };
        let event = select3(rx.receive(), link.answers.receive(), requests);
        let mut chunk = Chunk::new();
        match with_timeout(wait, event).await {
            Err(_) => {} // something is due
            Ok(Either3::First(read)) if read.is_empty() => session.disconnected(),
            Ok(Either3::First(read)) => chunk = read,
            Ok(Either3::Second((request, answer))) => {
                let written = match &answer {
                    Ok(payload) => session.respond(&mut writer, request, payload),
                    Err(why) => session.respond_error(&mut writer, request, why),
                };
                if written != Err(SessionError::Over) {
                    written?; // else it belongs to an earlier conversation
                }
            }
            Ok(Either3::Third((op, payload, reply))) => {
                match session.request(now(), &mut writer, op, &payload) {
                    Ok(request) => waiting[request.index()] = Some(reply),
                    Err(_) => reply.send(Err(bytes(b"not now"))),
                }
            }
        }
        let mut items = assembler.feed(&chunk);
        while let Some(item) = items.next() {
            send(tx, &mut writer).await; // so that there is always room
            let (request, answer) = match session.receive(now(), item, &mut writer)? {
                Received::Request { request, op, payload } => {
                    let asked =
                        Asked { request, op: bytes(op.as_bytes()), payload: bytes(payload) };
                    link.asked.try_send(asked).ok(); // there is room for each that is owed
                    continue;
                }
                Received::Result { request, payload } => (request, Ok(bytes(payload))),
                Received::ErrorResult { request, payload }
                | Received::RetryResult { request, payload, .. } => (request, Err(bytes(payload))),
                Received::ResultPart { request, .. }
                | Received::ResultEnd { request }
                | Received::ResultTooLong { request } => {
                    session.forget(request);
                    (request, Err(bytes(b"too long, or in parts")))
                }
                _ => continue, // what needs no answer
            };
            if let Some(reply) = waiting[request.index()].take() {
                reply.send(answer);
            }
        }
    }
}

/// Waits while there is no room.
async fn send(tx: &Output, writer: &mut Writer<'_>) {
    if !writer.is_empty() {
        tx.send(bytes(writer.as_bytes())).await;
    }
    writer.clear();
}

/// What is copied here fits.
fn bytes<const N: usize>(bytes: &[u8]) -> heapless::Vec<u8, N> {
    bytes.try_into().unwrap_or_default()
}

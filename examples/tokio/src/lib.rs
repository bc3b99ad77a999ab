//! Gotalk on tokio. One task has the session of a conversation; other tasks make requests
//! through a [`Peer`], and every answer is worked out in a task of its own.
//!
//! - **Back-pressure**: while the peer does not take what was written, nothing more is taken,
//!   neither from it nor from other tasks. After [`STALL`] the conversation is given up.
//! - **Cancellation**: every branch of `select!` can lose and nothing is lost. Dropping
//!   [`Peer::request`] drops the result. Dropping [`talk`] ends all at once, answers too.
//! - **Shutdown**: when something comes on `stop`, the session drains.

pub mod transport;

use bytes::{Buf, Bytes};
use futures_util::{Sink, SinkExt, Stream, StreamExt, TryStreamExt};
use gotalk::{Assembler, Due, MAX_REPLY_LEN, MessageType, Outgoing, Received, Session, Settings};
use gotalk::{Writer, websocket::messages};
use std::collections::{HashMap, VecDeque};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Duration, Instant, sleep, sleep_until, timeout};

pub const MAX_PAYLOAD: usize = 4096;
/// How many requests can be in flight, each way.
pub const MAX_REQUESTS: usize = 8;
/// How long the peer may take for what the sink holds, which is a few KiB.
pub const STALL: Duration = Duration::from_secs(20);
const SETTINGS: Settings =
    Settings { answer_ms: Some(30_000), silence_ms: Some(60_000), ..Settings::DEFAULT };
/// Room for the longest message, and for what the session writes by itself.
const ROOM: usize = MessageType::SingleRequest.header_len(64) + MAX_PAYLOAD + MAX_REPLY_LEN;

pub type Error = Box<dyn std::error::Error + Send + Sync>;
/// The result of a request, or in plain text why there is none.
pub type Answer = Result<Vec<u8>, String>;
/// A request on its way to [`talk`]: the operation, the payload, and where the result goes.
pub type Request = (String, Vec<u8>, oneshot::Sender<Answer>);

/// The other end of a conversation, for any task that wants to ask it something.
#[derive(Clone)]
pub struct Peer(mpsc::Sender<Request>);

impl Peer {
    /// Give the receiver to [`talk`].
    pub fn new() -> (Self, mpsc::Receiver<Request>) {
        let (to, requests) = mpsc::channel(MAX_REQUESTS);
        (Self(to), requests)
    }

    pub async fn request(&self, op: &str, payload: impl Into<Vec<u8>>) -> Answer {
        let (reply, result) = oneshot::channel();
        let request = (op.into(), payload.into(), reply);
        self.0.send(request).await.map_err(|_| "the conversation is over")?;
        result.await.unwrap_or(Err("the conversation has ended".into()))
    }
}

/// Talks to one peer until one of the two closes. Each request is given to `answer`.
pub async fn talk<E: Into<Error>, F: Future<Output = Answer> + Send + 'static>(
    mut input: impl Stream<Item = Result<Bytes, E>> + Unpin,
    mut output: impl Sink<Bytes, Error = E> + Unpin,
    mut requests: mpsc::Receiver<Request>,
    mut stop: watch::Receiver<()>,
    answer: impl Fn(String, Vec<u8>) -> F,
) -> Result<(), Error> {
    let start = Instant::now();
    let now = || start.elapsed().as_millis() as u32; // it may wrap
    let mut session = Session::<MAX_REQUESTS, MAX_REQUESTS>::new(SETTINGS);
    let mut assembler = Assembler::<MAX_PAYLOAD>::new();
    let (mut chunk, mut tx) = (Bytes::new(), vec![0; ROOM]);
    let mut writer = Writer::new(&mut tx);
    let (mut queue, mut unsent, mut progress) = (VecDeque::new(), false, start);
    let mut waiting = Waiting::new();
    let mut answers = tokio::task::JoinSet::new();
    loop {
        let due = session.poll(now(), &mut writer)?;
        queue.extend(messages(writer.as_bytes()).map(Bytes::copy_from_slice));
        writer.clear(); // so there is always room
        match due {
            Some(Due::TimedOut(request) | Due::Lost(request)) => {
                settle(&mut waiting, request, Err("no result".into()));
                continue;
            }
            Some(Due::Close) => break,
            None => {}
        }
        if !unsent {
            (unsent, progress) = (!queue.is_empty(), Instant::now());
        }
        let may_write = queue.is_empty();
        let (len, step) = if may_write { assembler.step(&chunk) } else { (0, Ok(None)) };
        if let Some(step) = step.transpose() {
            let item = step.map(|step| assembler.item(&chunk, step));
            match session.receive(now(), item, &mut writer)? {
                Received::Request { request, op, payload } => {
                    let op = String::from_utf8_lossy(op.as_bytes());
                    let answer = answer(op.into(), payload.into());
                    answers.spawn(async move { (request, answer.await) });
                }
                Received::Result { request, payload } => {
                    settle(&mut waiting, request, Ok(payload.into()));
                }
                Received::ErrorResult { request, payload }
                | Received::RetryResult { request, payload, .. } => {
                    let why = String::from_utf8_lossy(payload);
                    settle(&mut waiting, request, Err(why.into()));
                }
                Received::ResultPart { request, .. }
                | Received::ResultEnd { request }
                | Received::ResultTooLong { request } => {
                    session.forget(request);
                    settle(&mut waiting, request, Err("too long, or in parts".into()));
                }
                _ => {} // what needs no answer
            }
            chunk.advance(len);
            continue;
        }
        chunk.advance(len);
        let wait = session.wait_ms(now()).map_or(STALL, |ms| Duration::from_millis(ms.into()));
        tokio::select! {
            more = send(&mut output, &mut queue), if unsent => {
                (unsent, progress) = (more.map_err(Into::into)?, Instant::now());
            }
            next = input.next(), if may_write => match next.transpose().map_err(Into::into)? {
                Some(bytes) => chunk = bytes,
                None => session.disconnected(),
            },
            Some(done) = answers.join_next(), if may_write => match done? {
                (request, Ok(payload)) if payload.len() <= MAX_PAYLOAD => {
                    session.respond(&mut writer, request, &payload)?;
                }
                (request, Ok(_)) => session.respond_error(&mut writer, request, "too long")?,
                (request, Err(why)) => {
                    let why = &why.as_bytes()[..why.len().min(MAX_PAYLOAD)];
                    session.respond_error(&mut writer, request, why)?;
                }
            },
            Some((op, payload, reply)) = requests.recv(),
                if may_write && waiting.len() < MAX_REQUESTS =>
            {
                match session.request(now(), &mut writer, op.as_str(), &payload) {
                    Ok(request) => _ = waiting.insert(request, reply),
                    Err(error) => _ = reply.send(Err(error.to_string())),
                }
            }
            _ = stop.changed(), if session.is_open() => session.drain(),
            () = sleep(wait) => {} // something is due
            () = sleep_until(progress + STALL), if unsent => return Err("it takes nothing".into()),
        }
    }
    // Send the rest, end the output, and read on shortly, so that the peer sees why: rule 7.11.
    let hang_up = async {
        while send(&mut output, &mut queue).await? {}
        output.close().await?;
        while input.try_next().await?.is_some() {}
        Ok::<_, E>(())
    };
    timeout(Duration::from_secs(2), hang_up).await.ok();
    Ok(assembler.finish()?)
}

type Waiting = HashMap<Outgoing, oneshot::Sender<Answer>>;

fn settle(waiting: &mut Waiting, request: Outgoing, result: Answer) {
    if let Some(reply) = waiting.remove(&request) {
        reply.send(result).ok(); // or nobody waits any more
    }
}

/// Sends a message or, if there is none, what the sink holds, and tells whether that may not be
/// all. When it is dropped, the message is still in the queue: `feed` takes it as it ends.
async fn send<E>(
    output: &mut (impl Sink<Bytes, Error = E> + Unpin),
    queue: &mut VecDeque<Bytes>,
) -> Result<bool, E> {
    let Some(message) = queue.front() else { return output.flush().await.map(|()| false) };
    output.feed(message.clone()).await?;
    Ok(queue.pop_front().is_some())
}

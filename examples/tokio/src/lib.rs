//! Gotalk on tokio. One task has the session of a conversation; other tasks make requests
//! through a [`Peer`], and every answer is worked out in a task of its own.
//!
//! - **Back-pressure**: there is room for what both ends may have in flight, so they never wait
//!   for each other. While it is full, nothing more is taken, neither from the peer nor from
//!   other tasks. After [`STALL`] the conversation is given up.
//! - **Cancellation**: every branch of `select!` can lose and nothing is lost. Dropping
//!   [`Peer::request`] drops the result. Dropping [`talk`] ends all at once, answers too.
//! - **Shutdown**: when the sender of `stop` is dropped, the session drains.

use bytes::Bytes;
use futures_util::{
    Sink, SinkExt, Stream, StreamExt, TryStreamExt, future::ready, stream::poll_fn,
};
use gotalk::{Assembler, Due, MAX_REPLY_LEN, MessageType, Received, Session, Settings, Writer};
use std::{collections::HashMap, io};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Duration, Instant, sleep, timeout};
use tokio_tungstenite::{WebSocketStream, tungstenite::Message};
use tokio_util::task::AbortOnDropHandle;

pub const MAX_PAYLOAD: usize = 4096;
/// How many requests can be in flight, each way.
pub const MAX_REQUESTS: usize = 8;
/// How long the peer may take nothing of what was written.
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
    /// Give both to [`talk`].
    pub fn new() -> (Self, mpsc::Receiver<Request>) {
        let (to, requests) = mpsc::channel(MAX_REQUESTS);
        (Self(to), requests)
    }

    pub async fn request(&self, op: &str, payload: impl Into<Vec<u8>>) -> Answer {
        let (reply, result) = oneshot::channel();
        self.0.send((op.into(), payload.into(), reply)).await.ok(); // or nobody will reply
        result.await.unwrap_or(Err("no result".into()))
    }
}

/// Talks to one peer until one of the two closes. Each request of the peer's is given to `answer`.
/// Over TCP the transport is `Framed::new(stream, BytesCodec::new())`; there is also [`websocket`].
pub async fn talk<F: Future<Output = Answer> + Send + 'static>(
    transport: impl Stream<Item = io::Result<impl Into<Bytes>>>
    + Sink<Bytes, Error = io::Error>
    + Send
    + 'static,
    (peer, mut requests): (Peer, mpsc::Receiver<Request>),
    mut stop: watch::Receiver<()>,
    answer: impl Fn(Peer, String, Vec<u8>) -> F,
) -> Result<(), Error> {
    let start = Instant::now();
    let now = || start.elapsed().as_millis() as u32; // it may wrap
    let mut session = Session::<MAX_REQUESTS, MAX_REQUESTS>::new(SETTINGS);
    let mut assembler = Assembler::<MAX_PAYLOAD>::new();
    let mut tx = vec![0; ROOM];
    let mut writer = Writer::new(&mut tx);
    let (mut waiting, mut answers) = (HashMap::new(), JoinSet::<(_, Answer)>::new());
    // A task of its own writes, and ends the output at last.
    let (output, mut input) = transport.split();
    let (to, mut written) = mpsc::channel(4 * MAX_REQUESTS); // header, payload; each way
    let sending = poll_fn(move |cx| written.poll_recv(cx)).map(Ok).forward(output);
    let sending = AbortOnDropHandle::new(tokio::spawn(sending));
    'talk: loop {
        while let Some(due) = session.poll(now(), &mut writer)? {
            match due {
                Due::TimedOut(request) | Due::Lost(request) => _ = waiting.remove(&request),
                Due::Close => break 'talk,
            }
        }
        send(&to, &mut writer).await?;
        let wait = Duration::from_millis(session.wait_ms(now()).unwrap_or(u32::MAX).into());
        let mut chunk = Bytes::new();
        tokio::select! {
            next = input.next() => match next.transpose()? {
                Some(bytes) => chunk = bytes.into(),
                None => session.disconnected(),
            },
            Some(done) = answers.join_next() => {
                let (request, answer) = done?;
                let written = match &answer {
                    Ok(payload) => session.respond(&mut writer, request, payload),
                    Err(why) => session.respond_error(&mut writer, request, why.as_str()),
                };
                written.or_else(|_| session.respond_error(&mut writer, request, "too long"))?;
            }
            Some((op, payload, reply)) = requests.recv(), if waiting.len() < MAX_REQUESTS => {
                match session.request(now(), &mut writer, op.as_str(), &payload) {
                    Ok(request) => _ = waiting.insert(request, reply),
                    Err(error) => _ = reply.send(Err(error.to_string())),
                }
            }
            _ = stop.changed(), if session.is_open() => session.drain(),
            () = sleep(wait) => {} // something is due
        }
        let mut items = assembler.feed(&chunk);
        while let Some(item) = items.next() {
            send(&to, &mut writer).await?; // so that there is always room
            let (request, result) = match session.receive(now(), item, &mut writer)? {
                Received::Request { request, op, payload } => {
                    let answer = answer(peer.clone(), op.to_string(), payload.into());
                    answers.spawn(async move { (request, answer.await) });
                    continue;
                }
                Received::Result { request, payload } => (request, Ok(payload.into())),
                Received::ErrorResult { request, payload }
                | Received::RetryResult { request, payload, .. } => {
                    (request, Err(String::from_utf8_lossy(payload).into()))
                }
                Received::ResultPart { request, .. }
                | Received::ResultEnd { request }
                | Received::ResultTooLong { request } => {
                    session.forget(request);
                    (request, Err("too long, or in parts".into()))
                }
                _ => continue, // what needs no answer
            };
            if let Some(reply) = waiting.remove(&request) {
                reply.send(result).ok(); // or nobody waits any more
            }
        }
    }
    // End the output, and read on shortly, so that the peer sees why: rule 7.11.
    send(&to, &mut writer).await?;
    drop(to);
    let hang_up = async {
        sending.await.ok();
        while let Some(Ok(_)) = input.next().await {}
    };
    timeout(Duration::from_secs(2), hang_up).await.ok();
    Ok(assembler.finish()?)
}

/// Waits while there is no room.
async fn send(to: &mpsc::Sender<Bytes>, writer: &mut Writer<'_>) -> Result<(), Error> {
    for message in gotalk::websocket::messages(writer.as_bytes()) {
        to.send_timeout(Bytes::copy_from_slice(message), STALL)
            .await
            .map_err(|_| "it takes nothing")?;
    }
    writer.clear();
    Ok(())
}

/// Sends binary messages. What comes in is one stream of bytes, however it is cut.
pub fn websocket(
    stream: WebSocketStream<impl AsyncRead + AsyncWrite + Unpin>,
) -> impl Stream<Item = io::Result<Bytes>> + Sink<Bytes, Error = io::Error> {
    let bytes = |it: Message| ready(Ok((it.is_binary() || it.is_text()).then(|| it.into_data())));
    let stream = stream.map_err(io::Error::other).try_filter_map(bytes);
    stream.sink_map_err(io::Error::other).with(|bytes| ready(Ok(Message::Binary(bytes))))
}

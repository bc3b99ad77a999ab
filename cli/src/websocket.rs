//! A WebSocket as a stream of bytes.
//!
//! What is written is cut as gotalk.js wants it: the version, each header and each payload in
//! a binary message of its own. The bytes come in any pieces, so those of a message are kept
//! until it is complete; but of a payload above [`MOST`] every piece becomes a message at
//! once. So does everything behind bytes that are no Gotalk, and behind a protocol error. A
//! message that breaks off is not sent: gotalk.js would take a part of a payload for all of it.
//!
//! What is read has limits too, as the library hands out whole messages. Behind one that is too
//! long, or not as RFC 6455 has it, nothing is read: the peer is told why in a Close frame
//! ([`goodbye`]), and then reading and writing fail for the same reason.
//!
//! A write is over when the socket has taken it, as on a socket, so that a peer that does not
//! read is noticed. Whoever gives up a write, and writes again, must begin with the same
//! bytes.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::{Sink, SinkExt, Stream};
use gotalk::{Event, Frame, MAX_NAME_LEN, Parser, websocket};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::{CapacityError, ProtocolError};
use tokio_tungstenite::tungstenite::handshake::machine::TryParse;
use tokio_tungstenite::tungstenite::handshake::server::{Request, create_response, write_response};
use tokio_tungstenite::tungstenite::http::header::ORIGIN;
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Bytes, Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

/// The longest message that is read from a client: a stranger can have so much kept. It is
/// also the longest payload that is kept to be sent as one message. The rest is for a header.
const MOST: usize = (1 << 20) + 4096;
/// The longest message that is read from a server, which was asked for it. Those of the Go
/// package and of gotalk.js send each result as one message.
const MOST_OF_A_SERVER: usize = (64 << 20) + 4096;
/// How much is taken by one write: what the socket may hold has to have room for it.
const AT_ONCE: usize = 64 * 1024;
/// The longest time to tell a peer why nothing more is read.
const GOODBYE: Duration = Duration::from_secs(1);

pub(crate) struct WebSocket {
    state: State,
    /// What is left of the last message that came.
    input: Bytes,
    cutter: Cutter,
    /// How much of what is being written has been handed to the socket.
    handed: Option<usize>,
}

#[expect(clippy::large_enum_variant, reason = "it is open nearly all the time")]
enum State {
    Open(WebSocketStream<TcpStream>),
    /// The peer is being told why nothing more is read.
    Leaving(Pin<Box<dyn Future<Output = ()> + Send>>, String),
    /// It has been told.
    Left(String),
}

impl State {
    /// The socket, if it is open. Otherwise it fails when the peer has been told why.
    fn poll_open(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Pin<&mut WebSocketStream<TcpStream>>>> {
        if let Self::Leaving(goodbye, why) = self {
            ready!(goodbye.as_mut().poll(cx));
            *self = Self::Left(std::mem::take(why));
        }
        Poll::Ready(match self {
            Self::Open(socket) => Ok(Pin::new(socket)),
            Self::Leaving(_, why) | Self::Left(why) => {
                Err(io::Error::new(ErrorKind::InvalidData, why.clone()))
            }
        })
    }

    /// Reads no more, and tells the peer why.
    fn leave(&mut self, code: CloseCode, why: String) {
        if let Self::Open(socket) = std::mem::replace(self, Self::Left(why.clone())) {
            // There is no room for more in a control frame, and what is said here is shorter.
            let reason = why.chars().take(100).collect::<String>().into();
            *self = Self::Leaving(Box::pin(goodbye(socket, CloseFrame { code, reason })), why);
        }
    }
}

/// Closes so that the peer gets to read why: to close while input is unread resets the
/// connection, and a reset overtakes the bytes that are under way. So what still comes is
/// thrown away, however much that is, but not for long.
async fn goodbye(mut socket: WebSocketStream<TcpStream>, close: CloseFrame) {
    let told = async {
        socket.send(Message::Close(Some(close))).await.map_err(failed)?;
        let stream = socket.get_mut();
        stream.shutdown().await?;
        let mut scrap = vec![0; 4096];
        while stream.read(&mut scrap).await? > 0 {}
        io::Result::Ok(())
    };
    let _ = timeout(GOODBYE, told).await;
}

/// Asks for the WebSocket at this address, over a connection to it. Servers of the Go package
/// refuse a client that does not say where it comes from, so it says what a page of theirs would.
pub(crate) async fn connect(stream: TcpStream, url: &str) -> io::Result<WebSocket> {
    let mut request = url.into_client_request().map_err(no_socket)?;
    let host = request.uri().authority().map_or("", |host| host.as_str());
    let origin = HeaderValue::from_str(&format!("http://{host}"));
    request.headers_mut().insert(ORIGIN, origin.map_err(|error| no_socket(error.into()))?);
    let opened = client_async_with_config(request, stream, Some(config(MOST_OF_A_SERVER))).await;
    opened.map(|(socket, _)| WebSocket::new(socket)).map_err(no_socket)
}

/// The answer to the head of a request for a WebSocket.
pub(crate) fn response(head: &[u8]) -> Result<Vec<u8>, Error> {
    let (_, request) = Request::try_parse(head)?.ok_or(ProtocolError::HandshakeIncomplete)?;
    let mut bytes = Vec::new();
    write_response(&mut bytes, &create_response(&request)?)?;
    Ok(bytes)
}

/// The WebSocket of a client that has this answer, and has sent `rest` behind its request.
pub(crate) async fn accepted(stream: TcpStream, rest: &[u8]) -> WebSocket {
    let (rest, config) = (rest.to_vec(), Some(config(MOST)));
    WebSocket::new(WebSocketStream::from_partially_read(stream, rest, Role::Server, config).await)
}

/// For messages of so many bytes, at most.
fn config(most: usize) -> WebSocketConfig {
    WebSocketConfig::default()
        .max_message_size(Some(most))
        // A frame is kept too until it is complete.
        .max_frame_size(Some(most))
        // Each connection has this buffer all the time.
        .read_buffer_size(4096)
        .write_buffer_size(0)
        // A peer that sends pings and reads no pongs has no more than this: the rest of the
        // pongs are left out. Of ours no more than two messages wait.
        .max_write_buffer_size(4 * MOST)
}

fn no_socket(error: Error) -> io::Error {
    let why = match error {
        Error::Http(answer) if answer.status() == StatusCode::NOT_FOUND => {
            "nothing at this path (HTTP 404)".to_owned()
        }
        Error::Protocol(ProtocolError::HttparseError(_)) => {
            "the answer is no HTTP; is it a server over TCP alone?".to_owned()
        }
        error => error.to_string(),
    };
    io::Error::new(ErrorKind::InvalidData, format!("no WebSocket: {why}"))
}

fn failed(error: Error) -> io::Error {
    match error {
        Error::Io(error) => error,
        Error::ConnectionClosed
        | Error::AlreadyClosed
        | Error::Protocol(ProtocolError::SendAfterClosing) => ErrorKind::BrokenPipe.into(),
        error => io::Error::new(ErrorKind::InvalidData, error),
    }
}

impl WebSocket {
    fn new(socket: WebSocketStream<TcpStream>) -> Self {
        Self {
            state: State::Open(socket),
            input: Bytes::new(),
            cutter: Cutter::new(),
            handed: None,
        }
    }
}

impl AsyncRead for WebSocket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        while this.input.is_empty() {
            let socket = ready!(this.state.poll_open(cx))?;
            match ready!(socket.poll_next(cx)) {
                Some(Ok(Message::Binary(bytes))) => this.input = bytes,
                Some(Ok(Message::Text(text))) => this.input = text.into(),
                Some(Ok(_)) => {}
                None | Some(Err(Error::ConnectionClosed | Error::AlreadyClosed)) => {
                    return Poll::Ready(Ok(()));
                }
                // Browsers do that when the page is left.
                Some(Err(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake))) => {
                    return Poll::Ready(Ok(()));
                }
                Some(Err(Error::Capacity(CapacityError::MessageTooLong { max_size, .. }))) => {
                    let most = max_size >> 20;
                    let why = format!("a WebSocket message of more than {most} MiB");
                    this.state.leave(CloseCode::Size, why);
                }
                // The library's own words for it have parts of the text in them.
                Some(Err(Error::Utf8(_))) => {
                    let why = "a WebSocket message of text that is no UTF-8".to_owned();
                    this.state.leave(CloseCode::Invalid, why);
                }
                Some(Err(error @ Error::Protocol(_))) => {
                    this.state.leave(CloseCode::Protocol, error.to_string());
                }
                Some(Err(error)) => return Poll::Ready(Err(failed(error))),
            }
        }
        let len = this.input.len().min(buffer.remaining());
        buffer.put_slice(&this.input.split_to(len));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for WebSocket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let mut socket = ready!(this.state.poll_open(cx))?;
        if this.handed.is_none() {
            ready!(socket.as_mut().poll_ready(cx)).map_err(failed)?;
            let bytes = &bytes[..bytes.len().min(AT_ONCE)];
            for message in this.cutter.cut(bytes) {
                socket.as_mut().start_send(Message::Binary(message)).map_err(failed)?;
            }
            this.handed = Some(bytes.len());
        }
        ready!(socket.poll_flush(cx)).map_err(failed)?;
        Poll::Ready(Ok(this.handed.take().unwrap_or_default()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.state.poll_open(cx))?.poll_flush(cx).map_err(failed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Ok(socket) = ready!(self.state.poll_open(cx)) else { return Poll::Ready(Ok(())) };
        match ready!(socket.poll_close(cx)) {
            Ok(()) | Err(Error::ConnectionClosed | Error::AlreadyClosed) => Poll::Ready(Ok(())),
            Err(error) => Poll::Ready(Err(failed(error))),
        }
    }
}

/// Makes WebSocket messages of bytes that come in any pieces.
struct Cutter {
    /// `None`: what comes is no Gotalk, or is behind the end, and goes on as it comes.
    parser: Option<Box<Parser<MAX_NAME_LEN>>>,
    /// The start of a message that is not complete.
    kept: Vec<u8>,
    /// The message is too long to be kept: its pieces go on as they come.
    in_pieces: bool,
}

impl Cutter {
    fn new() -> Self {
        Self { parser: Some(Box::default()), kept: Vec::new(), in_pieces: false }
    }

    /// The messages that are complete with these bytes.
    fn cut(&mut self, bytes: &[u8]) -> Vec<Bytes> {
        let mut messages = Vec::new();
        let mut rest = bytes;
        while let Some(parser) = &mut self.parser {
            let before = rest;
            let mut payload = 0;
            let mut is_last = false;
            let is_complete = match parser.next_event(&mut rest) {
                Ok(Some(Event::Frame(frame))) => {
                    payload = frame.payload_len().unwrap_or(0) as usize;
                    is_last = matches!(frame, Frame::ProtocolError { .. });
                    frame.payload_len().is_none()
                }
                Ok(Some(Event::Payload { remaining, .. })) => remaining == 0,
                Ok(Some(Event::Version(_))) => true,
                Ok(Some(Event::NameTooLong { .. })) => false, // no name is
                Ok(None) if before.len() == rest.len() => break,
                Ok(None) => false,
                Err(_) => {
                    self.parser = None;
                    rest = before;
                    break;
                }
            };
            self.kept.extend_from_slice(&before[..before.len() - rest.len()]);
            if is_complete && !self.in_pieces {
                messages.extend(websocket::messages(&self.kept).map(Bytes::copy_from_slice));
                self.kept.clear();
            }
            if payload > MOST {
                self.in_pieces = true;
            }
            if self.in_pieces {
                messages
                    .extend((!self.kept.is_empty()).then(|| std::mem::take(&mut self.kept).into()));
                self.in_pieces = !is_complete;
            }
            if is_last {
                self.parser = None; // it would read on, and find nothing any more
            }
        }
        if self.parser.is_none() && !(self.kept.is_empty() && rest.is_empty()) {
            self.kept.extend_from_slice(rest);
            messages.push(std::mem::take(&mut self.kept).into());
        }
        if self.kept.is_empty() {
            self.kept = Vec::new(); // an idle connection keeps nothing
        }
        messages
    }
}

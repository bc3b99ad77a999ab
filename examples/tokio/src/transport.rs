//! What [`talk`](crate::talk) takes, over bytes such as TCP, and over WebSocket.

use bytes::{Bytes, BytesMut};
use futures_util::{Sink, SinkExt, Stream, StreamExt, TryStreamExt, future::ready};
use std::io;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error, Message, protocol::WebSocketConfig};
use tokio_util::codec::{BytesCodec, Framed};

pub fn bytes(
    stream: impl AsyncRead + AsyncWrite,
) -> (impl Stream<Item = io::Result<Bytes>> + Unpin, impl Sink<Bytes, Error = io::Error> + Unpin) {
    let (output, input) = Framed::new(stream, BytesCodec::new()).split();
    (input.map_ok(BytesMut::freeze), output)
}

/// What is sent goes in binary messages. What comes in is one stream of bytes, however it is cut.
pub fn websocket(
    stream: WebSocketStream<impl AsyncRead + AsyncWrite + Unpin>,
) -> (impl Stream<Item = Result<Bytes, Error>> + Unpin, impl Sink<Bytes, Error = Error> + Unpin) {
    let (output, input) = stream.split();
    let input = input.try_filter_map(|message| match message {
        Message::Binary(bytes) => ready(Ok(Some(bytes))),
        Message::Text(text) => ready(Ok(Some(text.into()))),
        _ => ready(Ok(None)),
    });
    (input, output.with(|bytes| ready(Ok(Message::Binary(bytes)))))
}

/// Nothing that is sent is kept back, and no message that comes in is huge.
pub fn websocket_config() -> Option<WebSocketConfig> {
    Some(WebSocketConfig::default().write_buffer_size(0).max_message_size(Some(1 << 20)))
}

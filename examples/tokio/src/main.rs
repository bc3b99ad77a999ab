//! A server and a client. The server runs until ctrl-C; then it finishes what is in flight. Each
//! can also talk to the tool: `gotalk call 127.0.0.1:7000 echo hi`, `gotalk serve 127.0.0.1:7000`.
//!
//! ```sh
//! cargo run -- serve 127.0.0.1:7000                         # over TCP
//! cargo run -- call 127.0.0.1:7000 ask-back '"hello"'
//! cargo run -- serve ws://127.0.0.1:7001                    # over WebSocket, at any path
//! cargo run -- call ws://127.0.0.1:7001/gotalk/ echo '"hello"'
//! ```

use futures_util::{FutureExt, StreamExt, TryStreamExt, stream::poll_fn};
use gotalk_tokio::{Answer, Error, Peer, STALL, talk, websocket};
use std::{env, time::Duration};
use tokio::net::{TcpListener, TcpStream};
use tokio::{signal::ctrl_c, sync::watch, time::sleep, time::timeout};
use tokio_tungstenite::tungstenite::{ClientRequestBuilder, protocol::WebSocketConfig};
use tokio_tungstenite::{accept_async_with_config, connect_async};
use tokio_util::codec::{BytesCodec, Framed};

/// What both ends serve.
async fn answer(peer: Peer, op: String, payload: Vec<u8>) -> Answer {
    match op.as_str() {
        "echo" => Ok(payload),
        "later" => {
            sleep(Duration::from_millis(500)).await;
            Ok(payload)
        }
        "ask-back" => peer.request("echo", payload).await,
        _ => Err("no such operation".into()),
    }
}

/// Talks to a client.
async fn accept(tcp: TcpStream, is_ws: bool, stop: watch::Receiver<()>) -> Result<(), Error> {
    if !is_ws {
        return talk(Framed::new(tcp, BytesCodec::new()), Peer::new(), stop, answer).await;
    }
    let config = WebSocketConfig::default().max_message_size(Some(1 << 20));
    let stream = timeout(STALL, accept_async_with_config(tcp, Some(config))).await??;
    talk(websocket(stream), Peer::new(), stop, answer).await
}

async fn serve(address: &str) -> Result<(), Error> {
    let ws = address.strip_prefix("ws://");
    let listener = TcpListener::bind(ws.unwrap_or(address)).await?;
    println!("listening on {}", listener.local_addr()?);
    let (stop, stopped) = watch::channel(());
    let interrupted = ctrl_c().map(|_| drop(stop));
    poll_fn(|cx| listener.poll_accept(cx).map(Some))
        .take_until(interrupted)
        .try_for_each_concurrent(100, async |(tcp, peer)| {
            println!("{peer}: {:?}", accept(tcp, ws.is_some(), stopped.clone()).await);
            Ok(())
        })
        .await?;
    Ok(())
}

async fn call(address: &str, op: &str, payload: &str) -> Result<(), Error> {
    let ((peer, requests), (stop, stopped)) = (Peer::new(), watch::channel(()));
    let both = (peer.clone(), requests);
    let end = if address.starts_with("ws://") {
        // Servers of the Go package refuse a client that has no origin.
        let request = ClientRequestBuilder::new(address.parse()?).with_header("Origin", address);
        let (stream, _) = connect_async(request).await?;
        tokio::spawn(talk(websocket(stream), both, stopped, answer))
    } else {
        let tcp = TcpStream::connect(address).await?;
        tokio::spawn(talk(Framed::new(tcp, BytesCodec::new()), both, stopped, answer))
    };
    println!("{}", String::from_utf8_lossy(&peer.request(op, payload).await?));
    drop(stop);
    end.await?
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", address] => serve(address).await,
        ["call", address, op, payload] => call(address, op, payload).await,
        _ => Err("usage: serve ADDRESS, or call ADDRESS OP PAYLOAD".into()),
    }
}

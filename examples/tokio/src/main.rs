//! A server and a client, over TCP or WebSocket:
//!
//! ```sh
//! cargo run -- serve 127.0.0.1:7000 tcp
//! cargo run -- call 127.0.0.1:7000 tcp ask-back '"hello"'
//! ```

use gotalk_tokio::{Answer, Error, Peer, Request, STALL, talk, transport};
use std::{env, pin::pin, time::Duration};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};
use tokio::{signal::ctrl_c, task::JoinSet};
use tokio_tungstenite::{accept_async_with_config, client_async_with_config};

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

#[derive(Clone, Copy)]
enum Over {
    Tcp,
    /// WebSocket, of which this is the server or the client.
    Server,
    Client,
}

async fn converse(
    stream: TcpStream,
    over: Over,
    (peer, requests): (Peer, mpsc::Receiver<Request>),
    stop: watch::Receiver<()>,
) -> Result<(), Error> {
    let answer = move |op, payload| answer(peer.clone(), op, payload);
    let config = transport::websocket_config();
    let stream = match over {
        Over::Tcp => {
            let (input, output) = transport::bytes(stream);
            return talk(input, output, requests, stop, answer).await;
        }
        Over::Server => timeout(STALL, accept_async_with_config(stream, config)).await??,
        Over::Client => {
            let opening = client_async_with_config("ws://localhost/", stream, config);
            timeout(STALL, opening).await??.0
        }
    };
    let (input, output) = transport::websocket(stream);
    talk(input, output, requests, stop, answer).await
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let (stop, stopped) = watch::channel(());
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", address, over] => {
            let over = if over == "ws" { Over::Server } else { Over::Tcp };
            let listener = TcpListener::bind(address).await?;
            println!("listening on {}", listener.local_addr()?);
            let mut interrupted = pin!(ctrl_c());
            let mut conversations = JoinSet::new();
            loop {
                tokio::select! {
                    accepted = listener.accept(), if conversations.len() < 100 => {
                        let (stream, _) = accepted?;
                        conversations.spawn(converse(stream, over, Peer::new(), stopped.clone()));
                    }
                    Some(end) = conversations.join_next() => println!("{end:?}"),
                    _ = &mut interrupted => break,
                }
            }
            drop(listener);
            stop.send(())?;
            conversations.join_all().await; // what is in flight is finished
        }
        ["call", address, over, op, payload] => {
            let over = if over == "ws" { Over::Client } else { Over::Tcp };
            let (peer, requests) = Peer::new();
            let stream = TcpStream::connect(address).await?;
            let end = tokio::spawn(converse(stream, over, (peer.clone(), requests), stopped));
            let answer = peer.request(op, payload).await?;
            println!("{}", String::from_utf8_lossy(&answer));
            stop.send(())?;
            end.await??;
        }
        _ => return Err("usage: serve ADDRESS tcp|ws, or call ADDRESS tcp|ws OP PAYLOAD".into()),
    }
    Ok(())
}

//! One end that is the example, and another that is bytes in memory.

use gotalk_tokio::{Answer, Error, Peer, talk};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::{sync::watch, task::JoinHandle, time::sleep};
use tokio_util::codec::{BytesCodec, Framed};

/// One end that talks.
#[allow(dead_code)]
pub struct End {
    pub peer: Peer,
    pub stop: watch::Sender<()>,
    pub task: JoinHandle<Result<(), Error>>,
}

/// What the ends serve: an echo, at once or after as many milliseconds as the payload says,
/// an answer of as many bytes, and a question to the peer.
pub async fn answer(peer: Peer, op: String, payload: Vec<u8>) -> Answer {
    let number = || String::from_utf8_lossy(&payload).parse().unwrap_or(0);
    match op.as_str() {
        "echo" => Ok(payload),
        "later" => {
            sleep(Duration::from_millis(number())).await;
            Ok(payload)
        }
        "long" => Ok(vec![b'x'; number() as usize]),
        "ask-back" => peer.request("echo", payload).await,
        _ => Err("no such operation".into()),
    }
}

pub fn end(stream: DuplexStream) -> End {
    let ((peer, requests), (stop, stopped)) = (Peer::new(), watch::channel(()));
    let stream = Framed::new(stream, BytesCodec::new());
    let task = tokio::spawn(talk(stream, (peer.clone(), requests), stopped, answer));
    End { peer, stop, task }
}

/// Two ends that talk to each other.
#[allow(dead_code)]
pub fn pair() -> (End, End) {
    let (near, far) = duplex(64);
    (end(near), end(far))
}

/// What an end writes to a peer that sends this in chunks and then ends its output, and how the
/// conversation ends.
#[allow(dead_code)]
pub async fn replies(input: &[u8], chunk: usize) -> (String, Result<(), Error>) {
    let (near, far) = duplex(64);
    let End { task, stop: _stop, .. } = end(far);
    let (mut from, mut to) = tokio::io::split(near);
    let input = input.to_vec();
    let writing = tokio::spawn(async move {
        for part in input.chunks(chunk) {
            if to.write_all(part).await.is_err() {
                return; // it has hung up
            }
        }
        sleep(Duration::from_secs(1)).await;
        to.shutdown().await.ok();
    });
    let mut output = Vec::new();
    from.read_to_end(&mut output).await.unwrap();
    writing.await.unwrap();
    (String::from_utf8_lossy(&output).into(), task.await.unwrap())
}

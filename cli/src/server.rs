//! The server: a task for each connection, and all of them on one thread.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use gotalk::{ErrorCode, Settings};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::time::sleep;

use crate::operations::{RETRY_MS, Service};
pub(crate) use crate::wire::Limits;
use crate::wire::{End, FULL, Link, NEVER, converse, see_off};

/// How many are told that there is no room for them, at once. Others are just closed.
const TURNED_AWAY: usize = 50;
/// The pauses after failing to accept: at first, and when that goes on.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LAST_PAUSE: Duration = Duration::from_millis(500);

impl Default for Limits {
    fn default() -> Self {
        Self {
            settings: Settings {
                answer_ms: Some(30_000),
                retry_after_ms: Some(RETRY_MS),
                streams: 64,
                ..Settings::DEFAULT
            },
            connections: 2000,
            requests: 64,
            silence: 60_000,
            idle: NEVER,
            waiting: FULL,
            unread: 10_000,
            goodbye: 1000,
            version: None,
        }
    }
}

/// What all connections share. Each holds it, so the holders tell how many there are.
pub(crate) struct Shared {
    pub(crate) limits: Limits,
    pub(crate) lines: SyncSender<String>,
}

impl Shared {
    /// Never waits: if nobody takes the lines, they are lost.
    pub(crate) fn log(&self, line: String) {
        let _ = self.lines.try_send(line);
    }

    /// The load that a heartbeat tells.
    pub(crate) fn load(self: &Arc<Self>) -> u16 {
        let open = Arc::strong_count(self) - 1;
        let load = open.saturating_mul(usize::from(u16::MAX)) / self.limits.connections.max(1);
        u16::try_from(load).unwrap_or(u16::MAX)
    }
}

/// Serves for ever. What there is to tell goes to `lines`.
pub(crate) fn serve(
    runtime: &Runtime,
    listener: std::net::TcpListener,
    shared: Shared,
) -> io::Result<Infallible> {
    listener.set_nonblocking(true)?;
    runtime.block_on(async {
        let listener = TcpListener::from_std(listener)?;
        let shared = Arc::new(shared);
        loop {
            let (stream, peer) = accept(&listener, &shared).await;
            let before = Arc::strong_count(&shared) - 1;
            if before < shared.limits.connections + TURNED_AWAY {
                let is_full = before >= shared.limits.connections;
                tokio::spawn(attend(stream, peer, is_full, Arc::clone(&shared)));
            }
        }
    })
}

/// The next connection. While none can be had, as when descriptors are out, it tries
/// again less and less often, and says so once.
async fn accept(listener: &TcpListener, shared: &Shared) -> (TcpStream, SocketAddr) {
    let mut pause = Duration::ZERO;
    loop {
        match listener.accept().await {
            Ok(accepted) => {
                if !pause.is_zero() {
                    shared.log("accepting again".to_owned());
                }
                return accepted;
            }
            Err(error) if pause.is_zero() => {
                shared.log(format!("not accepted: {error}; trying again"));
                pause = FIRST_PAUSE;
            }
            Err(_) => pause = LAST_PAUSE.min(2 * pause),
        }
        sleep(pause).await;
    }
}

/// One connection, from the version to the end.
async fn attend(mut stream: TcpStream, peer: SocketAddr, is_full: bool, shared: Arc<Shared>) {
    let limits = shared.limits.clone();
    let mut link = Link::new(limits.settings);
    if let Some(version) = limits.version {
        link.pretend(version);
    }
    let mut service = Service::new(peer, shared);
    let _ = stream.set_nodelay(true); // it is only slower without
    let end = if is_full {
        End::Told(ErrorCode::ABNORMAL, "too many connections")
    } else {
        let Err(end) = converse(&mut stream, &mut link, &mut service, &limits).await;
        end
    };
    see_off(&mut stream, &mut link, &end, &limits).await;
    if !matches!(end, End::Closed) {
        service.log(format!("closed {peer}: {end}"));
    }
}

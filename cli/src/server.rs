//! The server: a task for each connection, and all of them on one thread.

use std::sync::Arc;
use std::time::Duration;

use gotalk::{ErrorCode, Settings};
use tokio::time::timeout;

use crate::command::Commands;
use crate::log::{Line, Log};
use crate::operations::Service;
use crate::transport::{Accepted, Listener, Opened};
use crate::wire::{self, End, Link, converse, see_off};

/// How many are told that there is no room for them, at once. Others are just closed.
const TURNED_AWAY: usize = 50;

/// What all peers together may cost, and what each is told.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    pub(crate) wire: wire::Limits,
    pub(crate) settings: Settings,
    /// Connections at once.
    pub(crate) connections: usize,
    /// Single requests without an answer, on a connection.
    pub(crate) requests: usize,
    /// What a peer is told in place of the version.
    pub(crate) version: Option<[u8; 2]>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            wire: wire::Limits::default(),
            settings: Settings {
                answer_ms: Some(30_000),
                retry_after_ms: Some(1000),
                streams: 64,
                ..Settings::DEFAULT
            },
            connections: 2000,
            requests: 64,
            version: None,
        }
    }
}

/// What all connections share. Each holds it, so the holders tell how many there are.
pub(crate) struct Shared {
    pub(crate) limits: Limits,
    pub(crate) commands: Arc<Commands>,
    pub(crate) log: Log,
}

impl Shared {
    /// The load that a heartbeat tells.
    pub(crate) fn load(self: &Arc<Self>) -> u16 {
        let open = Arc::strong_count(self) - 1;
        let load = open.saturating_mul(usize::from(u16::MAX)) / self.limits.connections.max(1);
        u16::try_from(load).unwrap_or(u16::MAX)
    }
}

/// Serves as long as somebody may come. What there is to tell goes to `lines`.
pub(crate) async fn serve(mut listener: Listener, shared: Shared) {
    let shared = Arc::new(shared);
    while let Some((accepted, peer)) = listener.accept_at_last(|it| shared.log.tell(it)).await {
        let before = Arc::strong_count(&shared) - 1;
        if before < shared.limits.connections + TURNED_AWAY {
            let is_full = before >= shared.limits.connections;
            let attended = attend(accepted, peer, is_full, Arc::clone(&shared));
            match listener.is_single() {
                true => attended.await,
                false => drop(tokio::spawn(attended)),
            }
        }
    }
}

/// One connection, from the version to the end.
async fn attend(accepted: Accepted, peer: String, is_full: bool, shared: Arc<Shared>) {
    let Limits { wire: limits, settings, version, .. } = shared.limits.clone();
    let silence = Duration::from_millis(limits.silence);
    // In a box, so that it is gone when the connection is open.
    let opened = Box::pin(timeout(silence, accepted.open())).await;
    let mut stream = match opened.unwrap_or_else(|elapsed| Err(elapsed.into())) {
        Ok(Opened::Stream(stream)) => stream,
        Ok(Opened::Page(page)) => {
            if let Err(error) = Box::pin(page.send(&limits)).await {
                shared.log.tell(&Line::Closed { peer: &peer, why: &error });
            }
            return;
        }
        Err(error) => return shared.log.tell(&Line::Closed { peer: &peer, why: &error }),
    };
    let mut link = Link::new(settings);
    if let Some(version) = version {
        link.pretend(version);
    }
    let mut service = Service::new(peer.clone(), shared);
    let end = if is_full {
        End::Told(ErrorCode::ABNORMAL, "too many connections")
    } else {
        let Err(end) = converse(&mut stream, &mut link, &mut service, &limits).await;
        end
    };
    let shared = service.stop();
    see_off(&mut stream, &mut link, &end, &limits).await;
    let is_goodbye = |code| limits.says_goodbye && code == ErrorCode::ABNORMAL;
    if !matches!(end, End::Closed) && !matches!(end, End::PeerGaveUp(code) if is_goodbye(code)) {
        shared.log.tell(&Line::Closed { peer: &peer, why: &end });
    }
}

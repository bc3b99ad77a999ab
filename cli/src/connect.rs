//! Connects, and does not wait for ever.

use std::io::{self, ErrorKind};
use std::time::Instant;

use tokio::net::{TcpStream, lookup_host};
use tokio::time::{timeout, timeout_at};

/// Tries the addresses of a host one after the other, until one takes the connection or
/// the time is over. Each has its share of the time that is left, so that one that does
/// not answer leaves some to the others.
pub(crate) async fn connect(host_and_port: &str, by: Instant) -> io::Result<TcpStream> {
    let mut addresses =
        timeout_at(by.into(), lookup_host(host_and_port)).await??.collect::<Vec<_>>();
    let mut failure = io::Error::new(ErrorKind::NotFound, "the name has no address");
    addresses.reverse();
    while let Some(address) = addresses.pop() {
        let left = by.saturating_duration_since(Instant::now());
        let share = left / u32::try_from(addresses.len() + 1).unwrap_or(u32::MAX);
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => failure = error,
            Err(elapsed) => failure = elapsed.into(),
        }
    }
    Err(failure)
}

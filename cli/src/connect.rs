//! Connects, and does not wait for ever.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// Tries the addresses of a host one after the other, until one takes the connection or
/// the time is over. Each has its share of the time that is left, so that one that does
/// not answer leaves some to the others.
pub(crate) fn connect(host_and_port: &str, by: Instant) -> io::Result<TcpStream> {
    let addresses = resolve(host_and_port, by)?;
    let mut failure = io::Error::new(ErrorKind::NotFound, "the name has no address");
    for (at, address) in addresses.iter().enumerate() {
        let share = left(by)? / u32::try_from(addresses.len() - at).unwrap_or(u32::MAX);
        // None at all would be an error of its own.
        match TcpStream::connect_timeout(address, share.max(Duration::from_millis(1))) {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// The addresses of a host. The system has no limit for the time that this takes, so it
/// is left to itself when the time is over.
fn resolve(host_and_port: &str, by: Instant) -> io::Result<Vec<SocketAddr>> {
    let (found, addresses) = mpsc::sync_channel(1);
    let host_and_port = host_and_port.to_owned();
    thread::spawn(move || found.send(host_and_port.to_socket_addrs().map(Iterator::collect)));
    addresses.recv_timeout(left(by)?).unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()))
}

fn left(by: Instant) -> io::Result<Duration> {
    by.checked_duration_since(Instant::now()).ok_or_else(|| ErrorKind::TimedOut.into())
}

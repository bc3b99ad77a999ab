//! The longest payload there is, through `gotalk relay`, which must not keep it.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::load::memory;

/// What the relay may have beyond its start, in KiB.
const GROWTH: f64 = 2048.0;
/// The payload is these bytes again and again.
const PERIOD: usize = 251;
const PIECE: usize = 64 * 1024;

/// Passes `size` bytes, and gives what is in the table, or what was wrong.
pub fn run(program: &Path, size: u32) -> Result<String, String> {
    pass(program, size).map_err(|error| error.to_string())
}

struct Relay(Child);

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn pass(program: &Path, size: u32) -> io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let target = listener.local_addr()?.to_string();
    let child = Command::new(program)
        .args(["relay", "127.0.0.1:0", &target])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut relay = Relay(child);
    let mut output = BufReader::new(relay.0.stderr.take().ok_or(io::ErrorKind::BrokenPipe)?);
    let mut first = String::new();
    output.read_line(&mut first)?;
    let address: SocketAddr =
        first.trim().parse().map_err(|_| io::Error::other(format!("no address: {first:?}")))?;
    let payload: Vec<u8> = (0..PERIOD + PIECE).map(|at| (at % PERIOD) as u8).collect();

    let mut client = TcpStream::connect(address)?;
    client.set_read_timeout(Some(crate::PATIENCE))?;
    let (mut server, _) = listener.accept()?;
    server.set_read_timeout(Some(crate::PATIENCE))?;
    server.write_all(b"01")?;
    client.read_exact(&mut [0; 2])?;
    let start = Instant::now();
    let before = memory(relay.0.id(), "VmRSS:")?;
    let head = format!("01r0001004echo{size:08x}");

    let sent = payload.clone();
    let sender_head = head.clone();
    let sender = thread::spawn(move || -> io::Result<TcpStream> {
        client.write_all(sender_head.as_bytes())?;
        let mut at = 0;
        while at < size as usize {
            let len = PIECE.min(size as usize - at);
            client.write_all(&sent[at % PERIOD..][..len])?;
            at += len;
        }
        Ok(client)
    });
    let mut got = vec![0; head.len()];
    server.read_exact(&mut got)?;
    if got != head.as_bytes() {
        return Err(io::Error::other(format!("not the header: {}", got.escape_ascii())));
    }
    let (mut at, mut most, mut looked) = (0, before, start);
    let mut piece = vec![0; PIECE];
    while at < size as usize {
        let len = server.read(&mut piece)?;
        if len == 0 || piece[..len] != payload[at % PERIOD..][..len] {
            return Err(io::Error::other(format!("another payload behind {at} bytes")));
        }
        at += len;
        if looked.elapsed() > Duration::from_millis(50) || at == size as usize {
            most = most.max(memory(relay.0.id(), "VmRSS:")?);
            looked = Instant::now();
        }
    }
    let mut client = sender.join().unwrap_or_else(|_| Err(io::Error::other("it panicked")))?;
    server.write_all(b"R000100000000")?;
    drop(server);
    let mut answer = Vec::new();
    client.read_to_end(&mut answer)?;
    if answer != b"R000100000000" {
        return Err(io::Error::other(format!("not the result: {}", answer.escape_ascii())));
    }
    if most > before + GROWTH {
        return Err(io::Error::other(format!("{before} KiB before, {most} during it")));
    }
    let seconds = start.elapsed().as_secs_f64();
    Ok(format!("{size} bytes in {seconds:.1} s; KiB before {before}, at most {most}"))
}

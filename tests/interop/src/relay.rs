//! A relay that lies: it passes on everything both ways, but for one byte, or until it cuts.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use socket2::SockRef;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    Nothing,
    Drop(usize),
    Double(usize),
    /// The byte at this offset comes after the next one.
    Swap(usize),
    /// The stream ends after so many bytes.
    Cut(usize),
    /// The connection is reset after so many bytes.
    Reset(usize),
}

/// Listens for one connection and passes it on to `target`. `forth` is for what comes from the
/// end that connects, `back` for what it gets.
pub fn start(target: SocketAddr, forth: Lie, back: Lie) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || -> io::Result<()> {
        let (near, _) = listener.accept()?;
        let far = TcpStream::connect(target)?;
        near.set_nodelay(true)?;
        far.set_nodelay(true)?;
        let (near_too, far_too) = (near.try_clone()?, far.try_clone()?);
        thread::spawn(move || pass(near, far, forth));
        pass(far_too, near_too, back);
        Ok(())
    });
    Ok(address)
}

fn pass(mut from: TcpStream, mut to: TcpStream, lie: Lie) {
    let mut seen = 0;
    let mut held = None;
    let mut input = [0; 4096];
    let mut has_ended = end(&from, &to, lie, seen);
    while let Ok(len @ 1..) = from.read(&mut input) {
        let mut output = Vec::with_capacity(len + 1);
        for &byte in &input[..len] {
            match lie {
                Lie::Drop(at) if at == seen => {}
                Lie::Double(at) if at == seen => output.extend([byte, byte]),
                Lie::Swap(at) if at == seen => held = Some(byte),
                Lie::Cut(at) | Lie::Reset(at) if at <= seen => {}
                _ => output.push(byte),
            }
            if !matches!(lie, Lie::Swap(at) if at == seen) {
                output.extend(held.take());
            }
            seen += 1;
        }
        // What comes after the end is dropped.
        if !has_ended && to.write_all(&output).is_err() {
            break;
        }
        has_ended = has_ended || end(&from, &to, lie, seen);
    }
    if !(has_ended && matches!(lie, Lie::Reset(_))) {
        let _ = to.shutdown(Shutdown::Write);
    }
}

/// Ends what goes to `to`, if it is to end after `seen` bytes.
fn end(from: &TcpStream, to: &TcpStream, lie: Lie, seen: usize) -> bool {
    match lie {
        Lie::Cut(at) if at <= seen => {
            let _ = to.shutdown(Shutdown::Write);
            true
        }
        Lie::Reset(at) if at <= seen => {
            // The reset goes out when the last copy of the socket is closed: the other thread
            // has one, and stops when it reads no more.
            let _ = SockRef::from(to).set_linger(Some(Duration::ZERO));
            let _ = to.shutdown(Shutdown::Read);
            let _ = from.shutdown(Shutdown::Both);
            true
        }
        _ => false,
    }
}

//! A relay that lies: it passes on everything both ways, but for one byte.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    Nothing,
    Drop(usize),
    Double(usize),
    /// The byte at this offset comes after the next one.
    Swap(usize),
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
    while let Ok(len @ 1..) = from.read(&mut input) {
        let mut output = Vec::with_capacity(len + 1);
        for &byte in &input[..len] {
            match lie {
                Lie::Drop(at) if at == seen => {}
                Lie::Double(at) if at == seen => output.extend([byte, byte]),
                Lie::Swap(at) if at == seen => held = Some(byte),
                _ => output.push(byte),
            }
            if !matches!(lie, Lie::Swap(at) if at == seen) {
                output.extend(held.take());
            }
            seen += 1;
        }
        if to.write_all(&output).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

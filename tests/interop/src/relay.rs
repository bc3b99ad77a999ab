//! A relay that lies: it passes on everything both ways, but for one byte, or until it cuts.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use socket2::SockRef;

use crate::socket::Piece;

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
    /// This WebSocket message is joined to the next one.
    Join(usize),
    /// It comes as two.
    Split(usize),
    /// An empty one follows it.
    Empty(usize),
    /// It comes as text if it is binary, and the other way round.
    Text(usize),
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
    let mut liar = Liar::new(lie);
    let mut input = [0; 4096];
    let mut has_ended = end(&from, &to, lie, 0);
    while let Ok(len @ 1..) = from.read(&mut input) {
        let output = liar.bytes(&input[..len]);
        // What comes after the end is dropped.
        if !has_ended && to.write_all(&output).is_err() {
            break;
        }
        has_ended = has_ended || end(&from, &to, lie, liar.seen);
    }
    if !(has_ended && matches!(lie, Lie::Reset(_))) {
        let _ = to.shutdown(Shutdown::Write);
    }
}

/// Tells one lie about a stream.
pub struct Liar {
    lie: Lie,
    /// The bytes and the messages that have passed.
    seen: usize,
    messages: usize,
    held: Option<u8>,
    joined: Option<Piece>,
}

impl Liar {
    pub fn new(lie: Lie) -> Self {
        Self { lie, seen: 0, messages: 0, held: None, joined: None }
    }

    /// Bytes, with what is wrong.
    fn bytes(&mut self, input: &[u8]) -> Vec<u8> {
        let mut output = Vec::with_capacity(input.len() + 1);
        for &byte in input {
            match self.lie {
                Lie::Drop(at) if at == self.seen => {}
                Lie::Double(at) if at == self.seen => output.extend([byte, byte]),
                Lie::Swap(at) if at == self.seen => self.held = Some(byte),
                Lie::Cut(at) | Lie::Reset(at) if at <= self.seen => {}
                _ => output.push(byte),
            }
            if !matches!(self.lie, Lie::Swap(at) if at == self.seen) {
                output.extend(self.held.take());
            }
            self.seen += 1;
        }
        output
    }

    /// What becomes of a WebSocket message.
    pub fn pieces(&mut self, piece: Piece) -> Vec<Piece> {
        let at = self.messages;
        self.messages += 1;
        let is_text = piece.is_text;
        let mut bytes = self.bytes(&piece.bytes);
        let piece = |bytes| Piece { is_text, bytes };
        match self.lie {
            Lie::Join(wanted) if wanted == at => {
                self.joined = Some(piece(bytes));
                Vec::new()
            }
            Lie::Join(_) if self.joined.is_some() => {
                let mut first = self.joined.take().into_iter().collect::<Vec<_>>();
                first.iter_mut().for_each(|first| first.bytes.append(&mut bytes));
                first
            }
            Lie::Split(wanted) if wanted == at && bytes.len() > 1 => {
                let end = bytes.split_off(bytes.len() / 2);
                vec![piece(bytes), piece(end)]
            }
            Lie::Empty(wanted) if wanted == at => vec![piece(bytes), piece(Vec::new())],
            Lie::Text(wanted) if wanted == at => vec![Piece { is_text: !is_text, bytes }],
            _ => vec![piece(bytes)],
        }
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

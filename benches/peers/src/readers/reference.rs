//! The way in which the Go package reads, in Rust: block until 13 bytes are there,
//! look at the first of them, read what is missing, parse numbers with the standard
//! library, and give every message an id, a name and a payload of its own.
//!
//! Also with these three kept from message to message, which that package does not
//! do, but a port could. A Go string is any bytes, so nothing is checked for UTF-8.
//!
//! It reads from its source directly: a `BufReader` between them made it slower, and
//! the system calls that it would save on a socket are charged to nobody here.

use std::io::Read;
use std::marker::PhantomData;

use crate::contest::{Consumer, Head, Reader, Refused};

pub(crate) trait Keep {
    const NAME: &'static str;
    const KEEP: bool;
}

pub(crate) struct Fresh;
impl Keep for Fresh {
    const NAME: &'static str = "Go package's way";
    const KEEP: bool = false;
}

pub(crate) struct Reused;
impl Keep for Reused {
    const NAME: &'static str = "Go package's way, buffers kept";
    const KEEP: bool = true;
}

pub(crate) struct Blocking<K>(PhantomData<K>);

impl<K: Keep> Reader for Blocking<K> {
    const NAME: &'static str = K::NAME;

    type Input = Vec<u8>;
    fn prepare(wire: &[u8]) -> Vec<u8> {
        wire.to_vec()
    }

    fn whole<C: Consumer>(input: &mut Vec<u8>, consumer: &mut C) -> Result<(), Refused> {
        conversation::<K, C>(input.as_slice(), consumer)
    }

    fn pieces<C: Consumer>(wire: &[u8], size: usize, consumer: &mut C) -> Result<(), Refused> {
        conversation::<K, C>(Pieces { wire, size, left: size }, consumer)
    }
}

/// A source that gives no more than the rest of the piece at hand.
struct Pieces<'a> {
    wire: &'a [u8],
    size: usize,
    left: usize,
}

impl Read for Pieces<'_> {
    #[inline]
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let len = buffer.len().min(self.left);
        let read = self.wire.read(&mut buffer[..len])?;
        self.left -= read;
        if self.left == 0 {
            self.left = self.size;
        }
        Ok(read)
    }
}

#[derive(Default)]
struct Message {
    id: Vec<u8>,
    name: Vec<u8>,
    payload: Vec<u8>,
}

fn conversation<K: Keep, C: Consumer>(
    mut source: impl Read,
    consumer: &mut C,
) -> Result<(), Refused> {
    let mut version = [0; 2];
    read(&mut source, &mut version)?;
    if number(&version)? != 1 {
        return Err(Refused);
    }
    let mut message = Message::default();
    let mut rest = Vec::new();
    let mut first = [0; 13];
    while more(&mut source, &mut first)? {
        if !K::KEEP {
            message = Message::default();
        }
        one(&mut source, &first, &mut rest, &mut message, consumer)?;
    }
    Ok(())
}

/// The message that starts with these 13 bytes.
#[inline]
fn one<C: Consumer>(
    source: &mut impl Read,
    first: &[u8; 13],
    rest: &mut Vec<u8>,
    message: &mut Message,
    consumer: &mut C,
) -> Result<(), Refused> {
    message.id.clear();
    message.name.clear();
    message.payload.clear();
    let letter = first[0];
    let (mut wait, mut load) = (0, 0);
    let size = match letter {
        b'r' | b's' => {
            message.id.extend_from_slice(&first[1..5]);
            named(source, &first[5..8], &first[8..], rest, &mut message.name)?
        }
        b'n' => named(source, &first[1..4], &first[4..], rest, &mut message.name)?,
        b'p' | b'R' | b'S' | b'E' => {
            message.id.extend_from_slice(&first[1..5]);
            number(&first[5..13])?
        }
        b'e' => {
            message.id.extend_from_slice(&first[1..5]);
            wait = number(&first[5..13])?;
            let mut size = [0; 8];
            read(source, &mut size)?;
            number(&size)?
        }
        b'h' => {
            load = number(&first[1..5])? as u16;
            wait = number(&first[5..13])?;
            0
        }
        b'f' => {
            wait = number(&first[1..9])?;
            0
        }
        _ => return Err(Refused),
    };
    message.payload.resize(size as usize, 0);
    read(source, &mut message.payload)?;
    let id = message.id.as_slice().try_into().unwrap_or([0; 4]);
    consumer.head(Head { letter, id, name: &message.name, number: wait, load });
    consumer.payload(&message.payload);
    Ok(())
}

/// The name and the size of the payload: the first bytes of it are there already.
#[inline]
fn named(
    source: &mut impl Read,
    len: &[u8],
    there: &[u8],
    rest: &mut Vec<u8>,
    name: &mut Vec<u8>,
) -> Result<u32, Refused> {
    let len = number(len)? as usize;
    // An empty name in a notification: 13 bytes are one too many, and the Go package
    // loses its place in the stream here.
    if len + 8 < there.len() {
        return Err(Refused);
    }
    rest.clear();
    rest.extend_from_slice(there);
    rest.resize(len + 8, 0);
    read(source, &mut rest[there.len()..])?;
    name.extend_from_slice(&rest[..len]);
    number(&rest[len..])
}

#[inline]
fn number(digits: &[u8]) -> Result<u32, Refused> {
    let digits = std::str::from_utf8(digits).map_err(|_| Refused)?;
    u32::from_str_radix(digits, 16).map_err(|_| Refused)
}

#[inline]
fn read(source: &mut impl Read, buffer: &mut [u8]) -> Result<(), Refused> {
    source.read_exact(buffer).map_err(|_| Refused)
}

/// Fills the buffer, unless the source ends just here.
#[inline]
fn more(source: &mut impl Read, buffer: &mut [u8]) -> Result<bool, Refused> {
    match source.read(buffer).map_err(|_| Refused)? {
        0 => Ok(false),
        count => read(source, &mut buffer[count..]).map(|()| true),
    }
}

//! Whole messages, by the oracle. What gotalk writes is not to be judged by its own reader.

use crate::oracle::{self, End, Event, Header, Wrong};

/// One message. What its type does not have is empty or 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub kind: u8,
    pub id: [u8; 4],
    pub name: Vec<u8>,
    /// The wait of `e`, the load of `h`.
    pub extra: u32,
    /// The time of `h`, the code of `f`.
    pub last: u32,
    pub payload: Vec<u8>,
    /// Over WebSocket: whether the header, and the payload, came as text.
    pub texts: [bool; 2],
}

/// Why a decoder went no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// All bytes are read, or an `f` has come.
    Clean,
    /// A message, or the version, is not complete.
    Cut,
    Bad,
    /// A version other than 01.
    Version,
}

/// What stands in a stream of bytes.
pub struct Decoded {
    pub messages: Vec<Message>,
    /// Where the first byte is that belongs to none of them.
    pub rest: usize,
    pub stop: Stop,
}

pub fn decode(bytes: &[u8]) -> Decoded {
    let reading = oracle::read(bytes, usize::MAX, true);
    let stop = match reading.end {
        End::Clean | End::Closed => Stop::Clean,
        End::Truncated { .. } => Stop::Cut,
        End::Bad { wrong: Wrong::Version(_), .. } => Stop::Version,
        End::Bad { .. } => Stop::Bad,
    };
    let mut decoded = Decoded { messages: Vec::new(), rest: 0, stop };
    let mut begun = empty(0);
    for event in reading.events {
        let (is_whole, end) = match event {
            Event::Version { end, .. } => {
                decoded.rest = end as usize;
                continue;
            }
            Event::Header { header, end } => {
                let Header { kind, id, name, wait, load, time, code, size, .. } = header;
                begun = Message {
                    id: id.unwrap_or_default(),
                    name: name.unwrap_or_default(),
                    extra: wait.or(load).unwrap_or(0),
                    last: time.or(code).unwrap_or(0),
                    ..empty(kind)
                };
                (size.is_none(), end)
            }
            Event::Payload { data, missing, end } => {
                begun.payload = data;
                (missing == 0, end)
            }
            Event::NameTooLong { .. } => unreachable!("no name is too long"),
        };
        if is_whole {
            decoded.messages.push(begun.clone());
            decoded.rest = end as usize;
        }
    }
    decoded
}

pub fn empty(kind: u8) -> Message {
    let (name, payload) = (Vec::new(), Vec::new());
    Message { kind, id: [0; 4], name, extra: 0, last: 0, payload, texts: [false; 2] }
}

pub fn request(id: &[u8; 4], op: &str, payload: &[u8]) -> Vec<u8> {
    encode(&Message { id: *id, name: op.into(), payload: payload.into(), ..empty(b'r') })
}

pub fn encode(message: &Message) -> Vec<u8> {
    [header(message), message.payload.clone()].concat()
}

/// A message without its payload.
pub fn header(message: &Message) -> Vec<u8> {
    let Message { kind, id, name, extra, last, payload, .. } = message;
    oracle::write(&Header {
        start: 0,
        kind: *kind,
        id: Some(*id),
        name: Some(name.clone()),
        wait: Some(*extra),
        load: Some(*extra),
        time: Some(*last),
        code: Some(*last),
        size: Some(payload.len() as u32),
    })
}

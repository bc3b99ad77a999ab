//! A strict decoder and an encoder, written from the grammar. What gotalk writes is not to be
//! judged by its own reader.

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
    let mut cursor = Cursor { bytes, at: 0 };
    let mut decoded = Decoded { messages: Vec::new(), rest: 0, stop: Stop::Clean };
    match cursor.hex(2) {
        Ok(1) => {}
        Ok(_) => decoded.stop = Stop::Version,
        Err(stop) => decoded.stop = stop,
    }
    while decoded.stop == Stop::Clean {
        decoded.rest = cursor.at;
        if cursor.at == bytes.len() || decoded.messages.last().is_some_and(|m| m.kind == b'f') {
            break;
        }
        match cursor.message() {
            Ok(message) => decoded.messages.push(message),
            Err(stop) => decoded.stop = stop,
        }
    }
    decoded
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], Stop> {
        let taken = self.bytes[self.at..].get(..len).ok_or(Stop::Cut)?;
        self.at += len;
        Ok(taken)
    }

    fn hex(&mut self, len: usize) -> Result<u32, Stop> {
        let mut value = 0;
        for _ in 0..len {
            let digit = match self.take(1)?[0] {
                digit @ b'0'..=b'9' => digit - b'0',
                digit @ b'a'..=b'f' => digit - b'a' + 10,
                digit @ b'A'..=b'F' => digit - b'A' + 10,
                _ => return Err(Stop::Bad),
            };
            value = value << 4 | u32::from(digit);
        }
        Ok(value)
    }

    fn message(&mut self) -> Result<Message, Stop> {
        let kind = self.take(1)?[0];
        let mut message = empty(kind);
        match kind {
            b'h' => {
                message.extra = self.hex(4)?;
                message.last = self.hex(8)?;
                return Ok(message);
            }
            b'f' => {
                message.last = self.hex(8)?;
                return Ok(message);
            }
            b'r' | b's' | b'p' | b'R' | b'S' | b'E' | b'e' => {
                message.id.copy_from_slice(self.take(4)?);
            }
            b'n' => {}
            _ => return Err(Stop::Bad),
        }
        if let b'r' | b's' | b'n' = kind {
            let len = self.hex(3)? as usize;
            message.name = self.take(len)?.to_vec();
        }
        if kind == b'e' {
            message.extra = self.hex(8)?;
        }
        let len = self.hex(8)? as usize;
        message.payload = self.take(len)?.to_vec();
        Ok(message)
    }
}

pub fn empty(kind: u8) -> Message {
    Message { kind, id: [0; 4], name: Vec::new(), extra: 0, last: 0, payload: Vec::new() }
}

pub fn request(id: &[u8; 4], op: &str, payload: &[u8]) -> Vec<u8> {
    encode(&Message { id: *id, name: op.into(), payload: payload.into(), ..empty(b'r') })
}

pub fn encode(message: &Message) -> Vec<u8> {
    let Message { kind, id, name, extra, last, payload } = message;
    let mut bytes = vec![*kind];
    match kind {
        b'h' => bytes.extend(format!("{extra:04x}{last:08x}").into_bytes()),
        b'f' => bytes.extend(format!("{last:08x}").into_bytes()),
        _ => {
            if *kind != b'n' {
                bytes.extend(id);
            }
            if let b'r' | b's' | b'n' = kind {
                bytes.extend(format!("{:03x}", name.len()).into_bytes());
                bytes.extend(name);
            }
            if *kind == b'e' {
                bytes.extend(format!("{extra:08x}").into_bytes());
            }
            bytes.extend(format!("{:08x}", payload.len()).into_bytes());
            bytes.extend(payload);
        }
    }
    bytes
}

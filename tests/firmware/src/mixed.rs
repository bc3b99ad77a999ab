//! The mixed conversation: a few hundred messages of all the common types, drawn by
//! a small generator with a fixed seed, as a list and as the bytes on the wire. Both
//! are made by the compiler, the bytes without any help of the codec.

/// How many messages there are.
pub const MESSAGES: usize = 400;

/// One of them. Its name and its payload are the starts of `NAME` and `PAYLOAD`.
#[derive(Clone, Copy)]
pub struct Message {
    /// The byte on the wire: one of `rRneEh`.
    pub kind: u8,
    pub id: [u8; 4],
    pub name_len: usize,
    pub payload_len: usize,
    /// The wait, or the load of a heartbeat, whose time is `TIME`.
    pub number: u16,
}

pub const NAME: &[u8; 16] = b"temperature/room";
pub const PAYLOAD: &[u8; 64] =
    b"{\"room\":\"kitchen\",\"celsius\":21.5,\"at\":1423434570,\"battery\":0.87}";
pub const TIME: u32 = 1_423_434_570;

pub static LIST: [Message; MESSAGES] = list();
pub static STREAM: [u8; len(&list())] = stream();

const fn list() -> [Message; MESSAGES] {
    let none = Message { kind: 0, id: *b"0000", name_len: 0, payload_len: 0, number: 0 };
    let mut list = [none; MESSAGES];
    let mut random = 0x9e37_79b9_u32;
    let mut i = 0;
    while i < MESSAGES {
        let message = &mut list[i];
        message.kind = match draw(&mut random, 200) {
            0..80 => b'r',
            80..160 => b'R',
            160..180 => b'n',
            180..185 => b'e',
            185..190 => b'E',
            _ => b'h',
        };
        message.id = *b"00ab";
        message.id[1] = b'0' + (i / 10 % 10) as u8;
        message.id[2] = b'0' + (i % 10) as u8;
        if matches!(message.kind, b'r' | b'n') {
            message.name_len = 4 + draw(&mut random, 13) as usize;
        }
        if message.kind != b'h' {
            message.payload_len = draw(&mut random, 65) as usize;
        }
        message.number = draw(&mut random, 0x10000) as u16;
        i += 1;
    }
    list
}

/// A number below `limit`, by xorshift.
const fn draw(random: &mut u32, limit: u32) -> u32 {
    *random ^= *random << 13;
    *random ^= *random >> 17;
    *random ^= *random << 5;
    *random % limit
}

const fn len(list: &[Message; MESSAGES]) -> usize {
    let mut len = 0;
    let mut i = 0;
    while i < MESSAGES {
        len += match list[i].kind {
            b'r' => 16,
            b'e' => 21,
            b'n' => 12,
            _ => 13,
        };
        len += list[i].name_len + list[i].payload_len;
        i += 1;
    }
    len
}

const fn stream<const LEN: usize>() -> [u8; LEN] {
    let list = list();
    let mut bytes = [0; LEN];
    let mut at = 0;
    let mut i = 0;
    while i < MESSAGES {
        let Message { kind, id, name_len, payload_len, number } = list[i];
        at = put(&mut bytes, at, &[kind], 1);
        if !matches!(kind, b'n' | b'h') {
            at = put(&mut bytes, at, &id, 4);
        }
        if matches!(kind, b'r' | b'n') {
            at = digits(&mut bytes, at, name_len as u32, 3);
            at = put(&mut bytes, at, NAME, name_len);
        }
        match kind {
            b'e' => at = digits(&mut bytes, at, number as u32, 8),
            b'h' => at = digits(&mut bytes, at, number as u32, 4),
            _ => {}
        }
        let last = if kind == b'h' { TIME } else { payload_len as u32 };
        at = digits(&mut bytes, at, last, 8);
        at = put(&mut bytes, at, PAYLOAD, payload_len);
        i += 1;
    }
    assert!(at == LEN);
    bytes
}

const fn put(to: &mut [u8], at: usize, from: &[u8], len: usize) -> usize {
    let mut i = 0;
    while i < len {
        to[at + i] = from[i];
        i += 1;
    }
    at + len
}

const fn digits(to: &mut [u8], at: usize, number: u32, width: usize) -> usize {
    let mut i = 0;
    while i < width {
        to[at + i] = b"0123456789abcdef"[(number >> (4 * (width - 1 - i)) & 0xf) as usize];
        i += 1;
    }
    at + width
}

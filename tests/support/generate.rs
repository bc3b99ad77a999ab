//! Inputs made from a seed: conversations, mutated ones, and noise after a valid start.
//! They are written here digit by digit, not by the crate's writer.

use super::oracle::{self, Header};

/// SplitMix64: small, seedable, and good enough to choose test inputs.
#[derive(Clone)]
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`, which is at least 1.
    pub fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.next()) * end as u128) >> 64) as usize
    }

    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(len + 7);
        while out.len() < len {
            out.extend(self.next().to_le_bytes());
        }
        out.truncate(len);
        out
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Valid,
    Mutated,
    Noise,
}

/// One of the three kinds of input in turn, up to `max_len` bytes.
pub fn input(rng: &mut Rng, turn: usize, max_len: usize, handshake: bool) -> (Kind, Vec<u8>) {
    let len = rng.below(max_len + 1);
    match turn % 3 {
        0 => (Kind::Valid, conversation(rng, len, handshake)),
        1 => {
            let mut input = conversation(rng, len, handshake);
            mutate(rng, &mut input);
            input.truncate(max_len);
            (Kind::Mutated, input)
        }
        _ => {
            let start = rng.below(len / 2 + 1);
            let mut input = conversation(rng, start, handshake);
            noise(rng, &mut input, len);
            (Kind::Noise, input)
        }
    }
}

/// A valid conversation of at most `len` bytes. Most end between two messages, some in
/// the middle of one, a few with a protocol error (and something after it).
pub fn conversation(rng: &mut Rng, len: usize, handshake: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(len + 64);
    if handshake {
        out.extend(b"01");
    }
    // Small messages need many to fill the length; sometimes a few is what is wanted.
    let mut left = if rng.one_in(3) { rng.below(6) } else { usize::MAX };
    while left > 0 && out.len() < len {
        left -= 1;
        let before = out.len();
        message(rng, &mut out);
        if out.len() > len {
            if rng.one_in(3) {
                out.truncate(len);
            } else {
                out.truncate(before);
            }
            break;
        }
    }
    if rng.one_in(8) && out.len() > 2 {
        let cut = rng.below(out.len());
        out.truncate(cut);
    }
    out.truncate(len);
    out
}

/// One message of any type; a protocol error now and then only, since it is the last.
pub fn message(rng: &mut Rng, out: &mut Vec<u8>) {
    let kind = if rng.one_in(200) { b'f' } else { rng.pick(b"rspRSEenhrRrRn") };
    let (header, payload) = message_of(rng, kind);
    let start = out.len();
    out.extend(oracle::write(&header));
    // Digits are read in either case. Changing all letters would change name and id
    // too, which are as good in upper case.
    match rng.below(8) {
        0 => out[start + 1..].make_ascii_uppercase(),
        1 => {
            for byte in &mut out[start + 1..] {
                if rng.one_in(2) {
                    byte.make_ascii_uppercase();
                }
            }
        }
        _ => {}
    }
    out.extend(payload);
}

/// A message of one type, and its payload.
pub fn message_of(rng: &mut Rng, kind: u8) -> (Header, Vec<u8>) {
    let mut header = Header { kind, ..Header::default() };
    if kind != b'n' && kind != b'h' && kind != b'f' {
        header.id = Some(if rng.one_in(2) {
            rng.pick(&[*b"0000", *b"0001", *b"zzzz", [0; 4], [0xff; 4], [1, 0, 0, 0], *b"r000"])
        } else {
            (rng.next() as u32).to_le_bytes()
        });
    }
    if matches!(kind, b'r' | b's' | b'n') {
        header.name = Some(name(rng));
    }
    let number = |rng: &mut Rng| match rng.below(4) {
        0 => rng.pick(&[0, 1, 0xffff, 0x10000, 0x7fff_ffff, 0x8000_0000, u32::MAX]),
        _ => rng.next() as u32,
    };
    match kind {
        b'e' => header.wait = Some(number(rng)),
        b'h' => {
            header.load = Some(number(rng) & 0xffff);
            header.time = Some(number(rng));
        }
        b'f' => header.code = Some(if rng.one_in(2) { rng.below(4) as u32 } else { number(rng) }),
        _ => {}
    }
    let mut payload = Vec::new();
    if !matches!(kind, b'h' | b'f') {
        payload = self::payload(rng);
        header.size = Some(payload.len() as u32);
    }
    (header, payload)
}

fn name(rng: &mut Rng) -> Vec<u8> {
    let len = match rng.below(16) {
        0 => 0,
        1 => rng.pick(&[1, 3, 4, 5, 7, 8, 9, 15, 16, 17]),
        2 => rng.pick(&[62, 63, 64, 65, 66]),
        3 => rng.pick(&[127, 128, 254, 255, 256, 257]),
        4 if rng.one_in(8) => rng.pick(&[1023, 4093, 4094, 4095]),
        _ => rng.below(24),
    };
    if rng.one_in(4) {
        rng.bytes(len)
    } else {
        (0..len).map(|_| rng.pick(b"abcdefghijklmnopqrstuvwxyz-_./ 0123456789")).collect()
    }
}

fn payload(rng: &mut Rng) -> Vec<u8> {
    let len = match rng.below(16) {
        0..=2 => 0,
        3 => rng.pick(&[1, 2, 7, 8, 9, 31, 32, 33, 63, 64, 65]),
        4 => rng.below(1500),
        _ => rng.below(64),
    };
    match rng.below(4) {
        // Payload that looks like messages must be read as payload.
        0 => {
            let mut out = Vec::new();
            while out.len() < len {
                out.extend(*b"R00010000000001f00000002r0001004echo00000000");
            }
            out.truncate(len);
            out
        }
        1 => rng.bytes(len),
        _ => (0..len).map(|_| rng.pick(b"{\"message\":\"Hello World\"}")).collect(),
    }
}

/// The bytes that a reader is likely to take for a digit, or to break on.
pub const NEAR_DIGITS: &[u8] = b"/:@G`g+-_xX \0\t\n\x7f\x80\xff";

/// Changes a few places.
pub fn mutate(rng: &mut Rng, input: &mut Vec<u8>) {
    for _ in 0..=rng.below(4) {
        if input.is_empty() {
            input.push(rng.next() as u8);
            continue;
        }
        let at = rng.below(input.len());
        match rng.below(9) {
            0 => input[at] ^= 1 << rng.below(8),
            1 => input[at] = rng.next() as u8,
            2 => input[at] = rng.pick(NEAR_DIGITS),
            3 => input[at] = rng.pick(b"0123456789abcdefABCDEF"),
            4 => input[at] = rng.pick(b"rspRSEenhf"),
            5 => input.insert(at, rng.pick(b"0rfR\xff")),
            6 => {
                input.remove(at);
            }
            7 => {
                let end = at + rng.below((input.len() - at).min(40) + 1);
                let copy = input[at..end].to_vec();
                let to = rng.below(input.len() + 1);
                input.splice(to..to, copy);
            }
            _ => {
                let end = at + rng.below((input.len() - at).min(40) + 1);
                input.drain(at..end);
            }
        }
    }
}

/// Appends noise up to a length: any bytes, or only such that mean something.
pub fn noise(rng: &mut Rng, input: &mut Vec<u8>, len: usize) {
    let style = rng.below(3);
    while input.len() < len {
        let byte = match style {
            0 => rng.next() as u8,
            1 => rng.pick(b"rspRSEenhf00000000000000001"),
            _ => rng.pick(b"0000000000012abcdefABCDEFrspRSEenh"),
        };
        input.push(byte);
    }
}

/// Ascending places to split an input at, some of them twice. Many for some inputs, few
/// for others.
pub fn places(rng: &mut Rng, len: usize) -> Vec<usize> {
    let count = match rng.below(4) {
        0 => rng.below(3),
        1 => rng.below(len / 8 + 2),
        2 => rng.below(len / 64 + 2),
        _ => rng.below(10),
    };
    let mut places: Vec<usize> = (0..count).map(|_| rng.below(len + 1)).collect();
    places.sort_unstable();
    places
}

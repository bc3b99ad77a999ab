//! Messages to measure with, made from a fixed seed, and their bytes on the wire.
//!
//! The bytes are made here by `format!`, not by the crate's writer, so that reading
//! and writing are measured against something else than themselves.

use super::Sums;

/// The number of messages of the mixed conversation.
pub const MIXED: usize = 10_000;

/// The types that can follow one another: all but `f`.
pub const LETTERS: [u8; 9] = *b"rspRSEenh";

/// A message in a form that knows no codec: its type is its letter on the wire, and
/// fields that a type lacks are empty or 0.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// One of `rspRSEenhf`.
    pub letter: u8,
    /// The request it belongs to.
    pub id: [u8; 4],
    /// The operation or the notification.
    pub name: Vec<u8>,
    /// The wait of an `e`, the time of an `h`, the code of an `f`.
    pub number: u32,
    /// The load of an `h`.
    pub load: u16,
    /// The payload.
    pub payload: Vec<u8>,
}

impl Message {
    /// A message with an id, a name and a payload of these lengths where its type has them.
    pub fn sample(letter: u8, name_len: usize, payload_len: usize) -> Self {
        let (named, filled) = (b"rsn".contains(&letter), !b"hf".contains(&letter));
        Self {
            letter,
            id: if b"nhf".contains(&letter) { [0; 4] } else { *b"0001" },
            name: vec![b'a'; if named { name_len } else { 0 }],
            number: if b"ehf".contains(&letter) { 3 } else { 0 },
            load: if letter == b'h' { 2 } else { 0 },
            payload: vec![b'x'; if filled { payload_len } else { 0 }],
        }
    }

    /// Its bytes on the wire up to the payload.
    pub fn header(&self) -> Vec<u8> {
        let mut header = vec![self.letter];
        if !b"nhf".contains(&self.letter) {
            header.extend(self.id);
        }
        if b"rsn".contains(&self.letter) {
            header.extend(format!("{:03x}", self.name.len()).bytes());
            header.extend(&self.name);
        }
        let size = self.payload.len();
        let rest = match self.letter {
            b'e' => format!("{:08x}{size:08x}", self.number),
            b'h' => format!("{:04x}{:08x}", self.load, self.number),
            b'f' => format!("{:08x}", self.number),
            _ => format!("{size:08x}"),
        };
        header.extend(rest.bytes());
        header
    }
}

/// One direction of a conversation.
#[derive(Clone, Debug)]
pub struct Conversation {
    /// The messages, in order.
    pub messages: Vec<Message>,
    /// The version and the messages as they stand on the wire.
    pub wire: Vec<u8>,
    /// What a consumer must arrive at.
    pub sums: Sums,
}

impl Conversation {
    /// The conversation of these messages.
    pub fn new(messages: Vec<Message>) -> Self {
        let mut wire = b"01".to_vec();
        let mut sums = Sums::default();
        for message in &messages {
            wire.extend(message.header());
            wire.extend(&message.payload);
            sums.names += message.name.len() as u64;
            sums.payloads += message.payload.len() as u64;
            sums.loads += u64::from(message.load);
        }
        Self { messages, wire, sums }
    }

    /// One message over and over.
    pub fn of(message: &Message, count: usize) -> Self {
        Self::new(vec![message.clone(); count])
    }

    /// A thousand messages of one type, with names of 4 and payloads of 25 bytes.
    pub fn many(letter: u8) -> Self {
        Self::of(&Message::sample(letter, 4, 25), 1000)
    }

    /// The mixed conversation: 40 % requests, 40 % results, 10 % notifications, 5 %
    /// errors of both kinds and 5 % heartbeats, shuffled; names of 4 to 16 bytes,
    /// payloads of 0 to 64.
    pub fn mixed(count: usize) -> Self {
        let mut random = Random(0x676f_7461_6c6b);
        let mut letters: Vec<u8> = b"rrrrrrrrrrrrrrrrRRRRRRRRRRRRRRRRnnnneEhh"
            .iter()
            .copied()
            .cycle()
            .take(count)
            .collect();
        for last in (1..count).rev() {
            letters.swap(last, random.below(last as u32 + 1) as usize);
        }
        Self::new(letters.into_iter().map(|letter| mixed_message(letter, &mut random)).collect())
    }
}

fn mixed_message(letter: u8, random: &mut Random) -> Message {
    let mut message = Message::sample(letter, 0, 0);
    if message.id != [0; 4] {
        for byte in &mut message.id {
            *byte = random.letter();
        }
    }
    if b"rn".contains(&letter) {
        message.name = (0..4 + random.below(13)).map(|_| random.letter()).collect();
    }
    match letter {
        b'h' => {
            message.load = random.below(0x1_0000) as u16;
            message.number = 1_700_000_000 + random.below(1 << 20);
        }
        b'e' => message.number = random.below(60_000),
        _ => {}
    }
    if letter != b'h' {
        message.payload = (0..random.below(65)).map(|_| random.letter()).collect();
    }
    message
}

/// A small generator (splitmix64): the same numbers on every machine.
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    /// The next number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number from 0 to `bound - 1`.
    pub fn below(&mut self, bound: u32) -> u32 {
        (((self.next() >> 32) * u64::from(bound)) >> 32) as u32
    }

    fn letter(&mut self) -> u8 {
        b"0123456789abcdefghijklmnopqrstuvwxyz"[self.below(36) as usize]
    }
}

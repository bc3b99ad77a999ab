//! The oracle: a second decoder, slow and obviously correct, written from the grammar
//! and the rules for reading alone. It shares no code with the crate, not even types,
//! and has the whole input before it, so it needs no state between calls.
//!
//! What it gives is the *normal form* that every way of reading is brought into before
//! it is compared: payload joined per message, and every event with the number of
//! bytes that were consumed when it came.

#![allow(dead_code, unreachable_pub)]

/// What a conversation turned out to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reading {
    pub events: Vec<Event>,
    pub end: End,
    /// How many bytes were consumed in all: up to the wrong byte or the end of input.
    pub consumed: u64,
}

/// `end` is the number of bytes consumed when the event came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    Version {
        value: u8,
        end: u64,
    },
    Header {
        header: Header,
        end: u64,
    },
    NameTooLong {
        kind: u8,
        id: Option<[u8; 4]>,
        name_len: u16,
        end: u64,
    },
    /// All of a message's payload that came; `missing` is what did not. It is there
    /// when at least one byte came or when the size is 0.
    Payload {
        data: Vec<u8>,
        missing: u32,
        end: u64,
    },
}

/// A message without its payload. Each type has some of the fields.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Header {
    /// Where its first byte stands.
    pub start: u64,
    pub kind: u8,
    pub id: Option<[u8; 4]>,
    pub name: Option<Vec<u8>>,
    pub wait: Option<u32>,
    pub load: Option<u32>,
    pub time: Option<u32>,
    pub code: Option<u32>,
    pub size: Option<u32>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// Between two messages.
    Clean,
    /// A protocol error was read; whatever followed was ignored.
    Closed,
    /// In the middle of the version or of a message.
    Truncated { missing: u32 },
    /// At a byte that the grammar does not allow there.
    Bad { offset: u64, wrong: Wrong },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wrong {
    Version(u8),
    Type(u8),
    Digit { byte: u8, field: Field },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Field {
    Version,
    NameLength,
    Wait,
    Load,
    Time,
    Code,
    PayloadSize,
}

/// The parts of a message after its type byte.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Id,
    Name,
    Number(Field, u32),
    Payload,
}

const WAIT: Part = Part::Number(Field::Wait, 8);
const LOAD: Part = Part::Number(Field::Load, 4);
const TIME: Part = Part::Number(Field::Time, 8);
const CODE: Part = Part::Number(Field::Code, 8);

fn grammar(kind: u8) -> Option<&'static [Part]> {
    match kind {
        b'r' => Some(&[Part::Id, Part::Name, Part::Payload]),
        b's' => Some(&[Part::Id, Part::Name, Part::Payload]),
        b'p' => Some(&[Part::Id, Part::Payload]),
        b'R' => Some(&[Part::Id, Part::Payload]),
        b'S' => Some(&[Part::Id, Part::Payload]),
        b'E' => Some(&[Part::Id, Part::Payload]),
        b'e' => Some(&[Part::Id, WAIT, Part::Payload]),
        b'n' => Some(&[Part::Name, Part::Payload]),
        b'h' => Some(&[LOAD, TIME]),
        b'f' => Some(&[CODE]),
        _ => None,
    }
}

/// The fewest bytes that a part takes.
fn least(part: &Part) -> u32 {
    match part {
        Part::Id => 4,
        Part::Name => 3,
        Part::Number(_, digits) => *digits,
        Part::Payload => 8,
    }
}

/// Reads a whole conversation, or a piece of one that starts between two messages
/// (`handshake` is false). Names longer than `name_capacity` are reported as too long.
pub fn read(input: &[u8], name_capacity: usize, handshake: bool) -> Reading {
    let mut reader = Reader { input, at: 0, events: Vec::new() };
    let end = match reader.conversation(name_capacity, handshake) {
        Ok(end) | Err(end) => end,
    };
    let consumed = match end {
        End::Bad { offset, .. } => offset,
        _ => input.len() as u64,
    };
    Reading { events: reader.events, end, consumed }
}

struct Reader<'a> {
    input: &'a [u8],
    at: usize,
    events: Vec<Event>,
}

impl Reader<'_> {
    /// `Err` is an end in the middle of something, so that `?` leads out.
    fn conversation(&mut self, name_capacity: usize, handshake: bool) -> Result<End, End> {
        if handshake {
            let value = self.number(2, Field::Version, |_| 0)? as u8;
            if value != 1 {
                return Err(End::Bad { offset: 1, wrong: Wrong::Version(value) });
            }
            self.events.push(Event::Version { value, end: self.at as u64 });
        }
        while self.at < self.input.len() {
            let kind = self.message(name_capacity)?;
            if kind == b'f' {
                return Ok(End::Closed);
            }
        }
        Ok(End::Clean)
    }

    fn message(&mut self, name_capacity: usize) -> Result<u8, End> {
        let kind = self.input[self.at];
        let mut header = Header { start: self.at as u64, kind, ..Header::default() };
        let Some(parts) = grammar(kind) else {
            return Err(End::Bad { offset: self.at as u64, wrong: Wrong::Type(kind) });
        };
        self.at += 1;

        let mut skipped = false;
        for (i, part) in parts.iter().enumerate() {
            let later: u32 = parts[i + 1..].iter().map(least).sum();
            match part {
                Part::Id => {
                    let id = self.bytes(4, later)?;
                    header.id = Some([id[0], id[1], id[2], id[3]]);
                }
                Part::Name => {
                    let len = self.number(3, Field::NameLength, |least_name| least_name + later)?;
                    if len as usize > name_capacity {
                        skipped = true;
                        self.events.push(Event::NameTooLong {
                            kind,
                            id: header.id,
                            name_len: len as u16,
                            end: self.at as u64,
                        });
                    }
                    header.name = Some(self.bytes(len, later)?);
                }
                Part::Number(field, digits) => {
                    let value = Some(self.number(*digits, *field, |_| later)?);
                    match field {
                        Field::Wait => header.wait = value,
                        Field::Load => header.load = value,
                        Field::Time => header.time = value,
                        Field::Code => header.code = value,
                        _ => unreachable!(),
                    }
                }
                Part::Payload => {
                    let size = self.number(8, Field::PayloadSize, |least_size| least_size)?;
                    header.size = Some(size);
                }
            }
        }

        let size = header.size;
        if !skipped {
            self.events.push(Event::Header { header, end: self.at as u64 });
        }
        if let Some(size) = size {
            let left = self.input.len() - self.at;
            let missing = size.saturating_sub(u32::try_from(left).unwrap_or(u32::MAX));
            let data = self.input[self.at..][..(size - missing) as usize].to_vec();
            self.at += data.len();
            if !skipped && (size == 0 || !data.is_empty()) {
                self.events.push(Event::Payload { data, missing, end: self.at as u64 });
            }
            if missing > 0 {
                return Err(End::Truncated { missing });
            }
        }
        Ok(kind)
    }

    /// `len` bytes of any value, with `later` more to come after them at least.
    fn bytes(&mut self, len: u32, later: u32) -> Result<Vec<u8>, End> {
        let rest = &self.input[self.at..];
        if rest.len() < len as usize {
            return Err(End::Truncated { missing: len - rest.len() as u32 + later });
        }
        self.at += len as usize;
        Ok(rest[..len as usize].to_vec())
    }

    /// A number of `digits` digits. If the input ends in it, `later` says how many
    /// bytes follow the number at least when its value is at least the given one.
    fn number(
        &mut self,
        digits: u32,
        field: Field,
        later: impl Fn(u32) -> u32,
    ) -> Result<u32, End> {
        let mut value = 0;
        for left in (1..=digits).rev() {
            let Some(&byte) = self.input.get(self.at) else {
                let least_value = (u64::from(value) << (4 * left)) as u32;
                return Err(End::Truncated { missing: left + later(least_value) });
            };
            let Some(digit) = char::from(byte).to_digit(16) else {
                let wrong = Wrong::Digit { byte, field };
                return Err(End::Bad { offset: self.at as u64, wrong });
            };
            value = value * 16 + digit;
            self.at += 1;
        }
        Ok(value)
    }
}

/// What an assembler that takes payloads of up to so many bytes makes of a
/// conversation: whole messages only, and those with a longer payload reported as too
/// long instead.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Assembly {
    pub items: Vec<Item>,
    pub end: End,
    pub consumed: u64,
}

/// `end` is the number of bytes consumed when the item came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Item {
    Version { value: u8, end: u64 },
    Message { header: Header, payload: Vec<u8>, end: u64 },
    NameTooLong { kind: u8, id: Option<[u8; 4]>, name_len: u16, end: u64 },
    PayloadTooLong { header: Header, end: u64 },
}

pub fn assemble(reading: &Reading, payload_capacity: usize) -> Assembly {
    let mut items = Vec::new();
    let mut open: Option<Header> = None;
    for event in &reading.events {
        match event {
            Event::Version { value, end } => items.push(Item::Version { value: *value, end: *end }),
            Event::NameTooLong { kind, id, name_len, end } => items.push(Item::NameTooLong {
                kind: *kind,
                id: *id,
                name_len: *name_len,
                end: *end,
            }),
            Event::Header { header, end } => match header.size {
                Some(size) if size as usize > payload_capacity => {
                    items.push(Item::PayloadTooLong { header: header.clone(), end: *end });
                }
                Some(_) => open = Some(header.clone()),
                None => items.push(Item::Message {
                    header: header.clone(),
                    payload: Vec::new(),
                    end: *end,
                }),
            },
            Event::Payload { data, missing: 0, end } => {
                if let Some(header) = open.take() {
                    items.push(Item::Message { header, payload: data.clone(), end: *end });
                }
            }
            Event::Payload { .. } => {}
        }
    }
    Assembly { items, end: reading.end, consumed: reading.consumed }
}

/// The wire form of a number of so many digits.
pub fn digits(value: u32, width: usize) -> Vec<u8> {
    format!("{value:0width$x}").into_bytes()
}

/// The wire form of a header, lower-case.
pub fn write(header: &Header) -> Vec<u8> {
    let mut out = vec![header.kind];
    for part in grammar(header.kind).expect("a known type") {
        match part {
            Part::Id => out.extend(header.id.expect("an id")),
            Part::Name => {
                let name = header.name.as_ref().expect("a name");
                out.extend(digits(name.len() as u32, 3));
                out.extend(name);
            }
            Part::Number(Field::Wait, width) => {
                out.extend(digits(header.wait.unwrap(), *width as usize));
            }
            Part::Number(Field::Load, width) => {
                out.extend(digits(header.load.unwrap(), *width as usize));
            }
            Part::Number(Field::Time, width) => {
                out.extend(digits(header.time.unwrap(), *width as usize));
            }
            Part::Number(_, width) => out.extend(digits(header.code.unwrap(), *width as usize)),
            Part::Payload => out.extend(digits(header.size.expect("a size"), 8)),
        }
    }
    out
}

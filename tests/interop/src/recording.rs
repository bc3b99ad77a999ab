//! Recorded conversations, and what in them must come before what.
//!
//! A recording has two streams of bytes and no clock, so it does not say which message of one
//! side came before which of the other. It is derived: an answer comes after its request; a
//! request waits for the end of each earlier one, unless the order of the results shows that
//! it did not. Within a side the recorded order is kept.

use std::path::Path;
use std::{fs, io};

use crate::wire::{self, Message, Stop};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Client,
    Server,
}

impl Role {
    pub fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

#[derive(Clone)]
pub struct Side {
    /// The version, as it was said.
    pub version: Vec<u8>,
    pub messages: Vec<Message>,
    /// What follows them and is no message.
    pub tail: Vec<u8>,
    pub stop: Stop,
}

#[derive(Clone)]
pub struct Conversation {
    pub name: String,
    pub client: Side,
    pub server: Side,
    /// The requests, all of which are the client's: their ids, and how many parts each has.
    requests: Vec<([u8; 4], usize)>,
}

/// What must have come from the other side before a message may go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// This request of the client, with so many of its parts.
    Asked(usize, usize),
    /// The end of the answer to this request.
    Answered(usize),
    /// All of it.
    Everything,
}

/// What has come from a side.
#[derive(Clone, Default, Debug)]
pub struct Progress {
    /// For each request, its parts.
    pub asked: Vec<usize>,
    pub answered: Vec<usize>,
    pub messages: usize,
}

/// Whether this ends an answer.
pub fn is_last(message: &Message) -> bool {
    matches!(message.kind, b'R' | b'E' | b'e') || message.kind == b'S' && message.payload.is_empty()
}

impl Conversation {
    /// All of a folder, sorted by name.
    pub fn all(folder: &Path) -> io::Result<Vec<Self>> {
        let mut all = Vec::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let Some(name) = file.strip_suffix(".c2s.bin") else { continue };
            let client = Side::new(&fs::read(&path)?);
            let server = Side::new(&fs::read(folder.join(format!("{name}.s2c.bin")))?);
            let requests = requests(&client.messages);
            all.push(Self { name: name.to_owned(), client, server, requests });
        }
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    pub fn side(&self, role: Role) -> &Side {
        match role {
            Role::Client => &self.client,
            Role::Server => &self.server,
        }
    }

    /// Which request a message belongs to.
    pub fn question(&self, message: &Message) -> Option<usize> {
        if let b'n' | b'h' | b'f' = message.kind {
            return None;
        }
        self.requests.iter().position(|(id, _)| *id == message.id)
    }

    /// Whether the server answered a stream by nothing but a refusal, so that its parts found
    /// nobody.
    pub fn is_refused(&self, request: usize) -> bool {
        let mut answers =
            self.server.messages.iter().filter(|message| self.question(message) == Some(request));
        let parts = self.requests[request].1;
        parts > 0 && answers.next().is_some_and(|m| matches!(m.kind, b'E' | b'e'))
    }

    /// Whether the answer to the request of this message ends by an error result or a retry
    /// result.
    pub fn is_denied(&self, message: &Message) -> bool {
        let at = self.question(message).and_then(|request| self.answered_at(request));
        at.is_some_and(|at| matches!(self.server.messages[at].kind, b'E' | b'e'))
    }

    /// Whether that is a retry result.
    pub fn is_put_off(&self, message: &Message) -> bool {
        let at = self.question(message).and_then(|request| self.answered_at(request));
        at.is_some_and(|at| self.server.messages[at].kind == b'e')
    }

    /// Where in the server's order the answer to a request ends.
    fn answered_at(&self, request: usize) -> Option<usize> {
        let mine = |message: &Message| self.question(message) == Some(request) && is_last(message);
        self.server.messages.iter().position(mine)
    }

    /// What each message of a side waits for.
    pub fn causes(&self, role: Role) -> Vec<Vec<Cause>> {
        let requests = &self.requests;
        let mut parts = vec![0; requests.len()];
        let side = self.side(role).messages.iter();
        side.map(|message| match (message.kind, self.question(message)) {
            (b'r' | b's', Some(this)) => (0..this)
                .filter(|&before| {
                    let at = self.answered_at(before);
                    let overtaken = |later| self.answered_at(later).is_some_and(|l| Some(l) < at);
                    at.is_some() && !(this..requests.len()).any(overtaken)
                })
                .map(Cause::Answered)
                .collect(),
            (b'p', Some(this)) if self.is_refused(this) => vec![Cause::Answered(this)],
            (b'R' | b'S' | b'E' | b'e', Some(this)) => {
                let all = requests[this].1;
                let needed = match is_last(message) {
                    _ if self.is_refused(this) => 0,
                    true => all,
                    false => parts[this].min(all.saturating_sub(1)),
                };
                parts[this] += 1;
                vec![Cause::Asked(this, needed)]
            }
            (b'f', _) => vec![Cause::Everything],
            _ => Vec::new(),
        })
        .collect()
    }

    /// Whether what has come from the other side of `role` is enough for a cause.
    pub fn holds(&self, role: Role, cause: Cause, progress: &Progress) -> bool {
        match cause {
            Cause::Asked(request, parts) => {
                progress.asked.get(request).is_some_and(|come| *come >= parts)
            }
            Cause::Answered(request) => progress.answered.contains(&request),
            Cause::Everything => progress.messages >= self.side(role.other()).messages.len(),
        }
    }

    /// The same with other operations and payloads, for a server that has the first under other
    /// names.
    pub fn renamed(&self, names: &[(&str, &str)], payloads: &[(&str, &str)]) -> Self {
        let mut renamed = self.clone();
        for message in renamed.client.messages.iter_mut().chain(&mut renamed.server.messages) {
            for (from, to) in names {
                if let (b'r' | b's', true) = (message.kind, message.name == from.as_bytes()) {
                    message.name = to.as_bytes().to_vec();
                    break;
                }
            }
            for (from, to) in payloads {
                if message.payload == from.as_bytes() {
                    message.payload = to.as_bytes().to_vec();
                    break;
                }
            }
        }
        renamed
    }
}

fn requests(messages: &[Message]) -> Vec<([u8; 4], usize)> {
    let mut requests: Vec<([u8; 4], usize)> = Vec::new();
    for message in messages {
        match message.kind {
            b'r' | b's' => requests.push((message.id, 0)),
            b'p' => requests.iter_mut().filter(|(id, _)| *id == message.id).for_each(|r| r.1 += 1),
            _ => {}
        }
    }
    requests
}

impl Side {
    fn new(bytes: &[u8]) -> Self {
        let decoded = wire::decode(bytes);
        let version = bytes.len().min(2);
        let messages = decoded.messages;
        let side = Self {
            version: bytes[..version].to_vec(),
            messages,
            tail: bytes[decoded.rest.max(version)..].to_vec(),
            stop: decoded.stop,
        };
        assert_eq!(side.bytes(), bytes, "the decoder and the encoder agree");
        side
    }

    pub fn bytes(&self) -> Vec<u8> {
        let messages = self.messages.iter().flat_map(wire::encode);
        self.version.iter().copied().chain(messages).chain(self.tail.iter().copied()).collect()
    }

    pub fn count(&self, kind: u8) -> usize {
        self.messages.iter().filter(|message| message.kind == kind).count()
    }
}

//! Recorded conversations, and what in them must come before what.
//!
//! A recording has two streams of bytes and no clock, so it does not say which message of one
//! side came before which of the other. It is derived: an answer comes after its request; a
//! request waits for the end of each earlier one, unless the order of the results shows that
//! it did not. Within a side the recorded order is kept.

use std::path::Path;
use std::{fs, io};

use serde_json::Value;

use crate::socket::{Carrier, Piece};
use crate::wire::{self, Message, Stop};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Client,
    Server,
}

impl Role {
    pub fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
        }
    }

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
    /// Over WebSocket: whether the version came as text.
    pub version_is_text: bool,
}

#[derive(Clone)]
pub struct Conversation {
    pub name: String,
    pub carrier: Carrier,
    pub client: Side,
    pub server: Side,
    /// Who closed, where nobody had said `f`.
    pub closer: Role,
    /// The side that is no peer but a bare socket, if one is.
    pub bare: Option<Role>,
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
    /// All of a folder, sorted by name, and then those over WebSocket.
    pub fn all(folder: &Path) -> io::Result<Vec<Self>> {
        let mut all = Self::over_tcp(folder)?;
        all.extend(Self::over_websocket(&folder.join("websocket"))?);
        Ok(all)
    }

    fn over_tcp(folder: &Path) -> io::Result<Vec<Self>> {
        let mut all = Vec::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let Some(name) = file.strip_suffix(".c2s.bin") else { continue };
            let client = Side::new(&fs::read(&path)?);
            let server = Side::new(&fs::read(folder.join(format!("{name}.s2c.bin")))?);
            let bare = match (name, &name[..1]) {
                ("k-version-server02", _) => Some(Role::Server),
                (_, "j" | "k") => Some(Role::Client),
                _ => None,
            };
            let closer = if name == "o-shutdown" { Role::Server } else { Role::Client };
            all.push(Self::new(name, Carrier::Tcp, [client, server], closer, bare));
        }
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    fn over_websocket(folder: &Path) -> io::Result<Vec<Self>> {
        let mut all = Vec::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let Some(name) = file.strip_suffix(".jsonl") else { continue };
            let content = fs::read_to_string(&path)?;
            let lines: Vec<Value> =
                content.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
            let text = |line: &Value, key| line[key].as_str().unwrap_or_default().to_owned();
            let about = text(&lines[0], "about");
            let of = |role| {
                let dir = if role == Role::Client { "c2s" } else { "s2c" };
                lines[1..].iter().filter(move |line| line["dir"] == dir)
            };
            let side = |role| {
                let data = of(role).filter(|line| line["op"] == "binary" || line["op"] == "text");
                Side::of_pieces(
                    &data
                        .map(|line| Piece {
                            is_text: line["op"] == "text",
                            bytes: unhex(&text(line, "hex")),
                        })
                        .collect::<Vec<_>>(),
                )
            };
            let first = lines.iter().find(|line| line["op"] == "close");
            let by_server = first.is_some_and(|line| line["dir"] == "s2c");
            let closer = if by_server { Role::Server } else { Role::Client };
            let bare = [Role::Client, Role::Server]
                .into_iter()
                .find(|role| about.contains(&format!("a bare {}", role.name())));
            let sides = [side(Role::Client), side(Role::Server)];
            all.push(Self::new(name, Carrier::WebSocket, sides, closer, bare));
        }
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    fn new(
        name: &str,
        carrier: Carrier,
        [client, server]: [Side; 2],
        closer: Role,
        bare: Option<Role>,
    ) -> Self {
        let requests = requests(&client.messages);
        Self { name: name.to_owned(), carrier, client, server, closer, bare, requests }
    }

    /// The same with one request and its answer alone, or one notification of the client's.
    /// What belongs to no request stays.
    pub fn only(&self, message: &Message) -> Self {
        let wanted = self.question(message);
        let is_wanted = |other: &Message| match other.kind {
            b'n' => other == message,
            b'h' | b'f' => false,
            _ => wanted.is_some() && self.question(other) == wanted,
        };
        let mut only = self.clone();
        only.client.messages.retain(is_wanted);
        only.server.messages.retain(|other| match (other.kind, wanted) {
            // Of the server's notifications it is not known what they belong to.
            (b'n' | b'h' | b'f', _) => wanted.is_some() && self.requests.len() == 1,
            (_, Some(_)) => self.question(other) == wanted,
            (_, None) => false,
        });
        only.counted()
    }

    /// The same, with its requests counted anew.
    pub fn counted(mut self) -> Self {
        self.requests = requests(&self.client.messages);
        self
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

    /// Whether the server closed in place of an answer.
    pub fn has_no_answer(&self) -> bool {
        (0..self.requests.len()).any(|request| self.answered_at(request).is_none())
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
        let messages = &self.side(role).messages;
        let side = messages.iter().enumerate();
        side.map(|(at, message)| match (message.kind, self.question(message)) {
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
            // A server that notifies does it for the request that it answers next.
            (b'n', _) if role == Role::Server => {
                let next = messages[at..].iter().find_map(|message| self.question(message));
                next.map(|request| Cause::Asked(request, 0)).into_iter().collect()
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

fn unhex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2).map(|two| str::from_utf8(two).unwrap_or("?"));
    digits.map(|two| u8::from_str_radix(two, 16).expect("two digits")).collect()
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
            version_is_text: false,
        };
        assert_eq!(side.bytes(), bytes, "the decoder and the encoder agree");
        side
    }

    /// Of WebSocket messages: the version, then headers and payloads.
    fn of_pieces(pieces: &[Piece]) -> Self {
        let bytes: Vec<u8> = pieces.iter().flat_map(|piece| piece.bytes.clone()).collect();
        let mut side = Self::new(&bytes);
        let mut texts = pieces.iter().map(|piece| piece.is_text);
        side.version_is_text = texts.next().unwrap_or(false);
        for message in &mut side.messages {
            let mut next = |is_there: bool| is_there && texts.next().unwrap_or(false);
            message.texts = [next(true), next(!message.payload.is_empty())];
        }
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

//! The recorded peer: plays one side of a conversation over a socket, each message when what
//! it waits for has come, and keeps what the other end sends.

use std::io::{self, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use crate::ours::is_timeout;
use crate::recording::{Conversation, Progress, Role, is_last};
use crate::socket::{Carrier, Piece, Socket};
use crate::strict::{Reader, Strict};
use crate::wire::{self, Decoded, Message, Stop};

/// How what is sent is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chunks {
    /// All that may go, in one piece.
    Whole,
    Bytes,
    /// Pieces of up to 40 bytes, with pauses, from this seed.
    Random(u64),
}

/// Numbers that look random.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end.max(1) as u64) as usize
    }
}

/// What a player has seen.
pub struct Seen {
    pub bytes: Vec<u8>,
    pub decoded: Decoded,
    /// The ids of the requests, as the client of this run gave them.
    pub ids: Vec<[u8; 4]>,
    /// How reading ended: `None` where the other end closed.
    pub trouble: Option<String>,
    /// The lengths of the WebSocket messages that came, and what was wrong with them.
    pub messages: Vec<usize>,
    pub strict: Option<String>,
}

pub struct Player<'a> {
    pub conversation: &'a Conversation,
    /// The side that is played.
    pub role: Role,
    pub chunks: Chunks,
    pub patience: Duration,
    /// Whether the other end is to close, without being asked to.
    pub waits_for_close: bool,
    /// How many messages the other end is to send before it is asked to close, heartbeats apart.
    pub awaited: usize,
    pub awaited_beats: usize,
}

impl Player<'_> {
    pub fn play(&self, socket: &mut Socket) -> io::Result<Seen> {
        let reader = if self.role == Role::Client { Reader::Browser } else { Reader::Go };
        let mut strict = Strict::new(reader);
        let mut seen = Seen {
            bytes: Vec::new(),
            decoded: wire::decode(b""),
            ids: Vec::new(),
            trouble: None,
            messages: Vec::new(),
            strict: None,
        };
        self.converse(socket, &mut seen, &mut strict)?;
        if self.conversation.carrier == Carrier::WebSocket {
            if seen.trouble.is_none() {
                strict.finish(socket.was_closed_well());
            }
            seen.strict = strict.wrong;
        }
        Ok(seen)
    }

    fn converse(
        &self,
        socket: &mut Socket,
        seen: &mut Seen,
        strict: &mut Strict,
    ) -> io::Result<()> {
        let side = self.conversation.side(self.role);
        let causes = self.conversation.causes(self.role);
        let mut random = Random(match self.chunks {
            Chunks::Random(seed) => seed | 1,
            _ => 1,
        });
        let until = Instant::now() + self.patience;
        let mut ready = vec![Piece { is_text: side.version_is_text, bytes: side.version.clone() }];
        let mut tail = Some(side.tail.clone()).filter(|tail| !tail.is_empty());
        let mut next = 0;
        let mut has_closed = false;
        loop {
            seen.decoded = wire::decode(&seen.bytes);
            let progress = self.progress(seen);
            while next < causes.len()
                && causes[next]
                    .iter()
                    .all(|cause| self.conversation.holds(self.role, *cause, &progress))
            {
                let mut message = side.messages[next].clone();
                if let (Role::Server, Some(request)) =
                    (self.role, self.conversation.question(&message))
                {
                    message.id = seen.ids.get(request).copied().unwrap_or(message.id);
                }
                let [is_text, payload_is_text] = message.texts;
                ready.push(Piece { is_text, bytes: wire::header(&message) });
                if !message.payload.is_empty() {
                    ready.push(Piece { is_text: payload_is_text, bytes: message.payload });
                }
                next += 1;
            }
            if next == causes.len() {
                ready.extend(tail.take().map(|bytes| Piece { is_text: false, bytes }));
            }
            if !ready.is_empty() {
                if let Err(error) = socket.play(&ready, self.chunks, &mut random) {
                    seen.trouble = Some(format!("not sent: {}", error.kind()));
                    return Ok(());
                }
                ready.clear();
            }
            let beats = seen.decoded.messages.iter().filter(|m| m.kind == b'h').count();
            let others = seen.decoded.messages.len() - beats;
            let all_came = others >= self.awaited && beats >= self.awaited_beats;
            if next == causes.len() && all_came && !has_closed && !self.waits_for_close {
                // A server that is asked to close may have done it already.
                let _ = socket.finish();
                has_closed = true;
            }
            if Instant::now() >= until {
                seen.trouble = Some(format!("time is up: {next} of {} sent", causes.len()));
                return Ok(());
            }
            socket.set_read_timeout(Duration::from_millis(50))?;
            match socket.receive() {
                Ok(None) => return Ok(()),
                Ok(Some(piece)) => {
                    strict.take(&piece);
                    seen.messages.push(piece.bytes.len());
                    seen.bytes.extend(piece.bytes);
                }
                Err(error) if is_timeout(&error) => {}
                Err(error) => {
                    seen.trouble = Some(format!("not read: {}", error.kind()));
                    return Ok(());
                }
            }
        }
    }

    /// What has come, in terms of requests.
    fn progress(&self, seen: &mut Seen) -> Progress {
        let mut progress =
            Progress { messages: seen.decoded.messages.len(), ..Progress::default() };
        if self.role == Role::Client {
            let last = seen.decoded.messages.iter().filter(|message| is_last(message));
            progress.answered = last.filter_map(|m| self.conversation.question(m)).collect();
            return progress;
        }
        seen.ids.clear();
        for message in &seen.decoded.messages {
            match message.kind {
                b'r' | b's' => {
                    seen.ids.push(message.id);
                    progress.asked.push(0);
                }
                b'p' => {
                    if let Some(request) = seen.ids.iter().rposition(|id| *id == message.id) {
                        progress.asked[request] += 1;
                    }
                }
                _ => {}
            }
        }
        progress
    }
}

pub fn write_in(
    stream: &mut TcpStream,
    bytes: &[u8],
    chunks: Chunks,
    random: &mut Random,
) -> io::Result<()> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let len = match chunks {
            Chunks::Whole => rest.len(),
            Chunks::Bytes => 1,
            Chunks::Random(_) => 1 + random.below(40.min(rest.len())),
        };
        stream.write_all(&rest[..len])?;
        rest = &rest[len..];
        match chunks {
            // Long enough that most of the time it is read before the next one comes.
            Chunks::Bytes => thread::sleep(Duration::from_micros(20)),
            Chunks::Random(_) if random.below(4) == 0 => {
                thread::sleep(Duration::from_millis(random.below(3) as u64))
            }
            _ => {}
        }
    }
    Ok(())
}

/// Messages for people: `r p×3`, and how it ends.
pub fn outline(messages: &[Message], stop: Stop) -> String {
    let mut outline = String::new();
    let mut at = 0;
    while at < messages.len() {
        let kind = messages[at].kind;
        let run = messages[at..].iter().take_while(|m| m.kind == kind).count();
        outline.push(kind as char);
        if kind == b'f' {
            outline += &format!(" {}", messages[at].last);
        }
        if kind == b'h' {
            outline.push('…');
        } else if run > 1 {
            outline += &format!("×{run}");
        }
        outline.push(' ');
        at += run;
    }
    match stop {
        Stop::Clean => {}
        Stop::Cut => outline += "(cut) ",
        Stop::Bad => outline += "(bad) ",
        Stop::Version => outline += "(another version) ",
    }
    outline.trim_end().to_owned()
}

//! The recorded peer: plays one side of a conversation over a socket, each message when what
//! it waits for has come, and keeps what the other end sends.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::ours::is_timeout;
use crate::recording::{Conversation, Progress, Role, is_last};
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
    pub fn play(&self, mut stream: TcpStream) -> io::Result<Seen> {
        stream.set_nodelay(true)?;
        let side = self.conversation.side(self.role);
        let causes = self.conversation.causes(self.role);
        let mut random = Random(match self.chunks {
            Chunks::Random(seed) => seed | 1,
            _ => 1,
        });
        let until = Instant::now() + self.patience;
        let mut seen =
            Seen { bytes: Vec::new(), decoded: wire::decode(b""), ids: Vec::new(), trouble: None };
        let mut ready = side.version.clone();
        let mut tail = side.tail.clone();
        let mut next = 0;
        let mut has_closed = false;
        let mut input = [0; 4096];
        loop {
            seen.decoded = wire::decode(&seen.bytes);
            let progress = self.progress(&mut seen);
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
                ready.extend(wire::encode(&message));
                next += 1;
            }
            if next == causes.len() {
                ready.append(&mut tail);
            }
            if !ready.is_empty() {
                if let Err(error) = write_in(&mut stream, &ready, self.chunks, &mut random) {
                    seen.trouble = Some(format!("not sent: {}", error.kind()));
                    return Ok(seen);
                }
                ready.clear();
            }
            let beats = seen.decoded.messages.iter().filter(|m| m.kind == b'h').count();
            let others = seen.decoded.messages.len() - beats;
            let all_came = others >= self.awaited && beats >= self.awaited_beats;
            if next == causes.len() && all_came && !has_closed && !self.waits_for_close {
                // A server that is asked to close may have done it already.
                let _ = stream.shutdown(Shutdown::Write);
                has_closed = true;
            }
            if Instant::now() >= until {
                seen.trouble = Some(format!("time is up: {next} of {} sent", causes.len()));
                return Ok(seen);
            }
            stream.set_read_timeout(Some(Duration::from_millis(50)))?;
            match stream.read(&mut input) {
                Ok(0) => return Ok(seen),
                Ok(len) => seen.bytes.extend(&input[..len]),
                Err(error) if is_timeout(&error) => {}
                Err(error) => {
                    seen.trouble = Some(format!("not read: {}", error.kind()));
                    return Ok(seen);
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

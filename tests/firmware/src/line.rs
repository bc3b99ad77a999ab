//! A serial line with a recorded client at its other end.

use gotalk::Writer;
use gotalk_firmware::{board, println};

use crate::conversations::Conversation;

pub struct Line {
    name: &'static str,
    to_come: &'static [u8],
    expected: &'static [u8],
    sent: usize,
    /// How many bytes each call brings, in turn.
    pieces: &'static [usize],
    turn: usize,
}

impl Line {
    pub fn new(conversation: &Conversation, pieces: &'static [usize]) -> Self {
        let Conversation { name, client, server } = *conversation;
        Self { name, to_come: client, expected: server, sent: 0, pieces, turn: 0 }
    }

    /// A clock: each piece takes a millisecond, so no heartbeat falls due.
    pub fn millis(&self) -> u32 {
        self.turn as u32
    }

    /// Waits for bytes and gives those that are there; none when the line is closed.
    pub fn receive<'b>(&mut self, buffer: &'b mut [u8]) -> Option<&'b [u8]> {
        let len = self.pieces[self.turn % self.pieces.len()].min(self.to_come.len());
        self.turn += 1;
        let (now, later) = self.to_come.split_at(len);
        self.to_come = later;
        buffer[..len].copy_from_slice(now);
        if len == 0 { None } else { Some(&buffer[..len]) }
    }

    /// Sends what the writer holds, and makes room for the next.
    pub fn send(&mut self, writer: &mut Writer<'_>) {
        self.send_bytes(writer.as_bytes());
        writer.clear();
    }

    /// Every byte has to be the one that was recorded.
    pub fn send_bytes(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if self.expected.get(self.sent) != Some(&byte) {
                self.fail(Some(byte));
            }
            self.sent += 1;
        }
    }

    /// Nothing may be missing at the end.
    pub fn close(self) {
        if self.sent != self.expected.len() {
            self.fail(None);
        }
    }

    fn fail(&self, byte: Option<u8>) -> ! {
        let expected = self.expected.get(self.sent);
        println!("{}: wrong byte {}: {byte:?} instead of {expected:?}", self.name, self.sent);
        board::exit(false)
    }
}

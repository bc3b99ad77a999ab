//! Gathers whole messages and keeps some of them: the simplest way to read if payloads are
//! small and have a limit. It prints what comes in on standard input:
//!
//! ```sh
//! printf '01n003log00000007"hello"' | cargo run --example whole_messages
//! ```

use gotalk::{Assembler, Error, Frame, Item, Message};
use std::io::{self, Read};

/// The longest payload and the longest name that the program takes.
const MAX_PAYLOAD: usize = 64;
const MAX_NAME: usize = 32;

/// Gathers messages from chunks of any size.
///
/// A message that lies whole in a chunk is not copied. Any other is put together in the
/// assembler, which never grows.
#[derive(Default)]
pub struct Inbox {
    assembler: Assembler<MAX_PAYLOAD, MAX_NAME>,
    /// The notifications that have come, oldest first.
    pub notes: Vec<Note>,
    /// The number of messages that had too long a name or payload.
    pub too_long: usize,
}

/// A notification that outlives the chunk it came in. Without a heap, keep an
/// `OwnedMessage` (feature `heapless`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Note {
    pub name: String,
    /// JSON.
    pub payload: Vec<u8>,
}

impl Inbox {
    /// Takes the next chunk. It may end anywhere, in the middle of a message too.
    ///
    /// Fails at a byte that the protocol does not allow. Close the connection then.
    pub fn receive(&mut self, chunk: &[u8]) -> Result<(), Error> {
        let mut items = self.assembler.feed(chunk);
        while let Some(item) = items.next() {
            match item? {
                Item::Message(Message { frame: Frame::Notification { name, .. }, payload }) => {
                    // A name is bytes. `to_string` escapes what could deceive a reader.
                    self.notes.push(Note { name: name.to_string(), payload: payload.to_vec() });
                }
                Item::NameTooLong { .. } | Item::PayloadTooLong(_) => self.too_long += 1,
                Item::Version(_) | Item::Message(_) => {}
            }
        }
        Ok(())
    }

    /// Fails if the input ended in the middle of a message.
    pub fn finish(&self) -> Result<(), Error> {
        self.assembler.finish()
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut inbox = Inbox::default();
    let mut chunk = [0; 512];
    loop {
        let len = io::stdin().read(&mut chunk)?;
        if len == 0 {
            break;
        }
        inbox.receive(&chunk[..len])?;
        for Note { name, payload } in inbox.notes.drain(..) {
            println!("{name}: {}", payload.escape_ascii());
        }
    }
    inbox.finish()?;
    Ok(())
}

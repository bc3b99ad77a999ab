//! The examples of the codec alone: `answer` and `whole_messages`.

use crate::answer;
use crate::cases::{Subject, hostile, survives};
use crate::line::Line;
use crate::support::oracle::{self, End, Header, Item};
use crate::whole_messages::Inbox;

struct Answer;

impl Subject for Answer {
    const FIRST: &'static str = "01";
    const NO_STREAMS: &'static str = "no such operation";

    fn run(mut line: &Line) -> bool {
        answer::serve(line, &mut line).is_ok()
    }

    fn answer(op: &[u8], payload: &[u8]) -> Result<Vec<u8>, &'static str> {
        if op == b"echo" { Ok(payload.into()) } else { Err("no such operation") }
    }
}

survives!(answering, Answer);

/// A line on which nothing comes before each chunk, as a socket with a read timeout has it.
struct Idle<'a> {
    chunks: Vec<&'a [u8]>,
    waited: bool,
}

impl std::io::Read for Idle<'_> {
    fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        self.waited = !self.waited;
        if self.waited {
            let kinds = [std::io::ErrorKind::WouldBlock, std::io::ErrorKind::TimedOut];
            return Err(kinds[self.chunks.len() % 2].into());
        }
        let Some(chunk) = self.chunks.pop() else { return Ok(0) };
        to[..chunk.len()].copy_from_slice(chunk);
        Ok(chunk.len())
    }
}

#[test]
fn answer_sends_a_heartbeat_while_nothing_comes() {
    let line = Idle { chunks: vec![b"7\"hello\"", b"01r0001004echo0000000"], waited: false };
    let mut output = Vec::new();
    answer::serve(line, &mut output).unwrap();
    let expected = b"01h000000000000h000000000000R000100000007\"hello\"h000000000000";
    assert_eq!(output, expected);
}

#[test]
fn whole_messages_keeps_the_notifications() {
    hostile(1, |pieces| {
        let mut inbox = Inbox::default();
        let result = pieces.iter().try_for_each(|piece| inbox.receive(piece));
        let end = result.and_then(|()| inbox.finish());
        let want = oracle::assemble(&oracle::read(&pieces.concat(), 32, true), 64);
        let mut notes = inbox.notes.iter();
        let mut too_long = 0;
        for item in &want.items {
            match item {
                Item::Message { header: Header { kind: b'n', name, .. }, payload, .. } => {
                    let note = notes.next().expect("a note");
                    assert_eq!(note.payload, *payload);
                    let name = name.as_deref().unwrap();
                    assert_eq!(note.name, gotalk::Name::from_bytes(name).to_string());
                }
                Item::NameTooLong { .. } | Item::PayloadTooLong { .. } => too_long += 1,
                Item::Version { .. } | Item::Message { .. } => {}
            }
        }
        assert_eq!(notes.next(), None);
        assert_eq!(inbox.too_long, too_long);
        assert_eq!(end.is_ok(), matches!(want.end, End::Clean | End::Closed));
    });
}

#[test]
fn whole_messages_takes_a_notification_in_two_chunks() {
    let mut inbox = Inbox::default();
    inbox.receive(b"01n003log00000007\"he").unwrap();
    assert!(inbox.notes.is_empty());
    inbox.receive(b"llo\"").unwrap();
    assert_eq!(inbox.notes[0].name, "log");
    assert_eq!(inbox.notes[0].payload, b"\"hello\"");
}

//! The example `both_ways`, on transports that never block.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};

use crate::both_ways::link::{App, Link, MAX_PAYLOAD, STALL, Session};
use crate::both_ways::{Peer, SETTINGS};
use crate::cases::{hostile, messages, protocol_error};
use crate::line::{Line, Manner};
use crate::support::generate::Rng;
use crate::support::oracle::{self, End, Event};
use gotalk::{Outgoing, Received, SessionError, Writer};

/// No conversation here needs as many turns.
const ENOUGH: usize = 10_000;

/// Turns until the conversation is over, and tells whether it ended well.
fn finish<T: Read + Write>(link: &mut Link<T>, peer: &mut Peer) -> bool {
    for _ in 0..ENOUGH {
        match link.turn(0, peer) {
            Ok(false) => {}
            Ok(true) => return true,
            Err(_) => return false,
        }
    }
    panic!("it never ends");
}

const FIRST: &str = "01s0000005upper00000004one r0001004echo00000007\"hello\"";

#[test]
fn both_ways_answers_no_more_than_it_was_asked() {
    let mut well = 0;
    hostile(3, |pieces| {
        let line = Line::new(pieces, Manner::NonBlocking);
        let mut link = Link::new(&line, SETTINGS);
        let mut peer = Peer::new(&mut link, 0).unwrap();
        let ended_well = finish(&mut link, &mut peer);
        well += usize::from(ended_well);

        let input = pieces.concat();
        let reading = oracle::read(&input, 64, true);
        let mut requests = Vec::new();
        let mut results = Vec::new();
        for event in &reading.events {
            match event {
                Event::Header { header, .. } if matches!(header.kind, b'r' | b's') => {
                    requests.push(header.id);
                }
                Event::Header { header, .. }
                    if matches!(header.kind, b'R' | b'S' | b'E' | b'e') =>
                {
                    results.push(header.id);
                }
                Event::NameTooLong { id: id @ Some(_), .. } => requests.push(*id),
                _ => {}
            }
        }
        let sent = line.into_sent();
        assert!(sent.starts_with(FIRST.as_bytes()));
        for header in messages(&sent) {
            let ends = match header.kind {
                b'R' | b'E' | b'e' => true,
                b'S' => header.size == Some(0),
                _ => false,
            };
            if ends {
                let asked = requests.iter().position(|id| *id == header.id);
                requests.swap_remove(asked.expect("an answer that nobody is owed"));
            }
        }
        // It leaves early if it has both of its results.
        let may_leave = [*b"0000", *b"0001"].iter().all(|id| results.contains(&Some(*id)));
        if !may_leave {
            assert_eq!(ended_well, matches!(reading.end, End::Clean | End::Closed));
            assert!(sent.ends_with(protocol_error(reading.end)));
        }
        if matches!(reading.end, End::Clean) && !may_leave {
            // Everything but streams without an end has been answered.
            let open = reading.events.iter().filter(
                |event| matches!(event, Event::Header { header, .. } if header.kind == b's'),
            );
            assert!(requests.len() <= open.count(), "{}", input.escape_ascii());
        }
    });
    assert!(well > 100);
}

#[test]
fn both_ways_answers_a_stream_part_by_part() {
    for (input, want) in [
        ("01s0007005upper00000000p000700000003abcp000700000000", "S000700000003ABCS000700000000"),
        ("01s0007005upper00000001ap000700000000", "S000700000001AS000700000000"),
        ("01s0007005upper00000001ar0008004echo00000002hi", "S000700000001AR000800000002hi"),
        ("01s0007004echo00000001ap000700000000", "E000700000011no such operation"),
    ] {
        let line = Line::new(&[input.as_bytes()], Manner::NonBlocking);
        let mut link = Link::new(&line, SETTINGS);
        let mut peer = Peer::new(&mut link, 0).unwrap();
        assert!(finish(&mut link, &mut peer), "{input}");
        let sent = String::from_utf8(line.into_sent()).unwrap();
        assert_eq!(sent, [FIRST, want].concat());
    }
}

/// One direction of a connection, which takes and gives a few bytes at a time or none.
#[derive(Default)]
struct Pipe {
    bytes: RefCell<VecDeque<u8>>,
    all: RefCell<Vec<u8>>,
}

struct Half<'a> {
    input: &'a Pipe,
    output: &'a Pipe,
    rng: &'a RefCell<Rng>,
    /// How many bytes may be under way.
    room: usize,
}

impl Half<'_> {
    fn some(&self, most: usize) -> io::Result<usize> {
        match self.rng.borrow_mut().below(most.min(40) + 1) {
            0 => Err(ErrorKind::WouldBlock.into()),
            len => Ok(len),
        }
    }
}

impl Read for Half<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let mut bytes = self.input.bytes.borrow_mut();
        let len = self.some(bytes.len().min(to.len()))?;
        to.iter_mut().zip(bytes.drain(..len)).for_each(|(to, byte)| *to = byte);
        Ok(len)
    }
}

impl Write for Half<'_> {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        let mut bytes = self.output.bytes.borrow_mut();
        let len = self.some(from.len().min(self.room - bytes.len()))?;
        bytes.extend(&from[..len]);
        self.output.all.borrow_mut().extend(&from[..len]);
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn both_ways_talks_to_itself() {
    for seed in 0..300 {
        let rng = RefCell::new(Rng::new(seed));
        let room = [3, 20, 1000][seed as usize % 3];
        let (there, back) = (Pipe::default(), Pipe::default());
        let near = Half { input: &back, output: &there, rng: &rng, room };
        let far = Half { input: &there, output: &back, rng: &rng, room };
        let mut links = [near, far].map(|half| Link::new(half, SETTINGS));
        let mut peers = links.each_mut().map(|link| Peer::new(link, 0).unwrap());
        let mut is_over = [false; 2];
        for turn in 0.. {
            assert!(turn < ENOUGH, "seed {seed}: it never ends");
            let end = rng.borrow_mut().below(2);
            is_over[end] = links[end].turn(0, &mut peers[end]).unwrap();
            if is_over == [true; 2] {
                break;
            }
        }
        for pipe in [there, back] {
            assert!(pipe.bytes.borrow().is_empty(), "seed {seed}: something was not read");
            check(&pipe.all.borrow(), seed);
        }
    }
}

/// What each end sends is the same up to the order of the two conversations in it.
fn check(sent: &[u8], seed: u64) {
    messages(sent);
    let reading = oracle::read(sent, 64, true);
    let mut text = [const { String::new() }; 2];
    let assembly = oracle::assemble(&reading, 128);
    for item in assembly.items {
        if let oracle::Item::Message { header, payload, .. } = item {
            let of_stream = usize::from(header.id != Some(*b"0000"));
            let payload = String::from_utf8(payload).unwrap();
            text[of_stream] += &format!("{}{payload}|", char::from(header.kind));
        }
    }
    let mut stream: Vec<_> = text[0].split_inclusive('|').collect();
    stream.sort();
    let want = ["SONE |", "STHREE|", "STWO |", "S|", "pthree|", "ptwo |", "p|", "sone |"];
    assert_eq!(stream, want, "seed {seed}: {}", sent.escape_ascii());
    assert!(text[0].starts_with("sone |"));
    let order = ["SONE ", "STWO ", "STHREE", "S|"].map(|part| text[0].find(part).unwrap());
    assert!(order.is_sorted(), "seed {seed}: {}", text[0]);
    assert_eq!(text[1], "r\"hello\"|R\"hello\"|");
}

/// A peer that asks on and on, and takes as many bytes as it is told.
struct Gate<'a> {
    open: &'a Cell<usize>,
    input: &'a [u8],
    sent: &'a RefCell<Vec<u8>>,
}

impl Read for Gate<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        self.input.read(to)
    }
}

impl Write for Gate<'_> {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        let len = from.len().min(self.open.get());
        if len == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.open.set(self.open.get() - len);
        self.sent.borrow_mut().write(&from[..len])
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn both_ways_loses_nothing_while_its_buffer_is_full() {
    let requests: Vec<_> = (0..100).map(|i| format!("r{i:04}004echo00000008{i:08}")).collect();
    let input = ["01", &requests.concat()].concat();
    let (open, sent) = (Cell::new(0), RefCell::new(Vec::new()));
    let mut link = Link::new(Gate { open: &open, input: input.as_bytes(), sent: &sent }, SETTINGS);
    let mut peer = Peer::new(&mut link, 0).unwrap();
    for _ in 0..10 {
        assert!(!link.turn(0, &mut peer).unwrap());
    }
    assert!(!link.transport.input.is_empty(), "it has taken more than it could answer");
    open.set(usize::MAX);
    assert!(finish(&mut link, &mut peer));
    let answers: Vec<_> = (0..100).map(|i| format!("R{i:04}00000008{i:08}")).collect();
    let want = [FIRST, &answers.concat()].concat();
    assert_eq!(String::from_utf8(sent.take()).unwrap(), want);
}

#[test]
fn both_ways_gives_up_on_a_peer_that_takes_nothing() {
    let input = ["01", &"r0001004echo00000000".repeat(1000)].concat();
    for taken_at in [None, Some(15)] {
        let (open, sent) = (Cell::new(0), RefCell::new(Vec::new()));
        let input = input.as_bytes();
        let mut link = Link::new(Gate { open: &open, input, sent: &sent }, SETTINGS);
        let mut peer = Peer::new(&mut link, 0).unwrap();
        let failed_at = (0..100).find(|i| {
            open.set(usize::from(taken_at == Some(*i)));
            link.turn(i * 1_000, &mut peer).is_err()
        });
        // A byte starts the time anew.
        assert_eq!(failed_at, Some(taken_at.unwrap_or(0) + STALL / 1_000));
    }
}

#[test]
fn both_ways_gives_up_on_a_peer_that_does_not_take_its_last_word() {
    for opened_at in [None, Some(15)] {
        let (open, sent) = (Cell::new(0), RefCell::new(Vec::new()));
        let mut link = Link::new(Gate { open: &open, input: b"02", sent: &sent }, SETTINGS);
        let mut peer = Peer::new(&mut link, 0).unwrap();
        let mut turns = (0..100).map(|i| {
            open.set(if opened_at == Some(i) { usize::MAX } else { 0 });
            (i, link.turn(i * 1_000, &mut peer))
        });
        let (failed_at, result) = turns.find(|(_, result)| !matches!(result, Ok(false))).unwrap();
        assert_eq!(failed_at, opened_at.unwrap_or(STALL / 1_000));
        // If it has been told, what stands is that its version was wrong.
        assert_eq!(result.unwrap_err().is::<gotalk::Error>(), opened_at.is_some());
        assert_eq!(sent.take().ends_with(b"f00000001"), opened_at.is_some());
    }
}

struct Echo;

impl App for Echo {
    fn receive(
        &mut self,
        _: u32,
        received: Received<'_, &[u8]>,
        session: &mut Session,
        writer: &mut Writer<'_>,
    ) -> Result<(), SessionError> {
        match received {
            Received::Request { request, payload, .. } => session.respond(writer, request, payload),
            _ => Ok(()),
        }
    }

    fn give_up(&mut self, _: Outgoing) {}
}

/// Two ends that write whenever they may would else stop each other.
#[test]
fn both_ways_keeps_the_room_for_an_answer() {
    let (open, sent) = (Cell::new(0), RefCell::new(Vec::new()));
    let payload = "x".repeat(MAX_PAYLOAD);
    let input = format!("01r0001004echo{MAX_PAYLOAD:08x}{payload}");
    let mut link = Link::new(Gate { open: &open, input: input.as_bytes(), sent: &sent }, SETTINGS);
    let write = |session: &mut Session, writer: &mut Writer<'_>| {
        session.notify(0, writer, "note", &payload).unwrap();
    };
    let written = (0..100).take_while(|_| link.write(write).is_some()).count();
    assert!(written > 0);
    assert!(!link.turn(0, &mut Echo).unwrap());
    assert!(link.transport.input.is_empty(), "it has stopped reading");
}

//! What was captured of a network, in a pcap or pcapng file: the Gotalk connections in it.
//!
//! `file` reads packets, `packet` finds the part of a TCP stream in one, `stream` puts a
//! stream together, `frames` takes it out of a WebSocket, and `connection` decides whether it
//! is Gotalk. All is shown as it comes, in the order of time; connections that talk at the
//! same time take turns. What is known of each is bounded, and so is how many are followed.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

mod connection;
mod file;
mod frames;
mod packet;
mod stream;

use connection::{Connection, Outcome, Rules};
pub(super) use file::MAGICS;
use file::Packets;
use packet::{Content, Segment};

use super::timed::worst;
use super::{CLEAN, Look, Parties, Show, Stop, TRUNCATED};

/// How many connections are followed at once. To make room, those that are over are forgotten,
/// and if that is not enough, those that said nothing for longest are ended.
const MOST_CONNECTIONS: usize = 4096;

/// How many bytes all of them may keep, for what is out of order or not decided.
const MOST_KEPT: usize = 64 << 20;

/// How many of the other connections are named.
const NAMED: usize = 3;

/// How many kinds of networks that are not known are told apart.
const MOST_LINK_TYPES: usize = 16;

/// How many connections of Gotalk there were, and what is in a capture beside them.
#[derive(Default)]
pub(super) struct Rest {
    pub(super) shown: u64,
    /// TCP connections, and the first of them.
    pub(super) others: u64,
    pub(super) named: Vec<String>,
    /// Packets without TCP, or with too little of it.
    pub(super) packets: u64,
    pub(super) fragments: u64,
    /// Packets by their link type.
    pub(super) links: BTreeMap<i32, u64>,
    /// The file ends in the middle, behind so many packets, at an offset.
    pub(super) cut: Option<(u64, u64)>,
}

pub(super) fn is_capture(start: &[u8]) -> bool {
    MAGICS.iter().any(|magic| start.starts_with(magic))
}

/// Shows all of it, and gives the exit code.
pub(super) fn show(
    source: &mut dyn Read,
    port: Option<u16>,
    look: Look,
    out: &mut dyn Write,
) -> Result<u8, Stop> {
    let mut network = Network {
        connections: HashMap::new(),
        rules: Rules { port, look, shown: 0 },
        kept: 0,
        screen: Screen {
            rest: Rest::default(),
            is_behind_end: false,
            code: CLEAN,
            show: look.show(),
            out,
        },
    };
    let mut packets = Packets::new(source);
    let read = loop {
        let packet = match packets.next() {
            Ok(Some(packet)) => packet,
            Ok(None) => break Ok(()),
            Err(error) => break Err(Stop::Input(error)),
        };
        match packet::content(&packet) {
            Content::Segment(segment) => network.segment(&segment, packet.number, packet.time)?,
            Content::Fragment => network.screen.rest.fragments += 1,
            Content::Other => network.screen.rest.packets += 1,
            Content::UnknownLink(kind) => {
                let links = &mut network.screen.rest.links;
                if links.len() < MOST_LINK_TYPES || links.contains_key(&kind) {
                    *links.entry(kind).or_default() += 1;
                }
            }
        }
    };
    network.screen.rest.cut = packets.cut.map(|cut| (cut.after_packet, cut.offset));
    let code = network.finish()?;
    read.map(|()| code)
}

struct Network<'o> {
    /// By both addresses, the lower one first.
    connections: HashMap<[SocketAddr; 2], Connection>,
    rules: Rules,
    /// How many bytes the connections keep.
    kept: usize,
    screen: Screen<'o>,
}

/// Where all of them are shown.
struct Screen<'o> {
    rest: Rest,
    /// The end of a connection was shown last.
    is_behind_end: bool,
    /// The exit code for what has ended.
    code: u8,
    show: Box<dyn Show>,
    out: &'o mut dyn Write,
}

impl Network<'_> {
    fn segment(&mut self, segment: &Segment<'_>, packet: u64, time: Duration) -> io::Result<()> {
        let mut key = [segment.from, segment.to];
        key.sort();
        // The same ports again. If neither side's beginning was captured it does not show, and
        // what comes behind the end of the old connection is dropped as late copies are.
        if segment.is_syn
            && let Some(old) = self.connections.get_mut(&key)
            && !old.takes_beginning(segment)
        {
            self.end(key, None)?;
        }
        if !self.connections.contains_key(&key) {
            let Some(connection) = Connection::begin(segment, packet, time) else { return Ok(()) };
            if self.connections.len() >= MOST_CONNECTIONS {
                self.make_room(packet)?;
            }
            self.connections.insert(key, connection);
        }
        let Some(connection) = self.connections.get_mut(&key) else { return Ok(()) };
        self.kept -= connection.kept();
        let outcome = connection.take(segment, packet, time, &mut self.rules)?;
        self.kept += connection.kept();
        self.screen.tell(outcome, &connection.parties)?;
        if self.kept > MOST_KEPT {
            self.make_room(packet)?;
        }
        Ok(())
    }

    /// Forgets what is over, which keeps no bytes. If that is not enough, it ends half of the
    /// others: those that were silent longest.
    fn make_room(&mut self, packet: u64) -> io::Result<()> {
        self.connections.retain(|_, it| !it.is_over());
        if self.connections.len() < MOST_CONNECTIONS && self.kept <= MOST_KEPT {
            return Ok(());
        }
        let mut ages: Vec<_> = self.connections.iter().map(|(key, it)| (it.last, *key)).collect();
        ages.sort();
        for (_, key) in ages.into_iter().take(self.connections.len().div_ceil(2)) {
            self.end(key, Some(packet))?;
        }
        Ok(())
    }

    /// Ends a connection; `room_for` is the packet that needs its room, if one does.
    fn end(&mut self, key: [SocketAddr; 2], room_for: Option<u64>) -> io::Result<()> {
        let Some(mut connection) = self.connections.remove(&key) else { return Ok(()) };
        self.kept -= connection.kept();
        let outcome = connection.finish(room_for, &mut self.rules)?;
        self.screen.tell(outcome, &connection.parties)
    }

    fn finish(mut self) -> io::Result<u8> {
        let mut keys: Vec<_> = self.connections.iter().map(|(key, it)| (it.first, *key)).collect();
        keys.sort();
        for (_, key) in keys {
            self.end(key, None)?;
        }
        let Screen { mut rest, code, show, out, .. } = self.screen;
        rest.shown = self.rules.shown;
        show.rest(out, &rest)?;
        out.flush()?;
        Ok(if rest.cut.is_some() { worst(&[code, TRUNCATED]) } else { code })
    }
}

impl Screen<'_> {
    fn tell(&mut self, outcome: Outcome, parties: &Parties) -> io::Result<()> {
        match outcome {
            Outcome::Nothing => {}
            Outcome::Other => {
                self.rest.others += 1;
                if self.rest.named.len() < NAMED {
                    self.rest.named.push(parties.to_string());
                }
            }
            Outcome::Shown { number, is_new, has_messages, text, code } => {
                if is_new {
                    self.show.connection(self.out, number, parties)?;
                } else if self.is_behind_end && has_messages {
                    self.show.goes_on(self.out)?;
                }
                if is_new || !text.is_empty() {
                    self.is_behind_end = code.is_some();
                }
                self.code = worst(&[self.code, code.unwrap_or(CLEAN)]);
                self.out.write_all(&text)?;
                self.out.flush()?;
            }
        }
        Ok(())
    }
}

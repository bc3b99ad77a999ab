//! One TCP connection: its two streams, what carries Gotalk in them, and whether they are
//! Gotalk at all.

use std::io;
use std::mem;
use std::net::SocketAddr;
use std::time::Duration;

use super::super::{Gap, Handshake, Look, Parties, Side, Timed};
use super::frames::{Carrier, Fault};
use super::packet::Segment;
use super::stream::{Said, Stream};

/// How much of a connection is kept until it shows whether it is Gotalk.
const MOST_UNDECIDED: usize = 256 * 1024;
/// What an entry takes beside its bytes.
const BESIDE: usize = 64;

pub(super) struct Connection {
    client: SocketAddr,
    server: SocketAddr,
    pub(super) parties: Parties,
    sides: [Lane; 2],
    state: State,
    start: Duration,
    /// The sequence numbers with which the sides began, as far as that was seen.
    initial: [Option<u32>; 2],
    /// The number of the first packet, and of the last.
    pub(super) first: u64,
    pub(super) last: u64,
}

#[derive(Default)]
struct Lane {
    stream: Stream,
    carrier: Carrier,
    /// The first two bytes of Gotalk.
    beginning: Vec<u8>,
    has_ended: bool,
}

enum State {
    Undecided {
        kept: Vec<(Side, Duration, Said)>,
        len: usize,
    },
    Shown {
        number: u64,
        timed: Box<Timed>,
    },
    /// It is over, or none of Gotalk: what still comes is dropped.
    Over,
}

/// What became of a connection by a packet.
pub(super) enum Outcome {
    Nothing,
    /// It is none of Gotalk, and this has just been found out or cannot be any more.
    Other,
    /// This is to be shown, and the exit code is known if it is over.
    Shown {
        number: u64,
        is_new: bool,
        /// The text begins with messages.
        has_messages: bool,
        text: Vec<u8>,
        code: Option<u8>,
    },
}

/// What is the same for all connections.
pub(super) struct Rules {
    pub(super) port: Option<u16>,
    pub(super) look: Look,
    /// How many connections have been shown.
    pub(super) shown: u64,
}

impl Connection {
    /// Begins with the first packet that is seen, if anything can.
    pub(super) fn begin(segment: &Segment<'_>, packet: u64, time: Duration) -> Option<Self> {
        if !segment.is_syn && segment.data.is_empty() {
            return None;
        }
        let (client, server) = match segment.is_syn && segment.is_ack {
            true => (segment.to, segment.from),
            false => (segment.from, segment.to),
        };
        let mut begun = Self {
            client,
            server,
            parties: Parties {
                client: client.to_string(),
                server: server.to_string(),
                websocket: None,
                is_compressed: false,
                start: time,
                start_seen: segment.is_syn,
            },
            sides: Default::default(),
            state: State::Undecided { kept: Vec::new(), len: 0 },
            start: time,
            initial: [None; 2],
            first: packet,
            last: packet,
        };
        let side = begun.side(segment);
        begun.initial[side as usize] = segment.is_syn.then_some(segment.sequence);
        Some(begun)
    }

    fn side(&self, segment: &Segment<'_>) -> Side {
        if segment.from == self.client { Side::Client } else { Side::Server }
    }

    /// Takes the beginning of a side, if it is one of this connection: it came twice, or
    /// answers that of the other side.
    pub(super) fn takes_beginning(&mut self, segment: &Segment<'_>) -> bool {
        let side = self.side(segment) as usize;
        if self.initial[side].is_none() && self.initial[1 - side].is_some() {
            self.initial[side] = Some(segment.sequence);
        }
        self.initial[side] == Some(segment.sequence)
    }

    /// Whether what still comes of it is dropped.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// How many bytes are kept.
    pub(super) fn kept(&self) -> usize {
        let undecided = if let State::Undecided { len, .. } = &self.state { *len } else { 0 };
        let of_side = |lane: &Lane| lane.stream.held() + lane.carrier.kept();
        self.sides.iter().map(of_side).sum::<usize>() + undecided
    }

    /// Takes the next segment.
    pub(super) fn take(
        &mut self,
        segment: &Segment<'_>,
        packet: u64,
        time: Duration,
        rules: &mut Rules,
    ) -> io::Result<Outcome> {
        if self.is_over() {
            return Ok(Outcome::Nothing);
        }
        let side = self.side(segment);
        self.last = packet;
        let mut said = Vec::new();
        // Where a reset says that it stands counts for nothing.
        if !segment.is_reset {
            self.sides[side as usize].stream.take(segment, packet, &mut said);
        }
        let time = time.saturating_sub(self.start);
        let mut said: Vec<_> = said.into_iter().map(|said| (side, said)).collect();
        if segment.is_reset {
            said.extend(self.stop().into_iter().flat_map(|(side, mut gap)| {
                gap.push(Said::End);
                gap.into_iter().map(move |said| (side, said))
            }));
        }
        let is_over = self.sides.iter().all(|lane| lane.stream.is_over());
        self.goes_on(said, time, is_over, rules)
    }

    /// Ends it: no more packets come, or it makes room for one. Then more may come that is
    /// not shown, and that is told for each side that has not ended.
    pub(super) fn finish(
        &mut self,
        room_for: Option<u64>,
        rules: &mut Rules,
    ) -> io::Result<Outcome> {
        if self.is_over() {
            return Ok(Outcome::Nothing);
        }
        let mut said = Vec::new();
        for (side, stopped) in self.stop() {
            said.extend(stopped.into_iter().map(|said| (side, said)));
            if let Some(packet) = room_for {
                let why = "no longer followed, to make room".to_owned();
                let gap = Gap { packet, missing: None, why, is_bad_input: false };
                said.push((side, Said::Gap(gap)));
            }
        }
        self.goes_on(said, Duration::ZERO, true, rules)
    }

    fn stop(&mut self) -> [(Side, Vec<Said>); 2] {
        [Side::Client, Side::Server].map(|side| {
            let mut said = Vec::new();
            self.sides[side as usize].stream.stop(&mut said);
            (side, said)
        })
    }

    fn goes_on(
        &mut self,
        said: Vec<(Side, Said)>,
        time: Duration,
        is_over: bool,
        rules: &mut Rules,
    ) -> io::Result<Outcome> {
        let mut text = Vec::new();
        let before = if let State::Shown { timed, .. } = &self.state { timed.shown() } else { 0 };
        for (side, said) in said {
            for said in self.unpack(side, said) {
                match &mut self.state {
                    State::Undecided { kept, len } => {
                        *len +=
                            BESIDE + if let Said::Bytes(bytes) = &said { bytes.len() } else { 0 };
                        kept.push((side, time, said));
                    }
                    State::Shown { timed, .. } => show(timed, &mut text, side, time, said)?,
                    State::Over => {}
                }
            }
        }
        let is_new = self.decide(is_over, &mut text, rules)?;
        let is_new = match is_new {
            Some(false) => {
                self.sides = Default::default();
                return Ok(Outcome::Other);
            }
            is_new => is_new.is_some(),
        };
        let State::Shown { number, timed } = &self.state else { return Ok(Outcome::Nothing) };
        let (number, has_messages) = (*number, timed.shown() > before);
        let mut code = None;
        if is_over && let State::Shown { timed, .. } = mem::replace(&mut self.state, State::Over) {
            code = Some(timed.finish(&mut text)?);
            self.sides = Default::default();
        }
        Ok(Outcome::Shown { number, is_new, has_messages, text, code })
    }

    /// Takes what a stream said out of what carries it.
    fn unpack(&mut self, side: Side, said: Said) -> Vec<Said> {
        let packet = self.last;
        let lane = &mut self.sides[side as usize];
        if lane.has_ended {
            return Vec::new();
        }
        let (mut inner, mut path) = (Vec::new(), None);
        let (fault, end) = match said {
            Said::Bytes(bytes) => {
                (lane.carrier.take(side, &bytes, &mut inner, &mut path).err(), None)
            }
            end => {
                lane.has_ended = true;
                lane.carrier.end(&mut inner);
                (None, Some(end))
            }
        };
        self.parties.websocket = self.parties.websocket.take().or(path);
        let more = 2 - lane.beginning.len();
        lane.beginning.extend(inner.iter().take(more));
        let mut said = Vec::new();
        if !inner.is_empty() {
            said.push(Said::Bytes(inner));
        }
        if let Some(fault) = fault {
            lane.has_ended = true;
            let (why, is_bad_input) = match fault {
                Fault::Compressed => {
                    self.parties.is_compressed = true;
                    ("it is compressed by permessage-deflate, which is not read".to_owned(), false)
                }
                Fault::Wrong(why) => (why, true),
            };
            said.push(Said::Gap(Gap { packet, missing: None, why, is_bad_input }));
        }
        said.extend(end);
        said
    }

    /// Whether it is Gotalk, if that is to be decided and can be: then it is shown from now on.
    fn decide(
        &mut self,
        is_over: bool,
        text: &mut Vec<u8>,
        rules: &mut Rules,
    ) -> io::Result<Option<bool>> {
        let State::Undecided { kept, len } = &mut self.state else { return Ok(None) };
        let is_known = is_over || *len > MOST_UNDECIDED;
        let Some(is_gotalk) =
            is_gotalk([self.client, self.server], &self.sides, is_known, rules.port)
        else {
            return Ok(None);
        };
        if !is_gotalk {
            self.state = State::Over;
            return Ok(Some(false));
        }
        let kept = mem::take(kept);
        rules.shown += 1;
        let handshake = match self.parties.start_seen {
            true => Handshake::Expected,
            false => Handshake::IfThere,
        };
        let look = Look { connection: Some(rules.shown), ..rules.look };
        let mut timed = Box::new(Timed::new(look, handshake));
        for (side, time, said) in kept {
            show(&mut timed, text, side, time, said)?;
        }
        self.state = State::Shown { number: rules.shown, timed };
        Ok(Some(true))
    }
}

/// By a port that is given; else one side must begin with version 1, and the other with what
/// can be a version, or say nothing. None: it does not show yet.
fn is_gotalk(
    ends: [SocketAddr; 2],
    sides: &[Lane; 2],
    is_known: bool,
    port: Option<u16>,
) -> Option<bool> {
    if let Some(port) = port {
        return Some(ends.iter().any(|end| end.port() == port));
    }
    let beginnings = [0, 1].map(|side| sides[side].beginning.as_slice());
    if !beginnings.iter().all(|beginning| beginning.iter().all(u8::is_ascii_hexdigit)) {
        return Some(false);
    }
    let is_complete = |lane: &Lane| lane.beginning.len() == 2 || lane.has_ended || is_known;
    if !sides.iter().all(is_complete) {
        return None;
    }
    Some(beginnings.contains(&b"01".as_slice()) && beginnings.iter().all(|it| it.len() != 1))
}

fn show(
    timed: &mut Timed,
    text: &mut Vec<u8>,
    side: Side,
    time: Duration,
    said: Said,
) -> io::Result<()> {
    match said {
        Said::Bytes(bytes) => timed.take(text, side, time, &bytes),
        Said::End => timed.take(text, side, time, &[]),
        Said::Gap(gap) => timed.gap(text, side, &gap),
    }
}

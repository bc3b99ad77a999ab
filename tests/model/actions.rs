//! What to do next: chosen at random, or by the bytes of a fuzzer.
//!
//! The choice looks at the model, so that most of what is done means something: answers to
//! requests that wait, results for requests in flight, times at which something is due. The
//! rest is what must do no harm: handles that are over, ids that nobody has, a writer without
//! room.

use std::fmt;

use gotalk::Settings;

use super::super::support::generate::Rng;
use super::super::support::oracle::{self, Header};
use super::Body;
use super::pair::{Pair, Space};
use super::reader::{MAX_NAME, MAX_PAYLOAD};
use super::state::Phase;

/// Where choices come from.
pub trait Source {
    /// A number below `end`, which is 1 to 256.
    fn below(&mut self, end: usize) -> usize;

    /// Whether nothing is left to choose from.
    fn is_used_up(&self) -> bool {
        false
    }

    fn one_in(&mut self, n: usize) -> bool {
        // Where nothing is left to choose from, the usual thing.
        self.below(n) == n - 1
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    fn number(&mut self) -> u32 {
        u32::from_be_bytes([(); 4].map(|()| self.below(256) as u8))
    }
}

impl Source for Rng {
    fn below(&mut self, end: usize) -> usize {
        Rng::below(self, end)
    }
}

/// A byte for each choice, and zeros when they are used up.
pub struct Bytes<'a>(pub &'a [u8]);

impl Source for Bytes<'_> {
    fn below(&mut self, end: usize) -> usize {
        let (byte, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        usize::from(*byte) % end
    }

    fn is_used_up(&self) -> bool {
        self.0.is_empty()
    }
}

/// Bytes that show as text, and the first of them only.
#[derive(Clone, PartialEq, Eq)]
pub struct Text(pub Vec<u8>);

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dots = if self.0.len() > 60 { "..." } else { "" };
        write!(f, "{}{dots}", self.0[..self.0.len().min(60)].escape_ascii())
    }
}

/// One thing that happens. Requests are given by their number; where there is none with it,
/// the handle is of another session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    Request {
        op: Text,
        is_stream: bool,
        body: Body,
    },
    RequestPart {
        request: usize,
        body: Body,
    },
    RequestEnd {
        request: usize,
    },
    Forget {
        request: usize,
    },
    Notify {
        name: Text,
        body: Body,
    },
    Respond {
        request: usize,
        kind: u8,
        wait: u32,
        body: Body,
    },
    RespondEnd {
        request: usize,
    },
    Poll,
    /// Polls until nothing is due.
    Settle,
    /// Waits as long as the session says.
    Wait,
    Pass {
        ms: u64,
    },
    /// These bytes come, in pieces of this length.
    Come {
        bytes: Text,
        piece: usize,
    },
    /// So many of the things that the reader has found are received.
    Receive {
        count: usize,
    },
    InputEnds,
    Disconnected,
    Drain,
    Close {
        code: u32,
    },
    /// The application writes a protocol error by itself.
    WriteError,
    Reset,
    SetLoad {
        load: u16,
    },
    SetClock {
        unix_s: u32,
    },
    Copy,
    /// Tries the last handles that are over on everything.
    TryOld,
}

pub fn settings(source: &mut impl Source) -> Settings {
    let no_time = source.one_in(4);
    let mut interval = |usual: &[u32]| match source.below(8) {
        _ if no_time => None,
        0..=2 => None,
        3 => Some(source.pick(&[0, 1, 2, 7, 1 << 30, (1 << 31) - 1, 1 << 31, u32::MAX])),
        _ => Some(source.pick(usual)),
    };
    Settings {
        heartbeat_ms: interval(&[20, 50, 1_000, 20_000]),
        silence_ms: interval(&[30, 100, 30_000]),
        answer_ms: interval(&[10, 40, 100, 5_000]),
        retry_after_ms: source.pick(&[Some(500), None, Some(0), Some(1), Some(u32::MAX)]),
        streams: source.pick(&[u16::MAX, 1, 0, 2, 3]),
        stream_requests: !source.one_in(8),
    }
}

/// Where the clock stands at first: anywhere, or just before it wraps, or half way.
pub fn start(source: &mut impl Source) -> u64 {
    let near = source.below(100) as u64;
    match source.below(4) {
        0 => near,
        1 => (1 << 32) - near,
        2 => (1 << 31) - near,
        _ => source.number().into(),
    }
}

pub fn space(source: &mut impl Source) -> Space {
    match source.below(8) {
        0..=3 => Space::Ample,
        4..=5 => Space::Climbing,
        6 => Space::Only(source.below(40)),
        _ => Space::Only(0),
    }
}

fn bytes(source: &mut impl Source) -> Vec<u8> {
    let len = source.pick(&[3, 0, 1, 8, 3, 2, MAX_PAYLOAD, MAX_PAYLOAD + 1, 40]);
    let first = source.below(256) as u8;
    (0..len).map(|i| first.wrapping_add(i as u8)).collect()
}

fn body(source: &mut impl Source) -> Body {
    match source.below(8) {
        0..=3 => Body::Bytes(bytes(source)),
        4 | 5 => Body::Text("text of some bytes"[..source.below(19)].into()),
        6 => Body::Announced(source.pick(&[1, 0, 5, 70_000, u32::MAX])),
        _ if source.one_in(2) => Body::Broken,
        _ => Body::Bytes(b"{}".into()),
    }
}

/// A name for the peer's reader, and ours.
fn name(source: &mut impl Source, least: usize) -> Vec<u8> {
    let len = match source.below(32) {
        0..=23 => 4,
        24 | 25 => MAX_NAME,
        26..=29 => MAX_NAME + 1,
        30 => least,
        _ => source.pick(&[4094, 4095, 4096, 0]),
    };
    let byte = source.pick(b"ab\xff");
    vec![byte; len]
}

/// A request of ours: mostly one in flight, and the newest of them.
fn ours<const OUT: usize, const IN: usize>(
    source: &mut impl Source,
    pair: &Pair<OUT, IN>,
) -> usize {
    let in_flight: Vec<usize> = pair.model.ours.keys().rev().copied().collect();
    one(source, &in_flight, pair.model.made)
}

fn theirs<const OUT: usize, const IN: usize>(
    source: &mut impl Source,
    pair: &Pair<OUT, IN>,
) -> usize {
    let owed: Vec<usize> = pair.model.theirs.keys().rev().copied().collect();
    one(source, &owed, pair.model.taken)
}

fn one(source: &mut impl Source, alive: &[usize], all: usize) -> usize {
    match source.below(8) {
        0..=5 if !alive.is_empty() => source.pick(alive),
        // Any that there ever was, the newest most of all, or none.
        6 => source.below((all + 1).min(256)),
        _ => all.saturating_sub(1 + source.below(4)),
    }
}

/// Ids that the peer chooses.
const PEER_IDS: [[u8; 4]; 5] = [*b"aaaa", *b"0000", [0; 4], [0xff; 4], *b"0001"];

/// The id of a part: mostly of an open stream.
fn part_id<const OUT: usize, const IN: usize>(
    source: &mut impl Source,
    pair: &Pair<OUT, IN>,
) -> [u8; 4] {
    let open = pair.model.theirs.values().filter(|theirs| theirs.more_to_come);
    let open: Vec<[u8; 4]> = open.map(|theirs| theirs.id).collect();
    if open.is_empty() || source.one_in(6) {
        return source.pick(&PEER_IDS);
    }
    source.pick(&open)
}

/// The id of a result: of a request of ours in flight, or of one that is over, or of none.
fn result_id<const OUT: usize, const IN: usize>(
    source: &mut impl Source,
    pair: &Pair<OUT, IN>,
) -> [u8; 4] {
    let mut id = *b"0000";
    if pair.model.made > 0 {
        let request = ours(source, pair);
        id = pair.our_id(request);
    }
    match source.below(12) {
        0 => source.pick(&[
            *b"zzzz",
            *b"0000",
            *b"0001",
            *b"0002",
            *b"!000",
            [0; 4],
            [0x80, 0, 0, 0],
        ]),
        1 => {
            // A neighbour, such as the next request through the same slot.
            id[3] = id[3].wrapping_add(source.pick(&[OUT as u8, 1, 0xff]));
            id
        }
        2 => {
            id[source.below(4)] ^= 1 << source.below(8);
            id
        }
        _ => id,
    }
}

/// A message of the peer's, whole.
pub fn message<const OUT: usize, const IN: usize>(
    source: &mut impl Source,
    pair: &Pair<OUT, IN>,
) -> Vec<u8> {
    let kind = source.pick(b"rrrssspppppRRSSSSEenhf");
    let mut header = Header { kind, ..Header::default() };
    let mut payload = Vec::new();
    match kind {
        b'r' | b's' => header.id = Some(source.pick(&PEER_IDS)),
        b'p' => header.id = Some(part_id(source, pair)),
        b'R' | b'S' | b'E' | b'e' => header.id = Some(result_id(source, pair)),
        _ => {}
    }
    if b"rsn".contains(&kind) {
        let mut name = name(source, 0);
        name.truncate(4095);
        header.name = Some(name);
    }
    match kind {
        b'e' => header.wait = Some(source.number()),
        b'h' => (header.load, header.time) = (Some(7), Some(source.number())),
        b'f' => header.code = Some(source.pick(&[0, 2, 3, 77])),
        _ => {}
    }
    if !b"hf".contains(&kind) {
        // The end of a stream is one part in three.
        let is_end = b"pS".contains(&kind) && source.one_in(3);
        payload = if is_end { Vec::new() } else { bytes(source) };
        header.size = Some(payload.len() as u32);
    }
    [oracle::write(&header), payload].concat()
}

/// What the peer does: messages mostly, and rarely something that is none.
fn come<const OUT: usize, const IN: usize>(
    source: &mut impl Source,
    pair: &Pair<OUT, IN>,
) -> Action {
    let mut bytes = Vec::new();
    if !pair.version_came() {
        let version: &[u8] = if source.one_in(100) { b"02" } else { b"01" };
        bytes.extend(version);
    }
    // An `f` ends everything: now and then only.
    let mut message = message(source, pair);
    if message[0] == b'f' && !source.one_in(8) {
        message = b"h00070000ffff".to_vec();
    }
    bytes.extend(message);
    if source.one_in(200) {
        bytes.extend(source.pick(&["x", "r0000g", "n00", "p"]).as_bytes());
    }
    Action::Come { bytes: Text(bytes), piece: source.pick(&[usize::MAX, usize::MAX, 1, 5, 14]) }
}

/// How long to wait: nothing, a little, or to just before, at or after what is due.
fn pass<const OUT: usize, const IN: usize>(
    source: &mut impl Source,
    pair: &Pair<OUT, IN>,
) -> Action {
    const DAY: u64 = 86_400_000;
    let to_wrap = (1 << 32) - pair.now % (1 << 32);
    let ms = match source.below(12) {
        0..=4 => match pair.model.wait_ms(pair.now) {
            Some(wait) => (wait + source.below(3) as u64).saturating_sub(1),
            None => source.below(50) as u64,
        },
        5..=7 => source.below(50) as u64,
        8 => source.below(256) as u64 * 100,
        9 => source.below(256) as u64 * (DAY / 10),
        10 => (to_wrap + source.below(3) as u64).saturating_sub(1),
        _ => 0,
    };
    Action::Pass { ms }
}

/// The next thing that happens.
pub fn action<const OUT: usize, const IN: usize>(
    source: &mut impl Source,
    pair: &Pair<OUT, IN>,
) -> Action {
    // Little is left to see after the end.
    let is_over = !pair.model.is_live() || pair.closed || pair.input_ended;
    let is_closing = matches!(pair.model.phase, Phase::Closing(_));
    match source.below(64) {
        _ if is_closing && source.one_in(3) => the_end(source),
        _ if is_over && source.one_in(3) => Action::Reset,
        0..=7 => Action::Request {
            op: Text(name(source, 1)),
            is_stream: source.one_in(2),
            body: body(source),
        },
        8..=10 => Action::RequestPart { request: ours(source, pair), body: body(source) },
        11 | 12 => Action::RequestEnd { request: ours(source, pair) },
        13 => Action::Forget { request: ours(source, pair) },
        14 => Action::Notify { name: Text(name(source, 1)), body: body(source) },
        15..=20 => Action::Respond {
            request: theirs(source, pair),
            kind: source.pick(b"RSSEe"),
            wait: source.number(),
            body: body(source),
        },
        21 | 22 => Action::RespondEnd { request: theirs(source, pair) },
        23..=26 => Action::Poll,
        27 | 28 => Action::Settle,
        29..=31 => Action::Wait,
        32..=36 => pass(source, pair),
        37..=50 if !pair.input_ended => come(source, pair),
        37..=59 => Action::Receive { count: source.pick(&[9, 9, 9, 1, 2]) },
        60 if source.one_in(2) => Action::TryOld,
        60 => Action::Copy,
        61 => Action::SetLoad { load: source.pick(&[0, 1, 0x8000, u16::MAX]) },
        62 => Action::SetClock { unix_s: source.pick(&[1_423_432_930, 0, u32::MAX]) },
        _ if source.one_in(2) => the_end(source),
        _ => Action::Receive { count: 9 },
    }
}

/// One of the ways in which a conversation ends.
fn the_end(source: &mut impl Source) -> Action {
    match source.below(8) {
        0 => Action::Disconnected,
        1 | 2 => Action::Drain,
        3 | 4 => Action::Close { code: source.pick(&[0, 1, 2, 3, 77, u32::MAX]) },
        5 => Action::Reset,
        6 => Action::InputEnds,
        _ => Action::WriteError,
    }
}

impl<const OUT: usize, const IN: usize> Pair<OUT, IN> {
    /// Does it on both.
    pub fn act(&mut self, action: &Action, space: Space) {
        match action {
            Action::Request { op, is_stream, body } => self.request(space, &op.0, *is_stream, body),
            Action::RequestPart { request, body } => {
                self.request_part(space, *request, Some(body));
            }
            Action::RequestEnd { request } => self.request_part(space, *request, None),
            Action::Forget { request } => self.forget(*request),
            Action::Notify { name, body } => self.notify(space, &name.0, body),
            Action::Respond { request, kind, wait, body } => {
                self.respond(space, *request, *kind, *wait, body);
            }
            Action::RespondEnd { request } => self.respond_end(space, *request),
            Action::Poll => drop(self.poll(space)),
            Action::Settle => drop(self.settle(space)),
            Action::Wait => self.wait(),
            Action::Pass { ms } => self.pass(*ms),
            Action::Come { bytes, piece } => self.feed(&bytes.0, *piece),
            Action::Receive { count } => {
                for _ in 0..*count {
                    if self.receive(space).is_none_or(|got| got.is_err()) {
                        break;
                    }
                }
            }
            Action::InputEnds => self.end_input(),
            Action::Disconnected => self.disconnected(),
            Action::Drain => self.drain(),
            Action::Close { code } => self.close(*code),
            Action::WriteError => self.closed = true,
            Action::Reset => self.reset(),
            Action::SetLoad { load } => self.set_load(*load),
            Action::SetClock { unix_s } => self.set_clock(*unix_s),
            Action::Copy => self.copy(),
            Action::TryOld => self.try_old(space),
        }
    }

    /// What is over stays over, whatever is asked of it. (Of what is in flight, nothing is
    /// asked.)
    fn try_old(&mut self, space: Space) {
        const MOST: usize = 12;
        let body = Body::Bytes(b"late".into());
        for request in self.model.made.saturating_sub(MOST)..=self.model.made {
            if !self.model.ours.contains_key(&request) {
                self.request_part(space, request, Some(&body));
                self.request_part(space, request, None);
                self.forget(request);
            }
        }
        for request in self.model.taken.saturating_sub(MOST)..=self.model.taken {
            if !self.model.theirs.contains_key(&request) {
                for kind in *b"RSEe" {
                    self.respond(space, request, kind, 1, &body);
                }
                self.respond_end(space, request);
            }
        }
    }
}

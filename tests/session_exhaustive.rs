//! Every sequence of a few actions from a small alphabet, through a `Session<1, 1>` and a
//! `Session<2, 2>`, against the model in `tests/model`. Each call that writes is made without
//! room first, and must change nothing then.
//!
//! Sequences have 5 actions, 6 in an optimised build, or as many as `GOTALK_DEPTH` says. By the
//! second reader an unoptimised build makes them one shorter, to be done in seconds.
//!
//! ```text
//! GOTALK_DEPTH=6 cargo test --release --test session_exhaustive -- --nocapture
//! ```

mod model;
mod support;

use std::panic::{self, AssertUnwindSafe};

use gotalk::Settings;
use model::actions::{Action, Text};
use model::pair::{Pair, Space};
use model::{Body, seen};
use support::oracle::{self, Header};

/// A request of ours, or of the peer's.
#[derive(Clone, Copy, Debug)]
enum Which {
    /// The one that was made or came last, over or not.
    Last,
    /// The first of those in flight.
    First,
}
use Which::{First, Last};

#[derive(Clone, Copy, Debug)]
enum Letter {
    Request,
    StreamRequest,
    Part(Which),
    End(Which),
    Forget(Which),
    Notify,
    /// An answer of this type: `s` stands for the end of parts.
    Answer(u8, Which),
    /// A message of the peer's that asks; parts are those of the only id that it uses.
    Asks(u8),
    AsksEnd,
    /// A name that is too long for the reader, or a part.
    AsksTooLong(u8),
    /// A result of this type: `s` stands for the end of parts.
    Result(u8, Which),
    /// The peer's last word.
    LastWord,
    /// Time passes, and all that is due is done.
    Tick,
    Poll,
    Drain,
    Close,
    Disconnected,
    Reset,
}

/// With `TICK` as the step of the clock, each of these comes after two of them or three.
const TICK: u64 = 10;
const SETTINGS: Settings = Settings {
    heartbeat_ms: Some(15),
    silence_ms: Some(30),
    answer_ms: Some(20),
    streams: u16::MAX,
    ..Settings::DEFAULT
};

/// What there is to see of our requests.
const OURS: [Letter; 13] = [
    Letter::Request,
    Letter::StreamRequest,
    Letter::Part(Last),
    Letter::End(Last),
    Letter::Forget(First),
    Letter::Result(b'R', Last),
    Letter::Result(b'S', First),
    Letter::Result(b's', Last),
    Letter::Result(b'E', First),
    Letter::Tick,
    Letter::Poll,
    Letter::Drain,
    Letter::Close,
];

/// What there is to see of the peer's.
const THEIRS: [Letter; 13] = [
    Letter::Asks(b'r'),
    Letter::Asks(b's'),
    Letter::Asks(b'p'),
    Letter::AsksEnd,
    Letter::AsksTooLong(b'r'),
    Letter::AsksTooLong(b'p'),
    Letter::Answer(b'R', Last),
    Letter::Answer(b'S', First),
    Letter::Answer(b's', Last),
    Letter::Answer(b'e', First),
    Letter::Tick,
    Letter::Drain,
    Letter::Reset,
];

/// How the two go together, and the ends.
const BOTH: [Letter; 13] = [
    Letter::Request,
    Letter::StreamRequest,
    Letter::Part(Last),
    Letter::Notify,
    Letter::Result(b'e', Last),
    Letter::Asks(b's'),
    Letter::Answer(b'E', Last),
    Letter::LastWord,
    Letter::Tick,
    Letter::Poll,
    Letter::Drain,
    Letter::Disconnected,
    Letter::Reset,
];

const PEER_ID: [u8; 4] = *b"0000";

fn depth() -> usize {
    match std::env::var("GOTALK_DEPTH") {
        Ok(depth) => depth.parse().unwrap_or_else(|_| panic!("GOTALK_DEPTH: {depth}")),
        Err(_) if cfg!(debug_assertions) => 5,
        Err(_) => 6,
    }
}

/// What has been done, and how often something was.
struct Explorer {
    alphabet: &'static [Letter],
    path: Vec<Letter>,
    done: u64,
}

impl Explorer {
    /// All sequences of up to so many more actions.
    fn explore<const OUT: usize, const IN: usize>(&mut self, pair: &Pair<OUT, IN>, depth: usize) {
        for &letter in self.alphabet {
            let mut pair = pair.clone();
            self.path.push(letter);
            self.done += 1;
            act(&mut pair, letter);
            if depth > 1 {
                self.explore(&pair, depth - 1);
            }
            self.path.pop();
        }
    }
}

fn act<const OUT: usize, const IN: usize>(pair: &mut Pair<OUT, IN>, letter: Letter) {
    let body = || Body::Bytes(b"1".into());
    let ours = |which| match which {
        Last => pair.model.made.wrapping_sub(1),
        First => pair.model.ours.keys().next().copied().unwrap_or(0),
    };
    let theirs = |which| match which {
        Last => pair.model.taken.wrapping_sub(1),
        First => pair.model.theirs.keys().next().copied().unwrap_or(0),
    };
    let action = match letter {
        Letter::Request | Letter::StreamRequest => Action::Request {
            op: Text(b"x".into()),
            is_stream: matches!(letter, Letter::StreamRequest),
            body: body(),
        },
        Letter::Part(which) => Action::RequestPart { request: ours(which), body: body() },
        Letter::End(which) => Action::RequestEnd { request: ours(which) },
        Letter::Forget(which) => Action::Forget { request: ours(which) },
        Letter::Notify => Action::Notify { name: Text(b"x".into()), body: body() },
        Letter::Answer(b's', which) => Action::RespondEnd { request: theirs(which) },
        Letter::Answer(kind, which) => {
            Action::Respond { request: theirs(which), kind, wait: 1, body: body() }
        }
        Letter::Asks(kind) => return come(pair, kind, PEER_ID, b"x", b"1"),
        Letter::AsksEnd => return come(pair, b'p', PEER_ID, b"", b""),
        Letter::AsksTooLong(b'p') => return come(pair, b'p', PEER_ID, b"", &[b'1'; 17]),
        Letter::AsksTooLong(kind) => return come(pair, kind, PEER_ID, b"a long name", b""),
        Letter::Result(kind, which) => {
            let id = pair.our_id(ours(which));
            let payload: &[u8] = if kind == b's' { b"" } else { b"1" };
            let kind = if kind == b's' { b'S' } else { kind };
            return come(pair, kind, id, b"", payload);
        }
        Letter::LastWord => return come(pair, b'f', PEER_ID, b"", b""),
        Letter::Tick => {
            pair.pass(TICK);
            Action::Settle
        }
        Letter::Poll => Action::Poll,
        Letter::Drain => Action::Drain,
        Letter::Close => Action::Close { code: 2 },
        Letter::Disconnected => Action::Disconnected,
        Letter::Reset => Action::Reset,
    };
    pair.act(&action, Space::NoneFirst);
}

/// A message of the peer's comes and is received.
fn come<const OUT: usize, const IN: usize>(
    pair: &mut Pair<OUT, IN>,
    kind: u8,
    id: [u8; 4],
    name: &[u8],
    payload: &[u8],
) {
    let header = Header {
        kind,
        id: Some(id),
        name: Some(name.into()),
        wait: Some(1),
        code: Some(0),
        size: Some(payload.len() as u32),
        ..Header::default()
    };
    let version: &[u8] = if pair.version_came() { b"" } else { b"01" };
    let payload = if kind == b'f' { b"" } else { payload };
    pair.feed(&[version, &oracle::write(&header), payload].concat(), usize::MAX);
    while pair.receive(Space::NoneFirst).is_some() {}
}

/// Near the wrap of the clock.
const START: u64 = (1 << 32) - 25;

/// Every sequence, by both readers. They must come to all that `kinds` names.
fn all<const OUT: usize, const IN: usize>(
    alphabet: &'static [Letter],
    settings: Settings,
    kinds: &[&str],
) {
    for by_events in [OUT == 1, OUT != 1] {
        let is_second = by_events != (OUT == 1);
        let depth = depth().saturating_sub(usize::from(cfg!(debug_assertions) && is_second)).max(1);
        let mut explorer = Explorer { alphabet, path: Vec::new(), done: 0 };
        let pair = Pair::<OUT, IN>::new(settings, START, by_events);
        let result = panic::catch_unwind(AssertUnwindSafe(|| explorer.explore(&pair, depth)));
        if let Err(panic) = result {
            println!("by events: {by_events}; this was done: {:?}", explorer.path);
            panic::resume_unwind(panic);
        }
        println!(
            "Session<{OUT}, {IN}>, by events: {by_events}: {} actions in sequences of {depth}",
            explorer.done
        );
    }
    let missing: Vec<_> = kinds.iter().filter(|kind| !seen().contains_key(*kind)).collect();
    assert!(depth() < 5 || missing.is_empty(), "nothing came to {missing:?}");
}

const OF_OURS: [&str; 19] = [
    "made",
    "timed out",
    "lost",
    "close",
    "nothing due",
    "result",
    "result part",
    "result end",
    "error result",
    "TooMany",
    "Over",
    "Parts",
    "Closed",
    "Write(BufferTooSmall)",
    "r",
    "s",
    "p",
    "h",
    "f",
];
const OF_THE_PEER: [&str; 12] = [
    "request",
    "stream request",
    "request part",
    "request end",
    "request too long",
    "payload",
    "Over",
    "Parts",
    "R",
    "S",
    "E",
    "e",
];
const OF_BOTH: [&str; 10] = [
    "made",
    "retry result",
    "stream request",
    "closed",
    "lost",
    "timed out",
    "close",
    "n",
    "E",
    "f",
];

#[test]
fn requests_of_ours_by_one() {
    all::<1, 1>(&OURS, SETTINGS, &OF_OURS);
}

#[test]
fn requests_of_ours_by_two() {
    all::<2, 2>(&OURS, SETTINGS, &OF_OURS);
}

#[test]
fn requests_of_the_peer_by_one() {
    all::<1, 1>(&THEIRS, SETTINGS, &OF_THE_PEER);
}

#[test]
fn requests_of_the_peer_by_two() {
    all::<2, 2>(&THEIRS, Settings { streams: 1, ..SETTINGS }, &OF_THE_PEER);
}

#[test]
fn both_by_one() {
    all::<1, 1>(&BOTH, Settings { retry_after_ms: None, ..SETTINGS }, &OF_BOTH);
}

#[test]
fn both_by_two() {
    all::<2, 2>(&BOTH, SETTINGS, &OF_BOTH);
}

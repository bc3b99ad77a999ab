//! The seeds of the fuzz target `session`, as what happens in them. A seed is choices, a byte
//! each, and what a byte means depends on all before it. So each seed stands here as a script,
//! and is checked to be that still.
//!
//! After a change of `tests/model/actions.rs`, make them again:
//!
//! ```text
//! GOTALK_SAVE=1 cargo test --release --test session_seeds
//! ```

mod model;
mod support;

use std::fs;
use std::path::{Path, PathBuf};

use gotalk::Settings;
use model::Body;
use model::actions::{self, Action, Bytes, Source};
use model::pair::{Pair, Space};
use support::generate::Rng;

/// What an action must be, and whether the writer has room for it at once.
type Step = (fn(&Action) -> bool, Room);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Room {
    Ample,
    Climbing,
    None,
}
use Room::{Ample, Climbing};

struct Seed {
    name: &'static str,
    settings: fn(&Settings) -> bool,
    /// Whether the clock is near its wrap.
    wraps: bool,
    by_events: bool,
    steps: Vec<Step>,
}

/// An action of a form.
macro_rules! action {
    ($room:expr, $($pattern:tt)+) => {
        ((|action| matches!(action, $($pattern)+)) as fn(&Action) -> bool, $room)
    };
}

/// A message of the peer's that starts and ends so, after its version or not.
macro_rules! come {
    ($start:expr, $end:expr) => {
        (
            (|action| match action {
                Action::Come { bytes, piece: 1.. } => {
                    let bytes = bytes.0.strip_prefix(b"01").unwrap_or(&bytes.0);
                    bytes.starts_with($start) && bytes.ends_with($end) && bytes.len() < 70
                }
                _ => false,
            }) as fn(&Action) -> bool,
            Ample,
        )
    };
}

/// It is received, and whatever came with it.
macro_rules! receive {
    ($room:expr) => {
        action!($room, Action::Receive { count: 9 })
    };
}

const ANY: fn(&Settings) -> bool = |settings| {
    settings.heartbeat_ms.is_none_or(|ms| ms >= 1_000)
        && settings.silence_ms.is_none_or(|ms| ms >= 1_000)
        && settings.answer_ms.is_none_or(|ms| ms >= 1_000)
        && settings.retry_after_ms == Some(500)
        && settings.streams > 1
        && settings.stream_requests
};
const SHORT_ANSWERS: fn(&Settings) -> bool = |settings| {
    settings.answer_ms == Some(40)
        && settings.silence_ms.is_none()
        && settings.heartbeat_ms.is_none()
};
const HEARTBEATS_AND_SILENCE: fn(&Settings) -> bool = |settings| {
    settings.heartbeat_ms == Some(50)
        && settings.silence_ms == Some(100)
        && settings.answer_ms.is_none()
};
const FOR_A_BROWSER: fn(&Settings) -> bool = |settings| {
    settings.retry_after_ms.is_none() && !settings.stream_requests && settings.streams == 0
};

fn seeds() -> Vec<(u8, Seed)> {
    let seed = |size, name, settings, wraps, by_events, steps| {
        (size, Seed { name, settings, wraps, by_events, steps })
    };
    vec![
        seed(
            0,
            "a-request-and-its-result",
            ANY,
            false,
            false,
            vec![
                action!(Ample, Action::Request { is_stream: false, body: Body::Bytes(_), .. }),
                action!(Ample, Action::Request { is_stream: false, body: Body::Text(_), .. }),
                come!(b"R000000000003", b""),
                receive!(Ample),
                action!(Ample, Action::TryOld),
                action!(Ample, Action::Request { body: Body::Announced(70_000), .. }),
                come!(b"S0001", b"00000000"),
                receive!(Ample),
            ],
        ),
        seed(
            2,
            "a-stream-in-pieces",
            ANY,
            false,
            true,
            vec![
                action!(Ample, Action::Request { is_stream: true, body: Body::Bytes(_), .. }),
                action!(Ample, Action::RequestPart { request: 0, body: Body::Bytes(_) }),
                action!(Ample, Action::RequestPart { request: 0, body: Body::Text(_) }),
                come!(b"S000000000003", b""),
                receive!(Ample),
                action!(Ample, Action::RequestEnd { request: 0 }),
                action!(Ample, Action::RequestPart { request: 0, .. }),
                come!(b"S0000", b"00000000"),
                receive!(Ample),
                action!(Ample, Action::RequestPart { request: 0, .. }),
            ],
        ),
        seed(
            2,
            "a-stream-of-the-peer",
            ANY,
            false,
            false,
            vec![
                come!(b"saaaa004", b""),
                come!(b"paaaa00000003", b""),
                receive!(Ample),
                action!(
                    Ample,
                    Action::Respond { request: 0, kind: b'S', body: Body::Bytes(_), .. }
                ),
                action!(Ample, Action::Respond { request: 0, kind: b'R', .. }),
                come!(b"paaaa", b"00000000"),
                receive!(Ample),
                action!(Ample, Action::RespondEnd { request: 0 }),
                action!(Ample, Action::TryOld),
            ],
        ),
        seed(
            0,
            "refusals",
            ANY,
            false,
            false,
            vec![
                come!(b"raaaa004", b""),
                come!(b"r0000004", b""),
                receive!(Climbing),
                come!(b"raaaa009", b""),
                come!(b"r0001004aaaa00000028", b""),
                receive!(Climbing),
                action!(Ample, Action::Respond { kind: b'e', body: Body::Bytes(_), .. }),
                come!(b"saaaa004", b""),
                come!(b"paaaa00000028", b""),
                receive!(Climbing),
                come!(b"paaaa00000003", b""),
                receive!(Ample),
            ],
        ),
        seed(
            4,
            "timeouts-at-the-wrap",
            SHORT_ANSWERS,
            true,
            true,
            vec![
                action!(Ample, Action::Request { is_stream: false, body: Body::Bytes(_), .. }),
                action!(Ample, Action::Pass { ms: 10..30 }),
                action!(Ample, Action::Request { is_stream: true, body: Body::Bytes(_), .. }),
                action!(Ample, Action::Wait),
                action!(Ample, Action::Pass { ms: 1..9 }),
                action!(Ample, Action::RequestPart { request: 1, body: Body::Bytes(_) }),
                action!(Ample, Action::Wait),
                action!(Ample, Action::Wait),
                come!(b"R0000", b""),
                receive!(Ample),
                action!(Ample, Action::Poll),
            ],
        ),
        seed(
            2,
            "heartbeats-then-silence",
            HEARTBEATS_AND_SILENCE,
            true,
            false,
            vec![
                action!(Ample, Action::SetClock { unix_s: 1.. }),
                action!(Ample, Action::SetLoad { load: u16::MAX }),
                action!(Ample, Action::Request { body: Body::Bytes(_), .. }),
                action!(Ample, Action::Wait),
                action!(Climbing, Action::Pass { ms: 50 }),
                action!(Room::None, Action::Poll),
                action!(Climbing, Action::Settle),
                action!(Ample, Action::TryOld),
            ],
        ),
        seed(
            2,
            "drained",
            ANY,
            false,
            false,
            vec![
                action!(Ample, Action::Request { is_stream: false, body: Body::Bytes(_), .. }),
                come!(b"raaaa004", b""),
                receive!(Ample),
                action!(Ample, Action::Drain),
                action!(Ample, Action::Request { .. }),
                come!(b"r0000004", b""),
                receive!(Climbing),
                action!(Ample, Action::Notify { body: Body::Bytes(_), .. }),
                come!(b"n004", b""),
                come!(b"h", b""),
                come!(b"E000000000028", b""),
                receive!(Ample),
                action!(Climbing, Action::Respond { kind: b'R', body: Body::Bytes(_), .. }),
                action!(Ample, Action::Poll),
            ],
        ),
        seed(
            4,
            "the-reader-fails",
            ANY,
            false,
            true,
            vec![
                action!(Ample, Action::Request { is_stream: true, .. }),
                action!(Ample, Action::Request { is_stream: false, .. }),
                come!(b"", b"r0000g"),
                receive!(Ample),
                action!(Ample, Action::Close { code: 77 }),
                action!(Climbing, Action::Poll),
                action!(Ample, Action::Settle),
                action!(Ample, Action::Reset),
                action!(Climbing, Action::Request { is_stream: true, .. }),
                action!(Ample, Action::TryOld),
                come!(b"e0002", b"00000000"),
                receive!(Ample),
                come!(b"f", b""),
                receive!(Ample),
            ],
        ),
        seed(
            6,
            "only-answers-for-a-browser",
            FOR_A_BROWSER,
            false,
            true,
            vec![
                action!(Ample, Action::Request { is_stream: true, .. }),
                action!(Ample, Action::Request { is_stream: false, .. }),
                come!(b"saaaa004", b""),
                receive!(Climbing),
                come!(b"raaaa004", b""),
                receive!(Ample),
                action!(Ample, Action::Respond { kind: b'e', body: Body::Bytes(_), .. }),
            ],
        ),
        seed(
            4,
            "wrong-payloads",
            ANY,
            false,
            false,
            vec![
                action!(Ample, Action::Request { body: Body::Broken, .. }),
                (|action| matches!(action, Action::Request { op, .. } if op.0.is_empty()), Ample),
                (|action| matches!(action, Action::Request { op, .. } if op.0.len() > 4095), Ample),
                action!(Ample, Action::Request { is_stream: true, body: Body::Bytes(_), .. }),
                action!(Ample, Action::RequestPart { request: 0, body: Body::Announced(0) }),
                action!(Ample, Action::WriteError),
                action!(Ample, Action::RequestPart { request: 0, body: Body::Bytes(_) }),
                action!(Ample, Action::Poll),
                action!(Ample, Action::InputEnds),
                action!(Ample, Action::Settle),
            ],
        ),
    ]
}

fn fits(space: Space, room: Room) -> bool {
    match room {
        Room::Ample => space == Space::Ample,
        Room::Climbing => space == Space::Climbing,
        Room::None => matches!(space, Space::Only(0..=5)),
    }
}

/// Choices of which `take` makes what is wanted.
fn find<T>(rng: &mut Rng, mut take: impl FnMut(&mut Bytes<'_>) -> Option<T>) -> (Vec<u8>, T) {
    for _ in 0..100_000_000 {
        let choices = rng.bytes(32);
        let mut source = Bytes(&choices);
        if let Some(found) = take(&mut source) {
            let used = choices.len() - source.0.len();
            return (choices[..used].to_vec(), found);
        }
    }
    panic!("no choices make this");
}

/// A source that reads a seed, or finds what it has to be.
fn follow<const OUT: usize, const IN: usize>(
    size: u8,
    seed: &Seed,
    saved: Option<&[u8]>,
) -> Vec<u8> {
    let mut rng = Rng::new(1);
    let mut made = vec![size];
    let mut rest = saved.map(|saved| &saved[1..]);
    let mut next = |take: &mut dyn FnMut(&mut Bytes<'_>) -> bool| match &mut rest {
        Some(rest) => {
            let mut source = Bytes(rest);
            assert!(take(&mut source), "{} is not what it was", seed.name);
            *rest = source.0;
        }
        None => {
            let (choices, ()) = find(&mut rng, |source| take(source).then_some(()));
            made.extend(choices);
        }
    };
    let mut settings = None;
    next(&mut |source| {
        settings = Some(actions::settings(source)).filter(seed.settings);
        settings.is_some()
    });
    let mut now = 0;
    next(&mut |source| {
        now = actions::start(source);
        seed.wraps == ((1 << 32) - 30..1 << 32).contains(&now)
    });
    next(&mut |source| source.one_in(2) == seed.by_events);
    let mut pair = Pair::<OUT, IN>::new(settings.unwrap(), now, seed.by_events);
    for (step, room) in &seed.steps {
        let mut action = None;
        next(&mut |source| {
            action = Some((actions::action(source, &pair), actions::space(source)))
                .filter(|(action, space)| step(action) && fits(*space, *room));
            action.is_some()
        });
        let (action, space) = action.unwrap();
        pair.act(&action, space);
    }
    if saved.is_some_and(|saved| saved.len() > 1) && rest.is_some_and(|rest| !rest.is_empty()) {
        panic!("{} goes on", seed.name);
    }
    made
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/session").join(name)
}

#[test]
fn the_seeds_are_what_they_were() {
    let save = std::env::var_os("GOTALK_SAVE").is_some();
    for (size, seed) in seeds() {
        let saved = if save { None } else { Some(fs::read(file(seed.name)).unwrap()) };
        let follow = match size {
            0 => follow::<1, 1>,
            2 => follow::<2, 2>,
            4 => follow::<4, 4>,
            6 => follow::<0, 3>,
            _ => follow::<3, 0>,
        };
        let made = follow(size, &seed, saved.as_deref());
        if save {
            fs::write(file(seed.name), made).unwrap();
        }
    }
}

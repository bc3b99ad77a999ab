//! Random conversations through sessions of several sizes, with all kinds of settings and
//! through both readers, against the model in `tests/model`. The default is a number that an
//! unoptimised build does in seconds; more is
//!
//! ```text
//! GOTALK_INPUTS=1000000 cargo test --release --test session_model -- --nocapture
//! ```
//!
//! `GOTALK_SEED` gives other conversations. A failure names its conversation and shows what
//! happened in it; `GOTALK_FIRST` with that number and `GOTALK_INPUTS=1` makes it again, and
//! `GOTALK_SAVE` names a file for it, in the form that the fuzz target `session` reads.

mod model;
mod support;

use std::collections::HashSet;
use std::panic;

use gotalk::{Event, Frame, Received, Session, Settings, Writer};
use model::converse::{self, Recorder};
use model::{KINDS, seen, state};
use support::generate::Rng;

fn variable(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| {
        value.parse().unwrap_or_else(|_| panic!("{name} is not a number: {value}"))
    })
}

/// One conversation.
fn one(seed: u64, number: u64, show: bool) {
    let mut rng = Rng::new(seed ^ number.wrapping_mul(0xd134_2543_de82_ef95));
    let most = rng.below(160);
    let mut recorder = Recorder { rng, bytes: Vec::new() };
    converse::run(&mut recorder, most, show);
    if let Some(file) = std::env::var_os("GOTALK_SAVE") {
        std::fs::write(file, recorder.bytes).unwrap();
    }
}

#[test]
fn sessions_do_what_the_model_does() {
    let inputs = variable("GOTALK_INPUTS", 3_000);
    assert!(inputs > 0, "GOTALK_INPUTS is 0");
    let seed = variable("GOTALK_SEED", 1);
    let first = variable("GOTALK_FIRST", 0);
    for number in first..first + inputs {
        if let Err(panic) = panic::catch_unwind(|| one(seed, number, false)) {
            println!("this was conversation {number} of seed {seed}; once more:");
            let _ = panic::catch_unwind(|| one(seed, number, true));
            panic::resume_unwind(panic);
        }
    }

    let seen = seen();
    println!("{inputs} conversations from seed {seed}; what calls came to, and what was written:");
    for kind in KINDS {
        println!("{kind:24}{:12}", seen.get(kind).copied().unwrap_or(0));
        assert!(inputs < 1000 || seen.contains_key(kind), "nothing came to {kind}");
    }
    let unknown = seen.keys().find(|kind| !KINDS.contains(kind));
    assert_eq!(unknown, None, "a kind that is not in the list");
}

/// The ids of a slot: base 36 while there is such a number, then binary, and after 2³¹ numbers
/// the first again. In the largest session they come there soonest, and in the only slot that
/// is free.
#[test]
fn ids_of_the_largest_session() {
    const OUT: usize = 65_535;
    let settings = Settings { heartbeat_ms: None, ..Settings::DEFAULT };
    let mut session = Box::new(Session::<OUT, 0>::new(settings));
    let mut buffer = [0; 64];
    let mut writer = Writer::new(&mut buffer);
    let mut requests = Vec::new();
    for _ in 0..OUT {
        writer.clear();
        requests.push(session.request(0, &mut writer, "x", b"").unwrap());
    }
    for slot in [0, 12_345, OUT - 1] {
        let mut request = requests[slot];
        assert_eq!(request.index(), slot);
        let (mut seen, mut binary) = (HashSet::new(), 0);
        for turn in 0.. {
            let id = *request.id().as_bytes();
            assert_eq!(id, state::id(OUT, slot, turn));
            if !seen.insert(id) {
                break;
            }
            binary += u32::from(!id.is_ascii());
            // The result, and once more.
            let event = Event::Frame(Frame::SingleResult { id: id.into(), payload_len: 0 });
            let result = Received::Result { request, payload: 0 };
            assert_eq!(session.receive(0, event, &mut writer), Ok(result));
            assert_eq!(session.receive(0, event, &mut writer), Ok(Received::Handled));
            writer.clear();
            request = session.request(0, &mut writer, "x", b"").unwrap();
            assert_eq!(session.receive(0, event, &mut writer), Ok(Received::Handled));
        }
        assert!(seen.len() > 32_767 && binary > 32_000, "{} ids, {binary} binary", seen.len());
    }
}

/// The model can fail: a session with other settings is found out. (Without unwinding, as in
/// WebAssembly, nothing can be found out and survive.)
#[cfg(panic = "unwind")]
#[test]
fn a_difference_is_noticed() {
    use model::Body;
    use model::actions::{Action, Text};
    use model::pair::{Pair, Space};

    let settings = Settings { answer_ms: Some(10), ..Settings::DEFAULT };
    let mut pair = Pair::<1, 1>::new(settings, 0, true);
    pair.model.settings.answer_ms = Some(11);
    let request =
        Action::Request { op: Text(b"x".into()), is_stream: false, body: Body::Bytes(Vec::new()) };
    let found = panic::catch_unwind(move || {
        pair.act(&request, Space::Ample);
        pair.act(&Action::Pass { ms: 10 }, Space::Ample);
        pair.act(&Action::Poll, Space::Ample);
    });
    assert!(found.is_err());
}

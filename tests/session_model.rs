//! Random conversations through sessions of several sizes, with all kinds of settings and
//! through both readers, against the model in `tests/model`. The default is a number that an
//! unoptimised build does in seconds; more is
//!
//! ```text
//! GOTALK_INPUTS=1000000 cargo test --release --test session_model -- --nocapture
//! ```
//!
//! `GOTALK_SEED` gives other conversations. A failure names its conversation and shows what
//! happened in it; `GOTALK_FIRST` with that number and `GOTALK_INPUTS=1` makes it again.

mod model;
mod support;

use std::panic::{self, AssertUnwindSafe};

use model::actions;
use model::pair::Pair;
use support::generate::Rng;

fn variable(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| {
        value.parse().unwrap_or_else(|_| panic!("{name} is not a number: {value}"))
    })
}

/// One conversation.
fn one(seed: u64, number: u64, show: bool) {
    let mut rng = Rng::new(seed ^ number.wrapping_mul(0xd134_2543_de82_ef95));
    match rng.below(8) {
        0 | 1 => converse::<1, 1>(&mut rng, show),
        2 | 3 => converse::<2, 2>(&mut rng, show),
        4 | 5 => converse::<4, 4>(&mut rng, show),
        6 => converse::<0, 3>(&mut rng, show),
        _ => converse::<3, 0>(&mut rng, show),
    }
}

fn converse<const OUT: usize, const IN: usize>(rng: &mut Rng, show: bool) {
    let settings = actions::settings(rng);
    let now = actions::start(rng);
    let by_events = rng.one_in(2);
    if show {
        println!("Session<{OUT}, {IN}> at {now}, by events: {by_events}, {settings:?}");
    }
    let mut pair = Pair::<OUT, IN>::new(settings, now, by_events);
    for _ in 0..rng.below(120) {
        let action = actions::action(rng, &pair);
        let space = actions::space(rng);
        if show {
            println!("at {}: {action:?}, {space:?}", pair.now);
        }
        pair.act(&action, space);
    }
}

#[test]
fn sessions_do_what_the_model_does() {
    let inputs = variable("GOTALK_INPUTS", 4_000);
    assert!(inputs > 0, "GOTALK_INPUTS is 0");
    let seed = variable("GOTALK_SEED", 1);
    let first = variable("GOTALK_FIRST", 0);
    for number in first..first + inputs {
        if let Err(panic) = panic::catch_unwind(|| one(seed, number, false)) {
            println!("this was conversation {number} of seed {seed}; once more:");
            let _ = panic::catch_unwind(AssertUnwindSafe(|| one(seed, number, true)));
            panic::resume_unwind(panic);
        }
    }
}

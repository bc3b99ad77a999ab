//! Two sessions talk over a simulated link, which splits, delays and cuts, each beside a
//! reader and a send buffer that is often full, with clocks that start anywhere, drift and
//! wrap. What each call, event and poll must give is foretold from what both programs did,
//! so that nothing is mixed up, invented, lost or done twice, and every byte is compared with
//! what the oracle writes. The default is a number of runs that an unoptimised build does in
//! seconds; the full run is
//!
//! ```text
//! GOTALK_CONVERSATIONS=1000000 cargo test --release --test session_simulation -- --nocapture
//! ```
//!
//! `GOTALK_SEED` gives other runs. A failure names the run; `GOTALK_FIRST` with that number
//! and `GOTALK_CONVERSATIONS=1` makes it again, and `GOTALK_TRACE=1` prints what happens. A
//! run has one conversation, or some with the same sessions.

mod any;
mod calls;
mod coverage;
mod due;
mod hear;
mod play;
#[path = "../support/mod.rs"]
mod support;
mod world;

use std::panic::{self, AssertUnwindSafe};

use coverage::Coverage;

fn variable(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| {
        value.parse().unwrap_or_else(|_| panic!("{name} is not a number: {value}"))
    })
}

#[test]
fn two_sessions_never_lose_mix_up_or_invent_anything() {
    let runs = variable("GOTALK_CONVERSATIONS", 3_000);
    assert!(runs > 0, "GOTALK_CONVERSATIONS is 0");
    let seed = variable("GOTALK_SEED", 1);
    let first = variable("GOTALK_FIRST", 0);
    let is_traced = variable("GOTALK_TRACE", 0) > 0;
    let mut coverage = Coverage::new();
    for number in first..first + runs {
        let run = || {
            let seed = seed ^ number.wrapping_mul(0xd134_2543_de82_ef95);
            play::play(seed, &mut coverage, is_traced);
        };
        if let Err(panic) = panic::catch_unwind(AssertUnwindSafe(run)) {
            eprintln!("this was run {number} of seed {seed}");
            panic::resume_unwind(panic);
        }
    }

    println!("{runs} runs from seed {seed}, the first is {first}");
    coverage.print();
    if runs >= 3_000 {
        assert_eq!(coverage.missing(), [""; 0], "this never happened");
    }
}

//! Many generated inputs through every way of reading, compared with the oracle. The
//! default is a number that an unoptimised build does in seconds; the full run is
//!
//! ```text
//! GOTALK_INPUTS=1000000 cargo test --release --test million -- --nocapture
//! ```
//!
//! `GOTALK_SEED` gives other inputs. A failure names the input; `GOTALK_FIRST` with
//! that number and `GOTALK_INPUTS=1` makes it again.

mod support;

use std::panic::{self, AssertUnwindSafe};

use support::drive;
use support::generate::{self, Kind, Rng};
use support::oracle::{self, End, Event, Reading};

const MAX_LEN: usize = 4096;

fn variable(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| {
        value.parse().unwrap_or_else(|_| panic!("{name} is not a number: {value}"))
    })
}

/// What became of the inputs of one kind.
#[derive(Default)]
struct Tally {
    inputs: u64,
    bytes: u64,
    with_payload: u64,
    with_name_too_long: u64,
    clean: u64,
    closed: u64,
    truncated: u64,
    bad: u64,
}

impl Tally {
    fn count(&mut self, input: &[u8], reading: &Reading) {
        let any = |test: fn(&Event) -> bool| u64::from(reading.events.iter().any(test));
        self.inputs += 1;
        self.bytes += input.len() as u64;
        self.with_payload += any(|e| matches!(e, Event::Payload { data, .. } if !data.is_empty()));
        self.with_name_too_long += any(|e| matches!(e, Event::NameTooLong { .. }));
        *match reading.end {
            End::Clean => &mut self.clean,
            End::Closed => &mut self.closed,
            End::Truncated { .. } => &mut self.truncated,
            End::Bad { .. } => &mut self.bad,
        } += 1;
    }
}

/// Whole, byte by byte, and split at random, each through every way of reading.
fn check<const P: usize, const N: usize>(rng: &mut Rng, input: &[u8], handshake: bool) -> Reading {
    let want = oracle::read(input, N, handshake);
    drive::check::<P, N>(&[input], handshake, &want);
    drive::check::<P, N>(&drive::chunks(input, 1), handshake, &want);
    let places = generate::places(rng, input.len());
    drive::check::<P, N>(&drive::split(input, &places), handshake, &want);
    want
}

fn one(seed: u64, number: u64) -> (Kind, Vec<u8>, Reading) {
    let mut rng = Rng::new(seed ^ number.wrapping_mul(0xd134_2543_de82_ef95));
    let handshake = !rng.one_in(8);
    let max_len = rng.pick(&[64, 512, MAX_LEN, MAX_LEN]);
    let (kind, input) = generate::input(&mut rng, number as usize, max_len, handshake);
    let check = match rng.below(8) {
        0 => check::<0, 0>,
        1 => check::<1, 4>,
        2 => check::<16, 8>,
        3 => check::<64, 255>,
        4 => check::<MAX_LEN, 4095>,
        _ => check::<1024, 64>,
    };
    let reading = check(&mut rng, &input, handshake);
    (kind, input, reading)
}

#[test]
fn generated_inputs_are_read_as_the_oracle_reads_them() {
    let inputs = variable("GOTALK_INPUTS", 2_000);
    assert!(inputs > 0, "GOTALK_INPUTS is 0");
    let seed = variable("GOTALK_SEED", 1);
    let first = variable("GOTALK_FIRST", 0);
    let mut tallies = [Tally::default(), Tally::default(), Tally::default()];
    for number in first..first + inputs {
        match panic::catch_unwind(AssertUnwindSafe(|| one(seed, number))) {
            Ok((kind, input, reading)) => {
                assert!(input.len() <= MAX_LEN);
                tallies[kind as usize].count(&input, &reading);
            }
            Err(panic) => {
                eprintln!("this was input {number} of seed {seed}");
                panic::resume_unwind(panic);
            }
        }
    }

    println!("{inputs} inputs from seed {seed}, each in three splits and five ways of reading");
    println!(
        "kind        inputs      bytes    payload   too long      clean     closed  truncated        bad"
    );
    for (kind, t) in [Kind::Valid, Kind::Mutated, Kind::Noise].iter().zip(&tallies) {
        println!(
            "{:8}{:10}{:11}{:11}{:11}{:11}{:11}{:11}{:11}",
            format!("{kind:?}"),
            t.inputs,
            t.bytes,
            t.with_payload,
            t.with_name_too_long,
            t.clean,
            t.closed,
            t.truncated,
            t.bad
        );
    }
    assert_eq!(tallies.iter().map(|tally| tally.inputs).sum::<u64>(), inputs);
    if inputs >= 1000 {
        for tally in &tallies {
            assert!(tally.inputs >= inputs / 3);
            assert!(tally.with_payload > tally.inputs / 3, "most inputs stop too early");
            assert!(tally.with_name_too_long > 0);
            assert!(tally.truncated > 0 && tally.closed > 0);
        }
        assert_eq!(tallies[0].bad, 0, "a valid conversation is not bad");
        assert!(tallies[1].bad > 0 && tallies[2].bad > 0);
    }
}

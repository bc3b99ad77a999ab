//! Times contenders against each other on a machine that others use too: each round
//! runs every one of them once, in an order of its own, and gives a ratio for each;
//! the medians are what counts.

use std::hint::black_box;
use std::time::Instant;

use crate::contest::{Reader, Sums, Writer};
use crate::support::conversation::{Message, Random};

/// One contender in one event: a run gives the nanoseconds that it took.
pub(crate) struct Case<'a> {
    name: &'static str,
    wire_len: usize,
    run: Box<dyn FnMut() -> f64 + 'a>,
}

/// What was measured of a case.
pub(crate) struct Measured {
    pub(crate) name: &'static str,
    /// Bytes on the wire in all.
    pub(crate) wire_len: usize,
    /// The median time of a run, in nanoseconds.
    pub(crate) nanos: f64,
    /// The median of the ratios to the first case, and their quartiles.
    pub(crate) ratio: f64,
    pub(crate) quartiles: (f64, f64),
}

pub(crate) fn whole<R: Reader>(wire: Vec<u8>, expected: Sums) -> Case<'static> {
    let wire_len = wire.len();
    let run = Box::new(move || {
        let mut input = R::prepare(&wire);
        let mut sums = Sums::default();
        let start = Instant::now();
        let read = R::whole(black_box(&mut input), &mut sums);
        let nanos = start.elapsed().as_nanos() as f64;
        assert_eq!((read, black_box(sums)), (Ok(()), expected), "{}", R::NAME);
        nanos
    });
    Case { name: R::NAME, wire_len, run }
}

pub(crate) fn pieces<R: Reader>(wire: Vec<u8>, size: usize, expected: Sums) -> Case<'static> {
    let wire_len = wire.len();
    let run = Box::new(move || {
        let wire = wire.clone();
        let mut sums = Sums::default();
        let start = Instant::now();
        let read = R::pieces(black_box(&wire), size, &mut sums);
        let nanos = start.elapsed().as_nanos() as f64;
        assert_eq!((read, black_box(sums)), (Ok(()), expected), "{}", R::NAME);
        nanos
    });
    Case { name: R::NAME, wire_len, run }
}

pub(crate) fn write<'a, W: Writer + 'a>(messages: &'a [Message], expected: Vec<u8>) -> Case<'a> {
    let wire_len = expected.len();
    let mut output = W::output(wire_len);
    let run = Box::new(move || {
        let start = Instant::now();
        W::write(black_box(messages), &mut output);
        let nanos = start.elapsed().as_nanos() as f64;
        assert!(black_box(W::written(&output)) == expected, "{}", W::NAME);
        nanos
    });
    Case { name: W::NAME, wire_len, run }
}

/// Times the cases in turns; the first is what the others are compared with.
pub(crate) fn compare(rounds: usize, mut cases: Vec<Case<'_>>) -> Vec<Measured> {
    let mut nanos = vec![Vec::with_capacity(rounds); cases.len()];
    let mut order: Vec<usize> = (0..cases.len()).collect();
    let mut random = Random(1);
    for _ in 0..rounds {
        for last in (1..order.len()).rev() {
            order.swap(last, random.below(last as u32 + 1) as usize);
        }
        for &index in &order {
            nanos[index].push((cases[index].run)());
        }
    }
    let first = nanos[0].clone();
    let measured = |(case, nanos): (Case<'_>, Vec<f64>)| {
        let ratios: Vec<f64> = nanos.iter().zip(&first).map(|(it, first)| it / first).collect();
        Measured {
            name: case.name,
            wire_len: case.wire_len,
            nanos: quantile(&nanos, 0.5),
            ratio: quantile(&ratios, 0.5),
            quartiles: (quantile(&ratios, 0.25), quantile(&ratios, 0.75)),
        }
    };
    cases.into_iter().zip(nanos).map(measured).collect()
}

fn quantile(values: &[f64], at: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[((sorted.len() - 1) as f64 * at).round() as usize]
}

//! Timing on a machine that others use too. The cases of a comparison take turns in
//! short samples, each round gives the ratios between its samples, and the medians of
//! the ratios are what counts: a slow moment hits neighbours alike.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// One thing to be timed.
pub struct Case<'a> {
    name: String,
    run: Box<dyn FnMut() + 'a>,
    repeat: u32,
    nanos: Vec<f64>,
}

impl<'a> Case<'a> {
    /// A case; what `run` gives is kept from being optimised away.
    pub fn new<T>(name: impl Into<String>, mut run: impl FnMut() -> T + 'a) -> Self {
        let run = Box::new(move || {
            black_box(run());
        });
        Self { name: name.into(), run, repeat: 1, nanos: Vec::new() }
    }

    fn sample(&mut self) -> Duration {
        let start = Instant::now();
        for _ in 0..self.repeat {
            (self.run)();
        }
        start.elapsed()
    }
}

/// What was measured of a case.
#[derive(Clone, Debug)]
pub struct Figure {
    /// The name of the case.
    pub name: String,
    /// The median time of one run, in nanoseconds.
    pub nanos: f64,
    /// The median of the ratios to the first case.
    pub ratio: f64,
    /// The quartiles of the ratios.
    pub spread: (f64, f64),
    /// The ratio of the undisturbed times, those that only a twentieth of the samples
    /// fall short of. Where another program shares a core, code that keeps the core busy
    /// suffers more than code that waits for its own results, in the same moment too.
    pub undisturbed: f64,
}

/// How long to measure.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Rounds of samples; 0 to run everything once and measure nothing.
    pub rounds: u32,
    /// The length of a sample.
    pub sample: Duration,
}

impl Effort {
    /// What takes long enough to be steady.
    pub const FULL: Self = Self { rounds: 401, sample: Duration::from_micros(600) };
    /// Everything once.
    pub const TEST: Self = Self { rounds: 0, sample: Duration::ZERO };
}

/// Times the cases against the first of them.
pub fn compare(effort: Effort, mut cases: Vec<Case<'_>>) -> Vec<Figure> {
    for case in &mut cases {
        calibrate(case, effort.sample);
    }
    for round in 0..effort.rounds.max(1) as usize {
        // Each case leads in its turn, so that none always follows the same one.
        for turn in 0..cases.len() {
            let index = (round + turn) % cases.len();
            let case = &mut cases[index];
            let nanos = case.sample().as_nanos() as f64 / f64::from(case.repeat);
            case.nanos.push(nanos.max(0.001));
        }
    }
    let limit = cases[0].nanos.clone();
    cases
        .into_iter()
        .map(|case| {
            let ratios: Vec<f64> = case.nanos.iter().zip(&limit).map(|(a, b)| a / b).collect();
            let spread = (quantile(&ratios, 0.25), quantile(&ratios, 0.75));
            let (nanos, ratio) = (quantile(&case.nanos, 0.5), quantile(&ratios, 0.5));
            let undisturbed = quantile(&case.nanos, 0.05) / quantile(&limit, 0.05);
            Figure { name: case.name, nanos, ratio, spread, undisturbed }
        })
        .collect()
}

/// Finds how many runs fill a sample; the first runs warm up.
fn calibrate(case: &mut Case<'_>, target: Duration) {
    loop {
        let took = case.sample();
        if took >= target {
            break;
        }
        let factor = target.as_secs_f64() / took.as_secs_f64().max(1e-9);
        case.repeat = (f64::from(case.repeat) * factor.clamp(1.2, 100.0)).ceil() as u32;
    }
}

fn quantile(values: &[f64], at: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[((sorted.len() - 1) as f64 * at).round() as usize]
}

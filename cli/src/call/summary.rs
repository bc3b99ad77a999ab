//! What came of many requests, in words and in JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::{ERROR_RESULT, RETRY_RESULT};
use crate::codes::NO_ANSWER;
use crate::json::Object;
use crate::text::Excerpt;
use crate::wire::End;

/// How many reasons are told apart. What a peer does can make no more of them.
const REASONS: usize = 10;
/// The longest bar of the histogram.
const BAR: u64 = 40;
/// Longer latencies count as this one, in nanoseconds.
const HOUR: u64 = 3_600_000_000_000;

/// What came for a request.
#[derive(Clone, Copy)]
pub(super) enum Reply {
    Result,
    Error,
    Retry,
}

pub(super) struct Seen {
    pub(super) wanted: u64,
    /// The requests that are still to be made.
    pub(super) left: u64,
    results: u64,
    errors: u64,
    retries: u64,
    failures: u64,
    reasons: BTreeMap<String, u64>,
    /// What the first error or retry result said.
    pub(super) first_refusal: Option<Excerpt>,
    start: Instant,
    /// When the latest request came to its end.
    last: Instant,
    /// Of all replies, in nanoseconds.
    latency: Histogram<u64>,
}

impl Seen {
    pub(super) fn new(wanted: u64) -> Self {
        let start = Instant::now();
        #[allow(clippy::expect_used)] // it depends on nothing but these numbers
        let latency = Histogram::new_with_bounds(1, HOUR, 3).expect("bounds that can be");
        Self {
            wanted,
            left: wanted,
            results: 0,
            errors: 0,
            retries: 0,
            failures: 0,
            reasons: BTreeMap::new(),
            first_refusal: None,
            start,
            last: start,
            latency,
        }
    }

    pub(super) fn replied(&mut self, reply: Reply, now: Instant, latency: Duration) {
        match reply {
            Reply::Result => self.results += 1,
            Reply::Error => self.errors += 1,
            Reply::Retry => self.retries += 1,
        }
        self.last = now;
        self.latency.saturating_record(u64::try_from(latency.as_nanos()).unwrap_or(HOUR));
    }

    /// So many requests have failed, because of this. If it is none, the connection has ended
    /// before there was one, which is worth telling too.
    pub(super) fn lost(&mut self, requests: u64, end: &End) {
        self.failures += requests;
        self.last = Instant::now();
        let mut reason = end.to_string();
        if self.reasons.len() >= REASONS && !self.reasons.contains_key(&reason) {
            reason = "other reasons".to_owned();
        }
        *self.reasons.entry(reason).or_default() += requests;
    }

    /// How many requests have come to their end.
    pub(super) fn ended(&self) -> u64 {
        self.results + self.errors + self.retries + self.failures
    }

    pub(super) fn code(&self) -> u8 {
        match self {
            _ if self.failures > 0 || self.ended() < self.wanted => NO_ANSWER,
            _ if self.retries > 0 => RETRY_RESULT,
            _ if self.errors > 0 => ERROR_RESULT,
            _ => 0,
        }
    }

    fn per_second(&self) -> f64 {
        match (self.last - self.start).as_secs_f64() {
            0.0 => 0.0,
            seconds => self.latency.len() as f64 / seconds,
        }
    }

    /// The latencies that are told: a name for people, a key for programs, nanoseconds.
    fn latencies(&self) -> [(&'static str, &'static str, f64); 7] {
        let at = |quantile| self.latency.value_at_quantile(quantile) as f64;
        [
            ("minimum", "min", self.latency.min() as f64),
            ("mean", "mean", self.latency.mean()),
            ("50 %", "p50", at(0.5)),
            ("90 %", "p90", at(0.9)),
            ("99 %", "p99", at(0.99)),
            ("99.9 %", "p99_9", at(0.999)),
            ("maximum", "max", self.latency.max() as f64),
        ]
    }

    /// How many latencies there are in each range, in nanoseconds: above the first number,
    /// up to the second.
    fn ranges(&self) -> Vec<(u64, u64, u64)> {
        let mut ranges: Vec<(u64, u64, u64)> = Vec::new();
        let mut bounds = (0..).flat_map(|power| [1, 2, 5].map(|digit| digit * 10_u64.pow(power)));
        let (mut from, mut to) = (0, 1);
        for recorded in self.latency.iter_recorded() {
            while recorded.value_iterated_to() > to {
                from = to;
                to = bounds.next().unwrap_or(u64::MAX);
                if !ranges.is_empty() {
                    ranges.push((from, to, 0));
                }
            }
            if ranges.is_empty() {
                ranges.push((from, to, 0));
            }
            if let Some((_, _, count)) = ranges.last_mut() {
                *count += recorded.count_at_value();
            }
        }
        ranges
    }

    pub(super) fn text(&self, connections: u16, concurrency: u16) -> String {
        let mut text = String::new();
        let ended = self.ended();
        let of = if ended < self.wanted { format!(" of {}", self.wanted) } else { String::new() };
        line(&mut text, "requests", format!("{ended:>12}{of}"));
        line(&mut text, "  results", format!("{:>12}", self.results));
        line(&mut text, "  error results", format!("{:>12}", self.errors));
        line(&mut text, "  retry results", format!("{:>12}", self.retries));
        line(&mut text, "  failures", format!("{:>12}", self.failures));
        for (reason, count) in &self.reasons {
            line(&mut text, "", format!("{count:>12}  {reason}"));
        }
        if let Some(refusal) = &self.first_refusal {
            line(&mut text, "first refusal", format!("  {refusal}"));
        }
        line(
            &mut text,
            "connections",
            format!("{connections:>12}, with {concurrency} in flight on each"),
        );
        let elapsed = self.last - self.start;
        line(&mut text, "elapsed", format!("{:>12}", time(elapsed.as_nanos() as f64)));
        line(&mut text, "rate", format!("{:>12.0} requests/s", self.per_second()));
        if self.latency.is_empty() {
            return text;
        }
        let _ = writeln!(text, "latency");
        for (name, _, nanoseconds) in self.latencies() {
            line(&mut text, &format!("  {name}"), format!("{:>12}", time(nanoseconds)));
        }
        let ranges = self.ranges();
        let most = ranges.iter().map(|range| range.2).max().unwrap_or(1);
        let _ = writeln!(text, "replies up to");
        for (_, to, count) in ranges {
            let bar = "#".repeat((count * BAR).div_ceil(most) as usize);
            let space = if count > 0 { "  " } else { "" };
            let _ = writeln!(text, "{:>16} {count:>12}{space}{bar}", time(to as f64));
        }
        text
    }

    pub(super) fn json(&self, connections: u16, concurrency: u16) -> Object {
        let mut object = Object::new("summary");
        object.set("wanted", self.wanted);
        object.set("requests", self.ended());
        object.set("results", self.results);
        object.set("error_results", self.errors);
        object.set("retry_results", self.retries);
        object.set("failures", self.failures);
        let mut reasons = Object::default();
        for (reason, count) in &self.reasons {
            reasons.set(reason, *count);
        }
        object.object("reasons", reasons);
        if let Some(refusal) = &self.first_refusal {
            let mut inner = Object::default();
            inner.set("size", refusal.size());
            inner.payload(&refusal.preview(), refusal.is_cut());
            object.object("first_refusal", inner);
        }
        object.set("connections", connections);
        object.set("concurrency", concurrency);
        object.set("elapsed_us", (self.last - self.start).as_micros() as u64);
        object.set("requests_per_s", self.per_second());
        let mut latency = Object::default();
        for (_, key, nanoseconds) in self.latencies() {
            latency.set(key, nanoseconds / 1000.0);
        }
        object.object("latency_us", latency);
        let ranges = self.ranges().into_iter().map(|(from, to, count)| {
            let [from, to] = [from, to].map(|bound| bound as f64 / 1000.0);
            serde_json::json!({ "above_us": from, "to_us": to, "count": count })
        });
        object.set("histogram", ranges.collect::<Vec<_>>());
        object
    }
}

fn line(text: &mut String, name: &str, value: String) {
    let _ = writeln!(text, "{name:<17}{value}");
}

/// A time for people, from nanoseconds.
fn time(nanoseconds: f64) -> String {
    let (unit, value) = match nanoseconds {
        ..1e3 => return format!("{nanoseconds:.0} ns"),
        ..1e6 => ("µs", nanoseconds / 1e3),
        ..1e9 => ("ms", nanoseconds / 1e6),
        _ => ("s", nanoseconds / 1e9),
    };
    let digits = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
    format!("{value:.digits$} {unit}")
}

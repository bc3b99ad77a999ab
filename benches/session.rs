//! What a session costs beside the codec, by criterion: `cargo bench --bench session`.
//!
//! Each group has the codec alone with the same messages; what counts is the ratio. For
//! ratios that can be relied on where other programs run too, see `ratios.rs`.

use std::time::Duration;

use criterion::{Criterion, Throughput};

#[path = "support/exchange.rs"]
mod exchange;

use exchange::{Alone, EIGHT, PAYLOAD, Pair, ParserAlone, ParserPair};

fn main() {
    exchange::check();
    let mut criterion = Criterion::default()
        .sample_size(50)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(1500))
        .configure_from_args();
    for group in [by_assembler, by_parser, in_flight, notification] {
        group(&mut criterion);
    }
    criterion.final_summary();
}

/// Exchanges, of which each gives the length of the payload that came back.
fn bench(c: &mut Criterion, group: &str, name: &str, mut exchange: impl FnMut() -> usize) {
    assert_eq!(exchange(), PAYLOAD.len(), "{group}, {name}");
    let mut group = c.benchmark_group(group);
    group.throughput(Throughput::Elements(1));
    group.bench_function(name, |bencher| bencher.iter(&mut exchange));
}

fn by_assembler(c: &mut Criterion) {
    let (mut alone, mut pair) = (Alone::new(), Pair::<EIGHT>::new());
    bench(c, "request and result", "codec", || alone.exchange());
    bench(c, "request and result", "session", || pair.exchange());
}

fn by_parser(c: &mut Criterion) {
    let (mut alone, mut pair) = (ParserAlone::new(), ParserPair::new());
    bench(c, "request and result by parsers", "codec", || alone.exchange());
    bench(c, "request and result by parsers", "session", || pair.exchange());
}

/// The cost must not depend on how many requests are in flight, but for the memory that is
/// touched.
fn in_flight(c: &mut Criterion) {
    fn of<const N: usize>(c: &mut Criterion) {
        let mut pair = Pair::<N>::full();
        bench(c, "requests in flight", &N.to_string(), || pair.turn());
    }
    of::<1>(c);
    of::<64>(c);
    of::<4_096>(c);
    of::<65_535>(c);
}

fn notification(c: &mut Criterion) {
    let (mut alone, mut pair) = (Alone::new(), Pair::<EIGHT>::new());
    bench(c, "notification", "codec", || alone.notify());
    bench(c, "notification", "session", || pair.notify());
}

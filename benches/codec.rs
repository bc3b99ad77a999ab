//! The codec and its limits side by side, by criterion: `cargo bench --bench codec`.
//!
//! The throughput is in messages, with `THROUGHPUT=bytes` in the environment in bytes.
//! For ratios that can be relied on where other programs run too, see `ratios.rs`.

use std::hint::black_box;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput};

#[path = "support/subject.rs"]
mod subject;
#[path = "support/mod.rs"]
mod support;

use support::conversation::{Conversation, LETTERS, MIXED, Message};
use support::two_slices::Finished;
use support::{Sums, counter, walk};

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(50)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(1500))
        .configure_from_args();
    for group in [mixed, pieces, payloads, types, write, digits] {
        group(&mut criterion);
    }
    criterion.final_summary();
}

fn throughput(messages: usize, bytes: usize) -> Throughput {
    match std::env::var("THROUGHPUT").as_deref() {
        Ok("bytes") => Throughput::BytesDecimal(bytes as u64),
        _ => Throughput::Elements(messages as u64),
    }
}

/// A group of readers of one conversation.
struct Readers<'a> {
    group: BenchmarkGroup<'a, WallTime>,
    conversation: Conversation,
}

impl<'a> Readers<'a> {
    fn new(c: &'a mut Criterion, name: impl Into<String>, conversation: Conversation) -> Self {
        let mut group = c.benchmark_group(name);
        group.throughput(throughput(conversation.messages.len(), conversation.wire.len()));
        Self { group, conversation }
    }

    fn bench(&mut self, name: &str, read: impl Fn(&[u8]) -> Sums) {
        let Conversation { wire, sums, .. } = &self.conversation;
        assert_eq!(read(wire), *sums, "{name}");
        self.group.bench_function(name, |bencher| bencher.iter(|| read(black_box(wire))));
    }
}

fn mixed(c: &mut Criterion) {
    let mut readers = Readers::new(c, "mixed", Conversation::mixed(MIXED));
    readers.bench("walk", walk::walk);
    readers.bench("walk by match", walk::by_match);
    readers.bench("walk by table", walk::by_table);
    readers.bench("parser", subject::parse);
    readers.bench("assembler", |wire| subject::assemble::<64>(wire, usize::MAX));
}

fn pieces(c: &mut Criterion) {
    for len in [1, 7, 64, 536, 1460] {
        let name = format!("pieces of {len}");
        let mut readers = Readers::new(c, name, Conversation::mixed(MIXED));
        let wire = readers.conversation.wire.clone();
        assert_eq!(counter::count(&wire, len), wire.len() as u64);
        readers.group.bench_function("counting reader", |bencher| {
            bencher.iter(|| counter::count(black_box(&wire), len));
        });
        readers.bench("parser", |wire| subject::parse_pieces::<64>(wire, len));
        readers.bench("assembler", |wire| subject::assemble::<64>(wire, len));
    }
}

fn payloads(c: &mut Criterion) {
    for len in [0, 25, 256, 4096] {
        let many = Conversation::of(&Message::sample(b'r', 4, len), 200);
        let mut readers = Readers::new(c, format!("payload of {len}"), many);
        readers.bench("walk", walk::walk);
        readers.bench("parser", subject::parse);
        readers.bench("assembler", |wire| subject::assemble::<4096>(wire, usize::MAX));
    }
}

fn types(c: &mut Criterion) {
    for letter in LETTERS {
        let many = Conversation::many(letter);
        let mut readers = Readers::new(c, format!("type {}", char::from(letter)), many);
        readers.bench("walk", walk::walk);
        readers.bench("parser", subject::parse);
        readers.bench("assembler", |wire| subject::assemble::<64>(wire, usize::MAX));
    }
}

/// A group of writers of one conversation.
fn writers(c: &mut Criterion, name: &str, conversation: &Conversation) {
    let Conversation { messages, wire, .. } = conversation;
    let want = &wire[2..];
    let mut group = c.benchmark_group(name);
    group.throughput(throughput(messages.len(), want.len()));
    let mut buffer = vec![0; want.len()];
    let mut bench = |name, write: &dyn Fn(&mut [u8]) -> usize| {
        buffer.fill(0);
        assert_eq!(write(&mut buffer), want.len(), "{name}");
        assert!(buffer == want, "{name}");
        group.bench_function(name, |bencher| bencher.iter(|| write(black_box(&mut buffer))));
    };
    let finished = Finished::new(messages);
    let frames = subject::frames(messages);
    bench("two slices", &|buffer| finished.copy(buffer).expect("room"));
    bench("by method", &|buffer| subject::write_all(black_box(messages), buffer));
    bench("message()", &|buffer| subject::write_frames(black_box(&frames), buffer));
}

fn write(c: &mut Criterion) {
    writers(c, "write mixed", &Conversation::mixed(MIXED));
    for letter in LETTERS {
        let name = format!("write type {}", char::from(letter));
        writers(c, &name, &Conversation::many(letter));
    }
}

/// Digits both ways: heartbeats and protocol errors are nothing else but their type.
/// Nothing may follow a protocol error, hence a parser or a writer for each.
fn digits(c: &mut Criterion) {
    let beats = Conversation::many(b'h');
    let last = Conversation::of(&Message::sample(b'f', 0, 0), 1);
    for (name, conversation) in
        [("12 digits of a heartbeat", beats), ("8 digits of a protocol error", last)]
    {
        writers(c, &format!("write {name}"), &conversation);
        let mut readers = Readers::new(c, format!("read {name}"), conversation);
        readers.bench("walk", walk::walk);
        readers.bench("parser", subject::parse);
    }
}

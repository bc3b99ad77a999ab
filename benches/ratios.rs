//! The figures of FIGURES.md: what the codec takes, and its ratio to what cannot be
//! avoided. `cargo bench --bench ratios` prints all tables, `-- NAME...` those named.
//!
//! `-- --test` runs everything once, with all checks and without figures.
//! `-- --case NAME TIMES` runs one case alone, for a profiler to look at.

use std::hint::black_box;

#[path = "support/exchange.rs"]
mod exchange;
#[path = "support/subject.rs"]
mod subject;
#[path = "support/mod.rs"]
mod support;

use exchange::{Alone, EIGHT, Pair, ParserAlone, ParserPair};
use support::conversation::{Conversation, LETTERS, MIXED, Message};
use support::timing::{Case, Effort, Figure, compare};
use support::two_slices::Finished;
use support::{Sums, counter, walk};

const WHOLE: usize = usize::MAX;

type Table = (&'static str, fn(Effort));

const TABLES: [Table; 10] = [
    ("whole", whole),
    ("pieces", pieces),
    ("bytes", bytes),
    ("payloads", payloads),
    ("types", types),
    ("write", write),
    ("digits", digits),
    ("growth", growth),
    ("names", names),
    ("session", session),
];

fn main() {
    // Cargo adds `--bench`.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    if let ["--case", name, times] = words[..] {
        return run_alone(name, times.parse().expect("a number"));
    }
    let test = words.contains(&"--test");
    let chosen: Vec<&str> = words.into_iter().filter(|word| !word.starts_with('-')).collect();
    for name in &chosen {
        assert!(TABLES.iter().any(|table| table.0 == *name), "no table {name}");
    }
    for (name, table) in TABLES {
        if chosen.is_empty() || chosen.contains(&name) {
            table(if test { Effort::TEST } else { Effort::FULL });
        }
    }
}

/// A reader as a case, once it has arrived at the right sums.
fn reader<'a>(
    name: &str,
    conversation: &'a Conversation,
    read: impl Fn(&[u8]) -> Sums + 'a,
) -> Case<'a> {
    assert_eq!(read(&conversation.wire), conversation.sums, "{name}");
    Case::new(name, move || read(black_box(&conversation.wire)))
}

/// The walk, the parser and the assembler, the whole input at once.
fn readers<const P: usize>(conversation: &Conversation) -> Vec<Case<'_>> {
    vec![
        reader("walk", conversation, walk::walk),
        reader("parser", conversation, subject::parse),
        reader("assembler", conversation, |wire| subject::assemble::<P>(wire, WHOLE)),
    ]
}

/// A writer with a buffer of its own as a case, once it has written the right bytes.
fn writer<'a>(name: &str, want: &'a [u8], write: impl Fn(&mut [u8]) -> usize + 'a) -> Case<'a> {
    let mut buffer = vec![0; want.len()];
    assert_eq!(write(&mut buffer), want.len(), "{name}");
    assert!(buffer == want, "{name}");
    Case::new(name, move || write(black_box(&mut buffer)))
}

/// Prints the cases of one comparison, one a line.
fn print_cases(effort: Effort, title: &str, messages: usize, bytes: usize, cases: Vec<Case<'_>>) {
    let figures = compare(effort, cases);
    if effort.rounds == 0 {
        return;
    }
    println!("\n{title}: {messages} messages, {bytes} bytes\n");
    let limit = &figures[0].name;
    println!("| | ns/message | Mmsg/s | MB/s | ratio to {limit} | quartiles | undisturbed |");
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: |");
    for Figure { name, nanos, ratio, spread: (low, high), undisturbed } in figures {
        let (each, rate) = (nanos / messages as f64, messages as f64 / nanos * 1e3);
        let speed = bytes as f64 / nanos * 1e3;
        print!("| {name} | {each:.2} | {rate:.1} | {speed:.0} ");
        println!("| {ratio:.2} | {low:.2} to {high:.2} | {undisturbed:.2} |");
    }
}

/// Prints the cases of each comparison in one line of a table.
struct Lines {
    effort: Effort,
    title: &'static str,
    headed: bool,
}

impl Lines {
    fn new(effort: Effort, title: &'static str) -> Self {
        Self { effort, title, headed: false }
    }

    /// Times are given per `parts`, which are messages as a rule.
    fn print(&mut self, label: &str, parts: usize, cases: Vec<Case<'_>>) -> Vec<Figure> {
        let figures = compare(self.effort, cases);
        if self.effort.rounds == 0 {
            return figures;
        }
        if !self.headed {
            self.headed = true;
            println!("\n{}\n", self.title);
            print!("| | {}, ns |", figures[0].name);
            for figure in &figures[1..] {
                print!(" {}, ns | ratio | undisturbed |", figure.name);
            }
            println!("\n| --- | ---: |{}", " ---: | ---: | ---: |".repeat(figures.len() - 1));
        }
        print!("| {label} | {:.2} |", figures[0].nanos / parts as f64);
        for figure in &figures[1..] {
            let Figure { nanos, ratio, undisturbed, .. } = figure;
            print!(" {:.2} | {ratio:.2} | {undisturbed:.2} |", nanos / parts as f64);
        }
        println!();
        figures
    }
}

fn whole(effort: Effort) {
    let mixed = Conversation::mixed(MIXED);
    let mut cases = readers::<64>(&mixed);
    cases.push(reader("walk by match", &mixed, walk::by_match));
    cases.push(reader("walk by table", &mixed, walk::by_table));
    print_cases(effort, "Mixed conversation, whole", MIXED, mixed.wire.len(), cases);
}

fn pieces(effort: Effort) {
    let mixed = Conversation::mixed(MIXED);
    let length = mixed.wire.len();
    let mut parsers = vec![reader("whole", &mixed, subject::parse)];
    let mut assemblers = vec![reader("whole", &mixed, |wire| subject::assemble::<64>(wire, WHOLE))];
    for len in [1460, 536, 64, 16, 7, 1] {
        let name = format!("pieces of {len}");
        let parse = move |wire: &[u8]| subject::parse_pieces::<64>(wire, len);
        parsers.push(reader(&name, &mixed, parse));
        let assemble = move |wire: &[u8]| subject::assemble::<64>(wire, len);
        assemblers.push(reader(&name, &mixed, assemble));
    }
    parsers.push(reader("the walk, whole", &mixed, walk::walk));
    print_cases(effort, "Parser, mixed conversation in pieces", MIXED, length, parsers);
    print_cases(effort, "Assembler, mixed conversation in pieces", MIXED, length, assemblers);
}

fn bytes(effort: Effort) {
    let mixed = Conversation::mixed(MIXED);
    let length = mixed.wire.len();
    let mut lines =
        Lines::new(effort, "Mixed conversation in small pieces, nanoseconds for each byte");
    for len in [1, 2, 4, 7, 16] {
        assert_eq!(counter::count(&mixed.wire, len), length as u64);
        let cases = vec![
            Case::new("counting reader", || counter::count(black_box(&mixed.wire), len)),
            reader("parser", &mixed, |wire| subject::parse_pieces::<64>(wire, len)),
            reader("assembler", &mixed, |wire| subject::assemble::<64>(wire, len)),
        ];
        lines.print(&format!("pieces of {len}"), length, cases);
    }
}

fn payloads(effort: Effort) {
    let mut lines = Lines::new(effort, "Requests with a name of 4, by the size of their payload");
    for len in [0, 25, 64, 256, 1024, 4096] {
        let many = Conversation::of(&Message::sample(b'r', 4, len), 200);
        lines.print(&len.to_string(), 200, readers::<4096>(&many));
    }
}

fn types(effort: Effort) {
    let mut lines = Lines::new(effort, "Each type alone, names of 4 and payloads of 25");
    for letter in LETTERS {
        let many = Conversation::many(letter);
        lines.print(
            &format!("`{}`", char::from(letter)),
            many.messages.len(),
            readers::<64>(&many),
        );
    }
}

/// The limit of writing and the writer's two ways.
fn writers(conversation: &Conversation) -> Vec<Case<'_>> {
    let Conversation { messages, wire, .. } = conversation;
    let want = &wire[2..];
    let finished = Finished::new(messages);
    let frames = subject::frames(messages);
    vec![
        writer("two slices", want, move |buffer| finished.copy(buffer).expect("room")),
        writer("by method", want, |buffer| subject::write_all(black_box(messages), buffer)),
        writer("message()", want, move |buffer| subject::write_frames(black_box(&frames), buffer)),
    ]
}

fn write(effort: Effort) {
    let mixed = Conversation::mixed(MIXED);
    let finished = Finished::new(&mixed.messages);
    let want = &mixed.wire[2..];
    let mut cases = writers(&mixed);
    cases.push(writer("two slices, short ones without memcpy", want, move |buffer| {
        finished.copy_short(buffer).expect("room")
    }));
    print_cases(effort, "Writing the mixed conversation", MIXED, want.len(), cases);
    let mut lines = Lines::new(effort, "Writing each type alone, names of 4 and payloads of 25");
    for letter in LETTERS {
        let many = Conversation::many(letter);
        lines.print(&format!("`{}`", char::from(letter)), many.messages.len(), writers(&many));
    }
}

fn digits(effort: Effort) {
    let beats = Conversation::many(b'h');
    let digits = 12 * beats.messages.len();
    let mut lines = Lines::new(effort, "Reading heartbeats, nanoseconds for each of 12 digits");
    lines.print("`h`", digits, readers::<64>(&beats));
    let mut lines = Lines::new(effort, "Writing heartbeats, nanoseconds for each of 12 digits");
    lines.print("`h`", digits, writers(&beats));
}

fn growth(effort: Effort) {
    let mut lines = Lines::new(effort, "Requests, names of 4 and payloads of 25, by their number");
    for count in [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000] {
        let many = Conversation::of(&Message::sample(b'r', 4, 25), count);
        if count > 10_000 {
            // A sample of a million takes more than ten milliseconds anyway.
            lines.effort.rounds = effort.rounds.min(41);
        }
        lines.print(&count.to_string(), count, readers::<64>(&many));
    }
}

fn names(effort: Effort) {
    const COUNT: usize = 20;
    let effort = Effort { rounds: effort.rounds.min(101), ..effort };
    for (title, piece) in [
        ("Requests without a payload, by the length of their name, whole", WHOLE),
        ("The same in pieces of 7", 7),
        ("The same in single bytes", 1),
    ] {
        let mut lines = Lines::new(effort, title);
        for len in [0, 16, 64, 256, 1024, 4095] {
            let many = Conversation::of(&Message::sample(b'r', len, 0), COUNT);
            let limit = match piece {
                WHOLE => reader("walk", &many, walk::walk),
                _ => Case::new("counting reader", || counter::count(black_box(&many.wire), piece)),
            };
            let parse = |wire: &[u8]| subject::parse_pieces::<4095>(wire, piece);
            lines.print(&len.to_string(), COUNT, vec![limit, reader("parser", &many, parse)]);
        }
    }
}

/// A case of so many exchanges.
const EXCHANGES: usize = 100;

fn exchanges<'a>(name: &str, mut exchange: impl FnMut() -> usize + 'a) -> Case<'a> {
    Case::new(name, move || (0..EXCHANGES).map(|_| exchange()).sum::<usize>())
}

fn session(effort: Effort) {
    exchange::check();
    let mut lines = Lines::new(effort, "A session beside the codec alone, with the same messages");
    let mut line = |label, alone: &mut dyn FnMut() -> usize, pair: &mut dyn FnMut() -> usize| {
        let cases = vec![exchanges("codec", alone), exchanges("session", pair)];
        lines.print(label, EXCHANGES, cases);
    };
    let (mut alone, mut pair) = (Alone::new(), Pair::<EIGHT>::new());
    line("request and result", &mut || alone.exchange(), &mut || pair.exchange());
    let (mut alone, mut pair) = (ParserAlone::new(), ParserPair::new());
    line("the same by parsers", &mut || alone.exchange(), &mut || pair.exchange());
    let (mut alone, mut pair) = (Alone::new(), Pair::<EIGHT>::new());
    line("notification", &mut || alone.notify(), &mut || pair.notify());

    let (mut one, mut some) = (Pair::<1>::full(), Pair::<64>::full());
    let (mut many, mut all) = (Pair::<4_096>::full(), Pair::<65_535>::full());
    let mut lines = Lines::new(effort, "Request and result, by the number of requests in flight");
    let cases = vec![
        exchanges("1", || one.turn()),
        exchanges("64", || some.turn()),
        exchanges("4096", || many.turn()),
        exchanges("65535", || all.turn()),
    ];
    lines.print("sessions", EXCHANGES, cases);
}

/// Runs one case alone, and only it inside [`measured`].
fn run_alone(name: &str, times: u32) {
    let mixed = Conversation::mixed(MIXED);
    let Conversation { messages, wire, .. } = &mixed;
    let finished = Finished::new(messages);
    let frames = subject::frames(messages);
    let mut buffer = vec![0; wire.len()];
    // The sums come back and the buffer goes in through the black box, in every case.
    let read = |read: &dyn Fn(&[u8]) -> Sums| {
        measured(&mut || _ = black_box(read(black_box(wire))), times);
    };
    let mut write = |write: &dyn Fn(&mut [u8]) -> usize| {
        measured(&mut || _ = black_box(write(black_box(&mut buffer))), times);
    };
    match name {
        "walk" => read(&walk::walk),
        "walk-by-match" => read(&walk::by_match),
        "walk-by-table" => read(&walk::by_table),
        "parser" => read(&subject::parse),
        "assembler" => read(&|wire| subject::assemble::<64>(wire, WHOLE)),
        "parser-1460" => read(&|wire| subject::parse_pieces::<64>(wire, 1460)),
        "counter-1" => measured(&mut || assert!(counter::count(black_box(wire), 1) > 0), times),
        "parser-1" => read(&|wire| subject::parse_pieces::<64>(wire, 1)),
        "assembler-1" => read(&|wire| subject::assemble::<64>(wire, 1)),
        "two-slices" => write(&|buffer| finished.copy(buffer).expect("room")),
        "writer" => write(&|buffer| subject::write_all(messages, buffer)),
        "writer-message" => write(&|buffer| subject::write_frames(&frames, buffer)),
        "codec" => exchanged(&mut Alone::new(), Alone::exchange, times),
        "session" => exchanged(&mut Pair::<EIGHT>::new(), Pair::exchange, times),
        "codec-parser" => exchanged(&mut ParserAlone::new(), ParserAlone::exchange, times),
        "session-parser" => exchanged(&mut ParserPair::new(), ParserPair::exchange, times),
        "codec-notify" => exchanged(&mut Alone::new(), Alone::notify, times),
        "session-notify" => exchanged(&mut Pair::<EIGHT>::new(), Pair::notify, times),
        "session-1" => exchanged(&mut Pair::<1>::full(), Pair::turn, times),
        "session-64" => exchanged(&mut Pair::<64>::full(), Pair::turn, times),
        "session-4096" => exchanged(&mut Pair::<4_096>::full(), Pair::turn, times),
        "session-65535" => exchanged(&mut Pair::<65_535>::full(), Pair::turn, times),
        _ => panic!("no case {name}"),
    }
}

/// As many exchanges as the mixed conversation has messages.
fn exchanged<T>(subject: &mut T, exchange: fn(&mut T) -> usize, times: u32) {
    exchange::check();
    measured(&mut || _ = (0..MIXED).map(|_| black_box(exchange(subject))).count(), times);
}

#[inline(never)]
fn measured(case: &mut dyn FnMut(), times: u32) {
    for _ in 0..times {
        case();
    }
}

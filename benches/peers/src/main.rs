//! Measures gotalk against other ways of framing the same messages.
//!
//! `measure` checks and measures, prints the tables and keeps the figures; `plot`
//! draws the figures that were kept; `test` checks, runs everything once, and looks
//! whether the picture is that of the figures. README.md says what is compared.

mod check;
mod contest;
mod figures;
mod measure;
mod plot;
mod readers;
#[allow(unused_imports, reason = "the limits among it are for other benchmarks")]
#[path = "../../support/mod.rs"]
mod support;

use std::error::Error;
use std::process::ExitCode;

use contest::{Reader, Sums, Writer};
use figures::{EVENTS, Figure};
use measure::Case;
use readers::cobs::Cobs;
use readers::combinators::{Plain, Tuned, Winnow};
use readers::length_delimited::{LengthDelimited, OwnCodec};
use readers::mqtt::Mqtt;
use readers::ours::{Assembled, Events};
use readers::reference::{Blocking, Fresh, Reused};
use readers::resp::Resp;
use support::conversation::{Conversation, Message};
use tokio_util::codec::LengthDelimitedCodec;

const MESSAGES: usize = 10_000;
const PIECE: usize = 1460;
const ROUNDS: usize = 801;

fn main() -> ExitCode {
    let done = match std::env::args().nth(1).as_deref() {
        Some("measure") => measure(),
        Some("plot") => plot::draw(),
        Some("test") => test(),
        _ => Err("usage: gotalk-peers measure | plot | test".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn measure() -> Result<(), Box<dyn Error>> {
    let figures = contest(ROUNDS);
    let machine = figures::machine();
    println!("{machine}\n\n{}", figures::tables(&figures)?);
    figures::keep(&machine, &figures)
}

fn test() -> Result<(), Box<dyn Error>> {
    let figures = contest(1);
    plot::check()?;
    for (event, title) in EVENTS {
        let names = figures.iter().filter(|it| it.event == event).map(|it| it.name.as_str());
        println!("{title}: {}", names.collect::<Vec<_>>().join("; "));
    }
    println!("All of them agree on {MESSAGES} messages; the picture is that of the figures.");
    Ok(())
}

/// Checks everybody, and times everybody in so many rounds.
fn contest(rounds: usize) -> Vec<Figure> {
    check::same_grammar::<Assembled<4096, 4095>, Plain>();
    check::same_grammar::<Assembled<4096, 4095>, Tuned>();

    let conversation = Conversation::mixed(MESSAGES);
    let messages = conversation.messages.as_slice();
    let mut contest = Contest { messages, sums: check::sums(messages), cases: Default::default() };

    let wire = check::writer::<Events>(messages);
    assert!(wire == conversation.wire, "gotalk writes other bytes than the grammar has");
    contest.read::<Events>(&wire);
    contest.read::<Assembled<256, 64>>(&wire);
    contest.read::<Winnow<Plain>>(&wire);
    contest.read::<Winnow<Tuned>>(&wire);
    contest.read::<Blocking<Fresh>>(&wire);
    contest.read::<Blocking<Reused>>(&wire);
    contest.write::<Events>(&wire);

    let wire = check::writer::<LengthDelimited<LengthDelimitedCodec>>(messages);
    contest.read::<LengthDelimited<LengthDelimitedCodec>>(&wire);
    contest.read::<LengthDelimited<OwnCodec>>(&wire);
    contest.write::<LengthDelimited<LengthDelimitedCodec>>(&wire);
    contest.write::<LengthDelimited<OwnCodec>>(&wire);

    let wire = check::writer::<Mqtt>(messages);
    contest.read::<Mqtt>(&wire);
    contest.write::<Mqtt>(&wire);

    let wire = check::writer::<Resp>(messages);
    contest.read::<Resp>(&wire);
    contest.write::<Resp>(&wire);

    let wire = check::writer::<Cobs>(messages);
    contest.read::<Cobs>(&wire);
    contest.write::<Cobs>(&wire);

    let mut figures = Vec::new();
    for ((event, _), cases) in EVENTS.into_iter().zip(contest.cases) {
        let measured = measure::compare(rounds, cases);
        figures.extend(measured.iter().map(|it| Figure::new(event, MESSAGES, it)));
    }
    figures
}

/// The contenders of each event, in the order of [`EVENTS`].
struct Contest<'a> {
    messages: &'a [Message],
    sums: Sums,
    cases: [Vec<Case<'a>>; 3],
}

impl<'a> Contest<'a> {
    /// Checks a reader and enters it in both events for readers.
    fn read<R: Reader>(&mut self, wire: &[u8]) {
        check::reader::<R>(wire, self.messages);
        let [whole, pieces, _] = &mut self.cases;
        whole.push(measure::whole::<R>(wire.to_vec(), self.sums));
        pieces.push(measure::pieces::<R>(wire.to_vec(), PIECE, self.sums));
    }

    /// Checks a writer, which must write this wire, and enters it.
    fn write<W: Writer + 'a>(&mut self, wire: &[u8]) {
        assert!(check::writer::<W>(self.messages) == wire, "{}: other bytes", W::NAME);
        let [.., write] = &mut self.cases;
        write.push(measure::write::<W>(self.messages, wire.to_vec()));
    }
}

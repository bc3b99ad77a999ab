//! What the examples are given, and what they must make of it.
//!
//! A [`Subject`] is an example that answers each message by itself, so what it must write does
//! not depend on how its input comes in. It is worked out from what the oracle reads.

use crate::line::{Line, Manner};
use crate::support::drive::split;
use crate::support::generate::{self, Rng};
use crate::support::oracle::{self, End, Event, Header, Item, Wrong};

/// A conversation, and how many answers of each kind it must get, counted by hand.
pub struct Case {
    pub name: &'static str,
    pub input: Vec<u8>,
    results: usize,
    errors: usize,
    /// The code of the protocol error that it must get.
    refused: Option<u32>,
    /// Whether the conversation ends well.
    ends_well: bool,
}

fn case(name: &'static str, input: impl AsRef<[u8]>, results: usize, errors: usize) -> Case {
    let input = input.as_ref().to_vec();
    Case { name, input, results, errors, refused: None, ends_well: true }
}

impl Case {
    fn refused(self, code: u32) -> Self {
        Self { refused: Some(code), ends_well: false, ..self }
    }

    fn cut(self) -> Self {
        Self { ends_well: false, ..self }
    }
}

pub fn cases() -> Vec<Case> {
    let long_name = "n".repeat(65);
    let long_payload = "p".repeat(257);
    let whole_payload = "p".repeat(256);
    let many = "r0001004echo00000007\"hello\"".repeat(40);
    vec![
        case("nothing", "", 0, 0).cut(),
        case("the version", "01", 0, 0),
        case("a request", "01r0001004echo00000007\"hello\"", 1, 0),
        case(
            "three requests in one read",
            "01r0001001a00000000r0002001a00000000r0003001a00000000",
            0,
            3,
        ),
        case("more answers than a buffer holds", format!("01{many}"), 40, 0),
        case("the longest payload", format!("01r0001004echo00000100{whole_payload}"), 1, 0),
        case("an empty operation", "01r000100000000000r0002004echo00000000", 1, 1),
        case("a wrong type", "01Xr0001004echo00000000", 0, 0).refused(2),
        case("a wrong type after a request", "01r0001004echo00000000Xr0002004echo00000000", 1, 0)
            .refused(2),
        case("a wrong digit", "01r00010g4echo00000000r0002004echo00000000", 0, 0).refused(2),
        case("version 2", "02r0001004echo00000000", 0, 0).refused(1),
        case("version 0", "00r001004echo00000000", 0, 0).refused(1),
        case("a protocol error for a version", "f00000001", 0, 0).refused(1),
        case(
            "too long a name of a request",
            format!("01r0001041{long_name}00000000r0002004echo00000000"),
            1,
            1,
        ),
        case(
            "too long a name of a streamed request, then parts",
            format!("01s0001041{long_name}00000001xp000100000001yp000100000000"),
            0,
            1,
        ),
        case("too long a name of a notification", format!("01n041{long_name}00000002hi"), 0, 0),
        case(
            "too long a payload of a request",
            format!("01r0001004echo00000101{long_payload}r0002004echo00000000"),
            1,
            1,
        ),
        case(
            "too long a payload of a streamed request, then parts",
            format!(
                "01s0001004echo00000101{long_payload}p000100000001yp000100000101{long_payload}\
                 p000100000000r0002004echo00000000"
            ),
            1,
            1,
        ),
        case(
            "too long payloads of results and notifications",
            format!(
                "01R000100000101{long_payload}S000200000101{long_payload}E000300000101\
                 {long_payload}e00040000000000000101{long_payload}n003log00000101{long_payload}"
            ),
            0,
            0,
        ),
        case("a streamed request", "01s0001004echo00000002hip000100000002hop000100000000", 0, 1),
        case("results", "01R000100000002hiS000200000000E000300000000e00040000000000000000", 0, 0),
        case(
            "notifications and heartbeats",
            "01n003log00000004\"hi\"h000254d7de9ah0000ffffffff",
            0,
            0,
        ),
        case("the peer's protocol error", "01r0001004echo00000000f00000000", 1, 0),
        case(
            "requests after the peer's protocol error",
            "01r0001004echo00000000f00000003r0002004echo00000000X",
            1,
            0,
        ),
        case("cut in a header", "01r0001004ec", 0, 0).cut(),
        case("cut in a payload", "01r0001004echo00000007\"hel", 0, 0).cut(),
        case("a size and no payload", "01r0001004echoffffffffhello", 0, 1).cut(),
        case("payload that looks like messages", "01r0001004echo00000009f00000001", 1, 0),
    ]
}

/// The protocol error that a conversation with this end must get, if any.
pub fn protocol_error(end: End) -> &'static [u8] {
    match end {
        End::Bad { wrong: Wrong::Version(_), .. } => b"f00000001",
        End::Bad { .. } => b"f00000002",
        End::Clean | End::Closed | End::Truncated { .. } => b"",
    }
}

/// Reads what an example wrote: a version, whole messages, and nothing after a protocol
/// error.
#[track_caller]
pub fn messages(output: &[u8]) -> Vec<Header> {
    let reading = oracle::read(output, usize::MAX, true);
    let mut events = reading.events.into_iter();
    assert!(matches!(events.next(), Some(Event::Version { value: 1, .. })), "no version first");
    let headers: Vec<_> = events
        .filter_map(|event| match event {
            Event::Header { header, .. } => Some(header),
            _ => None,
        })
        .collect();
    let is_closed = headers.last().is_some_and(|header| header.kind == b'f');
    assert_eq!(reading.end, if is_closed { End::Closed } else { End::Clean });
    if let Some(header) = headers.last().filter(|_| is_closed) {
        assert_eq!(header.start + 9, output.len() as u64, "something follows a protocol error");
    }
    headers
}

/// An example that is run against [`cases`] and noise.
pub trait Subject {
    /// Whether it serves `echo`, so that it must give as many answers as a case counts.
    const ECHOES: bool = true;
    /// Whether it tells a good end from a bad one.
    const TELLS: bool = true;
    const MAX_NAME: usize = 64;
    const MAX_PAYLOAD: usize = 256;
    /// What it writes before anything has come.
    const FIRST: &'static str;
    const NO_STREAMS: &'static str = "no streams";

    /// Makes requests that the example serves of those for `echo`.
    fn adapt(input: &str) -> String {
        input.into()
    }

    /// Runs it to its end, and tells whether that was a good one.
    fn run(line: &Line) -> bool;

    /// The result of a request, or the text of its error result.
    fn answer(op: &[u8], payload: &[u8]) -> Result<Vec<u8>, &'static str>;
}

/// What a subject must write, and whether it must end well.
fn expected<S: Subject>(input: &[u8]) -> (Vec<u8>, bool) {
    let assembly = oracle::assemble(&oracle::read(input, S::MAX_NAME, true), S::MAX_PAYLOAD);
    let mut output = S::FIRST.as_bytes().to_vec();
    let mut answer = |id, answer: Result<Vec<u8>, &str>| {
        let (kind, payload) = match answer {
            Ok(payload) => (b'R', payload),
            Err(text) => (b'E', text.into()),
        };
        let size = Some(payload.len() as u32);
        output.extend(oracle::write(&Header { kind, id, size, ..Header::default() }));
        output.extend(payload);
    };
    for item in &assembly.items {
        match item {
            Item::Message { header, payload, .. } => match header.kind {
                b'r' => answer(header.id, S::answer(header.name.as_deref().unwrap(), payload)),
                b's' => answer(header.id, Err(S::NO_STREAMS)),
                b'f' => return (output, true),
                _ => {}
            },
            Item::NameTooLong { id: Some(id), .. } => answer(Some(*id), Err("too long")),
            Item::PayloadTooLong { header, .. } if matches!(header.kind, b'r' | b's') => {
                answer(header.id, Err("too long"));
            }
            Item::NameTooLong { .. } | Item::PayloadTooLong { .. } | Item::Version { .. } => {}
        }
    }
    output.extend(protocol_error(assembly.end));
    (output, matches!(assembly.end, End::Clean | End::Closed))
}

/// Runs a subject with a peer whose input comes in these pieces.
#[track_caller]
fn check<S: Subject>(pieces: &[&[u8]], manner: Manner) {
    let input = pieces.concat();
    let line = Line::new(pieces, manner);
    let ended_well = S::run(&line);
    let output = line.into_sent();
    messages(&output);
    let want = expected::<S>(&input);
    let text =
        |bytes: &[u8], ended_well| format!("ends well: {ended_well}, {}", bytes.escape_ascii());
    assert!(
        output == want.0 && (ended_well == want.1 || !S::TELLS),
        "input: {}\ngot:  {}\nwant: {}",
        input.escape_ascii(),
        text(&output, ended_well),
        text(&want.0, want.1)
    );
}

/// Every case, as it is.
pub fn each_case<S: Subject>() {
    for Case { name, input, results, errors, refused, ends_well } in cases() {
        check::<S>(&[&input], Manner::Smooth);
        if !S::ECHOES {
            continue;
        }
        let line = Line::new(&[&input], Manner::Smooth);
        assert_eq!(S::run(&line), ends_well, "{name}");
        let output = line.into_sent();
        let headers = messages(&output);
        let count = |kind| headers.iter().filter(|header| header.kind == kind).count();
        assert_eq!((count(b'R'), count(b'E')), (results, errors), "{name}");
        assert_eq!(headers.last().and_then(|header| header.code), refused, "{name}");
        let own = messages(S::FIRST.as_bytes()).len();
        let all = own + results + errors + usize::from(refused.is_some());
        assert_eq!(headers.len(), all, "{name}");
    }
}

/// The inputs of all cases, with requests for what the subject serves.
fn inputs<S: Subject>() -> impl Iterator<Item = Vec<u8>> {
    cases().into_iter().map(|case| S::adapt(std::str::from_utf8(&case.input).unwrap()).into_bytes())
}

pub fn every_split<S: Subject>() {
    for input in inputs::<S>() {
        for place in 0..=input.len() {
            check::<S>(&split(&input, &[place]), Manner::Smooth);
        }
        for size in [1, 2, 3, 13] {
            check::<S>(&input.chunks(size).collect::<Vec<_>>(), Manner::Smooth);
        }
    }
}

pub fn every_split_in_three<S: Subject>() {
    for name in ["three requests in one read", "a wrong type after a request"] {
        let case = cases().into_iter().find(|case| case.name == name).unwrap();
        let input = S::adapt(std::str::from_utf8(&case.input).unwrap()).into_bytes();
        for second in 0..=input.len() {
            for first in 0..=second {
                check::<S>(&split(&input, &[first, second]), Manner::Smooth);
            }
        }
    }
}

pub fn a_cut_at_every_byte<S: Subject>() {
    for input in inputs::<S>() {
        for len in 0..input.len() {
            check::<S>(&[&input[..len]], Manner::Smooth);
        }
    }
}

pub fn partial_writes_and_interrupted_calls<S: Subject>() {
    for input in inputs::<S>() {
        for manner in [Manner::Partial(1), Manner::Partial(7), Manner::Interrupted] {
            check::<S>(&[&input], manner);
            check::<S>(&input.chunks(5).collect::<Vec<_>>(), manner);
        }
    }
}

pub fn noise<S: Subject>() {
    let mut rng = Rng::new(0x616e_7377_6572);
    let inputs: Vec<_> = inputs::<S>().collect();
    for turn in 0..3000 {
        let input = if turn % 4 == 3 {
            // The inputs above, joined and spoilt: these have more requests that are served.
            let mut input = b"01".to_vec();
            for _ in 0..rng.below(4) {
                input.extend(inputs[rng.below(inputs.len())].iter().skip(2));
            }
            generate::mutate(&mut rng, &mut input);
            input
        } else {
            generate::input(&mut rng, turn, 700, true).1
        };
        let places = generate::places(&mut rng, input.len());
        let manner = rng.pick(&[Manner::Smooth, Manner::Partial(3), Manner::Interrupted]);
        check::<S>(&split(&input, &places), manner);
    }
}

/// Hostile inputs and noise, each in pieces.
pub fn hostile(seed: u64, mut check: impl FnMut(&[&[u8]])) {
    for case in cases() {
        check(&[&case.input]);
        check(&case.input.chunks(1).collect::<Vec<_>>());
        for place in 0..case.input.len() {
            check(&split(&case.input, &[place]));
            check(&[&case.input[..place]]);
        }
    }
    let mut rng = Rng::new(seed);
    for turn in 0..1000 {
        let (_, input) = generate::input(&mut rng, turn, 500, true);
        let places = generate::places(&mut rng, input.len());
        check(&split(&input, &places));
    }
}

/// A test for each kind of bad luck and bad will.
macro_rules! survives {
    ($name:ident, $subject:ty) => {
        mod $name {
            #[allow(unused_imports)]
            use super::*;
            use crate::cases;

            #[test]
            fn gives_each_hostile_input_its_answers() {
                cases::each_case::<$subject>();
            }

            #[test]
            fn does_the_same_for_every_split() {
                cases::every_split::<$subject>();
            }

            #[test]
            fn does_the_same_for_every_split_in_three() {
                cases::every_split_in_three::<$subject>();
            }

            #[test]
            fn survives_a_cut_at_every_byte() {
                cases::a_cut_at_every_byte::<$subject>();
            }

            #[test]
            fn survives_partial_writes_and_interrupted_calls() {
                cases::partial_writes_and_interrupted_calls::<$subject>();
            }

            #[test]
            fn survives_noise() {
                cases::noise::<$subject>();
            }
        }
    };
}
pub(crate) use survives;

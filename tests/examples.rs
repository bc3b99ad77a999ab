//! The examples, over transports in memory: chunks of every size, writes that take a few
//! bytes, calls that are interrupted, and input from peers that mean no good.
//!
//! What an example must answer is worked out from what the oracle reads, and what it does
//! answer is read by the oracle too.

#[allow(dead_code)]
#[path = "../examples/answer.rs"]
mod answer;
#[allow(dead_code)]
#[path = "../examples/connection.rs"]
mod connection;
#[path = "../examples/device/device.rs"]
mod device;
mod support;
#[allow(dead_code)]
#[path = "../examples/whole_messages.rs"]
mod whole_messages;

#[path = "examples/allocations.rs"]
mod allocations;
#[path = "examples/front_page.rs"]
mod front_page;
#[path = "examples/line.rs"]
mod line;
#[path = "examples/others.rs"]
mod others;

use line::{Line, Manner};
use support::generate::{self, Rng};
use support::oracle::{self, End, Event, Header, Item, Wrong};

/// A conversation, and how many answers of each kind it must get, counted by hand.
struct Case {
    name: &'static str,
    input: Vec<u8>,
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

fn cases() -> Vec<Case> {
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

/// What the example `answer` must write, and whether it must end well.
fn expected(input: &[u8]) -> (Vec<u8>, bool) {
    let assembly = oracle::assemble(&oracle::read(input, 64, true), 256);
    let mut output = b"01".to_vec();
    let mut answer = |kind, id, payload: &[u8]| {
        let size = Some(payload.len() as u32);
        output.extend(oracle::write(&Header { kind, id, size, ..Header::default() }));
        output.extend(payload);
    };
    for item in &assembly.items {
        match item {
            Item::Message { header, payload, .. } => match header.kind {
                b'r' if header.name.as_deref() == Some(b"echo") => {
                    answer(b'R', header.id, payload);
                }
                b'r' | b's' => answer(b'E', header.id, b"no such operation"),
                b'f' => return (output, true),
                _ => {}
            },
            Item::NameTooLong { id: Some(id), .. } => answer(b'E', Some(*id), b"too long"),
            Item::PayloadTooLong { header, .. } if matches!(header.kind, b'r' | b's') => {
                answer(b'E', header.id, b"too long");
            }
            Item::NameTooLong { .. } | Item::PayloadTooLong { .. } | Item::Version { .. } => {}
        }
    }
    output.extend(protocol_error(assembly.end));
    (output, matches!(assembly.end, End::Clean | End::Closed))
}

/// The protocol error that a conversation with this end must get, if any.
fn protocol_error(end: End) -> &'static [u8] {
    match end {
        End::Bad { wrong: Wrong::Version(_), .. } => b"f00000001",
        End::Bad { .. } => b"f00000002",
        End::Clean | End::Closed | End::Truncated { .. } => b"",
    }
}

/// Reads what an example wrote: a version, whole messages, and nothing after a protocol
/// error.
#[track_caller]
fn messages(output: &[u8]) -> Vec<Header> {
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

/// Serves a peer whose input comes in these pieces, and gives what it got.
fn serve(pieces: &[&[u8]], manner: Manner) -> (Vec<u8>, bool) {
    let line = Line::new(pieces, manner);
    let ended_well = answer::serve(&line, &line).is_ok();
    (line.into_sent(), ended_well)
}

#[track_caller]
fn check(pieces: &[&[u8]], manner: Manner) {
    let input = pieces.concat();
    let got = serve(pieces, manner);
    messages(&got.0);
    let want = expected(&input);
    let text = |(bytes, ended_well): &(Vec<u8>, bool)| {
        format!("ends well: {ended_well}, {}", bytes.escape_ascii())
    };
    assert!(
        got == want,
        "input: {}\ngot:  {}\nwant: {}",
        input.escape_ascii(),
        text(&got),
        text(&want)
    );
}

#[test]
fn answer_gives_each_hostile_input_its_answers() {
    for Case { name, input, results, errors, refused, ends_well } in cases() {
        let (output, ended_well) = serve(&[&input], Manner::Smooth);
        let headers = messages(&output);
        let count = |kind| headers.iter().filter(|header| header.kind == kind).count();
        assert_eq!((count(b'R'), count(b'E')), (results, errors), "{name}");
        assert_eq!(headers.last().and_then(|header| header.code), refused, "{name}");
        let all = results + errors + usize::from(refused.is_some());
        assert_eq!(headers.len(), all, "{name}");
        assert_eq!(ended_well, ends_well, "{name}");
        check(&[&input], Manner::Smooth);
    }
}

#[test]
fn answer_does_the_same_for_every_split() {
    for Case { input, .. } in cases() {
        for place in 0..=input.len() {
            let (first, second) = input.split_at(place);
            check(&[first, second], Manner::Smooth);
        }
        for size in [1, 2, 3, 13] {
            check(&input.chunks(size).collect::<Vec<_>>(), Manner::Smooth);
        }
    }
}

#[test]
fn answer_does_the_same_for_every_split_in_three() {
    for name in ["three requests in one read", "a wrong type after a request"] {
        let input = cases().into_iter().find(|case| case.name == name).unwrap().input;
        for second in 0..=input.len() {
            for first in 0..=second {
                check(&support::drive::split(&input, &[first, second]), Manner::Smooth);
            }
        }
    }
}

#[test]
fn answer_survives_a_cut_at_every_byte() {
    for Case { input, .. } in cases() {
        for len in 0..input.len() {
            check(&[&input[..len]], Manner::Smooth);
        }
    }
}

#[test]
fn answer_survives_partial_writes_and_interrupted_calls() {
    for Case { input, .. } in cases() {
        for manner in [Manner::Partial(1), Manner::Partial(7), Manner::Interrupted] {
            check(&[&input], manner);
            check(&input.chunks(5).collect::<Vec<_>>(), manner);
        }
    }
}

#[test]
fn answer_survives_noise() {
    let mut rng = Rng::new(0x616e_7377_6572);
    let cases = cases();
    for turn in 0..3000 {
        let input = if turn % 4 == 3 {
            // The inputs above, joined and spoilt: these have more requests for `echo`.
            let mut input = b"01".to_vec();
            for _ in 0..rng.below(4) {
                input.extend(cases[rng.below(cases.len())].input.iter().skip(2));
            }
            generate::mutate(&mut rng, &mut input);
            input
        } else {
            generate::input(&mut rng, turn, 700, true).1
        };
        let places = generate::places(&mut rng, input.len());
        let manner = rng.pick(&[Manner::Smooth, Manner::Partial(3), Manner::Interrupted]);
        check(&support::drive::split(&input, &places), manner);
    }
}

/// A line on which nothing comes before each chunk, as a socket with a read timeout has it.
struct Idle<'a> {
    chunks: Vec<&'a [u8]>,
    waited: bool,
}

impl std::io::Read for Idle<'_> {
    fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        self.waited = !self.waited;
        if self.waited {
            let kinds = [std::io::ErrorKind::WouldBlock, std::io::ErrorKind::TimedOut];
            return Err(kinds[self.chunks.len() % 2].into());
        }
        let Some(chunk) = self.chunks.pop() else { return Ok(0) };
        to[..chunk.len()].copy_from_slice(chunk);
        Ok(chunk.len())
    }
}

#[test]
fn answer_sends_a_heartbeat_while_nothing_comes() {
    let line = Idle { chunks: vec![b"7\"hello\"", b"01r0001004echo0000000"], waited: false };
    let mut output = Vec::new();
    answer::serve(line, &mut output).unwrap();
    let expected = b"01h000000000000h000000000000R000100000007\"hello\"h000000000000";
    assert_eq!(output, expected);
}

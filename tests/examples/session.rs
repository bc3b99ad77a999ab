//! The examples on a session that answer each message by itself: `peer`, `greet` and `device`.

use std::io::{self, Read};
use std::time::Duration;

use crate::cases::{Subject, hostile, messages, survives};
use crate::device::{self, Device, Uart};
use crate::line::{Line, Manner};
use crate::{greet, peer};

/// A time limit that a socket takes, and that leaves time for the next heartbeat.
fn check_timeout(timeout: Option<Duration>) -> io::Result<()> {
    let timeout = timeout.expect("heartbeats are due");
    assert!(!timeout.is_zero() && timeout <= Duration::from_secs(20), "{timeout:?}");
    Ok(())
}

struct FrontPage;

impl Subject for FrontPage {
    const FIRST: &'static str = "01r0000005clock00000004null";

    fn run(line: &Line) -> bool {
        peer::talk(line, line, check_timeout).is_ok()
    }

    fn answer(op: &[u8], payload: &[u8]) -> Result<Vec<u8>, &'static str> {
        if op == b"echo" { Ok(payload.into()) } else { Err("no such operation") }
    }
}

survives!(the_front_page, FrontPage);

struct Greeter;

impl Subject for Greeter {
    const FIRST: &'static str = "01";
    const ECHOES: bool = false;

    fn adapt(input: &str) -> String {
        input
            .replace("004echo00000007\"hello\"", "005greet00000011{\"name\":\"Rasmus\"}")
            .replace("004echo", "005greet")
    }

    fn run(line: &Line) -> bool {
        let end = greet::talk(line, line, check_timeout, None);
        assert!(matches!(end, Ok(None) | Err(_)));
        end.is_ok()
    }

    fn answer(op: &[u8], payload: &[u8]) -> Result<Vec<u8>, &'static str> {
        let json: Option<serde_json::Value> = serde_json::from_slice(payload).ok();
        match json.as_ref().and_then(|json| json["name"].as_str()) {
            _ if op != b"greet" => Err("no such operation"),
            None => Err("the parameter has no name"),
            Some("Rasmus") => Ok(br#"{"greeting":"Hello Rasmus"}"#.into()),
            Some(name) => Ok(format!("{{\"greeting\":{:?}}}", format!("Hello {name}")).into()),
        }
    }
}

survives!(greeting, Greeter);

struct Thermometer;

impl Subject for Thermometer {
    const FIRST: &'static str = "01r0000004time00000004null";
    const ECHOES: bool = false;
    const TELLS: bool = false;
    const MAX_NAME: usize = 32;
    const MAX_PAYLOAD: usize = 32;
    const NO_STREAMS: &'static str = "no streams";

    fn adapt(input: &str) -> String {
        input.replace("004echo", "00btemperature")
    }

    fn run(mut line: &Line) -> bool {
        device::serve(&mut line, &mut Device::new(), || i32::MIN).is_ok()
    }

    fn answer(op: &[u8], _: &[u8]) -> Result<Vec<u8>, &'static str> {
        match op {
            b"temperature" => Ok(br#"{"millicelsius":-2147483648}"#.into()),
            _ => Err("no such operation"),
        }
    }
}

survives!(measuring, Thermometer);

#[test]
fn the_front_page_takes_its_result_and_tells_its_clock() {
    let input = br#"01R00000000000512345r0007005clock00000004null"#;
    let line = Line::new(&[input], Manner::Smooth);
    peer::talk(&line, &line, check_timeout).unwrap();
    let sent = line.into_sent();
    let headers = messages(&sent);
    assert_eq!(headers.iter().map(|header| header.kind).collect::<Vec<_>>(), b"rR");
    assert_eq!(headers[1].id, Some(*b"0007"));
    let clock = &sent[sent.len() - headers[1].size.unwrap() as usize..];
    assert!(std::str::from_utf8(clock).unwrap().parse::<u32>().is_ok());
}

/// A line on which nothing comes before each chunk, as a socket with a read timeout has it.
struct Idle(Vec<Option<&'static [u8]>>);

impl Read for Idle {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let kinds = [io::ErrorKind::WouldBlock, io::ErrorKind::TimedOut];
        match self.0.pop() {
            Some(None) => Err(kinds[self.0.len() / 2 % 2].into()),
            Some(Some(chunk)) => {
                to[..chunk.len()].copy_from_slice(chunk);
                Ok(chunk.len())
            }
            None => Ok(0),
        }
    }
}

#[test]
fn the_front_page_goes_on_when_nothing_comes_for_a_while() {
    let chunks = [None, Some(b"7\"hello\"".as_slice()), None, Some(b"01r0001004echo0000000"), None];
    let mut output = Vec::new();
    peer::talk(Idle(chunks.to_vec()), &mut output, check_timeout).unwrap();
    assert_eq!(output, [FrontPage::FIRST, "R000100000007\"hello\""].concat().as_bytes());
}

#[test]
fn greet_refuses_a_name_whose_greeting_is_too_long() {
    // The longest request that it takes, and the longest of which it can give a greeting.
    for (len, answer) in [(245, "E000100000014the name is too long"), (235, "R000100000100")] {
        let parameter = format!("{{\"name\":\"{}\"}}", "x".repeat(len));
        let input = format!("01r0001005greet{:08x}{parameter}", parameter.len());
        let line = Line::new(&[input.as_bytes(), b"r0002001a00000000"], Manner::Smooth);
        assert_eq!(greet::talk(&line, &line, check_timeout, None).unwrap(), None);
        let sent = String::from_utf8(line.into_sent()).unwrap();
        assert!(sent.starts_with(&format!("01{answer}")), "{sent}");
        assert!(sent.ends_with("E000200000011no such operation"), "{sent}");
    }
}

/// What the example `greet` makes of these results, and what it sends.
fn ask(input: &str) -> (Result<Option<String>, String>, String) {
    let line = Line::new(&[input.as_bytes()], Manner::Partial(5));
    let end = greet::talk(&line, &line, check_timeout, Some("Rasmus"));
    let sent = String::from_utf8(line.into_sent()).unwrap();
    let rest = sent.strip_prefix("01r0000005greet00000011{\"name\":\"Rasmus\"}").unwrap();
    (end.map_err(|error| error.to_string()), rest.to_string())
}

#[test]
fn greet_takes_every_kind_of_answer() {
    let error = |text: &str| Err(text.to_string());
    for (input, want, rest) in [
        ("01R000000000014{\"greeting\":\"Hello\"}", Ok(Some("Hello".to_string())), ""),
        // Those that it did not ask for make no difference.
        (
            "01R000100000000E000200000000R000000000011{\"greeting\":\"Hi\"}",
            Ok(Some("Hi".into())),
            "",
        ),
        ("01R000000000002{}", Ok(None), ""),
        ("01R000000000000", Ok(None), ""),
        ("01E000000000004nope", error("nope"), ""),
        ("01e00000000000000000004busy", error("busy"), ""),
        ("01f00000003", error("no result"), ""),
        ("01", error("no result"), ""),
        // Asked while it waits for its last result, it asks the peer to come again.
        ("01r0009005greet00000000", error("no result"), "e0009000001f400000004busy"),
    ] {
        assert_eq!(ask(input), (want, rest.to_string()), "{input}");
    }
    let (end, rest) = ask("01R000Q");
    assert!(end.is_err() && rest.is_empty());
    let (end, rest) = ask("01Q");
    assert!(end.is_err());
    assert_eq!(rest, "f00000002");
}

#[test]
fn greet_survives_hostile_answers() {
    hostile(4, |pieces| {
        let line = Line::new(pieces, Manner::Interrupted);
        greet::talk(&line, &line, check_timeout, Some("Rasmus")).ok();
        let headers = messages(&line.into_sent());
        let requests = headers.iter().filter(|header| header.kind == b'r');
        assert_eq!(requests.count(), 1);
    });
}

/// A line with a clock. Nothing comes before each chunk, until a wait is over.
struct Clocked {
    now: u32,
    chunks: Vec<Option<&'static [u8]>>,
    sent: Vec<u8>,
}

impl Uart for Clocked {
    fn now(&mut self) -> u32 {
        self.now
    }

    fn read(&mut self, to: &mut [u8], wait_ms: Option<u32>) -> Option<usize> {
        let Some(chunk) = self.chunks.pop()? else {
            self.now = self.now.wrapping_add(wait_ms.expect("heartbeats are due"));
            return Some(0);
        };
        to[..chunk.len()].copy_from_slice(chunk);
        Some(chunk.len())
    }

    fn write_all(&mut self, bytes: &[u8]) {
        self.sent.extend(bytes);
    }
}

/// What the device sends if this comes, from the last to the first, and the clock after it.
fn measure(chunks: &[Option<&'static [u8]>]) -> (String, u32) {
    let mut uart = Clocked { now: u32::MAX - 1, chunks: chunks.to_vec(), sent: Vec::new() };
    device::serve(&mut uart, &mut Device::new(), || 21_500).unwrap();
    let sent = String::from_utf8(uart.sent).unwrap();
    (sent.strip_prefix(Thermometer::FIRST).unwrap().to_string(), uart.now)
}

#[test]
fn device_says_that_it_is_alive_and_what_time_it_is() {
    let (sent, now) = measure(&[None, None, Some(b"01R00000000000a1423433370"), None]);
    assert_eq!(sent, "h000000000000h000054d7deaeh000054d7dec2");
    assert_eq!(now, 59_998);
    // A time that is none changes nothing.
    let (sent, _) = measure(&[None, Some(b"01R000000000003now")]);
    assert_eq!(sent, "h000000000000");
}

#[test]
fn device_serves_one_peer_after_another() {
    let mut device = Device::new();
    for (input, want) in [
        ("01r000", "01r0000004time00000004null"),
        ("01Q", "01r0001004time00000004nullf00000002"),
        ("01r0007001x00000000", "01r0002004time00000004nullE000700000011no such operation"),
    ] {
        let line = Line::new(&[input.as_bytes()], Manner::Smooth);
        device::serve(&mut &line, &mut device, || 0).unwrap();
        assert_eq!(String::from_utf8(line.into_sent()).unwrap(), want);
    }
}

#[test]
fn device_measures_and_goes_to_sleep() {
    let sleep = b"r0002005sleep00000000".as_slice();
    let (sent, _) = measure(&[None, Some(sleep), Some(b"01r000100btemperature00000000")]);
    assert_eq!(sent, "R000100000016{\"millicelsius\":21500}R000200000004null");
    // Whoever asks after that is asked to come again.
    let (sent, _) = measure(&[None, Some(b"r00060011"), Some(sleep), Some(b"01")]);
    assert_eq!(sent, "R000200000004null");
    let (sent, _) = measure(&[None, Some(b"r0002005sleep00000000r0003000"), Some(b"01")]);
    assert_eq!(sent, "R000200000004null");
}

//! The client, against the server and against peers that follow a script.

use super::*;
use body::{Parts, Source};
use client::{Answer, Body, Limits, Request};
use plain::Plain;
use std::sync::mpsc::Sender;
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wire::End;

pub(crate) struct Called {
    answer: Result<Answer, End>,
    result: Vec<u8>,
    notes: String,
}

impl Called {
    /// What `main` would show, in a line.
    pub(crate) fn shown(&self) -> String {
        let result = self.result.escape_ascii();
        match &self.answer {
            Ok(Answer::Result) => format!("{result}"),
            Ok(Answer::Error) => format!("{result}, {}", self.last_note()),
            Ok(Answer::Retry) => format!("{result}, {}", self.last_note()),
            Err(end) => format!("{result}, end {end}"),
        }
    }

    fn last_note(&self) -> &str {
        self.notes.lines().last().unwrap_or_default()
    }
}

pub(crate) fn call(addr: SocketAddr, request: Request<'_>, limits: Limits) -> Called {
    let (mut result, mut notes) = (Vec::new(), Vec::new());
    let answer = runtime().block_on(async {
        let by = Instant::now() + HANG;
        let stream = connect::connect(&addr.to_string(), by).await.unwrap();
        let mut shown = Plain::new(&mut result, (&mut notes, false));
        client::call(stream, request, nothing_running(), limits, &mut shown).await
    });
    Called { answer, result, notes: String::from_utf8(notes).unwrap() }
}

/// Runs a call against `script`, and gives also what the peer brought home.
fn scripted<T: Send + 'static>(
    request: Request<'_>,
    limits: Limits,
    script: impl FnOnce(Peer) -> T + Send + 'static,
) -> (Called, T) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let peer = thread::spawn(move || script(Peer::new(listener.accept().unwrap().0)));
    let called = call(addr, request, limits);
    (called, peer.join().unwrap())
}

/// Nothing below waits for these to pass: what does would hang.
pub(crate) const PATIENT: Limits = Limits {
    patience: 300_000,
    goodbye: 300_000,
    takes_leave: false,
    is_line: false,
    until: None,
    retries: 0,
};
const HELLO: Request<'_> = single("echo", b"hello");

const fn single<'a>(op: &'a str, payload: &'a [u8]) -> Request<'a> {
    Request { op, body: Body::Single(payload) }
}

fn streamed(payload: &[u8], part: usize) -> Request<'_> {
    let parts = Parts::open(Source::Bytes(payload), part).unwrap();
    Request { op: "echo", body: Body::Stream(parts) }
}

fn notification() -> Request<'static> {
    Request { op: "log", body: Body::Notification(b"hi") }
}

const ASKED: &str = "01r0000004echo00000005hello";

#[test]
fn gets_results_from_the_server() {
    let server = Server::start();
    let shown = |request: Request<'_>| call(server.addr, request, PATIENT).shown();
    assert_eq!(shown(HELLO), "hello");
    assert_eq!(shown(single("echo", b"")), "");
    assert_eq!(shown(single("x", b"hello")), ", error: unknown operation \"x\"");
    for part in [1, 2, 3, 5, 100] {
        assert_eq!(shown(streamed(b"hello", part)), "hello", "in parts of {part}");
    }
    assert_eq!(shown(streamed(b"", 2)), "");
    let long = Request { op: &"a".repeat(256), ..streamed(b"hello", 1) };
    assert!(shown(long).contains("256 bytes; at most 255"));
}

#[test]
fn gets_large_results_from_the_server() {
    let server = Server::start();
    let payload: Vec<u8> = (0..4_u32 << 20).map(|i| (i % 253) as u8).collect();
    for part in [None, Some(100_000), Some(1000)] {
        let request = match part {
            None => single("echo", &payload),
            Some(part) => streamed(&payload, part),
        };
        let called = call(server.addr, request, PATIENT);
        assert!(matches!(called.answer, Ok(Answer::Result)), "{:?} {part:?}", called.answer);
        assert!(called.result == payload, "{} bytes came back {part:?}", called.result.len());
    }
}

#[test]
fn says_what_the_grammar_says() {
    let (called, ()) = scripted(HELLO, PATIENT, |mut peer| {
        peer.hears(ASKED); // without waiting for the version
        peer.say("01R000000000002ok");
    });
    assert_eq!(called.shown(), "ok");

    let (called, ()) = scripted(streamed(b"hello", 2), PATIENT, |mut peer| {
        peer.hears("01s0000004echo00000002hep000000000002llp000000000001op000000000000");
        peer.say("01S000000000002okS000000000000");
    });
    assert_eq!(called.shown(), "ok");

    let (called, ()) = scripted(streamed(b"", 2), PATIENT, |mut peer| {
        peer.hears("01s0000004echo00000000p000000000000");
        peer.say("01R000000000002ok");
    });
    assert_eq!(called.shown(), "ok");
}

#[test]
fn takes_what_else_may_come() {
    let (called, ()) = scripted(HELLO, PATIENT, |mut peer| {
        peer.hears(ASKED);
        peer.say("01h000154d7de9an004news00000009to\ndoR000");
        peer.say("R000200000005strayE000200000001xe0002000000010000000bR0000000000S000200000000");
        peer.say("r0009002op00000003abcs000a002op00000003abcp000a00000001dp000a00000000");
        peer.hears("E000900000016unknown operation \"op\"");
        peer.hears("E000a00000016unknown operation \"op\"");
        peer.say(format!("r000b100{}00000002R0n100{}00000000", "x".repeat(256), "x".repeat(256)));
        peer.hears("E000b");
        peer.say("R000000000006theR00");
    });
    assert_eq!(called.shown(), "theR00");
    for note in [
        "heartbeat: load 1",
        "\"news\" to\\ndoR000",
        "ignored: single result 0002, 5 bytes\n",
        "ignored: error result 0002, 1 byte\n",
        "ignored: stream result 0002, end\n",
        "ignored: stream request part 000a, 1 byte\n",
        "ignored: single request, a name of 256 bytes\n",
    ] {
        assert!(called.notes.contains(note), "{note:?} is not in {:?}", called.notes);
    }
}

/// What it refuses reaches the peer, although the call is over with its own result.
#[test]
fn answers_before_it_leaves() {
    for _ in 0..20 {
        let (called, ()) = scripted(HELLO, PATIENT, |mut peer| {
            peer.hears(ASKED);
            peer.say("01r0001002op00000000R000000000002ok");
            peer.hears("E000100000016unknown operation \"op\"");
        });
        assert_eq!(called.shown(), "ok");
    }
}

/// Every byte of an answer is a sign of it, in a part too.
#[test]
fn waits_for_a_part_that_comes_slowly() {
    let patience = 1000;
    for answer in ["S000000000004slow", "R000000000004slow"] {
        let (called, ()) = scripted(HELLO, Limits { patience, ..PATIENT }, move |mut peer| {
            peer.hears(ASKED);
            let (head, last) = answer.split_at(answer.len() - 4);
            peer.say(format!("01{head}"));
            for byte in last.as_bytes() {
                thread::sleep(Duration::from_millis(600));
                peer.say([*byte]);
            }
            peer.say("S000000000000"); // behind a result it belongs to nobody
        });
        assert_eq!(called.shown(), "slow", "{answer}");
    }
}

#[test]
fn shows_errors_and_waits() {
    for (answer, want) in [
        ("01E000000000004oops", ", error: oops"),
        ("01E000000000000", ", error: "),
        ("01S000000000007partialE000000000004oopsS000000000000", "partial, error: oops"),
        ("01e0000000013880000000alater\x1b[2J!", ", retry after 5000 ms: later\\u{1b}[2J!"),
        ("01S000000000002hie00000000000000000000", "hi, retry after 0 ms: "),
        ("01S000000000002hi", "hi, end the peer has closed"),
        (
            "01R000000000005he",
            "he, end at byte 17: the input ended too soon, at least 3 bytes are missing",
        ),
        ("01f00000003", ", end the peer gave up: timeout (3)"),
        ("01", ", end the peer has closed"),
        ("", ", end at byte 0: the input ended too soon, at least 2 bytes are missing"),
    ] {
        let (called, ()) = scripted(HELLO, PATIENT, move |mut peer| {
            peer.hears(ASKED);
            peer.say(answer);
            peer.ends();
            peer.hears_to_the_end();
        });
        assert_eq!(called.shown(), want, "{answer:?}");
    }
}

#[test]
fn tells_the_peer_why_it_gives_up() {
    for (answer, want, end) in [
        ("02", "f00000001", "byte 1: protocol version 0x02"),
        ("01X", "f00000002", "byte 2: 'X'"),
        ("01S000000000002hiR0001x", "f00000002", "byte 22: 'x'"),
    ] {
        let (called, said) = scripted(HELLO, PATIENT, move |mut peer| {
            peer.hears(ASKED);
            peer.say(answer);
            peer.say("and what follows ".repeat(1000));
            let said = peer.hears_to_the_end();
            peer.goes_on_talking();
            said
        });
        assert_eq!(said, want);
        assert!(called.shown().contains(end), "{}", called.shown());
    }
}

/// However alive the peer is otherwise.
#[test]
fn does_not_wait_for_ever() {
    let impatient = Limits { patience: 200, ..PATIENT };
    let (called, all) = scripted(HELLO, impatient, |mut peer| {
        peer.hears(ASKED);
        peer.say("01");
        let mut beats = peer.0.try_clone().unwrap();
        let beating = thread::spawn(move || {
            while beats.write_all(b"h000054d7de9a").is_ok() {
                thread::sleep(Duration::from_millis(10));
            }
        });
        let all = peer.hears_to_the_end();
        beating.join().unwrap();
        all
    });
    assert!(matches!(called.answer, Err(End::Silence)), "{}", called.shown());
    assert_eq!(all, "f00000003");
}

/// Far more parts than the sockets hold, and a peer that reads none of them, but
/// answers. It hears the rest when the call is over.
#[test]
fn stops_sending_parts_when_it_has_its_answer() {
    let payload = vec![b'x'; 64 << 20];
    for (answer, want) in [
        ("01E000000000004oops", ", error: oops"),
        ("01e00000000000500000004busy", ", retry after 5 ms: busy"),
        ("01S000000000002hiE000000000004oopsS000000000000", "hi, error: oops"),
        ("01R000000000002no", "no"),
    ] {
        let (over, is_over): (Sender<()>, _) = mpsc::channel();
        let (called, heard) = scripted(streamed(&payload, 4096), PATIENT, move |mut peer| {
            peer.hears("01s0000004echo00001000x");
            peer.say(answer);
            thread::spawn(move || {
                let _ = is_over.recv();
                let mut rest = Vec::new();
                let _ = peer.0.read_to_end(&mut rest);
                rest.len()
            })
        });
        drop(over);
        assert_eq!(called.shown(), want);
        let heard = heard.join().unwrap();
        assert!(heard < payload.len() / 2, "{heard} bytes of {} for {answer:?}", payload.len());
    }
}

/// From the header of the answer on, that is: its payload may be long in coming. The
/// peer reads so slowly that there is time enough to see the header.
#[test]
fn stops_sending_parts_before_it_knows_why() {
    let payload = vec![b'x'; 64 << 20];
    for answer in ["01E000000000004", "01e00000000000500000004"] {
        let (called, heard) = scripted(streamed(&payload, 4096), PATIENT, move |mut peer| {
            peer.hears("01s0000004echo00001000x");
            peer.say(answer);
            peer.0.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
            let (mut heard, mut scrap) = (0, vec![0; 1 << 16]);
            while let Ok(len @ 1..) = peer.0.read(&mut scrap) {
                heard += len;
                thread::sleep(Duration::from_millis(1));
            }
            peer.say("oops");
            heard
        });
        assert!(called.shown().ends_with("oops"), "{}", called.shown());
        assert!(heard < payload.len(), "{heard} bytes of {} for {answer:?}", payload.len());
    }
}

/// The sizes that no message can have are refused before anything is sent.
#[test]
fn checks_what_it_is_to_ask() {
    assert!(HELLO.check().is_ok());
    assert!(single("", b"").check().is_err());
    assert!(single(&"a".repeat(4095), b"").check().is_ok());
    assert!(single(&"a".repeat(4096), b"").check().is_err());
}

/// Parts of any size, and of more than is read or written at once.
#[test]
fn keeps_parts_whole() {
    let server = Server::start();
    let payload: Vec<u8> = (0..40_000_u32).map(|i| (i % 241) as u8).collect();
    for part in [97, 1021, 16_383, 16_384, 39_999] {
        let called = call(server.addr, streamed(&payload, part), PATIENT);
        assert!(matches!(called.answer, Ok(Answer::Result)), "{:?} {part}", called.answer);
        assert!(called.result == payload, "{} bytes came back in {part}", called.result.len());
    }
}

/// A notification has no answer, so what shows that it was sent is that the peer hears it,
/// and then the end.
#[test]
fn sends_notifications() {
    for version in ["01", "01h000154d7de9an004news00000002hi"] {
        let (called, heard) = scripted(notification(), PATIENT, move |mut peer| {
            peer.hears("01n003log00000002hi");
            peer.say(version);
            peer.hears_to_the_end()
        });
        assert_eq!((called.shown().as_str(), heard.as_str()), ("", ""), "{version:?}");
    }
    // It is sent to its end, although the version comes first, and the peer is slow to read.
    let payload = vec![b'x'; 16 << 20];
    let request = Request { op: "log", body: Body::Notification(&payload) };
    let limits = Limits { goodbye: 1, ..PATIENT };
    let (called, heard) = scripted(request, limits, |mut peer| {
        peer.say("01");
        thread::sleep(Duration::from_millis(500));
        peer.hears("01n003log01000000");
        peer.hears_to_the_end()
    });
    assert_eq!((called.shown().as_str(), heard.len()), ("", 16 << 20));
    // And where the version comes before the notification has gone out.
    let server = Server::start();
    for _ in 0..20 {
        assert_eq!(call(server.addr, notification(), PATIENT).shown(), "");
        assert!(server.logs("notification").ends_with(": \"log\" hi"));
    }
}

/// The time for the answer begins when all has been sent, and not when the last but one was.
#[test]
fn the_last_that_is_sent_counts() {
    let (near, mut far) = tokio::io::duplex(1000);
    let limits = Limits { patience: 3000, goodbye: 0, ..PATIENT };
    let (mut result, mut notes) = (Vec::new(), Vec::new());
    let pause = || tokio::time::sleep(Duration::from_millis(1900));
    let answer = runtime().block_on(async {
        let mut shown = Plain::new(&mut result, (&mut notes, false));
        let request = single("echo", &[b'x'; 1500]);
        let call = client::call(near, request, nothing_running(), limits, &mut shown);
        let peer = async {
            far.write_all(b"01").await.unwrap();
            pause().await; // a third waits to be sent
            far.read_exact(&mut [0; 22 + 1500]).await.unwrap();
            pause().await;
            far.write_all(b"R000000000002ok").await.unwrap();
        };
        tokio::join!(call, peer).0
    });
    assert!(matches!(answer, Ok(Answer::Result)) && result == b"ok", "{answer:?}");
}

/// It does not pass for sent where nobody speaks Gotalk.
#[test]
fn a_notification_wants_a_gotalk_peer() {
    for (answer, end) in [
        ("", "end at byte 0: the input ended too soon"),
        ("HTTP/1.1 400 Bad Request\r\n\r\n", "end at byte 0: 'H'"),
        ("02", "end at byte 1: protocol version 0x02"),
    ] {
        let (called, ()) = scripted(notification(), PATIENT, move |mut peer| {
            peer.hears("01n003log00000002hi");
            peer.say(answer);
            peer.ends();
            peer.hears_to_the_end();
        });
        assert!(called.shown().contains(end), "{} for {answer:?}", called.shown());
    }
}

/// No command for any request of the peer.
fn nothing_running() -> command::Running {
    command::Running::new(Commands::new(Vec::new(), 0, 0).into(), String::new())
}

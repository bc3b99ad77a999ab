//! `gotalk relay` as a program between two ends, and its recordings.
//!
//! Nothing here depends on how fast things go, but for the limit that turns a hang into a
//! failure.

#[path = "relay/bytes.rs"]
mod bytes;
#[path = "relay/ends.rs"]
mod ends;
#[path = "relay/recordings.rs"]
mod recordings;
#[path = "relay/serial.rs"]
mod serial;
mod support;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use support::gotalk;

const HANG: Duration = Duration::from_secs(30);

fn output(args: &[&str]) -> Output {
    gotalk(args).output().unwrap()
}

/// In microseconds, as in a recording.
fn unix_time() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A file that is gone when the test is done.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        Self(dir.join(format!("relay-{}-{name}", std::process::id())))
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// A program that has told an address, at the start of its standard error or output.
struct Program {
    child: Option<Child>,
    addr: String,
    /// What it says there later.
    told: mpsc::Receiver<String>,
}

impl Program {
    fn server(addr: &str) -> Self {
        let mut child = gotalk(&["serve", addr]).stdout(Stdio::piped()).spawn().unwrap();
        let (addr, told) = lines(child.stdout.take().unwrap());
        Self { child: Some(child), addr, told }
    }

    fn relay(args: &[&str]) -> Self {
        let mut command = gotalk(&[&["relay"], args].concat());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (mut addr, told) = lines(child.stderr.take().unwrap());
        if args.contains(&"--json") {
            let listening: Value = serde_json::from_str(&addr).unwrap();
            assert_eq!(listening["type"], "listening");
            addr = listening["address"].as_str().unwrap().to_owned();
        }
        Self { child: Some(child), addr, told }
    }

    /// The same when it is told to end.
    #[cfg(unix)]
    #[track_caller]
    fn interrupted(self) -> (Option<i32>, String) {
        let id = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").arg(id).status().unwrap().success());
        self.ends()
    }

    /// Its exit code and standard output.
    #[track_caller]
    fn ends(mut self) -> (Option<i32>, String) {
        let child = self.child.take().unwrap();
        let id = child.id().to_string();
        let (sender, ended) = mpsc::channel();
        thread::spawn(move || sender.send(child.wait_with_output().unwrap()));
        let Ok(output) = ended.recv_timeout(HANG) else {
            let _ = Command::new("kill").arg(id).status();
            panic!("it goes on");
        };
        (output.status.code(), text(&output.stdout))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The first line, and somebody who reads the rest.
fn lines(out: impl Read + Send + 'static) -> (String, mpsc::Receiver<String>) {
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(out).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    (lines.recv_timeout(HANG).unwrap(), lines)
}

fn connect(addr: &str) -> TcpStream {
    let stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(HANG)).unwrap();
    stream
}

#[track_caller]
fn hears(stream: &mut impl Read, want: &[u8]) {
    let mut got = vec![0; want.len()];
    stream.read_exact(&mut got).unwrap();
    assert_eq!(got.escape_ascii().to_string(), want.escape_ascii().to_string());
}

/// The columns without the times and the dates, which are others every time.
fn without_times(shown: &str) -> Vec<String> {
    shown.lines().map(|line| line.get(11..).unwrap_or("").to_owned()).collect()
}

#[test]
fn a_conversation_is_passed_on_shown_and_recorded() {
    let recording = Scratch::new("talk");
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = server.local_addr().unwrap().to_string();
    let relay = Program::relay(&["--record", recording.path(), "127.0.0.1:0", &at]);
    let waiting = unix_time();
    let mut client = connect(&relay.addr);
    let (mut server, _) = server.accept().unwrap();
    server.set_read_timeout(Some(HANG)).unwrap();
    // Each waits for the other, so the order is known.
    client.write_all(b"01").unwrap();
    hears(&mut server, b"01");
    server.write_all(b"0").unwrap();
    hears(&mut client, b"0");
    server.write_all(b"1n003log00000002h").unwrap();
    hears(&mut client, b"1n003log00000002h");
    client.write_all(b"r0001004echo00000005hello").unwrap();
    hears(&mut server, b"r0001004echo00000005hello");
    server.write_all(b"iR000100000005hello").unwrap();
    hears(&mut client, b"iR000100000005hello");
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(server.read(&mut [0]).unwrap(), 0);
    server.write_all(b"n003log00000003end").unwrap(); // it still may
    hears(&mut client, b"n003log00000003end");
    drop(server);
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
    drop(client);
    let (code, shown) = relay.ends();
    let want = "\
from        offset  type                 id          content
client           0  version                          1
server           0  version                          1
client           2  single request       0001        'echo'  5 bytes  'hello'
server           2  notification                     'log'  2 bytes  'hi'
server          19  single result        0001        5 bytes  'hello'
server          37  notification                     'log'  3 bytes  'end'
";
    let lines = without_times(&shown);
    assert_eq!(lines[..7].join("\n") + "\n", want, "{shown}");
    assert!(shown.contains("\nopen streams: none\nsummary:\n"), "{shown}");
    assert!(shown.ends_with("4  in all               82 bytes read\n"), "{shown}");
    assert_eq!(code, Some(0));

    // The times are counted from when the client came, and not from when the relay began.
    let recorded = fs::read(recording.path()).unwrap();
    let head = text(recorded.split(|byte| *byte == b'\n').next().unwrap());
    let start: u128 = head.strip_prefix("gotalk-recording 1 ").unwrap().parse().unwrap();
    assert!((waiting..=unix_time()).contains(&start), "{waiting} {start}");

    let inspected = output(&["inspect", recording.path()]);
    assert_eq!((text(&inspected.stdout), inspected.status.code()), (shown, Some(0)));
    let json = output(&["inspect", "--json", recording.path()]);
    let json: Vec<Value> =
        text(&json.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(json[0]["order"], "as each message came");
    assert_eq!((&json[3]["type"], &json[3]["from"]), (&"single_request".into(), &"client".into()));
    let times: Vec<u64> = json.iter().filter_map(|line| line["time_us"].as_u64()).collect();
    assert!(times.is_sorted() && times.len() == 6, "{times:?}");
}

/// The tool at both ends, over a relay from one transport to another.
#[cfg(unix)]
#[test]
fn it_joins_transports() {
    let socket = Scratch::new("socket");
    let at = format!("unix:{}", socket.path());
    let servers = ["127.0.0.1:0", "ws://127.0.0.1:0/a", &at].map(Program::server);
    let mut number = 0;
    for server in &servers {
        for listen in ["127.0.0.1:0", "ws://127.0.0.1:0/b", "unix"] {
            number += 1;
            let own = Scratch::new(&number.to_string());
            let unix = format!("unix:{}", own.path());
            let listen = if listen == "unix" { &unix } else { listen };
            let relay = Program::relay(&["--json", listen, &server.addr]);
            let call = output(&["call", "--stream", &relay.addr, "echo", "in more parts than one"]);
            let both = format!("{listen} to {}", server.addr);
            assert_eq!(text(&call.stdout), "in more parts than one", "{both}: {call:?}");
            let (code, shown) = relay.ends();
            assert_eq!(code, Some(0), "{both}: {shown}");
            let ends = shown.matches(r#""size":0,"#).count();
            assert_eq!(ends, 2, "of the request and the result, {both}: {shown}");
            assert!(!own.0.exists());
        }
    }
}

/// A second start at its socket is not its client.
#[cfg(unix)]
#[test]
fn a_taken_socket_is_left_alone() {
    let socket = Scratch::new("taken");
    let at = format!("unix:{}", socket.path());
    let server = Program::server("127.0.0.1:0");
    let relay = Program::relay(&[&at, &server.addr]);
    assert_eq!(output(&["serve", &at]).status.code(), Some(3));
    assert_eq!(text(&output(&["call", &at, "echo", "hi"]).stdout), "hi");
    assert_eq!(relay.ends().0, Some(0));
}

#[test]
fn the_standard_input_and_output_are_an_end_too() {
    let server = Program::server("127.0.0.1:0");
    let mut relay = gotalk(&["relay", "-", &server.addr])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut to, mut from) = (relay.stdin.take().unwrap(), relay.stdout.take().unwrap());
    to.write_all(b"01r0001004echo00000002hi").unwrap();
    hears(&mut from, b"01R000100000002hi");
    drop(to);
    assert_eq!(from.read(&mut [0]).unwrap(), 0);
    let ended = relay.wait_with_output().unwrap();
    let shown = text(&ended.stderr);
    assert!(shown.starts_with("-\n"), "{shown}");
    assert!(shown.contains("single result        0001        2 bytes  'hi'\n"), "{shown}");
    assert_eq!(ended.status.code(), Some(0));
}

/// A client that asks the device for this, over the relay.
#[cfg(unix)]
fn asks(relay: &Program, server: &TcpListener, what: &str) {
    let mut client = connect(&relay.addr);
    let (mut server, _) = server.accept().unwrap();
    let request = format!("01n003log{:08x}{what}", what.len());
    client.write_all(request.as_bytes()).unwrap();
    hears(&mut server, request.as_bytes());
    server.write_all(b"01").unwrap();
    hears(&mut client, b"01");
}

#[cfg(unix)]
#[test]
fn one_conversation_after_another() {
    let recordings = ["kept.1", "kept.2", "kept.3"].map(Scratch::new);
    let recording = recordings[0].path().trim_end_matches(".1");
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = server.local_addr().unwrap().to_string();
    let relay = Program::relay(&["-k", "--record", recording, "127.0.0.1:0", &at]);
    for what in ["one", "two"] {
        asks(&relay, &server, what);
    }
    // Who comes while another is there waits for its turn.
    let mut third = connect(&relay.addr);
    third.write_all(b"01").unwrap();
    let (mut to_third, _) = server.accept().unwrap();
    hears(&mut to_third, b"01");
    let mut fourth = connect(&relay.addr);
    fourth.write_all(b"01n").unwrap();
    server.set_nonblocking(true).unwrap();
    third.write_all(b"n003log00000000").unwrap();
    hears(&mut to_third, b"n003log00000000");
    assert!(server.accept().is_err(), "the fourth has been let in");
    server.set_nonblocking(false).unwrap();
    drop((third, to_third));
    let (mut to_fourth, _) = server.accept().unwrap();
    hears(&mut to_fourth, b"01n");
    let (code, shown) = relay.interrupted();
    assert_eq!(code, Some(143), "{shown}");
    for number in 1..=4 {
        let line = format!("connection {number}: 127.0.0.1:");
        assert_eq!(shown.matches(&line).count(), 1, "{shown}");
        assert!(shown.contains(&format!(" -> {at}, from ")), "{shown}");
    }
    assert_eq!(shown.matches("\nsummary:\n").count(), 4, "{shown}");
    for (recording, what) in recordings.iter().zip(["'one'", "'two'", "'log'  0 bytes"]) {
        let inspected = text(&output(&["inspect", recording.path()]).stdout);
        assert!(inspected.contains(what), "{inspected}");
    }
    let _ = fs::remove_file(format!("{recording}.4"));
    assert!(!fs::exists(recording).unwrap());
}

#[cfg(unix)]
#[test]
fn what_cannot_be_passed_on_does_not_end_it() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = server.local_addr().unwrap().to_string();
    let relay = Program::relay(&["--keep-open", "--json", "ws://127.0.0.1:0/", &at]);
    let addr = relay.addr.strip_prefix("ws://").unwrap().trim_end_matches('/').to_owned();
    let mut stranger = connect(&addr);
    stranger.write_all(b"01 is no request for a WebSocket\r\n\r\n").unwrap();
    let told = relay.told.recv_timeout(HANG).unwrap();
    assert!(told.contains("no WebSocket: "), "{told}");
    drop(server); // and the target is not there
    let call = output(&["call", &relay.addr, "echo", "hi"]);
    assert_eq!(call.status.code(), Some(3));
    let told = relay.told.recv_timeout(HANG).unwrap();
    assert!(told.starts_with(&format!("{at}: ")), "{told}");
    let server = Program::server(&at);
    for _ in 0..2 {
        let call = output(&["call", &relay.addr, "echo", "hi"]);
        assert_eq!(text(&call.stdout), "hi");
    }
    let (code, shown) = relay.interrupted();
    drop(server);
    assert_eq!(code, Some(143), "{shown}");
    let objects: Vec<Value> = shown.lines().map(|it| serde_json::from_str(it).unwrap()).collect();
    let of_type = |kind| objects.iter().filter(move |object| object["type"] == kind);
    let numbers: Vec<_> = of_type("single_request").map(|object| &object["connection"]).collect();
    assert_eq!(numbers, [1, 2], "{shown}");
    assert!(of_type("connection").all(|object| object["server"] == at.as_str()), "{shown}");
    assert_eq!(of_type("summary").count(), 2, "{shown}");
}

/// As connections that a browser makes for later, and what it asks for beside the page.
#[test]
fn who_opens_no_websocket_holds_up_nobody() {
    for options in [["-k"].as_slice(), &[]] {
        let server = Program::server("127.0.0.1:0");
        let relay = Program::relay(&[options, &["ws://127.0.0.1:0/a", &server.addr]].concat());
        let addr = relay.addr.strip_prefix("ws://").unwrap().trim_end_matches("/a").to_owned();
        for (path, answer) in [("favicon.ico", "404 "), ("a", "426 ")] {
            let mut other = connect(&addr);
            other.write_all(format!("GET /{path} HTTP/1.1\r\n\r\n").as_bytes()).unwrap();
            let mut answered = String::new();
            other.read_to_string(&mut answered).unwrap();
            assert!(answered.starts_with(&format!("HTTP/1.1 {answer}")), "{answered}");
            drop(other);
            let told = relay.told.recv_timeout(HANG).unwrap();
            assert!(told.contains(&format!(": no WebSocket: HTTP {answer}")), "{told}");
        }
        // A call waits no longer than one of them may be silent.
        let silent = [0; 3].map(|_| connect(&addr));
        (&silent[1]).write_all(b"GET /a HTTP/1.1\r\n").unwrap();
        let call = output(&["call", &relay.addr, "echo", "hi"]);
        assert_eq!(text(&call.stdout), "hi", "{call:?}");
        drop(silent);
        if options.is_empty() {
            assert_eq!(relay.ends().0, Some(0));
        }
    }
}

/// Who has closed a WebSocket waits for nothing, whatever the target does.
#[cfg(unix)]
#[test]
fn a_page_that_has_gone_holds_up_nobody() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = server.local_addr().unwrap().to_string();
    let relay = Program::relay(&["-k", "ws://127.0.0.1:0/", &at]);
    let mut kept = Vec::new();
    for _ in 0..2 {
        let addr = relay.addr.clone();
        let call = thread::spawn(move || output(&["call", &addr, "echo", "hi"]));
        let (mut server, _) = server.accept().unwrap();
        hears(&mut server, b"01r0000004echo00000002hi");
        server.write_all(b"01R000000000002hi").unwrap();
        assert_eq!(text(&call.join().unwrap().stdout), "hi");
        kept.push(server); // which never closes
    }
}

/// As in a pipe to a pager. Then it does not hear of anything else.
#[test]
#[cfg(unix)]
fn it_can_be_interrupted_while_nobody_takes_its_output() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut relay = Program::relay(&["127.0.0.1:0", &server.local_addr().unwrap().to_string()]);
    let mut client = TcpStream::connect(&relay.addr).unwrap();
    let mut accepted = server.accept().unwrap().0;
    thread::spawn(move || std::io::copy(&mut accepted, &mut std::io::sink()));
    client.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
    client.write_all(b"01").unwrap();
    while client.write_all(&b"n003log00000000".repeat(1000)).is_ok() {}
    let mut child = relay.child.take().unwrap();
    assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    let (sender, ended) = mpsc::channel();
    let id = child.id().to_string();
    let out = child.stdout.take(); // stays open, and is not read
    thread::spawn(move || sender.send(child.wait().unwrap().code()));
    let Ok(code) = ended.recv_timeout(HANG) else {
        let _ = Command::new("kill").args(["-KILL", &id]).status();
        panic!("it goes on");
    };
    assert_eq!(code, Some(143));
    drop(out);
}

#[test]
fn what_cannot_be_done_is_told() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = taken.local_addr().unwrap().to_string();
    for (args, code, why) in [
        (["relay", &at, &at].as_slice(), 3, at.as_str()),
        (&["relay", "-k", &at, &at], 3, at.as_str()),
        (&["relay", "-k", "-", &at], 64, "are there only once"),
        (&["relay", "-k", &at, "-"], 64, "are there only once"),
        (&["relay", "-", "127.0.0.1:0"], 3, "127.0.0.1:0: "),
        (&["relay", "-", "-"], 64, "only one end can be the standard input"),
        (&["relay", "-"], 64, "TARGET"),
        (&["relay", "--record", "/no/such/place", "-", &at], 74, "cannot write: /no/such/place: "),
        #[cfg(target_os = "linux")]
        (&["relay", "--record", "/dev/full", "-", &at], 74, "cannot write: /dev/full: "),
    ] {
        let told = output(args);
        let why_not = text(&told.stderr);
        assert_eq!(told.status.code(), Some(code), "{args:?}: {why_not}");
        assert!(why_not.contains(why), "{args:?}: {why_not}");
    }
    // Also if the files come one by one, it is known before a client comes.
    let relay = Program::relay(&["-k", "--record", "/no/such/place", "127.0.0.1:0", &at]);
    assert!(relay.addr.starts_with("gotalk: cannot write: /no/such/place.1: "), "{}", relay.addr);
    assert_eq!(relay.ends().0, Some(74));
}

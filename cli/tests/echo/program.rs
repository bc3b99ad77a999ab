//! `gotalk serve` and `gotalk call` as programs: output, exit codes, and what happens
//! where there is too little of everything.

use super::support::gotalk;
use super::*;
use std::fs::File;
use std::io;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};
use std::time::Instant;

pub(crate) fn output(args: &[&str]) -> Output {
    gotalk(args).output().unwrap()
}

/// A server in a process of its own, which ends with this.
pub(crate) struct Process {
    pub(crate) child: Child,
    pub(crate) addr: String,
    pub(crate) lines: Receiver<String>,
}

impl Process {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || out.try_for_each(|line| sender.send(line)));
        let addr = lines.recv_timeout(HANG).unwrap();
        Self { child, addr, lines }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_programs_serve_and_call() {
    let server = Process::start(gotalk(&["serve", "127.0.0.1:0"]));
    let addr = server.addr.as_str();
    // A name with more addresses than one, on many systems, of which one is served.
    let name = addr.replace("127.0.0.1", "localhost");
    for (args, code, out, err) in [
        (["call", &name, "echo", "hello"].as_slice(), 0, "hello", ""),
        (&["call", addr, "echo", "hello"], 0, "hello", ""),
        (
            &["call", "--stream", addr, "echo", "in more parts than one"],
            0,
            "in more parts than one",
            "",
        ),
        (&["call", addr, "echo", "-1"], 0, "-1", ""),
        (&["call", addr, "echo", "-1", "--stream"], 0, "-1", ""),
        (&["call", addr, "echo", ""], 0, "", ""),
        (&["call", addr, "echo"], 0, "", ""),
        (&["call", addr, "echo", "--stream"], 0, "", ""),
        (&["call", addr, "x", ""], 1, "", "error: unknown operation \"x\"\n"),
    ] {
        let output = output(args);
        assert_eq!(String::from_utf8_lossy(&output.stdout), out, "{args:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), err, "{args:?}");
        assert_eq!(output.status.code(), Some(code), "{args:?}");
    }
}

#[test]
fn wrong_use_is_told() {
    let long = "a".repeat(4096);
    for args in [
        [].as_slice(),
        &["no-such-command"],
        &["serve"],
        &["serve", "--stream", "127.0.0.1:0"],
        &["call", "127.0.0.1:0"],
        &["call", "127.0.0.1:0", "echo", "payload", "more"],
        &["call", "127.0.0.1:0", "", "payload"],
        &["call", "127.0.0.1:0", &long, "payload"],
        &["call", "--timeout", "0", "127.0.0.1:0", "echo", "payload"],
        &["call", "--timeout", "-1", "127.0.0.1:0", "echo", "payload"],
        &["call", "--timeout", "1e300", "127.0.0.1:0", "echo", "payload"],
        &["completions"],
        &["completions", "command.com"],
    ] {
        let output = output(args);
        assert_eq!(
            (output.status.code(), output.stdout.as_slice()),
            (Some(64), &b""[..]),
            "{args:?}"
        );
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(told.contains("Usage: gotalk") || told.contains("try '--help'"), "{told}");
    }
}

#[test]
fn help_goes_to_the_standard_output() {
    for (args, part) in [
        (["--help"].as_slice(), "completions"),
        (&["--version"], concat!("gotalk ", env!("CARGO_PKG_VERSION"), "\n")),
        (&["inspect", "--help"], "Examples:\n  gotalk inspect capture.bin"),
        (&["serve", "--help"], "Exit codes:\n   0  the standard input has ended\n   3  "),
        (&["relay", "--help"], "\n  gotalk inspect talk.rec\n"),
        (&["completions", "bash"], "--record"),
        (&["completions", "zsh"], "relay"),
        (&["serve", "--help"], "\n  serial:PATH?baud=N\n"),
        (&["call", "--help"], "\n  ws://HOST:PORT/PATH\n"),
        (&["call", "--help"], "Exit codes:\n   0  the result has been printed"),
        (&["help", "inspect"], "Examples:\n  gotalk inspect capture.bin"),
        (&["completions", "--help"], "bash"),
        (&["completions", "bash"], "--no-handshake"),
        (&["completions", "zsh"], "--no-handshake"),
    ] {
        let output = output(args);
        assert_eq!(
            (output.status.code(), output.stderr.as_slice()),
            (Some(0), &b""[..]),
            "{args:?}"
        );
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(told.contains(part), "{args:?}: {told}");
    }
}

fn full() -> File {
    File::options().write(true).open("/dev/full").unwrap()
}

/// A pipe that nobody reads.
fn broken() -> std::io::PipeWriter {
    let (_, writer) = std::io::pipe().unwrap();
    writer
}

/// Nor does one that nobody reads.
#[test]
#[cfg(target_os = "linux")]
fn a_full_standard_error_changes_nothing() {
    let server = Process::start(gotalk(&["serve", "127.0.0.1:0"]));
    let taken = server.addr.as_str();
    for (args, code) in [
        ([].as_slice(), 64),
        (&["call", "127.0.0.1:0", "", ""], 64),
        (&["call", taken, "echo", "hello"], 0),
        (&["call", taken, "x", ""], 1),
        (&["call", "127.0.0.1:0", "echo", ""], 3),
        (&["serve", taken], 3),
        (&["inspect", "no-such-file"], 66),
        (&["inspect", "no", "such", "use"], 64),
    ] {
        let broken = broken();
        let [full, broken] = [full().into(), Stdio::from(broken)]
            .map(|err| gotalk(args).stdout(Stdio::null()).stderr(err).status().unwrap().code());
        assert_eq!((full, broken), (Some(code), Some(code)), "{args:?}");
    }
}

/// Also a line right before the end, which is a matter of luck if nobody waits for it.
#[test]
fn the_last_lines_are_printed() {
    for (input, told) in [
        ("xx", "closed -: at byte 0: 'x' is not a hexadecimal digit of the version\n"),
        ("01n003log00000002hi", "notification from -: \"log\" hi\n"),
    ] {
        for _ in 0..100 {
            let mut server = gotalk(&["serve", "-"]);
            server.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
            let mut server = server.spawn().unwrap();
            server.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
            let err = server.wait_with_output().unwrap().stderr;
            assert_eq!(String::from_utf8_lossy(&err), format!("-\n{told}"));
        }
    }
}

/// The same for a server that is terminated.
#[test]
#[cfg(unix)]
fn what_came_before_the_end_is_printed() {
    for _ in 0..100 {
        let mut server = Process::start(gotalk(&["serve", "127.0.0.1:0"]));
        let mut peer = Peer::new(TcpStream::connect(&server.addr).unwrap());
        peer.say("01n003log00000002hi");
        peer.hears("01");
        peer.is_served();
        let pid = server.child.id().to_string();
        assert!(Command::new("kill").arg(&pid).status().unwrap().success());
        assert_eq!(server.child.wait().unwrap().code(), Some(143));
        let line = server.lines.recv_timeout(HANG).unwrap();
        assert!(line.ends_with(": \"log\" hi"), "{line}");
    }
}

/// Lines that nobody takes do not keep it from ending.
#[test]
fn a_server_ends_though_its_lines_find_no_room() {
    let mut server = gotalk(&["serve", "--json", "-"]);
    server.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut server = server.spawn().unwrap();
    let _unread = server.stderr.take().unwrap();
    let mut input = b"01".to_vec();
    for _ in 0..100 {
        input.extend_from_slice(b"n003log00004000");
        input.extend_from_slice(&[b'.'; 0x4000]);
    }
    server.stdin.take().unwrap().write_all(&input).unwrap();
    let until = Instant::now() + HANG;
    let code = loop {
        match server.try_wait().unwrap() {
            None if Instant::now() > until => server.kill().unwrap(),
            None => thread::sleep(Duration::from_millis(10)),
            Some(status) => break status.code(),
        }
    };
    assert_eq!(code, Some(0));
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_standard_output_has_a_code_of_its_own() {
    let server = Process::start(gotalk(&["serve", "127.0.0.1:0"]));
    for (args, enough) in [
        (["--help"].as_slice(), 0),
        (&["--version"], 0),
        (&["completions", "bash"], 0),
        (&["inspect", "-"], 0),
        // Here 0 would say that there is a result, and that it is whole.
        (&["call", &server.addr, "echo", "hello"], 74),
        (&["call", "--json", &server.addr, "echo", "hello"], 74),
        (&["call", "--json", &server.addr, "fail", "hello"], 74),
        (&["call", "--json", "--notify", &server.addr, "news", "hello"], 74),
        (&["call", "--json", "127.0.0.1:1", "echo"], 74),
        (&["call", "--repeat", "1", &server.addr, "echo", "hello"], 74),
    ] {
        let told = gotalk(args).stdout(full()).output().unwrap();
        assert_eq!(told.status.code(), Some(74), "{args:?}");
        let told = String::from_utf8_lossy(&told.stderr);
        assert!(told.starts_with("gotalk: cannot write: "), "{args:?}: {told}");
        // Where both are full nobody can be told, and a pipe that nobody reads is enough said.
        let both = gotalk(args).stdout(full()).stderr(full()).status().unwrap();
        assert_eq!(both.code(), Some(74), "{args:?}");
        let broken = gotalk(args).stdout(broken()).output().unwrap();
        assert_eq!(
            (broken.status.code(), broken.stderr.as_slice()),
            (Some(enough), &b""[..]),
            "{args:?}"
        );
    }
}

/// A limit for all of it is one for whoever takes the result, too.
#[test]
fn a_result_that_nobody_takes_ends_with_the_time() {
    let server = Process::start(gotalk(&["serve", "127.0.0.1:0"]));
    let big = "x".repeat(100_000); // more than a pipe holds
    for json in [[].as_slice(), &["--json"]] {
        let args = [&["call", "--timeout", "1"], json, &[&server.addr, "echo", &big]].concat();
        let mut command = gotalk(&args);
        let mut call = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let _unread = call.stdout.take().unwrap();
        assert_eq!(call.wait().unwrap().code(), Some(74));
        let mut told = String::new();
        call.stderr.take().unwrap().read_to_string(&mut told).unwrap();
        assert_eq!(told, "gotalk: cannot write: it was not taken in time\n");
    }
}

/// Nor is it kept: the peer is not read meanwhile.
#[test]
fn a_result_that_nobody_takes_stops_the_peer() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    let mut call = gotalk(&["call", &addr, "x"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut peer = Peer::new(listener.accept().unwrap().0);
    peer.say("01R000004000000");
    peer.0.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    let mut said = 0;
    while let Ok(len) = peer.0.write(&[b'x'; 1 << 16]) {
        said += len;
        assert!(said < 32 << 20, "it is kept");
    }
    peer.0.set_write_timeout(None).unwrap();
    let mut out = call.stdout.take().unwrap();
    let rest = thread::spawn(move || io::copy(&mut out, &mut io::sink()).unwrap());
    peer.say(vec![b'x'; (64 << 20) - said]);
    assert_eq!((rest.join().unwrap(), call.wait().unwrap().code()), (64 << 20, Some(0)));
}

/// One line tells that descriptors are out, however long that lasts.
#[test]
#[cfg(target_os = "linux")]
fn running_out_of_descriptors_is_told_once() {
    let mut command = Command::new("sh");
    let line = format!("ulimit -n 15; exec {} serve 127.0.0.1:0", env!("CARGO_BIN_EXE_gotalk"));
    command.args(["-c", &line]);
    let server = Process::start(command);
    let mut peers: Vec<Peer> =
        (0..20).map(|_| Peer::new(TcpStream::connect(&server.addr).unwrap())).collect();
    let first = server.lines.recv_timeout(HANG).unwrap();
    assert!(first.starts_with("not accepted: "), "{first}");
    let until = Instant::now() + Duration::from_millis(1500);
    let mut more = 0;
    while let Ok(line) = server.lines.recv_timeout(until.saturating_duration_since(Instant::now()))
    {
        assert!(line.starts_with("not accepted: "), "{line}");
        more += 1;
    }
    assert_eq!(more, 0, "lines in 1.5 s");
    // When there are some again, all who wait are served.
    for peer in peers.drain(..8) {
        drop(peer);
    }
    peers.truncate(4);
    for peer in &mut peers {
        peer.say("01");
        peer.hears("01");
        peer.is_served();
    }
    let mut lines = std::iter::repeat_with(|| server.lines.recv_timeout(HANG).unwrap());
    assert!(lines.any(|line| line == "accepting again"));
}

#[test]
#[cfg(target_os = "linux")]
fn connecting_takes_no_longer_than_allowed() {
    // A listener whose queue is full takes no connection, and does not refuse it either.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let mut queue = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&addr, Duration::from_millis(200)) {
        queue.push(stream);
        assert!(queue.len() < 10_000);
    }
    let start = Instant::now();
    let mut child = gotalk(&["call", "--timeout", "0.5", &addr.to_string(), "echo", ""])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while child.try_wait().unwrap().is_none() {
        if start.elapsed() > Duration::from_secs(8) {
            child.kill().unwrap();
            panic!("still connecting");
        }
        thread::sleep(Duration::from_millis(10));
    }
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stderr).contains("timed out"), "{output:?}");
}

/// However much comes in the meantime.
#[test]
fn a_call_takes_no_longer_than_allowed() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    let peer = thread::spawn(move || {
        let mut peer = Peer::new(listener.accept().unwrap().0);
        peer.hears("01r0000001x00000000");
        peer.say("01");
        for _ in 0..400 {
            if peer.0.write_all(b"S000000000001.").is_err() {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
        panic!("it takes more than 8 s of it");
    });
    let output = output(&["call", "--timeout", "1", &addr, "x", ""]);
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "no answer: the time is up\n");
    assert!(output.stdout.starts_with(b".."));
    peer.join().unwrap();
}

/// In an error, a wait, a notification, and the names of those.
#[test]
fn what_cannot_be_seen_is_shown_as_an_escape() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    let evil = "\u{202e}gnp.exe\u{1b}\u{2028}\u{feff}";
    let shown = "\\u{202e}gnp.exe\\u{1b}\\u{2028}\\u{feff}";
    let text = format!("{:08x}{evil}", evil.len());
    let peer = thread::spawn(move || {
        for answer in [format!("E0000{text}"), format!("e000000000001{text}")] {
            let mut peer = Peer::new(listener.accept().unwrap().0);
            peer.hears("01r0000001x00000000");
            peer.say(format!("01n{:03x}{evil}{text}", evil.len()));
            peer.say(answer);
            peer.hears_to_the_end();
        }
    });
    let note = format!("notification: \"{shown}\" {shown}\n");
    for (code, last) in [(1, "error: "), (2, "retry after 1 ms: ")] {
        let output = output(&["call", &addr, "x", ""]);
        assert_eq!(output.status.code(), Some(code));
        assert_eq!(String::from_utf8_lossy(&output.stderr), format!("{note}{last}{shown}\n"));
    }
    peer.join().unwrap();

    let server = Server::start();
    let mut peer = server.ready();
    peer.say(format!("n{:03x}{evil}{:08x}{evil}", evil.len(), evil.len()));
    let line = server.logs("notification");
    assert!(line.ends_with(&format!(": \"{shown}\" {shown}")), "{line}");
}

/// A character may be cut anywhere between two pieces of a result.
#[test]
fn a_result_does_not_drive_a_terminal() {
    let text = "a\tb\nå€😀\x1b[2J\r\u{202e}\u{e0041}".as_bytes();
    let bytes = [text, b"\xff\xe2\x82", b"!\xe2"].concat();
    let want = "a\tb\nå€😀\\u{1b}[2J\\r\\u{202e}\\u{e0041}\u{fffd}\u{fffd}!\u{fffd}\n";
    for size in 1..bytes.len() {
        let mut shown = Vec::new();
        let mut terminal = crate::output::Terminal::new(&mut shown);
        for piece in bytes.chunks(size).chain([b"\n".as_slice()]) {
            terminal.write_all(piece).unwrap();
        }
        assert_eq!(String::from_utf8(shown).unwrap(), want, "in pieces of {size}");
    }
}

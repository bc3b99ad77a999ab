//! Where `gotalk call` has its payload from, by the program.

use super::program::{Process, output};
use super::support::gotalk;
use super::*;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Output, Stdio};

/// A file that is gone with this.
pub(crate) struct Temporary(PathBuf);

impl Temporary {
    pub(crate) fn new(name: &str, bytes: &[u8]) -> Self {
        let name = format!("payload-{}-{name}", std::process::id());
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::write(&path, bytes).unwrap();
        Self(path)
    }

    /// As an argument.
    pub(crate) fn arg(&self) -> String {
        format!("@{}", self.0.display())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn bytes(len: u32) -> Vec<u8> {
    (0..len).map(|i| (i % 251) as u8).collect()
}

fn piped(args: &[&str]) -> Child {
    gotalk(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn with_input(args: &[&str], input: &[u8]) -> Output {
    let mut child = piped(args);
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writing = thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    writing.join().unwrap();
    output
}

#[track_caller]
fn assert_gives(output: &Output, result: &[u8]) {
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stdout == result, "{} bytes of {}", output.stdout.len(), result.len());
}

#[test]
fn a_payload_comes_from_anywhere() {
    let server = Server::start();
    let addr = &server.addr.to_string();
    for payload in [Vec::new(), b"@home".to_vec(), b"-".to_vec(), bytes(100_000)] {
        let file = Temporary::new("anywhere", &payload);
        for options in [["call"].as_slice(), &["call", "--stream"]] {
            let file = file.arg();
            let [file, input, too] =
                [&file, "-", "@-"].map(|last| [options, &[addr, "echo", last]].concat());
            assert_gives(&output(&file), &payload);
            assert_gives(&with_input(&input, &payload), &payload);
            assert_gives(&with_input(&too, &payload), &payload);
        }
    }
    let file = Temporary::new("note", b"hi");
    assert_gives(&output(&["call", "--notify", addr, "log", &file.arg()]), b"");
    assert!(server.logs("notification").ends_with(": \"log\" hi"));
}

#[test]
fn a_payload_that_cannot_be_read_has_a_code_of_its_own() {
    let server = Server::start();
    let addr = &server.addr.to_string();
    let directory = concat!("@", env!("CARGO_MANIFEST_DIR"));
    for stream in [[].as_slice(), &["--stream"]] {
        for missing in ["@no-such-file", "@", directory] {
            let told = output(&[&["call"], stream, &[addr, "echo", missing]].concat());
            assert_eq!(told.status.code(), Some(66), "{missing} {stream:?}");
            let told = String::from_utf8_lossy(&told.stderr);
            let start = format!("gotalk: cannot read {}: ", &missing[1..]);
            assert!(told.starts_with(&start), "{told}");
            let hint = "; to send `@no-such-file` itself, give `-` and send it by a pipe\n";
            assert_eq!(told.ends_with(hint), missing == "@no-such-file", "{told}");
        }
    }
    let both = output(&["call", "-", "echo", "-"]);
    assert_eq!(both.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&both.stderr).contains("cannot be both"));
}

/// Reads a message of this kind, `s` with its name or `p`, and gives its payload.
fn part(peer: &mut Peer, start: &str) -> Vec<u8> {
    peer.hears(start);
    let mut part = vec![0; peer.hears_a_number(8) as usize];
    peer.0.read_exact(&mut part).unwrap();
    part
}

/// What a call with these options sends of a payload, part by part.
fn parts(options: &[&str], payload: &str) -> Vec<Vec<u8>> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    let peer = thread::spawn(move || {
        let mut peer = Peer::new(listener.accept().unwrap().0);
        let mut parts = vec![part(&mut peer, "01s0000004echo")];
        while parts.last().is_some_and(|part| !part.is_empty()) {
            parts.push(part(&mut peer, "p0000"));
        }
        peer.say("01R000000000002ok");
        parts
    });
    let call = [&["call", "--stream"], options, &[&addr, "echo", payload]].concat();
    assert_gives(&output(&call), b"ok");
    peer.join().unwrap()
}

#[test]
fn a_part_is_as_long_as_asked_for() {
    let text: Vec<Vec<u8>> = ["0123456", "789abcd", "ef", ""].map(Vec::from).into();
    assert_eq!(parts(&["--part", "7"], "0123456789abcdef"), text);
    let file = Temporary::new("part", &bytes(2500));
    let sizes: Vec<usize> = parts(&["--part", "1000"], &file.arg()).iter().map(Vec::len).collect();
    assert_eq!(sizes, [1000, 1000, 500, 0]);
    let long = "x".repeat(20_000);
    let sizes: Vec<usize> = parts(&["--part", "16384"], &long).iter().map(Vec::len).collect();
    assert_eq!(sizes, [16_384, 3_616, 0]);
    for wrong in [["--stream", "--part=0"].as_slice(), &["--stream", "--part=16385"], &["--part=9"]]
    {
        let told = output(&[&["call"], wrong, &["127.0.0.1:1", "echo", "x"]].concat());
        assert_eq!(told.status.code(), Some(64), "{wrong:?}");
    }
}

#[test]
fn a_file_is_streamed_in_large_parts() {
    let payload = bytes(40_000);
    let file = Temporary::new("parts", &payload);
    let parts = parts(&[], &file.arg());
    assert!(parts.concat() == payload);
    assert!(parts.iter().all(|part| part.len() <= 16 * 1024));
    assert!(parts.len() < 20, "{} parts", parts.len());
}

/// Each time the peer has heard what was written, and only then the next is written.
#[test]
fn a_slow_pipe_is_sent_as_it_comes() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    let mut call = piped(&["call", "--stream", &addr, "echo", "-"]);
    let mut stdin = call.stdin.take().unwrap();
    let mut peer = Peer::new(listener.accept().unwrap().0);
    peer.hears("01");
    stdin.write_all(b"one").unwrap();
    peer.hears("s0000004echo00000003one");
    stdin.write_all(b"two").unwrap();
    peer.hears("p000000000003two");
    peer.say("01S000000000004live");
    let mut out = call.stdout.take().unwrap();
    let mut live = [0; 4];
    out.read_exact(&mut live).unwrap();
    assert_eq!(&live, b"live");
    drop(stdin);
    peer.hears("p000000000000");
    peer.say("S000000000000");
    assert_eq!(call.wait().unwrap().code(), Some(0));
}

/// An answer that comes first ends the call, although nobody ends the input.
#[test]
fn an_answer_does_not_wait_for_the_input() {
    let server = Server::start();
    let mut call = piped(&["call", "--stream", &server.addr.to_string(), "no-such", "-"]);
    let mut stdin = call.stdin.take().unwrap();
    stdin.write_all(b"x").unwrap();
    assert_eq!(call.wait().unwrap().code(), Some(1));
}

/// Patience is for the server: the input may take longer.
#[test]
#[cfg(target_os = "linux")]
fn a_slow_pipe_does_not_wear_out_patience() {
    use std::os::fd::AsRawFd;
    let server = Server::start();
    let (reader, mut writer) = std::io::pipe().unwrap();
    let path = format!("/proc/self/fd/{}", reader.as_raw_fd());
    let parts = body::Parts::open(body::Source::File(path.as_ref()), 1000).unwrap();
    let request = client::Request { op: "echo", body: client::Body::Stream(parts) };
    let writing = thread::spawn(move || {
        for piece in ["slow", "ly"] {
            thread::sleep(Duration::from_millis(1200));
            writer.write_all(piece.as_bytes()).unwrap();
        }
    });
    let limits = client::Limits { patience: 1000, ..calls::PATIENT };
    assert_eq!(calls::call(server.addr, request, limits).shown(), "slowly");
    writing.join().unwrap();
}

#[cfg(target_os = "linux")]
fn with_little_memory(args: &[&str]) -> Output {
    let line = "ulimit -v 200000; exec \"$@\"";
    let program = env!("CARGO_BIN_EXE_gotalk");
    let mut sh = std::process::Command::new("sh");
    sh.args(["-c", line, "sh", program]).args(args).output().unwrap()
}

/// It is read no faster than it is sent, and not kept.
#[test]
#[cfg(target_os = "linux")]
fn a_streamed_file_takes_no_memory() {
    const LEN: u64 = 256 << 20;
    let file = Temporary::new("large", b"");
    fs::File::options().write(true).open(&file.0).unwrap().set_len(LEN).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    let peer = thread::spawn(move || {
        let mut peer = Peer::new(listener.accept().unwrap().0);
        let (mut heard, mut piece) = (0, vec![0; 1 << 20]);
        let mut tail = Vec::new();
        while !tail.ends_with(b"p000000000000") {
            let len = peer.0.read(&mut piece).unwrap();
            assert_ne!(len, 0, "it has closed");
            heard += len as u64;
            tail.extend_from_slice(&piece[len.saturating_sub(13)..len]);
            tail.drain(..tail.len().saturating_sub(13));
        }
        peer.say("01R000000000002ok");
        heard
    });
    let output = with_little_memory(&["call", "--stream", &addr, "echo", &file.arg()]);
    assert_gives(&output, b"ok");
    assert!(peer.join().unwrap() > LEN);
}

/// One message of Gotalk becomes as many of the WebSocket as it takes.
#[test]
fn a_long_payload_goes_over_a_websocket() {
    let server = Process::start(gotalk(&["serve", "ws://127.0.0.1:0/"]));
    for len in [1 << 20, (1 << 20) + 1, 8 << 20] {
        let file = Temporary::new("websocket", &bytes(len));
        assert_gives(&output(&["call", &server.addr, "echo", &file.arg()]), &bytes(len));
    }
}

/// What is longer than a message can be is refused before anything is read or sent.
#[test]
#[cfg(target_os = "linux")]
fn a_file_may_be_too_long_for_one_message() {
    let file = Temporary::new("too-large", b"");
    fs::File::options().write(true).open(&file.0).unwrap().set_len(1 << 32).unwrap();
    let told = with_little_memory(&["call", "127.0.0.1:0", "echo", &file.arg()]);
    assert_eq!(told.status.code(), Some(66));
    let told = String::from_utf8_lossy(&told.stderr);
    assert!(told.contains("--stream"), "{told}");
}

/// In the middle of a stream, the peer is told.
#[test]
#[cfg(target_os = "linux")]
fn input_that_breaks_off_ends_the_call() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    let peer = thread::spawn(move || {
        let mut peer = Peer::new(listener.accept().unwrap().0);
        peer.say("01");
        peer.hears_to_the_end()
    });
    // It can be opened, and not be read.
    let told = output(&["call", "--stream", &addr, "echo", "@/proc/self/mem"]);
    assert_eq!(told.status.code(), Some(66));
    let told = String::from_utf8_lossy(&told.stderr);
    assert!(told.starts_with("gotalk: cannot read /proc/self/mem: "), "{told}");
    assert_eq!(peer.join().unwrap(), "01f00000000");
}

//! WebSockets, frame by frame: how the bytes are cut, and what is not read.

use super::program::{Process, output};
use super::support::gotalk;
use super::*;
use std::net::ToSocketAddrs;
use std::process::Output;

/// A client of WebSocket that knows only what this test needs, and so can tell how the
/// bytes are cut.
struct Raw(Peer);

impl Raw {
    fn connect(url: &str) -> Self {
        let (host_and_port, path) = url.strip_prefix("ws://").unwrap().split_once('/').unwrap();
        let addr = host_and_port.to_socket_addrs().unwrap().next().unwrap();
        let mut peer = Peer::new(TcpStream::connect(addr).unwrap());
        peer.say(format!(
            "GET /{path} HTTP/1.1\r\nHost: {host_and_port}\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        ));
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            head.push(peer.hears_a_byte());
        }
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        // The answer to this key is in RFC 6455, section 1.3.
        assert!(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
        Self(peer)
    }

    fn say(&mut self, first: u8, payload: &[u8]) {
        self.0.say(frame(first, 0x80, payload));
    }

    /// A frame below 126 bytes.
    #[track_caller]
    fn hears(&mut self, first: u8, payload: &str) {
        let mut head = [0; 2];
        self.0.0.read_exact(&mut head).unwrap();
        let mut got = vec![0; usize::from(head[1])];
        self.0.0.read_exact(&mut got).unwrap();
        assert_eq!((head[0], got.escape_ascii().to_string().as_str()), (first, payload));
    }
}

/// The mask that every client must use, and no server may, is 0.
fn frame(first: u8, masked: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        len @ ..126 => frame.push(masked | len as u8),
        len => {
            frame.push(masked | 127);
            frame.extend((len as u64).to_be_bytes());
        }
    }
    if masked > 0 {
        frame.extend([0; 4]);
    }
    frame.extend(payload);
    frame
}

const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;

#[test]
fn websocket_messages_are_cut_on_the_way_out_and_joined_on_the_way_in() {
    let server = Process::start(gotalk(&["serve", "ws://127.0.0.1:0/"]));
    let mut raw = Raw::connect(&server.addr);
    raw.hears(BINARY, "01");
    // In text and in binary messages, cut anywhere or not at all.
    raw.say(TEXT, b"01r00");
    raw.say(BINARY, b"01004ec");
    raw.say(TEXT, b"ho00000005he");
    raw.say(BINARY, b"");
    raw.say(PING, b"there?");
    raw.hears(PONG, "there?");
    raw.say(BINARY, b"llor0002004echo00000000r0003004echo00000001!");
    raw.hears(BINARY, "R000100000005");
    raw.hears(BINARY, "hello"); // whole, although it came in pieces
    raw.hears(BINARY, "R000200000000");
    raw.hears(BINARY, "R000300000001");
    raw.hears(BINARY, "!");
    raw.say(BINARY, b"X");
    raw.hears(BINARY, "f00000002");
    let mut close = [0; 1];
    raw.0.0.read_exact(&mut close).unwrap();
    assert_eq!(close, [CLOSE]);
}

#[test]
fn a_payload_too_long_to_be_kept_comes_through_in_pieces() {
    let server = Process::start(gotalk(&["serve", "ws://127.0.0.1:0/"]));
    let mut raw = Raw::connect(&server.addr);
    raw.hears(BINARY, "01");
    let len = 3 << 20;
    raw.say(BINARY, format!("01r0001004echo{len:08x}").as_bytes());
    for _ in 0..len / 64 {
        raw.say(BINARY, &[b'.'; 64]);
    }
    raw.hears(BINARY, &format!("R0001{len:08x}"));
    let mut got = 0;
    while got < len {
        let mut head = [0; 2];
        raw.0.0.read_exact(&mut head).unwrap();
        let size = match head[1] {
            126 => {
                let mut size = [0; 2];
                raw.0.0.read_exact(&mut size).unwrap();
                u16::from_be_bytes(size).into()
            }
            size => usize::from(size),
        };
        raw.0.0.read_exact(&mut vec![0; size]).unwrap();
        got += size;
    }
    assert_eq!(got, len);
    raw.say(BINARY, b"r0002004echo00000002hi");
    raw.hears(BINARY, "R000200000002");
    raw.hears(BINARY, "hi");
}

/// What came in one message goes back in one, as gotalk.js needs it.
#[test]
fn the_longest_message_that_is_read_is_written_too() {
    let server = Process::start(gotalk(&["serve", "ws://127.0.0.1:0/"]));
    let mut raw = Raw::connect(&server.addr);
    raw.hears(BINARY, "01");
    let longest = vec![b'x'; (1 << 20) + 4096];
    raw.say(BINARY, format!("01r0001004echo{:08x}", longest.len()).as_bytes());
    raw.say(BINARY, &longest);
    raw.hears(BINARY, &format!("R0001{:08x}", longest.len()));
    let mut got = vec![0; 10 + longest.len()];
    raw.0.0.read_exact(&mut got).unwrap();
    assert!(got == frame(BINARY, 0, &longest));
}

/// The peer is told why, however much of it is still to come, and so is whoever runs the server.
#[test]
fn a_server_says_why_it_reads_no_more() {
    const FIRST: u8 = 0x02;
    const MORE: u8 = 0x00;
    let server = Process::start(gotalk(&["serve", "ws://127.0.0.1:0/"]));
    let long = vec![b'x'; 8 << 20]; // no socket holds so much
    let fragments = [frame(FIRST, 0x80, &long[..1 << 20]), frame(MORE, 0x80, &long[..1 << 20])];
    let too_long = "a WebSocket message of more than 1 MiB";
    let no_text = "a WebSocket message of text that is no UTF-8";
    for (bytes, code, why) in [
        (frame(BINARY, 0x80, &long), 1009_u16, too_long),
        (frame(BINARY, 0x80, &long)[..14].to_vec(), 1009, too_long), // its head alone
        (fragments.concat(), 1009, too_long),
        (frame(TEXT, 0x80, b"\xff\n"), 1007, no_text),
        ([frame(0x01, 0x80, b"\xe2"), frame(MORE, 0x80, b"x")].concat(), 1007, no_text),
        (frame(0x83, 0x80, b"01"), 1002, "WebSocket protocol error: "),
        (frame(BINARY, 0, b"01"), 1002, "WebSocket protocol error: "),
    ] {
        let mut raw = Raw::connect(&server.addr);
        raw.hears(BINARY, "01");
        raw.0.say(bytes);
        let mut head = [0; 4];
        raw.0.0.read_exact(&mut head).unwrap();
        assert_eq!((head[0], u16::from_be_bytes([head[2], head[3]])), (CLOSE, code), "{why}");
        let reason = raw.0.hears_to_the_end();
        assert_eq!(reason.len() + 2, usize::from(head[1]));
        assert!(reason.starts_with(why), "{reason}");
        if code != 1002 {
            raw.0.ends(); // otherwise this end stays open, and is let go
        }
        let line = server.lines.recv_timeout(HANG).unwrap();
        assert!(line.ends_with(&format!(": {reason}")), "{line}");
    }
}

/// A call of a server that answers with these frames, and what the server hears then.
fn called(frames: Vec<u8>) -> (Output, Vec<u8>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = format!("ws://{}/", listener.local_addr().unwrap());
    let server = thread::spawn(move || {
        let mut peer = Peer::new(listener.accept().unwrap().0);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            head.push(peer.hears_a_byte());
        }
        peer.say(websocket::response(head.as_bytes()).unwrap());
        peer.say(frames);
        let mut heard = Vec::new();
        peer.0.read_to_end(&mut heard).unwrap();
        heard
    });
    (output(&["call", &addr, "echo"]), server.join().unwrap())
}

/// The peers send each payload as one message, so a result may be longer than what a server
/// takes from strangers.
#[test]
fn a_client_reads_a_long_message() {
    let result = b"long ".repeat(600_000);
    let header = format!("R0000{:08x}", result.len());
    let version_and_header = [frame(BINARY, 0, b"01"), frame(BINARY, 0, header.as_bytes())];
    let (call, _) = called([version_and_header.concat(), frame(BINARY, 0, &result)].concat());
    assert_eq!(String::from_utf8_lossy(&call.stderr), "");
    assert!(call.stdout == result);

    let mut longer = vec![BINARY, 127];
    longer.extend((65_u64 << 20).to_be_bytes());
    let (call, heard) = called([version_and_header.concat(), longer].concat());
    let why = "a WebSocket message of more than 64 MiB";
    assert_eq!(String::from_utf8_lossy(&call.stderr), format!("no answer: {why}\n"));
    assert_eq!(call.status.code(), Some(3));
    let close = &heard[heard.len() - why.len() - 8..];
    let text: Vec<u8> =
        close[6..].iter().zip(close[2..6].iter().cycle()).map(|(a, b)| a ^ b).collect();
    assert_eq!(
        (close[0], &text[..2], &text[2..]),
        (CLOSE, &1009_u16.to_be_bytes()[..], why.as_bytes())
    );
}

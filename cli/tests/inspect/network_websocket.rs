//! Gotalk inside a WebSocket.

use super::*;

const REQUEST: &str = "GET /gotalk/?a=b HTTP/1.1\r\nHost: example.org\r\nUpgrade: WebSocket\r\n\
                       Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const RESPONSE: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
                        Connection: Upgrade\r\n\r\n";

const CONTINUED: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const FINAL: u8 = 0x80;
const COMPRESSED: u8 = 0x40;

fn frame(first: u8, mask: Option<[u8; 4]>, payload: &[u8]) -> Vec<u8> {
    let masked = if mask.is_some() { 0x80 } else { 0 };
    let mut frame = vec![first];
    match payload.len() {
        len @ 0..=125 => frame.push(masked | len as u8),
        len @ 126..=0xffff => {
            frame.push(masked | 126);
            frame.extend((len as u16).to_be_bytes());
        }
        len => {
            frame.push(masked | 127);
            frame.extend((len as u64).to_be_bytes());
        }
    }
    let mask = mask.inspect(|mask| frame.extend(mask)).unwrap_or_default();
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// Both sides after the upgrade say this, in packets of `size`.
fn show_frames(client: &[u8], server: &[u8], size: usize) -> Output {
    let mut talk = Talk::new([1, 2]);
    let sides = [[REQUEST.as_bytes(), client].concat(), [RESPONSE.as_bytes(), server].concat()];
    for (side, bytes) in sides.iter().enumerate() {
        bytes.chunks(size).for_each(|chunk| talk.say(side, chunk));
    }
    show_packets(&talk.close().packets())
}

#[test]
fn messages_are_taken_out_of_frames_however_they_are_cut() {
    let long = message(b"n003log", &[b'.'; 70_000]);
    let mask = Some([1, 2, 3, 0x84]);
    let client = [
        frame(FINAL | BINARY, mask, b"01"),
        frame(TEXT, mask, b"r0001004ec"),
        frame(FINAL | PING, mask, b"there?"),
        frame(CONTINUED, mask, b""),
        frame(FINAL | CONTINUED, mask, b"ho00000005hello"),
        frame(FINAL | BINARY, None, &message(b"n003log", &[b'x'; 200])),
        frame(FINAL | BINARY, mask, &long),
        frame(FINAL | CLOSE, mask, &[3, 0xe8]),
    ]
    .concat();
    let server = [
        frame(FINAL | BINARY, None, b"01"),
        frame(FINAL | BINARY, None, b"R000100000005"),
        frame(FINAL | TEXT, None, b"hello"),
        frame(FINAL | CLOSE, None, b""),
    ]
    .concat();
    for size in [1, 7, 1400, 60_000] {
        let output = show_frames(&client, &server, size);
        let shown = messages(&output).join("\n");
        assert_eq!((messages(&output).len(), output.code), (6, 0), "{}", output.out);
        assert!(shown.contains("'echo'  5 bytes  'hello'"), "{shown}");
        assert!(shown.contains("'log'  70000 bytes  '....."), "{shown}");
        let heading = "connection 1: 10.0.0.1:40000 -> 10.0.0.2:7000, WebSocket /gotalk/?a=b, from";
        assert!(output.out.starts_with(heading), "{}", output.out);
        assert!(!output.out.contains("other"), "{}", output.out);
    }
}

#[test]
fn what_is_compressed_is_refused_with_a_word() {
    let hidden = frame(FINAL | COMPRESSED | BINARY, None, b"\x32\x30\x04\x00");
    let output = show_frames(&hidden, &hidden, 100);
    let said = "1 other TCP connection: 10.0.0.1:40000 -> 10.0.0.2:7000, \
                WebSocket /gotalk/?a=b with permessage-deflate\n";
    assert!(output.out.contains(said), "{}", output.out);
    // In the middle it ends that side.
    let server = [frame(FINAL | BINARY, None, b"01"), hidden].concat();
    let client = frame(FINAL | BINARY, None, b"01n003log00000000");
    let output = show_frames(&client, &server, 1000);
    let said = "\nconnection 1, server: no further than offset 2, packet 4: \
                it is compressed by permessage-deflate, which is not read\n";
    assert!(output.out.contains(said), "{}", output.out);
    assert_eq!((messages(&output).len(), output.code), (3, 2));
}

#[test]
fn frames_that_cannot_be_are_bad_input() {
    let start = frame(FINAL | BINARY, None, b"01");
    for (wrong, why) in [
        (frame(FINAL | 3, None, b""), "invalid opcode"),
        (frame(FINAL | 0x20 | BINARY, None, b""), "reserved bits are set"),
        (frame(FINAL | CONTINUED, None, b""), "a message does not go on where it should"),
        ([frame(BINARY, None, b""), frame(TEXT, None, b"")].concat(), "does not go on"),
        (frame(PING, None, b""), "a control frame is in parts"),
        (frame(FINAL | PING, None, &[0; 126]), "a control frame is in parts, or too long"),
    ] {
        let output = show_frames(&[start.clone(), wrong].concat(), &start, 1000);
        let said =
            "\nconnection 1, client: no further than offset 2, packet 3: no WebSocket frame: ";
        assert!(output.out.contains(said), "{}", output.out);
        assert!(output.out.to_lowercase().contains(why), "{why}: {}", output.out);
        assert_eq!(output.code, 1);
    }
    // A frame that announces more than there can be costs nothing.
    let huge = [&[FINAL | BINARY, 127], [0xff; 8].as_slice(), b"n003log00000000"].concat();
    let output = show_frames(&[start.clone(), huge].concat(), &start, 1000);
    assert_eq!((messages(&output).len(), output.code), (3, 0), "{}", output.out);
}

#[test]
fn other_http_is_no_gotalk() {
    for (request, response) in [
        (REQUEST.replace("WebSocket", "h2c").as_str(), RESPONSE),
        (REQUEST, "HTTP/1.1 404 Not Found\r\n\r\n\u{1}\u{2}01"),
        ("GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n01"),
        (&format!("GET /{} HTTP/1.1\r\n", "a".repeat(40_000)), ""),
        ("GET\0", "HTTP\0"),
    ] {
        let mut talk = Talk::new([1, 2]);
        talk.say(CLIENT, request.as_bytes());
        talk.say(CLIENT, &frame(FINAL | BINARY, None, b"01"));
        talk.say(SERVER, response.as_bytes());
        let output = show_packets(&talk.close().packets());
        assert!(output.out.contains("1 other TCP connection: "), "{}", output.out);
        assert_eq!(messages(&output).len(), 0);
    }
}

/// The path is what a peer sent.
#[test]
fn a_path_cannot_drive_the_terminal() {
    let path = "/\u{202e}\u{9b}31m";
    let mut talk = Talk::new([1, 2]);
    talk.say(CLIENT, REQUEST.replace("/gotalk/", path).as_bytes());
    talk.say(CLIENT, &frame(FINAL | BINARY, None, b"01"));
    talk.say(SERVER, RESPONSE.as_bytes());
    let output = show_packets(&talk.close().packets());
    assert!(!output.out.contains(['\u{202e}', '\u{9b}']), "{}", output.out);
    let escaped = r"WebSocket /\u{202e}\u{9b}31m?a=b, from ";
    assert!(output.out.contains(escaped), "{}", output.out);
}

//! Peers over WebSocket that break off, stall, flood or break its rules, against `gotalk serve`.
//! The frames are made here by hand: a library would not make these.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use socket2::SockRef;

use crate::faults::{Fault, Size, clean, connect, unread};
use crate::socket::PATH;
use crate::tool::Tool;
use crate::wire;

/// How many connections of a kind.
const FEW: usize = 20;
/// The longest message that `gotalk serve` takes, in KiB: so much it may keep of one.
const MESSAGE: usize = 1024 + 4;

const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
/// The last fragment of a message.
const LAST: u8 = 0x80;
const WHOLE: u8 = LAST | BINARY;

pub fn all(size: &Size) -> Vec<Fault<'_>> {
    let many = size.many;
    vec![
        ("ws: cut at every byte by FIN", Box::new(|tool: &Tool| cut(tool, &size.slow[0], false))),
        ("ws: cut at every byte by RST", Box::new(|tool: &Tool| cut(tool, &size.slow[0], true))),
        ("ws: a handshake that does not end", Box::new(unopened)),
        ("ws: headers without end", Box::new(headers)),
        ("ws: no handshake, or another path", Box::new(strangers)),
        ("ws: a frame of 2^63 bytes announced", Box::new(announced)),
        ("ws: fragments without end", Box::new(fragments)),
        ("ws: a flood of pings, pongs not read", Box::new(pings)),
        ("ws: frames that may not be", Box::new(forbidden)),
        ("ws: text in place of binary", Box::new(texts)),
        ("ws: leaves without a goodbye, or after one", Box::new(goodbyes)),
        (
            "ws: asks, and never reads",
            Box::new(|tool: &Tool| unread(tool, open, |bytes| frame(WHOLE, &bytes))),
        ),
        ("ws: silence", Box::new(move |tool: &Tool| silent(tool, many))),
    ]
}

fn request(path: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

/// A WebSocket that is open.
fn open(tool: &Tool) -> io::Result<TcpStream> {
    let mut stream = connect(tool)?;
    stream.write_all(request(PATH).as_bytes())?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.extend(byte);
    }
    match head.starts_with(b"HTTP/1.1 101 ") {
        true => Ok(stream),
        false => Err(io::Error::other(String::from_utf8_lossy(&head).into_owned())),
    }
}

/// A frame as a client sends it. Its mask is 0, so the bytes stand there as they are.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    announce(first, payload.len() as u64, payload)
}

/// The same with a length that need not be true.
fn announce(first: u8, len: u64, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match len {
        ..126 => frame.push(0x80 | len as u8),
        126..0x1_0000 => {
            frame.push(0x80 | 126);
            frame.extend((len as u16).to_be_bytes());
        }
        _ => {
            frame.push(0x80 | 127);
            frame.extend(len.to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

/// What comes until the server closes. A reset is an end too: it may close while something is
/// unread.
fn rest(mut stream: &TcpStream) -> io::Result<Vec<u8>> {
    let mut got = Vec::new();
    match stream.read_to_end(&mut got) {
        Ok(_) => Ok(got),
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(got),
        Err(error) => Err(io::Error::other(format!("it does not close: {error}"))),
    }
}

/// The server closes, and says why.
fn closed(stream: &TcpStream, code: u16) -> io::Result<()> {
    let got = rest(stream)?;
    let [high, low] = code.to_be_bytes();
    let is_told = |frame: &[u8]| frame[0] == LAST | CLOSE && frame[2..] == [high, low];
    match got.windows(4).any(is_told) {
        true => Ok(()),
        false => Err(io::Error::other(format!("no close frame of {code}: {}", got.escape_ascii()))),
    }
}

fn grown(tool: &Tool, before: usize, most: usize) -> io::Result<()> {
    let growth = tool.memory()?.saturating_sub(before);
    match growth > most {
        true => Err(io::Error::other(format!("{growth} KiB more, {most} at most"))),
        false => Ok(()),
    }
}

fn cut(tool: &Tool, conversation: &[u8], by_reset: bool) -> io::Result<String> {
    let messages = gotalk::websocket::messages(conversation);
    let frames: Vec<u8> = messages.flat_map(|message| frame(WHOLE, message)).collect();
    for len in 0..=frames.len() {
        let mut stream = open(tool)?;
        stream.write_all(&frames[..len])?;
        if by_reset {
            SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
            continue;
        }
        stream.shutdown(Shutdown::Write)?;
        let got = rest(&stream)?;
        if !got.starts_with(b"\x82\x0201") {
            return Err(io::Error::other(format!("cut after {len} bytes: {got:?}")));
        }
    }
    Ok(format!("{} connections", frames.len() + 1))
}

fn unopened(tool: &Tool) -> io::Result<String> {
    let whole = request(PATH);
    let mut held = Vec::new();
    for len in (0..whole.len()).step_by(4) {
        let mut stream = connect(tool)?;
        stream.write_all(&whole.as_bytes()[..len])?;
        held.push(stream);
    }
    clean(tool)?;
    // Half of them say that they are done, and the server closes.
    for stream in held.iter().step_by(2) {
        stream.shutdown(Shutdown::Write)?;
        rest(stream)?;
    }
    Ok(format!("{} connections", held.len()))
}

fn headers(tool: &Tool) -> io::Result<String> {
    const MOST: usize = 16 << 20;
    let before = tool.memory()?;
    let mut held = Vec::new();
    let mut most = 0;
    for at in 0..4 {
        let mut stream = connect(tool)?;
        stream.write_all(format!("GET {PATH} HTTP/1.1\r\nHost: localhost\r\n").as_bytes())?;
        let line = if at % 2 == 0 { "X-More: and more\r\n".repeat(100) } else { "x".repeat(2000) };
        let mut sent = 0;
        while sent < MOST && stream.write_all(line.as_bytes()).is_ok() {
            sent += line.len();
        }
        if sent >= MOST {
            return Err(io::Error::other(format!("{sent} bytes of headers are taken")));
        }
        most = most.max(sent);
        held.push(stream);
    }
    clean(tool)?;
    grown(tool, before, 4 * MESSAGE)?;
    Ok(format!("{} connections, closed after {} KiB at most", held.len(), most / 1024))
}

fn strangers(tool: &Tool) -> io::Result<String> {
    let gotalk = String::from("01r0000004echo00000002hi\r\n\r\n");
    let plain = String::from("GET /gotalk/ HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let post = request(PATH).replace("GET", "POST");
    let no_key = request(PATH).replace("Sec-WebSocket-Key", "X-Key");
    let all = [gotalk, plain, post, no_key, request("/"), request("/gotalk"), request("/gotalk/x")];
    for first in &all {
        let mut stream = connect(tool)?;
        stream.write_all(first.as_bytes())?;
        stream.shutdown(Shutdown::Write)?;
        let got = rest(&stream)?;
        if got.starts_with(b"HTTP/1.1 101 ") || got.windows(2).any(|two| two == b"\x8201") {
            return Err(io::Error::other(format!("{first:?} is answered by {got:?}")));
        }
    }
    Ok(format!("{} kinds", all.len()))
}

fn announced(tool: &Tool) -> io::Result<String> {
    let before = tool.memory()?;
    let lens = [1 << 63, u64::MAX, i64::MAX as u64, 1 << 40, 1 << 32, 1 << 31, 16 << 20, 1 << 20];
    let mut held = Vec::new();
    for len in lens {
        for first in [WHOLE, BINARY, LAST | TEXT] {
            let mut stream = open(tool)?;
            stream.write_all(&announce(first, len, b"01"))?;
            if len > 1 << 20 {
                closed(&stream, 1009)?;
            }
            held.push(stream);
        }
    }
    clean(tool)?;
    // Those that are as long as a message may be are waited for.
    grown(tool, before, 6 * MESSAGE)?;
    Ok(format!("{} connections, closed above 1 MiB", held.len()))
}

fn fragments(tool: &Tool) -> io::Result<String> {
    let before = tool.memory()?;
    let mut held = Vec::new();
    for at in 0..6 {
        let mut stream = open(tool)?;
        stream.write_all(&frame(BINARY, b""))?;
        // It may close before all is sent.
        let many = match at % 3 {
            0 => frame(0, b"").repeat(20_000),
            1 => frame(0, b"x").repeat(20_000),
            _ => frame(0, &[b'x'; 65_000]).repeat(40),
        };
        let _ = stream.write_all(&many);
        if at % 3 == 2 {
            closed(&stream, 1009)?;
        }
        held.push(stream);
    }
    clean(tool)?;
    grown(tool, before, 6 * 2 * MESSAGE)?;
    Ok(format!("{} connections, closed above 1 MiB", held.len()))
}

fn pings(tool: &Tool) -> io::Result<String> {
    let before = tool.memory()?;
    let mut held = Vec::new();
    for _ in 0..4 {
        let mut stream = open(tool)?;
        stream.set_write_timeout(Some(Duration::from_millis(60)))?;
        let pings = frame(LAST | PING, &[b'p'; 125]).repeat(500);
        let mut sent = 0;
        while sent < 400 {
            match stream.write_all(&pings) {
                Ok(()) => sent += 1,
                Err(_) => break,
            }
        }
        held.push(stream);
        clean(tool)?;
    }
    // So much may wait to be sent on each.
    grown(tool, before, 4 * 5 * MESSAGE)?;
    Ok(format!("{} connections", held.len()))
}

fn forbidden(tool: &Tool) -> io::Result<String> {
    let mut unmasked = frame(WHOLE, b"01");
    unmasked[1] &= 0x7f;
    unmasked.drain(2..6);
    let all = [
        (1002, unmasked),
        (1002, frame(LAST | 0x3, b"01")),
        (1002, frame(LAST | 0xb, b"01")),
        (1002, frame(WHOLE | 0x40, b"01")),
        (1002, frame(LAST, b"01")),
        (1002, [frame(BINARY, b"0"), frame(WHOLE, b"1")].concat()),
        (1002, frame(PING, b"in fragments")),
        (1002, frame(LAST | PING, &[b'p'; 126])),
        (1002, frame(LAST | CLOSE, b"x")),
        (1002, frame(LAST | CLOSE, &[0, 0])),
        (1007, frame(LAST | TEXT, b"\xff\xfe")),
        (1007, [frame(TEXT, b"\xe2\x82"), frame(LAST, b"x")].concat()),
    ];
    for (code, bytes) in &all {
        let mut stream = open(tool)?;
        stream.write_all(bytes)?;
        closed(&stream, *code)?;
    }
    clean(tool)?;
    Ok(format!("{} kinds, each closed with its code", all.len()))
}

/// What comes is one stream of bytes, so text is as good, and so is any cut.
fn texts(tool: &Tool) -> io::Result<String> {
    let bytes = [b"01".to_vec(), wire::request(b"0000", "echo", "blåbär".as_bytes())].concat();
    let mut count = 0;
    let text = |part: &str| frame(LAST | TEXT, part.as_bytes());
    let whole = str::from_utf8(&bytes).map_err(io::Error::other)?;
    for at in (0..=whole.len()).filter(|at| whole.is_char_boundary(*at)) {
        let mut stream = open(tool)?;
        stream.write_all(&[text(&whole[..at]), text(&whole[at..])].concat())?;
        stream.write_all(&frame(LAST | CLOSE, &1000_u16.to_be_bytes()))?;
        let got = rest(&stream)?;
        let wanted = "\u{2}01\u{0}\rR000000000008\u{0}\u{8}blåbär\u{0}\u{2}";
        // Each frame without its first byte, which is no text.
        let got: Vec<u8> =
            got.into_iter().map(|b| if matches!(b, 0x82 | 0x88) { 0 } else { b }).collect();
        if !String::from_utf8_lossy(&got).contains(wanted) {
            return Err(io::Error::other(format!("cut at {at}: {}", got.escape_ascii())));
        }
        count += 1;
    }
    Ok(format!("{count} connections, each answered in binary"))
}

fn goodbyes(tool: &Tool) -> io::Result<String> {
    let mut held = Vec::new();
    for at in 0..FEW {
        let mut stream = open(tool)?;
        stream.write_all(&frame(WHOLE, b"01"))?;
        match at % 4 {
            0 => stream.shutdown(Shutdown::Write)?,
            1 => stream.write_all(&frame(LAST | CLOSE, &1000_u16.to_be_bytes()))?,
            2 => stream.write_all(&frame(LAST | CLOSE, b""))?,
            // Nothing may come after it, and it does not count.
            _ => {
                let close = frame(LAST | CLOSE, &4002_u16.to_be_bytes());
                stream.write_all(&[close, frame(WHOLE, b"X")].concat())?;
            }
        }
        // It is let go, although this end stays open.
        rest(&stream)?;
        held.push(stream);
    }
    clean(tool)?;
    Ok(format!("{FEW} connections, each let go"))
}

fn silent(tool: &Tool, many: usize) -> io::Result<String> {
    let mut held = Vec::new();
    for at in 0..many {
        held.push(if at % 2 == 0 { open(tool)? } else { connect(tool)? });
        if held.len() == many / 2 {
            clean(tool)?;
        }
    }
    clean(tool)?;
    Ok(format!("{many} connections, half of them opened"))
}

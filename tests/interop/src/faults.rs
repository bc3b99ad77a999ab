//! Peers that break off, stall, flood or say nothing, against `gotalk serve`. After each a
//! clean client must be served, and the server must have what it had before.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use socket2::SockRef;

use crate::PATIENCE;
use crate::play::{Chunks, Random, write_in};
use crate::recording::Conversation;
use crate::socket::{Carrier, Socket};
use crate::tool::Tool;
use crate::wire::{self, Stop};

/// How much memory a round may take beyond all before it, in KiB. A thousand connections that
/// leave 2 KiB each are noticed.
const GROWTH: usize = 1024;
const ROUNDS: usize = 6;

pub type Fault<'a> = (&'static str, Box<dyn Fn(&Tool) -> io::Result<String> + 'a>);

pub struct Size {
    /// How many connections at once.
    pub many: usize,
    /// The conversations that are cut at every byte.
    pub cut: Vec<Vec<u8>>,
    /// The one that is sent slowly.
    pub slow: Vec<Vec<u8>>,
}

/// The conversations to cut, as their clients' bytes, with an operation that every server has.
pub fn to_cut(all: &[Conversation], names: &[&str]) -> Vec<Vec<u8>> {
    let wanted = all.iter().filter(|conversation| names.contains(&&*conversation.name));
    wanted
        .map(|c| {
            c.renamed(&[("blob", "echo"), ("upper", "echo"), ("slow", "echo")], &[]).client.bytes()
        })
        .collect()
}

pub fn all(size: &Size) -> Vec<Fault<'_>> {
    vec![
        ("cut at every byte by FIN", Box::new(|tool: &Tool| cut(tool, &size.cut, false))),
        ("cut at every byte by RST", Box::new(|tool: &Tool| cut(tool, &size.cut, true))),
        ("half-closed, and not read", Box::new(half_closed)),
        ("half-closed, a long result read late", Box::new(half_closed_late)),
        ("asks, and never reads", Box::new(|tool: &Tool| unread(tool, connect, |bytes| bytes))),
        ("a byte now and then", Box::new(|tool: &Tool| slow(tool, &size.slow[0]))),
        ("ffffffff announced, nothing sent", Box::new(announced)),
        ("noise", Box::new(|tool: &Tool| noise(tool, size.many))),
        ("silence", Box::new(|tool: &Tool| silent(tool, size.many))),
    ]
}

/// What is in the table for a fault, or what was wrong.
pub fn run(tool: &Tool, fault: &Fault<'_>, patience: Duration) -> Result<String, String> {
    let check = || -> io::Result<String> {
        clean(tool)?;
        let before = settled(tool)?;
        let mut memory: Vec<usize> = Vec::new();
        // The first rounds show what the server keeps for use: stacks of threads, buffers. What
        // leaks grows in every round.
        while memory.len() < ROUNDS {
            let said = fault.1(tool)?;
            clean(tool)?;
            await_descriptors(tool, before, patience)?;
            let now = tool.memory()?;
            let most = memory.iter().max().copied();
            memory.push(now);
            if most.is_some_and(|most| now <= most + GROWTH) {
                return Ok(format!(
                    "{said}; descriptors {before} as before, KiB after each round: {memory:?}"
                ));
            }
        }
        Err(io::Error::other(format!("KiB after each round: {memory:?}")))
    };
    check().map_err(|error| error.to_string())
}

/// The number of descriptors when nothing is going on.
fn settled(tool: &Tool) -> io::Result<usize> {
    let mut least = usize::MAX;
    for _ in 0..20 {
        least = least.min(tool.descriptors()?);
        thread::sleep(Duration::from_millis(10));
    }
    Ok(least)
}

fn await_descriptors(tool: &Tool, wanted: usize, patience: Duration) -> io::Result<()> {
    let until = Instant::now() + patience;
    loop {
        let now = tool.descriptors()?;
        if now <= wanted {
            return Ok(());
        }
        if Instant::now() >= until {
            return Err(io::Error::other(format!("{now} descriptors, {wanted} before")));
        }
        thread::sleep(Duration::from_millis(20));
    }
}

pub fn connect(tool: &Tool) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(tool.address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.set_write_timeout(Some(Duration::from_secs(10)))?;
    Ok(stream)
}

/// A client that does nothing wrong, and is served.
pub fn clean(tool: &Tool) -> io::Result<()> {
    let mut socket = Socket::connect(tool.carrier, tool.address)?;
    socket.set_read_timeout(PATIENCE)?;
    socket.send(&[b"01".to_vec(), wire::request(b"0000", "echo", b"all is well")].concat())?;
    let wanted = b"01R00000000000ball is well";
    let mut got = Vec::new();
    while got.len() < wanted.len()
        && let Some(piece) = socket.receive()?
    {
        got.extend(piece.bytes);
    }
    socket.finish()?;
    while let Some(piece) = socket.receive()? {
        got.extend(piece.bytes);
    }
    if got != wanted {
        return Err(io::Error::other(format!(
            "a clean client got {:?}",
            String::from_utf8_lossy(&got)
        )));
    }
    Ok(())
}

/// What the server answers to all of it, until it closes.
fn answer(tool: &Tool, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = connect(tool)?;
    stream.write_all(bytes)?;
    stream.shutdown(Shutdown::Write)?;
    let mut got = Vec::new();
    stream.read_to_end(&mut got)?;
    Ok(got)
}

fn cut(tool: &Tool, conversations: &[Vec<u8>], by_reset: bool) -> io::Result<String> {
    let mut count = 0;
    for bytes in conversations {
        let whole = answer(tool, bytes)?;
        for len in 0..=bytes.len() {
            count += 1;
            if by_reset {
                let mut stream = connect(tool)?;
                stream.write_all(&bytes[..len])?;
                SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
                continue;
            }
            let got = answer(tool, &bytes[..len])?;
            if !whole.starts_with(&got) || len == bytes.len() && got != whole || got.len() < 2 {
                let got = String::from_utf8_lossy(&got).into_owned();
                return Err(io::Error::other(format!("cut after {len} bytes: {got:?}")));
            }
        }
    }
    Ok(format!("{count} connections"))
}

/// Peers that close one half, and read nothing, and keep the other open.
fn half_closed(tool: &Tool) -> io::Result<String> {
    let before = settled(tool)?;
    let mut held = Vec::new();
    for at in 0..50 {
        let mut stream = connect(tool)?;
        stream.write_all(b"01")?;
        if at % 2 == 0 {
            stream.write_all(&wire::request(b"half", "echo", &[b'x'; 500]))?;
        }
        stream.shutdown(Shutdown::Write)?;
        held.push(stream);
    }
    clean(tool)?;
    await_descriptors(tool, before, Duration::from_secs(10))?;
    for (at, mut stream) in held.into_iter().enumerate() {
        let mut got = Vec::new();
        stream.read_to_end(&mut got)?;
        let len = if at % 2 == 0 { 2 + 13 + 500 } else { 2 };
        if got.len() != len {
            return Err(io::Error::other(format!("{} bytes came of {len}", got.len())));
        }
    }
    Ok("50 connections, each answered and let go".to_owned())
}

/// One that has sent all that it will, and takes the results when it likes.
fn half_closed_late(tool: &Tool) -> io::Result<String> {
    let mut stream = connect(tool)?;
    let payload = [b'x'; 50_000];
    stream.write_all(b"01")?;
    let sender = stream.try_clone()?;
    let sender = thread::spawn(move || -> io::Result<()> {
        let mut sender = sender;
        for at in 0..40 {
            let id = format!("{at:04}");
            sender.write_all(&wire::request(
                id.as_bytes().try_into().unwrap(),
                "echo",
                &payload,
            ))?;
        }
        // An operation that takes its time is not awaited by the end of the input.
        sender.shutdown(Shutdown::Write)
    });
    thread::sleep(Duration::from_millis(200));
    clean(tool)?;
    let mut got = Vec::new();
    stream.read_to_end(&mut got)?;
    sender.join().unwrap_or_else(|_| Err(io::Error::other("it panicked")))?;
    let decoded = wire::decode(&got);
    let whole = decoded.messages.iter().filter(|m| m.kind == b'R' && m.payload == payload);
    if whole.count() != 40 || decoded.rest != got.len() {
        return Err(io::Error::other(format!("{} bytes came", got.len())));
    }
    Ok("40 results of 50,000 bytes came whole".to_owned())
}

/// Peers that ask as fast as they can and read nothing: they are stopped, and cost little.
pub fn unread(
    tool: &Tool,
    connect: impl Fn(&Tool) -> io::Result<TcpStream>,
    frame: impl Fn(Vec<u8>) -> Vec<u8>,
) -> io::Result<String> {
    const CONNECTIONS: usize = 4;
    let before = tool.memory()?;
    let mut held = Vec::new();
    let mut most = 0;
    for at in 0..CONNECTIONS {
        let mut stream = connect(tool)?;
        stream.write_all(&frame(b"01".to_vec()))?;
        let payload = vec![b'x'; if at % 2 == 0 { 16 } else { 64 * 1024 }];
        let requests = frame(wire::request(b"0000", "echo", &payload)).repeat(if at % 2 == 0 {
            1000
        } else {
            1
        });
        stream.set_write_timeout(Some(Duration::from_millis(60)))?;
        let mut sent = 0;
        while let Ok(len @ 1..) = stream.write(&requests) {
            sent += len;
            if sent > 64 << 20 || len < requests.len() {
                break;
            }
        }
        if sent > 64 << 20 {
            return Err(io::Error::other("it is read, however little it reads"));
        }
        most = most.max(sent);
        held.push(stream);
        clean(tool)?;
    }
    let growth = tool.memory()?.saturating_sub(before);
    if growth > CONNECTIONS * 512 {
        return Err(io::Error::other(format!("{growth} KiB for {CONNECTIONS} that do not read")));
    }
    Ok(format!("{CONNECTIONS} connections, stopped after {} KiB", most / 1024))
}

/// Twenty at once that send a byte every few milliseconds.
fn slow(tool: &Tool, bytes: &[u8]) -> io::Result<String> {
    let whole = answer(tool, bytes)?;
    let mut streams = (0..20).map(|_| connect(tool)).collect::<io::Result<Vec<_>>>()?;
    for (at, byte) in bytes.iter().enumerate() {
        for stream in &mut streams {
            stream.write_all(&[*byte])?;
        }
        if at == bytes.len() / 2 {
            clean(tool)?;
        }
        thread::sleep(Duration::from_millis(8));
    }
    for stream in &mut streams {
        stream.shutdown(Shutdown::Write)?;
        let mut got = Vec::new();
        stream.read_to_end(&mut got)?;
        if got != whole {
            return Err(io::Error::other("another answer than to the whole"));
        }
    }
    Ok(format!("20 connections, {} bytes each", bytes.len()))
}

fn announced(tool: &Tool) -> io::Result<String> {
    let before = tool.memory()?;
    let mut held = Vec::new();
    for start in [
        "r0000004echo",
        "r0000004nope",
        "s0000004echo",
        "p0000",
        "R0000",
        "S0000",
        "E0000",
        "n004news",
    ] {
        for _ in 0..10 {
            let mut stream = connect(tool)?;
            stream.write_all(format!("01{start}ffffffff").as_bytes())?;
            let mut version = [0; 2];
            stream.read_exact(&mut version)?;
            held.push(stream);
        }
    }
    clean(tool)?;
    let growth = tool.memory()?.saturating_sub(before);
    if growth > 8 * 1024 {
        return Err(io::Error::other(format!("{growth} KiB for payloads that did not come")));
    }
    Ok(format!("{} connections", held.len()))
}

fn noise(tool: &Tool, many: usize) -> io::Result<String> {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let (mut told, mut left) = (0, many);
    while left > 0 {
        let batch = left.min(50);
        left -= batch;
        let mut streams = Vec::new();
        for at in 0..batch {
            let mut bytes: Vec<u8> =
                (0..1 + random.below(300)).map(|_| random.below(256) as u8).collect();
            if at % 2 == 0 {
                bytes.splice(0..0, *b"01");
            }
            let mut stream = connect(tool)?;
            // It may have closed before all is sent.
            let _ = write_in(&mut stream, &bytes, Chunks::Whole, &mut random);
            let _ = stream.shutdown(Shutdown::Write);
            streams.push(stream);
        }
        for mut stream in streams {
            let mut got = Vec::new();
            stream.read_to_end(&mut got)?;
            let decoded = wire::decode(&got);
            if decoded.stop != Stop::Clean || decoded.rest != got.len() {
                return Err(io::Error::other(format!(
                    "noise was answered by {:?}",
                    String::from_utf8_lossy(&got)
                )));
            }
            told += usize::from(decoded.messages.last().is_some_and(|m| m.kind == b'f'));
        }
    }
    if told < many / 2 {
        return Err(io::Error::other(format!("only {told} of {many} were told by f")));
    }
    Ok(format!("{many} connections, {told} told by f"))
}

pub fn silent(tool: &Tool, many: usize) -> io::Result<String> {
    let mut held = Vec::new();
    for _ in 0..many {
        let mut stream = connect(tool)?;
        let mut version = [0; 2];
        stream.read_exact(&mut version)?;
        held.push(stream);
        if held.len() == many / 2 {
            clean(tool)?;
        }
    }
    clean(tool)?;
    Ok(format!("{many} connections"))
}

/// More connections than the server has descriptors for.
pub fn descriptors(program: &Path, patience: Duration) -> Result<String, String> {
    let check = || -> io::Result<String> {
        let tool = Tool::start(program, Carrier::Tcp, &[], Some(40))?;
        let fault: Fault<'_> = (
            "",
            Box::new(|tool: &Tool| {
                let held = (0..80).map(|_| connect(tool)).collect::<io::Result<Vec<_>>>()?;
                let line =
                    tool.line(Duration::from_secs(10), |line| line.starts_with("not accepted"));
                line.ok_or_else(|| io::Error::other("the descriptors were not out"))?;
                Ok(format!("{} connections", held.len()))
            }),
        );
        run(&tool, &fault, patience).map_err(io::Error::other)
    };
    check().map_err(|error| error.to_string())
}

/// A peer that the checks must not let pass: it stays.
pub fn control() -> Fault<'static> {
    (
        "a connection that stays open",
        Box::new(|tool: &Tool| {
            std::mem::forget(connect(tool)?);
            Ok(String::new())
        }),
    )
}

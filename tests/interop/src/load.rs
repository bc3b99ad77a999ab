//! Load: many connections at once to a server in another process, every reply checked.
//!
//! All connections are opened first. Then each makes its requests, one after another or so many
//! at once, and the server's CPU time and memory are read from `/proc`. It asks for `echo`, so
//! that any server can be measured that has it.

use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::oracle::{self, Header};
use crate::report;
use crate::socket::Carrier;
use crate::tool::Tool;

const PAYLOAD: &[u8] = br#""all that is asked for comes back as it is""#;
/// A reply, of which every byte but the id is known.
const REPLY: usize = 13 + PAYLOAD.len();
/// How long nothing may happen.
const PATIENCE: Duration = Duration::from_secs(20);
/// What a connection of `gotalk serve` may cost, in KiB, and all of it. Debug builds take more
/// of the stack, not of the heap.
const EACH: f64 = 8.0;
const SMALL: f64 = 16.0 * 1024.0;

/// What to do.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    pub connections: usize,
    pub requests: usize,
    /// How many requests of a connection are open at once.
    pub depth: usize,
}

/// What it took.
struct Cost {
    replies: usize,
    micros: f64,
    wall: Duration,
    /// In KiB: before, with all connections open, and at most.
    before: f64,
    open: f64,
    peak: f64,
}

struct Client {
    stream: TcpStream,
    /// How many requests have been made, and answered.
    made: usize,
    answered: usize,
    /// The ids that are open.
    open: Vec<u32>,
    output: Vec<u8>,
    input: Vec<u8>,
}

/// Loads the server at `address` that has this process id.
fn run(address: SocketAddr, pid: u32, load: Load) -> io::Result<Cost> {
    let mut poll = Poll::new()?;
    let before = memory(pid, "VmRSS:")?;
    let mut clients = Vec::with_capacity(load.connections);
    for at in 0..load.connections {
        // Each is served before the next one comes, so that no backlog overflows.
        let mut stream = std::net::TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(b"01")?;
        let mut version = [0; 2];
        stream.read_exact(&mut version)?;
        if version != *b"01" {
            return Err(io::Error::other(format!("not the version: {version:?}")));
        }
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        let interest = Interest::READABLE | Interest::WRITABLE;
        poll.registry().register(&mut stream, Token(at), interest)?;
        let (open, output, input) = (Vec::new(), Vec::new(), Vec::new());
        clients.push(Client { stream, made: 0, answered: 0, open, output, input });
    }
    std::thread::sleep(Duration::from_millis(100)); // for the memory to settle
    let open = memory(pid, "VmRSS:")?;
    let (cpu, start) = (cpu(pid)?, Instant::now());
    for client in &mut clients {
        client.ask(load);
        client.write()?;
    }
    until_done(&mut poll, &mut clients, load)?;
    let wall = start.elapsed();
    let micros = self::cpu(pid)? - cpu;
    let peak = memory(pid, "VmHWM:")?;
    let replies = clients.iter().map(|client| client.answered).sum();
    Ok(Cost { replies, micros, wall, before, open, peak })
}

/// Serves the sockets until every request has its answer.
fn until_done(poll: &mut Poll, clients: &mut [Client], load: Load) -> io::Result<()> {
    let mut events = Events::with_capacity(1024);
    let mut left = clients.len();
    while left > 0 {
        poll.poll(&mut events, Some(PATIENCE))?;
        if events.is_empty() {
            return Err(io::Error::other(format!("{left} connections wait in vain")));
        }
        for event in &events {
            let client = &mut clients[event.token().0];
            let was_done = client.answered == load.requests;
            client.read(load)?;
            client.write()?;
            left -= usize::from(!was_done && client.answered == load.requests);
        }
    }
    Ok(())
}

impl Client {
    /// Makes requests up to the depth.
    fn ask(&mut self, load: Load) {
        while self.made < load.requests && self.made - self.answered < load.depth {
            let id = self.made as u32;
            self.output.extend(oracle::write(&Header {
                kind: b'r',
                id: Some(id.to_be_bytes()),
                name: Some(b"echo".to_vec()),
                size: Some(PAYLOAD.len() as u32),
                ..Header::default()
            }));
            self.output.extend(PAYLOAD);
            self.open.push(id);
            self.made += 1;
        }
    }

    fn write(&mut self) -> io::Result<()> {
        while !self.output.is_empty() {
            match self.stream.write(&self.output) {
                Ok(len) => drop(self.output.drain(..len)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn read(&mut self, load: Load) -> io::Result<()> {
        let mut input = [0; 16 * 1024];
        loop {
            match self.stream.read(&mut input) {
                Ok(0) => return Err(io::Error::other("the server has closed")),
                Ok(len) => self.input.extend(&input[..len]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        let mut taken = 0;
        let answered = self.answered;
        while self.input.len() > taken {
            let rest = &self.input[taken..];
            // A heartbeat may come at any time.
            if rest[0] == b'h' {
                if rest.len() < 13 {
                    break;
                }
                taken += 13;
                continue;
            }
            let Some(reply) = rest.first_chunk().copied() else { break };
            self.check(reply)?;
            taken += REPLY;
        }
        self.input.drain(..taken);
        // One at a time a reply asks for the next request; else a whole batch is asked for anew.
        if self.answered > answered && self.made == self.answered {
            self.ask(load);
        }
        Ok(())
    }

    /// Every byte of a reply, and that its id is open.
    fn check(&mut self, reply: [u8; REPLY]) -> io::Result<()> {
        let id = u32::from_be_bytes([reply[1], reply[2], reply[3], reply[4]]);
        let open = self.open.iter().position(|open| *open == id);
        let header = oracle::write(&Header {
            kind: b'R',
            id: Some(id.to_be_bytes()),
            size: Some(PAYLOAD.len() as u32),
            ..Header::default()
        });
        match (open, reply.split_at(header.len())) {
            (Some(open), (head, PAYLOAD)) if head == header => {
                self.open.swap_remove(open);
                self.answered += 1;
                Ok(())
            }
            _ => Err(io::Error::other(format!("a wrong reply: {}", reply.escape_ascii()))),
        }
    }
}

/// The CPU time of a process in microseconds.
fn cpu(pid: u32) -> io::Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields: Vec<&str> =
        stat.rsplit_once(") ").map(|(_, rest)| rest.split(' ').collect()).unwrap_or_default();
    let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<f64>().ok());
    // In hundredths of a second, on every Linux.
    let ticks = ticks(11).zip(ticks(12)).map(|(user, system)| user + system);
    ticks.map(|ticks| ticks * 10_000.0).ok_or_else(|| io::Error::other("no CPU time"))
}

/// A line of a process's status, in KiB.
pub fn memory(pid: u32, line: &str) -> io::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let rest = status.lines().find_map(|found| found.strip_prefix(line));
    let number = rest.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    number.ok_or_else(|| io::Error::other("no memory"))
}

/// Prints a row for each load, and says how many failed. `server` is one that runs already;
/// without it `program` is started anew for each.
pub fn table(
    program: &Path,
    server: Option<(SocketAddr, u32)>,
    is_quick: bool,
) -> io::Result<usize> {
    let (connections, requests): (usize, usize) = if is_quick { (200, 20) } else { (2000, 100) };
    println!("\nload: {connections} connections, all open first, every reply checked\n");
    let mut failed = 0;
    for depth in [1, 64] {
        // Enough for a clock that counts hundredths of a second.
        let requests = if depth == 1 { requests } else { depth * if is_quick { 2 } else { 10 } };
        let load = Load { connections, requests, depth };
        let (tool, address, pid) = match server {
            Some((address, pid)) => (None, address, pid),
            None => {
                let tool = Tool::start(program, Carrier::Tcp, &["--limit", "64"], None)?;
                let (address, pid) = (tool.address, tool.id());
                (Some(tool), address, pid)
            }
        };
        let label = format!("{depth:>2} at once");
        let mut wrong = Vec::new();
        let seen = match run(address, pid, load) {
            Ok(cost) => {
                let each = (cost.open - cost.before) / connections as f64;
                let [before, open, mib] =
                    [cost.before, cost.open, cost.peak].map(|kib| kib / 1024.0);
                if tool.is_some() && each > EACH {
                    wrong.push(format!("a connection takes {each:.1} KiB, more than {EACH}"));
                }
                if tool.is_some() && cost.peak > SMALL + EACH * connections as f64 {
                    wrong.push(format!("{mib:.1} MiB are too much"));
                }
                let (replies, micros) = (cost.replies, cost.micros / cost.replies as f64);
                let rate = replies as f64 / cost.wall.as_secs_f64();
                format!(
                    "{replies} replies, {micros:.2} µs of the server's CPU each, {rate:.0} a \
                     second; MiB {before:.1}, with all open {open:.1}, at most {mib:.1}: {each:.1} KiB \
                     a connection"
                )
            }
            Err(error) => {
                wrong.push(error.to_string());
                String::new()
            }
        };
        failed += report(&label, &wrong, &seen);
    }
    Ok(failed)
}

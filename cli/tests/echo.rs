//! `gotalk serve`, spoken to byte by byte over TCP on this machine, and `gotalk call`,
//! against peers that follow a script.
//!
//! Waits end when what is waited for happens; the limit on each only turns a hang into a
//! failure. Where the time itself is tested, what must come in time has a second or so to
//! spare, as other tests run beside it. What must not come is shown by what comes in its
//! place. A few tests cannot do that, and listen for a moment: a slow machine may let them
//! pass although something is wrong, and never makes them fail.

#[allow(dead_code)]
#[path = "../src/address.rs"]
mod address;
#[allow(dead_code)]
#[path = "../src/body.rs"]
mod body;
#[path = "../src/client.rs"]
mod client;
#[allow(dead_code)]
#[path = "../src/codes.rs"]
mod codes;
#[allow(dead_code)]
#[path = "../src/colors.rs"]
mod colors;
#[allow(dead_code)]
#[path = "../src/command.rs"]
mod command;
#[path = "../src/connect.rs"]
mod connect;
#[allow(dead_code)]
#[path = "../src/escape.rs"]
mod escape;
#[allow(dead_code)]
#[path = "../src/exec.rs"]
mod exec;
#[allow(dead_code)]
#[path = "../src/http.rs"]
mod http;
#[allow(dead_code)]
#[path = "../src/json.rs"]
mod json;
#[allow(dead_code)]
#[path = "../src/log.rs"]
mod log;
#[path = "../src/operations.rs"]
mod operations;
#[allow(dead_code)]
#[path = "../src/output.rs"]
mod output;
#[allow(dead_code)]
#[path = "../src/call/plain.rs"]
mod plain;
#[path = "../src/serial.rs"]
mod serial;
#[path = "../src/server.rs"]
mod server;
#[allow(dead_code)]
#[path = "../src/text.rs"]
mod text;
#[allow(dead_code)]
#[path = "../src/transport.rs"]
mod transport;
#[path = "../src/websocket.rs"]
mod websocket;
#[path = "../src/wire.rs"]
mod wire;

#[path = "echo/answers.rs"]
mod answers;
#[path = "echo/calls.rs"]
mod calls;
#[path = "echo/commands.rs"]
mod commands;
#[path = "echo/crowds.rs"]
mod crowds;
#[path = "echo/frames.rs"]
mod frames;
#[path = "echo/handles.rs"]
mod handles;
#[path = "echo/killed.rs"]
mod killed;
#[path = "echo/load.rs"]
mod load;
#[path = "echo/operations.rs"]
mod operation;
#[path = "echo/options.rs"]
mod options;
#[path = "echo/pages.rs"]
mod pages;
#[path = "echo/payloads.rs"]
mod payloads;
#[path = "echo/program.rs"]
mod program;
mod support;
#[path = "echo/told.rs"]
mod told;
#[path = "echo/transports.rs"]
mod transports;

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use command::Commands;
use gotalk::Settings;
use server::{Limits, Shared};
use tokio::runtime::{Builder, Runtime};
use transport::Listener;

/// Until something that never happens is given up.
const HANG: Duration = Duration::from_secs(30);

/// No heartbeat comes between, however slow the machine.
fn quiet() -> Limits {
    beating(Some(3_600_000))
}

fn beating(heartbeat_ms: Option<u32>) -> Limits {
    let limits = Limits::default();
    Limits { settings: Settings { heartbeat_ms, ..limits.settings }, ..limits }
}

/// Quiet, and with other limits for each connection.
fn bounded(change: impl FnOnce(&mut wire::Limits)) -> Limits {
    let mut limits = quiet();
    change(&mut limits.wire);
    limits
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_io().enable_time().build().unwrap()
}

struct Server {
    addr: SocketAddr,
    lines: Receiver<String>,
}

impl Server {
    fn start() -> Self {
        Self::with(quiet())
    }

    fn with(limits: Limits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let commands = Commands::new(Vec::new(), 0, 0).into();
        let (log, lines) = log::log(false);
        let shared = Shared { limits, commands, log };
        listener.set_nonblocking(true).unwrap();
        thread::spawn(move || {
            runtime().block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                server::serve(Listener::Tcp(listener), shared).await;
            });
        });
        Self { addr, lines: one_by_one(lines) }
    }

    /// A peer that has said nothing yet.
    fn peer(&self) -> Peer {
        Peer::new(TcpStream::connect(self.addr).unwrap())
    }

    /// A peer whose handshake is over.
    fn ready(&self) -> Peer {
        let mut peer = self.peer();
        peer.say("01");
        peer.hears("01");
        peer
    }

    /// All that the server says to this input, behind which the peer says no more.
    fn answers(&self, input: impl AsRef<[u8]>) -> String {
        let mut peer = self.peer();
        peer.say(input);
        peer.ends();
        peer.hears_to_the_end()
    }

    /// Waits for a line with this in it.
    fn logs(&self, part: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(HANG).unwrap_or_else(|_| panic!("no {part:?}"));
            if line.contains(part) {
                return line;
            }
        }
    }
}

fn one_by_one(texts: log::Lines) -> Receiver<String> {
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for (text, _) in texts {
            text.lines().for_each(|line| drop(sender.send(line.to_owned())));
        }
    });
    lines
}

struct Peer(TcpStream);

impl Peer {
    fn new(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(HANG)).unwrap();
        stream.set_write_timeout(Some(HANG)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self(stream)
    }

    fn say(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).unwrap();
    }

    /// The next bytes are these.
    #[track_caller]
    fn hears(&mut self, want: &str) {
        let mut got = vec![0; want.len()];
        let result = self.0.read_exact(&mut got);
        assert!(result.is_ok(), "{result:?} for {want:?}, after {}", got.escape_ascii());
        assert_eq!(got.escape_ascii().to_string(), want.as_bytes().escape_ascii().to_string());
    }

    /// Everything up to the end, which is not a reset.
    #[track_caller]
    fn hears_to_the_end(&mut self) -> String {
        let mut all = Vec::new();
        let result = self.0.read_to_end(&mut all);
        assert!(result.is_ok(), "{result:?} after {}", all.escape_ascii());
        String::from_utf8(all).unwrap()
    }

    fn ends(&mut self) {
        self.0.shutdown(Shutdown::Write).unwrap();
    }

    /// A heartbeat comes: its load and time.
    #[track_caller]
    fn hears_a_heartbeat(&mut self) -> (u32, u32) {
        self.hears("h");
        (self.hears_a_number(4), self.hears_a_number(8))
    }

    #[track_caller]
    fn hears_a_byte(&mut self) -> char {
        let mut byte = [0];
        self.0.read_exact(&mut byte).unwrap();
        byte[0].into()
    }

    #[track_caller]
    fn hears_a_number(&mut self, digits: usize) -> u32 {
        let mut got = vec![0; digits];
        self.0.read_exact(&mut got).unwrap();
        u32::from_str_radix(std::str::from_utf8(&got).unwrap(), 16).unwrap()
    }

    /// What this peer says is taken, though not by whom it is meant for. (The pauses
    /// let a reset come, if one is under way.)
    #[track_caller]
    fn goes_on_talking(&mut self) {
        for _ in 0..20 {
            self.say("and on");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// It is served.
    #[track_caller]
    fn is_served(&mut self) {
        self.say("r9999004echo00000006served");
        self.hears("R999900000006served");
    }
}

#[test]
fn says_its_version_without_waiting() {
    let mut silent = Server::start().peer();
    silent.hears("01");
}

#[test]
fn echoes() {
    let mut peer = Server::start().ready();
    peer.say("r0001004echo00000019{\"message\":\"Hello World\"}");
    peer.hears("R000100000019{\"message\":\"Hello World\"}");
    peer.say("r\0\0\0\x01004echo00000000");
    peer.hears("R\0\0\0\x0100000000");
    peer.say("r0002004ECHO00000002hi"); // names are bytes, and these are others
    peer.hears("E0002000000");
}

#[test]
fn refuses_what_nobody_serves() {
    let server = Server::start();
    let mut peer = server.ready();
    peer.say("r0001007missing00000003abc");
    peer.hears("E00010000001bunknown operation \"missing\"");
    peer.say("s0002001x00000003abcp000200000003defp000200000000");
    peer.hears("E000200000015unknown operation \"x\"");
    peer.is_served();
}

/// Whatever stands in the name, what comes back is text.
#[test]
fn says_a_name_as_text() {
    let mut peer = Server::start().ready();
    peer.say(b"r0001009q\"\\\x01\n\xff\xc3\xa5/00000000");
    peer.hears("E0001");
    let mut payload = vec![0; peer.hears_a_number(8) as usize];
    peer.0.read_exact(&mut payload).unwrap();
    let said = "unknown operation \"q\"\\\u{1}\n\u{fffd}å/\"";
    assert_eq!(std::str::from_utf8(&payload), Ok(said));
}

#[test]
fn refuses_names_that_are_too_long_and_goes_on() {
    let server = Server::start();
    let mut peer = server.ready();
    let (fits, long) = ("b".repeat(255), "b".repeat(256));
    peer.say(format!("r00010ff{fits}00000001x"));
    peer.hears("E000100000113unknown operation \"bbb");
    peer.hears(&format!("{}\"", "b".repeat(252)));
    let why = "operation name of 256 bytes; at most 255 are read";
    peer.say(format!("r0002100{long}00000004R000"));
    peer.hears(&format!("E0002{:08x}{why}", why.len()));
    peer.say(format!("s0003100{long}00000001xp000300000001yp000300000000"));
    peer.hears(&format!("E0003{:08x}{why}", why.len()));
    peer.say(format!("n100{long}00000001x"));
    peer.is_served();
    server.logs("a name of 256 bytes");
}

#[test]
fn echoes_streams() {
    let mut peer = Server::start().ready();
    peer.say("s0001004echo00000006alpha ");
    peer.hears("S000100000006alpha ");
    peer.say("p000100000005beta p000100000005gamma");
    peer.hears("S000100000005beta S000100000005gamma");
    peer.say("p000100000000");
    peer.hears("S000100000000");
    peer.say("p000100000001z"); // it is over
    peer.is_served();
}

#[test]
fn an_empty_start_does_not_end_a_stream() {
    let mut peer = Server::start().ready();
    peer.say("s0001004echo00000000");
    peer.is_served();
    peer.say("p000100000002hip000100000000");
    peer.hears("S000100000002hiS000100000000");
}

#[test]
fn keeps_streams_apart() {
    let mut peer = Server::start().ready();
    peer.say("s000a004echo00000001as000b004echo00000001bp000a00000002aap000b00000000");
    peer.hears("S000a00000001aS000b00000001bS000a00000002aaS000b00000000");
    peer.say("s000a004echo00000001x"); // a second time: neither is answered any more
    peer.hears("E000a00000014request id is in use");
    peer.say("p000a00000001yp000a00000000");
    peer.is_served();
}

#[test]
fn bounds_the_open_streams() {
    let mut peer = Server::start().ready();
    for id in 0..64 {
        peer.say(format!("s00{id:02}004echo00000001x"));
        peer.hears(&format!("S00{id:02}00000001x"));
    }
    peer.say("s0064004echo00000001xp006400000001y");
    peer.hears("e0064000003e800000004busy");
    peer.say("p000000000000s0065004echo00000001x");
    peer.hears("S000000000000S006500000001x");
}

#[test]
fn reads_any_split() {
    let server = Server::start();
    let input = "01r0001004echo00000005hellon003log00000000h000254d7de9as0002004echo00000002hi\
                 p000200000000R000900000001xr0003004echo0000000Ahellohello";
    let want = "01R000100000005helloS000200000002hiS000200000000R00030000000ahellohello";
    assert_eq!(server.answers(input), want);
    let mut peer = server.peer();
    for byte in input.bytes() {
        peer.say([byte]);
    }
    peer.hears(want);
}

#[test]
fn prints_notifications() {
    let server = Server::start();
    let mut peer = server.ready();
    peer.say(b"n008two\nnew!00000009\x1b[2J\r\nhi\xffn");
    peer.say("004bare00000000");
    peer.is_served();
    let line = server.logs("notification");
    assert!(line.ends_with(r#": "two\nnew!" \u{1b}[2J\r\nhi�"#), "{line}");
    assert!(server.logs("notification").ends_with(": \"bare\" "));
}

#[test]
fn bounds_what_it_prints() {
    let server = Server::start();
    let mut peer = server.ready();
    peer.say("n003log00100000");
    peer.say(vec![b'x'; 1 << 20]);
    peer.is_served();
    let line = server.logs("xxx");
    assert!(line.ends_with("x… and 1047552 bytes"), "{}", line.len());
    assert!(line.len() < 1200);
}

#[test]
fn refuses_bad_input() {
    let server = Server::with(bounded(|limits| limits.goodbye = 300_000));
    for (input, want) in [
        ("01X", "01f00000002"),
        ("01X000100000000", "01f00000002"),
        ("01R0001zzzzzzzz", "01f00000002"),
        ("01r0001+04", "01f00000002"),
        ("01r0001004echo00000002hi!", "01R000100000002hif00000002"),
        ("01n00000005hello", "01f00000002"),
        ("01s0001004echo00000002hiq", "01S000100000002hif00000002"),
        ("01h00g", "01f00000002"),
        ("02", "01f00000001"),
        ("00", "01f00000001"),
        ("f00000001", "01f00000001"),
        ("xx", "01f00000002"),
        ("0x", "01f00000002"),
    ] {
        let mut peer = server.peer();
        peer.say(input); // and keeps its side open
        assert_eq!(peer.hears_to_the_end(), want, "{input:?}");
    }
    server.ready().is_served();
}

/// A reset would overtake the `f`, so what follows bad input is read, and not looked at,
/// but not for ever.
#[test]
fn tells_a_peer_that_goes_on_talking() {
    let server = Server::with(bounded(|limits| limits.goodbye = 300_000));
    let mut peer = server.ready();
    peer.say("r0001004echo00000002hiX");
    peer.say("r0001004echo00000002hi".repeat(4000));
    assert_eq!(peer.hears_to_the_end(), "R000100000002hif00000002");
    peer.goes_on_talking();
    assert!((0..10_000).any(|_| peer.0.write_all(&[0; 4096]).is_err()));
}

#[test]
fn a_peer_may_give_up() {
    let server = Server::start();
    let mut peer = server.peer();
    peer.say("01r0001004echo00000002hif00000003r0002004echo00000002hi");
    assert_eq!(peer.hears_to_the_end(), "01R000100000002hi");
    server.logs("the peer gave up: timeout (3)");
}

#[test]
fn input_may_end() {
    let server = Server::start();
    assert_eq!(server.answers("01r0001004echo00000002hi"), "01R000100000002hi");
    assert_eq!(server.answers("01"), "01");
    server.ready().is_served();

    assert_eq!(server.answers("01r0001004echo00000005he"), "01R000100000005he");
    let first = server.lines.recv_timeout(HANG).unwrap();
    let why = "byte 24: the input ended too soon";
    assert!(first.contains(why), "the others are no reason to say anything: {first}");
    assert_eq!(server.answers("01r0001004ec"), "01");
    server.logs("byte 12: the input ended too soon");
    assert_eq!(server.answers("0"), "01");
    server.logs("byte 1: the input ended too soon");
}

#[test]
fn a_long_silence_ends_only_what_was_begun() {
    let mut limits = beating(Some(1500));
    limits.wire.silence = 1000;
    let server = Server::with(limits);
    let mut idle = server.ready();
    let mut late = server.peer();
    let begun = ["n", "r0001004ec", "n003log00000005he", "p000100000005he"].map(|begun| {
        let mut peer = server.ready();
        peer.say(begun);
        (begun, peer)
    });
    let mut halfway = server.ready();
    halfway.say("r0001004echo00000014he");

    assert_eq!(late.hears_to_the_end(), "01f00000003");
    for (begun, mut peer) in begun {
        let all = peer.hears_to_the_end();
        assert!(all.ends_with("f00000003"), "{all:?} for {begun:?}");
    }
    // In the middle of a result an `f` would be taken for a part of it.
    assert_eq!(halfway.hears_to_the_end(), "R000100000014he");
    for _ in 0..6 {
        server.logs("nothing came in time");
    }
    idle.hears_a_heartbeat();
    idle.hears_a_heartbeat();
}

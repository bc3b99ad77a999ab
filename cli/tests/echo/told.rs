//! What `gotalk serve` prints, and what becomes of lines that nobody takes.

use super::program::Process;
use super::support::gotalk;
use super::*;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

/// A notification, so often; the peer is served behind it.
fn notify(addr: &str, payload: &[u8], times: usize) {
    let mut peer = Peer::new(TcpStream::connect(addr).unwrap());
    let one = [format!("n003log{:08x}", payload.len()).as_bytes(), payload].concat();
    peer.say("01");
    peer.say(one.repeat(times));
    peer.hears("01");
    peer.is_served();
}

/// A server that ends with this, whatever comes of the test.
struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// How many notifications were printed, and how many lines were dropped.
#[derive(Debug, Default, PartialEq)]
struct Printed {
    notifications: usize,
    dropped: usize,
}

impl Printed {
    fn add(&mut self, line: &str) {
        let line: Value = serde_json::from_str(line).unwrap();
        match line["type"].as_str().unwrap() {
            "notification" => self.notifications += 1,
            "dropped" => self.dropped += line["lines"].as_u64().unwrap() as usize,
            other => assert_eq!(other, "listening"),
        }
    }
}

#[test]
fn a_burst_of_notifications_is_printed() {
    let server = Process::start(gotalk(&["serve", "--json", "127.0.0.1:0"]));
    let addr = server.addr.parse::<Value>().unwrap();
    notify(addr["address"].as_str().unwrap(), b"hello", 20_000);
    let mut printed = Printed::default();
    for _ in 0..20_000 {
        printed.add(&server.lines.recv_timeout(HANG).unwrap());
    }
    assert_eq!(printed, Printed { notifications: 20_000, dropped: 0 });
}

/// No connection is held up, what is kept is bounded, and what is missing is told.
#[test]
fn lines_that_nobody_takes_are_counted() {
    let mut server = gotalk(&["serve", "--json", "127.0.0.1:0"]);
    let mut server = Ends(server.stdout(Stdio::piped()).spawn().unwrap());
    let mut lines = BufReader::new(server.0.stdout.take().unwrap()).lines().map_while(Result::ok);
    let first = lines.next().unwrap().parse::<Value>().unwrap();
    let addr = first["address"].as_str().unwrap();
    notify(addr, &[b'.'; 16 << 10], 2000);
    notify(addr, b"shorter", 1);
    let (sender, read) = mpsc::channel();
    thread::spawn(move || lines.try_for_each(|line| sender.send(line)));
    let mut printed = Printed::default();
    while printed.dropped == 0 {
        printed.add(&read.recv_timeout(HANG).unwrap());
    }
    assert_eq!(printed.notifications + printed.dropped, 2001);
    assert!((500..1100).contains(&printed.notifications), "{printed:?}");
    notify(addr, b"again", 1);
    assert!(read.recv_timeout(HANG).unwrap().contains(r#""payload":"again""#));
}

/// Here the system does not wait either, and refuses to write.
#[test]
#[cfg(unix)]
fn lines_that_cannot_be_written_are_counted() {
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;
    let (out, read) = UnixStream::pair().unwrap();
    out.set_nonblocking(true).unwrap();
    let mut server = gotalk(&["serve", "--json", "127.0.0.1:0"]);
    let _server = Ends(server.stdout(OwnedFd::from(out)).spawn().unwrap());
    let mut lines = BufReader::new(read).lines().map_while(Result::ok);
    let first = lines.next().unwrap().parse::<Value>().unwrap();
    let addr = first["address"].as_str().unwrap();
    notify(addr, &[b'.'; 512], 5000);
    let (sender, read) = mpsc::channel();
    thread::spawn(move || lines.try_for_each(|line| sender.send(line)));
    let mut printed = Printed::default();
    let mut sent = 5000;
    while printed.notifications + printed.dropped < sent {
        match read.recv_timeout(Duration::from_millis(100)) {
            Ok(line) => printed.add(&line),
            Err(_) => {
                assert!(sent < 5100, "{printed:?} of {sent}");
                notify(addr, b"one more", 1); // what is missing is told with the next line
                sent += 1;
            }
        }
    }
    assert!(printed.dropped > 0);
}

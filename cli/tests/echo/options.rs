//! The options of `gotalk serve` and `gotalk call`, by the programs.

use super::program::{Process, output};
use super::support::gotalk;
use super::*;

fn serving(options: &[&str]) -> (Process, Peer) {
    let server = Process::start(gotalk(&[&["serve", "127.0.0.1:0"], options].concat()));
    let peer = Peer::new(TcpStream::connect(&server.addr).unwrap());
    (server, peer)
}

#[test]
fn a_notification_is_sent_and_printed() {
    let (server, _peer) = serving(&[]);
    for args in [["--notify", &server.addr, "log", "hi"], [&server.addr, "--notify", "log", "hi"]] {
        let output = output(&[&["call"], args.as_slice()].concat());
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(0), &b""[..]));
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        let line = server.lines.recv_timeout(HANG).unwrap();
        assert!(line.ends_with(": \"log\" hi"), "{line}");
    }
    let both = output(&["call", "--notify", "--stream", &server.addr, "log", "hi"]);
    assert_eq!(both.status.code(), Some(64));
    let nobody = output(&["call", "--notify", "127.0.0.1:0", "log", "hi"]);
    assert_eq!(nobody.status.code(), Some(3));
}

/// What a server asks is refused, and shown; what it notifies of is shown.
#[test]
fn a_call_answers_nothing() {
    let (server, _peer) = serving(&[]);
    let refused = "unknown operation \"client-echo\"";
    let callback = output(&["call", &server.addr, "callback", "hi"]);
    assert_eq!(callback.status.code(), Some(1));
    let told = format!("refused: a request 0000 \"client-echo\"\nerror: {refused}\n");
    assert_eq!(String::from_utf8_lossy(&callback.stderr), told);
    let notified = output(&["call", &server.addr, "notify-me", "hi"]);
    assert_eq!((notified.status.code(), notified.stdout.as_slice()), (Some(0), &b""[..]));
    let told = "notification: \"greeting\" hi\n";
    assert_eq!(String::from_utf8_lossy(&notified.stderr), told);
}

#[test]
fn the_limits_of_a_server_can_be_set() {
    let (_server, mut peer) = serving(&["--limit", "1", "--streams", "0"]);
    peer.say("01r0001007limited00000001ar0002007limited00000001bs0003004echo00000001x");
    peer.hears("01e0002000003e800000012request rate limitE00030000000ano streams");
    peer.hears("R000100000001a");

    let (_server, mut peer) = serving(&["--silence", "0.3"]);
    peer.say("01");
    assert_eq!(peer.hears_to_the_end(), "01f00000003");

    // What does not fit a clock is far away. A remainder of it, 384 ms, would be over before.
    let forever = "18446744073709552";
    let (server, mut peer) = serving(&["--silence", forever, "--limit", "128"]);
    peer.say("01r0001004slow00000003900");
    peer.hears("01R000100000003900");
    let called = output(&["call", "--timeout", forever, &server.addr, "slow", "900"]);
    assert_eq!(called.status.code(), Some(0), "{called:?}");

    let (server, mut peer) = serving(&["--speak", "02"]);
    peer.hears("02");
    let called = output(&["call", &server.addr, "echo", "hi"]);
    assert_eq!(called.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&called.stderr).contains("protocol version 0x02"));

    for wrong in [
        ["--limit", "x"],
        ["--limit", "129"],
        ["--streams", "65"],
        ["--silence", "0"],
        ["--speak", "1"],
        ["--max-connections", "0"],
        ["--heartbeat", "-1"],
        ["--heartbeat", "1000001"],
        ["--timeout", "0"],
        ["--timeout", "0.0009"],
        ["--heartbeat", "0.0009"],
        ["--silence", "1e30"],
        ["--timeout", "1e9"],
    ] {
        let told = output(&[&["serve", "127.0.0.1:0"], wrong.as_slice()].concat());
        assert_eq!(told.status.code(), Some(64), "{wrong:?}");
    }
}

#[test]
fn the_connections_of_a_server_can_be_limited() {
    let (server, mut first) = serving(&["--max-connections", "1"]);
    first.say("01");
    first.hears("01");
    let mut second = Peer::new(TcpStream::connect(&server.addr).unwrap());
    assert_eq!(second.hears_to_the_end(), "01f00000000");
    let line = server.lines.recv_timeout(HANG).unwrap();
    assert!(line.ends_with("too many connections"), "{line}");
    first.is_served();
}

#[test]
fn heartbeats_come_as_often_as_is_said() {
    let (_server, mut peer) = serving(&["--heartbeat", "0.05"]);
    peer.say("01");
    peer.hears("01");
    peer.hears_a_heartbeat();
    peer.hears_a_heartbeat();

    let (_server, mut peer) = serving(&["--heartbeat", "0"]);
    peer.say("01r0001004slow000000041000");
    peer.hears("01R0001000000041000");
}

#[test]
fn a_client_that_is_asked_has_so_long_to_answer() {
    let (_server, mut peer) = serving(&["--timeout", "0.2"]);
    peer.say("01r0001008callback00000002hi");
    peer.hears("01r000000bclient-echo00000002hi");
    peer.hears("E000100000019no answer from the client");
}

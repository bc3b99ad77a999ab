//! `gotalk call --repeat`, by the program: against the server, and against peers that are up
//! to no good. Each of those must end it, with all that was seen.

use super::answers::{objects, scripted};
use super::program::{Process, output};
use super::support::gotalk;
use super::*;
use serde_json::{Value, json};
use std::process::{Output, Stdio};

fn load(options: &[&str]) -> (Option<i32>, Value) {
    let output = output(&[&["call", "--json"], options].concat());
    (output.status.code(), summary(&output))
}

#[track_caller]
fn summary(output: &Output) -> Value {
    let mut objects = objects(output);
    assert_eq!(objects.len(), 1, "{objects:?}");
    assert_eq!(objects[0]["type"], "summary", "{objects:?}");
    objects.remove(0)
}

/// Results, error results, retry results, and failures.
fn counts(summary: &Value) -> [u64; 4] {
    ["results", "error_results", "retry_results", "failures"]
        .map(|key| summary[key].as_u64().unwrap())
}

#[track_caller]
fn assert_seen((code, summary): (Option<i32>, Value), want: i32, seen: [u64; 4]) {
    assert_eq!((code, counts(&summary)), (Some(want), seen), "{summary}");
    assert_eq!(summary["requests"], seen.iter().sum::<u64>());
    let replies: u64 = seen[..3].iter().sum();
    let histogram = summary["histogram"].as_array().unwrap().iter();
    let counted: u64 = histogram.map(|range| range["count"].as_u64().unwrap()).sum();
    assert_eq!(counted, replies, "{summary}");
}

#[test]
fn makes_as_many_requests_as_it_is_told() {
    let server = Server::start();
    let addr = &server.addr.to_string();
    for [requests, concurrency, connections] in
        [["1", "1", "1"], ["1000", "64", "1"], ["1000", "7", "30"], ["3", "64", "5"]]
    {
        let options = ["--concurrency", concurrency, "--connections", connections];
        let load =
            load(&[&["--repeat", requests, addr, "echo", "hi"], options.as_slice()].concat());
        let number = |text: &str| text.parse::<u64>().unwrap();
        assert_eq!(load.1["wanted"], number(requests));
        assert_eq!(load.1["concurrency"], number(concurrency));
        assert_eq!(load.1["connections"], number(connections));
        let times: Vec<f64> = ["min", "p50", "p90", "p99", "p99_9", "max"]
            .iter()
            .map(|key| load.1["latency_us"][key].as_f64().unwrap())
            .collect();
        assert!(times.is_sorted() && times[0] > 0.0, "{times:?}");
        assert_seen(load, 0, [number(requests), 0, 0, 0]);
    }
}

#[test]
fn goes_over_other_transports() {
    let server = Process::start(gotalk(&["serve", "ws://127.0.0.1:0/gotalk"]));
    let options = ["--repeat", "300", "--concurrency", "8", "--connections", "3"];
    let load = load(&[&options[..], &[&server.addr, "echo", "hi"]].concat());
    assert_seen(load, 0, [300, 0, 0, 0]);
}

/// More than a small table holds.
#[test]
fn has_up_to_1024_in_flight() {
    let (addr, peer) = scripted(|listener| {
        let mut peer = Peer::new(listener.accept().unwrap().0);
        let ids = heard(&mut peer, 1024);
        peer.say("01");
        answer(&mut peer, ids.iter().rev(), "R#00000000");
        peer.hears_to_the_end()
    });
    let load = load(&["--repeat", "1024", "--concurrency", "1024", &addr, "x"]);
    assert_seen(load, 0, [1024, 0, 0, 0]);
    assert_eq!(peer.join().unwrap(), "");
}

/// Hears the version and so many requests, and gives their ids.
fn heard(peer: &mut Peer, requests: usize) -> Vec<String> {
    peer.hears("01");
    more(peer, requests)
}

fn more(peer: &mut Peer, requests: usize) -> Vec<String> {
    let mut one = || {
        peer.hears("r");
        let id = (0..4).map(|_| peer.hears_a_byte()).collect();
        peer.hears("001x00000000");
        id
    };
    (0..requests).map(|_| one()).collect()
}

/// What it writes next is the answer to a request of the peer: there was nothing else.
#[track_caller]
fn has_no_more(peer: &mut Peer) {
    peer.say("r0001001y00000000");
    peer.hears("E000100000015unknown operation \"y\"");
}

fn answer<'a>(peer: &mut Peer, ids: impl Iterator<Item = &'a String>, with: &str) {
    let answers: Vec<_> = ids.map(|id| with.replace('#', id)).collect();
    peer.say(answers.concat());
}

/// Each connection has its requests in flight before any has a reply, and no more of them.
#[test]
fn every_connection_has_its_own_in_flight() {
    let (addr, peer) = scripted(|listener| {
        let mut peers = [0; 3].map(|_| Peer::new(listener.accept().unwrap().0));
        let mut ids = peers.each_mut().map(|peer| heard(peer, 4));
        for (peer, ids) in peers.iter_mut().zip(&mut ids) {
            peer.say("01");
            has_no_more(peer);
            answer(peer, [ids.remove(0)].iter(), "R#00000000");
            ids.extend(more(peer, 1));
            has_no_more(peer);
        }
        for (peer, ids) in peers.iter_mut().zip(&ids) {
            answer(peer, ids.iter(), "R#00000000");
            assert_eq!(peer.hears_to_the_end(), "");
        }
    });
    let options = ["--repeat", "15", "--concurrency", "4", "--connections", "3"];
    assert_seen(load(&[&options[..], &[&addr, "x"]].concat()), 0, [15, 0, 0, 0]);
    peer.join().unwrap();
}

#[test]
fn the_worst_reply_is_the_code() {
    for (replies, code, seen) in [
        (["R#00000000"; 4], 0, [4, 0, 0, 0]),
        (["R#00000000", "E#00000003bad", "R#00000000", "R#00000000"], 1, [3, 1, 0, 0]),
        (["E#00000003bad", "e#ffffffff00000004busy", "R#00000000", "R#00000000"], 2, [2, 1, 1, 0]),
        // A result in parts is one result.
        (["S#00000001aS#00000001bS#00000000"; 4], 0, [4, 0, 0, 0]),
        (["S#00000001aE#00000001b"; 4], 1, [0, 4, 0, 0]),
        // Replies to what was not asked, and second replies, are none.
        (["R999900000002hiR#00000000R#00000000E#00000000"; 4], 0, [4, 0, 0, 0]),
        // What else may come is no reply.
        (["h000000000000n001n00000002hir0001002op00000001xR#00000000"; 4], 0, [4, 0, 0, 0]),
    ] {
        let (addr, peer) = scripted(move |listener| {
            let mut peer = Peer::new(listener.accept().unwrap().0);
            let ids = heard(&mut peer, 4);
            peer.say("01");
            for (id, reply) in ids.iter().zip(replies).rev() {
                answer(&mut peer, [id].into_iter(), reply);
            }
            peer.hears_to_the_end();
        });
        let load = load(&["--repeat", "4", "--concurrency", "4", &addr, "x"]);
        assert_seen(load, code, seen);
        peer.join().unwrap();
    }
}

/// A program gets what a peer said as it was, and not as a terminal may have it.
#[test]
fn the_first_refusal_is_there_as_it_came() {
    let long = "é".repeat(1000);
    for (said, want) in [
        ("", json!({"size": 0, "payload": ""})),
        ("two\n\\lines", json!({"size": 10, "payload": "two\n\\lines"})),
        ("\u{1b}[31m", json!({"size": 5, "payload_hex": "1b5b33316d"})),
        (&long, json!({"size": 2000, "payload": &long[..1024], "payload_cut": true})),
    ] {
        let reply = format!("E#{:08x}{said}", said.len());
        let (addr, peer) = scripted(move |listener| {
            let mut peer = Peer::new(listener.accept().unwrap().0);
            let ids = heard(&mut peer, 2);
            peer.say("01");
            answer(&mut peer, ids[..1].iter(), &reply);
            answer(&mut peer, ids[1..].iter(), "E#00000005later");
            peer.hears_to_the_end();
        });
        let (_, summary) = load(&["--repeat", "2", "--concurrency", "2", &addr, "x"]);
        assert_eq!(summary["first_refusal"], want);
        peer.join().unwrap();
    }
}

/// A reply counts when it is whole, and the requests that have none have failed.
#[test]
fn a_peer_that_closes_in_the_middle() {
    for (last, reason) in [
        ("", "the peer has closed"),
        ("R#0000000f01234", "the input ended too soon"),
        ("X", "'X'"),
        ("f00000000", "the peer gave up"),
    ] {
        let (addr, peer) = scripted(move |listener| {
            let mut peer = Peer::new(listener.accept().unwrap().0);
            let ids = heard(&mut peer, 64);
            peer.say("01");
            answer(&mut peer, ids[..10].iter(), "R#00000002ok");
            more(&mut peer, 10);
            answer(&mut peer, ids[10..11].iter(), last);
            peer.ends();
            peer.hears_to_the_end();
        });
        let load = load(&["--repeat", "1000", "--concurrency", "64", &addr, "x"]);
        let reasons = load.1["reasons"].as_object().unwrap();
        let (told, count) = reasons.iter().next().unwrap();
        assert!(told.contains(reason), "{told} for {last:?}");
        assert_eq!(count, 64);
        assert_eq!(load.1["wanted"], 1000);
        assert_seen(load, 3, [10, 0, 0, 64]);
        peer.join().unwrap();
    }
}

/// The others make the rest of the requests.
#[test]
fn a_connection_that_ends_does_not_end_the_others() {
    let (addr, peer) = scripted(|listener| {
        let mut peers = [0, 1].map(|_| Peer::new(listener.accept().unwrap().0));
        let [_, mut ids] = peers.each_mut().map(|peer| heard(peer, 2));
        let [mut bad, mut good] = peers;
        bad.ends();
        bad.hears_to_the_end();
        good.say("01");
        for answered in 0..7 {
            answer(&mut good, [ids.remove(0)].iter(), "R#00000000");
            if answered < 5 {
                ids.extend(more(&mut good, 1));
            }
        }
        good.hears_to_the_end();
    });
    let options = ["--repeat", "9", "--concurrency", "2", "--connections", "2"];
    assert_seen(load(&[&options[..], &[&addr, "x"]].concat()), 3, [7, 0, 0, 2]);
    peer.join().unwrap();
}

/// Peers that go on for ever, each in its way: the time of the requests ends it.
#[test]
fn peers_that_never_end() {
    let big = "x".repeat(100_000);
    let peers = [
        ("", "01", ""),
        (big.as_str(), "01", ""),
        ("", "", ""),
        ("", "01", "h000000000000"),
        ("", "01", "n001n00000002hi"),
        ("", "01", "R999900000000"),
        ("", "01", "S000000000001."),
        ("", "01R0000ffffffff", "......"),
        ("", "01n001nffffffff", "......"),
        // And the answers to these are not read.
        ("", "01", "r0001002op00000000"),
        ("", "01", "e0000ffffffff00000000"),
    ];
    thread::scope(|scope| {
        for (payload, first, endless) in peers {
            scope.spawn(move || never_ends(payload, first, endless));
        }
    });
}

fn never_ends(payload: &str, first: &'static str, endless: &'static str) {
    let (addr, peer) = scripted(move |listener| {
        let mut peer = Peer::new(listener.accept().unwrap().0);
        peer.say(first);
        let flood = endless.repeat(100);
        while !endless.is_empty() && peer.0.write_all(flood.as_bytes()).is_ok() {}
        peer // it goes on waiting, until the call is over
    });
    let options = ["--repeat", "5", "--concurrency", "2", "--timeout", "0.3", &addr, "x"];
    let (code, summary) = load(&[&options[..], &[payload]].concat());
    let [_, _, retries, failures] = counts(&summary);
    assert_eq!(code, Some(3), "{first} {endless}: {summary}");
    assert!(failures >= 1 && retries <= 1, "{first} {endless}: {summary}");
    drop(peer.join().unwrap());
}

/// Each request has its time, and those that come after it have theirs.
#[test]
fn a_request_that_has_no_reply_in_time_does_not_end_the_others() {
    let (addr, peer) = scripted(|listener| {
        let mut peer = Peer::new(listener.accept().unwrap().0);
        let ids = heard(&mut peer, 1);
        peer.say("01");
        let second = more(&mut peer, 1);
        answer(&mut peer, ids.iter().chain(&second), "R#00000000"); // one of them too late
        let third = more(&mut peer, 1);
        answer(&mut peer, third.iter(), "R#00000000");
        peer.hears_to_the_end();
    });
    assert_seen(load(&["--repeat", "3", "--timeout", "2", &addr, "x"]), 3, [2, 0, 0, 1]);
    peer.join().unwrap();
}

#[test]
fn nothing_is_asked_without_all_connections() {
    let told = output(&["call", "--repeat", "9", "127.0.0.1:0", "x"]);
    assert_eq!((told.status.code(), told.stdout.as_slice()), (Some(3), &b""[..]));
    assert!(String::from_utf8_lossy(&told.stderr).starts_with("127.0.0.1:0: "));
    for wrong in [
        ["--concurrency", "2", "a:1", "x"].as_slice(),
        &["--connections", "2", "a:1", "x"],
        &["--repeat", "0", "a:1", "x"],
        &["--repeat", "1", "--concurrency", "0", "a:1", "x"],
        &["--repeat", "1", "--concurrency", "1025", "a:1", "x"],
        &["--repeat", "1", "--connections", "0", "a:1", "x"],
        &["--repeat", "1", "--stream", "a:1", "x"],
        &["--repeat", "1", "--notify", "a:1", "x"],
        &["--repeat", "1", "--retry", "1", "a:1", "x"],
        &["--repeat", "1", "--connections", "2", "-", "x"],
        &["--repeat", "1", "--connections", "2", "serial:/dev/x", "x"],
    ] {
        let told = output(&[&["call"], wrong].concat());
        assert_eq!(told.status.code(), Some(64), "{wrong:?}");
    }
}

#[test]
#[cfg(unix)]
fn an_interrupt_ends_it_with_what_was_seen() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    let child = gotalk(&["call", "--json", "--repeat", "1000000000", &addr, "x"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut peer = Peer::new(listener.accept().unwrap().0);
    let mut ids = heard(&mut peer, 1);
    peer.say("01");
    for _ in 0..10 {
        answer(&mut peer, ids.iter(), "R#00000000");
        ids = more(&mut peer, 1);
    }
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").arg(pid).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_seen((output.status.code(), summary(&output)), 143, [10, 0, 0, 0]);
}

#[test]
fn the_summary_is_for_people_too() {
    let server = Server::start();
    let addr = &server.addr.to_string();
    let output = output(&["call", "--repeat", "20", "--concurrency", "4", addr, "fail"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let text = String::from_utf8(output.stdout).unwrap();
    for line in [
        "requests                   20\n",
        "  results                   0\n",
        "  error results            20\n",
        "first refusal      boom\n",
        "connections                 1, with 4 in flight on each\n",
        "  99.9 %",
        "requests/s\n",
        "replies up to\n",
        "####",
    ] {
        assert!(text.contains(line), "{line:?} is not in {text}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_summary_that_cannot_be_written_is_told() {
    let server = Server::start();
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let told = gotalk(&["call", "--repeat", "2", &server.addr.to_string(), "echo"])
        .stdout(full)
        .output()
        .unwrap();
    assert_eq!(told.status.code(), Some(74));
}

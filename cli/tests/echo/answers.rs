//! What `gotalk call` makes of answers: asking again, and JSON.

use super::payloads::Temporary;
use super::program::output;
use super::*;
use serde_json::{Value, json};
use std::process::Output;

/// A listener for `script`, and its address.
pub(crate) fn scripted<T: Send + 'static>(
    script: impl FnOnce(TcpListener) -> T + Send + 'static,
) -> (String, thread::JoinHandle<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    (addr, thread::spawn(move || script(listener)))
}

/// Calls `x` without a payload, of a peer that gives these answers, one for each time that it
/// is asked. Gives also what it has heard in all.
fn answered(options: &[&str], answers: &[&str]) -> (Output, String) {
    let answers: Vec<_> = answers.iter().map(|answer| (*answer).to_owned()).collect();
    let (addr, peer) = scripted(move |listener| {
        let mut peer = Peer::new(listener.accept().unwrap().0);
        peer.hears("01");
        peer.say("01");
        let mut heard = String::new();
        for answer in answers {
            let mut request = [0; 17];
            peer.0.read_exact(&mut request).unwrap();
            let request = String::from_utf8(request.to_vec()).unwrap();
            let id = request[1..5].to_owned();
            heard += &request;
            peer.say(answer.replace("#", &id));
        }
        heard + &peer.hears_to_the_end()
    });
    let output = output(&[&["call", &addr, "x"], options].concat());
    (output, peer.join().unwrap())
}

#[track_caller]
fn assert_told(output: &Output, code: i32, out: &str, err: &str) {
    assert_eq!(String::from_utf8_lossy(&output.stderr), err);
    assert_eq!(String::from_utf8_lossy(&output.stdout), out);
    assert_eq!(output.status.code(), Some(code));
}

const BUSY: &str = "e#0000000100000004busy";
const ASKED: [&str; 3] = ["r0000001x00000000", "r0001001x00000000", "r0002001x00000000"];

#[test]
fn asks_again_as_often_as_it_may() {
    let told = "retry after 1 ms: busy\n";
    let (output, heard) = answered(&["--retry", "2"], &[BUSY, BUSY, "R#00000002ok"]);
    assert_told(&output, 0, "ok", &told.repeat(2));
    assert_eq!(heard, ASKED.concat());
    let (output, heard) = answered(&["--retry", "2"], &[BUSY; 3]);
    assert_told(&output, 2, "", &told.repeat(3));
    assert_eq!(heard, ASKED.concat());
    let (output, heard) = answered(&[], &[BUSY]);
    assert_told(&output, 2, "", told);
    assert_eq!(heard, ASKED[0]);
    let (output, _) = answered(&["--retry", "2"], &[BUSY, "E#00000002no"]);
    assert_told(&output, 1, "", &format!("{told}error: no\n"));
}

/// A peer that says `retry` for ever is asked until the time is over, and one that says to
/// wait for longer is not asked again.
#[test]
fn waits_no_longer_than_allowed() {
    let (addr, peer) = scripted(|listener| {
        let mut peer = Peer::new(listener.accept().unwrap().0);
        peer.hears("01");
        peer.say("01");
        let (mut asked, mut request) = (0, [0; 17]);
        while peer.0.read_exact(&mut request).is_ok() {
            let id = String::from_utf8_lossy(&request[1..5]).into_owned();
            if peer.0.write_all(BUSY.replace("#", &id).as_bytes()).is_err() {
                break;
            }
            asked += 1;
        }
        asked
    });
    let args = ["call", "--timeout", "0.5", "--retry", "4000000000", &addr, "x"];
    // The time is over before the next wait, or while the answer is under way.
    assert!(matches!(output(&args).status.code(), Some(2 | 3)));
    assert!(peer.join().unwrap() > 2);
    for options in [["--retry", "9", "--timeout", "20"].as_slice(), &["--timeout=20", "--retry=1"]]
    {
        let (output, heard) = answered(options, &["e#ffffffff00000000"]);
        assert_told(&output, 2, "", "retry after 4294967295 ms: \n");
        assert_eq!(heard, ASKED[0]);
    }
}

/// A server that leaves before it can be asked again has said to wait, all the same.
#[test]
fn a_server_that_leaves_after_a_retry_result_has_refused() {
    let (addr, peer) = scripted(|listener| {
        let mut peer = Peer::new(listener.accept().unwrap().0);
        peer.hears("01r0000001x00000000");
        peer.say("01e00000000ea6000000004busy");
    });
    let told = "retry after 60000 ms: busy\nnot asked again: the peer has closed\n";
    assert_told(&output(&["call", "--retry", "3", &addr, "x"]), 2, "", told);
    peer.join().unwrap();
}

/// What has been printed cannot be taken back.
#[test]
fn does_not_ask_again_in_the_middle_of_a_result() {
    let (output, heard) = answered(&["--retry", "2"], &["S#00000002hie#0000000100000004busy"]);
    assert_told(&output, 2, "hi", "retry after 1 ms: busy\n");
    assert_eq!(heard, ASKED[0]);
}

#[test]
fn sends_a_stream_again_from_its_start() {
    let payload = "sixteen bytes are a part";
    let file = Temporary::new("again", payload.as_bytes());
    let in_two = "s#001x00000010sixteen bytes arp#00000008e a partp#00000000";
    let in_one = "s#001x00000018sixteen bytes are a partp#00000000";
    for (payload, parts) in [(payload, in_two), (&file.arg(), in_one)] {
        let (addr, peer) = scripted(move |listener| {
            let mut peer = Peer::new(listener.accept().unwrap().0);
            peer.hears("01");
            peer.hears(&parts.replace('#', "0000"));
            peer.say("01e00000000000100000004busy");
            peer.hears(&parts.replace('#', "0001"));
            peer.say("R000100000002ok");
        });
        let output = output(&["call", "--stream", "--retry", "1", &addr, "x", payload]);
        assert_told(&output, 0, "ok", "retry after 1 ms: busy\n");
        peer.join().unwrap();
    }
}

#[test]
fn a_streamed_pipe_cannot_be_sent_again() {
    let told = output(&["call", "--stream", "--retry", "1", "127.0.0.1:0", "x", "-"]);
    assert_eq!(told.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&told.stderr).contains("can be read again"));
    let note = output(&["call", "--notify", "--retry", "1", "127.0.0.1:0", "x"]);
    assert_eq!(note.status.code(), Some(64));
}

pub(crate) fn objects(output: &Output) -> Vec<Value> {
    let lines = std::str::from_utf8(&output.stdout).unwrap().lines();
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn json_tells_every_outcome() {
    for (answer, code, want) in [
        ("R#00000002ok", 0, json!([{"type": "single_result", "size": 2, "payload": "ok"}])),
        ("R#00000000", 0, json!([{"type": "single_result", "size": 0, "payload": ""}])),
        (
            "R#00000002\x1b\0",
            0,
            json!([{"type": "single_result", "size": 2, "payload_hex": "1b00"}]),
        ),
        (
            "S#00000001aS#00000002bcS#00000000",
            0,
            json!([
                {"type": "stream_result", "size": 1, "payload": "a"},
                {"type": "stream_result", "size": 2, "payload": "bc"},
                {"type": "stream_result", "size": 0, "payload": ""},
            ]),
        ),
        ("E#00000004oops", 1, json!([{"type": "error_result", "size": 4, "payload": "oops"}])),
        (
            "n004news00000002hie#0000138800000004busy",
            2,
            json!([
                {"type": "notification", "name": "news", "size": 2, "payload": "hi"},
                {"type": "retry_result", "wait_ms": 5000, "size": 4, "payload": "busy"},
            ]),
        ),
        ("f00000003", 3, json!([{"type": "no_answer", "error": "the peer gave up: timeout (3)"}])),
    ] {
        let (output, _) = answered(&["--json"], &[answer]);
        assert_eq!(Value::from(objects(&output)), want);
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{answer}");
        assert_eq!(output.status.code(), Some(code), "{answer}");
    }
    let nobody = output(&["call", "--json", "127.0.0.1:0", "x"]);
    assert_eq!(nobody.status.code(), Some(3));
    assert_eq!(objects(&nobody)[0]["type"], "no_answer");
    let server = Server::start();
    let sent = output(&["call", "--json", "--notify", &server.addr.to_string(), "x"]);
    assert_eq!((sent.status.code(), objects(&sent)), (Some(0), vec![json!({"type": "sent"})]));
}

#[test]
fn json_tells_of_each_attempt() {
    let (output, _) = answered(&["--json", "--retry", "1"], &[BUSY, "R#00000002ok"]);
    let kinds: Vec<_> = objects(&output).iter().map(|object| object["type"].clone()).collect();
    assert_eq!(kinds, ["retry_result", "single_result"]);
}

/// Of what it is given, no more than a piece is kept; no character is cut.
#[test]
fn json_tells_a_long_payload_in_pieces() {
    let text = "€uro ".repeat(500_000);
    let noise = "\u{1}".repeat(1 << 20);
    for (payload, pieces) in [(text.as_str(), 4), (&noise, 1), (&noise[1..], 1)] {
        let answer = format!("R#{:08x}{payload}", payload.len());
        let (output, _) = answered(&["--json"], &[&answer]);
        let objects = objects(&output);
        assert_eq!(objects.len(), pieces);
        let mut left = payload.len();
        let mut all = String::new();
        for object in &objects {
            assert_eq!(object["size"], payload.len());
            let piece = match &object["payload"] {
                Value::String(piece) => piece.clone(),
                _ => "\u{1}".repeat(object["payload_hex"].as_str().unwrap().len() / 2),
            };
            left -= piece.len();
            assert_eq!(object["remaining"].as_u64().unwrap_or(0), left as u64);
            all += &piece;
        }
        assert!(all == payload);
    }
}

//! Both directions as one conversation: `--client FILE --server FILE`.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use super::{CAPTURES, Random, json, manifest, message, number, run, text};

/// A file that is gone when the test is done.
struct File(PathBuf);

impl File {
    fn new(name: &str, bytes: &[u8]) -> Self {
        let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        let path = dir.join(format!("inspect-{}-{name}", std::process::id()));
        fs::write(&path, bytes).expect("a file");
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("a readable path")
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn both_unfiltered(test: &str, client: &[u8], server: &[u8]) -> Vec<Value> {
    let client = File::new(&format!("{test}-client"), client);
    let server = File::new(&format!("{test}-server"), server);
    let args = ["--no-handshake", "--client", client.path(), "--server", server.path()];
    json(&args, std::io::empty())
}

/// The messages of both directions as they are shown.
fn both(test: &str, client: &[u8], server: &[u8]) -> Vec<Value> {
    both_unfiltered(test, client, server).into_iter().filter(is_message).collect()
}

/// What else is shown of that type.
fn both_objects(test: &str, client: &[u8], server: &[u8], kind: &str) -> Vec<Value> {
    let shown = both_unfiltered(test, client, server).into_iter();
    shown.filter(|object| object["type"] == kind).collect()
}

fn is_message(object: &Value) -> bool {
    let rest =
        ["conversation", "clean", "truncated", "bad_input", "excerpt", "open_stream", "summary"];
    !rest.contains(&text(&object["type"]))
}

/// Who sent it and the start of its payload: enough to see an order.
fn order(shown: &[Value]) -> String {
    let each: Vec<String> = shown
        .iter()
        .map(|object| {
            format!("{}{}", &text(&object["from"])[..1], object["payload"].as_str().unwrap_or(""))
        })
        .collect();
    each.join(" ")
}

fn conversation(messages: &[(&str, &str)]) -> Vec<u8> {
    messages
        .iter()
        .flat_map(|(head, payload)| message(head.as_bytes(), payload.as_bytes()))
        .collect()
}

#[test]
fn a_streamed_request_and_its_streamed_result() {
    let [client, server] = ["c2s", "s2c"].map(|side| format!("{CAPTURES}e-stream.{side}.bin"));
    let output = run(&["--client", &client, "--server", &server], std::io::empty());
    let expected = "\
Both directions as one conversation. When each message was sent is unknown:
a result stands after its request, otherwise the order of each file is kept.

from        offset  type                 id          content
client           0  version                          1
server           0  version                          1
client           2  stream request       0x00000000  'upper'  6 bytes  'alpha '
server           2  stream result        0x00000000  6 bytes  'ALPHA '
client          29  stream request part  0x00000000  5 bytes  'beta '
server          21  stream result        0x00000000  5 bytes  'BETA '
client          47  stream request part  0x00000000  5 bytes  'gamma'
server          39  stream result        0x00000000  5 bytes  'GAMMA'
client          65  stream request part  0x00000000  end of the stream, 0 bytes
server          57  stream result        0x00000000  end of the stream, 0 bytes

open streams: none
summary:
         1  stream request       6 bytes of payload
         3  stream request part  10 bytes of payload
         4  stream result        16 bytes of payload
         8  in all               148 bytes read
";
    assert_eq!(output.out, expected);
    assert_eq!((output.code, output.err.as_str()), (0, ""));
}

#[test]
fn the_captured_conversations_in_order() {
    let mut scenarios = 0;
    for entry in manifest().iter().filter(|entry| entry["direction"] == "c2s") {
        let scenario = text(&entry["scenario"]);
        let files = ["c2s", "s2c"].map(|side| format!("{CAPTURES}{scenario}.{side}.bin"));
        let shown = json(&["--client", &files[0], "--server", &files[1]], std::io::empty());
        assert_eq!(
            (&shown[0]["type"], &shown[0]["times"]),
            (&"conversation".into(), &"unknown".into())
        );
        let shown: Vec<Value> = shown.into_iter().filter(is_message).collect();
        check_order(&shown);
        for (file, side) in files.iter().zip(["client", "server"]) {
            let mut alone: Vec<Value> =
                json(&[file], std::io::empty()).into_iter().filter(is_message).collect();
            for object in &mut alone {
                object["from"] = side.into();
            }
            let mut part: Vec<Value> =
                shown.iter().filter(|object| object["from"] == side).cloned().collect();
            for object in &mut part {
                let remark = object.as_object_mut().expect("an object").remove("remark");
                assert_eq!(
                    remark.is_some(),
                    scenario == "e-stream-error" && object["offset"] == 64
                );
            }
            assert_eq!(part, alone, "{scenario}: each file is shown in its order");
        }
        scenarios += 1;
    }
    assert_eq!(scenarios, 22);
}

/// Each result comes after its request, if that is to be seen at all.
fn check_order(shown: &[Value]) {
    let mut requests: HashMap<(&str, &str), i32> = HashMap::new();
    for object in shown.iter().filter(|object| object["id"].is_string()) {
        let (from, id) = (text(&object["from"]), text(&object["id"]));
        let asker = if from == "client" { "server" } else { "client" };
        match text(&object["type"]) {
            "single_request" | "stream_request" => *requests.entry((from, id)).or_default() += 1,
            "stream_request_part" => {}
            kind if object["remark"].is_null() => {
                let open = requests.get_mut(&(asker, id)).expect("a request before the result");
                assert!(*open > 0, "{object}");
                *open -= i32::from(kind != "stream_result" || object["size"] == 0);
            }
            _ => {}
        }
    }
}

#[test]
fn generated_conversations_in_order() {
    let mut random = Random(3);
    for round in 0..50 {
        // What each side sends; requests go both ways and are answered in any order.
        let mut files = [Vec::new(), Vec::new()];
        let mut open: Vec<(usize, u64, &str)> = Vec::new();
        for n in 0..60 {
            let side = random.below(2) as usize;
            match random.below(8) {
                0..3 => {
                    // Ids come back, but never while they are in use.
                    let id = (n % 16, side);
                    if !open.iter().any(|&(asker, open, _)| (open, asker) == id) {
                        files[side].extend(message(format!("r{:04}001x", id.0).as_bytes(), b""));
                        open.push((side, id.0, "R"));
                    }
                }
                3 => {
                    let id = 1000 + n;
                    files[side].extend(message(format!("s{id:04}001x").as_bytes(), b"a"));
                    files[side].extend(message(format!("p{id:04}").as_bytes(), b"b"));
                    files[side].extend(message(format!("p{id:04}").as_bytes(), b""));
                    open.push((side, id, "S"));
                }
                4 => files[side].extend(message(b"n001x", b"")),
                _ if open.is_empty() => {}
                _ => {
                    let (asker, id, kind) =
                        open.swap_remove(random.below(open.len() as u64) as usize);
                    let answer = &mut files[1 - asker];
                    if kind == "S" {
                        answer.extend(message(format!("S{id:04}").as_bytes(), b"A"));
                        answer.extend(message(format!("S{id:04}").as_bytes(), b""));
                    } else {
                        let kind = ["R", "E", "e"][random.below(3) as usize];
                        let wait = if kind == "e" { "00000001" } else { "" };
                        answer.extend(message(format!("{kind}{id:04}{wait}").as_bytes(), b""));
                    }
                }
            }
        }
        let shown = both("generated", &files[0], &files[1]);
        check_order(&shown);
        assert!(shown.iter().all(|object| object["remark"].is_null()), "round {round}");
        for (bytes, side) in files.iter().zip(["client", "server"]) {
            let alone: Vec<usize> = json(&["--no-handshake", "-"], bytes.as_slice())
                .iter()
                .filter(|object| is_message(object))
                .map(|object| number(&object["offset"]))
                .collect();
            let part: Vec<usize> = shown
                .iter()
                .filter(|object| object["from"] == side)
                .map(|object| number(&object["offset"]))
                .collect();
            assert_eq!(part, alone, "round {round}");
        }
    }
}

#[test]
fn results_come_as_soon_as_their_requests_have() {
    let client = conversation(&[
        ("r0001001x", "1"),
        ("r0002001x", "2"),
        ("r0003001x", "3"),
        ("r0001001x", "1 again"),
    ]);
    let server =
        conversation(&[("R0002", "2"), ("E0001", "1"), ("R0001", "1 again"), ("R0003", "3")]);
    let shown = both("soon", &client, &server);
    assert_eq!(order(&shown), "c1 c2 s2 s1 c3 c1 again s1 again s3");
}

#[test]
fn results_take_turns_with_the_parts_of_their_request_and_no_more() {
    let client = conversation(&[("s0001001x", "1"), ("p0001", ""), ("n000", "n"), ("n000", "m")]);
    let server = conversation(&[("S0001", "a"), ("S0001", "b"), ("S0001", "c"), ("S0001", "")]);
    let shown = both("turns", &client, &server);
    assert_eq!(order(&shown), "c1 sa c sb sc s cn cm");
}

#[test]
fn results_without_a_request_hold_nothing_up() {
    let client = conversation(&[("R000a", "a"), ("r0001001x", "1"), ("n001x", "n")]);
    let server = conversation(&[("R000b", "b"), ("S000c", "c"), ("R0001", "1")]);
    let shown = both("orphans", &client, &server);
    // Both begin with one, so one of them has to give way; then the client's
    // requests come first, since the server's might be among them.
    assert_eq!(order(&shown), "ca c1 cn sb sc s1");
    let remarks: Vec<&Value> = shown.iter().map(|object| &object["remark"]).collect();
    let unseen = Value::from("request not seen");
    let none = Value::Null;
    assert_eq!(remarks, [&unseen, &none, &none, &unseen, &unseen, &none]);
}

#[test]
fn the_second_end_of_a_failed_stream_stays_with_it() {
    let client = conversation(&[("s0001001x", "1"), ("p0001", ""), ("r0002001x", "2")]);
    let server = conversation(&[("S0001", "part"), ("E0001", "no"), ("S0001", ""), ("R0002", "2")]);
    let shown = both("second-end", &client, &server);
    assert_eq!(order(&shown), "c1 spart c sno s c2 s2");
    assert_eq!(shown[4]["remark"], "its request has failed before");
}

#[test]
fn a_refused_stream_is_not_open() {
    let client = conversation(&[("s0001001x", "1"), ("n001x", "n"), ("p0001", "late")]);
    let server = conversation(&[("E0001", "no"), ("S0009", "open")]);
    let open = both_objects("refused", &client, &server, "open_stream");
    assert_eq!(open.len(), 1);
    assert_eq!((text(&open[0]["from"]), text(&open[0]["id"])), ("server", "30303039"));
}

#[test]
fn open_streams_are_those_of_a_side() {
    let stream = conversation(&[("s0001001x", "request"), ("S0002", "result")]);
    let shown = both_objects("sides", &stream, &stream, "open_stream");
    let open: Vec<(&str, &str, &str)> = shown
        .iter()
        .map(|object| (text(&object["from"]), text(&object["stream"]), text(&object["id_text"])))
        .collect();
    let expected = ["client", "server"]
        .map(|side| [(side, "request", "0001"), (side, "result", "0002")])
        .concat();
    assert_eq!(open.len(), 4);
    assert!(expected.iter().all(|stream| open.contains(stream)), "{open:?}");
}

#[test]
fn refused_streams_make_room_for_others() {
    let (mut client, mut server) = (Vec::new(), Vec::new());
    for n in 0..256 {
        client.extend(message(format!("s{n:04}001x").as_bytes(), b""));
        server.extend(message(format!("E{n:04}").as_bytes(), b""));
    }
    client.extend(message(b"s9999001x", b""));
    let summary = both_objects("room", &client, &server, "summary");
    assert_eq!(summary[0]["unfollowed_stream_messages"], 0);
    let open = both_objects("room", &client, &server, "open_stream");
    assert_eq!(open.len(), 1);
    assert_eq!(open[0]["id_text"], "9999");
}

#[test]
fn the_exit_code_is_that_of_the_worse_direction() {
    let good = b"01n001x00000000".as_slice();
    let cases = [(good, 0), (b"01n", 2), (b"01x", 1), (b"01n001xz", 1), (b"", 2)];
    for (client, for_client) in cases {
        for (server, for_server) in cases {
            let client = File::new("worse-client", client);
            let server = File::new("worse-server", server);
            let files = ["--client", client.path(), "--server", server.path()];
            let output = run(&files, std::io::empty());
            let worst = [1, 2, 0].into_iter().find(|code| [for_client, for_server].contains(code));
            assert_eq!(Some(output.code), worst);
            for (side, code) in [("client", for_client), ("server", for_server)] {
                let said = ["", "bad input", "truncated"][usize::from(code)];
                let line = format!("\n{side}: {said}");
                assert_eq!(output.out.contains(&line), code != 0, "{}", output.out);
            }
        }
    }
}

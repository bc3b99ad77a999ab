//! Real traffic of the Go peer and of gotalk.js: read in every way, compared with the
//! manifests field by field, and written again byte for byte.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use gotalk::{Event, Frame, Message, MessageType, Parser, WriteError, Writer};
use serde_json::Value;
use sha2::{Digest, Sha256};
use support::drive;
use support::oracle::{self, End, Field, Header, Item, Reading, Wrong};

/// The longest name and the longest payload of all captures fit.
const N: usize = 256;
const P: usize = 2048;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conversations")
}

fn manifest(name: &str) -> Vec<Value> {
    let text = fs::read_to_string(folder().join(name)).unwrap();
    let Value::Array(entries) = serde_json::from_str(&text).unwrap() else {
        panic!("{name} is not a list");
    };
    entries
}

fn files(folder: &Path, ending: &str) -> BTreeSet<String> {
    let names =
        fs::read_dir(folder).unwrap().map(|f| f.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(ending)).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    assert_eq!(text.len() % 2, 0);
    (0..text.len() / 2).map(|i| u8::from_str_radix(&text[2 * i..][..2], 16).unwrap()).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_else(|| panic!("{key} in {value}"))
}

fn number(value: &Value, key: &str) -> u64 {
    value[key].as_u64().unwrap_or_else(|| panic!("{key} in {value}"))
}

/// Whole, byte by byte, and in pieces of 2 to 17 bytes.
fn ways_to_split(input: &[u8]) -> Vec<Vec<&[u8]>> {
    let mut ways = vec![vec![input]];
    ways.extend((1..=17).map(|len| drive::chunks(input, len)));
    ways
}

/// The messages of a reading: each header with the payload that followed it.
fn messages(reading: &Reading) -> Vec<(Header, Option<Vec<u8>>)> {
    let mut messages = Vec::new();
    for event in &reading.events {
        match event {
            oracle::Event::Version { value, end } => assert_eq!((*value, *end), (1, 2)),
            oracle::Event::Header { header, .. } => messages.push((header.clone(), None)),
            oracle::Event::Payload { data, missing: 0, .. } => {
                messages.last_mut().unwrap().1 = Some(data.clone());
            }
            other => panic!("not in these conversations: {other:?}"),
        }
    }
    messages
}

/// Compares every field that the manifest gives, and fails at one that it does not know.
fn compare_message(want: &Value, header: &Header, payload: Option<&[u8]>) {
    for (key, value) in want.as_object().unwrap() {
        let value = value.clone();
        let got: Value = match key.as_str() {
            "offset" => header.start.into(),
            "type" => char::from(header.kind).to_string().into(),
            "kind" => format!("{:?}", MessageType::from_byte(header.kind).unwrap()).into(),
            "id" => hex(&header.id.unwrap()).into(),
            "name_len" => header.name.as_ref().unwrap().len().into(),
            "name" => String::from_utf8(header.name.clone().unwrap()).unwrap().into(),
            "name_hex" => hex(header.name.as_ref().unwrap()).into(),
            "wait" => header.wait.unwrap().into(),
            "load" => header.load.unwrap().into(),
            "time" => header.time.unwrap().into(),
            "code" => header.code.unwrap().into(),
            "size" => header.size.unwrap().into(),
            "header_len" => drive::frame(header).header_len().into(),
            "payload_sha256" => hex(&Sha256::digest(payload.unwrap())).into(),
            "payload" => String::from_utf8(payload.unwrap().to_vec()).unwrap().into(),
            "payload_hex" => hex(payload.unwrap()).into(),
            other => panic!("the manifest has a field that is not compared: {other}"),
        };
        assert_eq!(got, value, "{key} of {want}");
    }
    // And the other way: no field that the manifest should have and has not.
    let fields = [
        ("id", header.id.is_some()),
        ("name_len", header.name.is_some()),
        ("wait", header.wait.is_some()),
        ("load", header.load.is_some()),
        ("time", header.time.is_some()),
        ("code", header.code.is_some()),
        ("size", header.size.is_some()),
        ("payload_sha256", header.size.is_some()),
        ("offset", true),
        ("type", true),
        ("kind", true),
        ("header_len", true),
    ];
    for (key, there) in fields {
        assert_eq!(want.get(key).is_some(), there, "{key} of {want}");
    }
    let named = want.get("name").is_some() || want.get("name_hex").is_some();
    assert_eq!(named, header.name.is_some(), "{want}");
    if header.size.is_some_and(|size| size <= 64) {
        assert!(want.get("payload").is_some() || want.get("payload_hex").is_some(), "{want}");
    }
}

fn compare_end(want: &Value, input: &[u8], end: &End, consumed: u64) {
    match text(want, "end") {
        "clean" => {
            assert!(matches!(end, End::Clean | End::Closed), "{end:?}");
            assert_eq!(consumed, input.len() as u64);
        }
        "truncated" => {
            assert_eq!(*end, End::Truncated { missing: number(want, "missing") as u32 });
            assert_eq!(consumed, input.len() as u64);
        }
        "bad" => {
            let byte = number(want, "error_byte") as u8;
            let End::Bad { offset, wrong } = *end else { panic!("{end:?}") };
            assert_eq!(offset, number(want, "error_offset"));
            assert_eq!(consumed, offset);
            assert_eq!(input[offset as usize], byte, "the byte that the offset points at");
            match (text(want, "error_kind"), wrong) {
                ("type", Wrong::Type(got)) => assert_eq!(got, byte),
                ("digit", Wrong::Digit { byte: got, .. }) => assert_eq!(got, byte),
                ("unsupported_version", Wrong::Version(version)) => {
                    assert_eq!(u64::from(version), number(want, "version"));
                }
                (kind, wrong) => panic!("{kind}: {wrong:?}"),
            }
        }
        other => panic!("no such end: {other}"),
    }
}

/// Reads in every way and every split, compares each with the verdict, and gives what
/// was read.
fn compare_reading(want: &Value, input: &[u8], handshake: bool) -> Reading {
    let oracle = oracle::read(input, N, handshake);
    for pieces in &ways_to_split(input) {
        for reading in [
            drive::by_feed::<N>(pieces, handshake),
            drive::by_next_event::<N>(pieces, handshake),
            drive::by_step::<N>(pieces, handshake),
        ] {
            assert_eq!(reading, oracle);
            // A message whose payload is cut off has a header and is not in the manifest.
            let got = messages(&reading);
            let got: Vec<_> = got
                .into_iter()
                .filter(|(header, payload)| header.size.is_none() || payload.is_some())
                .collect();
            let messages = want["messages"].as_array().unwrap();
            assert_eq!(got.len(), messages.len());
            for (want, (header, payload)) in messages.iter().zip(&got) {
                compare_message(want, header, payload.as_deref());
            }
            compare_end(want, input, &reading.end, reading.consumed);
        }
        for assembly in [
            drive::by_next_item::<P, N>(pieces, handshake),
            drive::by_assembler_feed::<P, N>(pieces, handshake),
        ] {
            let mut items = assembly.items.iter();
            if let Some(Item::Version { value, end }) = assembly.items.first() {
                assert_eq!((*value, *end), (1, 2));
                items.next();
            }
            for want in want["messages"].as_array().unwrap() {
                let Some(Item::Message { header, payload, end }) = items.next() else {
                    panic!("no message: {want}");
                };
                let length = drive::frame(header).header_len() + payload.len();
                assert_eq!(*end, header.start + length as u64);
                compare_message(want, header, header.size.map(|_| payload.as_slice()));
            }
            // A payload that is longer than the assembler takes is not in the manifest
            // either when it is cut off.
            let announced = |item: &&Item| matches!(item, Item::PayloadTooLong { .. });
            assert_eq!(items.by_ref().find(|item| !announced(item)), None);
            assert_eq!(assembly, oracle::assemble(&oracle, P));
            compare_end(want, input, &assembly.end, assembly.consumed);
        }
    }
    oracle
}

/// Writes a message with the method that names it.
fn write_by_name(writer: &mut Writer<'_>, frame: &Frame<'_>, p: &[u8]) -> Result<(), WriteError> {
    match *frame {
        Frame::SingleRequest { id, op, .. } => writer.single_request(id, op, p),
        Frame::StreamRequest { id, op, .. } => writer.stream_request(id, op, p),
        Frame::StreamRequestPart { id, payload_len: 0 } => writer.stream_request_end(id),
        Frame::StreamRequestPart { id, .. } => writer.stream_request_part(id, p),
        Frame::SingleResult { id, .. } => writer.single_result(id, p),
        Frame::StreamResult { id, payload_len: 0 } => writer.stream_result_end(id),
        Frame::StreamResult { id, .. } => writer.stream_result(id, p),
        Frame::ErrorResult { id, .. } => writer.error_result(id, p),
        Frame::RetryResult { id, wait_ms, .. } => writer.retry_result(id, wait_ms, p),
        Frame::Notification { name, .. } => writer.notification(name, p),
        Frame::Heartbeat { load, time } => writer.heartbeat(load, time),
        Frame::ProtocolError { code } => writer.protocol_error(code),
    }
}

#[test]
fn every_capture_is_in_the_manifest() {
    let manifest = manifest("captures.json");
    assert_eq!(manifest.len(), 44);
    let listed: BTreeSet<String> =
        manifest.iter().map(|entry| text(entry, "file").to_owned()).collect();
    assert_eq!(listed.len(), 44, "a file is listed twice");
    assert_eq!(listed, files(&folder(), ".bin"));
    for entry in &manifest {
        let name = format!("{}.{}.bin", text(entry, "scenario"), text(entry, "direction"));
        assert_eq!(text(entry, "file"), name);
        let input = fs::read(folder().join(&name)).unwrap();
        assert_eq!(input.len() as u64, number(entry, "bytes"), "{name}");
        assert_eq!(hex(&Sha256::digest(&input)), text(entry, "sha256"), "{name}");
    }
    let messages = manifest.iter().map(|entry| entry["messages"].as_array().unwrap().len());
    assert_eq!(messages.sum::<usize>(), 208);
}

#[test]
fn every_capture_is_read_as_the_manifest_says() {
    let mut ends = BTreeMap::new();
    for entry in manifest("captures.json") {
        let name = text(&entry, "file");
        println!("{name}: {}", text(&entry, "about"));
        let input = fs::read(folder().join(name)).unwrap();
        let reading = compare_reading(&entry, &input, true);
        // A version that is none leaves it out; another one is in the error.
        match (entry.get("version").map(|version| version.as_u64().unwrap()), reading.end) {
            (Some(1), _) => {
                assert_eq!(reading.events[0], oracle::Event::Version { value: 1, end: 2 });
            }
            (Some(version), End::Bad { wrong: Wrong::Version(got), .. }) => {
                assert_eq!(u64::from(got), version);
            }
            (None, End::Bad { offset: 0, wrong: Wrong::Digit { byte: b'x', field } }) => {
                assert_eq!(field, Field::Version);
            }
            (version, end) => panic!("{version:?}, {end:?}"),
        }
        *ends.entry(text(&entry, "end").to_owned()).or_insert(0) += 1;
    }
    assert_eq!(ends, BTreeMap::from([("clean".to_owned(), 38), ("bad".to_owned(), 6)]));
}

#[test]
fn every_message_of_every_capture_is_written_as_the_peer_wrote_it() {
    let mut written = 0;
    for entry in manifest("captures.json") {
        let input = fs::read(folder().join(text(&entry, "file"))).unwrap();
        let reading = drive::by_feed::<N>(&[&input], true);
        let mut buffer = vec![0; input.len() + 64];
        let mut whole = Writer::new(&mut buffer);
        let mut buffer = vec![0; input.len() + 64];
        if reading.events.is_empty() {
            continue;
        }
        whole.version().unwrap();
        for (header, payload) in messages(&reading) {
            let frame = drive::frame(&header);
            let payload = payload.unwrap_or_default();
            let original = &input[header.start as usize..][..frame.header_len() + payload.len()];

            let mut writer = Writer::new(&mut buffer);
            write_by_name(&mut writer, &frame, &payload).unwrap();
            assert_eq!(writer.as_bytes(), original);

            let mut writer = Writer::new(&mut buffer);
            writer.message(Message { frame, payload: &payload }).unwrap();
            assert_eq!(writer.as_bytes(), original);

            let mut writer = Writer::new(&mut buffer);
            writer.frame(&frame).unwrap();
            assert_eq!(writer.as_bytes(), &original[..frame.header_len()]);

            whole.message(Message { frame, payload: &payload }).unwrap();
            written += 1;
        }
        // All that was read, one after the other, is the file up to where it went wrong.
        let read = messages(&reading).last().map_or(2, |(header, _)| {
            let frame = drive::frame(header);
            header.start as usize + frame.header_len() + frame.payload_len().unwrap_or(0) as usize
        });
        assert_eq!(whole.as_bytes(), &input[..read]);
    }
    assert_eq!(written, 208);
}

#[test]
fn every_header_is_read_as_the_grammar_says() {
    let manifest = manifest("headers.json");
    assert_eq!(manifest.len(), 40);
    let labels: BTreeSet<_> = manifest.iter().map(|entry| text(entry, "label")).collect();
    assert_eq!(labels.len(), 40, "a label stands twice");
    let mut ends = BTreeMap::new();
    let (mut headers, mut whole) = (0, 0);
    for entry in &manifest {
        println!("{}", text(entry, "label"));
        let input = unhex(text(entry, "hex"));
        let grammar = &entry["grammar"];
        compare_reading(grammar, &input, false);
        *ends.entry(text(grammar, "end").to_owned()).or_insert(0) += 1;

        // Written again it is the same, but that the digits are lower-case.
        for (header, payload) in messages(&drive::by_step::<N>(&[&input], false)) {
            let frame = drive::frame(&header);
            let payload = payload.unwrap_or_default();
            let mut buffer = [0; 128];
            let mut writer = Writer::new(&mut buffer);
            writer.frame(&frame).unwrap();
            let original = &input[header.start as usize..][..frame.header_len() + payload.len()];
            let digits = original[..frame.header_len()].to_ascii_lowercase();
            assert_eq!(writer.as_bytes()[0], original[0]);
            assert_eq!(writer.as_bytes()[1..], digits[1..]);
            let mut writer = Writer::new(&mut buffer);
            headers += 1;
            if frame.payload_len().unwrap_or(0) as usize == payload.len() {
                whole += 1;
                // A peer's reader trips over an empty name, so only `message` writes one.
                let refused = write_by_name(&mut writer, &frame, &payload);
                if frame.name().is_some_and(|name| name.is_empty()) {
                    assert_eq!(refused, Err(WriteError::EmptyName));
                    writer.message(Message { frame, payload: &payload }).unwrap();
                } else {
                    refused.unwrap();
                }
                assert_eq!(writer.as_bytes()[frame.header_len()..], payload);
            }
        }
    }
    assert_eq!((headers, whole), (23, 12), "headers, and those whose payload is there");
    let want = [("bad", 14), ("clean", 12), ("truncated", 14)];
    assert_eq!(ends, BTreeMap::from(want.map(|(end, count)| (end.to_owned(), count))));
}

/// Where the Go reader makes something else of a header than the grammar does.
const GO_DIFFERS: [(&str, &str); 4] = [
    (
        "same followed by a request",
        "a notification with an empty name has 12 bytes; the Go reader takes 13 before it looks",
    ),
    (
        "proto error followed by heartbeat",
        "a protocol error has 9 bytes; the Go reader takes 13 and loses the four that follow",
    ),
    ("unknown type NUL", "the Go reader leaves the type to its caller and reads on"),
    ("unknown type, short", "the Go reader waits for 13 bytes before it looks at the type"),
];

#[test]
fn the_go_reader_agrees_on_every_header_but_those_listed() {
    let mut differ = BTreeSet::new();
    let mut compared = 0;
    for entry in manifest("headers.json") {
        let input = unhex(text(&entry, "hex"));
        let go = &entry["go"];
        let mut parser = Parser::<N>::new().without_handshake();
        let mut rest = input.as_slice();
        let ours = parser.next_event(&mut rest);
        let agrees = match (&ours, go.get("error").map(|error| error.as_str().unwrap())) {
            (Ok(Some(Event::Frame(frame))), None) => {
                let header = drive::convert_frame(frame);
                let extra = header.wait.or(header.load).unwrap_or(0);
                let last = header.size.or(header.time).or(header.code).unwrap();
                let fields = (
                    hex(&[header.kind]) == text(go, "type"),
                    hex(header.id.as_ref().map_or(&[], |id| id.as_slice())) == text(go, "id"),
                    hex(header.name.as_deref().unwrap_or_default()) == text(go, "name"),
                    u64::from(extra) == number(go, "wait"),
                    u64::from(last) == number(go, "size"),
                );
                assert_eq!(fields, (true, true, true, true, true), "{entry}");
                compared += 1;
                frame.header_len() as u64 == number(go, "consumed")
            }
            (Ok(None), Some("EOF")) => true,
            (Err(error), Some(go)) => {
                let digit = matches!(error.kind, gotalk::ErrorKind::InvalidDigit { .. });
                digit && go.contains("invalid syntax")
            }
            (_, _) => false,
        };
        if !agrees {
            differ.insert(text(&entry, "label").to_owned());
        }
    }
    assert_eq!(compared, 22, "headers compared field by field");
    assert_eq!(differ, GO_DIFFERS.iter().map(|(label, _)| (*label).to_owned()).collect());
}

/// The binary and text messages of one direction of a WebSocket conversation.
fn directions(name: &str) -> [(&'static str, Vec<Vec<u8>>); 2] {
    let content = fs::read_to_string(folder().join("websocket").join(name)).unwrap();
    let mut lines = content.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    assert!(lines.next().unwrap()["about"].is_string(), "{name}");
    let lines: Vec<Value> = lines.collect();
    ["c2s", "s2c"].map(|dir| {
        let ours = lines.iter().filter(|line| {
            text(line, "dir") == dir && ["binary", "text"].contains(&text(line, "op"))
        });
        (dir, ours.map(|line| unhex(text(line, "hex"))).collect())
    })
}

#[test]
fn every_websocket_direction_is_one_stream_of_whole_headers_and_payloads() {
    let names = files(&folder().join("websocket"), ".jsonl");
    assert_eq!(names.len(), 21);
    let (mut total, mut headers, mut payloads) = (0, 0, 0);
    let mut bad = BTreeMap::new();
    for name in &names {
        for (dir, messages) in directions(name) {
            println!("{name} {dir}");
            total += messages.len();
            let joined = messages.concat();
            let want = oracle::read(&joined, N, true);
            for pieces in ways_to_split(&joined) {
                drive::check::<P, N>(&pieces, true, &want);
            }
            // As they come: each message is a piece.
            let pieces: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
            drive::check::<P, N>(&pieces, true, &want);

            // What this crate makes of it, as WebSocket messages, is what the peer sent.
            let mut parser = Parser::<N>::new();
            let mut input = joined.as_slice();
            let mut again = Vec::new();
            let mut end = Ok(());
            loop {
                let mut buffer = [0; 600];
                let mut writer = Writer::new(&mut buffer);
                match parser.next_event(&mut input) {
                    Ok(Some(Event::Version(1))) => writer.version().unwrap(),
                    Ok(Some(Event::Frame(frame))) => {
                        headers += 1;
                        writer.frame(&frame).unwrap();
                        assert_eq!(writer.len(), frame.header_len());
                    }
                    Ok(Some(Event::Payload { data: [], remaining: 0 })) => continue,
                    Ok(Some(Event::Payload { data, remaining: 0 })) => {
                        payloads += 1;
                        again.push(data.to_vec());
                        continue;
                    }
                    Ok(None) => break,
                    Err(error) => {
                        end = Err(error);
                        break;
                    }
                    Ok(other) => panic!("{other:?}"),
                }
                again.push(writer.as_bytes().to_vec());
            }
            match end {
                Ok(()) => {
                    assert_eq!(again, messages);
                    assert_eq!(parser.finish(), Ok(()));
                }
                Err(error) => {
                    assert_eq!(again, messages[..again.len()]);
                    assert_eq!(again.len() + 1, messages.len(), "the last one is at fault");
                    bad.insert(format!("{name} {dir}"), (error.kind, error.offset));
                }
            }
        }
    }
    // With 41 versions and the three that are refused: 317.
    assert_eq!((total, headers, payloads), (317, 158, 115));
    let unknown = (gotalk::ErrorKind::UnknownType(b'X'), 2);
    let want = [
        ("bad-message.jsonl s2c", unknown),
        ("raw-bad-type.jsonl c2s", unknown),
        ("version-02.jsonl s2c", (gotalk::ErrorKind::UnsupportedVersion(2), 1)),
    ];
    assert_eq!(bad, BTreeMap::from(want.map(|(name, error)| (name.to_owned(), error))));
}

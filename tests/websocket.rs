//! WebSocket messages: what is cut is what gotalk.js takes, and what the real peers sent.

mod support;

use std::fs;
use std::path::Path;

use gotalk::{ErrorCode, Message, RequestId, SendBuffer, Writer, websocket};
use serde_json::Value;
use support::drive;
use support::generate::{self, Rng};
use support::oracle::{self, End, Event};

const ID: RequestId = RequestId::new(*b"0001");

/// Reads as gotalk.js does, by where messages begin and end: first a version, then headers,
/// and behind each header that announces a payload the payload, each alone in a message.
/// Gives all that it read, or says what it stumbled over.
fn strict(messages: &[&[u8]], handshake: bool) -> Result<Vec<u8>, String> {
    let mut messages = messages.iter();
    let mut read = Vec::new();
    if handshake {
        match messages.next() {
            Some(version) if *version == b"01" => read.extend_from_slice(version),
            other => return Err(format!("not a version: {other:?}")),
        }
    }
    while let Some(message) = messages.next() {
        // A header is whole, and nothing follows it.
        let reading = oracle::read(message, 4095, false);
        let Some(Event::Header { header, end }) = reading.events.first() else {
            return Err(format!("not a header: {message:?}"));
        };
        if *end != message.len() as u64 {
            return Err(format!("more than a header: {message:?}"));
        }
        read.extend_from_slice(message);
        let size = header.size.unwrap_or(0);
        assert_eq!(size > 0, matches!(reading.end, End::Truncated { .. }));
        if size > 0 {
            match messages.next() {
                Some(payload) if payload.len() as u64 == u64::from(size) => {
                    read.extend_from_slice(payload);
                }
                other => return Err(format!("not a payload of {size} bytes: {other:?}")),
            }
        }
    }
    Ok(read)
}

fn cut(bytes: &[u8]) -> Vec<&[u8]> {
    websocket::messages(bytes).collect()
}

#[test]
fn the_strict_reader_is_strict() {
    assert!(strict(&[b"01", b"R000100000002", b"hi", b"h000000000000"], true).is_ok());
    for bad in [
        [b"01R000100000002".as_slice(), b"hi"].as_slice(),
        &[b"01", b"R000100000002hi"],
        &[b"01", b"R000100000002", b"h"],
        &[b"01", b"R000100000002"],
        &[b"01", b"R0001000", b"00002", b"hi"],
        &[b"01", b"R000100000000", b""],
        &[b"01", b"h000000000000h000000000000"],
        &[],
    ] {
        assert!(strict(bad, true).is_err(), "{bad:?}");
    }
}

#[test]
fn every_kind_of_message_is_cut_where_it_must_be() {
    let mut buffer = [0; 400];
    let mut writer = Writer::new(&mut buffer);
    writer.version().unwrap();
    writer.single_request(ID, "0", b"0").unwrap();
    writer.stream_request(ID, "up", b"").unwrap();
    writer.stream_request_part(ID, b"01").unwrap();
    writer.stream_request_end(ID).unwrap();
    writer.single_result(ID, b"").unwrap();
    writer.stream_result(ID, b"R000100000001").unwrap();
    writer.stream_result_end(ID).unwrap();
    writer.error_result(ID, b"no").unwrap();
    writer.retry_result(ID, 0x0001_0000, b"busy").unwrap();
    writer.notification("log", b"hi").unwrap();
    writer.notification("log", b"").unwrap();
    writer.heartbeat(1, u32::MAX).unwrap();
    writer.protocol_error(ErrorCode::from(5)).unwrap();
    let want: [&[u8]; 20] = [
        b"01",
        b"r0001001000000001",
        b"0",
        b"s0001002up00000000",
        b"p000100000002",
        b"01",
        b"p000100000000",
        b"R000100000000",
        b"S00010000000d",
        b"R000100000001",
        b"S000100000000",
        b"E000100000002",
        b"no",
        b"e00010001000000000004",
        b"busy",
        b"n003log00000002",
        b"hi",
        b"n003log00000000",
        // A time and a code are no sizes.
        b"h0001ffffffff",
        b"f00000005",
    ];
    assert_eq!(cut(writer.as_bytes()), want);
    assert_eq!(strict(&want, true), Ok(writer.as_bytes().to_vec()));
    assert!(cut(b"").is_empty());
}

/// From any message on, and up to any message, as a send buffer gives them.
#[test]
fn whole_messages_from_a_send_buffer_are_cut_alike() {
    let mut tx = SendBuffer::<64>::new();
    tx.write(|writer| writer.version()).unwrap();
    assert_eq!(cut(tx.unsent()), [b"01"]);
    tx.sent(2);
    tx.write(|writer| writer.single_result(ID, b"hi")).unwrap();
    tx.write(|writer| writer.single_result(ID, b"")).unwrap();
    assert_eq!(cut(tx.unsent()), [b"R000100000002".as_slice(), b"hi", b"R000100000000"]);
}

#[test]
fn whatever_is_written_the_strict_reader_takes() {
    let mut rng = Rng::new(0x3e6_50c);
    for turn in 0..2000 {
        let mut buffer = vec![0; 20_000];
        let mut writer = Writer::new(&mut buffer);
        let handshake = rng.one_in(2);
        if handshake {
            writer.version().unwrap();
        }
        let mut want: Vec<Vec<u8>> = if handshake { vec![b"01".to_vec()] } else { vec![] };
        for _ in 0..rng.below(8) {
            let kind = rng.pick(b"rspRSEenh");
            let (header, payload) = generate::message_of(&mut rng, kind);
            let frame = drive::frame(&header);
            if writer.message(Message { frame, payload: &payload }).is_err() {
                break;
            }
            want.push(oracle::write(&header));
            if !payload.is_empty() {
                want.push(payload);
            }
        }
        let messages = cut(writer.as_bytes());
        assert_eq!(messages, want, "turn {turn}");
        assert_eq!(strict(&messages, handshake), Ok(writer.as_bytes().to_vec()), "turn {turn}");
    }
}

/// A header alone ends what is cut; its payload goes another way.
#[test]
fn a_header_alone_is_not_waited_for() {
    for len in [1, 2, 0xffff, 0x10000, u32::MAX] {
        let text = format!("R0001{len:08x}");
        assert_eq!(cut(text.as_bytes()), [text.as_bytes()]);
        // A part of the payload is all that there is of it.
        let more = format!("{text}!");
        assert_eq!(cut(more.as_bytes()), [text.as_bytes(), b"!"]);
    }
}

/// The `binary` and `text` messages of one direction of a recording.
fn recorded(path: &Path, direction: &str) -> Vec<Vec<u8>> {
    let lines = fs::read_to_string(path).unwrap();
    let lines = lines.lines().skip(1).map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines
        .filter(|line| line["dir"] == direction && (line["op"] == "binary" || line["op"] == "text"))
        .map(|line| {
            let hex = line["hex"].as_str().unwrap().as_bytes().to_vec();
            let digits = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16);
            hex.chunks(2).map(|pair| digits(pair).unwrap()).collect()
        })
        .collect()
}

#[test]
fn the_real_peers_cut_in_the_same_places() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conversations/websocket");
    let (mut files, mut from_go, mut from_js) = (0, 0, 0);
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "jsonl") {
            continue;
        }
        files += 1;
        for (direction, count) in [("s2c", &mut from_go), ("c2s", &mut from_js)] {
            let messages = recorded(&path, direction);
            *count += messages.len();
            assert_eq!(cut(&messages.concat()), messages, "{} {direction}", path.display());
        }
    }
    assert_eq!((files, from_go + from_js), (21, 317));
    assert!(from_go > 100 && from_js > 100);
}

/// Nothing is lost, nothing comes twice, no item is empty, and it ends.
#[test]
fn any_bytes_come_out_as_they_went_in() {
    let check = |bytes: &[u8]| {
        let mut items = websocket::messages(bytes);
        let mut joined = Vec::new();
        let mut left = bytes.len();
        loop {
            let clone = items.clone();
            let Some(item) = items.next() else { break };
            assert!(!item.is_empty(), "an empty message for {bytes:?}");
            left -= item.len();
            // Slices of the input, in order.
            assert!(std::ptr::eq(item, &raw const bytes[joined.len()..][..item.len()]));
            joined.extend_from_slice(item);
            let rest = clone.skip(1).map(<[u8]>::len).sum::<usize>();
            assert_eq!(rest, left);
        }
        assert_eq!(joined, bytes);
        assert_eq!((items.next(), items.next()), (None, None));
    };
    let mut rng = Rng::new(0xb0b);
    for turn in 0..30_000 {
        let handshake = rng.one_in(2);
        let (_, input) = generate::input(&mut rng, turn, 200, handshake);
        check(&input);
    }
    // Each start of a message, cut at each byte.
    let text = b"01r0001004echo00000002his0001fffe00010001000000000002hin00000000000h";
    for end in 0..=text.len() {
        for start in 0..=end {
            check(&text[start..end]);
        }
    }
    for byte in 0..=255 {
        check(&[byte]);
        check(&[byte; 40]);
        check(&[b"R0001000000".as_slice(), &[byte, byte, byte]].concat());
    }
}

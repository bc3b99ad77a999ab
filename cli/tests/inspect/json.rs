//! The output for programs: `--json`.

use serde_json::Value;

use super::{capture, json, manifest, message, number, run, text};

#[test]
fn json_says_what_an_independent_decoder_found() {
    for entry in manifest() {
        let mut objects = json(&["-"], capture(&entry).as_slice()).into_iter();
        let mut next = || objects.next().expect("one more object");
        if let Some(version) = entry["version"].as_u64().filter(|_| entry["error_kind"].is_null()) {
            let object = next();
            assert_eq!(
                (&object["type"], number(&object["version"])),
                (&"version".into(), version as usize)
            );
        } else if entry["error_kind"] != "unsupported_version" && entry["error_offset"] != 0 {
            assert_eq!(next()["type"], "version");
        }
        for message in entry["messages"].as_array().expect("a list") {
            let object = next();
            let kind: String = text(&object["type"]).split('_').map(capitalised).collect();
            assert_eq!(kind, text(&message["kind"]));
            for key in ["offset", "id", "name", "name_hex", "load", "time", "code", "size"] {
                assert_eq!(object[key], message[key], "{key} of {message}");
            }
            assert_eq!(object["wait_ms"], message["wait"], "{message}");
            if let Some(payload) = payload(message) {
                assert_eq!(self::payload(&object), Some(payload), "{message}");
            }
        }
        let ending = next();
        match text(&entry["end"]) {
            "clean" => assert_eq!(ending["type"], "clean"),
            "truncated" => {
                assert_eq!(ending["type"], "truncated");
                assert_eq!(ending["missing"], entry["missing"]);
            }
            _ => {
                assert_eq!(ending["type"], "bad_input");
                assert_eq!(ending["offset"], entry["error_offset"]);
                let excerpt = next();
                let byte = from_hex(text(&excerpt["hex"]))[number(&excerpt["mark"])];
                assert_eq!(Some(u64::from(byte)), entry["error_byte"].as_u64());
            }
        }
        let summary = objects.rfind(|object| object["type"] == "summary").expect("a summary");
        assert_eq!(number(&summary["messages"]), entry["messages"].as_array().map_or(0, Vec::len));
    }
}

/// The payload as text or hex, whichever is given.
fn payload(object: &Value) -> Option<Vec<u8>> {
    match (&object["payload"], &object["payload_hex"]) {
        (Value::String(text), _) => Some(text.clone().into_bytes()),
        (_, Value::String(hex)) => Some(from_hex(hex)),
        _ => None,
    }
}

fn from_hex(hex: &str) -> Vec<u8> {
    let digits = (0..hex.len()).step_by(2);
    digits.map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex")).collect()
}

fn capitalised(word: &str) -> String {
    word[..1].to_uppercase() + &word[1..]
}

#[test]
fn json_keeps_every_byte_of_ids_and_names() {
    for byte in 0..=u8::MAX {
        let (id, name) = ([byte, b'a', byte, 0], [b'<', byte, b'>']);
        let input = message(&[b"r", id.as_slice(), b"003", &name].concat(), &[byte]);
        let objects = json(&["--no-handshake", "-"], input.as_slice());
        let object = &objects[0];
        assert_eq!(from_hex(text(&object["id"])), id);
        assert_eq!(object.get("id_text"), None);
        match std::str::from_utf8(&name) {
            Ok(name) => assert_eq!(text(&object["name"]), name),
            Err(_) => assert_eq!(from_hex(text(&object["name_hex"])), name),
        }
        assert_eq!(payload(object), Some(vec![byte]));
    }
    let objects = json(&["--no-handshake", "-"], "R\"\\'/00000002é".as_bytes());
    assert_eq!((text(&objects[0]["id_text"]), text(&objects[0]["payload"])), ("\"\\'/", "é"));
}

/// As text it is JSON, and as JSON it is what was sent.
#[test]
fn json_escapes_what_must_not_reach_a_terminal() {
    let text = "\u{1}\u{7f}\u{9b}\u{2028}\u{2029}\u{202e}\u{e0041}é";
    let input = message(format!("n{:03x}{text}", text.len()).as_bytes(), b"\xe2\x80\xa8");
    let output = run(&["--json", "--no-handshake", "-"], input.as_slice());
    let name = r"\u0001\u007f\u009b\u2028\u2029\u202e\udb40\udc41é";
    let fields = format!(r#""name":"{name}","size":3,"payload":"\u2028""#);
    assert!(output.out.contains(&fields), "{}", output.out);
    let object = &json(&["--no-handshake", "-"], input.as_slice())[0];
    assert_eq!((self::text(&object["name"]), self::text(&object["payload"])), (text, "\u{2028}"));
}

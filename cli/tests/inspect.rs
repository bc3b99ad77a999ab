//! `gotalk inspect`: its output, its exit codes, and that neither depends on how the
//! bytes arrive.

use std::fs;
use std::io::{self, Read};

use clap::Parser;
use serde_json::Value;

#[allow(dead_code)]
#[path = "../src/address.rs"]
mod address;
#[allow(dead_code)]
#[path = "../src/args/mod.rs"]
mod args;
#[allow(dead_code)]
#[path = "../src/codes.rs"]
mod codes;
#[path = "../src/colors.rs"]
mod colors;
#[path = "../src/escape.rs"]
mod escape;
#[allow(dead_code)]
#[path = "../src/exec.rs"]
mod exec;
#[allow(dead_code, unused_imports)]
#[path = "../src/inspect/mod.rs"]
mod inspect;
#[path = "../src/json.rs"]
mod json;
#[allow(dead_code)]
#[path = "../src/output.rs"]
mod output;
#[allow(dead_code)]
#[path = "../src/text.rs"]
mod text;

#[path = "inspect/conversation.rs"]
mod conversation;
#[path = "inspect/json.rs"]
mod json_lines;
#[cfg(unix)]
#[path = "inspect/live.rs"]
mod live;
#[path = "inspect/network.rs"]
mod network;
#[path = "inspect/program.rs"]
mod program;
mod support;

const CAPTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/conversations/");

/// The command line behind `gotalk inspect`.
#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: args::Inspect,
}

fn parse(args: &[&str]) -> args::Inspect {
    Line::parse_from([&["inspect"], args].concat()).args
}

#[derive(Debug, PartialEq)]
struct Output {
    code: u8,
    out: String,
    err: String,
}

fn run(args: &[&str], mut stdin: impl Read) -> Output {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = inspect::run(&parse(args), &mut stdin, false, (&mut out, false), (&mut err, false));
    let [out, err] = [out, err].map(|bytes| String::from_utf8(bytes).expect("output is UTF-8"));
    Output { code, out, err }
}

fn json(args: &[&str], stdin: impl Read) -> Vec<Value> {
    let output = run(&[&["--json"], args].concat(), stdin);
    output.out.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
}

/// The numbers of a splitmix64 generator.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }
}

/// Gives its bytes in pieces of 1 to `most` bytes.
struct Pieces<'a> {
    bytes: &'a [u8],
    most: u64,
    random: Random,
}

fn pieces(bytes: &[u8], most: u64) -> Pieces<'_> {
    Pieces { bytes, most, random: Random(bytes.len() as u64) }
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = (1 + self.random.below(self.most) as usize).min(buffer.len());
        self.bytes.read(&mut buffer[..len])
    }
}

/// What the captures contain, as an independent decoder read them.
fn manifest() -> Vec<Value> {
    let text = fs::read_to_string(format!("{CAPTURES}captures.json")).expect("the manifest");
    let manifest: Vec<Value> = serde_json::from_str(&text).expect("JSON");
    assert_eq!(manifest.len(), 44);
    manifest
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a string")
}

fn number(value: &Value) -> usize {
    value.as_u64().expect("a number") as usize
}

fn capture(entry: &Value) -> Vec<u8> {
    fs::read(format!("{CAPTURES}{}", text(&entry["file"]))).expect("a capture")
}

/// A message whose header ends in the size of its payload.
fn message(head: &[u8], payload: &[u8]) -> Vec<u8> {
    [head, format!("{:08x}", payload.len()).as_bytes(), payload].concat()
}

/// Every type of message, and a few peculiar ids, names and payloads.
fn every_type() -> Vec<u8> {
    [
        b"01".to_vec(),
        message(b"r0001004echo", b"{\"message\":\"it's \\\"m\\\"\"}"),
        message(b"R\0\0\0\x01", "tab \t end é\r\n".as_bytes()),
        message(b"E0001", b"\x1b[31mred"),
        message(b"R a b", "right \u{202e}to left".as_bytes()),
        message(b"e\"'\\~00001388", b"\x00\xff\x80"),
        message(b"n00cchat message", b""),
        message(b"n002\xff\xfe", b"x"),
        message(b"n004a'\n\x7f", &[b'y'; 65]),
        message(b"n000", &[7; 17]),
        message(b"s0002001x", b""),
        message(b"p0002", b"part"),
        message(b"p0002", b""),
        message(b"s0003001x", b"open"),
        message(b"S0004", b"open too"),
        message(b"S0005", b""),
        message(b"p0006", b"from before"),
        b"h000254d7de9a".to_vec(),
        b"hffffFFFFFFFF".to_vec(),
        b"f00000001gone".to_vec(),
    ]
    .concat()
}

#[test]
fn every_type_has_its_line() {
    let expected = r#"    offset  type                 id          content
         0  version                          1
         2  single request       0001        'echo'  24 bytes  '{"message":"it\'s \\"m\\""}'
        46  single result        0x00000001  14 bytes  'tab \t end é\r\n'
        73  error result         0001        8 bytes  1b 5b 33 31 6d 72 65 64
        94  single result        0x20612062  16 bytes  'right \u{202e}to left'
       123  retry result         "'\~        wait 5000 ms  3 bytes  00 ff 80
       147  notification                     'chat message'  0 bytes
       171  notification                     0xfffe  1 byte  'x'
       186  notification                     'a\'\n\u{7f}'  65 bytes  'yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy' ...
       267  notification                     ''  17 bytes  07 07 07 07 07 07 07 07 07 07 07 07 07 07 07 07 ...
       296  stream request       0002        'x'  0 bytes
       313  stream request part  0002        4 bytes  'part'
       330  stream request part  0002        end of the stream, 0 bytes
       343  stream request       0003        'x'  4 bytes  'open'
       364  stream result        0004        8 bytes  'open too'
       385  stream result        0005        end of the stream, 0 bytes
       398  stream request part  0006        11 bytes  'from before'
       422  heartbeat                        load 2  time 1423433370, 2015-02-08 22:09:30 UTC
       435  heartbeat                        load 65535  time 4294967295, 2106-02-07 06:28:15 UTC
       448  protocol error                   unsupported protocol (1)

ignored 4 bytes after the protocol error

open streams:
       343  stream request       0003        1 part, 4 bytes
       364  stream result        0004        1 part, 8 bytes
       398  stream request       0006        1 part, 11 bytes, start not seen
summary:
         1  single request       24 bytes of payload
         2  stream request       4 bytes of payload
         3  stream request part  15 bytes of payload
         2  single result        30 bytes of payload
         2  stream result        8 bytes of payload
         1  error result         8 bytes of payload
         1  retry result         3 bytes of payload
         4  notification         83 bytes of payload
         2  heartbeat            no payload
         1  protocol error       no payload
        19  in all               461 bytes read
"#;
    let output = run(&["-"], every_type().as_slice());
    assert_eq!(output.out, expected);
    assert_eq!((output.code, output.err.as_str()), (0, ""));
}

#[test]
fn dates_of_leap_years_and_their_neighbours() {
    for (time, date) in [
        (0_u32, "1970-01-01 00:00:00"),
        (951_782_399, "2000-02-28 23:59:59"),
        (951_782_400, "2000-02-29 00:00:00"),
        (951_868_800, "2000-03-01 00:00:00"),
        (1_709_164_800, "2024-02-29 00:00:00"),
        (1_735_689_599, "2024-12-31 23:59:59"),
        (4_107_542_399, "2100-02-28 23:59:59"),
        (4_107_542_400, "2100-03-01 00:00:00"),
    ] {
        let input = format!("h0000{time:08x}");
        let output = run(&["--no-handshake", "-"], input.as_bytes());
        assert!(output.out.contains(&format!("time {time}, {date} UTC\n")), "{}", output.out);
    }
}

#[test]
fn the_output_is_the_same_however_bytes_arrive() {
    let every = every_type();
    let mut inputs: Vec<Vec<u8>> = manifest().iter().map(capture).collect();
    for cut in (0..every.len()).step_by(3) {
        inputs.push(every[..cut].to_vec());
        // What cannot be: behind as many bytes, before fewer and fewer.
        inputs.push([&every[..cut], b"\x80", &every[cut..]].concat());
    }
    for bytes in inputs {
        for mode in [["-"].as_slice(), &["--json", "-"], &["--no-handshake", "-"]] {
            let whole = run(mode, bytes.as_slice());
            for most in [1, 3, 40] {
                assert_eq!(run(mode, pieces(&bytes, most)), whole, "pieces of up to {most}");
            }
        }
    }
    for entry in manifest() {
        let file = format!("{CAPTURES}{}", text(&entry["file"]));
        assert_eq!(run(&[&file], io::empty()), run(&["-"], pieces(&capture(&entry), 1)), "{file}");
    }
}

#[test]
fn longer_than_any_buffer_and_still_the_same() {
    let mut input = b"01".to_vec();
    for size in [65_527, 65_528, 65_529, 200_000, 0, 1] {
        input.extend(message(b"r0001004echo", &vec![b'a'; size]));
    }
    input.extend(b"R0001000x0000 and so on, to the end");
    let whole = run(&["-"], input.as_slice());
    assert_eq!(whole.code, 1);
    assert_eq!(whole.out.matches(" single request ").count(), 6 + 1);
    assert!(whole.out.contains("  52 30 30 30 31 30 30 30 78 30 "), "{}", whole.out);
    assert_eq!(run(&["-"], pieces(&input, 1)), whole);
    assert_eq!(run(&["-"], pieces(&input, 100_000)), whole);
}

#[test]
fn a_capture_cut_anywhere_shows_all_before_the_cut_and_what_is_missing() {
    let mut cuts = 0;
    for entry in manifest().iter().filter(|entry| entry["end"] == "clean") {
        let bytes = capture(entry);
        let whole = run(&["-"], bytes.as_slice());
        let lines: Vec<&str> = whole.out.lines().skip(1).collect();
        let mut ends = vec![2];
        let mut headers = vec![2];
        for message in entry["messages"].as_array().expect("a list") {
            let header = number(&message["offset"]) + number(&message["header_len"]);
            headers.push(header);
            ends.push(header + message["size"].as_u64().unwrap_or(0) as usize);
        }
        let closed = lines.iter().any(|line| line.contains("  protocol error  "));
        // The long ones repeat themselves, so some places do there.
        let step = if bytes.len() > 2000 { 37 } else { 1 };
        for cut in
            (0..bytes.len()).step_by(step).filter(|cut| !closed || *cut < ends[ends.len() - 1])
        {
            let output = run(&["-"], &bytes[..cut]);
            let complete = ends.iter().filter(|end| **end <= cut).count();
            let shown: Vec<&str> = output.out.lines().skip(1).take(complete).collect();
            assert_eq!(shown, lines[..complete]);
            let after = output.out.lines().nth(1 + complete);
            assert_eq!(after, Some(""), "no other message is shown");
            if ends.contains(&cut) {
                assert_eq!(output.code, 0);
                assert!(!output.out.contains("truncated"), "{}", output.out);
                continue;
            }
            assert_eq!(output.code, 2);
            let report = output.out.lines().nth(2 + complete).expect("what is missing");
            let missing: usize = report
                .strip_prefix(&format!("truncated at offset {cut}: at least "))
                .and_then(|rest| rest.split(' ').next()?.parse().ok())
                .expect(report);
            let (header, end) = (headers[complete], ends[complete]);
            if cut >= header {
                assert_eq!(missing, end - cut, "a payload says how much of it is missing");
            } else {
                assert!((1..=end - cut).contains(&missing), "{report}");
            }
            cuts += 1;
        }
    }
    assert!(cuts > 3_000, "{cuts}");
}

#[test]
fn what_is_there_of_a_cut_message_is_told() {
    for (input, told) in [
        ("", "the version at offset 0 is cut off after 0 bytes"),
        ("0", "the version at offset 0 is cut off after 1 byte"),
        ("01r0001", "the message at offset 2 is cut off after 5 bytes"),
        ("01h000254d7de9an", "the message at offset 15 is cut off after 1 byte"),
        (
            "01r0001004echo00000009hey",
            "the message at offset 2 is cut off in its payload: \
             single request  0001  'echo'  3 of 9 bytes  'hey' ...",
        ),
        (
            "01Rffffffffffffhey",
            "the message at offset 2 is cut off in its payload: \
             single result  ffff  3 of 4294967295 bytes  'hey' ...",
        ),
    ] {
        let output = run(&["-"], input.as_bytes());
        assert_eq!(output.code, 2, "{input}");
        assert!(output.out.contains(&format!("missing\n  {told}\n")), "{}", output.out);
    }
    let output = run(&["--no-handshake", "-"], b"r".as_slice());
    assert!(output.out.contains("  the message at offset 0 is cut off after 1 byte\n"));
    let objects = json(&["-"], b"01r0001004echo00000009hey".as_slice());
    let expected = serde_json::json!({
        "type": "truncated", "offset": 25, "missing": 6, "message_offset": 2,
        "unfinished": {
            "type": "single_request", "offset": 2, "id": "30303031", "id_text": "0001",
            "name": "echo", "size": 9, "payload": "hey", "payload_cut": true, "received": 3
        }
    });
    assert_eq!(objects[1], expected);
}

#[test]
fn bad_input_is_shown_with_what_is_around_it() {
    let output = run(&["-"], b"01R0001zzzzzzzz".as_slice());
    let expected = "
bad input at offset 7: 'z' is not a hexadecimal digit of the payload size
         0  30 31 52 30 30 30 31 7a 7a 7a 7a 7a 7a 7a 7a  01R0001zzzzzzzz
                                 ^^                              ^
";
    assert!(output.out.contains(expected), "{}", output.out);
    assert_eq!(output.code, 1);

    let output = run(&["--no-handshake", "-"], b"~ \x7f\x1b\0\xff!".as_slice());
    let expected =
        "         0  7e 20 7f 1b 00 ff 21  ~ ....!\n            ^^                    ^\n";
    assert!(output.out.contains(expected), "{}", output.out);

    // The mark stands under the wrong byte, wherever that is.
    for before in 0..30 {
        for after in 0..10 {
            let head = message(b"n000", &vec![b'n'; before]);
            let input = [b"01", head.as_slice(), b"X", &vec![b'\n'; after]].concat();
            let at = 2 + head.len();
            let output = run(&["-"], input.as_slice());
            let mut lines = output.out.lines().skip_while(|line| !line.starts_with("bad input"));
            let said = lines.next().expect("what is wrong");
            assert_eq!(said, format!("bad input at offset {at}: 'X' is not a message type"));
            let (excerpt, marks) = (lines.next().expect("bytes"), lines.next().expect("marks"));
            assert_eq!(excerpt[..10].trim().parse(), Ok(at - 8));
            let hex = marks.find("^^").expect("a mark under the hex");
            let character = marks.rfind('^').expect("a mark under the text");
            assert_eq!(&excerpt[hex..hex + 2], "58");
            assert_eq!((hex - 12) / 3, 8);
            assert_eq!(&excerpt[character..=character], "X");
            assert_eq!(excerpt[character..].len(), 1 + after.min(7));
            assert_eq!(excerpt[..character].matches("0a").count(), after.min(7));
        }
    }
}

#[test]
fn a_different_version_is_bad_input() {
    let output = run(&["-"], b"02".as_slice());
    assert_eq!(output.code, 1);
    let said = "bad input at offset 1: protocol version 0x02 is not supported";
    assert!(output.out.contains(said), "{}", output.out);
}

#[test]
fn a_preview_is_text_up_to_a_character_that_is_cut() {
    for (payload, shown) in [
        ("é".repeat(32), format!("'{}'", "é".repeat(32))),
        ("é".repeat(33), format!("'{}' ...", "é".repeat(32))),
        (format!("a{}", "é".repeat(33)), format!("'a{}' ...", "é".repeat(31))),
    ] {
        let input = message(b"R0001", payload.as_bytes());
        let output = run(&["--no-handshake", "-"], input.as_slice());
        assert!(output.out.contains(&format!(" bytes  {shown}\n")), "{}", output.out);
    }
    // Other bytes that are not UTF-8 are no text, cut or not, and neither is half a
    // character that nothing follows.
    let input = message(b"R0001", &[b"a\xffb".as_slice(), &[b'c'; 70]].concat());
    let output = run(&["--no-handshake", "-"], input.as_slice());
    assert!(output.out.contains(" 73 bytes  61 ff 62 63 "), "{}", output.out);
    let output = run(&["--no-handshake", "-"], message(b"R0001", b"a\xc3").as_slice());
    assert!(output.out.contains(" 2 bytes  61 c3\n"), "{}", output.out);
}

#[test]
fn nothing_in_a_capture_reaches_the_terminal_as_a_command() {
    let planes =
        [0..0x3200, 0xfe00..0x1_0000, 0x1_bc00..0x1_bd00, 0x1_d100..0x1_d200, 0xe_0000..0xe_1000];
    let strange: String = planes.into_iter().flatten().filter_map(char::from_u32).collect();
    for part in strange.chars().collect::<Vec<char>>().chunks(16) {
        let part: String = part.iter().collect();
        let name = format!("n{:03x}{part}", part.len());
        let input = message(name.as_bytes(), part.as_bytes());
        let output = run(&["--no-handshake", "-"], input.as_slice());
        // The greater part of Default_Ignorable_Code_Point, and what ends a line.
        let unseen = |c| {
            matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{feff}'
                | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}'
                | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
        };
        let harmful = |c: char| (c.is_control() && c != '\n') || unseen(c);
        assert!(!output.out.contains(harmful), "{}", output.out.escape_debug());
        assert_eq!(output.out.lines().count(), 7, "a message stays on its line");
    }
}

#[test]
fn streams_beyond_those_that_are_followed_are_owned_up_to() {
    let start = |n: usize| message(format!("s{n:04x}001x").as_bytes(), b"");
    let mut input: Vec<u8> = (0..300).flat_map(start).collect();
    for n in 0..10 {
        input.extend(message(format!("p{n:04x}").as_bytes(), b""));
    }
    let output = run(&["--no-handshake", "-"], input.as_slice());
    let followed = output.out.lines().filter(|line| line.contains("  1 part, 0 bytes")).count();
    assert_eq!(followed, 246);
    let said = "  and 44 messages of streams beyond the 256 that are followed\n";
    assert!(output.out.contains(said), "{}", output.out);
    let objects = json(&["--no-handshake", "-"], input.as_slice());
    assert_eq!(objects[objects.len() - 1]["unfollowed_stream_messages"], 44);
}

#[test]
fn a_stream_is_open_from_its_start_to_its_end() {
    let input = [
        message(b"s0001001x", b"abc"),
        message(b"S0001", b"a"),
        message(b"S0001", b"bc"),
        message(b"S0002", b"ended by a result"),
        message(b"R0002", b""),
        message(b"S0003", b"ended by an error"),
        message(b"E0003", b""),
        message(b"S0004", b"ended by another"),
        message(b"e000400000001", b""),
        message(b"s0005001x", b"begun"),
        message(b"s0005001x", b"anew"),
        message(b"p0005", b"and goes on"),
    ]
    .concat();
    let output = run(&["--no-handshake", "-"], input.as_slice());
    let expected = "
open streams:
         0  stream request       0001        1 part, 3 bytes
        20  stream result        0001        2 parts, 3 bytes
       207  stream request       0005        2 parts, 15 bytes
summary:
";
    assert!(output.out.contains(expected), "{}", output.out);
}

//! Colours: on a terminal, and nowhere else unless somebody asks for them.
#![cfg(target_os = "linux")]

mod support;

use std::fs;
use std::os::fd::OwnedFd;
use std::process::{Command, Output, Stdio};
use std::thread;

use support::gotalk;

const CAPTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/conversations/");

enum To {
    Stdout,
    Stderr,
}

/// What a command writes to a terminal; None if there is none to be had.
fn on_terminal(mut command: Command, to: To) -> Option<String> {
    let Ok((master, terminal)) = serial2::SerialPort::pair() else {
        eprintln!("no terminal is to be had: not tried");
        return None;
    };
    let terminal = OwnedFd::from(terminal);
    let keep = terminal.try_clone().unwrap(); // so that nothing is lost when the program ends
    let mut child = match to {
        To::Stdout => command.stdout(terminal).stderr(Stdio::null()),
        To::Stderr => command.stderr(terminal).stdout(Stdio::null()),
    }
    .spawn()
    .unwrap();
    drop(command); // with its end of the terminal
    let reader = thread::spawn(move || {
        let (mut text, mut piece) = (Vec::new(), [0; 4096]);
        // At the end of a terminal there is an error.
        while let Ok(len @ 1..) = master.read(&mut piece) {
            text.extend_from_slice(&piece[..len]);
            if text.ends_with(b"\0") {
                break;
            }
        }
        text
    });
    child.wait().unwrap();
    serial2::SerialPort::from(keep).write_all(b"\0").unwrap();
    let mut text = reader.join().unwrap();
    text.pop();
    Some(String::from_utf8(text).unwrap().replace("\r\n", "\n"))
}

/// Takes the colours off. Nothing else that begins with ESC may be there.
#[track_caller]
fn plain(text: &str) -> String {
    let mut pieces = text.split('\x1b');
    let mut plain = pieces.next().unwrap().to_owned();
    for piece in pieces {
        let (color, rest) = piece.split_once('m').unwrap_or_else(|| panic!("{piece:?}"));
        let numbers = color.strip_prefix('[').unwrap_or_else(|| panic!("{piece:?}"));
        assert!(numbers.bytes().all(|byte| byte.is_ascii_digit() || byte == b';'), "{piece:?}");
        plain.push_str(rest);
    }
    plain
}

fn text(output: &Output) -> (String, String) {
    let [out, err] = [&output.stdout, &output.stderr].map(|it| String::from_utf8(it.clone()));
    (out.unwrap(), err.unwrap())
}

/// A file that is gone when the test is done.
struct Scratch(String);

impl Scratch {
    fn new(name: &str, bytes: &[u8]) -> Self {
        let path = format!("{}/colors-{}-{name}", env!("CARGO_TARGET_TMPDIR"), std::process::id());
        fs::write(&path, bytes).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// What each command says, and where.
fn commands() -> Vec<(Vec<String>, bool)> {
    let conversation = |name: &str| format!("{CAPTURES}{name}.bin");
    let network = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/inspect/captures/short.pcap");
    let (client, server) = (conversation("e-stream.c2s"), conversation("e-stream.s2c"));
    let list = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    vec![
        (list(&["inspect", &client]), false),
        (list(&["inspect", &conversation("j-bad-hex.c2s")]), false),
        (list(&["inspect", "--client", &client, "--server", &server]), false),
        (list(&["inspect", network]), false),
        (list(&["inspect", "/no/such/file"]), true),
        (list(&["relay", "--help"]), false),
        (list(&["no-such-command"]), true),
        (list(&["relay", "-", "-"]), true),
        (list(&["call", "127.0.0.1:1", "echo", ""]), true),
        (list(&["serve", "192.0.2.1:1"]), true),
    ]
}

#[test]
fn a_terminal_has_colours_and_a_pipe_has_none() {
    for (args, is_stderr) in commands() {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let to = || if is_stderr { To::Stderr } else { To::Stdout };
        let piped = text(&gotalk(&args).output().unwrap());
        let piped = if is_stderr { piped.1 } else { piped.0 };
        assert!(!piped.contains('\x1b') && !piped.is_empty(), "{args:?}: {piped}");
        let Some(shown) = on_terminal(gotalk(&args), to()) else { return };
        assert!(shown.contains("\x1b["), "{args:?}: {shown}");
        assert_eq!(plain(&shown), piped, "{args:?}");
        for (name, value, is_colored) in [
            ("NO_COLOR", "1", false),
            ("NO_COLOR", "no", false),
            ("NO_COLOR", "", true),
            ("TERM", "dumb", false),
            ("CLICOLOR", "0", false),
        ] {
            let mut command = gotalk(&args);
            command.env(name, value);
            let shown = on_terminal(command, to()).unwrap();
            assert_eq!(shown.contains('\x1b'), is_colored, "{name}={value} {args:?}: {shown}");
        }
        let mut forced = gotalk(&args);
        let forced = text(&forced.env("CLICOLOR_FORCE", "1").output().unwrap());
        let forced = if is_stderr { forced.1 } else { forced.0 };
        assert!(forced.contains('\x1b'), "{args:?}: {forced}");
        let mut never = gotalk(&args);
        let never = never.env("CLICOLOR_FORCE", "1").env("NO_COLOR", "1").output().unwrap();
        let (out, err) = text(&never);
        assert!(!(out + &err).contains('\x1b'), "{args:?}: {never:?}");
    }
}

#[test]
fn the_sides_and_what_is_wrong_stand_out() {
    let capture = Scratch::new("kinds", b"01r0001001x00000000E000200000000h000000000000f00000001");
    let Some(shown) = on_terminal(gotalk(&["inspect", &capture.0]), To::Stdout) else { return };
    let color = |word: &str| {
        let before = &shown[..shown.find(word).unwrap_or_else(|| panic!("{word}: {shown}"))];
        before[before.rfind('\x1b').unwrap()..].to_owned()
    };
    let kinds = ["version", "single request", "error result"].map(color);
    assert!(kinds[0] != kinds[1] && kinds[1] != kinds[2] && kinds[0] != kinds[2], "{kinds:?}");
    assert_eq!(color("protocol error"), color("error result"));
}

/// What a peer sent brings no colours of its own, nor anything else.
#[test]
fn what_a_peer_sent_stays_escaped() {
    let hostile = b"\x1b[31mred\x1b]0;title\x07\xc2\x9b31m\xe2\x80\xae";
    let message = |head: &[u8], payload: &[u8]| {
        [head, format!("{:08x}", payload.len()).as_bytes(), payload].concat()
    };
    let name = [b"n020".as_slice(), hostile, &[b' '; 32]].concat()[..4 + 32].to_vec();
    let bytes = [b"01".to_vec(), message(b"R0001", hostile), message(&name, hostile)].concat();
    let bad = [&bytes, b"\x1b[32m".as_slice()].concat();
    let recording =
        [format!("gotalk-recording 1 0\nclient 0 {}\n", bad.len()).as_bytes(), &bad, b"\n"]
            .concat();
    for (name, bytes) in [("one", &bad), ("recording", &recording)] {
        let file = Scratch::new(name, bytes);
        for json in [["inspect", &file.0].as_slice(), &["inspect", "--json", &file.0]] {
            let Some(shown) = on_terminal(gotalk(json), To::Stdout) else { return };
            let shown = plain(&shown);
            let is_driving = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
            assert!(!shown.contains(is_driving) && shown.contains("bad"), "{shown:?}");
        }
    }
}

/// A relay that shows on the standard error looks whether that is the terminal.
#[test]
fn a_relay_of_pipes_colours_the_standard_error() {
    let mut server = gotalk(&["serve", "127.0.0.1:0"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut addr = String::new();
    let mut out = std::io::BufReader::new(server.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut out, &mut addr).unwrap();
    let shown = on_terminal(gotalk(&["relay", "-", addr.trim()]), To::Stderr);
    server.kill().unwrap();
    server.wait().unwrap();
    let Some(shown) = shown else { return };
    assert!(shown.contains("\x1b["), "{shown}");
    assert!(plain(&shown).contains("server           0  version "), "{shown}");
}

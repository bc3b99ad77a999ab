//! How the inspector is called, how it behaves with live, endless and broken input
//! and output, and the program itself.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::process::Stdio;
use std::rc::Rc;

use super::support::gotalk;
use super::{CAPTURES, every_type, inspect, message, parse, run};

#[test]
fn wrong_use_is_told_with_the_right_one() {
    for args in [
        ["--no-such-option", "-"].as_slice(),
        &["-", "-"],
        &["one", "two"],
        &["--client", "-"],
        &["--server", "-"],
        &["--client"],
        &["--client", "a", "--client", "b", "--server", "c"],
        &["--client", "a", "--server", "b", "c"],
        &["--client", "-", "--server", "-"],
    ] {
        let output = gotalk(&[&["inspect"], args].concat()).output().expect("the program runs");
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(
            (output.status.code(), output.stdout.as_slice()),
            (Some(64), &b""[..]),
            "{args:?}"
        );
        assert!(told.starts_with("error: "), "{told}");
        assert!(told.contains("Usage: gotalk inspect ") || told.contains("try '--help'"), "{told}");
    }
}

#[test]
fn a_file_that_cannot_be_read() {
    let missing = format!("{CAPTURES}no-such-file");
    let there = format!("{CAPTURES}e-stream.c2s.bin");
    let both = ["--client", there.as_str(), "--server", missing.as_str()];
    for args in [[missing.as_str()].as_slice(), &both, &[CAPTURES]] {
        let output = run(args, io::empty());
        assert_eq!(output.code, 66);
        assert!(output.err.starts_with("gotalk: cannot read "), "{}", output.err);
        assert!(output.err.contains(args[args.len() - 1]), "{}", output.err);
    }
}

/// Gives its bytes, then fails.
struct Failing<'a>(&'a [u8], ErrorKind);

impl Read for Failing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 => Err(self.1.into()),
            read => Ok(read),
        }
    }
}

#[test]
fn input_that_fails_midway_has_shown_what_came_before() {
    let output = run(&["-"], Failing(b"01n001x00000000n0", ErrorKind::ConnectionReset));
    assert_eq!(output.code, 66);
    assert!(
        output.out.ends_with("notification                     'x'  0 bytes\n"),
        "{}",
        output.out
    );
    assert!(output.err.starts_with("gotalk: cannot read the standard input: "), "{}", output.err);
}

#[test]
fn an_interrupted_read_is_made_again() {
    struct Interrupted<'a>(&'a [u8], bool);
    impl Read for Interrupted<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if self.1 {
                return Err(ErrorKind::Interrupted.into());
            }
            let len = buffer.len().min(1);
            self.0.read(&mut buffer[..len])
        }
    }
    let input = every_type();
    assert_eq!(run(&["-"], Interrupted(&input, false)), run(&["-"], input.as_slice()));
}

/// Heartbeats for ever, or until somebody stops asking.
struct Endless;

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let message = b"h000254d7de9a";
        buffer[..message.len()].copy_from_slice(message);
        Ok(message.len())
    }
}

/// Takes a few bytes, then fails.
struct Closing(usize, ErrorKind);

impl Write for Closing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = self.0.min(bytes.len());
        self.0 -= room;
        if room == 0 { Err(self.1.into()) } else { Ok(room) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_pipe_that_closes_early_ends_it_quietly() {
    for mode in [["--no-handshake", "-"].as_slice(), &["--no-handshake", "--json", "-"]] {
        for room in [0, 1, 100, 100_000] {
            let args = parse(mode);
            let mut out = Closing(room, ErrorKind::BrokenPipe);
            let mut err = Vec::new();
            let code =
                inspect::run(&args, &mut Endless, false, (&mut out, false), (&mut err, false));
            assert_eq!((code, err.as_slice()), (0, b"".as_slice()));
        }
    }
}

#[test]
fn output_that_fails_otherwise_is_told() {
    for room in [0, 100] {
        let mut out = Closing(room, ErrorKind::StorageFull);
        let mut err = Vec::new();
        let args = parse(&["-"]);
        let code = inspect::run(
            &args,
            &mut every_type().as_slice(),
            false,
            (&mut out, false),
            (&mut err, false),
        );
        assert_eq!(code, 74);
        assert!(err.starts_with(b"gotalk: cannot write: "));
    }
}

#[test]
fn a_message_is_shown_before_more_input_is_awaited() {
    #[derive(Clone, Default)]
    struct Screen(Rc<RefCell<String>>);
    impl Write for Screen {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.borrow_mut().push_str(std::str::from_utf8(bytes).expect("UTF-8"));
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    /// Sends a message only when the one before is on the screen.
    struct Dialogue {
        screen: Screen,
        sent: usize,
    }
    impl Read for Dialogue {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let screen = self.screen.0.borrow();
            if self.sent > 0 {
                let last = format!("'message {}'\n", self.sent);
                assert!(screen.ends_with(&last), "{last} is not there: {screen}");
            }
            if self.sent == 20 {
                return Ok(0);
            }
            self.sent += 1;
            let message = message(b"n000", format!("message {}", self.sent).as_bytes());
            buffer[..message.len()].copy_from_slice(&message);
            Ok(message.len())
        }
    }
    let mut screen = Screen::default();
    let mut dialogue = Dialogue { screen: screen.clone(), sent: 0 };
    let args = parse(&["--no-handshake", "-"]);
    let code =
        inspect::run(&args, &mut dialogue, true, (&mut screen, false), (&mut Vec::new(), false));
    assert_eq!((code, dialogue.sent), (0, 20));
}

#[test]
fn the_program_reads_a_pipe_and_a_file() {
    let capture = format!("{CAPTURES}e-stream.s2c.bin");
    let bytes = std::fs::read(&capture).expect("a capture");
    let expected = run(&["-"], bytes.as_slice());
    let file = gotalk(&["inspect"]).arg(&capture).output().expect("the program runs");
    assert_eq!(String::from_utf8_lossy(&file.stdout), expected.out);
    assert_eq!((file.status.code(), file.stderr.as_slice()), (Some(0), b"".as_slice()));

    let mut child = gotalk(&["inspect"])
        .arg("-")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program runs");
    let mut stdin = child.stdin.take().expect("a pipe");
    for byte in &bytes[..bytes.len() - 1] {
        stdin.write_all(&[*byte]).expect("it reads");
    }
    drop(stdin);
    let cut = child.wait_with_output().expect("it ends");
    let expected = run(&["-"], &bytes[..bytes.len() - 1]);
    assert_eq!(String::from_utf8_lossy(&cut.stdout), expected.out);
    assert_eq!((cut.status.code(), expected.code), (Some(2), 2));

    // Without a file it reads the pipe too.
    let (reader, mut writer) = io::pipe().expect("a pipe");
    writer.write_all(&bytes).expect("it fits");
    drop(writer);
    let piped = gotalk(&["inspect"]).stdin(reader).output().expect("the program runs");
    assert_eq!(piped.stdout, file.stdout);
}

#[test]
fn the_program_survives_a_closed_pipe() {
    let mut child = gotalk(&["inspect"])
        .args(["--no-handshake", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    let mut stdin = child.stdin.take().expect("a pipe");
    let stdout = child.stdout.take().expect("a pipe");
    stdin.write_all(b"h000254d7de9a").expect("it reads");
    // The first message is there while the input is open, and then nobody listens.
    let mut lines = BufReader::new(stdout).lines();
    let heading = lines.next().expect("a heading").expect("text");
    let first = lines.next().expect("a message").expect("text");
    assert!(heading.ends_with("content") && first.contains("heartbeat"));
    drop(lines);
    while stdin.write_all(b"h000254d7de9a").is_ok() {}
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0));
}

/// Nobody types Gotalk, so whoever starts it bare is told how it is used.
#[test]
#[cfg(target_os = "linux")]
fn a_terminal_is_no_input() {
    let terminal = File::open("/dev/ptmx").expect("a terminal");
    let wrong = gotalk(&["inspect"]).stdin(terminal).output().expect("the program runs");
    assert_eq!(wrong.status.code(), Some(64));
    let told = String::from_utf8_lossy(&wrong.stderr);
    assert!(told.starts_with("error: give a file, or a pipe"), "{told}");
    assert!(told.contains("\nUsage: gotalk inspect "), "{told}");
}

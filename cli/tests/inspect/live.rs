//! Pipes that are open while it is shown what comes through them. Nothing here depends
//! on how fast things go, but for the limit that turns a hang into a failure.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use super::CAPTURES;
use super::support::gotalk;

const HANG: Duration = Duration::from_secs(20);

/// A named pipe that is gone when the test is done.
struct Fifo(PathBuf);

impl Fifo {
    fn new(name: &str) -> Self {
        let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        let path = dir.join(format!("live-{}-{name}", std::process::id()));
        assert!(Command::new("mkfifo").arg(&path).status().expect("mkfifo").success());
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("a readable path")
    }

    /// Opens it, as soon as it is read.
    fn open(&self) -> File {
        File::options().write(true).open(&self.0).expect("the pipe opens")
    }
}

impl Drop for Fifo {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

struct Program {
    child: Child,
    lines: Receiver<String>,
}

impl Program {
    fn start(args: &[&str]) -> Self {
        let mut command = gotalk(&[&["inspect", "--no-handshake"], args].concat());
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the program runs");
        let out = BufReader::new(child.stdout.take().expect("a pipe"));
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|l| sender.send(l)));
        Self { child, lines }
    }

    /// Waits for a line with these in it.
    #[track_caller]
    fn shows(&self, parts: &[&str]) {
        let mut others = Vec::new();
        loop {
            let Ok(line) = self.lines.recv_timeout(HANG) else { panic!("{parts:?}: {others:?}") };
            if parts.iter().all(|part| line.contains(part)) {
                return;
            }
            others.push(line);
        }
    }

    /// Waits for the next message, which is this.
    #[track_caller]
    fn next(&self, parts: &[&str]) {
        let line = self.lines.recv_timeout(HANG).expect("a line");
        assert!(parts.iter().all(|part| line.contains(part)), "{parts:?}: {line}");
    }

    #[track_caller]
    fn ends(mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a program") {
                return status;
            }
            assert!(start.elapsed() < HANG, "it goes on");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn neither_side_waits_for_the_other() {
    let (client, server) = (Fifo::new("client"), Fifo::new("server"));
    let program = Program::start(&["--client", client.path(), "--server", server.path()]);
    let mut client = client.open();
    client.write_all(b"r0001001x00000003askn001x00000003one").expect("it reads");
    program.shows(&["client", "'ask'"]);
    program.next(&["client", "'one'"]);
    let mut server = server.open();
    server.write_all(b"R000100000006answern001x00000003two").expect("it reads");
    program.next(&["server", "'answer'"]);
    program.next(&["server", "'two'"]);
    server.write_all(b"r0002001x00000003ask").expect("it reads");
    program.next(&["server", "'ask'"]);
    // A stream without an end, from both sides.
    client.write_all(b"R000200000006answers0003001x00000001a").expect("it reads");
    program.next(&["client", "'answer'"]);
    program.next(&["client", "'a'"]);
    server.write_all(b"S000300000001A").expect("it reads");
    program.next(&["server", "'A'"]);
    drop(client);
    server.write_all(b"S000300000000n001x00000005three").expect("it reads");
    program.next(&["server", "end of the stream"]);
    program.next(&["server", "'three'"]);
    drop(server);
    program.shows(&["open streams:"]);
    assert_eq!(program.ends().code(), Some(0));
}

#[test]
fn a_result_that_comes_first_waits_for_its_request_but_not_for_ever() {
    let (client, server) = (Fifo::new("late-client"), Fifo::new("late-server"));
    let program = Program::start(&["--client", client.path(), "--server", server.path()]);
    let mut server = server.open();
    let mut client = client.open();
    client.write_all(b"n001x00000005first").expect("it reads");
    program.shows(&["'first'"]);
    server.write_all(b"R000100000006answer").expect("it reads");
    thread::sleep(Duration::from_millis(50));
    client.write_all(b"r0001001x00000003ask").expect("it reads");
    program.next(&["client", "'ask'"]);
    program.next(&["server", "'answer'"]);
    server.write_all(b"R000900000006unseen").expect("it reads");
    program.next(&["server", "'unseen'", "request not seen"]);
}

#[test]
fn bad_input_ends_it_while_both_pipes_are_open() {
    for bad in ["client", "server"] {
        let (client, server) = (Fifo::new(&format!("c-{bad}")), Fifo::new(&format!("s-{bad}")));
        let program = Program::start(&["--client", client.path(), "--server", server.path()]);
        let (mut client, mut server) = (client.open(), server.open());
        let (at, other) =
            if bad == "client" { (&mut client, &mut server) } else { (&mut server, &mut client) };
        other.write_all(b"n001x00000004here").expect("it reads");
        program.shows(&["'here'"]);
        at.write_all(b"n001x00000005thereX").expect("it reads");
        program.shows(&[&format!("{bad}: bad input at offset 18: 'X' is not a message type")]);
        program.shows(&["in all", "35 bytes read"]);
        assert_eq!(program.ends().code(), Some(1));
    }
}

#[test]
fn bad_input_ends_it_beside_a_pipe_that_nobody_has_opened() {
    let (client, server) = (Fifo::new("only"), Fifo::new("never"));
    let program = Program::start(&["--client", client.path(), "--server", server.path()]);
    let mut client = client.open();
    client.write_all(b"X").expect("it reads");
    program.shows(&["client: bad input at offset 0: 'X'"]);
    assert_eq!(program.ends().code(), Some(1));
}

#[test]
fn bad_input_on_one_pipe_ends_it_at_once() {
    let mut program = Program::start(&["-"]);
    let mut stdin = program.child.stdin.take().expect("a pipe");
    stdin.write_all(b"n001x00000004hereX").expect("it reads");
    program.shows(&["bad input at offset 17: 'X' is not a message type"]);
    program.next(&[" 68 65 72 65 58  ", "hereX"]);
    assert_eq!(program.ends().code(), Some(1));
    drop(stdin);
}

#[test]
fn the_standard_input_can_be_either_side() {
    for (side, other) in [("--client", "--server"), ("--server", "--client")] {
        let file = format!("{CAPTURES}k-version-server02.c2s.bin");
        let mut program = Program::start(&[side, "-", other, &file]);
        let mut stdin = program.child.stdin.take().expect("a pipe");
        stdin.write_all(b"n001x00000004here").expect("it reads");
        program.shows(&[&side[2..], "'here'"]);
        drop(stdin);
        assert!(program.ends().code().is_some());
    }
}

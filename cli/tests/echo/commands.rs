//! `gotalk serve --exec`, by the program.

use super::program::{Process, output};
use super::support::gotalk;
use super::*;

/// A server with these commands, and options before them.
pub(crate) fn serving(options: &[&str], commands: &[&str]) -> Process {
    let mut args = [&["serve", "127.0.0.1:0"], options].concat();
    for command in commands {
        args.extend(["--exec", command]);
    }
    Process::start(gotalk(&args))
}

/// The same, and its output is JSON.
fn serving_json(commands: &[&str]) -> Process {
    let mut server = serving(&["--json"], commands);
    let first: serde_json::Value = serde_json::from_str(&server.addr).unwrap();
    assert_eq!(first["type"], "listening");
    server.addr = first["address"].as_str().unwrap().to_owned();
    server
}

pub(crate) fn ready(server: &Process) -> Peer {
    let mut peer = Peer::new(TcpStream::connect(&server.addr).unwrap());
    peer.say("01");
    peer.hears("01");
    peer
}

/// Asks, and hears the answer: its type and its payload. Both may be long.
#[track_caller]
pub(crate) fn ask(peer: &mut Peer, op: &str, payload: &[u8]) -> (char, Vec<u8>) {
    let mut writer = peer.0.try_clone().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            let _ = write!(writer, "r0001{:03x}{op}{:08x}", op.len(), payload.len());
            let _ = writer.write_all(payload);
        });
        let kind = peer.hears_a_byte();
        peer.hears("0001");
        if kind == 'e' {
            peer.hears_a_number(8);
        }
        let mut answer = vec![0; peer.hears_a_number(8) as usize];
        peer.0.read_exact(&mut answer).unwrap();
        (kind, answer)
    })
}

#[track_caller]
pub(crate) fn answers(peer: &mut Peer, op: &str, payload: &[u8], want: (char, &str)) {
    let (kind, answer) = ask(peer, op, payload);
    assert_eq!((kind, String::from_utf8_lossy(&answer).as_ref()), want, "{op}");
}

/// The next part of a result.
#[track_caller]
pub(crate) fn hears_a_part(peer: &mut Peer) -> String {
    peer.hears("S0001");
    let mut part = vec![0; peer.hears_a_number(8) as usize];
    peer.0.read_exact(&mut part).unwrap();
    String::from_utf8(part).unwrap()
}

/// The next line of a result, in however many parts.
#[track_caller]
fn hears_a_line(peer: &mut Peer) -> String {
    let mut line = String::new();
    while !line.ends_with('\n') {
        line += &hears_a_part(peer);
    }
    line
}

/// The numbers of processes that a command tells in its first line.
#[track_caller]
pub(crate) fn hears_processes(peer: &mut Peer) -> Vec<u32> {
    hears_a_line(peer).split_whitespace().map(|id| id.parse().unwrap()).collect()
}

/// A command with a child, both of which never end; and for a peer the way to their numbers.
pub(crate) const FAMILY: &str = "family=sleep 1000 & echo $$ $!; wait";
pub(crate) const START: &str = "s0001006family00000000";

/// Whoever is to take note of the end of an orphan may be slow, so one that is only a name is
/// gone.
pub(crate) fn runs(process: u32) -> bool {
    match std::fs::read_to_string(format!("/proc/{process}/stat")) {
        Ok(stat) => !stat.rsplit(')').next().unwrap().trim_start().starts_with('Z'),
        Err(_) => false,
    }
}

/// Waits until these processes are no more.
#[track_caller]
pub(crate) fn are_gone(processes: &[u32]) {
    for id in processes {
        for tries in 0.. {
            if !runs(*id) {
                break;
            }
            assert!(tries < 3000, "{id} runs");
            thread::sleep(Duration::from_millis(10));
        }
    }
}

#[test]
fn a_command_gives_the_result() {
    let commands = ["cat=cat", "up=tr a-z A-Z", "none=:"];
    let server = serving(&[], &commands);
    let mut peer = ready(&server);
    answers(&mut peer, "up", b"hello", ('R', "HELLO"));
    answers(&mut peer, "up", b"", ('R', ""));
    answers(&mut peer, "none", b"", ('R', ""));
    // What is built in is not there.
    answers(&mut peer, "echo", b"x", ('E', "unknown operation \"echo\""));
    peer.say("s0002004echo00000001xp000200000000");
    peer.hears("E000200000018unknown operation \"echo\"");
    let all: Vec<u8> = (0..=255).cycle().take(1 << 20).collect();
    assert!(ask(&mut peer, "cat", &all) == ('R', all.clone()));
    assert!(ask(&mut peer, "cat", &all[..256]) == ('R', all[..256].to_vec()));
    answers(&mut peer, "none", &all, ('R', "")); // it takes none of it
    answers(&mut peer, "up", b"on", ('R', "ON"));
}

#[test]
fn the_name_of_an_operation_ends_at_the_first_equals_sign() {
    let server = serving(&[], &["a=b=c; echo $b"]);
    answers(&mut ready(&server), "a", b"", ('R', "c\n"));
}

/// A command learns of a peer by its environment, which no shell reads.
#[test]
fn nothing_of_a_peer_gets_into_a_command() {
    let server =
        serving(&[], &["*=printf '%s|%s|' \"$GOTALK_OP\" \"$GOTALK_PEER\"; cat", "b=echo b"]);
    let mut peer = ready(&server);
    let from = peer.0.local_addr().unwrap();
    let evil = "$(exit 9)`exit 9`';exit 9;'\"\n-x";
    answers(&mut peer, evil, evil.as_bytes(), ('R', &format!("{evil}|{from}|{evil}")));
    answers(&mut peer, "b", b"", ('R', "b\n"));
    // These can be in a name, but the one cannot be in the environment.
    answers(&mut peer, "a\0", b"", ('E', "unknown operation \"a\0\""));
    peer.say(b"r0001001\xff00000000");
    let want = format!("\u{fffd}|{from}|");
    peer.hears(&format!("R0001{:08x}", want.len() - 2));
    let mut heard = vec![0; want.len() - 2];
    peer.0.read_exact(&mut heard).unwrap();
    assert_eq!(String::from_utf8_lossy(&heard), want);
}

#[test]
fn a_command_that_fails_is_an_error() {
    let commands = [
        "says=echo a line >&2; echo out; echo 'and another' >&2; exit 1",
        "code=echo out; exit 42",
        "dies=kill -9 $$",
        "missing=/no/such/program",
        "loud=head -c 100000 /dev/zero | tr '\\0' x >&2; exit 1",
        "bytes=printf '\\377\\033' >&2; exit 1",
        "well=echo nothing is wrong >&2; echo out",
    ];
    let server = serving_json(&commands);
    let mut peer = ready(&server);
    answers(&mut peer, "says", b"", ('E', "a line\nand another"));
    answers(&mut peer, "code", b"", ('E', "exit code 42"));
    answers(&mut peer, "dies", b"", ('E', "killed by signal 9"));
    let (kind, why) = ask(&mut peer, "missing", b"");
    assert!(kind == 'E' && String::from_utf8_lossy(&why).contains("/no/such/program"));
    answers(&mut peer, "loud", b"", ('E', &"x".repeat(4096)));
    answers(&mut peer, "bytes", b"", ('E', "\u{fffd}\u{1b}"));
    answers(&mut peer, "well", b"", ('R', "out\n"));
    peer.say("s0001004code00000000");
    assert_eq!(hears_a_part(&mut peer), "out\n");
    peer.hears("E00010000000cexit code 42");
    let line: serde_json::Value = serde_json::from_str(&server.lines.recv().unwrap()).unwrap();
    let from = peer.0.local_addr().unwrap().to_string();
    let want = serde_json::json!({
        "type": "failed", "peer": from, "name": "says", "error": "a line\nand another"
    });
    assert_eq!(line, want);
}

#[test]
fn a_command_that_cannot_be_started_is_an_error() {
    let mut command = gotalk(&["serve", "--exec", "x=true", "127.0.0.1:0"]);
    command.env("PATH", "/no/such/folder");
    let server = Process::start(command);
    let mut peer = ready(&server);
    for _ in 0..2 {
        let (kind, why) = ask(&mut peer, "x", b"payload");
        let why = String::from_utf8(why).unwrap();
        assert!(kind == 'E' && why.starts_with("the command cannot be started: "), "{why}");
    }
}

#[test]
fn a_streamed_request_is_answered_as_it_comes() {
    let server = serving(&[], &["cat=cat", "head=head -c 3", "all=wc -c"]);
    let mut peer = ready(&server);
    peer.say("s0001003cat00000005hello");
    assert_eq!(hears_a_part(&mut peer), "hello");
    peer.say("p000100000001!");
    assert_eq!(hears_a_part(&mut peer), "!");
    peer.say("p000100000000");
    assert_eq!(hears_a_part(&mut peer), "");
    // The answer may be over before the request is.
    peer.say("s0001004head00000000p000100000005hello");
    assert_eq!((hears_a_part(&mut peer), hears_a_part(&mut peer)), ("hel".into(), "".into()));
    peer.say("p000100000005hellop000100000000");
    peer.say("s0001003all00000000p000100000000");
    assert_eq!((hears_a_part(&mut peer), hears_a_part(&mut peer)), ("0\n".into(), "".into()));
    // Many parts, of which most are small.
    let parts = (1..3000).map(|len| format!("p0001{len:08x}{}", "x".repeat(len))).rev();
    let input = parts.collect::<String>();
    let mut writer = peer.0.try_clone().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            writer.write_all(b"s0001003cat00000001x").unwrap();
            writer.write_all(input.as_bytes()).unwrap();
            writer.write_all(b"p000100000000").unwrap();
        });
        let mut len = 0;
        loop {
            match hears_a_part(&mut peer).len() {
                0 => break,
                part => len += part,
            }
        }
        assert_eq!(len, 1 + (1..3000).sum::<usize>());
    });
    answers(&mut peer, "all", b"abc", ('R', "3\n"));
}

/// An answer to the one would be taken for an answer to the other.
#[test]
fn two_streams_with_one_id_are_refused() {
    let server = serving(&[], &["cat=cat", FAMILY]);
    let mut peer = ready(&server);
    peer.say(START);
    let family = hears_processes(&mut peer);
    peer.say("s0001003cat00000001x");
    peer.hears("E000100000014request id is in use");
    are_gone(&family);
    answers(&mut peer, "cat", b"x", ('R', "x"));
}

#[test]
fn a_result_without_end_is_cut_off() {
    let server = serving(&[], &["yes=yes", "fits=head -c 1048576 /dev/zero", "cat=cat"]);
    let mut peer = ready(&server);
    answers(&mut peer, "yes", b"", ('E', "the result is longer than 1048576 bytes"));
    assert_eq!(ask(&mut peer, "fits", b"").1.len(), 1 << 20);
    // A streamed one may go on, as long as somebody reads it.
    peer.say("s0001003yes00000000");
    for _ in 0..100 {
        assert!(hears_a_part(&mut peer).len() > 1);
    }
    drop(peer);
    answers(&mut ready(&server), "cat", b"x", ('R', "x"));
}

/// It stops the reading of its connection, and nobody else's.
#[test]
fn a_command_that_takes_nothing_stops_its_connection_alone() {
    let file = format!("{}/deaf-{}", env!("CARGO_TARGET_TMPDIR"), std::process::id());
    let deaf = format!("deaf=while ! test -e '{file}'; do sleep 0.05; done; exit 7");
    let server = serving(&["--timeout", "600"], &[&deaf, "wc=wc -c", "cat=cat"]);
    let mut deaf = ready(&server);
    let mut writer = deaf.0.try_clone().unwrap();
    let asking = thread::spawn(move || {
        let payload = vec![b'x'; 32 << 20]; // more than lies between
        write!(writer, "r0001004deaf{:08x}", payload.len()).unwrap();
        writer.write_all(&payload).unwrap();
    });
    let mut good = ready(&server);
    for _ in 0..50 {
        answers(&mut good, "cat", b"x", ('R', "x"));
    }
    assert!(!asking.is_finished(), "somebody reads what nobody takes");
    std::fs::write(&file, "").unwrap();
    deaf.hears("E00010000000bexit code 7");
    asking.join().unwrap(); // what is left of the payload is read, and ignored
    answers(&mut deaf, "wc", &[b'x'; 1 << 20], ('R', "1048576\n"));
    std::fs::remove_file(&file).unwrap();
}

/// What nobody reads is no silence.
#[test]
fn a_stopped_connection_is_not_silent() {
    let server = serving(&["--silence", "1.5"], &["late=sleep 2.5; wc -c"]);
    let mut peer = ready(&server);
    answers(&mut peer, "late", &[b'x'; 1 << 20], ('R', "1048576\n"));
}

#[test]
fn only_so_many_commands_run_at_once() {
    let server = serving(&["--max-commands", "2"], &["wait=cat", "cat=cat"]);
    let mut peer = ready(&server);
    peer.say("s0001004wait00000001xs0002004wait00000001y");
    let mut heard = [0; 28];
    peer.0.read_exact(&mut heard).unwrap(); // a part of each, in any order
    let mut other = ready(&server);
    answers(&mut other, "cat", b"x", ('e', "too many commands"));
    other.say("s0001003cat00000001xp000100000000");
    other.hears("e0001000003e800000011too many commands");
    peer.say("p000100000000");
    peer.hears("S000100000000");
    answers(&mut other, "cat", b"x", ('R', "x"));
}

/// So those who do not read cannot collect results in the memory of the server.
#[cfg(unix)]
#[test]
fn a_result_that_is_not_read_counts_as_running() {
    use std::os::unix::net::UnixStream;
    let path = format!("{}/unread-{}", env!("CARGO_TARGET_TMPDIR"), std::process::id());
    let marker = format!("{path}-done");
    let at = format!("unix:{path}");
    let big = format!("big=head -c 1048576 /dev/zero; echo >'{marker}'");
    let args = ["serve", "--max-commands", "1", "--exec", &big, "--exec", "x=:", &at];
    let server = Process::start(gotalk(&args));
    let mut deaf = UnixStream::connect(&path).unwrap();
    deaf.set_read_timeout(Some(HANG)).unwrap();
    deaf.write_all(b"01r0001003big00000000").unwrap();
    while !std::fs::exists(&marker).unwrap() {
        thread::sleep(Duration::from_millis(10));
    }
    let call = || output(&["call", &at, "x", ""]).status.code();
    for _ in 0..20 {
        assert_eq!(call(), Some(2));
    }
    let mut heard = vec![0; 2 + 13 + (1 << 20)];
    deaf.read_exact(&mut heard).unwrap();
    assert!((0..1000).any(|_| call() == Some(0)));
    drop(server);
    let _ = std::fs::remove_file(marker);
    let _ = std::fs::remove_file(path);
}

#[test]
fn a_peer_that_does_not_read_a_stream_is_left() {
    let server = serving(&["--unread", "0.3"], &["yes=echo $$; exec yes", "cat=cat"]);
    let mut deaf = ready(&server);
    deaf.say("s0001003yes00000000");
    let mut good = ready(&server);
    answers(&mut good, "cat", b"x", ('R', "x"));
    let line = server.lines.recv_timeout(HANG).unwrap();
    assert!(line.ends_with("the peer does not read"), "{line}");
    let process = hears_a_line(&mut deaf);
    are_gone(&[process.lines().next().unwrap().parse().unwrap()]);
}

#[test]
fn many_commands_at_once() {
    let server = serving(&[], &["rev=rev"]);
    let mut peers: Vec<Peer> = (0..10).map(|_| ready(&server)).collect();
    for (i, peer) in peers.iter_mut().enumerate() {
        for id in 0..6 {
            peer.say(format!("r000{id}003rev00000003{i}{id}\n"));
        }
    }
    for (i, peer) in peers.iter_mut().enumerate() {
        let mut heard: Vec<String> = (0..6)
            .map(|_| {
                let mut answer = [0; 16];
                peer.0.read_exact(&mut answer).unwrap();
                String::from_utf8(answer.to_vec()).unwrap()
            })
            .collect();
        heard.sort();
        let want = (0..6).map(|id| format!("R000{id}00000003{id}{i}\n"));
        assert_eq!(heard, want.collect::<Vec<_>>());
    }
}

#[test]
fn the_limit_of_a_connection_counts_commands() {
    let server = serving(&["--limit", "1", "--streams", "1"], &["cat=cat", "wait=sleep 1; cat"]);
    let mut peer = ready(&server);
    peer.say("r0001004wait00000001ar0002003cat00000001b");
    peer.hears("e0002000003e800000012request rate limitR000100000001a");
    peer.say("s0003003cat00000001as0004003cat00000001b");
    peer.hears("e0004000003e800000004busyS000300000001a");
}

/// The request is not at fault, so it may be made again.
#[cfg(target_os = "linux")]
#[test]
fn a_command_that_finds_no_descriptors_is_refused_for_now() {
    let line = format!("ulimit -n 14; exec {} serve --exec x=: :0", env!("CARGO_BIN_EXE_gotalk"));
    let mut command = std::process::Command::new("sh");
    command.args(["-c", &line]);
    let mut server = Process::start(command);
    server.addr = server.addr.replace("[::]", "127.0.0.1").replace("0.0.0.0", "127.0.0.1");
    let mut peers: Vec<Peer> = Vec::new();
    let refused = (0..14).find_map(|_| {
        let mut peer = Peer::new(TcpStream::connect(&server.addr).unwrap());
        peer.say("01r0001001x00000000");
        peer.hears("01");
        let first = peer.hears_a_byte();
        peers.push(peer);
        (first != 'R').then_some(first)
    });
    assert_eq!(refused, Some('e'));
}

/// A notification starts nothing.
#[test]
fn notifications_are_printed() {
    let server = serving_json(&["log=touch /no/such/folder"]);
    let mut peer = ready(&server);
    let from = peer.0.local_addr().unwrap().to_string();
    peer.say("n003log00000002hi");
    peer.say(b"n001\xff00004001");
    peer.say([&[0xfe][..], &[b'x'; 16384]].concat());
    let next = || -> serde_json::Value {
        serde_json::from_str(&server.lines.recv_timeout(HANG).unwrap()).unwrap()
    };
    let note = |object: serde_json::Value| -> serde_json::Value {
        let mut note = serde_json::json!({ "type": "notification", "peer": from });
        note.as_object_mut().unwrap().append(&mut object.as_object().unwrap().clone());
        note
    };
    assert_eq!(next(), note(serde_json::json!({ "name": "log", "size": 2, "payload": "hi" })));
    let hex = format!("fe{}", "78".repeat(16383));
    let cut = serde_json::json!({
        "name_hex": "ff", "size": 16385, "payload_hex": hex, "payload_cut": true
    });
    assert_eq!(next(), note(cut));
    peer.say("X");
    let closed = next();
    assert_eq!((&closed["type"], &closed["peer"]), (&"closed".into(), &from.as_str().into()));
    assert!(closed["error"].as_str().unwrap().contains("byte "), "{closed}");
}

#[test]
fn wrong_commands_are_told() {
    let long = format!("{}=true", "a".repeat(256));
    for (wrong, part) in [
        (["--exec", "cat"].as_slice(), "give the name of the operation, `=`, and the command"),
        (&["--exec", "=cat"], "the name of the operation is missing"),
        (&["--exec", "cat="], "the command is missing"),
        (&["--exec", "a=b", "--exec", "a=c"], "the operation \"a\" has two commands"),
        (&["--exec", &long], "no operation has a name above 255 bytes"),
        (&["--max-commands", "5"], "--exec"),
        (&["--exec", "a=b", "--max-commands", "0"], "0 is not in 1..=10000"),
    ] {
        let told = output(&[&["serve", "127.0.0.1:0"], wrong].concat());
        assert_eq!(told.status.code(), Some(64), "{wrong:?}");
        let text = String::from_utf8_lossy(&told.stderr);
        assert!(text.contains(part), "{wrong:?}: {text}");
    }
}

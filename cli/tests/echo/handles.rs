//! `gotalk call --handle`, by the program.

use super::calls::PATIENT;
use super::commands::are_gone;
use super::program::{Process, output};
use super::support::gotalk;
use super::*;
use client::{Body, Request};
use plain::Plain;
use std::process::{Child, Output, Stdio};

/// A call of the operation `x` with these options, and the server that it calls.
fn calling(options: &[&str]) -> (Child, Peer) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    let mut call = gotalk(&[&["call", &addr, "x", ""], options].concat());
    let call = call.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut peer = Peer::new(listener.accept().unwrap().0);
    peer.hears("01r0000001x00000000");
    peer.say("01");
    (call, peer)
}

/// Gives the call its answer.
fn answered(call: Child, mut peer: Peer) -> Output {
    peer.say("R000000000004done");
    let output = call.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(0), &b"done"[..]));
    output
}

#[test]
fn what_a_server_asks_is_answered() {
    let server = Process::start(gotalk(&["serve", "127.0.0.1:0"]));
    let at = server.addr.as_str();
    let handle = ["--handle", "other=echo other", "--handle", "client-echo=rev; echo $GOTALK_PEER"];
    let called = output(&[&["call", at, "callback", "abc\n"], handle.as_slice()].concat());
    assert_eq!(String::from_utf8_lossy(&called.stdout), format!("cba\n{at}\n"));
    assert_eq!((called.status.code(), called.stderr.as_slice()), (Some(0), &b""[..]));
    let fails = ["--handle", "client-echo=echo '\u{202e}no' >&2; exit 1"];
    let called = output(&[&["call", at, "callback", "abc"], fails.as_slice()].concat());
    let told = String::from_utf8_lossy(&called.stderr);
    let shown = "\\u{202e}no";
    assert_eq!(told, format!("failed: a request \"client-echo\": {shown}\nerror: {shown}\n"));
    let refused = output(&["call", at, "callback", "abc", "--handle", "other=true"]);
    assert_eq!(refused.status.code(), Some(1));
}

#[test]
fn requests_of_every_kind_are_answered() {
    let (call, mut peer) = calling(&["--handle", "cat=cat", "--handle", "wc=wc -c"]);
    peer.say("r0001003cat00000002his0002003cat00000003abc");
    let mut heard = [0; 31];
    peer.0.read_exact(&mut heard).unwrap(); // in any order
    let heard = String::from_utf8(heard.to_vec()).unwrap();
    assert!(heard.contains("R000100000002hi") && heard.contains("S000200000003abc"), "{heard}");
    peer.say("p000200000001d");
    peer.hears("S000200000001d");
    peer.say("p000200000000");
    peer.hears("S000200000000");
    peer.say("r0003004none00000001xs0004004none00000001xp000400000000");
    let refused = "00000018unknown operation \"none\"";
    peer.hears(&format!("E0003{refused}E0004{refused}"));
    let large = "x".repeat(1 << 20);
    let mut writer = peer.0.try_clone().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| write!(writer, "r0005002wc{:08x}{large}", large.len()).unwrap());
        peer.hears("R0005000000081048576\n");
    });
    peer.say("s0006003cat00000001x");
    peer.hears("S000600000001x");
    peer.say("s0006003cat00000001x");
    peer.hears("E000600000014request id is in use");
    let output = answered(call, peer);
    let told = String::from_utf8_lossy(&output.stderr);
    let refused = "refused: a request 0003 \"none\"\nrefused: a request 0004 \"none\"\n";
    assert!(told.starts_with(refused), "{told}");
}

/// Whatever it ends with.
#[test]
#[cfg(unix)]
fn commands_die_with_the_call() {
    for how in ["answer", "end", "interrupt"] {
        let options = ["--handle", "family=sleep 1000 & echo $$ $!; wait"];
        let (mut call, mut peer) = calling(&options);
        peer.say("s0001006family00000000");
        peer.hears("S0001");
        let mut line = vec![0; peer.hears_a_number(8) as usize];
        peer.0.read_exact(&mut line).unwrap();
        let line = String::from_utf8(line).unwrap();
        let family: Vec<u32> = line.split_whitespace().map(|id| id.parse().unwrap()).collect();
        assert_eq!(family.len(), 2);
        match how {
            "answer" => drop(answered(call, peer)),
            "end" => {
                drop(peer);
                assert_eq!(call.wait().unwrap().code(), Some(3));
            }
            _ => {
                let id = call.id().to_string();
                assert!(std::process::Command::new("kill").arg(id).status().unwrap().success());
                assert_eq!(call.wait().unwrap().code(), Some(143));
            }
        }
        are_gone(&family);
    }
}

/// What it does not take is not read, so that none of it is kept.
#[test]
fn a_command_that_takes_nothing_stops_the_reading() {
    let file = format!("{}/handle-{}", env!("CARGO_TARGET_TMPDIR"), std::process::id());
    let deaf = format!("deaf=while ! test -e '{file}'; do sleep 0.05; done");
    let (call, mut peer) = calling(&["--handle", &deaf]);
    let mut writer = peer.0.try_clone().unwrap();
    let asking = thread::spawn(move || {
        let payload = vec![b'x'; 32 << 20]; // more than lies between
        write!(writer, "r0001004deaf{:08x}", payload.len()).unwrap();
        writer.write_all(&payload).unwrap();
    });
    thread::sleep(Duration::from_millis(500)); // for it to be read, if somebody does
    assert!(!asking.is_finished(), "somebody reads what nobody takes");
    std::fs::write(&file, "").unwrap();
    peer.hears("R000100000000");
    asking.join().unwrap();
    answered(call, peer);
    std::fs::remove_file(&file).unwrap();
}

/// Who waits for a command of ours cannot answer.
#[test]
fn a_command_may_take_longer_than_an_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    let peer = thread::spawn(move || {
        let mut peer = Peer::new(listener.accept().unwrap().0);
        peer.hears("01r0000001x00000000");
        peer.say("01r0001004late00000000");
        peer.hears("R000100000000");
        peer.say("R000000000004done");
        peer.hears_to_the_end()
    });
    let mut result = Vec::new();
    let answer = runtime().block_on(async {
        let stream = tokio::net::TcpStream::connect(addr).await.unwrap();
        let request = Request { op: "x", body: Body::Single(b"") };
        let commands = Commands::new(vec!["late=sleep 1.5".parse().unwrap()], 1, 300_000);
        let running = command::Running::new(commands.into(), String::new());
        let limits = client::Limits { patience: 1000, ..PATIENT };
        let mut notes = Vec::new();
        let mut shown = Plain::new(&mut result, (&mut notes, false));
        client::call(stream, request, running, limits, &mut shown).await
    });
    assert!(matches!(answer, Ok(client::Answer::Result)), "{answer:?}");
    assert_eq!(result, b"done");
    peer.join().unwrap();
}

#[test]
fn wrong_handles_are_told() {
    for wrong in [
        ["--handle", "cat"].as_slice(),
        &["--handle", "a=b", "--handle", "a=c"],
        &["--handle", "a=b", "--notify"],
        &["--handle", "a=b", "--repeat", "2"],
    ] {
        let told = output(&[&["call", "127.0.0.1:0", "x", ""], wrong].concat());
        assert_eq!(told.status.code(), Some(64), "{wrong:?}");
    }
}

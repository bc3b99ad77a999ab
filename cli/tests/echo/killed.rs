//! Which commands are killed, and when.

use super::commands::*;
use super::program::Process;
use super::*;

/// Such as a daemon. It holds no output of the command, which is over.
#[test]
#[cfg(target_os = "linux")]
fn what_a_command_leaves_running_goes_on() {
    let server = serving(&[], &["start=sleep 1000 > /dev/null 2>&1 & echo $!"]);
    let (kind, id) = ask(&mut ready(&server), "start", b"");
    assert_eq!(kind, 'R');
    let id = String::from_utf8(id).unwrap();
    assert!(runs(id.trim().parse().unwrap()));
    let mut kill = std::process::Command::new("kill");
    assert!(kill.args(["-s", "KILL", id.trim()]).status().unwrap().success());
}

#[test]
fn commands_die_with_their_connection() {
    let server = serving(&[], &[FAMILY, "deaf=exec sleep 1000", "cat=cat"]);
    for how in ["ends", "resets", "breaks the protocol", "gives up"] {
        let mut peer = ready(&server);
        peer.say(START);
        let family = hears_processes(&mut peer);
        assert_eq!(family.len(), 2);
        match how {
            "ends" => peer.ends(),
            "resets" => {
                peer.say("r0002004deaf00000000");
                drop(peer);
            }
            "breaks the protocol" => peer.say("X"),
            _ => peer.say("f00000000"),
        }
        are_gone(&family);
    }
    answers(&mut ready(&server), "cat", b"x", ('R', "x"));
}

#[test]
#[cfg(unix)]
fn commands_die_with_the_server() {
    let mut server = serving(&[], &[FAMILY]);
    let mut peer = ready(&server);
    peer.say(START);
    let family = hears_processes(&mut peer);
    let id = server.child.id().to_string();
    assert!(std::process::Command::new("kill").arg(id).status().unwrap().success());
    assert_eq!(server.child.wait().unwrap().code(), Some(143));
    are_gone(&family);
}

/// A program that is started to ignore a signal goes on, as by `nohup`, and by `&` in a script.
#[test]
#[cfg(target_os = "linux")]
fn commands_die_with_a_signal_unless_the_server_is_to_go_on() {
    let kill = |server: &Process, signal: &str| {
        let args = ["-s", signal, &server.child.id().to_string()];
        assert!(std::process::Command::new("kill").args(args).status().unwrap().success());
    };
    let start = |runner: &[&str]| {
        let mut command = std::process::Command::new(runner[0]);
        command.args(&runner[1..]).arg(env!("CARGO_BIN_EXE_gotalk"));
        Process::start({
            command.args(["serve", "127.0.0.1:0", "--exec", FAMILY, "--exec", "cat=cat"]);
            command
        })
    };
    for (signal, code) in [("HUP", 129), ("INT", 130), ("TERM", 143)] {
        // `env` gives the signal its usual meaning, whatever it has for these tests.
        let mut server = start(&["env", &format!("--default-signal={signal}")]);
        let mut peer = ready(&server);
        peer.say(START);
        let family = hears_processes(&mut peer);
        kill(&server, signal);
        assert_eq!(server.child.wait().unwrap().code(), Some(code));
        are_gone(&family);

        let server = start(&["env", &format!("--ignore-signal={signal}")]);
        let mut peer = ready(&server);
        kill(&server, signal);
        answers(&mut peer, "cat", b"x", ('R', "x"));
    }
}

#[test]
fn a_command_may_not_take_for_ever() {
    let server = serving(&["--timeout", "1"], &["hold=sleep 1000 & exit 0", FAMILY]);
    let mut peer = ready(&server);
    peer.say(START);
    let family = hears_processes(&mut peer);
    peer.hears("E000100000019the command took too long");
    are_gone(&family);
    // It has exited, but its child has the output.
    answers(&mut peer, "hold", b"", ('E', "the command took too long"));
}

#[test]
fn a_command_may_take_for_ever_in_small_steps() {
    let server = serving(&["--timeout", "2"], &["cat=cat"]);
    let mut peer = ready(&server);
    peer.say("s0001003cat00000000");
    for _ in 0..4 {
        thread::sleep(Duration::from_millis(600));
        peer.say("p000100000001x");
        assert_eq!(hears_a_part(&mut peer), "x");
    }
    peer.say("p000100000000");
    peer.hears("S000100000000");
}

/// Those that wait for a peer to read what others have said are not late.
#[test]
fn a_command_that_nobody_could_hear_is_not_killed() {
    let commands = ["big=head -c 1000000 /dev/zero"];
    let server = serving(&["--timeout", "1.5"], &commands);
    let mut slow = ready(&server);
    for id in 0..20 {
        slow.say(format!("r{id:04}003big00000000"));
    }
    thread::sleep(Duration::from_millis(3000));
    for _ in 0..20 {
        slow.hears("R");
        slow.hears_a_number(4);
        slow.hears("000f4240");
        slow.0.read_exact(&mut [0; 1_000_000]).unwrap();
    }
}

/// Nor are those that were done while the server itself was stopped.
#[cfg(unix)]
#[test]
fn a_server_that_was_stopped_kills_no_command_that_is_done() {
    let server = serving(&["--timeout", "0.5"], &["x=sleep 0.2; echo hi"]);
    let signal = |name: &str| {
        let process = server.child.id().to_string();
        assert!(
            std::process::Command::new("kill").args([name, &process]).status().unwrap().success()
        );
    };
    let mut peer = ready(&server);
    peer.say("r0001001x00000000");
    thread::sleep(Duration::from_millis(100));
    signal("-STOP");
    thread::sleep(Duration::from_millis(1000));
    signal("-CONT");
    peer.hears("R000100000003hi\n");
}

//! `gotalk serve` and `gotalk call` over everything that is not TCP, and addresses.

use super::program::{Process, output};
use super::support::gotalk;
use super::*;
use address::Address;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

#[test]
fn addresses_are_understood() {
    for (text, shown) in [
        ("localhost:7000", "localhost:7000"),
        ("tcp://localhost:7000", "localhost:7000"),
        ("[::1]:0", "[::1]:0"),
        (":7000", ":7000"),
        ("tcp://:0", ":0"),
        ("ws://:80", "ws://:80/"),
        ("-", "-"),
        ("unix:/run/a?b:c", "unix:/run/a?b:c"),
        ("ws://localhost:80", "ws://localhost:80/"),
        ("ws://localhost:80/a/b?c=d", "ws://localhost:80/a/b?c=d"),
        ("serial:/dev/ttyUSB0", "serial:/dev/ttyUSB0?baud=115200"),
        ("serial:COM3?baud=9600", "serial:COM3?baud=9600"),
    ] {
        let address: Address = text.parse().unwrap();
        assert_eq!(address.to_string(), shown);
        assert_eq!(shown.parse(), Ok(address), "{shown}");
    }
}

#[test]
fn a_wrong_address_is_told_with_its_place() {
    for (text, wrong) in [
        ("localhost", "at character 10: `:` and the port are missing"),
        ("", "at character 1: `:` and the port are missing"),
        (":", "at character 2: the port must be a number up to 65535"),
        ("::1:7000", "at character 1: put an IPv6 address in brackets, as in [::1]:7000"),
        ("é:65536", "at character 3: the port must be a number up to 65535"),
        ("tcp://a:b", "at character 9: the port must be a number up to 65535"),
        ("a:+1", "at character 3: the port must be a number up to 65535"),
        ("ws://a/b", "at character 7: `:` and the port are missing"),
        ("ws://a:1/b c", "at character 11: this cannot stand in the path"),
        ("wss://a:1/", "at character 1: no TLS; give ws://, and to a server of TLS a proxy"),
        (
            "http://a:1/",
            "at character 1: no such transport; there are tcp://, ws://, unix:, serial: and -",
        ),
        ("unix:", "at character 6: the path of the socket is missing"),
        ("/dev/ttyUSB0", "at character 1: this is a path; put `serial:` or `unix:` before it"),
        ("serial:", "at character 8: the path of the serial port is missing"),
        ("serial:?baud=1", "at character 8: the path of the serial port is missing"),
        ("serial:a?speed=1", "at character 10: only `baud=N` can stand behind the `?`"),
        ("serial:a?baud=0", "at character 15: give the baud rate as a number above 0"),
    ] {
        assert_eq!(text.parse::<Address>().unwrap_err().to_string(), wrong, "{text}");
    }
    let told = output(&["call", "ws://here/", "echo", ""]);
    assert_eq!(told.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&told.stderr).contains("at character 10: "), "{told:?}");
}

/// All that a transport has to carry: a result, a stream, a long payload, an error, a
/// notification.
#[track_caller]
fn carries(server: &Process) {
    let at = server.addr.as_str();
    let long = "long ".repeat(20_000);
    for (args, code, out) in [
        (["call", at, "echo", "hello"].as_slice(), 0, "hello"),
        (&["call", "--stream", at, "echo", "in more parts than one"], 0, "in more parts than one"),
        (&["call", at, "echo", &long], 0, &long),
        (&["call", at, "upper", "5"], 1, ""),
        (&["call", "--notify", at, "log", "a note"], 0, ""),
        (&["call", at, "echo", ""], 0, ""),
    ] {
        let output = output(args);
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {told}");
        assert!(output.stdout == out.as_bytes(), "{args:?}");
    }
    let line = server.lines.recv_timeout(HANG).unwrap();
    assert!(line.ends_with(": \"log\" a note"), "{line}");
}

#[test]
fn without_a_host_all_interfaces_carry() {
    // A machine may know of IPv6 and have no address of it.
    let has_v6 = TcpListener::bind("[::1]:0").is_ok();
    for (listened, connected) in [(":0", ""), ("ws://:0/a", "ws://")] {
        let mut server = Process::start(gotalk(&["serve", listened]));
        let rest = server.addr.strip_prefix(connected).unwrap();
        let v6 = rest.strip_prefix("[::]:");
        let at = v6.or_else(|| rest.strip_prefix("0.0.0.0:")).unwrap().to_owned();
        assert!(v6.is_some() || !has_v6, "{rest}");
        let hosts: &[&str] = if has_v6 { &["127.0.0.1", "[::1]", ""] } else { &["127.0.0.1", ""] };
        for host in hosts {
            server.addr = format!("{connected}{host}:{at}");
            carries(&server);
        }
        let note = format!("{connected}127.0.0.1:{at}");
        let note = output(&["call", "--notify", &note, "a", ""]);
        assert_eq!(note.status.code(), Some(0));
        let line = server.lines.recv_timeout(HANG).unwrap();
        assert!(!line.contains("ffff"), "an address of IPv4 is shown as such: {line}");
        let second = output(&["serve", &format!("{connected}:{}", at.split('/').next().unwrap())]);
        assert_eq!(second.status.code(), Some(3), "the port is taken");
    }
}

#[cfg(unix)]
#[test]
fn a_unix_socket_carries_and_leaves_no_file() {
    use std::os::unix::net::UnixListener;
    let path = format!("{}/echo-{}", env!("CARGO_TARGET_TMPDIR"), std::process::id());
    let at = format!("unix:{path}");
    let exists = || std::fs::symlink_metadata(&path).is_ok();
    // A listener that is gone leaves its file.
    drop(UnixListener::bind(&path).unwrap());
    assert!(exists());
    let mut server = Process::start(gotalk(&["serve", &at]));
    assert_eq!(server.addr, at);
    carries(&server);
    // What it says, if it listens, and its exit code if it does not.
    let serves = || {
        let mut second = gotalk(&["serve", &at]).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(second.stdout.take().unwrap()).read_line(&mut line).unwrap();
        if !line.is_empty() {
            second.kill().unwrap();
        }
        (line, second.wait().unwrap().code())
    };
    assert_eq!(serves(), (String::new(), Some(3)), "the first is there");
    assert!(exists(), "the second has not removed what is not its own");
    // The first has not noticed: it takes no connection for one of its own.
    let note = output(&["call", "--notify", &at, "log", "next"]);
    assert_eq!(note.status.code(), Some(0));
    let line = server.lines.recv_timeout(HANG).unwrap();
    let from = format!("notification from {at}#7: ");
    assert!(line.starts_with(&from), "{line}");
    let pid = server.child.id().to_string();
    assert!(std::process::Command::new("kill").arg(&pid).status().unwrap().success());
    assert_eq!(server.child.wait().unwrap().code(), Some(143));
    assert!(!exists());

    // The file of a server is removed, and another takes its path.
    let mut server = Process::start(gotalk(&["serve", &at]));
    std::fs::remove_file(&path).unwrap();
    let other = Process::start(gotalk(&["serve", &at]));
    let pid = server.child.id().to_string();
    assert!(std::process::Command::new("kill").arg(&pid).status().unwrap().success());
    assert_eq!(server.child.wait().unwrap().code(), Some(143));
    carries(&other);
    drop(other);
    std::fs::remove_file(&path).unwrap();

    std::fs::write(&path, "no socket").unwrap();
    assert_eq!(serves(), (String::new(), Some(3)));
    assert_eq!(std::fs::read(&path).unwrap(), b"no socket");
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn the_standard_input_and_output_carry() {
    let mut server =
        gotalk(&["serve", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut to, mut from) = (server.stdin.take().unwrap(), server.stdout.take().unwrap());
    to.write_all(b"01r0001004echo00000002hi").unwrap();
    let mut heard = [0; 17];
    from.read_exact(&mut heard).unwrap(); // while the input is open
    assert_eq!(heard.escape_ascii().to_string(), "01R000100000002hi");
    drop(to);
    let mut rest = Vec::new();
    from.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"");
    assert_eq!(server.wait().unwrap().code(), Some(0));
}

/// Two programs, each of which is the other's input and output.
#[test]
fn a_call_and_a_server_joined_by_pipes() {
    let mut server =
        gotalk(&["serve", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let call = gotalk(&["call", "-", "echo", "hello"])
        .stdin(server.stdout.take().unwrap())
        .stdout(server.stdin.take().unwrap())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let call = call.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&call.stderr), "hello", "where the result goes then");
    assert_eq!(call.status.code(), Some(0));
    assert_eq!(server.wait().unwrap().code(), Some(0));
}

#[test]
fn a_websocket_carries() {
    let server = Process::start(gotalk(&["serve", "ws://127.0.0.1:0/gotalk"]));
    assert!(server.addr.starts_with("ws://127.0.0.1:"), "{}", server.addr);
    assert!(server.addr.ends_with("/gotalk"), "{}", server.addr);
    carries(&server);
    let with_more = format!("{}?token=1", server.addr);
    assert_eq!(output(&["call", &with_more, "echo", "hi"]).stdout, b"hi");
    for elsewhere in ["/other", "/gotalks", "/gotalk/?", "/"] {
        let elsewhere = server.addr.replace("/gotalk", elsewhere);
        let told = output(&["call", &elsewhere, "echo", ""]);
        assert_eq!(told.status.code(), Some(3));
        assert!(String::from_utf8_lossy(&told.stderr).contains("404"), "{told:?}");
    }
}

/// Who mistakes one for the other is told.
#[test]
fn tcp_is_no_websocket() {
    let tcp = Process::start(gotalk(&["serve", "127.0.0.1:0"]));
    let websocket = Process::start(gotalk(&["serve", "ws://127.0.0.1:0/a"]));
    let bare = websocket.addr.strip_prefix("ws://").unwrap().strip_suffix("/a").unwrap();
    for (address, hint) in [
        (bare, "; it seems to speak HTTP: give a ws:// address\n"),
        (&format!("ws://{}/", tcp.addr), "the answer is no HTTP; is it a server over TCP alone?\n"),
        (&format!("ws://{bare}/b"), "no WebSocket: nothing at this path (HTTP 404)\n"),
    ] {
        let told = output(&["call", address, "echo"]);
        assert_eq!(told.status.code(), Some(3), "{address}");
        let told = String::from_utf8(told.stderr).unwrap();
        assert!(told.ends_with(hint), "{told}");
    }
}

/// gotalk.js closes the connection on a retry result.
#[test]
fn a_websocket_gets_no_retry_result() {
    for (listen, code, told) in [
        ("ws://127.0.0.1:0/", 1, "error: request rate limit\n"),
        ("127.0.0.1:0", 2, "retry after 1000 ms: request rate limit\n"),
    ] {
        let server = Process::start(gotalk(&["serve", "--limit", "0", listen]));
        let call = output(&["call", &server.addr, "echo", "hi"]);
        assert_eq!(call.status.code(), Some(code), "{listen}");
        assert_eq!(String::from_utf8_lossy(&call.stderr), told);
    }
}

/// Without it, a server of the Go package answers 403.
#[test]
fn a_websocket_client_says_where_it_comes_from() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let mut call = gotalk(&["call", &format!("ws://{addr}/gotalk/"), "echo", "hi"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut peer = Peer::new(listener.accept().unwrap().0);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        head.push(peer.hears_a_byte());
    }
    assert!(head.starts_with("GET /gotalk/ HTTP/1.1\r\n"), "{head}");
    assert!(head.to_lowercase().contains(&format!("\r\norigin: http://{addr}\r\n")), "{head}");
    drop(peer);
    assert_eq!(call.wait().unwrap().code(), Some(3));
}

/// A serial line in software, and the paths of its ends; `None` where there is none to be
/// had. What comes into one end comes out at the other, and is told.
#[cfg(target_os = "linux")]
#[allow(clippy::type_complexity)] // it has one caller
fn line() -> Option<([String; 2], Receiver<(usize, Vec<u8>)>)> {
    use std::os::fd::{AsRawFd, OwnedFd};
    let mut masters = Vec::new();
    let mut paths = Vec::new();
    for _ in 0..2 {
        let Ok((mut master, end)) = serial2::SerialPort::pair() else {
            eprintln!("no terminal is to be had: not tried");
            return None;
        };
        master.set_read_timeout(10 * HANG).unwrap();
        master.set_write_timeout(10 * HANG).unwrap();
        masters.push(master);
        let end = OwnedFd::from(end);
        paths.push(format!("/proc/{}/fd/{}", std::process::id(), end.as_raw_fd()));
        std::mem::forget(end); // without anybody at it the line would hang up
    }
    let (sender, said) = mpsc::channel();
    for from in 0..2 {
        let input = masters[from].try_clone().unwrap();
        let output = masters[1 - from].try_clone().unwrap();
        let sender = sender.clone();
        thread::spawn(move || {
            let mut piece = [0; 256];
            while let Ok(len) = input.read(&mut piece) {
                let _ = sender.send((from, piece[..len].to_vec()));
                if len == 0 || output.write_all(&piece[..len]).is_err() {
                    break;
                }
            }
        });
    }
    Some((paths.try_into().unwrap(), said))
}

/// On a line that never hangs up, every byte shows that the other end is there, and only that.
#[cfg(target_os = "linux")]
#[test]
fn a_slow_payload_on_a_serial_line_is_no_silence() {
    let Some(([device, host], said)) = line() else { return };
    let device = format!("serial:{device}");
    let server = Process::start(gotalk(&["serve", &device]));
    let slow = serial2::SerialPort::open(host, 115_200).unwrap();
    thread::sleep(Duration::from_millis(500)); // it waits for silence at first
    slow.write_all(b"01r0001004echo0000000f").unwrap();
    for digit in "0123456789abcde".chars() {
        thread::sleep(Duration::from_millis(500));
        slow.write_all(&[digit as u8]).unwrap();
    }
    let mut heard = String::new();
    while !heard.contains("R00010000000f0123456789abcde") {
        let (from, bytes) = said.recv_timeout(HANG).unwrap_or_else(|_| panic!("{heard}"));
        heard.extend(bytes.iter().filter(|_| from == 0).map(|byte| char::from(*byte)));
    }
    // It is gone in the middle of the next one, of which an echo is on its way.
    slow.write_all(b"r0002004echo0000000fx").unwrap();
    let line = server.lines.recv_timeout(HANG).unwrap();
    assert!(line.ends_with("nothing came in time"), "{line}");
}

/// A result that nobody takes stops the reading, and not the conversation.
#[cfg(target_os = "linux")]
#[test]
fn heartbeats_go_on_while_nobody_takes_the_result() {
    let Some(([device, host], said)) = line() else { return };
    let _server = Process::start(gotalk(&["serve", &format!("serial:{device}")]));
    let big = "x".repeat(100_000);
    let mut command = gotalk(&["call", &format!("serial:{host}"), "echo", &big]);
    let mut call = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut heard = Vec::new();
    let beats = |heard: &[u8]| heard.windows(5).filter(|it| it == b"h0000").count();
    while beats(&heard) < 7 {
        let (from, bytes) = said.recv_timeout(HANG).unwrap();
        heard.extend(bytes.into_iter().filter(|_| from == 1));
    }
    let mut result = String::new();
    call.stdout.take().unwrap().read_to_string(&mut result).unwrap();
    assert!(result == big && call.wait().unwrap().success());
}

#[cfg(target_os = "linux")]
#[test]
fn a_serial_line_carries() {
    let Some(([device, host], said)) = line() else { return };
    let device = format!("serial:{device}?baud=115200");
    let mut server = Process::start(gotalk(&["serve", &device]));
    let told = output(&["call", &device, "echo"]);
    assert_eq!(told.status.code(), Some(3));
    let in_use = format!("{device}: another program uses it\n");
    assert_eq!(String::from_utf8_lossy(&told.stderr), in_use);
    server.addr = format!("serial:{host}");
    carries(&server);
    let last = b"f0000000001r0000004echo00000000f00000000";
    let mut heard = Vec::new();
    while !heard.ends_with(last) {
        let said = said.recv_timeout(HANG);
        let (from, bytes) = said.unwrap_or_else(|_| panic!("{}", heard.escape_ascii()));
        heard.extend(bytes.into_iter().filter(|_| from == 1));
    }
    // It ends what may have been, and says when it is done.
    let mut heard = heard.escape_ascii().to_string();
    while heard.contains("f00000000f00000000") {
        heard = heard.replace("f00000000f00000000", "f00000000");
    }
    let first = "f0000000001r0000004echo00000005hellof0000000001";
    assert!(heard.starts_with(first), "{heard}");
}

/// An adapter that is pulled out and comes back, which is another device of the same name.
#[cfg(target_os = "linux")]
#[test]
fn a_serial_line_may_come_back() {
    use std::os::fd::{AsRawFd, OwnedFd};
    let name = format!("{}/line-{}", env!("CARGO_TARGET_TMPDIR"), std::process::id());
    let plugged = || {
        let (host, end) = serial2::SerialPort::pair().ok()?;
        let end = OwnedFd::from(end);
        let device = std::fs::read_link(format!("/proc/self/fd/{}", end.as_raw_fd())).unwrap();
        let _ = std::fs::remove_file(&name);
        std::os::unix::fs::symlink(device, &name).unwrap();
        Some((host, end))
    };
    let Some((mut host, mut end)) = plugged() else { return };
    let server = Process::start(gotalk(&["serve", &format!("serial:{name}")]));
    for _ in 0..2 {
        let mut heard = [0; 17];
        // It waits for silence at first, and hears nothing in that time.
        host.set_read_timeout(Duration::from_millis(500)).unwrap();
        let mut answers = || {
            host.write_all(b"f00000000").unwrap();
            host.read_exact(&mut heard[..11]).is_ok()
        };
        assert!((0..20).any(|_| answers()), "nobody is there");
        host.set_read_timeout(HANG).unwrap();
        thread::sleep(Duration::from_millis(500));
        host.discard_input_buffer().unwrap();
        host.write_all(b"01r0001004echo00000002hi").unwrap();
        host.read_exact(&mut heard).unwrap();
        assert_eq!(heard.escape_ascii().to_string(), "01R000100000002hi");
        std::fs::remove_file(&name).unwrap();
        drop((host, end));
        while !server.lines.recv_timeout(HANG).unwrap().starts_with("not accepted: ") {}
        (host, end) = plugged().unwrap();
    }
    std::fs::remove_file(&name).unwrap();
}

/// The other end sees no end of a line: it is told, but not in the middle of a message.
#[cfg(target_os = "linux")]
#[test]
fn a_serial_line_is_told_that_the_server_ends() {
    let Some(([device, host], _)) = line() else { return };
    for (asked, want) in [
        ("01r0001004echo00000002hi", "01R000100000002hif00000000"),
        ("01n003log0000", "01f00000000"),
        ("01r0001004echo00000005he", "01R000100000005he"),
        ("01f00000000", "01"),
    ] {
        let mut host = serial2::SerialPort::open(&host, 115_200).unwrap();
        let mut server = Process::start(gotalk(&["serve", &format!("serial:{device}")]));
        thread::sleep(Duration::from_millis(500)); // it waits for silence at first
        host.write_all(asked.as_bytes()).unwrap();
        let mut heard = vec![0; want.trim_end_matches("f00000000").len()];
        host.set_read_timeout(HANG).unwrap();
        host.read_exact(&mut heard).unwrap();
        let id = server.child.id().to_string();
        assert!(std::process::Command::new("kill").arg(id).status().unwrap().success());
        assert_eq!(server.child.wait().unwrap().code(), Some(143));
        host.set_read_timeout(Duration::from_millis(500)).unwrap();
        let mut byte = [0];
        while host.read_exact(&mut byte).is_ok() {
            heard.push(byte[0]);
        }
        assert_eq!(heard.escape_ascii().to_string(), want, "{asked}");
    }
}

/// And that a call does.
#[cfg(target_os = "linux")]
#[test]
fn a_serial_line_is_told_that_a_call_ends() {
    let Some(([device, host], said)) = line() else { return };
    let _server = Process::start(gotalk(&["serve", &format!("serial:{device}")]));
    let call = &["call", &format!("serial:{host}"), "slow", "10000"];
    let mut call = gotalk(call).spawn().unwrap();
    let mut heard = Vec::new();
    let mut hears = |end: &[u8]| {
        while !heard.ends_with(end) {
            let said = said.recv_timeout(HANG);
            let (from, bytes) = said.unwrap_or_else(|_| panic!("{}", heard.escape_ascii()));
            heard.extend(bytes.into_iter().filter(|_| from == 1));
        }
    };
    hears(b"slow0000000510000");
    let id = call.id().to_string();
    assert!(std::process::Command::new("kill").arg(id).status().unwrap().success());
    assert_eq!(call.wait().unwrap().code(), Some(143));
    hears(b"f00000000");
}

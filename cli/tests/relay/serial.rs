//! A serial line at one end.
#![cfg(target_os = "linux")]

use super::*;

/// A device, and the address of its line, which hangs up when the last is dropped.
fn serial_line() -> Option<(serial2::SerialPort, String, std::os::fd::OwnedFd)> {
    use std::os::fd::{AsRawFd, OwnedFd};
    let Ok((mut device, line)) = serial2::SerialPort::pair() else {
        eprintln!("no terminal is to be had: not tried");
        return None;
    };
    device.set_read_timeout(HANG).unwrap();
    let line = OwnedFd::from(line);
    let at = format!("serial:/proc/{}/fd/{}", std::process::id(), line.as_raw_fd());
    Some((device, at, line))
}

/// A relay to this device, which has answered its goodbye, and a client that has said this.
fn joined(device: &mut serial2::SerialPort, at: &str, said: &[u8]) -> (Program, TcpStream) {
    let relay = Program::relay(&["127.0.0.1:0", at]);
    let mut client = connect(&relay.addr);
    client.write_all(said).unwrap();
    hears(device, b"f00000000");
    device.write_all(b"01f00000001").unwrap(); // which is dropped
    hears(device, said);
    (relay, client)
}

/// A client that closes is a goodbye on a line that never hangs up.
#[test]
fn a_serial_line_is_told_the_end() {
    let Some((mut device, at, _line)) = serial_line() else { return };
    let (relay, mut client) = joined(&mut device, &at, b"01");
    device.write_all(b"01").unwrap();
    hears(&mut client, b"01");
    drop(client);
    hears(&mut device, b"f00000000");
    let (code, shown) = relay.ends();
    assert_eq!(code, Some(0), "{shown}");
    assert_eq!(shown.matches("  version  ").count(), 2, "{shown}");

    // And if the device ends it, that is the end. What nobody has read is no sign of it.
    device.write_all(b"h000000000000").unwrap();
    let relay = Program::relay(&["127.0.0.1:0", &at]);
    let mut client = connect(&relay.addr);
    hears(&mut device, b"f00000000");
    hears(&mut device, b"f00000000"); // once more, as there was no answer
    device.write_all(b"01f00000001").unwrap();
    client.write_all(b"01").unwrap();
    hears(&mut device, b"01");
    device.write_all(b"01f00000003").unwrap();
    hears(&mut client, b"01f00000003");
    assert_eq!(relay.ends().0, Some(0));

    // But not in the middle of a message, of which it would be taken for a piece.
    let (relay, client) = joined(&mut device, &at, b"01r0001004echo00000005he");
    drop(client);
    relay.ends();
    device.set_read_timeout(Duration::from_millis(300)).unwrap();
    assert!(device.read(&mut [0]).is_err());
    device.set_read_timeout(HANG).unwrap();

    // And if the relay is interrupted.
    let (relay, _client) = joined(&mut device, &at, b"01");
    assert_eq!(relay.interrupted().0, Some(143));
    hears(&mut device, b"f00000000");
}

/// A page that is loaded again, and a line that never hangs up.
#[test]
fn a_serial_line_is_there_for_the_next_client() {
    let Some((mut device, at, _line)) = serial_line() else { return };
    let relay = Program::relay(&["-k", "ws://127.0.0.1:0/gotalk/", &at]);
    for _ in 0..3 {
        let addr = relay.addr.clone();
        let call = thread::spawn(move || output(&["call", &addr, "echo", "hello"]));
        hears(&mut device, b"f00000000");
        device.write_all(b"01f00000001").unwrap(); // which is dropped
        hears(&mut device, b"01r0000004echo00000005hello");
        device.write_all(b"01R000000000005hello").unwrap();
        hears(&mut device, b"f00000000");
        assert_eq!(text(&call.join().unwrap().stdout), "hello");
    }
    let (code, shown) = relay.interrupted();
    assert_eq!((code, shown.matches("\nsummary:\n").count()), (Some(143), 3), "{shown}");
}

/// An adapter that is pulled out and comes back, which is another device of the same name.
#[test]
fn a_serial_line_may_come_back() {
    let name = Scratch::new("line");
    let plugged = || {
        let (host, at, end) = serial_line()?;
        let device = fs::read_link(at.strip_prefix("serial:").unwrap()).unwrap();
        let _ = fs::remove_file(name.path());
        std::os::unix::fs::symlink(device, name.path()).unwrap();
        Some((host, end))
    };
    let Some((mut host, mut end)) = plugged() else { return };
    let server = Program::server("127.0.0.1:0");
    let relay = Program::relay(&["-k", &format!("serial:{}", name.path()), &server.addr]);
    for told in ["not accepted: ", "accepting again"] {
        // It waits for silence at first, and hears nothing in that time.
        host.set_read_timeout(Duration::from_millis(500)).unwrap();
        let answers = || {
            host.write_all(b"f00000000").unwrap();
            host.read_exact(&mut [0; 11]).is_ok()
        };
        assert!((0..20).any(|_| answers()), "nobody is there");
        host.set_read_timeout(HANG).unwrap();
        thread::sleep(Duration::from_millis(500));
        host.discard_input_buffer().unwrap();
        host.write_all(b"01r0001004echo00000002hi").unwrap();
        hears(&mut host, b"01R000100000002hi");
        fs::remove_file(name.path()).unwrap();
        drop((host, end));
        let line = relay.told.recv_timeout(HANG).unwrap();
        assert!(line.starts_with(told), "{line}");
        thread::sleep(Duration::from_millis(500)); // nothing is told meanwhile
        (host, end) = plugged().unwrap();
    }
    drop((host, end));
    assert_eq!(relay.interrupted().0, Some(143));
}

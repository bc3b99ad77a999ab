//! How a conversation ends, where not all of it was passed on.

use super::*;

/// A relay, and a client and a server that have said their versions over it.
fn joined(listen: &str) -> (Program, TcpStream, TcpStream) {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let relay = Program::relay(&[listen, &server.local_addr().unwrap().to_string()]);
    let mut client = connect(&relay.addr);
    let mut server = server.accept().unwrap().0;
    server.set_read_timeout(Some(HANG)).unwrap();
    client.write_all(b"01").unwrap();
    hears(&mut server, b"01");
    server.write_all(b"01").unwrap();
    hears(&mut client, b"01");
    (relay, client, server)
}

/// The standard output takes nothing, whichever end it is.
#[cfg(target_os = "linux")]
#[test]
fn an_end_that_takes_nothing_is_told() {
    for is_client in [true, false] {
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = other.local_addr().unwrap().to_string();
        let args = if is_client { ["relay", "-", &at] } else { ["relay", "127.0.0.1:0", "-"] };
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let mut child = gotalk(&args).stdout(full).stderr(Stdio::piped()).spawn().unwrap();
        let (addr, told) = lines(child.stderr.take().unwrap());
        let relay = Program { child: Some(child), addr, told };
        let mut peer = if is_client { other.accept().unwrap().0 } else { connect(&relay.addr) };
        peer.write_all(b"01n003log00000002hi").unwrap();
        let told = relay.told.iter().any(|line| line.contains(": not passed on: No space left"));
        assert!(told, "{args:?}");
        assert_eq!(relay.ends().0, Some(74), "{args:?}");
    }
}

#[test]
fn a_side_that_is_reset_is_told() {
    for is_client in [true, false] {
        let (relay, client, server) = joined("127.0.0.1:0");
        let (gone, kept, side) = match is_client {
            true => (client, server, "client: "),
            false => (server, client, "server: "),
        };
        socket2::SockRef::from(&gone).set_linger(Some(Duration::ZERO)).unwrap();
        drop(gone); // which resets it
        let told = relay.told.recv_timeout(HANG).unwrap();
        assert!(told.starts_with(side), "{told}");
        drop(kept);
        assert_eq!(relay.ends().0, Some(3), "{side}");
    }
}

/// A client may leave while something is under way to it, and that was all it had to say.
#[test]
fn what_comes_for_a_client_that_has_left_is_no_fault() {
    let (relay, client, mut server) = joined("127.0.0.1:0");
    drop(client);
    assert_eq!(server.read(&mut [0]).unwrap(), 0);
    server.write_all(b"n003logffffffff").unwrap();
    while server.write_all(b"more of it").is_ok() {
        thread::sleep(Duration::from_millis(10));
    }
    let told: Vec<String> = relay.told.iter().collect();
    assert!(told.iter().any(|line| line.starts_with("server: not passed on: ")), "{told:?}");
    let (code, shown) = relay.ends();
    assert_eq!(code, Some(0), "{told:?}");
    assert!(shown.contains("\nserver: truncated at offset "), "{shown}");
}

/// But a message is not whole that the client has begun when the server leaves.
#[test]
fn a_server_that_leaves_inside_a_message_to_it_is_told() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = server.local_addr().unwrap().to_string();
    let mut child = gotalk(&["relay", "-", &at])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap(); // stays open
    let (addr, told) = lines(child.stderr.take().unwrap());
    let relay = Program { child: Some(child), addr, told };
    input.write_all(b"01r0").unwrap();
    let mut server = server.accept().unwrap().0;
    hears(&mut server, b"01r0");
    server.write_all(b"01").unwrap();
    drop(server);
    let told: Vec<String> = relay.told.iter().collect();
    assert!(told.iter().any(|line| line.starts_with("client: truncated at ")), "{told:?}");
    assert_eq!(relay.ends().0, Some(2));
}

/// A WebSocket says so when it is closed, and the connection below it may still be there.
#[test]
fn what_comes_for_a_websocket_that_is_closed_is_no_fault() {
    use tokio_tungstenite::tungstenite::{Message, accept};
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = format!("ws://{}/", server.local_addr().unwrap());
    let relay = Program::relay(&["127.0.0.1:0", &at]);
    let mut client = connect(&relay.addr);
    let mut server = accept(server.accept().unwrap().0).unwrap();
    server.send(Message::from(b"01".to_vec())).unwrap();
    hears(&mut client, b"01");
    server.close(None).unwrap();
    while !server.read().unwrap().is_close() {}
    client.write_all(b"01n003log00000000").unwrap();
    let told = relay.told.recv_timeout(HANG).unwrap();
    assert!(told.starts_with("client: not passed on: "), "{told}");
    drop(server);
    assert_eq!(relay.ends().0, Some(0));
}

//! Bytes that no peer would send, and many: they come out as they went in, and take no memory.

use super::*;

fn noise(len: usize) -> Vec<u8> {
    let mut number = 1u32;
    std::iter::repeat_with(|| {
        number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (number >> 24) as u8
    })
    .take(len)
    .collect()
}

/// The most memory that it ever had.
#[cfg(target_os = "linux")]
#[track_caller]
fn took_little(relay: &Program, what: &str) {
    let id = relay.child.as_ref().unwrap().id();
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let most: u64 = most.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(most < 24 << 10, "{what}: {most} KiB");
}

/// A payload is passed on as it comes, whatever its length. 4 GiB take no more than this.
#[cfg(target_os = "linux")]
#[test]
fn a_long_payload_takes_no_memory() {
    const LEN: usize = 64 << 20;
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = server.local_addr().unwrap().to_string();
    let relay = Program::relay(&["127.0.0.1:0", &at]);
    let mut client = connect(&relay.addr);
    let (mut server, _) = server.accept().unwrap();
    let sender = thread::spawn(move || {
        client.write_all(format!("01r0001004echo{LEN:08x}").as_bytes()).unwrap();
        let piece = [0; 1 << 16];
        (0..LEN / piece.len()).for_each(|_| client.write_all(&piece).unwrap());
    });
    hears(&mut server, format!("01r0001004echo{LEN:08x}").as_bytes());
    let mut piece = vec![0; 1 << 16];
    let mut left = LEN;
    while left > 0 {
        let read = server.read(&mut piece).unwrap();
        assert!(read > 0);
        left -= read;
    }
    took_little(&relay, "a payload");
    sender.join().unwrap();
    drop(server);
    let (_, shown) = relay.ends();
    assert!(shown.contains(&format!("'echo'  {LEN} bytes  00 00 ")), "{shown}");
}

/// Whatever the bytes are, they come out as they went in.
#[test]
fn no_byte_is_changed() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = server.local_addr().unwrap().to_string();
    let relay = Program::relay(&["127.0.0.1:0", &at]);
    let mut client = connect(&relay.addr);
    let (mut server, _) = server.accept().unwrap();
    let bytes = [b"01X".as_slice(), &noise(3 << 20)].concat();
    let sent = bytes.clone();
    let sender = thread::spawn(move || {
        client.write_all(&sent).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut back = Vec::new();
        client.read_to_end(&mut back).unwrap();
        back
    });
    let mut got = Vec::new();
    server.read_to_end(&mut got).unwrap();
    assert!(got == bytes);
    server.write_all(&bytes[1..]).unwrap();
    drop(server);
    assert!(sender.join().unwrap() == bytes[1..]);
    let (code, shown) = relay.ends();
    assert!(shown.contains("\nclient: bad input at offset 2: "), "{shown}");
    assert!(shown.contains("\nserver: bad input at offset 1: "), "{shown}");
    assert_eq!(code, Some(1));
}

/// Over a WebSocket too, where messages are kept until they are complete: these never are.
#[cfg(target_os = "linux")]
#[test]
fn what_does_not_end_takes_no_memory_over_a_websocket() {
    let noise = noise(32 << 20);
    for start in ["01f00000000", "01r0001004echoffffffff", "01X", "02"] {
        let bytes = [start.as_bytes(), &noise].concat();
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = server.local_addr().unwrap().to_string();
        let to_server = Program::relay(&["ws://127.0.0.1:0/", &at]);
        let from_client = Program::relay(&["127.0.0.1:0", &to_server.addr]);
        let client = connect(&from_client.addr);
        let (server, _) = server.accept().unwrap();
        server.set_read_timeout(Some(HANG)).unwrap();
        for (mut from, mut to) in [(&client, &server), (&server, &client)] {
            thread::scope(|scope| {
                let bytes = &bytes;
                scope.spawn(move || from.write_all(bytes).unwrap());
                let mut got = vec![0; bytes.len()];
                to.read_exact(&mut got).unwrap();
                assert!(got == *bytes, "{start}");
            });
        }
        took_little(&to_server, start);
        took_little(&from_client, start);
    }
}

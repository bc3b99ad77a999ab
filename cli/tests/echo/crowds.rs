//! The server among many peers, and among bad ones.

use super::*;

#[test]
fn sends_heartbeats_but_none_into_a_payload() {
    let server = Server::with(Limits { connections: 4, ..beating(Some(20)) });
    let mut clock = server.ready();
    let mut peer = server.ready();
    peer.say("r0001004echo00000004wx");
    // By now several were due to the other peer too.
    for _ in 0..10 {
        let (load, time) = clock.hears_a_heartbeat();
        assert!(load == 0xffff / 4 || load == 0xffff / 2, "{load}"); // one peer or two
        assert!(time.abs_diff(wire::unix_time()) < 60);
    }
    peer.say("y");
    let mut all = String::new();
    while !all.ends_with("wxy") {
        all.push(peer.hears_a_byte());
    }
    peer.say("z");
    peer.ends();
    all.push_str(&peer.hears_to_the_end());
    assert!(all.contains("R000100000004wxyz"), "{all:?}");

    // To a message that is begun they may come.
    let mut begun = server.ready();
    begun.say("n003lo");
    for _ in 0..10 {
        begun.hears_a_heartbeat();
    }
}

#[test]
fn echoes_more_than_it_keeps() {
    let server = Server::start();
    let payload: Vec<u8> = (0..4_u32 << 20).map(|i| (i % 251) as u8).collect();
    let mut peer = server.ready();
    let mut writer = peer.0.try_clone().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            write!(writer, "r0001004echo{:08x}", payload.len()).unwrap();
            writer.write_all(&payload).unwrap();
        });
        peer.hears(&format!("R0001{:08x}", payload.len()));
        let mut got = vec![0; payload.len()];
        peer.0.read_exact(&mut got).unwrap();
        assert!(got == payload);
    });
    peer.is_served();
}

#[test]
fn announcing_much_costs_nothing() {
    let server = Server::start();
    let mut peers: Vec<_> = (0..20).map(|_| server.ready()).collect();
    for peer in &mut peers {
        peer.say("r0001004echoffffffff");
        peer.hears("R0001ffffffff");
    }
    server.ready().is_served();
}

/// Peers that ask and never read: each stops its own thread, until it is disconnected.
#[test]
fn peers_that_do_not_read_disturb_nobody() {
    let server = Server::with(bounded(|limits| limits.unread = 300));
    let mut good = server.ready();
    let deaf: Vec<_> = (0..4)
        .map(|i| {
            let mut peer = server.ready();
            thread::spawn(move || {
                let request = match i % 2 {
                    0 => format!("r0001004echo{:08x}{}", 60_000, "x".repeat(60_000)),
                    _ => "r0001007missing00000000".repeat(1000), // the answer is the larger
                };
                while peer.0.write_all(request.as_bytes()).is_ok() {}
            })
        })
        .collect();
    for _ in 0..4 {
        good.is_served();
        server.logs("the peer does not read");
    }
    good.is_served();
    for peer in deaf {
        peer.join().unwrap(); // it could not write any more
    }
}

/// A peer is not silent while the server does not read what it says.
#[test]
fn who_is_not_listened_to_is_not_silent() {
    let server = Server::with(bounded(|limits| (limits.idle, limits.silence) = (1500, 1500)));
    let mut slow = server.ready();
    let mut writer = Peer::new(slow.0.try_clone().unwrap());
    let request = format!("r0001004echo{:08x}{}", 1 << 20, "x".repeat(1 << 20));
    let asks = thread::spawn(move || (0..16).for_each(|_| writer.say(&request)));
    thread::sleep(Duration::from_millis(3000));
    for _ in 0..16 {
        slow.hears("R000100100000");
        slow.0.read_exact(&mut vec![0; 1 << 20]).unwrap();
    }
    asks.join().unwrap();
    server.logs("nothing came in time"); // now it is
}

#[test]
fn serves_many_at_once() {
    let server = Server::start();
    let mut peers: Vec<_> = (0..200).map(|_| server.ready()).collect();
    for (i, peer) in peers.iter_mut().enumerate() {
        peer.say(format!("r{i:04}004echo00000004{i:04}s{i:04}004echo00000002hi"));
    }
    for (i, peer) in peers.iter_mut().enumerate().rev() {
        peer.hears(&format!("R{i:04}00000004{i:04}S{i:04}00000002hi"));
    }
}

#[test]
fn turns_away_those_for_whom_there_is_no_room() {
    let server = Server::with(Limits { connections: 3, ..quiet() });
    let mut peers: Vec<_> = (0..3).map(|_| server.ready()).collect();
    for _ in 0..5 {
        assert_eq!(server.answers(""), "01f00000000");
    }
    for peer in &mut peers {
        peer.is_served();
    }
    let mut gone = peers.pop().unwrap();
    gone.ends();
    gone.hears_to_the_end();
    // The place is free soon after, and nobody is turned away then.
    let mut tries = std::iter::repeat_with(|| server.answers("01r0001004echo00000002hi"));
    assert!(tries.by_ref().take(10_000).any(|all| all == "01R000100000002hi"));
}

/// Noise, some of it behind a good start, some cut from a good conversation.
#[test]
fn survives_noise() {
    let server = Server::start();
    let mut good = server.ready();
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    let valid = b"01r0001004echo00000005hellos0002004echo00000002hip000200000000n001x00000001y";
    for round in 0..300 {
        let mut input = match round % 3 {
            0 => Vec::new(),
            1 => b"01r0001004echo00000002hi".to_vec(),
            _ => valid.to_vec(),
        };
        match round % 3 {
            2 => {
                let at = next() as usize % input.len();
                input[at] = next() as u8;
            }
            _ => input.extend((0..next() % 3000).map(|_| next() as u8)),
        }
        let mut peer = server.peer();
        let _ = peer.0.write_all(&input);
        let _ = peer.0.shutdown(Shutdown::Write);
        let mut all = Vec::new();
        peer.0.read_to_end(&mut all).unwrap();
        assert!(all.starts_with(b"01"), "{} for {}", all.escape_ascii(), input.escape_ascii());
        if round % 3 == 1 {
            assert!(all.starts_with(b"01R000100000002hi"), "{}", all.escape_ascii());
        }
        good.is_served();
    }
}

//! Both ends ask, in memory and by a clock that jumps to what is due next.

mod support;

use futures_util::future::join_all;
use gotalk::{Assembler, Frame, Item, Message};
use gotalk_tokio::{MAX_PAYLOAD, MAX_REQUESTS, STALL};
use std::time::Duration;
use support::{end, pair, replies};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::time::{Instant, sleep, timeout};

#[tokio::test(start_paused = true)]
async fn both_ends_ask_at_once() {
    let (near, far) = pair();
    let all = (0..200).map(|n| {
        // Not `ask-back` from both: all slots could then wait for slots of the other end.
        let (peer, ops) = match n % 2 {
            0 => (near.peer.clone(), ["echo", "later", "ask-back"]),
            _ => (far.peer.clone(), ["echo", "later", "echo"]),
        };
        async move {
            let payload = format!("{}", n * 37 % 100);
            let result = peer.request(ops[n / 2 % 3], payload.as_str()).await;
            assert_eq!(result.unwrap(), payload.as_bytes());
        }
    });
    join_all(all).await;
}

/// All that both ends may have in flight has room on its way: neither waits for the other.
#[tokio::test(start_paused = true)]
async fn both_ends_send_as_much_as_they_may() {
    let (near, far) = pair();
    let all = (0..200).map(|n| {
        let peer = [&near, &far][n % 2].peer.clone();
        async move {
            let payload = vec![n as u8; MAX_PAYLOAD];
            assert_eq!(peer.request("echo", payload.clone()).await.unwrap(), payload);
        }
    });
    join_all(all).await;
}

#[tokio::test(start_paused = true)]
async fn requests_without_a_result_say_why() {
    let (near, _far) = pair();
    let failed = |op: &'static str, len: usize| {
        let peer = near.peer.clone();
        async move { peer.request(op, len.to_string()).await.unwrap_err() }
    };
    assert_eq!(failed("nothing", 0).await, "no such operation");
    assert_eq!(failed("long", 5000).await, "too long");
    assert_eq!(failed("later", 30_001).await, "no result");
    assert_eq!(
        near.peer.request("long", MAX_PAYLOAD.to_string()).await.unwrap().len(),
        MAX_PAYLOAD
    );
    let unfit = near.peer.request("echo", vec![0; 5000]).await.unwrap_err();
    assert!(unfit.contains("5020"), "{unfit}");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_dropped_disturbs_nothing() {
    let (near, _far) = pair();
    for n in 0..3 * MAX_REQUESTS {
        let wait = Duration::from_millis(n as u64 % 5);
        assert!(timeout(wait, near.peer.request("later", "10")).await.is_err());
        assert_eq!(
            near.peer.request("echo", n.to_string()).await.unwrap(),
            n.to_string().as_bytes()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn answers_come_when_they_are_ready_and_more_requests_than_slots_are_refused() {
    let waits = [80, 10, 70, 20, 60, 30, 50, 40, 5];
    assert_eq!(waits.len(), MAX_REQUESTS + 1);
    let mut input = String::from("01");
    for (n, wait) in waits.iter().enumerate() {
        input += &format!("r000{n}005later00000002{wait:02}");
    }
    let mut expected = String::from("01e0008000001f400000004busy");
    for wait in [10, 20, 30, 40, 50, 60, 70, 80] {
        let n = waits.iter().position(|other| *other == wait).unwrap();
        expected += &format!("R000{n}00000002{wait}");
    }
    for chunk in [1, 7, input.len()] {
        let (output, end) = replies(input.as_bytes(), chunk).await;
        assert_eq!(output, expected);
        end.unwrap();
    }
}

/// A peer that writes and does not read: how much was taken from it, and what came of it.
#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_read_is_not_read_and_then_given_up() {
    let (near, far) = duplex(64);
    let far = end(far);
    let (mut from, mut to) = tokio::io::split(near);
    let request = [b"r0001004echo00000400".as_slice(), &[b'x'; 1024]].concat();
    to.write_all(b"01").await.unwrap();
    let mut taken = 0;
    while timeout(Duration::from_secs(1), to.write_all(&request)).await.is_ok_and(|end| end.is_ok())
    {
        taken += 1;
        assert!(taken < 100);
    }
    assert!(taken > MAX_REQUESTS, "{taken}");
    let end = far.task.await.unwrap().unwrap_err();
    assert_eq!(end.to_string(), "it takes nothing");
    // Its own requests end too.
    assert!(far.peer.request("echo", "").await.is_err());
    assert!(from.read(&mut [0; 100]).await.unwrap() > 0);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_reads_slowly_gets_an_answer_to_everything() {
    const COUNT: usize = 2000;
    let (near, far) = duplex(64);
    let far = end(far);
    let (mut from, mut to) = tokio::io::split(near);
    let writing = tokio::spawn(async move {
        to.write_all(b"01").await.unwrap();
        for n in 0..COUNT {
            to.write_all(format!("r{n:04}004echo00000004{n:04}").as_bytes()).await.unwrap();
        }
        to
    });
    let start = Instant::now();
    let mut assembler = Assembler::<MAX_PAYLOAD>::new();
    let (mut results, mut refusals) = (0, 0);
    while results + refusals < COUNT {
        sleep(Duration::from_millis(100)).await;
        let mut buffer = [0; 64];
        let len = from.read(&mut buffer).await.unwrap();
        assert!(len > 0);
        let mut items = assembler.feed(&buffer[..len]);
        while let Some(item) = items.next() {
            let Item::Message(Message { frame, payload }) = item.unwrap() else { continue };
            match frame {
                Frame::SingleResult { id, .. } => {
                    assert_eq!(id.as_bytes(), payload);
                    results += 1;
                }
                Frame::RetryResult { .. } => refusals += 1,
                Frame::Heartbeat { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    }
    assert!(start.elapsed() > 2 * STALL, "{:?}", start.elapsed());
    assert!(results > MAX_REQUESTS);
    drop((writing.await.unwrap(), far));
}

#[tokio::test(start_paused = true)]
async fn what_is_in_flight_is_finished_before_the_end() {
    let (near, far) = pair();
    let (one, other) = (near.peer.clone(), far.peer.clone());
    let one = tokio::spawn(async move { one.request("later", "500").await });
    let other = tokio::spawn(async move { other.request("later", "700").await });
    sleep(Duration::from_millis(100)).await;
    drop(far.stop);
    sleep(Duration::from_millis(100)).await;
    assert!(far.peer.request("echo", "").await.is_err());
    assert_eq!(near.peer.request("echo", "").await.unwrap_err(), "busy");
    assert_eq!(one.await.unwrap().unwrap(), b"500");
    assert_eq!(other.await.unwrap().unwrap(), b"700");
    far.task.await.unwrap().unwrap();
    near.task.await.unwrap().unwrap();
}

/// More refusals than there is room for, for what comes in one piece; and then the end at once.
#[tokio::test(start_paused = true)]
async fn whatever_comes_at_once_is_answered() {
    let (mut near, far) = duplex(1 << 16);
    let far = end(far);
    near.write_all(format!("01{}Q", "s0001004echo00000000".repeat(300)).as_bytes()).await.unwrap();
    near.shutdown().await.unwrap();
    let mut output = String::new();
    near.read_to_string(&mut output).await.unwrap();
    assert_eq!(output, format!("01{}f00000002", "E00010000000ano streams".repeat(300)));
    far.task.await.unwrap().unwrap_err();
}

/// Even what is written and waits for the peer: only what was on its way still comes.
#[tokio::test(start_paused = true)]
async fn a_conversation_that_is_dropped_ends_at_once() {
    let (near, far) = duplex(64);
    let far = end(far);
    let (mut from, mut to) = tokio::io::split(near);
    to.write_all(b"01r0001004echo00000400").await.unwrap();
    to.write_all(&[b'x'; 1024]).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    far.task.abort();
    sleep(Duration::from_secs(1)).await;
    let mut rest = Vec::new();
    from.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest.len(), 64);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_leaves_ends_every_request() {
    let (near, far) = duplex(64);
    let near = end(near);
    let asking = near.peer.clone();
    let request = tokio::spawn(async move { asking.request("echo", "").await });
    sleep(Duration::from_millis(1)).await;
    drop(far);
    assert!(request.await.unwrap().is_err());
    near.task.await.unwrap().ok();
}

#[tokio::test(start_paused = true)]
async fn results_that_do_not_fit_end_their_requests_and_free_their_slots() {
    let (near, far) = duplex(64);
    let near = end(near);
    let (mut from, mut to) = tokio::io::split(far);
    to.write_all(b"01").await.unwrap();
    from.read_exact(&mut [0; 2]).await.unwrap();
    let long = "x".repeat(MAX_PAYLOAD + 1);
    for n in 0..3 * MAX_REQUESTS {
        let asking = near.peer.clone();
        let request = tokio::spawn(async move { asking.request("clock", "").await });
        let mut header = [0; 21];
        from.read_exact(&mut header).await.unwrap();
        assert_eq!((&header[..1], &header[5..]), (&b"r"[..], &b"005clock00000000"[..]));
        let id = std::str::from_utf8(&header[1..5]).unwrap();
        let (result, expected) = match n % 3 {
            0 => (format!("S{id}00000002hi"), Err("too long, or in parts".into())),
            1 => (format!("R{id}{:08x}{long}", long.len()), Err("too long, or in parts".into())),
            _ => (format!("R{id}00000002hi"), Ok(b"hi".into())),
        };
        to.write_all(result.as_bytes()).await.unwrap();
        assert_eq!(request.await.unwrap(), expected);
    }
}

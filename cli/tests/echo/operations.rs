//! The operations of the server beside `echo`.

use super::*;

/// What the server says to one request in a conversation that goes on.
#[track_caller]
fn answer(request: &str, want: &str) {
    let mut peer = Server::start().ready();
    peer.say(request);
    peer.hears(want);
    peer.is_served();
}

#[test]
fn upper_takes_json() {
    let (small, large) = ("\"smörgås <&> 1\"", "\"SMÖRGÅS <&> 1\"");
    let request = format!("r0001005upper{:08x}{small}", small.len());
    answer(&request, &format!("R0001{:08x}{large}", large.len()));
    answer("r0001005upper00000002\"\"", "R000100000002\"\"");
    for no_string in ["", "1", "\"a", "{}"] {
        let request = format!("r0001005upper{:08x}{no_string}", no_string.len());
        answer(&request, "E000100000019unexpected parameter type");
    }
}

#[test]
fn fail_and_panic_are_errors() {
    answer("r0001004fail00000003abc", "E000100000004boom");
    answer("r0001005panic00000000", "E000100000004boom");
}

#[test]
fn some_names_are_operations() {
    for name in ["n", "blåbär", "日本語", "🚀🚀", &"a".repeat(255)] {
        let len = name.len();
        answer(&format!("r0001{len:03x}{name}00000001x"), &format!("R0001{len:08x}{name}"));
    }
}

/// The later asked, the earlier answered.
#[test]
fn slow_answers_overtake_each_other() {
    let mut peer = Server::start().ready();
    peer.say("r0001004slow000000041000r0002004slow00000003500r0003004slow000000010");
    peer.hears("R0003000000010R000200000003500R0001000000041000");
    peer.is_served();
}

#[test]
fn slow_wants_a_number() {
    let mut peer = Server::start().ready();
    peer.say("r0001004slow00000004soon");
    peer.hears("E0001");
    answer("r0001004slow00000002-5", "R000100000002-5");
}

/// An answer that is due waits until the payload before it is complete.
#[test]
fn nothing_gets_into_a_payload() {
    let server = Server::start();
    let mut peer = server.ready();
    peer.say("r0001004slow0000000250r0002007limited00000001xr0003004echo0000000ahello");
    peer.hears("R00030000000ahello");
    let mut clock = server.ready();
    clock.say("r0001004slow00000003300");
    clock.hears("R000100000003300"); // by now both were due to the other peer too
    peer.say("world");
    peer.hears("worldR00010000000250R000200000001x");
    peer.is_served();
}

/// It waits no longer than that, though the next payload has begun by then.
#[test]
fn what_a_payload_holds_up_comes_after_it() {
    let mut peer = Server::start().ready();
    for _ in 0..3 {
        peer.say("r0001004slow000000010r0002004echo00000005he");
        peer.hears("R000200000005he");
        peer.say("llor0003004echo00000005he");
        peer.hears("lloR0001000000010R000300000005he");
        peer.say("llo");
        peer.hears("llo");
    }
}

#[test]
fn limited_answers_get_a_retry_result_above_the_limit() {
    let server = Server::with(Limits { requests: 2, ..quiet() });
    let mut peer = server.ready();
    peer.say("r0001007limited00000001ar0002007limited00000001br0003007limited00000001c");
    peer.say("r0004004echo00000001d");
    let busy = "000003e800000012request rate limit";
    peer.hears(&format!("e0003{busy}e0004{busy}R000100000001aR000200000001b"));
    peer.say("r0005007limited00000001e");
    peer.hears("R000500000001e");
}

#[test]
fn no_streams_are_taken_where_none_are_allowed() {
    let mut limits = quiet();
    limits.settings.streams = 0;
    let mut peer = Server::with(limits).ready();
    peer.say("s0001004echo00000001xp000100000001yp000100000000");
    peer.hears("E00010000000ano streams");
    peer.is_served();
}

/// The server asks the client: its id.
#[track_caller]
fn hears_a_callback(peer: &mut Peer, payload: &str) -> String {
    peer.hears("r");
    let id = (0..4).map(|_| peer.hears_a_byte()).collect();
    peer.hears(&format!("00bclient-echo{:08x}{payload}", payload.len()));
    id
}

/// What the client says is the answer, whatever that is.
#[test]
fn callback_asks_the_client() {
    let mut peer = Server::start().ready();
    let mut ids = Vec::new();
    for (kind, said, answer) in [
        ("R", "00000005hello", "R000100000005hello"),
        ("R", "00000000", "R000100000000"),
        ("E", "00000004oops", "E000100000004oops"),
        ("S", "00000004part", "E00010000001dunexpected streaming response"),
        ("S", "00000000", "E00010000001dunexpected streaming response"),
    ] {
        peer.say("r0001008callback00000003abc");
        let id = hears_a_callback(&mut peer, "abc");
        peer.say(format!("{kind}{id}{said}"));
        peer.hears(answer);
        peer.say(format!("S{id}00000001xR{id}00000001x")); // nobody waits for these
        peer.is_served();
        assert!(!ids.contains(&id), "{id} again");
        ids.push(id);
    }
    // It is asked again as often as it wants to be.
    peer.say("r0001008callback00000003abc");
    for _ in 0..3 {
        let id = hears_a_callback(&mut peer, "abc");
        peer.say(format!("e{id}0000000100000004busy"));
    }
    let id = hears_a_callback(&mut peer, "abc");
    peer.say(format!("R{id}00000002ok"));
    peer.hears("R000100000002ok");
}

#[test]
fn callbacks_are_kept_apart_and_bounded() {
    let mut peer = Server::start().ready();
    let mut ids = Vec::new();
    for i in 0..32 {
        peer.say(format!("r01{i:02}008callback00000002{i:02}"));
        ids.push(hears_a_callback(&mut peer, &format!("{i:02}")));
    }
    peer.say("r0200008callback00000000");
    peer.hears("e0200000003e800000012too many callbacks");
    for (i, id) in ids.iter().enumerate().rev() {
        peer.say(format!("R{id}00000002{i:02}"));
        peer.hears(&format!("R01{i:02}00000002{i:02}"));
    }
    // Streams that never end take no room either.
    for _ in 0..40 {
        peer.say("r0200008callback00000000");
        let id = hears_a_callback(&mut peer, "");
        peer.say(format!("S{id}00000001x"));
        peer.hears("E02000000001dunexpected streaming response");
    }
    peer.is_served();
}

/// A client that does not answer does not hold up what it has asked for.
#[test]
fn callbacks_do_not_wait_for_ever() {
    let mut limits = quiet();
    limits.settings.answer_ms = Some(100);
    let mut peer = Server::with(limits).ready();
    peer.say("r0001008callback00000000");
    hears_a_callback(&mut peer, "");
    peer.hears("E000100000019no answer from the client");
    peer.is_served();
}

#[test]
fn notify_me_notifies_and_answers() {
    answer("r0001009notify-me00000002hi", "n008greeting00000002hiR000100000000");
    answer("r0001009notify-me00000000", "n008greeting00000000R000100000000");
}

#[test]
fn close_me_closes_without_a_word() {
    let server = Server::start();
    let mut peer = server.ready();
    peer.say("r0001004echo00000002hir0002008close-me00000000r0003004echo00000002hi");
    assert_eq!(peer.hears_to_the_end(), "R000100000002hi");
    server.ready().is_served();
}

#[test]
fn abort_closes_with_a_code() {
    let server = Server::start();
    for (code, want) in [("0", "f00000000"), ("3", "f00000003"), ("2147483647", "f7fffffff")] {
        let mut peer = server.ready();
        peer.say(format!("r0001005abort{:08x}{code}r0002004echo00000002hi", code.len()));
        assert_eq!(peer.hears_to_the_end(), want);
    }
    for code in ["", "-1", "2147483648", "x"] {
        let request = format!("r0001005abort{:08x}{code}", code.len());
        answer(&request, "E00010000001athe payload must be a code");
    }
}

#[test]
fn streams_are_echoed_under_two_names() {
    answer(
        "s000100bstream-echo00000002hip000100000005therep000100000000",
        "S000100000002hiS000100000005thereS000100000000",
    );
}

#[test]
fn stream_join_joins() {
    answer(
        "s000100bstream-join00000004one p000100000004two p000100000005threep000100000000",
        "S00010000000done two threeS000100000000",
    );
    answer("s000100bstream-join00000000p000100000000", "S000100000000");
}

/// The parts come at once, the end not before that of the request.
#[test]
fn stream_count_counts() {
    let mut peer = Server::start().ready();
    peer.say("s000100cstream-count0000000212");
    for i in 1..=12 {
        let text = i.to_string();
        peer.hears(&format!("S0001{:08x}{text}", text.len()));
    }
    peer.say("p000100000007ignored");
    peer.is_served();
    peer.say("p000100000000");
    peer.hears("S000100000000");
    answer("s000100cstream-count000000010p000100000000", "S000100000000");
    let mut peer = Server::start().ready();
    peer.say("s000100cstream-count00000001x");
    peer.hears("E0001");
}

/// Far more than fits into any buffer: nothing is kept, and others are served meanwhile.
#[test]
fn stream_count_waits_for_the_reader() {
    let server = Server::start();
    let mut peer = server.ready();
    peer.say("s000100cstream-count000000071000000p000100000000");
    let mut good = server.ready();
    good.is_served();
    for i in 1..=1_000_000_u32 {
        if i % 1000 != 0 {
            let mut part = [0; 13 + 7];
            let len = 13 + i.to_string().len();
            peer.0.read_exact(&mut part[..len]).unwrap();
        } else {
            peer.hears(&format!("S0001{:08x}{i}", i.to_string().len()));
        }
    }
    peer.hears("S000100000000");
    good.is_served();
}

#[test]
fn stream_fail_fails_after_a_part() {
    answer(
        "s000100bstream-fail00000001xp000100000001yp000100000000",
        "S000100000007partialE000100000004boom",
    );
}

#[test]
fn an_operation_takes_one_kind_of_request() {
    for op in ["upper", "slow", "fail", "close-me"] {
        let request = format!("s0001{:03x}{op}00000000", op.len());
        let text = format!("unknown operation \"{op}\"");
        answer(&request, &format!("E0001{:08x}{text}", text.len()));
    }
}

/// What is to be kept is bounded, whether it comes in one message or in many.
#[test]
fn bounds_what_is_kept() {
    let server = Server::start();
    let mut peer = server.ready();
    let half = "x".repeat(128 << 10);
    peer.say(format!("r0001007limited{:08x}{half}{half}!", 2 * half.len() + 1));
    peer.hears("E000100000010too much to keep");
    peer.say(format!("s000200bstream-join{0:08x}{half}p0002{0:08x}{half}", half.len()));
    peer.say("p000200000001!p000200000000");
    peer.hears("E000200000010too much to keep");
    peer.is_served();
}

#[test]
fn an_idle_client_can_be_sent_away() {
    let server = Server::with(bounded(|limits| limits.idle = 1000));
    assert_eq!(server.ready().hears_to_the_end(), "f00000003");
    server.logs("nothing came in time");
}

#[test]
fn another_version_can_be_spoken() {
    let server = Server::with(Limits { version: Some(*b"02"), ..quiet() });
    assert_eq!(server.answers("01r0001004echo00000002hi"), "02R000100000002hi");
}

/// Echoes of all sizes, each in two pieces, and answers that are due meanwhile: whatever the
/// buffers hold, no message gets into another.
#[test]
fn keeps_messages_whole() {
    let mut peer = Server::start().ready();
    let mut writer = peer.0.try_clone().unwrap();
    let size = |i: usize| i * 97;
    let writing = thread::spawn(move || {
        for i in 0..200 {
            let payload = "x".repeat(size(i));
            let (start, rest) = payload.split_at(size(i) / 3);
            write!(writer, "r{:04}004slow000000011", 1000 + i).unwrap();
            write!(writer, "r{i:04}004echo{:08x}{start}", size(i)).unwrap();
            thread::sleep(Duration::from_millis(2));
            writer.write_all(rest.as_bytes()).unwrap();
        }
    });
    let (mut echoes, mut slow) = (0, 0);
    while echoes < 200 || slow < 200 {
        let mut id = [0; 5];
        peer.0.read_exact(&mut id).unwrap();
        let id = std::str::from_utf8(&id).unwrap();
        let Some(id) = id.strip_prefix("R") else { panic!("{id} after {echoes} and {slow}") };
        let mut payload = vec![0; peer.hears_a_number(8) as usize];
        peer.0.read_exact(&mut payload).unwrap();
        match id.parse::<usize>().unwrap() {
            1000.. => {
                assert_eq!(payload, b"1");
                slow += 1;
            }
            i => {
                assert_eq!(i, echoes);
                assert_eq!(payload, "x".repeat(size(i)).as_bytes());
                echoes += 1;
            }
        }
    }
    writing.join().unwrap();
    peer.is_served();
}

/// More in one go than is read at once, and ends of messages at the ends of reads.
#[test]
fn loses_nothing_between_two_reads() {
    let server = Server::start();
    for size in [16_383, 16_384, 16_385, 50_000] {
        let mut peer = server.ready();
        let payload = "y".repeat(size - 20);
        let requests = format!("r0001004echo{:08x}{payload}", payload.len()).repeat(5);
        let mut writer = peer.0.try_clone().unwrap();
        let writing = thread::spawn(move || writer.write_all(requests.as_bytes()));
        for _ in 0..5 {
            peer.hears(&format!("R0001{:08x}{payload}", payload.len()));
        }
        writing.join().unwrap().unwrap();
        peer.is_served();
    }
}

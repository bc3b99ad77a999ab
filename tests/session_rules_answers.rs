//! Section 10 of PROTOCOL.md by its rules: requests of the peer's (10.7), their parts (10.8)
//! and their answers (10.9).

#[path = "support/talk.rs"]
mod talk;

use std::sync::Mutex;

use gotalk::{
    Announced, Assembler, Incoming, Name, Received, RequestId, Session, SessionError, Settings,
    WriteError, Writer,
};
use talk::{End, STREAMS, with_each_reader};

/// The same for a peer that does not know retry results.
const NO_RETRY: Settings = Settings { retry_after_ms: None, ..STREAMS };

/// Reads the peer's version, and writes ours.
fn open<const OUT: usize, const IN: usize>(end: &mut End<OUT, IN>) {
    assert_eq!(end.hear(0, "01"), [Received::Opened]);
    end.writes(0, "01");
}

#[test]
fn rule_10_07_a_request_takes_a_slot_until_it_is_answered() {
    with_each_reader(STREAMS, |mut end: End<0, 3>| {
        open(&mut end);
        let said = end.hear(0, "r0007004echo00000002his\0\0\0\x01002up00000000sABCD002up00000001x");
        let [
            Received::Request { request: first, op: echo, payload: "hi" },
            Received::StreamRequest { request: second, op: up, payload: "" },
            Received::StreamRequest { request: third, op: other, payload: "x" },
        ] = said[..]
        else {
            panic!("{said:?}");
        };
        assert_eq!([echo, up, other].map(Name::as_bytes), [b"echo".as_slice(), b"up", b"up"]);
        assert_eq!([first, second, third].map(Incoming::index), [0, 1, 2]);
        let ids = [*b"0007", [0, 0, 0, 1], *b"ABCD"].map(RequestId::new);
        assert_eq!([first, second, third].map(Incoming::id), ids);
        assert!(!end.session.is_idle());
        assert_eq!(end.hear(0, "r0008004echo00000002hi"), []);
        assert_eq!(end.sent(), "e0008000001f400000004busy");
        // The place of the second is the only one that is free.
        end.respond(second, "ok").unwrap();
        assert_eq!(end.sent(), r"R\x00\x00\x00\x0100000002ok");
        let fourth = end.asked(0, "r0009004echo00000000");
        assert_eq!((fourth.index(), fourth.id()), (1, (*b"0009").into()));
        assert_eq!(end.hear(0, "sABCE002up00000002hi"), []);
        assert_eq!(end.sent(), "eABCE000001f400000004busy");
        for request in [first, third, fourth] {
            assert!(!end.session.is_idle());
            end.respond(request, "").unwrap();
        }
        assert!(end.session.is_idle());
        assert_eq!(end.sent(), "R000700000000RABCD00000000R000900000000");
    });
}

#[test]
fn rule_10_07_the_settings_say_how_a_request_without_room_is_refused() {
    for (retry_after_ms, text) in [
        (Some(0), "e00070000000000000004busy"),
        (Some(1), "e00070000000100000004busy"),
        (Some(500), "e0007000001f400000004busy"),
        (Some(u32::MAX), "e0007ffffffff00000004busy"),
        (None, "E000700000004busy"),
    ] {
        let settings = Settings { retry_after_ms, ..STREAMS };
        with_each_reader(settings, |mut end: End<8, 1>| {
            open(&mut end);
            end.asked(0, "r0001004held00000000");
            for input in ["r0007004echo00000002hi", "s0007002up00000002hi"] {
                assert_eq!(end.hear(0, input), []);
                assert_eq!(end.sent(), text);
            }
        });
        // Without any slot, a later time would be no better.
        with_each_reader(settings, |mut end: End<8, 0>| {
            open(&mut end);
            for input in ["r0007004echo00000002hi", "s0007002up00000002hi"] {
                assert_eq!(end.hear(0, input), []);
                assert_eq!(end.sent(), "E000700000004busy");
                assert!(end.session.is_idle());
            }
        });
    }
}

#[test]
fn rule_10_07_streams_beyond_the_setting_are_refused() {
    let settings = Settings { streams: 2, ..STREAMS };
    with_each_reader(settings, |mut end: End<0, 4>| {
        open(&mut end);
        let one = end.asked(0, "s0001002up00000000");
        let two = end.asked(0, "s0002002up00000000");
        assert_eq!(end.hear(0, "s0003002up00000001xp000300000001xp000300000000"), []);
        assert_eq!(end.sent(), "e0003000001f400000004busy");
        // Single requests have the other slots.
        end.asked(0, "r0004002up00000000");
        end.asked(0, "r0005002up00000000");
        // A stream counts until it is answered, not until its last part.
        assert_eq!(end.hear(0, "p000100000000"), [Received::RequestEnd { request: one }]);
        end.respond_part(two, "x").unwrap();
        assert_eq!(end.hear(0, "s0006002up00000000"), []);
        assert_eq!(end.sent(), "S000200000001xe0006000001f400000004busy");
        end.respond_end(two).unwrap();
        let six = end.asked(0, "s0006002up00000000");
        assert_eq!(six.index(), two.index());
        assert_eq!(end.sent(), "S000200000000");
    });
}

#[test]
fn rule_10_07_without_streams_each_of_them_is_at_fault() {
    for settings in [STREAMS, NO_RETRY] {
        let settings = Settings { streams: 0, ..settings };
        with_each_reader(settings, |mut end: End<0, 1>| {
            open(&mut end);
            for drained in [false, true] {
                if drained {
                    end.asked(0, "r0001004echo00000000");
                    end.session.drain();
                }
                assert_eq!(end.hear(0, "s0002002up00000003onep000200000000"), []);
                assert_eq!(end.sent(), "E00020000000ano streams");
            }
        });
    }
}

#[test]
fn rule_10_07_a_name_too_long_is_answered_and_takes_no_slot() {
    for settings in [STREAMS, NO_RETRY] {
        with_each_reader(settings, |mut end: End<0, 1>| {
            open(&mut end);
            for input in ["r0007009ninebytes00000002hi", "s0007009ninebytes00000002hi"] {
                assert_eq!(end.hear(0, input), []);
                assert_eq!(end.sent(), "E000700000008too long");
                assert!(end.session.is_idle());
            }
            // Nobody waits for the answer to a notification.
            assert_eq!(end.hear(0, "n009ninebytes00000002hip000700000001x"), []);
            let said = end.hear_one(0, "r0008008eightbyt00000000");
            assert!(matches!(said, Received::Request { op, .. } if op == "eightbyt"), "{said:?}");
            assert_eq!(end.sent(), "");
        });
    }
}

#[test]
fn rule_10_07_a_payload_too_long_is_answered_and_takes_no_slot() {
    let just = "0123456789abcdef0123456789abcdef";
    let long = "0123456789abcdef0123456789abcdef!";
    for settings in [STREAMS, NO_RETRY] {
        with_each_reader(settings, |mut end: End<0, 2>| {
            open(&mut end);
            let log = end.hear(0, format!("n003log00000021{long}"));
            if !end.assembles() {
                // A parser takes payloads of any length.
                let name = "log".into();
                assert_eq!(log, [Received::Notification { name, payload: long }]);
                return;
            }
            assert_eq!(log, []);
            let said = end.hear_one(0, format!("r0006001x00000020{just}"));
            let Received::Request { request, payload, .. } = said else { panic!("{said:?}") };
            assert_eq!(payload, just);
            for input in ["r0007004echo00000021", "s0007002up00000021"] {
                assert_eq!(end.hear(0, format!("{input}{long}")), []);
                assert_eq!(end.sent(), "E000700000008too long");
            }
            assert_eq!(end.hear(0, "p000700000001xp000700000000"), []);
            end.respond(request, "").unwrap();
            assert!(end.session.is_idle());
            assert_eq!(end.sent(), "R000600000000");
        });
    }
}

#[test]
fn rule_10_07_a_part_too_long_ends_the_request() {
    let long = "p000700000021".to_owned() + "0123456789abcdef0123456789abcdef!";
    with_each_reader(STREAMS, |mut end: End<0, 1>| {
        if !end.assembles() {
            return;
        }
        open(&mut end);
        assert_eq!(end.hear(0, &long), []);
        for parts_written in [false, true] {
            let request = end.asked(0, "s0007002up00000000");
            if parts_written {
                end.respond_part(request, "x").unwrap();
                assert_eq!(end.sent(), "S000700000001x");
            }
            assert_eq!(end.hear(0, &long), [Received::RequestTooLong { request }]);
            assert_eq!(end.sent(), "E000700000008too long");
            assert!(end.session.is_idle());
            assert_eq!(end.respond(request, "x"), Err(SessionError::Over));
            assert_eq!(end.hear(0, format!("{long}p000700000001xp000700000000")), []);
            assert_eq!(end.sent(), "");
        }
        // Nor is it a fault when the stream has ended, or was never one.
        let request = end.asked(0, "s0007002up00000000");
        assert_eq!(end.hear(0, format!("p000700000000{long}")).len(), 1);
        end.respond(request, "").unwrap();
        end.asked(0, "r0007002up00000000");
        assert_eq!(end.hear(0, &long), []);
        assert_eq!(end.sent(), "R000700000000");
    });
}

#[test]
fn rule_10_07_up_to_65_535_requests_wait_for_an_answer() {
    static SESSION: Mutex<Session<0, 65_535>> = Mutex::new(Session::new(STREAMS));
    let mut session = SESSION.lock().unwrap();
    let mut assembler = Assembler::<0, 8>::new().without_handshake();
    let mut buffer = [0; 32];
    let mut writer = Writer::new(&mut buffer);
    assert_eq!(session.poll(0, &mut writer), Ok(None));
    let mut receive = |number: u32, writer: &mut Writer<'_>| {
        let input = [b"r".as_slice(), &number.to_be_bytes(), b"001x00000000"].concat();
        let mut items = assembler.feed(&input);
        match session.receive(0, items.next().unwrap().unwrap(), writer).unwrap() {
            Received::Request { request, .. } => Some(request),
            Received::Handled => None,
            other => panic!("{other:?}"),
        }
    };
    let mut requests: Vec<Incoming> = Vec::new();
    for number in 0..65_535 {
        let request = receive(number, &mut writer).unwrap();
        assert_eq!(request.index(), number as usize);
        requests.push(request);
    }
    writer.clear();
    assert_eq!(receive(65_535, &mut writer), None);
    assert_eq!(writer.as_bytes(), b"e\x00\x00\xff\xff000001f400000004busy");
    // In an order that has nothing to do with theirs: 7,919 and 65,535 have no common factor.
    for count in 0..65_535 {
        let request = requests[count * 7_919 % 65_535];
        assert!(!session.is_idle());
        writer.clear();
        session.respond(&mut writer, request, "").unwrap();
        let answer = [b"R".as_slice(), request.id().as_bytes(), b"00000000"].concat();
        assert_eq!(writer.as_bytes(), answer);
        assert_eq!(session.respond(&mut writer, request, ""), Err(SessionError::Over));
    }
    assert!(session.is_idle());
}

#[test]
fn rule_10_08_a_part_goes_to_the_open_stream_with_its_id() {
    with_each_reader(STREAMS, |mut end: End<0, 4>| {
        open(&mut end);
        let one = end.asked(0, "s0001002up00000001a");
        let single = end.asked(0, "r0002002up00000001a");
        let three = end.asked(0, "s0003002up00000000");
        let said = end.hear(
            0,
            "p000300000001bp000200000001cp000100000001dp000300000001ep000300000000p000100000001f",
        );
        let parts = [
            Received::RequestPart { request: three, payload: "b" },
            Received::RequestPart { request: one, payload: "d" },
            Received::RequestPart { request: three, payload: "e" },
            Received::RequestEnd { request: three },
            Received::RequestPart { request: one, payload: "f" },
        ];
        assert_eq!(said, parts);
        for request in [three, single, one] {
            end.respond(request, "").unwrap();
        }
        assert_eq!(end.sent(), "R000300000000R000200000000R000100000000");
    });
}

#[test]
fn rule_10_08_other_parts_are_dropped_with_their_payloads() {
    with_each_reader(STREAMS, |mut end: End<1, 1>| {
        open(&mut end);
        // Of a stream that was never there; of one that was refused; of a single request.
        assert_eq!(end.hear(0, "p000100000005hello"), []);
        assert_eq!(end.hear(0, "p000100000000"), []);
        let single = end.asked(0, "r0001002up00000000");
        assert_eq!(end.hear(0, "p000100000001xp000100000000"), []);
        assert_eq!(end.hear(0, "s0002002up00000000"), []);
        assert_eq!(end.hear(0, "p000200000001xp000200000000"), []);
        assert_eq!(end.sent(), "e0002000001f400000004busy");
        end.respond(single, "").unwrap();
        // Of one that has ended, and of one that was answered before its end.
        let stream = end.asked(0, "s0003002up00000000");
        let ended = Received::RequestEnd { request: stream };
        assert_eq!(end.hear(0, "p000300000000p000300000001xp000300000000"), [ended]);
        end.respond(stream, "").unwrap();
        let stream = end.asked(0, "s0003002up00000000");
        end.respond_error(stream, "no").unwrap();
        let log = Received::Notification { name: "log".into(), payload: "hi" };
        assert_eq!(end.hear(0, "p000300000001xn003log00000002hip000300000000"), [log]);
        // An id of ours is none of the peer's.
        let ours = end.session.clone().request(0, &mut Writer::new(&mut [0; 32]), "x", "");
        assert_eq!(ours.unwrap().id(), (*b"0000").into());
        assert_eq!(end.hear(0, "p000000000001x"), []);
        assert_eq!(end.sent(), "R000100000000R000300000000E000300000002no");
    });
}

/// Each complete answer, with what is written.
type Answer = fn(&mut End<0, 1>, Incoming) -> Result<(), SessionError>;

const ANSWERS: [(Answer, &str); 11] = [
    (|end, request| end.respond(request, "hi"), "R000700000002hi"),
    (|end, request| end.respond(request, ""), "R000700000000"),
    (|end, request| end.respond(request, Announced(0)), "R000700000000"),
    (|end, request| end.respond(request, Announced(u32::MAX)), "R0007ffffffff"),
    (|end, request| end.respond(request, format_args!("{}", 42)), "R00070000000242"),
    (|end, request| end.respond_end(request), "S000700000000"),
    (|end, request| end.respond_error(request, "no"), "E000700000002no"),
    (|end, request| end.respond_error(request, ""), "E000700000000"),
    (|end, request| end.respond_retry(request, 0, ""), "e00070000000000000000"),
    (|end, request| end.respond_retry(request, 5_000, "no"), "e00070000138800000002no"),
    (|end, request| end.respond_retry(request, u32::MAX, "no"), "e0007ffffffff00000002no"),
];

/// A request of each kind: single, a stream that goes on, a stream that has ended.
const REQUESTS: [&str; 3] =
    ["r0007004echo00000002hi", "s0007002up00000000", "s0007002up00000001xp000700000000"];

fn asked(end: &mut End<0, 1>, input: &str) -> Incoming {
    match end.hear(0, input)[0] {
        Received::Request { request, .. } | Received::StreamRequest { request, .. } => request,
        other => panic!("{other:?}"),
    }
}

#[test]
fn rule_10_09_one_answer_and_then_the_slot_is_free() {
    for (answer, text) in ANSWERS {
        for input in REQUESTS {
            with_each_reader(STREAMS, |mut end| {
                open(&mut end);
                let request = asked(&mut end, input);
                answer(&mut end, request).unwrap();
                assert_eq!(end.sent(), text);
                assert!(end.session.is_idle());
                // Twice is over, also when another request has the slot and the id.
                for other in [None, Some(REQUESTS[0])] {
                    let other = other.map(|other| asked(&mut end, other));
                    for (answer, _) in ANSWERS {
                        assert_eq!(answer(&mut end, request), Err(SessionError::Over));
                    }
                    assert_eq!(end.respond_part(request, "x"), Err(SessionError::Over));
                    assert_eq!(end.sent(), "");
                    assert_eq!(end.session.is_idle(), other.is_none());
                    assert_ne!(other, Some(request));
                }
            });
        }
    }
}

#[test]
fn rule_10_09_parts_are_followed_by_their_end_or_an_error_and_not_by_a_whole_result() {
    let mut followed = 0;
    for (answer, text) in ANSWERS {
        for input in REQUESTS {
            with_each_reader(STREAMS, |mut end| {
                open(&mut end);
                let request = asked(&mut end, input);
                end.respond_part(request, "a").unwrap();
                end.respond_part(request, format_args!("{}", 'b')).unwrap();
                end.respond_part(request, Announced(0xffff)).unwrap();
                let parts = "S000700000001aS000700000001bS00070000ffff";
                assert_eq!(end.sent(), parts);
                let result = answer(&mut end, request);
                if text.starts_with('R') {
                    assert_eq!(result, Err(SessionError::Parts));
                    assert_eq!(end.sent(), "");
                    end.respond_end(request).unwrap();
                    assert_eq!(end.sent(), "S000700000000");
                } else {
                    assert_eq!((result, end.sent().as_str()), (Ok(()), text));
                }
                assert!(end.session.is_idle());
                assert_eq!(end.respond_end(request), Err(SessionError::Over));
            });
            followed += usize::from(!text.starts_with('R'));
        }
    }
    assert_eq!(followed, 18);
}

#[test]
fn rule_10_09_an_empty_part_is_refused_and_begins_nothing() {
    with_each_reader(STREAMS, |mut end: End<0, 1>| {
        open(&mut end);
        let request = end.asked(0, "r0007004echo00000000");
        let empty = Err(SessionError::Write(WriteError::EmptyPart));
        assert_eq!(end.respond_part(request, ""), empty);
        assert_eq!(end.respond_part(request, Announced(0)), empty);
        assert_eq!(end.respond_part(request, format_args!("")), empty);
        end.respond(request, "hi").unwrap();
        assert_eq!(end.sent(), "R000700000002hi");
    });
}

#[test]
fn rule_10_09_the_slot_is_free_while_the_peer_is_still_sending() {
    with_each_reader(STREAMS, |mut end: End<0, 1>| {
        open(&mut end);
        let first = end.asked(0, "s0007002up00000001a");
        end.respond(first, "enough").unwrap();
        let second = end.asked(0, "s0008002up00000001b");
        assert_eq!(second.index(), first.index());
        let part = Received::RequestPart { request: second, payload: "d" };
        assert_eq!(end.hear(0, "p000700000001cp000800000001dp000700000000"), [part]);
        end.respond(second, "").unwrap();
        assert_eq!(end.sent(), "R000700000006enoughR000800000000");
    });
}

#[test]
fn rule_10_09_a_retry_is_an_error_for_a_peer_that_does_not_know_it() {
    for settings in [NO_RETRY, Settings::BROWSER] {
        with_each_reader(settings, |mut end: End<0, 1>| {
            open(&mut end);
            let request = end.asked(0, "r0007004echo00000000");
            end.respond_retry(request, 5_000, "later").unwrap();
            assert_eq!(end.respond_retry(request, 0, ""), Err(SessionError::Over));
            assert_eq!(end.sent(), "E000700000005later");
        });
    }
}

//! Section 10 of PROTOCOL.md by its rules: results (10.4), and when a request of ours is over
//! (10.5).

#[path = "support/talk.rs"]
mod talk;

use gotalk::{Announced, Due, Outgoing, Received, SessionError, Settings, WriteError};
use talk::{End, STREAMS, Said, with_each_reader};

const SETTINGS: Settings = Settings { answer_ms: Some(1_000), ..STREAMS };

/// Each way to answer the request `0000`, and what the session says of it.
fn results(request: Outgoing) -> Vec<(&'static str, Vec<Said>)> {
    use Received::{ErrorResult, Result, ResultEnd, ResultPart, RetryResult};
    let part = ResultPart { request, payload: "hi" };
    vec![
        ("R000000000002hi", vec![Result { request, payload: "hi" }]),
        ("R000000000000", vec![Result { request, payload: "" }]),
        ("S000000000000", vec![ResultEnd { request }]),
        (
            "S000000000002hiS000000000001xS000000000000",
            vec![part, ResultPart { request, payload: "x" }, ResultEnd { request }],
        ),
        ("E000000000002no", vec![ErrorResult { request, payload: "no" }]),
        ("S000000000002hiE000000000000", vec![part, ErrorResult { request, payload: "" }]),
        (
            "e00000000138800000004busy",
            vec![RetryResult { request, wait_ms: 5_000, payload: "busy" }],
        ),
        (
            "S000000000002hie0000ffffffff00000000",
            vec![part, RetryResult { request, wait_ms: u32::MAX, payload: "" }],
        ),
        // Not allowed after a part, but it is an end.
        ("S000000000002hiR000000000001x", vec![part, Result { request, payload: "x" }]),
    ]
}

/// The ways to make a request: whole, in parts that go on, in parts that have ended.
const KINDS: [fn(&mut End<2, 1>) -> Outgoing; 3] = [
    |end| end.request(0, "echo", "hi").unwrap(),
    |end| end.stream_request(0, "up", "hi").unwrap(),
    |end| {
        let request = end.stream_request(0, "up", "").unwrap();
        end.request_end(0, request).unwrap();
        request
    },
];

/// Makes a request, `0000`, of each kind, with each reader.
fn with_each_kind(test: impl Fn(&mut End<2, 1>, Outgoing)) {
    for make in KINDS {
        with_each_reader(SETTINGS, |mut end| {
            let request = make(&mut end);
            assert_eq!(end.hear(0, "01"), [Received::Opened]);
            end.sent();
            test(&mut end, request);
        });
    }
}

#[test]
fn rule_10_04_any_kind_of_result_answers_any_kind_of_request() {
    for way in 0..9 {
        with_each_kind(|end, request| {
            let (input, says) = &results(request)[way];
            assert!(!end.session.is_idle());
            assert_eq!(end.hear(1, input), *says);
            assert!(end.session.is_idle());
            // Once more, it is a result that nobody waits for.
            assert_eq!(end.hear(1, input), []);
            assert_eq!(end.sent(), "");
        });
    }
}

#[test]
fn rule_10_04_results_go_to_their_requests_in_any_order() {
    with_each_reader(SETTINGS, |mut end: End<4, 0>| {
        let requests = [0, 1, 2, 3].map(|_| end.request(0, "x", "").unwrap());
        let input = "01S000200000001aR000000000001bS000300000001cS000200000001dE000100000001e\
                     S000300000000S000200000000";
        let said = [
            Received::Opened,
            Received::ResultPart { request: requests[2], payload: "a" },
            Received::Result { request: requests[0], payload: "b" },
            Received::ResultPart { request: requests[3], payload: "c" },
            Received::ResultPart { request: requests[2], payload: "d" },
            Received::ErrorResult { request: requests[1], payload: "e" },
            Received::ResultEnd { request: requests[3] },
            Received::ResultEnd { request: requests[2] },
        ];
        assert_eq!(end.hear(0, input), said);
        assert!(end.session.is_idle());
    });
}

#[test]
fn rule_10_04_results_that_nobody_asked_for_are_dropped_with_their_payloads() {
    with_each_kind(|end, request| {
        let ids = [
            // The other slot, these slots later, and no ids of a session at all.
            b"0001",
            b"0002",
            b"0003",
            b"zzzz",
            b"ZZZZ",
            b"000O",
            b" 000",
            b"\0\0\0\0",
            b"\x80\0\0\0",
            b"\x80\0\0\x01",
            b"\x80\x19\xa1\0",
            b"\xff\xff\xff\xff",
        ];
        for id in ids {
            for tail in ["00000000", "00000002hi"] {
                for kind in ["R", "S", "E"] {
                    let input = [kind.as_bytes(), id, tail.as_bytes()].concat();
                    assert_eq!(end.hear(0, input), []);
                }
                let input = [b"e", id.as_slice(), b"00001388", tail.as_bytes()].concat();
                assert_eq!(end.hear(0, input), []);
            }
        }
        assert_eq!(end.sent(), "");
        assert!(end.session.is_open() && !end.session.is_idle());
        let said = Received::Result { request, payload: "ok" };
        assert_eq!(end.hear(0, "R000000000002ok"), [said]);
    });
}

/// The Go package does that when the handler of a stream fails.
#[test]
fn rule_10_04_a_stray_end_after_an_error_is_dropped() {
    with_each_kind(|end, request| {
        let said = end.hear(0, "E000000000002noS000000000000n003log00000001x");
        let log = Received::Notification { name: "log".into(), payload: "x" };
        assert_eq!(said, [Received::ErrorResult { request, payload: "no" }, log]);
    });
}

#[test]
fn rule_10_04_a_late_result_is_none_of_the_next_request_in_the_slot() {
    with_each_reader(SETTINGS, |mut end: End<1, 0>| {
        let first = end.request(0, "x", "").unwrap();
        end.session.forget(first);
        let second = end.request(0, "x", "").unwrap();
        assert_eq!((first.index(), second.index()), (0, 0));
        assert_eq!(end.sent(), "01r0000001x00000000r0001001x00000000");
        let said = end.hear(0, "01R000000000003oldS000000000000R000100000003new");
        let result = Received::Result { request: second, payload: "new" };
        assert_eq!(said, [Received::Opened, result]);
    });
}

#[test]
fn rule_10_04_a_result_too_long_for_the_assembler_ends_its_request() {
    let long = "0123456789abcdef0123456789abcdef!";
    for (input, ends) in
        [("R0000", true), ("S0000", false), ("E0000", true), ("e000000001388", true)]
    {
        with_each_kind(|end, request| {
            let input = format!("{input}00000021{long}");
            // Not in flight, it is dropped like any other.
            assert_eq!(end.hear(0, input.replacen("0000", "0001", 1)), []);
            let said = end.hear_one(0, &input);
            if end.assembles() {
                assert_eq!(said, Received::ResultTooLong { request });
                assert!(end.session.is_idle());
                assert_eq!(end.request_part(0, request, "x"), Err(SessionError::Over));
                assert_eq!(end.hear(0, &input), []);
                assert_eq!(end.hear(0, "S000000000000"), []);
            } else {
                let retry = Received::RetryResult { request, wait_ms: 5_000, payload: long };
                assert!(
                    [
                        Received::Result { request, payload: long },
                        Received::ResultPart { request, payload: long },
                        Received::ErrorResult { request, payload: long },
                        retry,
                    ]
                    .contains(&said)
                );
                assert_eq!(end.session.is_idle(), ends);
            }
            assert_eq!(end.sent(), "");
        });
    }
}

/// Nothing more is written for the request, and nothing more is said of it.
fn is_over(end: &mut End<2, 1>, request: Outgoing) {
    assert!(end.session.is_idle());
    assert_eq!(end.request_part(1_000, request, "x"), Err(SessionError::Over));
    assert_eq!(end.request_part(1_000, request, ""), Err(SessionError::Over));
    assert_eq!(end.request_part(1_000, request, Announced(1)), Err(SessionError::Over));
    assert_eq!(end.request_part(1_000, request, format_args!("x")), Err(SessionError::Over));
    assert_eq!(end.request_end(1_000, request), Err(SessionError::Over));
    end.session.forget(request);
    assert!(end.session.is_idle());
    for (input, _) in results(request) {
        assert_eq!(end.hear(1_000, input), []);
    }
    assert_eq!(end.poll(1_000), []);
    assert_eq!(end.poll(3_000), []);
    assert_eq!(end.sent(), "");
    end.session.disconnected();
    assert_eq!(end.poll(3_000), [Due::Close]);
}

#[test]
fn rule_10_05_a_request_is_over_at_each_kind_of_result() {
    for way in 0..9 {
        with_each_kind(|end, request| {
            let (input, says) = &results(request)[way];
            assert_eq!(end.hear(1, input).len(), says.len());
            is_over(end, request);
        });
    }
}

#[test]
fn rule_10_05_a_request_is_over_at_a_timeout() {
    with_each_kind(|end, request| {
        assert_eq!(end.poll(999), []);
        assert_eq!(end.poll(1_000), [Due::TimedOut(request)]);
        is_over(end, request);
    });
}

#[test]
fn rule_10_05_a_request_is_over_when_it_is_forgotten() {
    with_each_kind(|end, request| {
        end.session.forget(request);
        is_over(end, request);
    });
}

#[test]
fn rule_10_05_a_request_is_over_at_the_end_of_the_conversation() {
    let ends: [fn(&mut End<2, 1>); 4] = [
        |end| assert_eq!(end.hear(1, "f00000000").len(), 1),
        |end| end.session.disconnected(),
        |end| end.session.close(gotalk::ErrorCode::ABNORMAL),
        |end| assert_eq!(end.hear(1, "?"), []),
    ];
    for conversation_ends in ends {
        with_each_kind(|end, request| {
            conversation_ends(end);
            assert_eq!(end.request_part(1, request, "x"), Err(SessionError::Closed));
            assert_eq!(end.request_end(1, request), Err(SessionError::Closed));
            assert_eq!(end.poll(1), [Due::Lost(request), Due::Close]);
            assert_eq!(end.poll(1_000), [Due::Close]);
            assert!(end.session.is_idle());
        });
    }
}

#[test]
fn rule_10_05_a_part_of_the_result_does_not_end_the_request() {
    with_each_reader(SETTINGS, |mut end: End<1, 0>| {
        let request = end.stream_request(0, "up", "a").unwrap();
        end.request_part(0, request, "b").unwrap();
        let part = Received::ResultPart { request, payload: "x" };
        assert_eq!(end.hear(0, "01S000000000001x"), [Received::Opened, part]);
        end.request_part(0, request, format_args!("{}", 'c')).unwrap();
        assert_eq!(end.hear(0, "S000000000001x"), [part]);
        end.request_part(0, request, Announced(0xabc)).unwrap();
        end.request_end(0, request).unwrap();
        assert_eq!(end.hear(0, "S000000000001x"), [part]);
        assert_eq!(end.hear(0, "S000000000000"), [Received::ResultEnd { request }]);
        let all = "01s0000002up00000001ap000000000001bp000000000001cp000000000abcp000000000000";
        assert_eq!(end.sent(), all);
    });
}

#[test]
fn rule_10_05_an_empty_part_is_refused_and_ends_nothing() {
    with_each_reader(SETTINGS, |mut end: End<1, 0>| {
        let request = end.stream_request(0, "up", "a").unwrap();
        let empty = Err(SessionError::Write(WriteError::EmptyPart));
        assert_eq!(end.request_part(0, request, ""), empty);
        assert_eq!(end.request_part(0, request, Announced(0)), empty);
        assert_eq!(end.request_part(0, request, format_args!("")), empty);
        end.request_part(0, request, "b").unwrap();
        assert_eq!(end.sent(), "01s0000002up00000001ap000000000001b");
    });
}

#[test]
fn rule_10_05_a_request_made_whole_or_ended_takes_no_parts() {
    with_each_reader(SETTINGS, |mut end: End<2, 1>| {
        for make in [KINDS[0], KINDS[2]] {
            let request = make(&mut end);
            end.sent();
            assert_eq!(end.request_part(0, request, "x"), Err(SessionError::Parts));
            assert_eq!(end.request_end(0, request), Err(SessionError::Parts));
            assert_eq!(end.sent(), "");
        }
    });
}

#[test]
fn rule_10_05_an_old_handle_never_means_the_new_request() {
    with_each_reader(SETTINGS, |mut end: End<1, 0>| {
        assert_eq!(end.hear(0, "01"), [Received::Opened]);
        let mut old = Vec::new();
        for _ in 0..40 {
            let request = end.stream_request(0, "up", "").unwrap();
            assert!(!old.contains(&request));
            end.sent();
            for &old in &old {
                assert_eq!(end.request_part(0, old, "x"), Err(SessionError::Over));
                assert_eq!(end.request_end(0, old), Err(SessionError::Over));
                end.session.forget(old);
            }
            assert_eq!(end.sent(), "");
            let id = request.id();
            end.request_part(0, request, "x").unwrap();
            assert_eq!(end.sent(), format!("p{id}00000001x"));
            let said = end.hear_one(0, format!("E{id}00000000"));
            assert_eq!(said, Received::ErrorResult { request, payload: "" });
            old.push(request);
        }
    });
}

/// Sixty-four requests that end in every way, some of them twice.
#[test]
fn rule_10_05_every_request_ends_once() {
    with_each_reader(SETTINGS, |mut end: End<64, 0>| {
        assert_eq!(end.hear(0, "01"), [Received::Opened]);
        let requests: Vec<Outgoing> =
            (0..64).map(|now| end.request(now, "x", "").unwrap()).collect();
        let mut ends = [0; 64];
        for (index, request) in requests.iter().enumerate() {
            let id = request.id();
            match index % 8 {
                0 => end.session.forget(*request),
                1..=4 => {
                    let kind = ["R", "S", "E", "e00000000"][index % 8 - 1];
                    let (kind, wait) = kind.split_at(1);
                    for _ in 0..2 {
                        for said in end.hear(100, format!("{kind}{id}{wait}00000000")) {
                            match said {
                                Received::Result { request, .. }
                                | Received::ResultEnd { request }
                                | Received::ErrorResult { request, .. }
                                | Received::RetryResult { request, .. } => {
                                    ends[request.index()] += 1;
                                }
                                other => panic!("{other:?}"),
                            }
                        }
                    }
                }
                // These time out, or are lost.
                _ => {}
            }
        }
        let mut dues = end.poll(1_031);
        // 5, 6 and 7 of each 8 of the first half.
        assert_eq!(dues.len(), 12);
        end.session.disconnected();
        dues.extend(end.poll(1_032));
        assert_eq!(dues.len(), 25);
        for due in dues {
            match due {
                Due::TimedOut(request) | Due::Lost(request) => ends[request.index()] += 1,
                Due::Close => {}
            }
        }
        for (index, ends) in ends.iter().enumerate() {
            assert_eq!(*ends, if index % 8 == 0 { 0 } else { 1 }, "{index}");
        }
    });
}

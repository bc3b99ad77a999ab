//! Section 10 of PROTOCOL.md by its rules: errors of the reader (10.12), the end (10.13),
//! draining (10.14), what a peer cannot do (10.15), and another connection (10.17).

#[path = "support/talk.rs"]
mod talk;

use gotalk::{Due, ErrorCode, Incoming, Outgoing, Received, SessionError, Settings};
use talk::{End, STREAMS, Said, with_each_reader};

/// With time enough for everything here, unless a test waits.
const SETTINGS: Settings = Settings { answer_ms: Some(1_000), silence_ms: Some(25_000), ..STREAMS };

#[test]
fn rule_10_12_an_error_of_the_reader_is_answered_with_its_code() {
    for (input, said, text) in [
        ("00", 0, "f00000001"),
        ("02r0001001x00000000", 0, "f00000001"),
        ("f00000001", 0, "f00000001"),
        ("0x", 0, "f00000002"),
        ("01x", 1, "f00000002"),
        ("01h000g", 1, "f00000002"),
        ("01r00010g", 1, "f00000002"),
        ("01n001x0000000-", 1, "f00000002"),
        ("01n001x00000000R0001+", 2, "f00000002"),
    ] {
        for greeted in [false, true] {
            with_each_reader(SETTINGS, |mut end: End<1, 1>| {
                if greeted {
                    end.writes(0, "01");
                }
                assert_eq!(end.hear(0, input).len(), said);
                // It is `poll` that says so.
                assert_eq!(end.sent(), "");
                assert_eq!(end.poll(0), [Due::Close]);
                assert_eq!(
                    end.sent(),
                    if greeted { text.to_owned() } else { "01".to_owned() + text }
                );
                is_ended(&mut end);
            });
        }
    }
}

#[test]
fn rule_10_12_an_end_in_the_middle_of_a_message_says_nothing() {
    for input in ["", "0", "01", "01r", "01r0001004ech", "01r0001004echo00000002h"] {
        for greeted in [false, true] {
            with_each_reader(SETTINGS, |mut end: End<1, 1>| {
                if greeted {
                    end.writes(0, "01");
                }
                end.hear(0, input);
                end.input_ends();
                assert_eq!(end.poll(0), [Due::Close]);
                is_ended(&mut end);
            });
        }
    }
}

#[test]
fn rule_10_12_close_ends_it_with_a_code_of_the_programs() {
    for code in [0, 1, 2, 3, 4, 0x1234_abcd, u32::MAX] {
        for then in 0..4 {
            with_each_reader(SETTINGS, |mut end: End<1, 1>| {
                assert_eq!(end.hear(0, "01"), [Received::Opened]);
                end.session.close(code.into());
                assert!(!end.session.is_open());
                // The first end is the one that counts, but for that of the transport.
                match then {
                    0 => end.session.close(ErrorCode::new(9)),
                    1 => assert_eq!(end.hear(0, "?"), []),
                    2 => end.session.drain(),
                    _ => end.session.disconnected(),
                }
                assert_eq!(end.poll(0), [Due::Close]);
                let text = if then < 3 { format!("01f{code:08x}") } else { String::new() };
                assert_eq!(end.sent(), text);
                is_ended(&mut end);
                end.session.close(ErrorCode::ABNORMAL);
                is_ended(&mut end);
            });
        }
    }
}

/// Nothing is written any more, and nothing can be asked for.
fn is_ended<const OUT: usize, const IN: usize>(end: &mut End<OUT, IN>) {
    assert!(!end.session.is_open());
    for now in [0, 20_000, 40_000] {
        assert_eq!(end.poll(now), [Due::Close]);
        assert_eq!(end.request(now, "x", "y"), Err(SessionError::Closed));
        assert_eq!(end.stream_request(now, "x", "y"), Err(SessionError::Closed));
        assert_eq!(end.notify(now, "x", "y"), Err(SessionError::Closed));
        assert_eq!(end.session.wait_ms(now), Some(0));
        end.session.drain();
    }
    assert_eq!(end.sent(), "");
}

/// A session with two requests in flight, one of them a stream, and two of the peer's that
/// wait for their answers.
fn with_requests(settings: Settings, test: impl Fn(&mut End<3, 3>, [Outgoing; 2], [Incoming; 2])) {
    with_each_reader(settings, |mut end| {
        assert_eq!(end.hear(0, "01"), [Received::Opened]);
        let ours = [end.request(0, "x", "").unwrap(), end.stream_request(0, "up", "").unwrap()];
        let theirs = [end.asked(0, "r0007001x00000000"), end.asked(0, "s0008002up00000000")];
        end.sent();
        test(&mut end, ours, theirs);
    });
}

/// Each end of a conversation, and what is written at it.
type Ends = fn(&mut End<3, 3>);

const ENDS: [(Ends, &str); 5] = [
    (|end| assert_eq!(end.hear(0, "f00000000"), [Received::Closed { code: 0.into() }]), ""),
    (
        |end| assert_eq!(end.hear(0, "ffedcba98"), [Received::Closed { code: 0xfedc_ba98.into() }]),
        "",
    ),
    (|end| end.session.close(ErrorCode::ABNORMAL), "f00000000"),
    (|end| assert_eq!(end.hear(0, "?"), []), "f00000002"),
    (|end| end.session.disconnected(), ""),
];

#[test]
fn rule_10_13_after_each_end_requests_are_lost_once_and_nothing_is_written() {
    for (ends, text) in ENDS {
        // Until when the session is not polled: the requests are late by then.
        for now in [0, 1_000, 60_000] {
            with_requests(SETTINGS, |end, ours, theirs| {
                ends(end);
                refuses(end, ours, theirs);
                assert_eq!(end.poll(now), [Due::Lost(ours[0]), Due::Lost(ours[1]), Due::Close]);
                assert_eq!(end.sent(), text);
                refuses(end, ours, theirs);
                is_ended(end);
            });
        }
    }

    fn refuses(end: &mut End<3, 3>, ours: [Outgoing; 2], theirs: [Incoming; 2]) {
        for request in ours {
            assert_eq!(end.request_part(0, request, "x"), Err(SessionError::Closed));
            assert_eq!(end.request_end(0, request), Err(SessionError::Closed));
        }
        for request in theirs {
            assert_eq!(end.respond(request, "x"), Err(SessionError::Closed));
            assert_eq!(end.respond_part(request, "x"), Err(SessionError::Closed));
            assert_eq!(end.respond_end(request), Err(SessionError::Closed));
            assert_eq!(end.respond_error(request, "x"), Err(SessionError::Closed));
            assert_eq!(end.respond_retry(request, 1, "x"), Err(SessionError::Closed));
        }
        assert_eq!(end.notify(0, "x", ""), Err(SessionError::Closed));
    }
}

#[test]
fn rule_10_13_the_peers_protocol_error_leaves_not_even_the_version_to_be_written() {
    with_each_reader(SETTINGS, |mut end: End<1, 1>| {
        let closed = Received::Closed { code: ErrorCode::TIMEOUT };
        assert_eq!(end.hear(0, "01f00000003"), [Received::Opened, closed]);
        assert_eq!(end.poll(0), [Due::Close]);
        is_ended(&mut end);
    });
}

#[test]
fn rule_10_13_what_comes_after_an_end_of_ours_is_ignored() {
    with_requests(SETTINGS, |end, ours, _| {
        end.session.close(ErrorCode::ABNORMAL);
        let input = "R000000000002hiS000100000000r0009001x00000000s000a002up00000000\
                     p000800000001xr000b009ninebytes00000000n001x00000000h000000000000f00000000";
        assert_eq!(end.hear(0, input), []);
        assert_eq!(end.sent(), "");
        assert_eq!(end.poll(0), [Due::Lost(ours[0]), Due::Lost(ours[1]), Due::Close]);
        assert_eq!(end.sent(), "f00000000");
    });
}

#[test]
fn rule_10_13_what_was_forgotten_or_answered_is_not_lost() {
    with_requests(SETTINGS, |end, ours, _| {
        end.session.forget(ours[0]);
        end.hear(0, "f00000000");
        assert_eq!(end.poll(0), [Due::Lost(ours[1]), Due::Close]);
    });
    with_requests(SETTINGS, |end, ours, _| {
        end.session.disconnected();
        end.session.forget(ours[1]);
        assert_eq!(end.poll(0), [Due::Lost(ours[0]), Due::Close]);
    });
    with_requests(SETTINGS, |end, ours, _| {
        assert_eq!(end.hear(0, "E000100000000f00000000").len(), 2);
        assert_eq!(end.poll(0), [Due::Lost(ours[0]), Due::Close]);
    });
}

#[test]
fn rule_10_14_draining_finishes_what_is_in_flight() {
    with_requests(SETTINGS, |end, ours, theirs| {
        end.session.drain();
        assert!(!end.session.is_open());
        // No new requests either way.
        assert_eq!(end.request(0, "x", ""), Err(SessionError::Closed));
        assert_eq!(end.stream_request(0, "x", ""), Err(SessionError::Closed));
        assert_eq!(end.hear(0, "r0009001x00000000s000a002up00000000p000a00000001x"), []);
        assert_eq!(end.sent(), "e0009000001f400000004busye000a000001f400000004busy");
        // The others go on, with all their parts.
        end.request_part(0, ours[1], "a").unwrap();
        end.request_end(0, ours[1]).unwrap();
        let parts = [
            Received::RequestPart { request: theirs[1], payload: "b" },
            Received::RequestEnd { request: theirs[1] },
            Received::ResultPart { request: ours[1], payload: "c" },
            Received::Result { request: ours[0], payload: "" },
        ];
        let input = "p000800000001bp000800000000S000100000001cR000000000000";
        assert_eq!(end.hear(0, input), parts);
        end.respond_part(theirs[0], "d").unwrap();
        end.notify(0, "log", "").unwrap();
        let all = "p000100000001ap000100000000S000700000001dn003log00000000";
        assert_eq!(end.sent(), all);
        end.writes(0, "");
        end.respond_end(theirs[0]).unwrap();
        end.respond(theirs[1], "").unwrap();
        assert_eq!(end.sent(), "S000700000000R000800000000");
        end.writes(0, "");
        assert_ne!(end.session.wait_ms(0), Some(0));
        let last = Received::ResultEnd { request: ours[1] };
        assert_eq!(end.hear(0, "S000100000000"), [last]);
        // Nothing is in flight: it is time to close, without `f`.
        assert_eq!(end.session.wait_ms(0), Some(0));
        assert_eq!(end.poll(0), [Due::Close]);
        is_ended(end);
    });
}

#[test]
fn rule_10_14_new_requests_are_refused_as_when_there_is_no_room() {
    let settings = Settings { streams: 4, ..Settings::BROWSER };
    with_each_reader(settings, |mut end: End<1, 4>| {
        assert_eq!(end.hear(0, "01"), [Received::Opened]);
        let request = end.asked(0, "r0007001x00000000");
        end.writes(0, "01");
        end.session.drain();
        assert_eq!(end.hear(0, "r0008001x00000000s0009002up00000000"), []);
        end.respond(request, "").unwrap();
        assert_eq!(end.sent(), "E000800000004busyE000900000004busyR000700000000");
    });
}

#[test]
fn rule_10_14_a_session_without_requests_closes_at_the_next_poll() {
    with_each_reader(SETTINGS, |mut end: End<1, 1>| {
        end.writes(0, "01");
        end.session.drain();
        assert_eq!(end.session.wait_ms(0), Some(0));
        assert_eq!(end.poll(0), [Due::Close]);
        is_ended(&mut end);
    });
}

#[test]
fn rule_10_14_time_goes_on() {
    with_requests(SETTINGS, |end, ours, theirs| {
        end.session.drain();
        end.request_part(300, ours[1], "x").unwrap();
        assert_eq!(end.poll(1_000), [Due::TimedOut(ours[0])]);
        assert_eq!(end.poll(1_300), [Due::TimedOut(ours[1])]);
        end.sent();
        end.writes(20_000, "h000000000000");
        assert_eq!(end.hear(24_999, "h000000000000").len(), 1);
        end.writes(40_000, "h000000000000");
        end.respond(theirs[0], "").unwrap();
        end.writes(49_998, "R000700000000");
        assert_eq!(end.poll(49_999), [Due::Close]);
        assert_eq!(end.sent(), "f00000003");
    });
}

#[test]
fn rule_10_14_other_ends_come_first() {
    for (ends, text) in ENDS {
        with_requests(SETTINGS, |end, ours, _| {
            end.session.drain();
            end.session.drain();
            ends(end);
            assert_eq!(end.poll(0), [Due::Lost(ours[0]), Due::Lost(ours[1]), Due::Close]);
            assert_eq!(end.sent(), text);
        });
    }
    with_requests(SETTINGS, |end, ours, theirs| {
        end.session.drain();
        ours.into_iter().for_each(|request| end.session.forget(request));
        theirs.into_iter().for_each(|request| end.respond(request, "").unwrap());
        assert_eq!(end.poll(0), [Due::Close]);
        assert_eq!(end.sent(), "R000700000000R000800000000");
    });
}

#[test]
fn rule_10_15_two_requests_with_one_id_are_two_requests() {
    with_each_reader(SETTINGS, |mut end: End<0, 4>| {
        end.writes(0, "01");
        assert_eq!(end.hear(0, "01"), [Received::Opened]);
        let requests = ["a", "b", "c"].map(|op| end.asked(0, format!("r0007001{op}00000000")));
        assert!(requests[0] != requests[1] && requests[1] != requests[2]);
        assert_eq!(requests.map(Incoming::id), [(*b"0007").into(); 3]);
        end.respond(requests[1], "b").unwrap();
        end.respond(requests[0], "a").unwrap();
        assert_eq!(end.respond(requests[1], "b"), Err(SessionError::Over));
        end.respond(requests[2], "c").unwrap();
        assert_eq!(end.sent(), "R000700000001bR000700000001aR000700000001c");
        assert!(end.session.is_idle());
    });
}

#[test]
fn rule_10_15_of_two_streams_with_one_id_one_gets_the_parts_and_then_the_other() {
    let part = |request, payload| -> Said { Received::RequestPart { request, payload } };
    for answered in [false, true] {
        with_each_reader(SETTINGS, |mut end: End<0, 4>| {
            assert_eq!(end.hear(0, "01"), [Received::Opened]);
            let one = end.asked(0, "s0007002up00000000");
            let two = end.asked(0, "s0007002up00000000");
            let said = end.hear(0, "p000700000001ap000700000001b");
            assert_eq!(said, [part(one, "a"), part(one, "b")]);
            if answered {
                end.respond(one, "").unwrap();
            } else {
                let ended = Received::RequestEnd { request: one };
                assert_eq!(end.hear(0, "p000700000000"), [ended]);
            }
            let ended = Received::RequestEnd { request: two };
            let said = end.hear(0, "p000700000001cp000700000000p000700000000");
            assert_eq!(said, [part(two, "c"), ended]);
        });
    }
}

#[test]
fn rule_10_15_what_belongs_to_nothing_changes_nothing() {
    with_requests(SETTINGS, |end, ours, theirs| {
        let before = format!("{:?}", end.session);
        for id in ["0009", "zzzz", "0002", "0003", "\0\0\0\0"] {
            for input in [
                "p....00000001x",
                "p....00000000",
                "R....00000001x",
                "R....00000000",
                "S....00000001x",
                "S....00000000",
                "E....00000001x",
                "E....00000000",
                "e....0000000000000001x",
                "e....ffffffff00000000",
            ] {
                assert_eq!(end.hear(0, input.replace("....", id)), []);
            }
        }
        // Results for the peer's own requests, and parts of ours and of a single request.
        for input in [
            "R000700000001x",
            "S000800000000",
            "E000800000000",
            "p000000000001x",
            "p000100000000",
            "p000700000001x",
            "p000700000000",
        ] {
            assert_eq!(end.hear(0, input), []);
        }
        assert_eq!(format!("{:?}", end.session), before);
        end.respond(theirs[0], "").unwrap();
        end.respond(theirs[1], "").unwrap();
        let said = end.hear(0, "S000100000000R000000000000");
        let [one, two] = [ours[1], ours[0]];
        let result = Received::Result { request: two, payload: "" };
        assert_eq!(said, [Received::ResultEnd { request: one }, result]);
        assert_eq!(end.sent(), "R000700000000R000800000000");
    });
}

#[test]
fn rule_10_15_a_thousand_streams_that_never_end_take_the_slots_there_are() {
    with_each_reader(SETTINGS, |mut end: End<1, 4>| {
        end.writes(0, "01");
        assert_eq!(end.hear(0, "01"), [Received::Opened]);
        let mut streams = Vec::new();
        for number in 0..1_000 {
            let said = end.hear(0, format!("s{number:04}002up00000000p{number:04}00000001x"));
            let sent = end.sent();
            match said[..] {
                [Received::StreamRequest { request, .. }, part] => {
                    assert_eq!(part, Received::RequestPart { request, payload: "x" });
                    assert_eq!(sent, "");
                    streams.push(request);
                }
                _ => {
                    assert_eq!(said, []);
                    assert_eq!(sent, format!("e{number:04}000001f400000004busy"));
                }
            }
        }
        assert_eq!(streams.len(), 4);
        // Requests of ours are not held up.
        let request = end.request(0, "x", "").unwrap();
        let said = Received::Result { request, payload: "" };
        assert_eq!(end.hear(0, "R000000000000"), [said]);
        for request in streams {
            end.respond_error(request, "too slow").unwrap();
        }
        assert!(end.session.is_idle());
    });
}

#[test]
fn rule_10_17_a_reset_owes_the_version_and_has_every_slot_free() {
    for (ends, _) in ENDS {
        with_requests(SETTINGS, |end, ours, theirs| {
            let done = end.request(0, "x", "").unwrap();
            assert_eq!(end.hear(0, "R000200000000").len(), 1);
            let answered = end.asked(0, "s0009002up00000000");
            end.respond(answered, "").unwrap();
            ends(end);
            end.sent();
            end.another_connection();
            assert!(end.session.is_open() && end.session.is_idle());
            assert_eq!(end.session.wait_ms(70_000), Some(0));
            end.writes(70_000, "01");
            // Nothing is in flight, and nothing comes for what was.
            let late = "R000000000000S000100000000p000800000001xp000900000001x";
            assert_eq!(end.hear(70_000, "01"), [Received::Opened]);
            assert_eq!(end.hear(70_000, late), []);
            // The ids go on. All slots are taken, and the old handles mean none of them.
            let ids = [0; 3].map(|_| end.stream_request(70_000, "up", "").unwrap().id());
            for id in [*b"0003", *b"0004", *b"0005"] {
                assert!(ids.contains(&id.into()), "{ids:?}");
            }
            for id in ["0007", "0008", "0009"] {
                end.asked(70_000, format!("s{id}002up00000000"));
            }
            end.sent();
            for old in [ours[0], ours[1], done] {
                assert_eq!(end.request_part(70_000, old, "x"), Err(SessionError::Over));
                assert_eq!(end.request_end(70_000, old), Err(SessionError::Over));
                end.session.forget(old);
            }
            for old in [theirs[0], theirs[1], answered] {
                assert_eq!(end.respond(old, "x"), Err(SessionError::Over));
                assert_eq!(end.respond_part(old, "x"), Err(SessionError::Over));
                assert_eq!(end.respond_error(old, "x"), Err(SessionError::Over));
            }
            assert_eq!(end.request(70_000, "x", ""), Err(SessionError::TooMany));
            assert_eq!(end.sent(), "");
            // Three of ours, and none of those before.
            assert_eq!(end.poll(71_000).len(), 3);
        });
    }
}

#[test]
fn rule_10_17_the_settings_the_load_and_the_clock_stay() {
    let settings = Settings { retry_after_ms: Some(9), streams: 1, ..STREAMS };
    with_requests(settings, |end, _, _| {
        end.session.set_load(7);
        end.session.set_clock(1_000, 1_000);
        end.session.drain();
        end.another_connection();
        end.writes(50_000, "01");
        assert_eq!(end.hear(50_000, "01"), [Received::Opened]);
        end.asked(50_000, "s0001002up00000000");
        assert_eq!(end.hear(50_000, "s0002002up00000000"), []);
        assert_eq!(end.sent(), "e00020000000900000004busy");
        end.writes(69_999, "");
        end.writes(70_000, "h00070000042d");
    });
}

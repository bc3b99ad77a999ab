//! Section 10 of PROTOCOL.md by its rules: timeouts (10.6), heartbeats (10.10), silence (10.11)
//! and the clock (10.16).

#[path = "support/talk.rs"]
mod talk;

use gotalk::{Announced, Due, Received, Session, SessionError, Settings, Writer};
use talk::{End, STREAMS, with_each_reader};

/// Where a clock may stand at the start. From most of them it wraps within a test.
const STARTS: [u32; 10] = [
    0,
    1,
    123_456_789,
    0x7fff_ffff,
    0x8000_0000,
    0x7fff_ffff - 1_000,
    u32::MAX,
    u32::MAX - 500,
    u32::MAX - 1_000,
    u32::MAX - 20_000,
];

/// A conversation that nothing happens in by itself.
const QUIET: Settings = Settings { heartbeat_ms: None, ..STREAMS };
const ANSWER: Settings = Settings { answer_ms: Some(1_000), ..QUIET };

/// Runs a test with each reader and each clock. It gets a function that turns the milliseconds
/// since the start into the time of the clock.
fn with_each_clock<const OUT: usize, const IN: usize>(
    settings: Settings,
    test: impl Fn(End<OUT, IN>, &dyn Fn(u32) -> u32),
) {
    for start in STARTS {
        with_each_reader(settings, |mut end| {
            let at = move |ms: u32| start.wrapping_add(ms);
            end.writes(at(0), "01");
            assert_eq!(end.hear(at(0), "01"), [Received::Opened]);
            test(end, &at);
        });
    }
}

#[test]
fn rule_10_06_a_request_waits_for_answer_ms_and_no_longer() {
    with_each_clock(ANSWER, |mut end: End<1, 1>, at| {
        let request = end.request(at(7), "echo", "").unwrap();
        for (ms, wait) in [(7, 1_000), (8, 999), (500, 507), (1_006, 1)] {
            assert_eq!(end.session.wait_ms(at(ms)), Some(wait));
            assert_eq!(end.poll(at(ms)), []);
        }
        assert_eq!(end.session.wait_ms(at(1_007)), Some(0));
        assert_eq!(end.poll(at(1_007)), [Due::TimedOut(request)]);
        assert_eq!(end.session.wait_ms(at(1_007)), None);
        // Its result comes a moment too late.
        assert_eq!(end.hear(at(1_007), "R000000000002hi"), []);
        assert_eq!(end.sent(), "r0000004echo00000000");
    });
    // Polled late, it is as over.
    with_each_clock(ANSWER, |mut end: End<1, 1>, at| {
        let request = end.request(at(7), "echo", "").unwrap();
        assert_eq!(end.poll(at(24 * 86_400_000)), [Due::TimedOut(request)]);
    });
    // Who did not poll has no timeout, whatever the clock says.
    with_each_clock(ANSWER, |mut end: End<1, 1>, at| {
        let request = end.request(at(7), "echo", "").unwrap();
        let said = Received::Result { request, payload: "hi" };
        assert_eq!(end.hear(at(5_000), "R000000000002hi"), [said]);
        assert_eq!(end.poll(at(5_000)), []);
    });
}

#[test]
fn rule_10_06_the_time_counts_from_the_last_part() {
    // What happens at 600 ms, and whether the time starts anew.
    type Act = fn(&mut End<1, 1>, u32, gotalk::Outgoing);
    let acts: [(Act, bool); 9] = [
        (|end, now, request| end.request_part(now, request, "x").unwrap(), true),
        (|end, now, request| end.request_part(now, request, Announced(9)).unwrap(), true),
        (|end, now, request| end.request_end(now, request).unwrap(), true),
        (|end, now, _| assert_eq!(end.hear(now, "S000000000001x").len(), 1), true),
        (|end, now, request| assert!(end.request_part(now, request, "").is_err()), false),
        (|end, now, _| end.notify(now, "log", "").unwrap(), false),
        (|end, now, _| assert_eq!(end.hear(now, "n003log00000000").len(), 1), false),
        (|end, now, _| assert_eq!(end.hear(now, "h000000000000").len(), 1), false),
        (|end, now, _| assert_eq!(end.hear(now, "S000100000001x"), []), false),
    ];
    for (act, anew) in acts {
        with_each_clock(ANSWER, |mut end: End<1, 1>, at| {
            let request = end.stream_request(at(0), "up", "").unwrap();
            act(&mut end, at(600), request);
            let over = if anew { 1_600 } else { 1_000 };
            assert_eq!(end.poll(at(over - 1)), []);
            assert_eq!(end.poll(at(over)), [Due::TimedOut(request)]);
        });
    }
}

#[test]
fn rule_10_06_each_request_has_its_own_time() {
    with_each_clock(ANSWER, |mut end: End<8, 1>, at| {
        let requests = [0, 300, 300, 301, 900].map(|ms| end.request(at(ms), "x", "").unwrap());
        let [_, b, c, d, e] = requests;
        assert_eq!(end.session.wait_ms(at(900)), Some(100));
        // The first one has its result, and is no longer waited for.
        assert_eq!(end.hear(at(950), "R000000000000").len(), 1);
        let due: [(u32, &[Due]); 8] = [
            (1_000, &[]),
            (1_299, &[]),
            (1_300, &[Due::TimedOut(b), Due::TimedOut(c)]),
            (1_300, &[]),
            (1_301, &[Due::TimedOut(d)]),
            (1_899, &[]),
            (1_900, &[Due::TimedOut(e)]),
            (1_901, &[]),
        ];
        for (ms, dues) in due {
            assert_eq!(end.poll(at(ms)), dues, "{ms}");
        }
        assert!(end.session.is_idle());
    });
}

#[test]
fn rule_10_06_one_call_of_poll_says_one_timeout() {
    let mut session = Session::<3, 0>::new(ANSWER);
    let mut buffer = [0; 64];
    let mut writer = Writer::new(&mut buffer);
    let requests = [0; 3].map(|now| session.request(now, &mut writer, "x", "").unwrap());
    let mut poll = |session: &mut Session<3, 0>| session.poll(1_000, &mut writer).unwrap();
    assert_eq!(poll(&mut session), Some(Due::TimedOut(requests[0])));
    // What happens in between, counts.
    session.forget(requests[1]);
    assert_eq!(poll(&mut session), Some(Due::TimedOut(requests[2])));
    assert_eq!(poll(&mut session), None);
}

#[test]
fn rule_10_06_without_the_setting_a_request_waits_for_ever() {
    with_each_clock(QUIET, |mut end: End<1, 1>, at| {
        let request = end.request(at(0), "echo", "").unwrap();
        for day in 0..200 {
            assert_eq!(end.poll(at(86_400_000u32.wrapping_mul(day))), []);
        }
        assert_eq!(end.session.wait_ms(at(0)), None);
        let said = Received::Result { request, payload: "" };
        assert_eq!(end.hear(at(1), "R000000000000"), [said]);
    });
}

#[test]
fn rule_10_10_a_heartbeat_goes_out_every_heartbeat_ms() {
    with_each_clock(STREAMS, |mut end: End<1, 1>, at| {
        end.writes(at(1), "");
        assert_eq!(end.session.wait_ms(at(19_999)), Some(1));
        end.writes(at(19_999), "");
        assert_eq!(end.session.wait_ms(at(20_000)), Some(0));
        end.writes(at(20_000), "h000000000000");
        assert_eq!(end.session.wait_ms(at(20_000)), Some(20_000));
        end.writes(at(20_000), "");
        end.writes(at(39_999), "");
        // The next one counts from when this one was written.
        end.writes(at(40_007), "h000000000000");
        end.writes(at(60_006), "");
        end.writes(at(60_007), "h000000000000");
        // Those that were missed are not written later.
        end.writes(at(1_000_000), "h000000000000");
        end.writes(at(1_000_000), "");
    });
}

#[test]
fn rule_10_10_other_messages_put_no_heartbeat_off() {
    with_each_clock(STREAMS, |mut end: End<2, 1>, at| {
        end.request(at(19_999), "x", "").unwrap();
        let asked = end.asked(at(19_999), "r0001001x00000000");
        end.respond(asked, "").unwrap();
        end.notify(at(20_000), "log", "").unwrap();
        assert_eq!(end.hear(at(20_000), "h000000000000").len(), 1);
        assert_eq!(end.sent(), "r0000001x00000000R000100000000n003log00000000");
        end.writes(at(20_000), "h000000000000");
    });
}

#[test]
fn rule_10_10_the_first_heartbeat_counts_from_the_version() {
    let firsts: [fn(&mut End<1, 1>, u32); 5] = [
        |end, now| assert_eq!(end.poll(now), []),
        |end, now| assert!(end.request(now, "x", "").is_ok()),
        |end, now| end.notify(now, "x", "").unwrap(),
        |end, now| {
            assert_eq!(end.hear(now - 600, "01"), [Received::Opened]);
            let request = end.asked(now, "r0001001x00000000");
            end.respond(request, "").unwrap();
        },
        |end, now| assert_eq!(end.hear(now, "01s0001009ninebytes00000000"), [Received::Opened]),
    ];
    for first in firsts {
        with_each_reader(STREAMS, |mut end| {
            first(&mut end, 700);
            assert!(end.sent().starts_with("01"));
            end.writes(20_699, "");
            end.writes(20_700, "h000000000000");
        });
    }
    // However long the version is owed, it is not followed by a heartbeat at once.
    with_each_reader(Settings { silence_ms: Some(9), ..STREAMS }, |mut end| {
        let _: &End<1, 1> = &end;
        assert_eq!(end.hear(0, "01"), [Received::Opened]);
        end.writes(20_000, "01");
        assert_eq!(end.session.wait_ms(20_000), Some(9));
    });
}

#[test]
fn rule_10_10_a_heartbeat_carries_the_load_and_the_time() {
    with_each_clock(STREAMS, |mut end: End<1, 1>, at| {
        end.session.set_load(0xabcd);
        end.writes(at(20_000), "habcd00000000");
        // 2015-02-08 22:09:30 UTC, and 54.321 s later.
        end.session.set_clock(at(25_679), 0x54d7_de9a);
        end.session.set_load(2);
        end.writes(at(40_000), "h000254d7dea8");
        end.writes(at(60_678), "h000254d7debc");
        end.writes(at(80_679), "h000254d7ded1");
        end.session.set_load(0);
        end.session.set_clock(at(80_680), u32::MAX);
        end.writes(at(101_679), "h000000000013");
        end.session.set_clock(at(101_679), 5);
        end.writes(at(121_679), "h000000000019");
    });
}

/// 120 times 20 hours: twice around the clock.
#[test]
fn rule_10_10_the_time_of_day_goes_on_when_the_clock_wraps() {
    let settings = Settings { heartbeat_ms: Some(72_000_999), ..STREAMS };
    with_each_clock(settings, |mut end: End<1, 1>, at| {
        end.session.set_clock(at(0), 1_000_000_000);
        let mut ms = 0u64;
        for _ in 0..120 {
            ms += 72_000_999;
            end.writes(at(ms as u32), &format!("h0000{:08x}", 1_000_000_000 + ms / 1000));
        }
    });
}

#[test]
fn rule_10_10_without_the_setting_there_is_none() {
    with_each_clock(QUIET, |mut end: End<1, 1>, at| {
        for day in 0..100 {
            end.writes(at(86_400_000u32.wrapping_mul(day)), "");
        }
        assert_eq!(end.session.wait_ms(at(0)), None);
    });
}

/// The header alone is written; what comes between it and its payload is the program's choice.
#[test]
fn rule_10_10_nothing_is_written_but_by_a_call() {
    with_each_clock(STREAMS, |mut end: End<1, 1>, at| {
        let asked = end.asked(at(0), "r0001001x00000000");
        end.respond(asked, Announced(4)).unwrap();
        assert_eq!(end.hear(at(50_000), "n003log00000000h000000000000").len(), 2);
        assert_eq!(end.sent(), "R000100000004");
        end.writes(at(50_000), "h000000000000");
    });
}

#[test]
fn rule_10_11_silence_ends_the_conversation() {
    let settings = Settings { silence_ms: Some(5_000), ..QUIET };
    with_each_clock(settings, |mut end: End<2, 1>, at| {
        let requests = [0, 0].map(|ms| end.request(at(ms), "x", "").unwrap());
        end.sent();
        assert_eq!(end.session.wait_ms(at(4_999)), Some(1));
        end.writes(at(4_999), "");
        assert_eq!(end.session.wait_ms(at(5_000)), Some(0));
        let dues = [Due::Lost(requests[0]), Due::Lost(requests[1]), Due::Close];
        assert_eq!(end.poll(at(5_000)), dues);
        assert_eq!(end.sent(), "f00000003");
        assert_eq!(end.poll(at(5_000)), [Due::Close]);
        assert_eq!(end.hear(at(5_001), "R000000000000n003log00000000"), []);
        assert_eq!(end.notify(at(5_001), "x", ""), Err(SessionError::Closed));
        assert_eq!(end.sent(), "");
    });
}

#[test]
fn rule_10_11_everything_that_is_received_counts_and_nothing_else() {
    type Act = fn(&mut End<1, 1>, u32);
    let acts: [(Act, bool); 12] = [
        (|end, now| assert_eq!(end.hear(now, "n003log00000000").len(), 1), true),
        (|end, now| assert_eq!(end.hear(now, "h000000000000").len(), 1), true),
        (|end, now| assert_eq!(end.hear(now, "r0001001x00000000").len(), 1), true),
        // What is dropped or refused.
        (|end, now| assert_eq!(end.hear(now, "R000100000000"), []), true),
        (|end, now| assert_eq!(end.hear(now, "p000100000001x"), []), true),
        (|end, now| assert_eq!(end.hear(now, "s0001009ninebytes00000000"), []), true),
        (|end, now| assert_eq!(end.hear(now, "n009ninebytes00000000"), []), true),
        (|_, _| {}, false),
        (|end, now| assert_eq!(end.poll(now), []), false),
        (|end, now| assert!(end.request(now, "x", "").is_ok()), false),
        (|end, now| end.notify(now, "x", "").unwrap(), false),
        // Not a whole type, length or message: no reader says anything yet.
        (|end, now| assert_eq!(end.hear(now, "n003lo"), []), false),
    ];
    let settings = Settings { silence_ms: Some(5_000), ..QUIET };
    for (act, counts) in acts {
        with_each_clock(settings, |mut end: End<1, 1>, at| {
            act(&mut end, at(3_000));
            end.sent();
            let over = if counts { 8_000 } else { 5_000 };
            end.writes(at(over - 1), "");
            let dues = end.poll(at(over));
            assert_eq!(dues.last(), Some(&Due::Close));
            assert_eq!(end.sent(), "f00000003");
        });
    }
}

/// A chunk of a payload is something that was received, if the reader gives chunks.
#[test]
fn rule_10_11_what_counts_is_what_the_reader_gives() {
    let settings = Settings { silence_ms: Some(5_000), ..QUIET };
    with_each_clock(settings, |mut end: End<1, 1>, at| {
        for ms in [3_000, 7_999] {
            assert_eq!(end.hear(at(ms), if ms == 3_000 { "n003log0000001e" } else { "x" }), []);
            if end.assembles() {
                break;
            }
        }
        let over = if end.assembles() { 5_000 } else { 12_999 };
        end.writes(at(over - 1), "");
        assert_eq!(end.poll(at(over)), [Due::Close]);
        assert_eq!(end.sent(), "f00000003");
    });
}

#[test]
fn rule_10_11_a_refusal_that_found_no_room_counts() {
    let settings = Settings { silence_ms: Some(5_000), ..QUIET };
    let mut session = Session::<0, 0>::new(settings);
    let mut assembler = gotalk::Assembler::<0, 8>::new().without_handshake();
    let mut buffer = [0; 64];
    let mut writer = Writer::new(&mut buffer);
    assert_eq!(session.poll(0, &mut writer), Ok(None));
    let mut items = assembler.feed(b"r0001001x00000000");
    let item = items.next().unwrap().unwrap();
    assert!(session.receive(3_000, item, &mut Writer::new(&mut [])).is_err());
    assert_eq!(session.poll(7_999, &mut writer), Ok(None));
    assert_eq!(writer.as_bytes(), b"01");
}

#[test]
fn rule_10_11_by_default_silence_is_not_limited() {
    with_each_clock(STREAMS, |mut end: End<1, 1>, at| {
        for ms in (0..200).map(|hour| hour * 3_600_000) {
            assert_eq!(end.poll(at(ms)), []);
        }
        assert!(end.session.is_open());
    });
}

/// Everything that has a time, at once.
const BUSY: Settings =
    Settings { heartbeat_ms: Some(70), silence_ms: Some(230), answer_ms: Some(110), ..STREAMS };

/// What the program and the peer of a session with the settings above do, in milliseconds
/// from the start. Gives whether it is something.
fn act(end: &mut End<4, 2>, ms: u32, now: u32) -> bool {
    match ms {
        0 => assert_eq!(end.hear(now, "01"), [Received::Opened]),
        3 | 20 | 55 | 90 => assert!(end.stream_request(now, "up", "x").is_ok()),
        60 => assert_eq!(end.hear(now, "S000000000001x").len(), 1),
        80 => assert_eq!(end.hear(now, "R000100000001x").len(), 1),
        130 => assert_eq!(end.hear(now, "h000000000000").len(), 1),
        _ => return false,
    }
    true
}

/// What is due, and what is written, at which millisecond. If `waits`, the session is polled
/// only when it has asked for that.
fn story(end: &mut End<4, 2>, at: &dyn Fn(u32) -> u32, waits: bool) -> String {
    let mut story = String::new();
    let mut next = 0;
    for ms in 0..=400 {
        let acts = act(end, ms, at(ms));
        end.sent();
        if !waits || ms >= next {
            for due in end.poll(at(ms)) {
                match due {
                    Due::TimedOut(request) => story += &format!("{ms} late {} ", request.id()),
                    Due::Lost(request) => story += &format!("{ms} lost {} ", request.id()),
                    Due::Close => return story + &format!("{ms} {}", end.sent()),
                }
            }
            let sent = end.sent();
            if !sent.is_empty() {
                story += &format!("{ms} {sent} ");
            }
        } else if !acts {
            continue;
        }
        next = ms + end.session.wait_ms(at(ms)).unwrap();
    }
    story
}

const STORY: &str = "70 h000000000000 140 h000000000000 165 late 0002 170 late 0000 \
                     200 late 0003 210 h000000000000 280 h000000000000 350 h000000000000 \
                     360 f00000003";

/// Where the clock wraps: at each moment of the story, and a millisecond before and after.
fn wraps() -> impl Iterator<Item = u32> {
    let moments =
        [1, 3, 20, 55, 60, 70, 80, 90, 113, 130, 140, 165, 170, 200, 210, 280, 350, 360, 1 << 31];
    moments.into_iter().flat_map(|ms| ms - 1..=ms + 1)
}

#[test]
fn rule_10_16_the_clock_may_start_anywhere_and_wrap() {
    for wrap_at in wraps() {
        with_each_reader(BUSY, |mut end| {
            let at = move |ms: u32| ms.wrapping_sub(wrap_at);
            end.writes(at(0), "01");
            assert_eq!(story(&mut end, &at, false), STORY);
        });
    }
}

/// Polled only when it has asked for that, a session does everything at the same moment as
/// when it is polled each millisecond.
#[test]
fn rule_10_16_wait_ms_is_never_too_long() {
    for wrap_at in wraps() {
        with_each_reader(BUSY, |mut end| {
            let at = move |ms: u32| ms.wrapping_sub(wrap_at);
            end.writes(at(0), "01");
            assert_eq!(story(&mut end, &at, true), STORY);
        });
    }
}

#[test]
fn rule_10_16_wait_ms_is_the_least_of_all_waits() {
    with_each_reader(BUSY, |mut end: End<1, 1>| {
        // The version is due at once.
        assert_eq!(end.session.wait_ms(5), Some(0));
        end.writes(5, "01");
        assert_eq!(end.session.wait_ms(5), Some(70));
        end.writes(75, "h000000000000");
        let request = end.request(100, "x", "").unwrap();
        assert_eq!(end.session.wait_ms(100), Some(45));
        end.writes(144, "r0000001x00000000");
        end.writes(145, "h000000000000");
        assert_eq!(end.session.wait_ms(145), Some(65));
        end.writes(209, "");
        assert_eq!(end.session.wait_ms(209), Some(1));
        assert_eq!(end.poll(210), [Due::TimedOut(request)]);
        end.writes(234, "h000000000000");
        assert_eq!(end.session.wait_ms(234), Some(1));
        assert_eq!(end.poll(235), [Due::Close]);
        // At the end there is nothing to wait for.
        assert_eq!(end.session.wait_ms(235), Some(0));
        assert_eq!(end.session.wait_ms(9_999), Some(0));
    });
    for end_now in [true, false] {
        with_each_reader(QUIET, |mut end: End<1, 1>| {
            end.writes(0, "01");
            assert_eq!(end.session.wait_ms(0), None);
            if end_now {
                end.session.close(7.into())
            } else {
                end.session.drain()
            }
            assert_eq!(end.session.wait_ms(0), Some(0));
        });
    }
}

/// As where a clock goes back a little, or nobody has polled for a month.
#[test]
fn rule_10_16_a_moment_long_past_counts_as_one_to_come() {
    for start in STARTS {
        with_each_reader(Settings { answer_ms: Some(1_000), ..STREAMS }, |mut end| {
            let at = move |ms: u32| start.wrapping_add(ms);
            end.writes(at(0), "01");
            let end: &mut End<1, 1> = &mut end;
            for ms in [0u32.wrapping_sub(1), 0u32.wrapping_sub(5_000), 1 << 31, (1 << 31) + 1] {
                assert_eq!(end.session.wait_ms(at(ms)), Some(20_000), "{ms}");
                end.writes(at(ms), "");
            }
            let request = end.request(at(0), "x", "").unwrap();
            end.sent();
            for ms in [0u32.wrapping_sub(1), 0u32.wrapping_sub(5_000), (1 << 31) + 1_000] {
                assert_eq!(end.session.wait_ms(at(ms)), Some(1_000), "{ms}");
                end.writes(at(ms), "");
            }
            assert_eq!(end.poll(at((1 << 31) - 1)), [Due::TimedOut(request)]);
            assert_eq!(end.sent(), "h000000000000");
        });
    }
}

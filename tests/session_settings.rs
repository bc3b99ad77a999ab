//! The settings of a session at their edges, and how long to wait before connecting again.

use gotalk::{
    Backoff, Due, Event, Frame, Name, Received, RequestId, Session, SessionError, Settings, Writer,
};

const QUIET: Settings = Settings { heartbeat_ms: None, ..Settings::DEFAULT };
/// 23 days: a session has to be polled at least every 24.
const LONG: u32 = 11 * 86_400_000;

/// What a session says and writes when it is polled.
fn poll(session: &mut Session<1, 1>, now: u32) -> (Option<Due>, String) {
    let mut buffer = [0; 64];
    let mut writer = Writer::new(&mut buffer);
    let due = session.poll(now, &mut writer).unwrap();
    (due, writer.as_bytes().escape_ascii().to_string())
}

/// A session whose version was written at `now`.
fn started(settings: Settings, now: u32) -> Session<1, 1> {
    let mut session = Session::new(settings);
    assert_eq!(poll(&mut session, now), (None, "01".to_owned()));
    session
}

fn request(session: &mut Session<1, 1>, now: u32) -> Result<gotalk::Outgoing, SessionError> {
    session.request(now, &mut Writer::new(&mut [0; 64]), "x", "")
}

#[test]
fn settings_are_constants() {
    const DEFAULT: Settings = Settings::DEFAULT;
    const SETTINGS: Settings = Settings { answer_ms: Some(5_000), ..Settings::BROWSER };
    static SESSION: Session<2, 3> = Session::new(SETTINGS);
    assert!(SESSION.clone().is_open());
    let Settings { heartbeat_ms, silence_ms, answer_ms, .. } = DEFAULT;
    assert_eq!((heartbeat_ms, silence_ms, answer_ms), (Some(20_000), None, None));
    let Settings { retry_after_ms, streams, stream_requests, .. } = DEFAULT;
    assert_eq!((retry_after_ms, streams, stream_requests), (Some(500), 0, true));
    assert_eq!(Settings::default(), DEFAULT);
    let browser = Settings { retry_after_ms: None, stream_requests: false, ..DEFAULT };
    assert_eq!(Settings::BROWSER, browser);
    assert_ne!(Settings::BROWSER, DEFAULT);
}

#[test]
fn an_interval_of_0_is_one_millisecond() {
    for ms in [Some(0), Some(1)] {
        let mut session = started(Settings { heartbeat_ms: ms, ..QUIET }, 7);
        assert_eq!(session.wait_ms(7), Some(1));
        for now in 8..20 {
            assert_eq!(poll(&mut session, now), (None, "h000000000000".to_owned()));
            assert_eq!(poll(&mut session, now), (None, String::new()));
        }
        let mut session = started(Settings { silence_ms: ms, ..QUIET }, 7);
        assert_eq!(poll(&mut session, 7), (None, String::new()));
        assert_eq!(poll(&mut session, 8), (Some(Due::Close), "f00000003".to_owned()));
        let mut session = started(Settings { answer_ms: ms, ..QUIET }, 7);
        let request = request(&mut session, 7).unwrap();
        assert_eq!(poll(&mut session, 7), (None, String::new()));
        assert_eq!(poll(&mut session, 8), (Some(Due::TimedOut(request)), String::new()));
    }
}

/// It is not over at once, nor is it none, and a `poll` that comes 12 days late sees it.
#[test]
fn an_interval_too_long_for_the_clock_is_a_long_one() {
    for ms in [1 << 31, (1 << 31) + 1, 3_000_000_000, u32::MAX - 1, u32::MAX] {
        for start in [0, 0x7fff_ffff, u32::MAX] {
            let heartbeat = Settings { heartbeat_ms: Some(ms), ..QUIET };
            let silence = Settings { silence_ms: Some(ms), ..QUIET };
            let answer = Settings { answer_ms: Some(ms), ..QUIET };
            for settings in [heartbeat, silence, answer] {
                let mut session = started(settings, start);
                let request = request(&mut session, start).unwrap();
                let wait = session.wait_ms(start).unwrap();
                assert!(wait > LONG && wait < 1 << 31, "{wait}");
                for ms in [0, 1, LONG, wait - 1] {
                    let now = start.wrapping_add(ms);
                    assert_eq!(poll(&mut session, now), (None, String::new()));
                    assert_eq!(session.wait_ms(now), Some(wait - ms));
                }
                let late = start.wrapping_add(wait).wrapping_add(12 * 86_400_000);
                let over = poll(&mut session.clone(), late);
                assert_eq!(over, poll(&mut session, start.wrapping_add(wait)));
                let expected = if settings == heartbeat {
                    (None, "h000000000000")
                } else if settings == silence {
                    (Some(Due::Lost(request)), "f00000003")
                } else {
                    (Some(Due::TimedOut(request)), "")
                };
                assert_eq!((over.0, over.1.as_str()), expected);
            }
        }
    }
}

/// A setting that has the value of another one's default, or of none.
#[test]
fn each_setting_is_kept_as_it_was_given() {
    for ms in [1, 499, 500, 501, 19_999, 20_000, 20_001, 0x4e20 ^ 0x1f4, LONG] {
        let session = started(Settings { heartbeat_ms: Some(ms), ..QUIET }, 0);
        assert_eq!(session.wait_ms(0), Some(ms));
        let session = started(Settings { silence_ms: Some(ms), ..QUIET }, 0);
        assert_eq!(session.wait_ms(0), Some(ms));
        let mut session = started(Settings { answer_ms: Some(ms), ..QUIET }, 0);
        assert_eq!(session.wait_ms(0), None);
        request(&mut session, 0).unwrap();
        assert_eq!(session.wait_ms(0), Some(ms));
        let all = Settings {
            heartbeat_ms: Some(ms),
            silence_ms: Some(ms),
            answer_ms: Some(ms),
            ..Settings::DEFAULT
        };
        assert_eq!(started(all, 0).wait_ms(0), Some(ms));
    }
    assert_eq!(started(QUIET, 0).wait_ms(0), None);
    assert_eq!(started(Settings::DEFAULT, 0).wait_ms(0), Some(20_000));

    let mut counted = 0;
    for ms in [0, 1, 499, 500, 501, 20_000, u32::MAX] {
        for streams in [0, 1, 2, 3, 4, u16::MAX] {
            let settings = Settings { retry_after_ms: Some(ms), streams, ..Settings::DEFAULT };
            let mut session = Session::<0, 3>::new(settings);
            let mut buffer = [0; 64];
            let mut writer = Writer::new(&mut buffer);
            assert_eq!(session.poll(0, &mut writer), Ok(None));
            writer.clear();
            let mut taken = 0;
            for _ in 0..4 {
                let (id, op) = (RequestId::new(*b"0001"), Name::new("up"));
                let event = Event::Frame(Frame::StreamRequest { id, op, payload_len: 0 });
                match session.receive(0, event, &mut writer) {
                    Ok(Received::StreamRequest { .. }) => taken += 1,
                    other => {
                        assert_eq!(other, Ok(Received::Handled));
                        break;
                    }
                }
            }
            assert_eq!(taken, streams.min(3));
            let refused = String::from_utf8(writer.as_bytes().to_vec()).unwrap();
            let beginning = if streams == 0 { "E0001".into() } else { format!("e0001{ms:08x}") };
            assert!(refused.starts_with(&beginning), "{refused}");
            counted += 1;
        }
    }
    assert_eq!(counted, 42);
}

#[test]
fn a_peer_that_takes_no_streams_gets_none() {
    let mut session = started(Settings { stream_requests: false, ..Settings::DEFAULT }, 0);
    let mut buffer = [0; 64];
    let mut writer = Writer::new(&mut buffer);
    let stream = session.stream_request(0, &mut writer, "up", "");
    assert_eq!((stream, writer.len()), (Err(SessionError::Unsupported), 0));
    assert!(session.is_idle());
    let request = session.request(0, &mut writer, "echo", "").unwrap();
    assert_eq!(writer.as_bytes(), b"r0000004echo00000000");
    assert_eq!(session.request_end(0, &mut writer, request), Err(SessionError::Parts));
}

/// The waits without any cut.
fn waits<const N: usize>(backoff: &mut Backoff) -> [u32; N] {
    [(); N].map(|()| backoff.next_ms(0))
}

#[test]
fn a_backoff_doubles_up_to_its_limit_and_starts_anew() {
    let mut backoff = Backoff::new();
    assert_eq!(waits(&mut backoff), [500, 1_000, 2_000, 4_000, 5_000, 5_000, 5_000]);
    assert_eq!(waits(&mut backoff), [5_000; 100]);
    backoff.reset();
    assert_eq!(backoff, Backoff::default());
    assert_eq!(waits(&mut backoff), [500, 1_000]);
    backoff.reset();
    backoff.reset();
    assert_eq!(waits(&mut backoff), [500, 1_000, 2_000]);
}

#[test]
fn a_backoff_has_its_limits() {
    const MAX: u32 = u32::MAX;
    for (min, max, expected) in [
        (1, 10, [1, 2, 4, 8, 10, 10]),
        (3, 12, [3, 6, 12, 12, 12, 12]),
        (500, 500, [500; 6]),
        (501, 500, [500; 6]),
        (MAX, 1, [1; 6]),
        (MAX, 0, [0; 6]),
        (MAX, MAX, [MAX; 6]),
        (MAX - 1, MAX, [MAX - 1, MAX, MAX, MAX, MAX, MAX]),
        (1 << 30, MAX, [1 << 30, 1 << 31, MAX, MAX, MAX, MAX]),
        (
            3_000_000_000,
            4_000_000_000,
            [
                3_000_000_000,
                4_000_000_000,
                4_000_000_000,
                4_000_000_000,
                4_000_000_000,
                4_000_000_000,
            ],
        ),
    ] {
        let mut backoff = Backoff::with_limits(min, max);
        for _ in 0..2 {
            assert_eq!(waits(&mut backoff), expected, "{min} {max}");
            backoff.reset();
        }
    }
}

#[test]
fn a_backoff_is_cut_by_up_to_a_half() {
    let quarter = 1 << 30;
    for (random, expected) in [
        (0, [500, 1_000, 2_000, 4_000, 5_000]),
        (1, [500, 1_000, 2_000, 4_000, 5_000]),
        (quarter, [438, 875, 1_750, 3_500, 4_375]),
        (2 * quarter, [375, 750, 1_500, 3_000, 3_750]),
        (3 * quarter, [313, 625, 1_250, 2_500, 3_125]),
        (u32::MAX, [251, 501, 1_001, 2_001, 2_501]),
    ] {
        let mut backoff = Backoff::new();
        assert_eq!([(); 5].map(|()| backoff.next_ms(random)), expected, "{random}");
        // The next wait does not depend on how the last one was cut.
        assert_eq!(backoff.next_ms(0), 5_000);
    }
    // The longest there is.
    let mut backoff = Backoff::with_limits(u32::MAX, u32::MAX);
    assert_eq!(backoff.next_ms(u32::MAX), 2_147_483_649);
    // Nothing is left to be cut.
    let mut backoff = Backoff::with_limits(1, 1);
    assert_eq!([0, 1 << 31, u32::MAX].map(|random| backoff.next_ms(random)), [1; 3]);
}

/// A thousand devices do not come back at the same moment.
#[test]
fn a_backoff_uses_the_whole_range() {
    let mut seen = vec![0; 5_001];
    for n in 0..100_000u32 {
        let mut backoff = Backoff::with_limits(5_000, 5_000);
        seen[backoff.next_ms(n.wrapping_mul(0x9e37_79b9)) as usize] += 1;
    }
    assert!(seen[..=2_500].iter().all(|count| *count == 0));
    // 40 on average.
    assert!(seen[2_501..].iter().all(|count| (10..100).contains(count)));
}

#[test]
fn a_backoff_is_a_constant() {
    const FIRST: u32 = {
        let mut backoff = Backoff::with_limits(100, 1_000);
        backoff.next_ms(0);
        let second = backoff.next_ms(0);
        backoff.reset();
        second + backoff.next_ms(0)
    };
    static BACKOFF: Backoff = Backoff::new();
    assert_eq!((FIRST, BACKOFF.clone().next_ms(0)), (300, 500));
    assert_eq!(BACKOFF, Backoff::default());
    assert_ne!(BACKOFF, Backoff::with_limits(500, 6_000));
}

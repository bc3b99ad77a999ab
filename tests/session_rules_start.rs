//! Section 10 of PROTOCOL.md by its rules: the start (10.1), writers without room (10.2) and
//! ids (10.3).

#[path = "support/talk.rs"]
mod talk;

use std::collections::HashSet;
use std::sync::Mutex;

use gotalk::{
    Announced, Assembler, Due, ErrorCode, Outgoing, Received, Session, SessionError, Settings,
    WriteError, Writer,
};
use talk::{End, STREAMS, with_each_reader, with_each_reader_from};

#[test]
fn rule_10_01_the_version_goes_first_whichever_method_writes_first() {
    type Act = fn(&mut End<1, 1>);
    let acts: [(Act, &str); 16] = [
        (|_| {}, ""),
        (|end| assert!(end.request(0, "echo", "hi").is_ok()), "r0000004echo00000002hi"),
        (|end| assert!(end.stream_request(0, "up", "").is_ok()), "s0000002up00000000"),
        (|end| end.notify(0, "log", "hi").unwrap(), "n003log00000002hi"),
        (|end| end.notify(0, "log", Announced(0x123)).unwrap(), "n003log00000123"),
        (|end| asked(end, |end, request| end.respond(request, "hi")), "R000700000002hi"),
        (|end| asked(end, |end, request| end.respond_part(request, "hi")), "S000700000002hi"),
        (|end| asked(end, |end, request| end.respond_end(request)), "S000700000000"),
        (|end| asked(end, |end, request| end.respond_error(request, "no")), "E000700000002no"),
        (
            |end| asked(end, |end, request| end.respond_retry(request, 5000, "no")),
            "e00070000138800000002no",
        ),
        (
            |end| {
                end.asked_once();
                assert_eq!(end.hear(0, "r0008004echo00000000"), []);
            },
            "e0008000001f400000004busy",
        ),
        (
            |end| assert_eq!(end.hear(0, "01s0007009ninebytes00000000"), [Received::Opened]),
            "E000700000008too long",
        ),
        (|end| end.session.close(ErrorCode::ABNORMAL), "f00000000"),
        (|end| end.session.close(ErrorCode::new(0xdead_beef)), "fdeadbeef"),
        (|end| assert_eq!(end.hear(0, "01x"), [Received::Opened]), "f00000002"),
        (|end| assert_eq!(end.hear(0, "00"), []), "f00000001"),
    ];
    for (act, text) in acts {
        with_each_reader(STREAMS, |mut end| {
            act(&mut end);
            let dues = end.poll(0);
            assert_eq!(dues.contains(&Due::Close), text.starts_with('f'), "{text}");
            assert_eq!(end.sent(), format!("01{text}"));
            // Once.
            act_again(&mut end);
            assert!(!end.sent().contains("01"));
        });
    }

    fn asked(
        end: &mut End<1, 1>,
        answer: impl Fn(&mut End<1, 1>, gotalk::Incoming) -> Result<(), SessionError>,
    ) {
        let request = end.asked_once();
        answer(end, request).unwrap();
    }

    fn act_again(end: &mut End<1, 1>) {
        let _ = (end.notify(0, "log", "hi"), end.poll(0), end.poll(20_000));
    }
}

impl End<1, 1> {
    /// The peer's version and its first request, `0007`.
    fn asked_once(&mut self) -> gotalk::Incoming {
        assert_eq!(self.hear_one(0, "01"), Received::Opened);
        self.asked(0, "r0007004echo00000000")
    }
}

#[test]
fn rule_10_01_nothing_is_written_if_the_transport_ends_first() {
    with_each_reader(STREAMS, |mut end: End<1, 1>| {
        end.input_ends();
        assert_eq!(end.poll(0), [Due::Close]);
        assert_eq!(end.notify(0, "log", "hi"), Err(SessionError::Closed));
        assert_eq!(end.sent(), "");
    });
}

#[test]
fn rule_10_01_a_session_that_drains_at_once_says_the_version() {
    with_each_reader(STREAMS, |mut end: End<1, 1>| {
        end.session.drain();
        assert_eq!(end.poll(0), [Due::Close]);
        assert_eq!(end.sent(), "01");
    });
}

#[test]
fn rule_10_01_a_message_that_is_refused_leaves_the_version_owed() {
    with_each_reader(STREAMS, |mut end: End<1, 1>| {
        let long = "x".repeat(4096);
        let too_long = SessionError::Write(WriteError::NameTooLong { len: 4096 });
        assert_eq!(end.request(0, &long, ""), Err(too_long));
        assert_eq!(end.notify(0, &long, format_args!("")), Err(too_long));
        let empty = SessionError::Write(WriteError::EmptyName);
        assert_eq!(end.stream_request(0, "", "hi"), Err(empty));
        assert_eq!(end.notify(0, "", Announced(1)), Err(empty));
        assert_eq!(end.request(0, "", format_args!("hi")), Err(empty));
        assert_eq!((end.sent().as_str(), end.session.is_idle()), ("", true));
        assert_eq!(end.session.wait_ms(0), Some(0));
        assert_eq!(end.request(0, "echo", "hi").unwrap().id(), (*b"0000").into());
        assert_eq!(end.sent(), "01r0000004echo00000002hi");
    });
}

#[test]
fn rule_10_01_requests_and_answers_do_not_wait_for_the_peers_version() {
    with_each_reader(STREAMS, |mut end: End<2, 1>| {
        let first = end.request(0, "echo", "a").unwrap();
        let second = end.stream_request(1, "up", "b").unwrap();
        end.request_part(2, second, "c").unwrap();
        end.notify(3, "log", "d").unwrap();
        let all = "01r0000004echo00000001as0001002up00000001bp000100000001cn003log00000001d";
        assert_eq!(end.sent(), all);
        let said = end.hear(4, "01R000100000001xR000000000001y");
        let results = [
            Received::Opened,
            Received::Result { request: second, payload: "x" },
            Received::Result { request: first, payload: "y" },
        ];
        assert_eq!(said, results);
    });
}

/// The calls that write, for a session that has a stream of its own in flight and two
/// requests of the peer's, with what they write.
type Write =
    fn(&mut Session<2, 2>, &mut Writer<'_>, Outgoing, gotalk::Incoming) -> Result<(), SessionError>;

const WRITES: [(Write, &str); 14] = [
    (|s, w, _, _| s.request(0, w, "echo", "hi").map(drop), "r0001004echo00000002hi"),
    (
        |s, w, _, _| s.request(0, w, "echo", format_args!("{}", 7)).map(drop),
        "r0001004echo000000017",
    ),
    (|s, w, _, _| s.stream_request(0, w, "up", "").map(drop), "s0001002up00000000"),
    (|s, w, _, _| s.stream_request(0, w, "up", Announced(9)).map(drop), "s0001002up00000009"),
    (|s, w, ours, _| s.request_part(0, w, ours, "hi"), "p000000000002hi"),
    (|s, w, ours, _| s.request_end(0, w, ours), "p000000000000"),
    (|s, w, _, _| s.notify(0, w, "log", "hi"), "n003log00000002hi"),
    (|s, w, _, theirs| s.respond(w, theirs, "hi"), "R000800000002hi"),
    (|s, w, _, theirs| s.respond(w, theirs, format_args!("{:.1}", 0.5)), "R0008000000030.5"),
    (|s, w, _, theirs| s.respond_part(w, theirs, "hi"), "S000800000002hi"),
    (|s, w, _, theirs| s.respond_end(w, theirs), "S000800000000"),
    (|s, w, _, theirs| s.respond_error(w, theirs, "hi"), "E000800000002hi"),
    (|s, w, _, theirs| s.respond_retry(w, theirs, 1, "hi"), "e00080000000100000002hi"),
    (|s, w, _, _| Ok(s.poll(20_000, w).map(|due| assert_eq!(due, None))?), "h000000000000"),
];

#[test]
fn rule_10_02_all_or_nothing_at_every_size_of_the_writer() {
    for (write, text) in WRITES {
        for size in 0..=text.len() + 1 {
            with_each_reader(STREAMS, |mut end: End<2, 2>| {
                let ours = end.stream_request(0, "up", "").unwrap();
                assert_eq!(end.hear(0, "01"), [Received::Opened]);
                end.asked(0, "r0007004echo00000000");
                let theirs = end.asked(0, "r0008004echo00000000");
                let mut session = end.session.clone();
                let mut buffer = vec![0xee; size];
                let mut writer = Writer::new(&mut buffer);
                let mut result = write(&mut session, &mut writer, ours, theirs);
                if size < text.len() {
                    let needed = text.len();
                    let full = WriteError::BufferTooSmall { needed, available: size };
                    assert_eq!(result, Err(SessionError::Write(full)));
                    assert_eq!(writer.as_bytes(), b"");
                    assert_eq!(format!("{session:?}"), format!("{:?}", end.session));
                    // Again, as if for the first time.
                    let mut buffer = vec![0; text.len()];
                    let mut writer = Writer::new(&mut buffer);
                    result = write(&mut session, &mut writer, ours, theirs);
                    assert_eq!((result, writer.as_bytes()), (Ok(()), text.as_bytes()));
                } else {
                    assert_eq!((result, writer.as_bytes()), (Ok(()), text.as_bytes()));
                }
                // As one that had the room at once.
                let mut large = [0; 64];
                let mut writer = Writer::new(&mut large);
                write(&mut end.session, &mut writer, ours, theirs).unwrap();
                assert_eq!(format!("{session:?}"), format!("{:?}", end.session));
            });
        }
    }
}

#[test]
fn rule_10_02_the_room_that_is_asked_for_counts_the_version() {
    let mut buffer = [0; 23];
    for size in 0..=buffer.len() {
        let mut session = Session::<1, 1>::new(STREAMS);
        let mut writer = Writer::new(&mut buffer[..size]);
        let full = |needed| Err(WriteError::BufferTooSmall { needed, available: size });
        let polled = session.clone().poll(0, &mut writer);
        assert_eq!(polled, if size < 2 { full(2) } else { Ok(None) });
        writer.clear();
        // `01r0000004echo00000001` and a letter.
        let result = session.request(0, &mut writer, "echo", "x").map(|request| request.index());
        let full = |needed| Err(SessionError::from(full(needed).unwrap_err()));
        assert_eq!(result, if size < 23 { full(23) } else { Ok(0) });
        assert_eq!(writer.len(), if size < 23 { 0 } else { 23 });
        assert_eq!(session.is_idle(), size < 23);
    }
}

/// The event is the same at the second call, and means the same.
#[test]
fn rule_10_02_a_message_is_received_again_when_its_answer_found_no_room() {
    let mut session = Session::<1, 1>::new(STREAMS);
    let mut assembler = Assembler::<8, 8>::new();
    let mut items = assembler.feed(b"01r0007004echo00000000r0008004echo00000000");
    let mut none = Writer::new(&mut []);
    for expected in [1, 2] {
        let item = items.next().unwrap().unwrap();
        let received = session.receive(0, item, &mut none).unwrap();
        assert_eq!(matches!(received, Received::Request { .. }), expected == 2);
    }
    let item = items.next().unwrap().unwrap();
    let full = WriteError::BufferTooSmall { needed: 27, available: 0 };
    for _ in 0..3 {
        assert_eq!(session.receive(0, item, &mut none), Err(full));
    }
    let mut buffer = [0; 27];
    let mut writer = Writer::new(&mut buffer);
    assert_eq!(session.receive(0, item, &mut writer), Ok(Received::Handled));
    assert_eq!(writer.as_bytes(), b"01e0008000001f400000004busy");
}

/// With the version still owed, as many bytes are enough for whatever a session says by itself.
#[test]
fn rule_10_02_the_longest_reply_has_a_length_that_is_known() {
    const LONGEST: usize = gotalk::MAX_REPLY_LEN;
    assert!((27..=40).contains(&LONGEST));
    let mut lengths = Vec::new();
    for settings in [STREAMS, Settings { streams: 0, ..Settings::BROWSER }] {
        for input in ["s0007002up00000000", "r0007002up00000000", "r0007009", "r0007002up00000009"]
        {
            let mut session = Session::<0, 1>::new(settings);
            session.drain();
            let mut assembler = Assembler::<8, 8>::new().without_handshake();
            let mut buffer = [0; LONGEST];
            let mut writer = Writer::new(&mut buffer);
            let mut items = assembler.feed(input.as_bytes());
            let item = items.next().unwrap().unwrap();
            assert_eq!(session.receive(0, item, &mut writer), Ok(Received::Handled));
            lengths.push(writer.len());
        }
    }
    // `01e0007000001f400000004busy` is the longest of these.
    assert_eq!(lengths.iter().max(), Some(&27));
}

#[test]
fn rule_10_03_an_id_is_the_number_of_its_slot() {
    with_each_reader(STREAMS, |mut end: End<4, 0>| {
        assert_eq!(end.hear_one(0, "01"), Received::Opened);
        let mut ids = Vec::new();
        let mut requests = Vec::new();
        for _ in 0..4 {
            let request = end.request(0, "x", "").unwrap();
            ids.push((request.index(), request.id().to_string()));
            requests.push(request);
        }
        let first = [(0, "0000"), (1, "0001"), (2, "0002"), (3, "0003")];
        assert_eq!(ids, first.map(|(index, id)| (index, id.to_owned())));
        assert_eq!(end.request(0, "x", ""), Err(SessionError::TooMany));
        assert_eq!(
            end.sent(),
            "01r0000001x00000000r0001001x00000000r0002001x00000000r0003001x00000000"
        );
        // Slot 2 is free, and taken again and again.
        for id in ["0006", "000a", "000e", "000i", "000m", "000q", "000u", "000y", "0012"] {
            end.session.forget(requests[2]);
            requests[2] = end.request(0, "x", "").unwrap();
            assert_eq!((requests[2].index(), requests[2].id().to_string()), (2, id.to_owned()));
            assert_eq!(end.sent(), format!("r{id}001x00000000"));
        }
        let result = Received::Result { request: requests[2], payload: "" };
        assert_eq!(end.hear_one(0, "R001200000000"), result);
    });
}

/// A session whose only slot has had as many requests.
fn after(count: u32) -> Session<1, 0> {
    let mut session = Session::new(STREAMS);
    let mut buffer = [0; 32];
    for _ in 0..count {
        let mut writer = Writer::new(&mut buffer);
        let request = session.request(0, &mut writer, "x", "").unwrap();
        session.forget(request);
    }
    session
}

#[test]
fn rule_10_03_after_zzzz_come_binary_ids() {
    with_each_reader_from(&after(1_679_614), |mut end| {
        assert_eq!(end.hear_one(0, "01"), Received::Opened);
        for (id, text) in [
            (b"zzzy", "zzzy"),
            (b"zzzz", "zzzz"),
            (b"\x80\x19\xa1\x00", r"\x80\x19\xa1\x00"),
            (b"\x80\x19\xa1\x01", r"\x80\x19\xa1\x01"),
        ] {
            let request = end.request(0, "x", "").unwrap();
            assert_eq!(request.id(), (*id).into());
            assert_eq!(end.sent(), format!("r{text}001x00000000"));
            // Other ways to write the same number are no ids of this session.
            for other in [b"ZZZY", b"ZZZZ", b"\x80\x19\xa0\xfe", b"\x80\x19\xa0\xff"] {
                assert_eq!(end.hear(0, [b"R", other.as_slice(), b"00000002no"].concat()), []);
            }
            for other in [b"\x00\x19\xa1\x00", b"\x00\x19\xa1\x01", b"\x00\x00\x00\x00"] {
                assert_eq!(end.hear(0, [b"E", other.as_slice(), b"00000002no"].concat()), []);
            }
            assert!(!end.session.is_idle());
            let said = end.hear_one(0, [b"R", id.as_slice(), b"00000002ok"].concat());
            assert_eq!(said, Received::Result { request, payload: "ok" });
        }
    });
}

#[test]
fn rule_10_03_no_id_comes_back_before_2_31_numbers() {
    static SESSION: Mutex<Session<65_535, 0>> = Mutex::new(Session::new(STREAMS));
    let mut session = SESSION.lock().unwrap();
    let mut buffer = [0; 32];
    let mut next = |session: &mut Session<65_535, 0>| {
        session.request(0, &mut Writer::new(&mut buffer), "x", "").unwrap()
    };
    // All other slots are held, so that the first one is taken again and again.
    let mut request = next(&mut session);
    for _ in 1..65_535 {
        next(&mut session);
    }
    let mut ids = HashSet::new();
    // 65,535 times 32,768 is 0x7fff8000, the last of these numbers.
    for _ in 0..=32_768 {
        assert_eq!(request.index(), 0);
        assert!(ids.insert(request.id()));
        if ids.len() == 32_769 {
            assert_eq!(request.id().as_bytes(), b"\xff\xff\x80\x00");
        }
        session.forget(request);
        request = next(&mut session);
    }
    assert_eq!(request.id().as_bytes(), b"0000");
}

#[test]
fn rule_10_03_the_slot_that_was_free_for_longest_is_taken_first() {
    let mut session = Session::<3, 0>::new(STREAMS);
    let mut buffer = [0; 64];
    let mut next = |session: &mut Session<3, 0>| {
        session.request(0, &mut Writer::new(&mut buffer), "x", "").unwrap()
    };
    // One at a time, the ids count.
    for id in [b"0000", b"0001", b"0002", b"0003", b"0004", b"0005", b"0006"] {
        let request = next(&mut session);
        assert_eq!(request.id().as_bytes(), id);
        session.forget(request);
    }
    let [first, second, third] = [(); 3].map(|()| next(&mut session));
    assert_eq!([first, second, third].map(Outgoing::index), [1, 2, 0]);
    for request in [third, first, second] {
        session.forget(request);
    }
    assert_eq!([(); 3].map(|()| next(&mut session).index()), [0, 1, 2]);
}

#[test]
fn rule_10_03_a_result_finds_its_request_among_65_535() {
    static SESSION: Mutex<Session<65_535, 0>> = Mutex::new(Session::new(STREAMS));
    let mut session = SESSION.lock().unwrap();
    let mut buffer = [0; 32];
    let mut requests = Vec::new();
    for index in 0..65_535 {
        let mut writer = Writer::new(&mut buffer);
        let request = session.request(0, &mut writer, "x", "").unwrap();
        assert_eq!(request.index(), index);
        requests.push(request);
    }
    let ids: HashSet<_> = requests.iter().map(|request| request.id()).collect();
    assert_eq!(ids.len(), 65_535);
    let mut writer = Writer::new(&mut buffer);
    assert_eq!(session.request(0, &mut writer, "x", ""), Err(SessionError::TooMany));
    assert_eq!(writer.as_bytes(), b"");
    // In an order that has nothing to do with theirs: 7,919 and 65,535 have no common factor.
    let mut assembler = Assembler::<0, 0>::new().without_handshake();
    for count in 0..65_535 {
        let request = requests[count * 7_919 % 65_535];
        let result = [b"R".as_slice(), request.id().as_bytes(), b"00000000"].concat();
        let mut items = assembler.feed(&result);
        let item = items.next().unwrap().unwrap();
        let received = session.receive(0, item, &mut writer);
        assert_eq!(received, Ok(Received::Result { request, payload: b"".as_slice() }));
        assert_eq!(session.is_idle(), count == 65_534);
        let again = session.receive(0, item, &mut writer);
        assert_eq!(again, Ok(Received::Handled));
    }
}

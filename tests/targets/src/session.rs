//! The same of the session: recorded clients are answered, two sessions talk, and numbers,
//! sizes and times that do not fit into 16 bits stay whole.

use gotalk::{
    Announced, Assembler, Backoff, Due, ErrorCode, Event, Frame, Item, Outgoing, Parser, Received,
    Session, SessionError, Settings, WriteError, Writer,
};

use crate::{CONVERSATIONS, Check, ID};

/// One size for all, since each is a copy of the code.
type Talk = Session<4, 3>;
const SETTINGS: Settings = Settings { streams: 1, ..Settings::DEFAULT };

/// What clients sent, and what their servers answered.
const RECORDED: [(&[u8], &[u8]); 5] = [
    (CONVERSATIONS[0], CONVERSATIONS[1]),
    (CONVERSATIONS[2], CONVERSATIONS[3]),
    (CONVERSATIONS[5], CONVERSATIONS[6]),
    (CONVERSATIONS[8], b"01"),
    (b"01X000100000000", CONVERSATIONS[10]),
];

/// Everything. Gives the number of conversations.
pub fn check() -> Result<usize, u32> {
    for (client, server) in RECORDED {
        for piece in [1, 3, 16, client.len()] {
            answered(client, server, piece)?;
        }
    }
    for piece in [1, 7, 64] {
        pair(piece)?;
    }
    numbers()?;
    sizes()?;
    times()?;
    Ok(RECORDED.len() + 1)
}

/// A recorded client has its answers, byte for byte.
fn answered(client: &[u8], mut server: &[u8], piece: usize) -> Check {
    let mut assembler = Assembler::<32, 16>::new();
    let mut session = Talk::new(SETTINGS);
    let mut pieces = client.chunks(piece);
    let mut buffer = [0; 64];
    loop {
        let mut writer = Writer::new(&mut buffer);
        let due = session.poll(0, &mut writer).map_err(|_| line!())?;
        check!(sent(&mut writer, &mut server));
        if due == Some(Due::Close) {
            break;
        }
        let Some(piece) = pieces.next() else { break };
        let mut items = assembler.feed(piece);
        while let Some(item) = items.next() {
            let received = session.receive(0, item, &mut writer).map_err(|_| line!())?;
            answer(&mut session, &mut writer, received).map_err(|_| line!())?;
            check!(sent(&mut writer, &mut server));
        }
    }
    check!(server.is_empty());
    check!(session.is_idle());
    Ok(())
}

fn answer(
    session: &mut Talk,
    writer: &mut Writer<'_>,
    received: Received<'_, &[u8]>,
) -> Result<(), SessionError> {
    let (request, part) = match received {
        Received::Request { request, op, payload } if op == "echo" => {
            return session.respond(writer, request, payload);
        }
        Received::Request { request, op, .. } => {
            // Not by `format_args!`, which goes wrong on an AVR: examples/arguments.rs.
            let (mut why, mut len) = ([0; 32], 0);
            for part in [b"unknown operation \"", op.as_bytes(), b"\""] {
                why[len..len + part.len()].copy_from_slice(part);
                len += part.len();
            }
            return session.respond_error(writer, request, &why[..len]);
        }
        Received::StreamRequest { request, payload, .. } => (request, payload),
        Received::RequestPart { request, payload } => (request, payload),
        Received::RequestEnd { request } => return session.respond_end(writer, request),
        _ => return Ok(()),
    };
    let mut upper = [0; 16];
    let upper = &mut upper[..part.len()];
    upper.copy_from_slice(part);
    upper.make_ascii_uppercase();
    session.respond_part(writer, request, &*upper)
}

/// Takes what was written from what is expected.
fn sent(writer: &mut Writer<'_>, expected: &mut &[u8]) -> bool {
    let Some(rest) = expected.strip_prefix(writer.as_bytes()) else { return false };
    *expected = rest;
    writer.clear();
    true
}

/// Two sessions: one asks at once as much as it can, and the other answers the last first.
fn pair(piece: usize) -> Check {
    let (mut here, mut there) = (Talk::new(SETTINGS), Talk::new(SETTINGS));
    let (mut to_here, mut to_there) = ([0; 160], [0; 160]);
    let mut writer = Writer::new(&mut to_there);
    let mut asked = [None::<Outgoing>; 4];
    for (place, request) in asked.iter_mut().enumerate() {
        let payload = &b"0123"[place..place + 1];
        *request = Some(here.request(0, &mut writer, "echo", payload).map_err(|_| line!())?);
    }
    check!(here.request(0, &mut writer, "echo", b"") == Err(SessionError::TooMany));

    // There is room for three: the fourth may come again.
    let mut parser = Parser::<8>::new();
    let mut answers = Writer::new(&mut to_here);
    let mut owed = [None; 3];
    for piece in writer.as_bytes().chunks(piece) {
        let mut events = parser.feed(piece);
        while let Some(event) = events.next() {
            match there.receive(0, event, &mut answers).map_err(|_| line!())? {
                Received::Request { request, .. } => owed[request.index()] = Some((request, 0)),
                Received::Payload { data: &[byte], .. } => {
                    for owed in owed.iter_mut().flatten().filter(|owed| owed.1 == 0) {
                        owed.1 = byte;
                    }
                }
                _ => {}
            }
        }
    }
    for (request, byte) in owed.into_iter().rev().flatten() {
        there.respond(&mut answers, request, &[byte]).map_err(|_| line!())?;
        let again = there.respond(&mut answers, request, b"again");
        check!(again == Err(SessionError::Over));
    }
    check!(there.is_idle());

    let mut assembler = Assembler::<8, 8>::new();
    let (mut results, mut later) = (0, 0);
    for piece in answers.as_bytes().chunks(piece) {
        let mut items = assembler.feed(piece);
        while let Some(item) = items.next() {
            let mut nothing = Writer::new(&mut []);
            match here.receive(0, item, &mut nothing).map_err(|_| line!())? {
                Received::Result { request, payload } => {
                    check!(asked[request.index()] == Some(request));
                    check!(payload == &b"0123"[request.index()..request.index() + 1]);
                    results += 1;
                }
                Received::RetryResult { request, wait_ms: 500, .. } => {
                    check!(asked[3] == Some(request));
                    later += 1;
                }
                Received::Opened => {}
                _ => return Err(line!()),
            }
        }
    }
    check!((results, later) == (3, 1));
    check!(here.is_idle());
    Ok(())
}

/// The ids of requests go on beyond 65,535.
fn numbers() -> Check {
    let mut session = Talk::new(SETTINGS);
    let mut buffer = [0; 32];
    let mut writer = Writer::new(&mut buffer);
    check!(session.poll(0, &mut writer) == Ok(None));
    for turn in 0..66_000 {
        writer.clear();
        let request = session.request(0, &mut writer, "a", b"").map_err(|_| line!())?;
        check!(request.id().to_number() == Some(turn));
        let result = Frame::SingleResult { id: request.id(), payload_len: 0 };
        let received = session.receive(0, Event::Frame(result), &mut writer);
        check!(received == Ok(Received::Result { request, payload: 0 }));
        // It came once. The low 16 bits of another number are the same.
        check!(session.receive(0, Event::Frame(result), &mut writer) == Ok(Received::Handled));
    }
    Ok(())
}

/// Sizes keep their 32 bits.
fn sizes() -> Check {
    let mut session = Talk::new(SETTINGS);
    let mut buffer = [0; 40];
    let mut writer = Writer::new(&mut buffer);
    check!(session.poll(0, &mut writer) == Ok(None));
    writer.clear();
    let frame = Frame::SingleRequest { id: ID, op: "a".into(), payload_len: 0x1_0005 };
    let received = session.receive(0, Event::Frame(frame), &mut writer).map_err(|_| line!())?;
    let Received::Request { request, payload: 0x1_0005, .. } = received else {
        return Err(line!());
    };
    check!(session.respond(&mut writer, request, Announced(0x1_0005)) == Ok(()));
    check!(writer.as_bytes() == b"R000100010005");
    writer.clear();
    // An assembler that cannot hold it: the session says so.
    let item = Item::PayloadTooLong(frame);
    check!(session.receive(0, item, &mut writer) == Ok(Received::Handled));
    check!(writer.as_bytes() == b"E000100000008too long");
    writer.clear();
    check!(session.notify(0, &mut writer, "a", Announced(u32::MAX)) == Ok(()));
    check!(writer.as_bytes() == b"n001affffffff");
    let fits = session.notify(0, &mut writer, "a", &[0; 40]);
    let needed = WriteError::BufferTooSmall { needed: 53, available: 27 };
    check!(fits == Err(SessionError::Write(needed)));
    Ok(())
}

/// Intervals of more than 65,535 ms, on a clock that wraps meanwhile.
fn times() -> Check {
    let settings = Settings {
        heartbeat_ms: Some(100_000),
        silence_ms: Some(200_000),
        answer_ms: Some(70_000),
        ..Settings::DEFAULT
    };
    let mut session = Talk::new(settings);
    let mut buffer = [0; 40];
    let mut writer = Writer::new(&mut buffer);
    let start = u32::MAX - 60_000;
    let at = |ms| start.wrapping_add(ms);
    session.set_load(0xfffe);
    session.set_clock(start, 0x54d7_de9a);
    let request = session.request(start, &mut writer, "a", b"").map_err(|_| line!())?;
    writer.clear();
    check!(session.wait_ms(start) == Some(70_000));
    check!(session.poll(at(69_999), &mut writer) == Ok(None));
    check!(session.poll(at(70_000), &mut writer) == Ok(Some(Due::TimedOut(request))));
    check!(session.poll(at(70_000), &mut writer) == Ok(None));
    check!(session.wait_ms(at(70_000)) == Some(30_000));
    check!(writer.is_empty());
    check!(session.poll(at(100_000), &mut writer) == Ok(None));
    // 100 seconds later.
    check!(writer.as_bytes() == b"hfffe54d7defe");
    writer.clear();
    check!(session.poll(at(200_000), &mut writer) == Ok(Some(Due::Close)));
    check!(writer.as_bytes() == b"f00000003");

    session.reset();
    session.close(ErrorCode::from(0x89ab_cdef));
    writer = Writer::new(&mut buffer);
    check!(session.poll(0, &mut writer) == Ok(Some(Due::Close)));
    check!(writer.as_bytes() == b"01f89abcdef");

    let mut backoff = Backoff::with_limits(70_000, 100_000);
    check!(backoff.next_ms(0) == 70_000);
    check!(backoff.next_ms(u32::MAX) == 50_001);
    Ok(())
}

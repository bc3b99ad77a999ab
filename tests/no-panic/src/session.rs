//! The same of the session: its functions with every reader, every kind of payload and
//! settings of which nothing is known.

use core::error::Error as _;
use core::hint::black_box;

use gotalk::{
    Announced, Assembler, Backoff, Due, ErrorCode, Incoming, Input, Outgoing, Parser, Payload,
    Received, Session, SessionError, Settings, WriteError, Writer,
};

use crate::{bytes, print, show};

pub fn conversing() {
    reading::<8, 8>(Settings::DEFAULT);
    reading::<3, 5>(Settings::BROWSER);
    reading::<0, 0>(Settings::default());
    reading::<1000, 1000>(Settings::DEFAULT);
    waiting(Backoff::new());
    waiting(Backoff::default());
    waiting(Backoff::with_limits(number(), number()));
}

fn number() -> u32 {
    black_box(0)
}

/// A session of which nothing is known.
fn session<const OUT: usize, const IN: usize>() -> Session<OUT, IN> {
    black_box(Session::new(settings()))
}

fn settings() -> Settings {
    black_box(Settings {
        heartbeat_ms: black_box(None),
        silence_ms: black_box(None),
        answer_ms: black_box(None),
        retry_after_ms: black_box(None),
        streams: black_box(0),
        stream_requests: black_box(false),
    })
}

fn reading<const OUT: usize, const IN: usize>(known: Settings) {
    show(&known);
    black_box(known == settings());
    black_box(Session::<OUT, IN>::new(known).is_open());
    black_box(gotalk::MAX_REPLY_LEN);
    let mut session = session::<OUT, IN>();
    let session = black_box(&mut session);
    let mut buffer = [0; 64];
    let mut writer = Writer::new(black_box(&mut buffer[..]));
    let writer = black_box(&mut writer);

    let mut parser = Parser::<64>::new();
    let mut events = parser.feed(bytes());
    while let Some(event) = events.next() {
        receive(session, event, writer);
    }
    let mut assembler = Assembler::<256>::new();
    let mut items = assembler.feed(bytes());
    while let Some(item) = items.next() {
        receive(session, item, writer);
    }
    receive(session, black_box(gotalk::Event::Version(1)), writer);
    receive(session, black_box(gotalk::Item::Version(1)), writer);

    passing(session, writer);
    ask(session, writer, bytes());
    ask(session, writer, black_box("text"));
    ask(session, writer, black_box(b"bytes"));
    ask(session, writer, black_box(Announced(number())));
    // In place.
    ask(session, writer, black_box(format_args!("{}{}", black_box(""), black_box('x'))));

    black_box(Session::is_open(black_box(session)));
    black_box(Session::is_idle(black_box(session)));
    show(&*session);
    black_box(black_box(&*session).clone());
    Session::reset(black_box(session));
    if let Err(error) = parser.finish() {
        Session::fail(black_box(session), black_box(&error));
    }
    Session::drain(black_box(session));
    Session::close(black_box(session), ErrorCode::from(number()));
    Session::disconnected(black_box(session));
    passing(session, writer);
}

fn receive<'a, const OUT: usize, const IN: usize, I: Input<'a>>(
    session: &mut Session<OUT, IN>,
    input: I,
    writer: &mut Writer<'_>,
) where
    I::Payload: core::fmt::Debug + PartialEq + Copy,
{
    let received: Result<Received<'a, I::Payload>, WriteError> =
        black_box(Session::receive(black_box(session), number(), black_box(input), writer));
    show(&received);
    let Ok(received) = received else { return };
    black_box(received == black_box(received));
    match received {
        Received::Request { request, .. } | Received::StreamRequest { request, .. } => {
            answer(session, writer, request, bytes());
            answer(session, writer, request, black_box(Announced(number())));
            answer(session, writer, request, black_box(format_args!("{}", black_box(""))));
        }
        Received::Result { request, .. } => {
            black_box(Outgoing::index(black_box(request)));
            Session::forget(black_box(session), black_box(request));
        }
        _ => {}
    }
}

/// A payload that can be given more than once.
trait Again: Payload + Copy {}

impl<T: Payload + Copy> Again for T {}

fn answer<const OUT: usize, const IN: usize>(
    session: &mut Session<OUT, IN>,
    writer: &mut Writer<'_>,
    request: Incoming,
    payload: impl Again,
) {
    let request = black_box(request);
    show(&request);
    black_box(Incoming::id(request));
    black_box(Incoming::index(request));
    black_box(request == black_box(request));
    let results = [
        Session::respond(black_box(session), writer, black_box(request), payload),
        Session::respond_part(black_box(session), writer, black_box(request), payload),
        Session::respond_end(black_box(session), writer, black_box(request)),
        Session::respond_error(black_box(session), writer, black_box(request), payload),
        Session::respond_retry(black_box(session), writer, black_box(request), number(), payload),
    ];
    black_box(results).into_iter().for_each(done);
}

fn ask<const OUT: usize, const IN: usize>(
    session: &mut Session<OUT, IN>,
    writer: &mut Writer<'_>,
    payload: impl Again,
) {
    let now = number();
    let requests = [
        Session::request(black_box(session), now, writer, bytes(), payload),
        Session::stream_request(black_box(session), now, writer, black_box(""), payload),
    ];
    for request in black_box(requests) {
        let request: Outgoing = match request {
            Ok(request) => request,
            Err(error) => return done(Err(error)),
        };
        show(&request);
        black_box(Outgoing::id(request));
        black_box(Outgoing::index(request));
        black_box(request == black_box(request));
        done(Session::request_part(black_box(session), now, writer, black_box(request), payload));
        done(Session::request_end(black_box(session), now, writer, black_box(request)));
        Session::forget(black_box(session), black_box(request));
    }
    done(Session::notify(black_box(session), now, writer, bytes(), payload));
}

fn passing<const OUT: usize, const IN: usize>(
    session: &mut Session<OUT, IN>,
    writer: &mut Writer<'_>,
) {
    Session::set_load(black_box(session), black_box(0));
    Session::set_clock(black_box(session), number(), number());
    black_box(Session::wait_ms(black_box(session), number()));
    while let Ok(Some(due)) = Session::poll(black_box(session), number(), writer) {
        let due: Due = black_box(due);
        show(&due);
        black_box(due == black_box(due));
        if due == Due::Close {
            return;
        }
    }
}

fn done(result: Result<(), SessionError>) {
    if let Err(error) = result {
        show(&error);
        print(&error);
        black_box(SessionError::source(&error).is_some());
        black_box(error == black_box(error));
    }
    black_box(SessionError::from(black_box(WriteError::Closed)));
}

fn waiting(mut backoff: Backoff) {
    let backoff = black_box(&mut backoff);
    show(&*backoff);
    black_box(Backoff::next_ms(black_box(backoff), number()));
    Backoff::reset(black_box(backoff));
    black_box(black_box(&*backoff).clone() == *backoff);
}

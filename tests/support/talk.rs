//! One end of a conversation, for the tests of section 10 of PROTOCOL.md: a session with
//! either reader. What the session says of a message is brought into one form, so that each
//! test is written once and runs with both readers.
//!
//! Every call is first made with writers that are too small, of every size, so that each test
//! is one of rule 10.2 as well.

#![allow(dead_code, unreachable_pub)]

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::Mutex;

use gotalk::{
    Assembler, Due, ErrorKind, Incoming, Name, Outgoing, Parser, Payload, Received, Session,
    SessionError, Settings, WriteError, Writer,
};

/// What a session says of a message, its whole payload included, as text.
pub type Said = Received<'static, &'static str>;

/// The longest name that either reader takes.
pub const LONGEST_NAME: usize = 8;
/// The longest payload that the assembler takes.
pub const LONGEST_PAYLOAD: usize = 32;

/// Either of the readers.
pub enum Reader {
    Parser(Parser<LONGEST_NAME>, Option<(Said, u32, Vec<u8>)>),
    Assembler(Assembler<LONGEST_PAYLOAD, LONGEST_NAME>),
}

/// A session, its reader, and what it has written.
pub struct End<const OUT: usize, const IN: usize> {
    pub session: Session<OUT, IN>,
    reader: Reader,
    /// The length of the chunks in which input comes.
    chunk: usize,
    failed: bool,
    written: Vec<u8>,
}

/// The default, but with room for streams.
pub const STREAMS: Settings = Settings { streams: u16::MAX, ..Settings::DEFAULT };

/// Runs a test with each reader, whose input comes whole, and byte by byte.
pub fn with_each_reader<const OUT: usize, const IN: usize>(
    settings: Settings,
    test: impl Fn(End<OUT, IN>),
) {
    with_each_reader_from(&Session::new(settings), test);
}

/// The same with a session that has a history.
pub fn with_each_reader_from<const OUT: usize, const IN: usize>(
    session: &Session<OUT, IN>,
    test: impl Fn(End<OUT, IN>),
) {
    for chunk in [usize::MAX, 1] {
        for parser in [true, false] {
            let _named = Named { parser, chunk };
            let reader = if parser {
                Reader::Parser(Parser::new(), None)
            } else {
                Reader::Assembler(Assembler::new())
            };
            let session = session.clone();
            test(End { session, reader, chunk, failed: false, written: Vec::new() });
        }
    }
}

/// Says which of the four a test failed with.
struct Named {
    parser: bool,
    chunk: usize,
}

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let reader = if self.parser { "a parser" } else { "an assembler" };
            let chunks = if self.chunk == 1 { "byte by byte" } else { "whole" };
            eprintln!("with {reader} that reads {chunks}");
        }
    }
}

impl<const OUT: usize, const IN: usize> End<OUT, IN> {
    /// Whether the reader has a limit for payloads.
    pub fn assembles(&self) -> bool {
        matches!(self.reader, Reader::Assembler(_))
    }

    /// What has been written since the last call, as text with escapes.
    pub fn sent(&mut self) -> String {
        std::mem::take(&mut self.written).escape_ascii().to_string()
    }

    /// Reads `input`, and gives what the session says of it. An error of the reader goes to the
    /// session.
    #[track_caller]
    pub fn hear(&mut self, now: u32, input: impl AsRef<[u8]>) -> Vec<Said> {
        let Self { session, reader, written, .. } = self;
        let mut said = Vec::new();
        for chunk in input.as_ref().chunks(self.chunk) {
            assert!(!self.failed, "input after an error");
            match reader {
                Reader::Assembler(assembler) => {
                    let mut items = assembler.feed(chunk);
                    while let Some(item) = items.next() {
                        match item {
                            Ok(item) => {
                                let received = call(session, written, None, |session, writer| {
                                    Ok(session.receive(now, item, writer)?)
                                });
                                if received != Ok(Received::Handled) {
                                    said.push(kept(received.unwrap(), keep_text));
                                }
                            }
                            Err(error) => {
                                session.fail(&error);
                                self.failed = true;
                                return said;
                            }
                        }
                    }
                }
                Reader::Parser(parser, open) => {
                    let mut events = parser.feed(chunk);
                    while let Some(event) = events.next() {
                        match event {
                            Ok(event) => {
                                let received = call(session, written, None, |session, writer| {
                                    Ok(session.receive(now, event, writer)?)
                                });
                                said.extend(joined(open, received.unwrap()));
                            }
                            Err(error) => {
                                session.fail(&error);
                                self.failed = true;
                                return said;
                            }
                        }
                    }
                }
            }
        }
        said
    }

    /// Reads one message of which the session says one thing.
    #[track_caller]
    pub fn hear_one(&mut self, now: u32, input: impl AsRef<[u8]>) -> Said {
        let said = self.hear(now, input);
        assert_eq!(said.len(), 1, "{said:?}");
        said[0]
    }

    /// Reads a request of the peer's, and gives its handle.
    #[track_caller]
    pub fn asked(&mut self, now: u32, input: impl AsRef<[u8]>) -> Incoming {
        match self.hear_one(now, input) {
            Received::Request { request, .. } | Received::StreamRequest { request, .. } => request,
            other => panic!("no request: {other:?}"),
        }
    }

    /// Tells the session what the reader says of the end of the input.
    pub fn input_ends(&mut self) {
        let end = match &self.reader {
            Reader::Parser(parser, _) => parser.finish(),
            Reader::Assembler(assembler) => assembler.finish(),
        };
        match end {
            Ok(()) => self.session.disconnected(),
            Err(error) => {
                assert!(matches!(error.kind, ErrorKind::UnexpectedEnd { .. }));
                self.session.fail(&error);
            }
        }
    }

    /// Goes back to the start, for another connection.
    pub fn another_connection(&mut self) {
        self.session.reset();
        self.failed = false;
        match &mut self.reader {
            Reader::Parser(parser, open) => {
                parser.reset();
                *open = None;
            }
            Reader::Assembler(assembler) => assembler.reset(),
        }
    }

    /// What is due, until there is nothing more, or the connection is to be closed.
    #[track_caller]
    pub fn poll(&mut self, now: u32) -> Vec<Due> {
        let mut dues = Vec::new();
        loop {
            let due = self.call(now, |session, writer| Ok(session.poll(now, writer)?)).unwrap();
            dues.extend(due);
            if matches!(due, None | Some(Due::Close)) {
                return dues;
            }
        }
    }

    /// What is due at `now`, of which the session writes this and says nothing.
    #[track_caller]
    pub fn writes(&mut self, now: u32, text: &str) {
        assert_eq!(self.poll(now), []);
        assert_eq!(self.sent(), text, "at {now}");
    }

    pub fn request(
        &mut self,
        now: u32,
        op: &str,
        payload: impl Payload + Copy,
    ) -> Result<Outgoing, SessionError> {
        self.call(now, |session, writer| session.request(now, writer, op, payload))
    }

    pub fn stream_request(
        &mut self,
        now: u32,
        op: &str,
        payload: impl Payload + Copy,
    ) -> Result<Outgoing, SessionError> {
        self.call(now, |session, writer| session.stream_request(now, writer, op, payload))
    }

    pub fn request_part(
        &mut self,
        now: u32,
        request: Outgoing,
        payload: impl Payload + Copy,
    ) -> Result<(), SessionError> {
        self.call(now, |session, writer| session.request_part(now, writer, request, payload))
    }

    pub fn request_end(&mut self, now: u32, request: Outgoing) -> Result<(), SessionError> {
        self.call(now, |session, writer| session.request_end(now, writer, request))
    }

    pub fn notify(
        &mut self,
        now: u32,
        name: &str,
        payload: impl Payload + Copy,
    ) -> Result<(), SessionError> {
        self.call(now, |session, writer| session.notify(now, writer, name, payload))
    }

    /// Makes any other call, which has no time.
    pub fn answer(
        &mut self,
        answer: impl Fn(&mut Session<OUT, IN>, &mut Writer<'_>) -> Result<(), SessionError>,
    ) -> Result<(), SessionError> {
        call(&mut self.session, &mut self.written, None, answer)
    }

    pub fn respond(
        &mut self,
        request: Incoming,
        payload: impl Payload + Copy,
    ) -> Result<(), SessionError> {
        self.answer(|session, writer| session.respond(writer, request, payload))
    }

    pub fn respond_part(
        &mut self,
        request: Incoming,
        payload: impl Payload + Copy,
    ) -> Result<(), SessionError> {
        self.answer(|session, writer| session.respond_part(writer, request, payload))
    }

    pub fn respond_end(&mut self, request: Incoming) -> Result<(), SessionError> {
        self.answer(|session, writer| session.respond_end(writer, request))
    }

    pub fn respond_error(
        &mut self,
        request: Incoming,
        payload: impl Payload + Copy,
    ) -> Result<(), SessionError> {
        self.answer(|session, writer| session.respond_error(writer, request, payload))
    }

    pub fn respond_retry(
        &mut self,
        request: Incoming,
        wait_ms: u32,
        payload: impl Payload + Copy,
    ) -> Result<(), SessionError> {
        self.answer(|session, writer| session.respond_retry(writer, request, wait_ms, payload))
    }

    fn call<T: PartialEq + Debug>(
        &mut self,
        now: u32,
        f: impl Fn(&mut Session<OUT, IN>, &mut Writer<'_>) -> Result<T, SessionError>,
    ) -> Result<T, SessionError> {
        call(&mut self.session, &mut self.written, Some(now), f)
    }
}

/// Makes a call with writers of every size that is too small, of which nothing may come, and
/// then with one that has just the room. A session to which only the last of these happened
/// must be in the same state.
fn call<const OUT: usize, const IN: usize, T: PartialEq + Debug>(
    session: &mut Session<OUT, IN>,
    written: &mut Vec<u8>,
    now: Option<u32>,
    f: impl Fn(&mut Session<OUT, IN>, &mut Writer<'_>) -> Result<T, SessionError>,
) -> Result<T, SessionError> {
    const BEFORE: &[u8] = b"h000000000000";
    let state = |session: &Session<OUT, IN>| {
        let wait = now.map(|now| session.wait_ms(now));
        (format!("{session:?}"), session.is_idle(), wait)
    };
    let mut only_once = session.clone();
    let mut all_needed = None;
    for size in 0.. {
        let before = state(session);
        let mut buffer = vec![0xee; BEFORE.len() + size];
        let mut writer = Writer::new(&mut buffer);
        writer.heartbeat(0, 0).unwrap();
        let result = f(session, &mut writer);
        if let Err(SessionError::Write(WriteError::BufferTooSmall { needed, available })) = result {
            assert_eq!(writer.as_bytes(), BEFORE, "written, but refused");
            assert_eq!(state(session), before);
            assert_eq!(available, size);
            assert_eq!(*all_needed.get_or_insert(needed), needed);
            assert!(size < needed && needed < 10_000);
            continue;
        }
        // All of the room that was asked for, and no other.
        assert_eq!(size, all_needed.unwrap_or(0));
        let bytes = &writer.as_bytes()[BEFORE.len()..];
        assert_eq!(bytes.len(), size);
        if result.is_err() {
            assert_eq!(state(session), before);
        }

        let mut large = [0; 10_000];
        let mut large = Writer::new(&mut large);
        assert_eq!(f(&mut only_once, &mut large), result);
        assert_eq!(large.as_bytes(), bytes);
        assert_eq!(state(&only_once), state(session));
        written.extend_from_slice(bytes);
        return result;
    }
    unreachable!("one of the sizes is large enough")
}

/// What a parser's event says, once the payload is whole.
fn joined(open: &mut Option<(Said, u32, Vec<u8>)>, received: Received<'_, u32>) -> Option<Said> {
    match received {
        Received::Handled => {
            assert_eq!(*open, None, "a payload that is known is handled");
            None
        }
        Received::Payload { data, remaining } => {
            let (said, len, mut bytes) = open.take().expect("a payload belongs to a message");
            bytes.extend_from_slice(data);
            if remaining > 0 {
                *open = Some((said, len, bytes));
                return None;
            }
            assert_eq!(bytes.len(), len as usize);
            Some(kept(said, |_| keep_text(&bytes)))
        }
        received => {
            assert_eq!(*open, None, "a payload is missing");
            let mut len = None;
            let said = kept(received, |payload| {
                len = Some(payload);
                ""
            });
            *open = len.map(|len| (said, len, Vec::new()));
            if len.is_some() { None } else { Some(said) }
        }
    }
}

/// The same with another payload, and for ever.
fn kept<P>(received: Received<'_, P>, mut payload: impl FnMut(P) -> &'static str) -> Said {
    let name = |name: Name<'_>| Name::from_bytes(keep(name.as_bytes()));
    match received {
        Received::Opened => Received::Opened,
        Received::Request { request, op, payload: p } => {
            Received::Request { request, op: name(op), payload: payload(p) }
        }
        Received::StreamRequest { request, op, payload: p } => {
            Received::StreamRequest { request, op: name(op), payload: payload(p) }
        }
        Received::RequestPart { request, payload: p } => {
            Received::RequestPart { request, payload: payload(p) }
        }
        Received::RequestEnd { request } => Received::RequestEnd { request },
        Received::RequestTooLong { request } => Received::RequestTooLong { request },
        Received::Result { request, payload: p } => {
            Received::Result { request, payload: payload(p) }
        }
        Received::ResultPart { request, payload: p } => {
            Received::ResultPart { request, payload: payload(p) }
        }
        Received::ResultEnd { request } => Received::ResultEnd { request },
        Received::ErrorResult { request, payload: p } => {
            Received::ErrorResult { request, payload: payload(p) }
        }
        Received::RetryResult { request, wait_ms, payload: p } => {
            Received::RetryResult { request, wait_ms, payload: payload(p) }
        }
        Received::ResultTooLong { request } => Received::ResultTooLong { request },
        Received::Notification { name: n, payload: p } => {
            Received::Notification { name: name(n), payload: payload(p) }
        }
        Received::Payload { data, remaining } => Received::Payload { data: keep(data), remaining },
        Received::Heartbeat { load, time } => Received::Heartbeat { load, time },
        Received::Closed { code } => Received::Closed { code },
        Received::Handled => Received::Handled,
    }
}

/// A payload, of which all in these tests are text.
fn keep_text(bytes: &[u8]) -> &'static str {
    std::str::from_utf8(keep(bytes)).unwrap()
}

/// The same bytes for ever, each once.
fn keep(bytes: &[u8]) -> &'static [u8] {
    static KEPT: Mutex<BTreeSet<&'static [u8]>> = Mutex::new(BTreeSet::new());
    let mut kept = KEPT.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if let Some(bytes) = kept.get(bytes) {
        return bytes;
    }
    let bytes: &'static [u8] = Vec::leak(bytes.to_vec());
    kept.insert(bytes);
    bytes
}

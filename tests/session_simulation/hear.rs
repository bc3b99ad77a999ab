//! What arrives: each event or item is foretold from what the other end made, and from where
//! its request has got to.

use gotalk::{ErrorKind, Event, Frame, Item, Name, Received, WriteError};

use crate::any::{Found, Payload, REPLY};
use crate::coverage::Kind;
use crate::support::oracle;
use crate::world::{Current, End, Message, Outcome, Phase, Place, Request, World, mark, trace};

/// What the session must do with what was found.
struct Expected<'a> {
    received: Received<'a, ()>,
    /// The program gets the payload.
    is_wanted: bool,
    /// The session answers by itself: the type and the wait of its message, and why.
    reply: Option<(u8, u32, Kind)>,
}

impl<'a> Expected<'a> {
    const NOTHING: Self = Self { received: Received::Handled, is_wanted: false, reply: None };

    fn plain(received: Received<'a, ()>) -> Self {
        Self { received, ..Self::NOTHING }
    }

    fn with_payload(received: Received<'a, ()>) -> Self {
        Self { received, is_wanted: true, reply: None }
    }

    fn refused(kind: u8, wait: u32, why: Kind) -> Self {
        Self { reply: Some((kind, wait, why)), ..Self::NOTHING }
    }
}

/// What is to be made of a message. `given` is what the session has made of it: of a new
/// request only that says the handle.
fn expect<'a>(
    end: &End,
    requests: &[Request],
    message: &'a Message,
    given: Option<gotalk::Incoming>,
) -> Expected<'a> {
    if !end.is_live() {
        return Expected::NOTHING;
    }
    let name_fits = message.name.len() <= end.reader.name_capacity();
    let payload_fits =
        end.reader.payload_capacity().is_none_or(|most| message.payload.len() <= most);
    let name = Name::from_bytes(&message.name);
    let request = message.request.map(|number| &requests[number]);
    match (message.kind, request) {
        (b'v', _) => Expected::plain(Received::Opened),
        (b'h', _) => {
            Expected::plain(Received::Heartbeat { load: message.extra as u16, time: message.time })
        }
        (b'f', _) => Expected::plain(Received::Closed { code: message.extra.into() }),
        (b'n', _) if !name_fits || !payload_fits => Expected::NOTHING,
        (b'n', _) => Expected::with_payload(Received::Notification { name, payload: () }),
        (b'r' | b's', Some(asked)) => {
            let streams = end.owed.iter().filter(|&&other| requests[other].is_stream).count();
            let most = usize::from(end.settings.streams);
            let why = if !name_fits {
                return Expected::refused(b'E', 0, Kind::NameTooLong);
            } else if !payload_fits {
                return Expected::refused(b'E', 0, Kind::PayloadTooLong);
            } else if asked.is_stream && most == 0 {
                return Expected::refused(b'E', 0, Kind::NoStreams);
            } else if end.phase != Phase::Open {
                Kind::Drained
            } else if end.owed.len() >= end.session.sizes().1 {
                Kind::BusyRetry
            } else if asked.is_stream && streams >= most {
                Kind::ManyStreams
            } else {
                let request = given.expect("a request was not admitted");
                return Expected::with_payload(if asked.is_stream {
                    Received::StreamRequest { request, op: name, payload: () }
                } else {
                    Received::Request { request, op: name, payload: () }
                });
            };
            match end.settings.retry_after_ms {
                Some(wait) if end.session.sizes().1 > 0 => Expected::refused(b'e', wait, why),
                _ if why == Kind::BusyRetry => Expected::refused(b'E', 0, Kind::BusyError),
                _ => Expected::refused(b'E', 0, why),
            }
        }
        (b'p', Some(Request { place: Place::Owed, is_receiving: true, incoming, .. })) => {
            let request = incoming.expect("it was seen");
            if message.payload.is_empty() {
                Expected::plain(Received::RequestEnd { request })
            } else if payload_fits {
                Expected::with_payload(Received::RequestPart { request, payload: () })
            } else {
                Expected {
                    received: Received::RequestTooLong { request },
                    ..Expected::refused(b'E', 0, Kind::PartTooLong)
                }
            }
        }
        (b'R' | b'S' | b'E' | b'e', Some(&Request { outcome: None, handle: request, .. })) => {
            if !payload_fits {
                return Expected::plain(Received::ResultTooLong { request });
            }
            if message.kind == b'S' && message.payload.is_empty() {
                return Expected::plain(Received::ResultEnd { request });
            }
            Expected::with_payload(match message.kind {
                b'R' => Received::Result { request, payload: () },
                b'S' => Received::ResultPart { request, payload: () },
                b'E' => Received::ErrorResult { request, payload: () },
                _ => Received::RetryResult { request, wait_ms: message.extra, payload: () },
            })
        }
        _ => Expected::NOTHING,
    }
}

/// Whether the reader found this message: its type and its lengths.
fn is_of(found: &Found<'_>, message: &Message) -> bool {
    let is_frame = |frame: &Frame<'_>| {
        frame.message_type().as_byte() == message.kind
            && frame.payload_len().is_none_or(|len| len as usize == message.payload.len())
    };
    match found {
        Found::Event(Event::Version(_)) | Found::Item(Item::Version(_)) => message.kind == b'v',
        Found::Event(Event::Frame(frame)) | Found::Item(Item::PayloadTooLong(frame)) => {
            is_frame(frame)
        }
        Found::Item(Item::Message(whole)) => is_frame(&whole.frame),
        Found::Event(Event::NameTooLong { message_type, name_len, .. })
        | Found::Item(Item::NameTooLong { message_type, name_len, .. }) => {
            message_type.as_byte() == message.kind && usize::from(*name_len) == message.name.len()
        }
        Found::Event(Event::Payload { .. }) => false,
    }
}

impl World<'_> {
    /// Lets the reader find something, from what has arrived. At the end of the input, tells
    /// the session.
    fn find(&mut self, i: usize) -> bool {
        loop {
            let end = &mut self.ends[i];
            if end.step.is_some() {
                return true;
            }
            if end.is_deaf {
                return false;
            }
            let (read, found) = end.reader.step(&end.input[end.at..]);
            match found {
                Ok(Some(step)) => {
                    end.step = Some((end.at, step));
                    end.at += read;
                    return true;
                }
                Ok(None) => {
                    assert_eq!(end.at + read, end.input.len());
                    end.at = 0;
                    end.input.clear();
                    if end.is_damaged && end.reader.finish().is_ok() {
                        // After a protocol error the reader ignores it.
                        end.is_damaged = false;
                        end.input.push(b'#');
                        continue;
                    }
                    let wire = &mut self.wires[1 - i];
                    end.input.extend(wire.take(&mut self.rng, self.time));
                    if end.input.is_empty() {
                        if wire.has_ended() {
                            self.hear_the_end(i);
                        }
                        return false;
                    }
                }
                Err(error) => {
                    trace!(self, "{i}: the reader fails: {error}");
                    assert_eq!(error.kind, ErrorKind::UnknownType(b'#'), "{error}");
                    end.is_deaf = true;
                    end.quiet_until = 0;
                    if self.rng.one_in(2) {
                        end.session.fail(&error);
                    } else {
                        let (now, session) = (end.now(), &mut end.session);
                        end.outlet.write(&mut |writer| {
                            let given = session.receive_error(now, error, writer);
                            assert_eq!(given, Ok(Received::Handled));
                        });
                    }
                    end.closing(2);
                    self.compare(i);
                    return false;
                }
            }
        }
    }

    /// The transport has ended: between two messages, or in the middle of one.
    fn hear_the_end(&mut self, i: usize) {
        let end = &mut self.ends[i];
        end.is_deaf = true;
        end.quiet_until = 0;
        match end.reader.finish() {
            Ok(()) => end.session.disconnected(),
            Err(error) => {
                assert!(matches!(error.kind, ErrorKind::UnexpectedEnd { .. }), "{error}");
                self.coverage.count(Kind::CutMessages);
                end.session.fail(&error);
            }
        }
        trace!(self, "{i}: the end of the input");
        let wire = &self.wires[1 - i];
        assert!(wire.cut.is_some() || wire.messages.is_empty(), "something was lost on the way");
        end.phase = Phase::Ended;
        self.compare(i);
    }

    /// Gives the session what the reader has found next. It is false if nothing was there, or
    /// if the session found no room for its own answer: then the same comes again.
    pub fn hear(&mut self, i: usize) -> bool {
        if !self.find(i) {
            return false;
        }
        let World { ends, wires, requests, .. } = self;
        let end = &mut ends[i];
        let (start, step) = end.step.expect("something was found");
        if end.is_live() {
            end.told();
            // Also if there is no room for the answer: something has come.
            end.received = end.passed;
            end.quiet_until = 0;
        }
        let found = end.reader.found(&end.input[start..], step);
        let (now, room) = (end.now(), end.outlet.available());
        let before = end.outlet.unsent().to_vec();

        let (session, mut given) = (&mut end.session, None);
        end.outlet.write(&mut |writer| given = Some(session.receive(now, found, writer)));
        let given = given.expect("it was called");
        assert!(end.outlet.unsent().starts_with(&before));
        let written = end.outlet.unsent()[before.len()..].to_vec();

        if let Found::Event(Event::Payload { data, remaining }) = found {
            let Current { message, offset, is_wanted } =
                end.current.as_mut().expect("a payload belongs to a message");
            let (piece, rest) = message.payload[*offset..].split_at(data.len());
            assert_eq!((data, remaining as usize), (piece, rest.len()));
            let is_wanted = *is_wanted && end.phase < Phase::Closing(0);
            let expected =
                if is_wanted { Received::Payload { data, remaining } } else { Received::Handled };
            assert_eq!(given, Ok((expected, Payload::None)));
            assert!(written.is_empty());
            *offset += data.len();
            if remaining == 0 {
                end.current = None;
            }
            end.step = None;
            self.compare(i);
            return true;
        }

        assert!(end.current.is_none(), "a payload is missing");
        let message = wires[1 - i].messages.front().expect("nobody has made this");
        assert!(is_of(&found, message), "another message was made: {message:?}");
        let admitted = match given {
            Ok((
                Received::Request { request, .. } | Received::StreamRequest { request, .. },
                _,
            )) => Some(request),
            _ => None,
        };
        if let Err(error) = given {
            let WriteError::BufferTooSmall { needed, available } = error else {
                panic!("{error:?}");
            };
            assert!(room < REPLY && needed > room && needed <= REPLY && available == room);
            assert!(written.is_empty());
            let expected = expect(end, requests, message, None);
            assert!(expected.reply.is_some(), "nothing was to be written");
            trace!(self, "{i}: no room for an answer of the session's own");
            self.coverage.count(Kind::FullReceive);
            self.compare(i);
            return false;
        }
        let expected = expect(end, requests, message, admitted);
        let payload = match found {
            _ if !expected.is_wanted => Payload::None,
            Found::Event(_) => Payload::Len(message.payload.len() as u32),
            Found::Item(_) => Payload::Bytes(&message.payload),
        };
        assert_eq!(given, Ok((expected.received, payload)), "{message:?}");

        let (is_wanted, reply) = (expected.is_wanted, expected.reply);
        let has_payload =
            matches!(found, Found::Event(Event::Frame(frame)) if frame.payload_len().is_some());
        end.step = None;
        let message = wires[1 - i].messages.pop_front().expect("it is there");
        trace!(self, "{i}: hears {} of {:?}", char::from(message.kind), message.request);
        if has_payload {
            let message = message.clone();
            self.ends[i].current = Some(Current { message, offset: 0, is_wanted });
        }
        self.note(i, &message, admitted, reply.is_some(), is_wanted);
        self.check_reply(i, &message, &written, reply);
        self.compare(i);
        true
    }

    /// The session's own answer, which the oracle reads.
    fn check_reply(
        &mut self,
        i: usize,
        message: &Message,
        written: &[u8],
        reply: Option<(u8, u32, Kind)>,
    ) {
        let Some((kind, wait, why)) = reply else {
            assert!(written.is_empty(), "{written:?}");
            return;
        };
        trace!(self, "{i}: {}", String::from_utf8_lossy(written).escape_debug());
        self.coverage.count(why);
        let reading = oracle::read(written, 0, !self.ends[i].is_greeted);
        assert_eq!(reading.end, oracle::End::Clean);
        let [.., oracle::Event::Header { header, .. }, oracle::Event::Payload { data, .. }] =
            &reading.events[..]
        else {
            panic!("no answer: {reading:?}");
        };
        assert_eq!(reading.events.len(), if self.ends[i].is_greeted { 2 } else { 3 });
        assert_eq!((header.kind, header.id), (kind, Some(message.id)));
        assert_eq!(header.wait.unwrap_or(0), wait);
        assert!(!data.is_empty() && data.is_ascii());
        let request = message.request;
        let payload = data.clone();
        let (extra, id) = (wait, message.id);
        self.made(
            i,
            Message { kind, request, is_own: true, id, payload, extra, ..Message::default() },
        );
    }

    /// Notes what a message has done.
    fn note(
        &mut self,
        i: usize,
        message: &Message,
        admitted: Option<gotalk::Incoming>,
        is_refused: bool,
        is_wanted: bool,
    ) {
        let end = &mut self.ends[i];
        let (is_live, passed) = (end.is_live(), end.passed);
        if !is_live {
            return;
        }
        let Some(number) = message.request else {
            match message.kind {
                b'h' => self.coverage.count(Kind::Heartbeats),
                b'n' if !is_wanted => self.coverage.count(Kind::NotificationsDropped),
                b'f' => {
                    self.coverage.count(Kind::PeerClosed);
                    end.phase = Phase::Ended;
                }
                _ => {}
            }
            return;
        };
        let request = &mut self.requests[number];
        let is_ours = request.asker == i;
        let counter = if is_ours { &mut request.answers_read } else { &mut request.read };
        let mark = mark(if is_ours { '!' } else { '?' }, request.label, *counter);
        *counter += 1;
        let len = mark.len().min(message.payload.len());
        assert!(
            message.is_own || message.payload[..len] == mark.as_bytes()[..len],
            "this payload belongs elsewhere: {message:?}, {request:?}"
        );

        if let Some(handle) = admitted {
            assert_eq!(request.place, Place::Unseen, "a request is seen twice");
            assert_eq!(*handle.id().as_bytes(), message.id);
            assert!(handle.index() < end.session.sizes().1);
            let mut owed = end.owed.iter().filter_map(|&other| self.requests[other].incoming);
            assert!(owed.all(|other| other.index() != handle.index()), "a slot is taken twice");
            assert_eq!(end.incoming.insert(handle, number), None, "a handle comes back");
            end.owed.push(number);
            let request = &mut self.requests[number];
            request.place = Place::Owed;
            request.incoming = Some(handle);
            request.is_receiving = request.is_stream;
            return;
        }
        match message.kind {
            b'r' | b's' => {
                assert!(is_refused && request.place == Place::Unseen);
                request.place = Place::Over;
            }
            b'p' if request.place != Place::Owed || !request.is_receiving => {
                self.coverage.count(Kind::LateParts);
            }
            b'p' if is_refused => self.answered(number),
            b'p' => request.is_receiving = !message.payload.is_empty(),
            _ if request.outcome.is_some() => self.coverage.count(Kind::LateResults),
            _ => {
                let fits = self.ends[i]
                    .reader
                    .payload_capacity()
                    .is_none_or(|most| message.payload.len() <= most);
                let outcome = match message.kind {
                    _ if !fits => Outcome::ResultTooLong,
                    b'R' => Outcome::Result,
                    b'E' => Outcome::ErrorResult,
                    b'e' => Outcome::RetryResult,
                    _ if message.payload.is_empty() => Outcome::ResultEnd,
                    _ => {
                        request.touched = passed;
                        return;
                    }
                };
                self.settle(number, outcome);
            }
        }
    }
}

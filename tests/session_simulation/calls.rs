//! What the programs at both ends do: they ask, answer, notify and forget. Each call is
//! foretold: what it gives, and every byte that it writes.

use gotalk::{MAX_NAME_LEN, MessageType, SessionError, WriteError};

use crate::any::Body;
use crate::coverage::Kind;
use crate::world::{Message, Outcome, Phase, Place, Request, World, mark, trace};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Call {
    Request,
    Stream,
    Part,
    End,
    Notify,
    Respond,
    RespondPart,
    RespondEnd,
    RespondError,
    RespondRetry,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    Bytes,
    Text,
    Announced,
}

/// A call with its arguments. It is made again with the same ones when there was no room.
#[derive(Clone, Debug)]
pub struct Wish {
    pub call: Call,
    /// The request that a part or an answer belongs to.
    pub request: Option<usize>,
    pub label: u32,
    pub name: Vec<u8>,
    pub payload: Vec<u8>,
    pub form: Form,
    pub wait: u32,
    pub is_repeated: bool,
}

impl World<'_> {
    fn wish(&mut self, i: usize, call: Call, request: Option<usize>) -> Wish {
        let mut name = Vec::new();
        let (label, start) = if let Some(number) = request {
            let request = &self.requests[number];
            let is_ours = matches!(call, Call::Part | Call::End);
            let (kind, at) =
                if is_ours { ('?', request.made) } else { ('!', request.answers_made) };
            (request.label, mark(kind, request.label, at))
        } else {
            self.labels += 1;
            name = self.name(self.labels);
            (self.labels, mark(if call == Call::Notify { 'n' } else { '?' }, self.labels, 0))
        };
        let rng = &mut self.rng;
        let form = match rng.below(8) {
            0 | 1 => Form::Text,
            2 => Form::Announced,
            _ => Form::Bytes,
        };
        let len = match rng.below(16) {
            0..=2 => 0,
            3 => rng.below(8),
            4 => rng.below(100),
            5 if rng.one_in(4) => rng.below(1200),
            _ => start.len() + rng.below(24),
        };
        let may_be_empty = !matches!(call, Call::Part | Call::RespondPart) || rng.one_in(50);
        let len = if may_be_empty { len } else { len.max(1) };
        let mut payload = start.into_bytes();
        while payload.len() < len {
            // What looks like a message must not be taken for one.
            payload.extend(rng.pick(&[b"R00000000000f01f0", b"........|.......|"]));
        }
        payload.truncate(len);
        if matches!(call, Call::End | Call::RespondEnd) {
            payload.clear();
        }
        if form == Form::Bytes {
            for byte in payload.iter_mut().skip(16) {
                *byte ^= 0x80;
            }
        }
        let wait = rng.pick(&[0, 1, 60_000, u32::MAX]);
        trace!(self, "{i}: wants {call:?} {request:?}, {len} bytes, {form:?}");
        Wish { call, request, label, name, payload, form, wait, is_repeated: false }
    }

    fn name(&mut self, label: u32) -> Vec<u8> {
        let rng = &mut self.rng;
        let len = match rng.below(24) {
            0 => 8,
            1 => rng.below(80),
            2 if rng.one_in(40) => return Vec::new(),
            3 if rng.one_in(40) => MAX_NAME_LEN + 1,
            _ => 4,
        };
        let mut name = format!("q{label}").into_bytes();
        name.resize(name.len().max(len), b'-');
        name
    }

    /// What the call must give, the message that it makes on success, and whether it fits.
    fn foretell(&self, i: usize, wish: &Wish, room: usize) -> Result<Message, SessionError> {
        let end = &self.ends[i];
        let live = || if end.is_live() { Ok(()) } else { Err(SessionError::Closed) };
        let request = wish.request.map(|number| &self.requests[number]);
        let mut message = Message {
            request: wish.request,
            id: request.map_or([0; 4], |request| *request.handle.id().as_bytes()),
            name: wish.name.clone(),
            payload: wish.payload.clone(),
            ..Message::default()
        };
        message.kind = match wish.call {
            Call::Request => b'r',
            Call::Stream => b's',
            Call::Part | Call::End => b'p',
            Call::Notify => b'n',
            Call::Respond => b'R',
            Call::RespondPart | Call::RespondEnd => b'S',
            Call::RespondError => b'E',
            Call::RespondRetry if end.settings.retry_after_ms.is_none() => b'E',
            Call::RespondRetry => b'e',
        };
        if message.kind == b'e' {
            message.extra = wish.wait;
        }
        match (wish.call, request) {
            (Call::Request | Call::Stream, _) if end.phase != Phase::Open => {
                return Err(SessionError::Closed);
            }
            (Call::Stream, _) if !end.settings.stream_requests => {
                return Err(SessionError::Unsupported);
            }
            (Call::Request | Call::Stream, _) => {
                if end.in_flight.len() == end.session.sizes().0 {
                    return Err(SessionError::TooMany);
                }
            }
            (Call::Part | Call::End, Some(request)) => {
                live()?;
                if request.outcome.is_some() {
                    return Err(SessionError::Over);
                }
                if !request.is_open {
                    return Err(SessionError::Parts);
                }
            }
            (_, Some(request)) => {
                live()?;
                if !matches!(request.place, Place::Owed) {
                    return Err(SessionError::Over);
                }
                if wish.call == Call::Respond && request.is_begun {
                    return Err(SessionError::Parts);
                }
            }
            (_, None) => live()?,
        }
        let message_type = MessageType::from_byte(message.kind).expect("a type");
        let given = if wish.form == Form::Announced { 0 } else { wish.payload.len() };
        let refusal = if message_type.has_name() && wish.name.is_empty() {
            WriteError::EmptyName
        } else if wish.name.len() > MAX_NAME_LEN {
            WriteError::NameTooLong { len: wish.name.len() }
        } else if matches!(wish.call, Call::Part | Call::RespondPart) && wish.payload.is_empty() {
            WriteError::EmptyPart
        } else {
            let version = if end.is_greeted { 0 } else { 2 };
            let needed = version + message_type.header_len(wish.name.len()) + given;
            if needed <= room {
                return Ok(message);
            }
            WriteError::BufferTooSmall { needed, available: room }
        };
        Err(refusal.into())
    }

    /// Makes a call. A call that found no room is kept, to be made again.
    fn make(&mut self, i: usize, wish: Wish) {
        let end = &mut self.ends[i];
        let (now, room, capacity) = (end.now(), end.outlet.available(), end.outlet.capacity());
        let before = end.outlet.unsent().to_vec();
        let expected = self.foretell(i, &wish, room);

        let end = &mut self.ends[i];
        let may_write = matches!(expected, Ok(_) | Err(SessionError::Write(_)));
        if may_write && matches!(wish.call, Call::Request | Call::Stream | Call::Notify) {
            end.told();
        }
        let handles = wish.request.map(|number| &self.requests[number]);
        let (session, mut given) = (&mut end.session, Ok(None));
        end.outlet.write(&mut |writer| {
            let body = match wish.form {
                Form::Bytes => Body::Bytes(&wish.payload),
                Form::Text => Body::Text(std::str::from_utf8(&wish.payload).expect("text")),
                Form::Announced => Body::Announced(wish.payload.len() as u32),
            };
            let outgoing = || handles.expect("a request").handle;
            given = match (wish.call, handles.map(|request| request.incoming)) {
                (Call::Request | Call::Stream, _) => session
                    .request(now, writer, wish.call == Call::Stream, &wish.name, body)
                    .map(Some),
                (Call::Notify, _) => session.notify(now, writer, &wish.name, body).map(|()| None),
                (Call::Part, _) => {
                    session.request_part(now, writer, outgoing(), body).map(|()| None)
                }
                (Call::End, _) => session.request_end(now, writer, outgoing()).map(|()| None),
                (call, Some(Some(request))) => match call {
                    Call::Respond => session.respond(writer, request, body),
                    Call::RespondPart => session.respond_part(writer, request, body),
                    Call::RespondEnd => session.respond_end(writer, request),
                    Call::RespondError => session.respond_error(writer, request, body),
                    _ => session.respond_retry(writer, request, wish.wait, body),
                }
                .map(|()| None),
                _ => panic!("an answer to nothing"),
            };
        });

        match (&given, &expected) {
            (Ok(_), Ok(_)) => {}
            (Err(given), Err(expected)) => assert_eq!(given, expected, "{wish:?}"),
            _ => panic!("{given:?} in place of {expected:?}: {wish:?}"),
        }
        let written = &end.outlet.unsent()[before.len()..];
        assert!(end.outlet.unsent().starts_with(&before));
        match (given, expected) {
            (Ok(handle), Ok(mut message)) => {
                if let Some(handle) = handle {
                    message.id = *handle.id().as_bytes();
                }
                let mut bytes = if end.is_greeted { Vec::new() } else { b"01".to_vec() };
                bytes.extend(message.header());
                if wish.form != Form::Announced {
                    bytes.extend(&message.payload);
                }
                assert!(written == bytes, "{written:?} in place of {bytes:?}");
                trace!(self, "{i}: {}", String::from_utf8_lossy(&bytes).escape_debug());
                self.done(i, wish, message, handle);
            }
            (Err(error), _) => {
                assert!(written.is_empty(), "an error, and yet something was written: {error:?}");
                trace!(self, "{i}: refused: {error:?}");
                self.refused(i, wish, error, capacity);
            }
            (Ok(_), Err(_)) => unreachable!(),
        }
        self.compare(i);
    }

    fn refused(&mut self, i: usize, mut wish: Wish, error: SessionError, capacity: usize) {
        self.coverage.count(match error {
            SessionError::TooMany => Kind::TooMany,
            SessionError::Over => Kind::Over,
            SessionError::Parts => Kind::WrongPart,
            SessionError::Unsupported => Kind::Unsupported,
            SessionError::Closed => Kind::Closed,
            SessionError::Write(WriteError::BufferTooSmall { needed, .. }) if needed > capacity => {
                Kind::NeverFits
            }
            SessionError::Write(WriteError::BufferTooSmall { .. }) => {
                wish.is_repeated = true;
                self.ends[i].wish = Some(wish);
                Kind::Full
            }
            _ => Kind::BadMessage,
        });
    }

    /// Notes what a call has done.
    fn done(
        &mut self,
        i: usize,
        wish: Wish,
        mut message: Message,
        handle: Option<gotalk::Outgoing>,
    ) {
        let end = &mut self.ends[i];
        let passed = end.passed;
        end.quiet_until = 0;
        if let Some(handle) = handle {
            let number = self.requests.len();
            message.request = Some(number);
            let is_stream = wish.call == Call::Stream;
            assert!(handle.index() < end.session.sizes().0);
            let mut others = end.in_flight.iter().map(|&other| self.requests[other].handle);
            assert!(
                others.all(|other| other.index() != handle.index() && other.id() != handle.id())
            );
            assert_eq!(end.outgoing.insert(handle, number), None, "a handle comes back");
            end.in_flight.push(number);
            self.requests.push(Request {
                asker: i,
                is_stream,
                label: wish.label,
                handle,
                incoming: None,
                is_open: is_stream,
                made: 0,
                read: 0,
                touched: passed,
                outcome: None,
                place: Place::Unseen,
                is_receiving: false,
                is_begun: false,
                answers_made: 0,
                answers_read: 0,
            });
        }
        self.made(i, message.clone());

        self.coverage.count(match wish.call {
            Call::Request => Kind::Singles,
            Call::Stream => Kind::Streams,
            Call::Part => Kind::Parts,
            Call::End => Kind::StreamEnds,
            Call::Notify => Kind::Notifications,
            Call::RespondPart | Call::RespondEnd => Kind::AnswerParts,
            Call::Respond | Call::RespondError | Call::RespondRetry => Kind::Whole,
        });
        if wish.is_repeated {
            self.coverage.count(Kind::Repeated);
        }
        if message.payload.is_empty() {
            self.coverage.count(Kind::Empty);
        }
        if matches!(wish.call, Call::End | Call::RespondEnd) {
            // They have no payload to be given.
        } else if wish.form == Form::Text {
            self.coverage.count(Kind::Text);
        } else if wish.form == Form::Announced {
            self.coverage.count(Kind::Announced);
            self.send(i, &message.payload);
        }

        let Some(number) = message.request else { return };
        let request = &mut self.requests[number];
        if request.asker == i {
            request.made += 1;
            request.touched = passed;
            request.is_open &= wish.call != Call::End;
            return;
        }
        if request.is_receiving {
            self.coverage.count(Kind::EarlyAnswers);
        }
        request.answers_made += 1;
        if wish.call == Call::RespondPart {
            request.is_begun = true;
        } else {
            self.answered(number);
        }
    }

    /// Makes the call again that found no room.
    pub fn repeat(&mut self, i: usize) {
        if let Some(wish) = self.ends[i].wish.take() {
            self.make(i, wish);
        }
    }

    pub fn ask(&mut self, i: usize) {
        let call = if self.rng.one_in(3) { Call::Stream } else { Call::Request };
        let wish = self.wish(i, call, None);
        self.make(i, wish);
    }

    pub fn notify(&mut self, i: usize) {
        let wish = self.wish(i, Call::Notify, None);
        self.make(i, wish);
    }

    fn one_of(&mut self, numbers: &[usize]) -> Option<usize> {
        if numbers.is_empty() { None } else { Some(self.rng.pick(numbers)) }
    }

    /// Whether a call for this request waits for room. Then the next one must wait too.
    fn is_wished(&self, i: usize, number: usize) -> bool {
        self.ends[i].wish.as_ref().is_some_and(|wish| wish.request == Some(number))
    }

    /// Goes on with a stream.
    pub fn go_on(&mut self, i: usize) {
        let open = |number: &&usize| self.requests[**number].is_open;
        let streams: Vec<usize> = self.ends[i].in_flight.iter().filter(open).copied().collect();
        let Some(number) = self.one_of(&streams) else { return };
        if !self.is_wished(i, number) {
            let call = if self.rng.one_in(4) { Call::End } else { Call::Part };
            let wish = self.wish(i, call, Some(number));
            self.make(i, wish);
        }
    }

    /// Answers a request, or goes on with an answer.
    pub fn answer(&mut self, i: usize) {
        let owed = self.ends[i].owed.clone();
        let Some(number) = self.one_of(&owed) else { return };
        if self.is_wished(i, number) {
            return;
        }
        let call = match self.rng.below(16) {
            0 => Call::RespondError,
            1 => Call::RespondRetry,
            2 if self.rng.one_in(4) => Call::Respond,
            3 => Call::RespondEnd,
            4..=6 => Call::RespondPart,
            _ if self.requests[number].is_begun => {
                self.rng.pick(&[Call::RespondPart, Call::RespondEnd])
            }
            _ => Call::Respond,
        };
        let wish = self.wish(i, call, Some(number));
        self.make(i, wish);
    }

    /// A call with any request that there ever was: most are over.
    pub fn misuse(&mut self, i: usize) {
        if self.requests.is_empty() {
            return;
        }
        let number = self.rng.below(self.requests.len());
        let request = &self.requests[number];
        let call = if request.asker == i {
            self.rng.pick(&[Call::Part, Call::End])
        } else if request.incoming.is_some() {
            use Call::{Respond, RespondEnd, RespondError, RespondPart, RespondRetry};
            self.rng.pick(&[Respond, RespondPart, RespondEnd, RespondError, RespondRetry])
        } else {
            return;
        };
        if !self.is_wished(i, number) {
            let wish = self.wish(i, call, Some(number));
            self.make(i, wish);
        }
    }

    /// Gives up a request, most often one in flight.
    pub fn forget(&mut self, i: usize) {
        let flying = self.ends[i].in_flight.clone();
        let number = if self.requests.is_empty() || self.rng.below(4) > 0 {
            self.one_of(&flying)
        } else {
            let number = self.rng.below(self.requests.len());
            if self.requests[number].asker == i { Some(number) } else { None }
        };
        let Some(number) = number else { return };
        let request = &self.requests[number];
        self.ends[i].session.forget(request.handle);
        if request.outcome.is_none() {
            self.settle(number, Outcome::Forgotten);
            self.ends[i].quiet_until = 0;
        }
        self.compare(i);
    }
}

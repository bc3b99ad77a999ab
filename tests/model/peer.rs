//! What the peer can do.

use super::super::support::oracle::Header;
use super::state::{Phase, Theirs};
use super::{Body, Found, Model, Outcome, Payload, Room, Said};

/// What the peer is told about a request that the session refuses: that it may try again, or
/// that it may not.
const BUSY: (&str, bool) = ("busy", true);
const NO_STREAMS: (&str, bool) = ("no streams", false);
const TOO_LONG: (&str, bool) = ("too long", false);

impl Model {
    /// What the session makes of what a reader found. `heard` is what it has said, for where
    /// it may choose.
    pub fn receive(
        &mut self,
        now: u64,
        room: Room,
        found: &Found,
        heard: Option<&Said>,
    ) -> Outcome<Said> {
        if let Found::Error(error) = found {
            self.fail(error);
            return (Ok(Said::Handled), Vec::new());
        }
        if !self.is_live() {
            return (Ok(Said::Handled), Vec::new());
        }
        // That something has come is so even where there is no room for what it calls for.
        self.start(now);
        self.heard = Some(now);
        match found {
            Found::Version => (Ok(Said::Opened), Vec::new()),
            Found::Payload { data, remaining } => {
                let said = if self.payload_wanted {
                    Said::Payload { data: data.clone(), remaining: *remaining }
                } else {
                    Said::Handled
                };
                (Ok(said), Vec::new())
            }
            Found::NameTooLong { id: None, .. } => (Ok(Said::Handled), Vec::new()),
            Found::NameTooLong { id: Some(id), .. } => {
                self.refuse(room, *id, TOO_LONG, Said::Handled)
            }
            Found::PayloadTooLong(header) => self.too_long(room, header, heard),
            Found::Message(header, payload) => {
                let outcome = self.message(now, room, header, payload.as_deref(), heard);
                self.payload_wanted = match &outcome.0 {
                    Ok(Said::Handled | Said::RequestEnd { .. } | Said::ResultEnd { .. }) => false,
                    Ok(_) => true,
                    // The reader does not go on before this has been received.
                    Err(_) => self.payload_wanted,
                };
                outcome
            }
            Found::Error(_) => unreachable!(),
        }
    }

    fn message(
        &mut self,
        now: u64,
        room: Room,
        header: &Header,
        payload: Option<&[u8]>,
        heard: Option<&Said>,
    ) -> Outcome<Said> {
        let said = match header.kind {
            b'r' | b's' => return self.asked(room, header, payload, heard),
            b'p' => self.part(header, payload, heard),
            b'R' | b'S' | b'E' | b'e' => self.result(now, header, payload),
            b'n' => Said::Notification {
                name: header.name.clone().unwrap(),
                payload: bare(header, payload),
            },
            b'h' => {
                Said::Heartbeat { load: header.load.unwrap() as u16, time: header.time.unwrap() }
            }
            b'f' => {
                self.disconnected();
                Said::Closed { code: header.code.unwrap() }
            }
            other => panic!("no message starts with {other}"),
        };
        (Ok(said), Vec::new())
    }

    /// A request of the peer's.
    fn asked(
        &mut self,
        room: Room,
        header: &Header,
        payload: Option<&[u8]>,
        heard: Option<&Said>,
    ) -> Outcome<Said> {
        let is_stream = header.kind == b's';
        let id = header.id.unwrap();
        let streams = self.theirs.values().filter(|theirs| theirs.is_stream).count();
        let limit = usize::from(self.settings.streams);
        if is_stream && limit == 0 {
            return self.refuse(room, id, NO_STREAMS, Said::Handled);
        }
        let is_full = self.theirs.len() == self.in_slots || is_stream && streams >= limit;
        if is_full || self.phase != Phase::Open {
            return self.refuse(room, id, BUSY, Said::Handled);
        }
        let is_free = |slot: &usize| {
            *slot < self.in_slots && self.theirs.values().all(|other| other.slot != *slot)
        };
        let chosen = match heard {
            Some(Said::Request { slot, .. } | Said::StreamRequest { slot, .. }) => Some(*slot),
            _ => None,
        };
        let slot = chosen
            .filter(is_free)
            .or_else(|| (0..self.in_slots).find(is_free))
            .expect("a slot is free");
        let request = self.taken;
        self.taken += 1;
        let theirs = Theirs { slot, id, is_stream, more_to_come: is_stream, begun: false };
        self.theirs.insert(request, theirs);
        let (op, payload) = (header.name.clone().unwrap(), bare(header, payload));
        let said = if is_stream {
            Said::StreamRequest { request, slot, op, payload }
        } else {
            Said::Request { request, slot, op, payload }
        };
        (Ok(said), Vec::new())
    }

    /// The open stream with an id: the one that the session chose if the peer has used the id
    /// for more than one.
    fn stream(&self, id: [u8; 4], heard: Option<&Said>) -> Option<usize> {
        let is_open = |request: &usize| {
            self.theirs.get(request).is_some_and(|theirs| theirs.more_to_come && theirs.id == id)
        };
        let chosen = match heard {
            Some(Said::RequestPart { request, .. }) => Some(*request),
            Some(Said::RequestEnd { request } | Said::RequestTooLong { request }) => Some(*request),
            _ => None,
        };
        chosen.filter(is_open).or_else(|| self.theirs.keys().copied().find(is_open))
    }

    fn part(&mut self, header: &Header, payload: Option<&[u8]>, heard: Option<&Said>) -> Said {
        let Some(request) = self.stream(header.id.unwrap(), heard) else { return Said::Handled };
        if header.size == Some(0) {
            self.theirs.get_mut(&request).unwrap().more_to_come = false;
            return Said::RequestEnd { request };
        }
        Said::RequestPart { request, payload: bare(header, payload) }
    }

    /// The request of ours in flight that has an id.
    fn asker(&self, id: [u8; 4]) -> Option<usize> {
        let mut found = self.ours.iter().filter(|(_, ours)| ours.id == id);
        let request = found.next().map(|(request, _)| *request);
        assert!(found.next().is_none(), "two requests in flight have one id");
        request
    }

    fn result(&mut self, now: u64, header: &Header, payload: Option<&[u8]>) -> Said {
        let Some(request) = self.asker(header.id.unwrap()) else { return Said::Handled };
        let is_end = header.size == Some(0);
        let payload = bare(header, payload);
        if header.kind == b'S' && !is_end {
            self.ours.get_mut(&request).unwrap().touched = now;
            return Said::ResultPart { request, payload };
        }
        self.end(request);
        match header.kind {
            b'R' => Said::Result { request, payload },
            b'S' => Said::ResultEnd { request },
            b'E' => Said::ErrorResult { request, payload },
            _ => Said::RetryResult { request, wait_ms: header.wait.unwrap(), payload },
        }
    }

    /// A message with a payload that the reader skips.
    fn too_long(&mut self, room: Room, header: &Header, heard: Option<&Said>) -> Outcome<Said> {
        let Some(id) = header.id else { return (Ok(Said::Handled), Vec::new()) };
        match header.kind {
            b'r' | b's' => self.refuse(room, id, TOO_LONG, Said::Handled),
            b'p' => {
                let Some(request) = self.stream(id, heard) else {
                    return (Ok(Said::Handled), Vec::new());
                };
                let outcome = self.refuse(room, id, TOO_LONG, Said::RequestTooLong { request });
                if outcome.0.is_ok() {
                    self.theirs.remove(&request);
                }
                outcome
            }
            _ => {
                let Some(request) = self.asker(id) else {
                    return (Ok(Said::Handled), Vec::new());
                };
                self.end(request);
                (Ok(Said::ResultTooLong { request }), Vec::new())
            }
        }
    }

    /// Answers by itself: with `e` if the peer may try again and knows that message.
    fn refuse(
        &mut self,
        room: Room,
        id: [u8; 4],
        (text, may_retry): (&str, bool),
        said: Said,
    ) -> Outcome<Said> {
        let wait = self.settings.retry_after_ms.filter(|_| may_retry && self.in_slots > 0);
        let kind = if wait.is_some() { b'e' } else { b'E' };
        let header = Header { kind, id: Some(id), wait, ..Header::default() };
        match self.send_message(room, header, &Body::Bytes(text.into())) {
            Ok(bytes) => (Ok(said), bytes),
            Err(error) => (Err(error.into()), Vec::new()),
        }
    }
}

/// The payload of a message: its bytes if they have come with it, else their number.
fn bare(header: &Header, payload: Option<&[u8]>) -> Payload {
    match payload {
        Some(bytes) => Payload::Bytes(bytes.to_vec()),
        None => Payload::Len(header.size.unwrap()),
    }
}

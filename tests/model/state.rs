//! What the model knows, and what the application can do.

use std::collections::BTreeMap;

use gotalk::{SessionError, Settings, WriteError};

use super::super::support::oracle::{self, Header};
use super::{Body, Made, Outcome, Room};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    Open,
    Draining,
    /// The last word, with this code, is still to be written.
    Closing(u32),
    Ended,
}

/// A request of ours in flight.
#[derive(Clone, Debug)]
pub struct Ours {
    pub slot: usize,
    pub id: [u8; 4],
    /// It is a stream whose end has not been written.
    pub takes_parts: bool,
    /// When it, its last part or the last part of its result was written or received.
    pub touched: u64,
}

/// A request of the peer's that waits for an answer.
#[derive(Clone, Debug)]
pub struct Theirs {
    pub slot: usize,
    pub id: [u8; 4],
    pub is_stream: bool,
    /// The end of the stream has not been received.
    pub more_to_come: bool,
    /// A part of the result has been written.
    pub begun: bool,
}

#[derive(Clone, Debug)]
pub struct Model {
    pub out_slots: usize,
    pub in_slots: usize,
    pub settings: Settings,
    pub phase: Phase,
    /// The version has been written.
    pub greeted: bool,
    /// When something was received last, and when a heartbeat was written last. Before the
    /// version has been written, the last time that the session was told of.
    pub heard: Option<u64>,
    pub beat: Option<u64>,
    /// The time of day that it was at a moment.
    pub clock: Option<(u64, u32)>,
    /// When the time of day was told, or written, last.
    pub clock_read: u64,
    pub load: u16,
    pub ours: BTreeMap<usize, Ours>,
    /// How many requests of ours were made.
    pub made: usize,
    /// How many went through each slot.
    pub uses: BTreeMap<usize, u64>,
    /// When each slot became free last: not by the clock, but by a number that grows.
    freed: BTreeMap<usize, u64>,
    turn: u64,
    pub theirs: BTreeMap<usize, Theirs>,
    /// How many requests of the peer's were taken.
    pub taken: usize,
    /// Whether the payload that comes next belongs to something that the application knows.
    pub payload_wanted: bool,
}

/// The id of the request that is the `turn`th in a slot, counted from 0.
pub fn id(slots: usize, slot: usize, turn: u64) -> [u8; 4] {
    const BASE_36: u64 = 36 * 36 * 36 * 36;
    let ids_of_slot = ((1 << 31) - slot as u64).div_ceil(slots as u64);
    let number = slot as u64 + (turn % ids_of_slot) * slots as u64;
    if number >= BASE_36 {
        return ((1 << 31) + number as u32).to_be_bytes();
    }
    let digits = b"0123456789abcdefghijklmnopqrstuvwxyz";
    [36 * 36 * 36, 36 * 36, 36, 1].map(|place| digits[(number / place % 36) as usize])
}

impl Model {
    pub fn new(out_slots: usize, in_slots: usize, settings: Settings) -> Self {
        Self {
            out_slots,
            in_slots,
            settings,
            phase: Phase::Open,
            greeted: false,
            heard: None,
            beat: None,
            clock: None,
            clock_read: 0,
            load: 0,
            ours: BTreeMap::new(),
            made: 0,
            uses: BTreeMap::new(),
            freed: BTreeMap::new(),
            turn: 0,
            theirs: BTreeMap::new(),
            taken: 0,
            payload_wanted: true,
        }
    }

    /// The settings, the load, the clock and the turns of the slots stay.
    pub fn reset(&mut self) {
        // All at once, in any order.
        self.turn += 1;
        self.freed.extend(self.ours.values().map(|ours| (ours.slot, self.turn)));
        *self = Self {
            clock: self.clock,
            clock_read: self.clock_read,
            load: self.load,
            made: self.made,
            uses: std::mem::take(&mut self.uses),
            freed: std::mem::take(&mut self.freed),
            turn: self.turn,
            taken: self.taken,
            ..Self::new(self.out_slots, self.in_slots, self.settings)
        };
    }

    pub fn drain(&mut self) {
        if self.phase == Phase::Open {
            self.phase = Phase::Draining;
        }
    }

    pub fn close(&mut self, code: u32) {
        if self.is_live() {
            self.phase = Phase::Closing(code);
        }
    }

    pub fn fail(&mut self, error: &gotalk::Error) {
        match error.kind {
            gotalk::ErrorKind::UnexpectedEnd { .. } => self.disconnected(),
            gotalk::ErrorKind::UnsupportedVersion(_) => self.close(1),
            _ => self.close(2),
        }
    }

    pub fn disconnected(&mut self) {
        self.phase = Phase::Ended;
    }

    pub fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    pub fn is_idle(&self) -> bool {
        let is_owed = !self.theirs.is_empty() && self.phase != Phase::Ended;
        self.ours.is_empty() && !is_owed
    }

    pub fn is_live(&self) -> bool {
        matches!(self.phase, Phase::Open | Phase::Draining)
    }

    /// The clocks stand until the version has been written.
    pub fn start(&mut self, now: u64) {
        if !self.greeted {
            (self.heard, self.beat) = (Some(now), Some(now));
        }
    }

    /// Puts bytes into the writer, behind the version if that is owed, or says why not.
    pub fn send(&mut self, room: Room, message: &[u8]) -> Result<Vec<u8>, WriteError> {
        let version: &[u8] = if self.greeted { b"" } else { b"01" };
        let bytes = [version, message].concat();
        if room.closed {
            return Err(WriteError::Closed);
        }
        if bytes.len() > room.free {
            let (needed, available) = (bytes.len(), room.free);
            return Err(WriteError::BufferTooSmall { needed, available });
        }
        self.greeted = true;
        Ok(bytes)
    }

    /// Puts a message into the writer: a header that lacks its size, and a payload.
    pub fn send_message(
        &mut self,
        room: Room,
        mut header: Header,
        body: &Body,
    ) -> Result<Vec<u8>, WriteError> {
        let name_len = header.name.as_ref().map(Vec::len);
        let (payload, size): (&[u8], _) = match body {
            Body::Bytes(bytes) => (bytes, bytes.len() as u32),
            Body::Text(text) => (text.as_bytes(), text.len() as u32),
            Body::Announced(len) => (b"", *len),
            Body::Broken => (b"", 0),
        };
        // What is written in place is begun before its payload is known.
        let in_place = matches!(body, Body::Text(_) | Body::Broken);
        match name_len {
            Some(0) => return Err(WriteError::EmptyName),
            Some(len) if len > 4095 => return Err(WriteError::NameTooLong { len }),
            _ if in_place && room.closed => return Err(WriteError::Closed),
            _ if *body == Body::Broken => return Err(WriteError::Format),
            _ if size == 0 && b"pS".contains(&header.kind) => return Err(WriteError::EmptyPart),
            _ => {}
        }
        header.size = Some(size);
        self.send(room, &[&oracle::write(&header), payload].concat())
    }

    /// A request, single or in parts. `slot` is the one that the session chose.
    pub fn request(
        &mut self,
        now: u64,
        room: Room,
        (op, is_stream): (&[u8], bool),
        body: &Body,
        slot: Option<usize>,
    ) -> Outcome<Made> {
        if self.phase != Phase::Open {
            return (Err(SessionError::Closed), Vec::new());
        }
        if is_stream && !self.settings.stream_requests {
            return (Err(SessionError::Unsupported), Vec::new());
        }
        if self.ours.len() == self.out_slots {
            return (Err(SessionError::TooMany), Vec::new());
        }
        let slot = self.free_slot(slot);
        let turn = self.uses.get(&slot).copied().unwrap_or(0);
        let id = id(self.out_slots, slot, turn);
        self.start(now);
        let kind = if is_stream { b's' } else { b'r' };
        let header = Header { kind, id: Some(id), name: Some(op.to_vec()), ..Header::default() };
        let bytes = match self.send_message(room, header, body) {
            Ok(bytes) => bytes,
            Err(error) => return (Err(error.into()), Vec::new()),
        };
        self.uses.insert(slot, turn + 1);
        let number = self.made;
        self.made += 1;
        self.ours.insert(number, Ours { slot, id, takes_parts: is_stream, touched: now });
        (Ok(Made { number, slot, id }), bytes)
    }

    /// The slot for a request: the one that has been free for longest, so that its id comes
    /// back as late as can be. Of several, the one that the session chose.
    fn free_slot(&self, chosen: Option<usize>) -> usize {
        let taken = |slot: &usize| self.ours.values().any(|other| other.slot == *slot);
        let freed = |slot: &usize| self.freed.get(slot).copied().unwrap_or(0);
        let free = (0..self.out_slots).filter(|slot| !taken(slot));
        let first = free.min_by_key(freed).expect("a slot is free");
        chosen
            .filter(|slot| *slot < self.out_slots && !taken(slot) && freed(slot) == freed(&first))
            .unwrap_or(first)
    }

    /// Takes a request of ours out of those in flight.
    pub fn end(&mut self, request: usize) {
        if let Some(ours) = self.ours.remove(&request) {
            self.turn += 1;
            self.freed.insert(ours.slot, self.turn);
        }
    }

    /// A part of a request, or its end.
    pub fn request_part(
        &mut self,
        now: u64,
        room: Room,
        request: Option<usize>,
        body: Option<&Body>,
    ) -> Outcome<()> {
        if !self.is_live() {
            return (Err(SessionError::Closed), Vec::new());
        }
        let Some(ours) = request.and_then(|request| self.ours.get(&request)) else {
            return (Err(SessionError::Over), Vec::new());
        };
        if !ours.takes_parts {
            return (Err(SessionError::Parts), Vec::new());
        }
        let header = Header { kind: b'p', id: Some(ours.id), ..Header::default() };
        let result = self.send_part(room, header, body);
        if result.0.is_ok() {
            let ours = self.ours.get_mut(&request.unwrap()).unwrap();
            ours.touched = now;
            ours.takes_parts = body.is_some();
        }
        result
    }

    /// A part, or the end where there is none.
    fn send_part(&mut self, room: Room, header: Header, body: Option<&Body>) -> Outcome<()> {
        let result = match body {
            Some(body) => self.send_message(room, header, body),
            None => self.send(room, &oracle::write(&Header { size: Some(0), ..header })),
        };
        match result {
            Ok(bytes) => (Ok(()), bytes),
            Err(error) => (Err(error.into()), Vec::new()),
        }
    }

    pub fn forget(&mut self, request: Option<usize>) {
        if let Some(request) = request {
            self.end(request);
        }
    }

    pub fn notify(&mut self, now: u64, room: Room, name: &[u8], body: &Body) -> Outcome<()> {
        if !self.is_live() {
            return (Err(SessionError::Closed), Vec::new());
        }
        self.start(now);
        let header = Header { kind: b'n', name: Some(name.to_vec()), ..Header::default() };
        self.send_part(room, header, Some(body))
    }

    /// An answer: `R`, `S` (the end where there is no payload), `E` or `e`.
    pub fn respond(
        &mut self,
        room: Room,
        request: Option<usize>,
        mut kind: u8,
        wait_ms: u32,
        body: Option<&Body>,
    ) -> Outcome<()> {
        if !self.is_live() {
            return (Err(SessionError::Closed), Vec::new());
        }
        let Some(theirs) = request.and_then(|request| self.theirs.get(&request)) else {
            return (Err(SessionError::Over), Vec::new());
        };
        if kind == b'R' && theirs.begun {
            return (Err(SessionError::Parts), Vec::new());
        }
        if kind == b'e' && self.settings.retry_after_ms.is_none() {
            kind = b'E';
        }
        let wait = (kind == b'e').then_some(wait_ms);
        let header = Header { kind, id: Some(theirs.id), wait, ..Header::default() };
        let result = self.send_part(room, header, body);
        if result.0.is_ok() {
            if kind == b'S' && body.is_some() {
                self.theirs.get_mut(&request.unwrap()).unwrap().begun = true;
            } else {
                self.theirs.remove(&request.unwrap());
            }
        }
        result
    }
}

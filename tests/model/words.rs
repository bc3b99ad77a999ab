//! Handles, and what a session says, in the words of the model.

use std::sync::OnceLock;

use gotalk::{Event, Incoming, Outgoing, Received, RequestId, Session, Settings, Writer};

use super::{Due, Found, Made, Payload, Said};

/// All handles that there were, by number, over or not.
#[derive(Clone, Default)]
pub struct Handles {
    ours: Vec<Outgoing>,
    theirs: Vec<Incoming>,
}

impl Handles {
    /// A handle by its number, or one that is none of this session's, of a slot that it has
    /// not.
    pub fn ours(&self, request: usize) -> (Option<usize>, Outgoing) {
        match self.ours.get(request) {
            Some(handle) => (Some(request), *handle),
            None => (None, stranger().0),
        }
    }

    pub fn theirs(&self, request: usize) -> (Option<usize>, Incoming) {
        match self.theirs.get(request) {
            Some(handle) => (Some(request), *handle),
            None => (None, stranger().1),
        }
    }

    /// Takes a new handle of ours.
    pub fn made(&mut self, handle: Outgoing) -> Made {
        assert!(!self.ours.contains(&handle), "a handle that was there before");
        self.ours.push(handle);
        let id = *handle.id().as_bytes();
        Made { number: self.ours.len() - 1, slot: handle.index(), id }
    }

    fn our_number(&self, handle: Outgoing) -> usize {
        let number = self.ours.iter().rposition(|other| *other == handle);
        number.unwrap_or_else(|| panic!("nobody was given {handle:?}"))
    }

    fn their_number(&self, handle: Incoming) -> usize {
        let number = self.theirs.iter().rposition(|other| *other == handle);
        number.unwrap_or_else(|| panic!("nobody was given {handle:?}"))
    }

    /// Takes a new handle of the peer's.
    fn taken(&mut self, handle: Incoming, found: &Found) -> (usize, usize) {
        let Found::Message(header, _) = found else { panic!("{found:?} is no request") };
        assert_eq!(Some(*handle.id().as_bytes()), header.id);
        assert!(!self.theirs.contains(&handle), "a handle that was there before");
        self.theirs.push(handle);
        (self.theirs.len() - 1, handle.index())
    }

    pub fn due(&mut self, due: Option<gotalk::Due>) -> Option<Due> {
        due.map(|due| match due {
            gotalk::Due::TimedOut(request) => Due::TimedOut(self.our_number(request)),
            gotalk::Due::Lost(request) => Due::Lost(self.our_number(request)),
            gotalk::Due::Close => Due::Close,
        })
    }

    /// What was received in the words of the model.
    pub fn said<P: Into<Payload>>(&mut self, received: Received<'_, P>, found: &Found) -> Said {
        let name = |name: gotalk::Name<'_>| name.as_bytes().to_vec();
        match received {
            Received::Opened => Said::Opened,
            Received::Request { request, op, payload } => {
                let (request, slot) = self.taken(request, found);
                Said::Request { request, slot, op: name(op), payload: payload.into() }
            }
            Received::StreamRequest { request, op, payload } => {
                let (request, slot) = self.taken(request, found);
                Said::StreamRequest { request, slot, op: name(op), payload: payload.into() }
            }
            Received::RequestPart { request, payload } => {
                Said::RequestPart { request: self.their_number(request), payload: payload.into() }
            }
            Received::RequestEnd { request } => {
                Said::RequestEnd { request: self.their_number(request) }
            }
            Received::RequestTooLong { request } => {
                Said::RequestTooLong { request: self.their_number(request) }
            }
            Received::Result { request, payload } => {
                Said::Result { request: self.our_number(request), payload: payload.into() }
            }
            Received::ResultPart { request, payload } => {
                Said::ResultPart { request: self.our_number(request), payload: payload.into() }
            }
            Received::ResultEnd { request } => {
                Said::ResultEnd { request: self.our_number(request) }
            }
            Received::ErrorResult { request, payload } => {
                Said::ErrorResult { request: self.our_number(request), payload: payload.into() }
            }
            Received::RetryResult { request, wait_ms, payload } => {
                let request = self.our_number(request);
                Said::RetryResult { request, wait_ms, payload: payload.into() }
            }
            Received::ResultTooLong { request } => {
                Said::ResultTooLong { request: self.our_number(request) }
            }
            Received::Notification { name: of, payload } => {
                Said::Notification { name: name(of), payload: payload.into() }
            }
            Received::Payload { data, remaining } => {
                Said::Payload { data: data.to_vec(), remaining }
            }
            Received::Heartbeat { load, time } => Said::Heartbeat { load, time },
            Received::Closed { code } => Said::Closed { code: code.into() },
            Received::Handled => Said::Handled,
        }
    }
}

/// Handles of another session, of slots that no session of the tests has.
fn stranger() -> (Outgoing, Incoming) {
    static HANDLES: OnceLock<(Outgoing, Incoming)> = OnceLock::new();
    *HANDLES.get_or_init(make_stranger)
}

fn make_stranger() -> (Outgoing, Incoming) {
    const SLOT: u8 = 7;
    let mut session = Session::<8, 8>::new(Settings::DEFAULT);
    let mut buffer = [0; 500];
    let mut writer = Writer::new(&mut buffer);
    let (mut ours, mut theirs) = (None, None);
    for number in 0..=SLOT {
        ours = session.request(0, &mut writer, "x", b"").ok();
        let id = RequestId::new([number; 4]);
        let frame = gotalk::Frame::SingleRequest { id, op: "x".into(), payload_len: 0 };
        if let Ok(Received::Request { request, .. }) =
            session.receive(0, Event::Frame(frame), &mut writer)
        {
            theirs = Some(request);
        }
    }
    (ours.unwrap(), theirs.unwrap())
}

impl From<u32> for Payload {
    fn from(len: u32) -> Self {
        Self::Len(len)
    }
}

impl From<&[u8]> for Payload {
    fn from(bytes: &[u8]) -> Self {
        Self::Bytes(bytes.to_vec())
    }
}

//! Both directions as one conversation.
//!
//! A capture has no times, so the order between the two directions is made: of the
//! next message of either side, one is taken that may stand here. A result may
//! stand once its request has; everything else may at once. Only the ids of the
//! requests in flight are kept, never messages. How long to wait for a message that a
//! pipe may still bring is no business of this module.

use std::collections::{HashMap, VecDeque};

use gotalk::{MessageType, RequestId};

use super::Side;
use super::capture::Record;

/// A result is held back until its request has been seen, but not for ever: with so
/// many requests in flight its own is taken to stand before the capture.
const MOST_IN_FLIGHT: usize = 1 << 20;

/// The Go peer ends a failed stream twice. So many failures are remembered to tell
/// that second end from the result of a request still to come.
const FAILURES: usize = 64;

/// What is known of the requests that one side has made.
#[derive(Default)]
struct Requests {
    in_flight: HashMap<RequestId, InFlight>,
    failed: VecDeque<RequestId>,
}

#[derive(Default)]
struct InFlight {
    /// How many with this id; more than one only if a peer breaks the rules.
    count: u32,
    /// Parts may follow.
    streaming: bool,
}

/// When the next message of a side may be shown.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Turn {
    /// At once: it answers a request that has been shown.
    Answer,
    /// At any time.
    Free,
    /// When its request has been shown.
    Later,
}

pub(crate) struct Conversation {
    requests: [Requests; 2],
    last: Side,
}

impl Conversation {
    pub(crate) fn new() -> Self {
        Self { requests: Default::default(), last: Side::Server }
    }

    /// Whose message comes next, given the next one of each side; `None` stands for
    /// a side that has come to its end.
    pub(crate) fn next(&self, client: Option<&Record>, server: Option<&Record>) -> Option<Side> {
        let (for_client, for_server) = match (client, server) {
            (None, None) => return None,
            (Some(_), None) => return Some(Side::Client),
            (None, Some(_)) => return Some(Side::Server),
            (Some(client), Some(server)) => {
                let for_client = self.turn(Side::Client, client, Some(server));
                (for_client, self.turn(Side::Server, server, Some(client)))
            }
        };
        let full = |side: Side| self.requests[side as usize].in_flight.len() >= MOST_IN_FLIGHT;
        Some(match (for_client, for_server) {
            (Turn::Free, Turn::Later) if full(Side::Client) => Side::Server,
            (Turn::Later, Turn::Free) if full(Side::Server) => Side::Client,
            // Two that are both held back wait for requests that nobody made.
            (client, server) if client == server => self.last.other(),
            (Turn::Answer, _) | (Turn::Free, Turn::Later) => Side::Client,
            _ => Side::Server,
        })
    }

    /// When the next message of a side may be shown, given that of the other if it is
    /// known by now.
    pub(crate) fn turn(&self, side: Side, record: &Record, other: Option<&Record>) -> Turn {
        let (true, Some(id)) = (is_result(record), record.id) else { return Turn::Free };
        let requests = &self.requests[side.other() as usize];
        match requests.in_flight.get(&id) {
            Some(request) if request.streaming => {
                let part_follows = other.is_none_or(|other| {
                    other.message == Some(MessageType::StreamRequestPart) && other.id == Some(id)
                });
                match (is_final(record), part_follows) {
                    (true, true) => Turn::Later,
                    (true, false) => Turn::Answer,
                    // Parts and results take turns.
                    (false, _) => Turn::Free,
                }
            }
            Some(_) => Turn::Answer,
            None if record.ends_stream() && requests.failed.contains(&id) => Turn::Answer,
            None => Turn::Later,
        }
    }

    /// Takes note of a message that is shown now, and gives a remark on it if there
    /// is one to make. Requests of a side are only kept if the other side has
    /// anything left to say.
    pub(crate) fn shown(
        &mut self,
        side: Side,
        record: &Record,
        other_ended: bool,
    ) -> Option<&'static str> {
        self.last = side;
        let (Some(message), Some(id)) = (record.message, record.id) else { return None };
        if is_result(record) {
            return self.requests[side.other() as usize].answered(id, record);
        }
        let own = &mut self.requests[side as usize];
        match message {
            _ if other_ended => *own = Requests::default(),
            MessageType::StreamRequestPart => {
                if let (true, Some(request)) = (record.ends_stream(), own.in_flight.get_mut(&id)) {
                    request.streaming = false;
                }
            }
            // A pipe may bring requests without end while the other brings no answers.
            _ if own.in_flight.len() > MOST_IN_FLIGHT => {}
            _ => {
                let request = own.in_flight.entry(id).or_default();
                request.count = request.count.saturating_add(1);
                request.streaming = message == MessageType::StreamRequest;
            }
        }
        None
    }
}

impl Requests {
    fn answered(&mut self, id: RequestId, record: &Record) -> Option<&'static str> {
        let Some(request) = self.in_flight.get_mut(&id) else {
            let second_end = record.ends_stream() && self.failed.contains(&id);
            return Some(if second_end {
                "its request has failed before"
            } else {
                "request not seen"
            });
        };
        if is_final(record) {
            request.count -= 1;
            if request.count == 0 {
                self.in_flight.remove(&id);
            }
            if matches!(record.message, Some(MessageType::ErrorResult | MessageType::RetryResult)) {
                if self.failed.len() == FAILURES {
                    self.failed.pop_front();
                }
                self.failed.push_back(id);
            }
        }
        None
    }
}

fn is_result(record: &Record) -> bool {
    record.message.is_some_and(MessageType::is_result)
}

/// Whether no further result of the same request is to follow.
fn is_final(record: &Record) -> bool {
    record.message != Some(MessageType::StreamResult) || record.ends_stream()
}

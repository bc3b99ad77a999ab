//! What the end of the output is made of: messages by type, and open streams.

use gotalk::{MessageType, RequestId};

use super::Side;
use super::capture::Record;

#[derive(Default)]
pub(crate) struct Tally {
    counts: [Count; MessageType::ALL.len()],
    pub(crate) streams: Streams,
    /// The bytes of the input.
    pub(crate) bytes: u64,
}

#[derive(Clone, Copy, Default)]
pub(crate) struct Count {
    pub(crate) messages: u64,
    pub(crate) payload_bytes: u64,
}

impl Tally {
    pub(crate) fn note(&mut self, from: Option<Side>, record: &Record) {
        let Some(index) = MessageType::ALL.iter().position(|&each| Some(each) == record.message)
        else {
            return;
        };
        self.counts[index].messages += 1;
        self.counts[index].payload_bytes += u64::from(record.size.unwrap_or(0));
        self.streams.note(from, record);
    }

    /// The types that occur, and how often.
    pub(crate) fn by_type(&self) -> impl Iterator<Item = (MessageType, Count)> + '_ {
        MessageType::ALL.into_iter().zip(self.counts).filter(|(_, count)| count.messages > 0)
    }

    pub(crate) fn messages(&self) -> u64 {
        self.counts.iter().map(|count| count.messages).sum()
    }
}

/// The streams that have begun and not ended, in a table of fixed size.
#[derive(Default)]
pub(crate) struct Streams {
    table: Vec<Stream>,
    /// Messages of streams that found the table full.
    pub(crate) unfollowed: u64,
}

pub(crate) struct Stream {
    pub(crate) from: Option<Side>,
    pub(crate) id: RequestId,
    /// A streamed request, else a streamed result.
    pub(crate) is_request: bool,
    /// Where its first message stands, or the first that was seen.
    pub(crate) offset: u64,
    pub(crate) start_seen: bool,
    pub(crate) parts: u64,
    pub(crate) bytes: u64,
    /// The other side answered with an error: no end need follow. It keeps its
    /// place, since parts may be under way.
    refused: bool,
}

impl Streams {
    /// How many streams are followed at once.
    pub(crate) const CAPACITY: usize = 256;

    pub(crate) fn open(&self) -> impl Iterator<Item = &Stream> + '_ {
        self.table.iter().filter(|stream| !stream.refused)
    }

    fn note(&mut self, from: Option<Side>, record: &Record) {
        let (Some(message), Some(id)) = (record.message, record.id) else { return };
        match message {
            MessageType::StreamRequest => {
                self.end(from, id, true);
                self.part(from, id, true, record);
            }
            MessageType::StreamRequestPart if record.ends_stream() => self.end(from, id, true),
            MessageType::StreamRequestPart => self.part(from, id, true, record),
            MessageType::StreamResult if record.ends_stream() => self.end(from, id, false),
            MessageType::StreamResult => self.part(from, id, false, record),
            MessageType::SingleResult => self.end(from, id, false),
            MessageType::ErrorResult | MessageType::RetryResult => {
                self.end(from, id, false);
                // The request came from the other side, if that is seen at all.
                let asker = from.map(Side::other);
                if let (Some(_), Some(at)) = (asker, self.find(asker, id, true)) {
                    self.table[at].refused = true;
                }
            }
            _ => {}
        }
    }

    fn find(&self, from: Option<Side>, id: RequestId, is_request: bool) -> Option<usize> {
        self.table.iter().position(|stream| {
            stream.from == from && stream.id == id && stream.is_request == is_request
        })
    }

    fn end(&mut self, from: Option<Side>, id: RequestId, is_request: bool) {
        if let Some(at) = self.find(from, id, is_request) {
            self.table.remove(at);
        }
    }

    fn part(&mut self, from: Option<Side>, id: RequestId, is_request: bool, record: &Record) {
        let at = match self.find(from, id, is_request) {
            Some(at) => at,
            None => {
                if self.table.len() == Self::CAPACITY {
                    self.table.retain(|stream| !stream.refused);
                }
                if self.table.len() == Self::CAPACITY {
                    self.unfollowed += 1;
                    return;
                }
                self.table.push(Stream {
                    from,
                    id,
                    is_request,
                    offset: record.offset,
                    start_seen: record.message != Some(MessageType::StreamRequestPart),
                    parts: 0,
                    bytes: 0,
                    refused: false,
                });
                self.table.len() - 1
            }
        };
        self.table[at].parts += 1;
        self.table[at].bytes += u64::from(record.size.unwrap_or(0));
    }
}

//! One direction of a conversation, read message by message in fixed memory.
//!
//! [`Capture`] owns a buffer and a parser. It hands out a [`Record`] as soon as a
//! message is complete, and asks for input only when it has nothing left to hand out:
//! the caller shows what is there before a read may block.

use std::io::{self, ErrorKind as IoErrorKind, Read};

use gotalk::{Error, ErrorCode, ErrorKind, Event, Frame, MessageType, Parser, RequestId};

use crate::text::Preview;

/// How many bytes of a payload are kept to be shown.
pub(crate) const PREVIEW: usize = 64;

/// How many bytes an [`Excerpt`] has before and after the wrong one.
const BEFORE: usize = 8;
const AFTER: usize = 7;

/// How many bytes are asked for at once.
pub(super) const PIECE: usize = 64 * 1024;

/// A message, or the version: all of its header, and the start of its payload.
#[derive(Debug)]
pub(crate) struct Record {
    /// Where its first byte stands.
    pub(crate) offset: u64,
    /// `None`: it is the version.
    pub(crate) message: Option<MessageType>,
    pub(crate) id: Option<RequestId>,
    pub(crate) name: Option<Vec<u8>>,
    pub(crate) detail: Detail,
    /// The size of the payload; `None` if the type has none.
    pub(crate) size: Option<u32>,
    /// How much of the payload has arrived.
    pub(crate) received: u32,
    /// The first bytes of the payload, at most [`PREVIEW`].
    pub(crate) start: Vec<u8>,
}

/// What only some types have.
#[derive(Debug)]
pub(crate) enum Detail {
    None,
    Version(u8),
    Wait(u32),
    Heartbeat {
        load: u16,
        time: u32,
    },
    Code(ErrorCode),
    /// The name is longer than the parser takes. Not with a parser for 4095 bytes,
    /// which is all that the wire can carry; a smaller one would say it like this.
    NameTooLong(u16),
}

impl Record {
    fn new(offset: u64, message: Option<MessageType>, detail: Detail) -> Self {
        let (id, name, size) = (None, None, None);
        Self { offset, message, id, name, detail, size, received: 0, start: Vec::new() }
    }

    fn from_frame(offset: u64, frame: &Frame<'_>) -> Self {
        let detail = match *frame {
            Frame::RetryResult { wait_ms, .. } => Detail::Wait(wait_ms),
            Frame::Heartbeat { load, time } => Detail::Heartbeat { load, time },
            Frame::ProtocolError { code } => Detail::Code(code),
            _ => Detail::None,
        };
        let mut record = Self::new(offset, Some(frame.message_type()), detail);
        record.id = frame.id();
        record.name = frame.name().map(|name| name.as_bytes().to_vec());
        record.size = frame.payload_len();
        record
    }

    fn add_payload(&mut self, data: &[u8]) {
        let room = PREVIEW - self.start.len();
        self.start.extend_from_slice(&data[..data.len().min(room)]);
        // A payload is at most u32::MAX bytes long, and so are its pieces together.
        self.received += data.len() as u32;
    }

    /// Whether it is the empty part that ends a stream.
    pub(crate) fn ends_stream(&self) -> bool {
        let part = [Some(MessageType::StreamRequestPart), Some(MessageType::StreamResult)];
        part.contains(&self.message) && self.size == Some(0)
    }

    /// Whether there is more payload than `start` holds.
    pub(crate) fn is_cut(&self) -> bool {
        self.size.is_some_and(|size| size as usize > self.start.len())
    }

    /// Text if it is UTF-8 without control characters other than those of lines and
    /// tabs. A character that is cut in the middle is left out.
    pub(crate) fn preview(&self) -> Preview<'_> {
        Preview::new(&self.start, self.is_cut())
    }
}

/// How a capture ends.
pub(crate) enum Ending {
    /// Between messages; `ignored` bytes follow a protocol error.
    Clean { ignored: u64 },
    /// In what starts at `start`, which is the version or a message. The latter is
    /// `unfinished` as far as it came, if its header is complete.
    Truncated { missing: u32, start: u64, in_version: bool, unfinished: Option<Record> },
    /// At a byte that cannot be.
    Bad(Error),
}

/// The bytes around a wrong one.
pub(crate) struct Excerpt {
    /// Where the first of them stands.
    pub(crate) offset: u64,
    pub(crate) bytes: Vec<u8>,
    /// Which of them is the wrong one.
    pub(crate) mark: usize,
}

/// What [`Capture::advance`] has come to.
pub(crate) enum Progress {
    Message(Record),
    /// Nothing is left to show: call [`Capture::fill`].
    NeedsInput,
    End(Ending),
}

/// Whether a capture begins with the version.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Handshake {
    Expected,
    Absent,
    /// It does if its first byte is a digit, as no message begins with one.
    IfThere,
}

pub(crate) struct Capture {
    source_ended: bool,
    handshake: Handshake,
    /// How many bytes are asked for at once.
    piece: usize,
    parser: Parser<{ gotalk::MAX_NAME_LEN }>,
    /// `buffer[next..end]` is to be parsed. What stands before `next` has been, and
    /// its last bytes stay there for an excerpt.
    buffer: Box<[u8]>,
    next: usize,
    end: usize,
    /// A message whose payload is not complete.
    unfinished: Option<Record>,
    /// Where the last complete message ends.
    complete: u64,
}

impl Capture {
    pub(crate) fn new(handshake: Handshake, piece: usize) -> Self {
        Self {
            source_ended: false,
            handshake,
            piece,
            parser: match handshake {
                Handshake::Absent => Parser::new().without_handshake(),
                _ => Parser::new(),
            },
            // Behind a piece there is always room for the end of an excerpt.
            buffer: vec![0; BEFORE + piece + 1 + AFTER].into(),
            next: 0,
            end: 0,
            unfinished: None,
            complete: 0,
        }
    }

    /// How many bytes have been read.
    pub(crate) fn offset(&self) -> u64 {
        self.parser.offset()
    }

    /// Goes on to the end of the next message, if all of it is there.
    pub(crate) fn advance(&mut self) -> Progress {
        loop {
            let input = &self.buffer[self.next..self.end];
            let (read, step) = self.parser.step(input);
            self.next += read;
            let offset = self.parser.offset();
            let step = match step {
                Ok(step) => step,
                Err(error) => return Progress::End(Ending::Bad(error)),
            };
            let Some(step) = step else {
                if self.source_ended {
                    return Progress::End(self.ending());
                }
                return Progress::NeedsInput;
            };
            let record = match self.parser.event(input, step) {
                Event::Version(version) => Record::new(0, None, Detail::Version(version)),
                Event::Frame(frame) => {
                    let start = offset - frame.header_len() as u64;
                    let record = Record::from_frame(start, &frame);
                    if record.size.is_some() {
                        self.unfinished = Some(record);
                        continue;
                    }
                    record
                }
                Event::Payload { data, remaining } => {
                    let Some(mut record) = self.unfinished.take() else { continue };
                    record.add_payload(data);
                    if remaining > 0 {
                        self.unfinished = Some(record);
                        continue;
                    }
                    record
                }
                Event::NameTooLong { message_type, id, name_len } => {
                    // It comes right behind the length of the name.
                    let start = offset - (message_type.header_len(0) - 8) as u64;
                    let mut record =
                        Record::new(start, Some(message_type), Detail::NameTooLong(name_len));
                    record.id = id;
                    record
                }
            };
            self.complete = offset;
            return Progress::Message(record);
        }
    }

    /// Reads once, when all that was read before has been looked at.
    pub(crate) fn fill(&mut self, source: &mut dyn Read) -> io::Result<()> {
        let kept = self.next.min(BEFORE);
        self.buffer.copy_within(self.next - kept..self.next, 0);
        let read = read(source, &mut self.buffer[kept..kept + self.piece])?;
        self.next = kept;
        self.end = kept + read;
        self.source_ended = read == 0;
        if self.handshake == Handshake::IfThere && read > 0 {
            self.handshake = match self.buffer[kept].is_ascii_digit() {
                true => Handshake::Expected,
                false => Handshake::Absent,
            };
            if self.handshake == Handshake::Absent {
                self.parser = Parser::new().without_handshake();
            }
        }
        Ok(())
    }

    /// The bytes around the one at hand: the wrong one after [`Ending::Bad`]. Those that
    /// have not been read yet are read from `following`.
    pub(crate) fn excerpt(&mut self, following: &mut dyn Read) -> Excerpt {
        let to = self.next + 1 + AFTER;
        while self.end < to {
            match read(following, &mut self.buffer[self.end..to]) {
                Ok(0) | Err(_) => break,
                Ok(read) => self.end += read,
            }
        }
        let mark = self.next.min(BEFORE);
        let from = self.next - mark;
        let bytes = self.buffer[from..to.min(self.end)].to_vec();
        Excerpt { offset: self.parser.offset() - mark as u64, bytes, mark }
    }

    fn ending(&mut self) -> Ending {
        match self.parser.finish() {
            Ok(()) => Ending::Clean { ignored: self.parser.offset() - self.complete },
            Err(error) => match error.kind {
                ErrorKind::UnexpectedEnd { missing } => Ending::Truncated {
                    missing,
                    start: self.complete,
                    in_version: self.handshake != Handshake::Absent && self.complete == 0,
                    unfinished: self.unfinished.take(),
                },
                _ => Ending::Bad(error),
            },
        }
    }
}

pub(crate) fn read(source: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match source.read(buffer) {
            Err(error) if error.kind() == IoErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

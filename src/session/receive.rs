//! What a reader found, in the program's terms.

use crate::read::assembler::Item;
use crate::read::parser::Event;
use crate::wire::frame::{Frame, Header, Message, VERSION_LEN};
use crate::wire::message_type::MessageType;
use crate::wire::value::{ErrorCode, Name, RequestId};
use crate::write::writer::Writer;
use crate::{Error, WriteError};

use super::incoming::Incoming;
use super::outgoing::Outgoing;
use super::{DROPPING, Phase, Session};

/// What has come, in the program's terms. [`Session::receive`] gives it.
///
/// `P` is the payload. From an [`Item`] it is the bytes, `&[u8]`. From an [`Event`] it is their
/// number, `u32`: the bytes follow in [`Payload`](Self::Payload).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Received<'a, P> {
    /// The peer's version, which comes first.
    Opened,
    /// The peer asks for `op`. Answer it, now or later, by one of the `respond` methods.
    Request {
        /// The request to answer.
        request: Incoming,
        /// The operation.
        op: Name<'a>,
        /// The payload.
        payload: P,
    },
    /// The peer asks for `op` in parts, and this is the first part. It may be empty, which does
    /// not end the stream: do not pass it on as a part. You may answer at any time, also before
    /// the last part. Every stream that you leave unanswered keeps its slot.
    StreamRequest {
        /// The request to answer.
        request: Incoming,
        /// The operation.
        op: Name<'a>,
        /// The first part.
        payload: P,
    },
    /// A further part of a streamed request.
    RequestPart {
        /// The request to answer.
        request: Incoming,
        /// The part, which is not empty.
        payload: P,
    },
    /// The streamed request is complete.
    RequestEnd {
        /// The request to answer.
        request: Incoming,
    },
    /// A part of a streamed request is too long for the [`Assembler`](crate::Assembler). The
    /// session has answered with an error result, and the request is over.
    RequestTooLong {
        /// The request, which is over.
        request: Incoming,
    },
    /// The result of a request of yours, which is over.
    Result {
        /// The request.
        request: Outgoing,
        /// The payload.
        payload: P,
    },
    /// A part of the result of a request of yours.
    ResultPart {
        /// The request.
        request: Outgoing,
        /// The part, which is not empty.
        payload: P,
    },
    /// The result in parts is complete. The request is over.
    ResultEnd {
        /// The request.
        request: Outgoing,
    },
    /// The request failed, and is over. Do not make it again as it is.
    ErrorResult {
        /// The request.
        request: Outgoing,
        /// Why, in plain text.
        payload: P,
    },
    /// The peer could not serve the request, which is over. You may make it again later.
    RetryResult {
        /// The request.
        request: Outgoing,
        /// The minimum time to wait before that, in milliseconds.
        wait_ms: u32,
        /// Why, in plain text.
        payload: P,
    },
    /// The result is too long for the [`Assembler`](crate::Assembler), which skips it. The request is over.
    ResultTooLong {
        /// The request.
        request: Outgoing,
    },
    /// A notification.
    Notification {
        /// Its name.
        name: Name<'a>,
        /// The payload.
        payload: P,
    },
    /// A chunk of the payload of the message that came last. Only a [`Parser`](crate::Parser)
    /// gives it.
    ///
    /// The message may belong to a request that has ended since: one that you answered, or one
    /// of yours that timed out meanwhile.
    Payload {
        /// The bytes. They are empty only if the whole payload is.
        data: &'a [u8],
        /// How many bytes of this payload are still to come. At 0 it is complete.
        remaining: u32,
    },
    /// A heartbeat of the peer's.
    Heartbeat {
        /// How busy the peer is, from 0 (idle) to 0xffff (overloaded).
        load: u16,
        /// The peer's clock, in seconds since 1970-01-01 00:00 UTC. Often it is 0.
        time: u32,
    },
    /// The peer has closed the conversation. [`poll`](Session::poll) says which requests are
    /// lost.
    Closed {
        /// Why.
        code: ErrorCode,
    },
    /// Nothing to do: the session has answered, or this belongs to nothing that is in flight, or
    /// it was an error.
    Handled,
}

/// What [`Session::receive`] takes: an [`Event`] of a parser or an [`Item`] of an assembler, or
/// a `Result` with one, as their iterators give it.
pub trait Input<'a>: sealed::Sealed + Sized {
    /// What stands for the payload of a message in [`Received`].
    type Payload;

    #[doc(hidden)]
    fn give<const OUT: usize, const IN: usize>(
        self,
        session: &mut Session<OUT, IN>,
        now: u32,
        writer: &mut Writer<'_>,
    ) -> Result<Received<'a, Self::Payload>, WriteError>;
}

/// The length of the payload, whose bytes follow.
impl<'a> Input<'a> for Event<'a> {
    type Payload = u32;

    #[inline(always)]
    fn give<const OUT: usize, const IN: usize>(
        self,
        session: &mut Session<OUT, IN>,
        now: u32,
        writer: &mut Writer<'_>,
    ) -> Result<Received<'a, u32>, WriteError> {
        session.take(now, self, writer)
    }
}

/// The bytes of the payload.
impl<'a> Input<'a> for Item<'a> {
    type Payload = &'a [u8];

    #[inline(always)]
    fn give<const OUT: usize, const IN: usize>(
        self,
        session: &mut Session<OUT, IN>,
        now: u32,
        writer: &mut Writer<'_>,
    ) -> Result<Received<'a, &'a [u8]>, WriteError> {
        session.take(now, self, writer)
    }
}

/// Of an error [`Session::fail`] hears.
impl<'a, T: Input<'a>> Input<'a> for Result<T, Error> {
    type Payload = T::Payload;

    #[inline(always)]
    fn give<const OUT: usize, const IN: usize>(
        self,
        session: &mut Session<OUT, IN>,
        now: u32,
        writer: &mut Writer<'_>,
    ) -> Result<Received<'a, T::Payload>, WriteError> {
        match self {
            Ok(input) => input.give(session, now, writer),
            Err(error) => {
                session.fail(&error);
                Ok(Received::Handled)
            }
        }
    }
}

mod sealed {
    use super::{Error, Event, Item};

    pub trait Sealed {}

    impl Sealed for Event<'_> {}
    impl Sealed for Item<'_> {}
    impl<T: Sealed> Sealed for Result<T, Error> {}
}

/// What both readers find, in one form. `L` is a frame if the reader has a limit for payloads.
enum Found<'a, L> {
    Version,
    /// A message, and its payload if it comes from an assembler.
    Message(Frame<'a>, &'a [u8]),
    NameTooLong(Option<RequestId>),
    PayloadTooLong(L),
    Payload {
        data: &'a [u8],
        remaining: u32,
    },
}

trait Find<'a>: Input<'a> {
    type TooLong: Into<Frame<'a>>;

    fn found(self) -> Found<'a, Self::TooLong>;

    fn payload(len: u32, bytes: &'a [u8]) -> Self::Payload;
}

/// A parser has no limit for payloads.
enum Never {}

impl From<Never> for Frame<'_> {
    fn from(never: Never) -> Self {
        match never {}
    }
}

impl<'a> Find<'a> for Event<'a> {
    type TooLong = Never;

    #[inline(always)]
    fn found(self) -> Found<'a, Never> {
        match self {
            Event::Version(_) => Found::Version,
            Event::Frame(frame) => Found::Message(frame, &[]),
            Event::NameTooLong { id, .. } => Found::NameTooLong(id),
            Event::Payload { data, remaining } => Found::Payload { data, remaining },
        }
    }

    #[inline(always)]
    fn payload(len: u32, _: &'a [u8]) -> u32 {
        len
    }
}

impl<'a> Find<'a> for Item<'a> {
    type TooLong = Frame<'a>;

    #[inline(always)]
    fn found(self) -> Found<'a, Frame<'a>> {
        match self {
            Item::Version(_) => Found::Version,
            Item::Message(Message { frame, payload }) => Found::Message(frame, payload),
            Item::NameTooLong { id, .. } => Found::NameTooLong(id),
            Item::PayloadTooLong(frame) => Found::PayloadTooLong(frame),
        }
    }

    #[inline(always)]
    fn payload(_: u32, bytes: &'a [u8]) -> &'a [u8] {
        bytes
    }
}

/// What the peer is told about a request that the session refuses.
struct Refusal {
    text: &'static [u8],
    may_retry: bool,
}

static BUSY: Refusal = Refusal { text: b"busy", may_retry: true };
static NO_STREAMS: Refusal = Refusal { text: b"no streams", may_retry: false };
static TOO_LONG: Refusal = Refusal { text: b"too long", may_retry: false };

/// The most that [`Session::receive`] and [`Session::poll`] write in one call, in bytes, the
/// version included. With so many bytes free they cannot fail for want of room.
pub const MAX_REPLY_LEN: usize = {
    const TEXT_LEN: usize = 10;
    let mut all: &[&Refusal] = &[&BUSY, &NO_STREAMS, &TOO_LONG];
    while let [refusal, rest @ ..] = all {
        assert!(refusal.text.len() <= TEXT_LEN);
        all = rest;
    }
    VERSION_LEN + MessageType::RetryResult.header_len(0) + TEXT_LEN
};

impl<const OUT: usize, const IN: usize> Session<OUT, IN> {
    /// Takes what a reader found, and says what it means. `input` is an [`Event`] or an
    /// [`Item`], or a `Result` of [`Events::next`](crate::Events::next) or
    /// [`Items::next`](crate::Items::next): it tells [`fail`](Self::fail) of an error.
    ///
    /// The session answers by itself what the program need not see: a request for which there
    /// is no room, or whose name or payload is too long for the reader. A result or a
    /// part that belongs to no request in flight is dropped with its payload.
    ///
    /// # Errors
    ///
    /// [`BufferTooSmall`](WriteError::BufferTooSmall) if the writer has no room for such an
    /// answer: send what is in the writer, and call again with the same `input`. It cannot
    /// happen with [`MAX_REPLY_LEN`](crate::MAX_REPLY_LEN) bytes free.
    /// [`Closed`](WriteError::Closed) if you have written a protocol error yourself: use
    /// [`close`](Self::close).
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    pub fn receive<'a, I: Input<'a>>(
        &mut self,
        now: u32,
        input: I,
        writer: &mut Writer<'_>,
    ) -> Result<Received<'a, I::Payload>, WriteError> {
        input.give(self, now, writer)
    }

    #[cfg_attr(target_pointer_width = "64", inline(always))]
    fn take<'a, I: Find<'a>>(
        &mut self,
        now: u32,
        input: I,
        writer: &mut Writer<'_>,
    ) -> Result<Received<'a, I::Payload>, WriteError> {
        if !self.is_live() {
            return Ok(Received::Handled);
        }
        self.start(now);
        self.received_at = now;
        let (frame, bytes) = match input.found() {
            Found::Message(frame, bytes) => (frame, bytes),
            Found::Payload { .. } if self.flags & DROPPING != 0 => return Ok(Received::Handled),
            Found::Payload { data, remaining } => return Ok(Received::Payload { data, remaining }),
            Found::Version => return Ok(Received::Opened),
            Found::NameTooLong(None) => return Ok(Received::Handled),
            Found::NameTooLong(Some(id)) => {
                self.refuse(writer, id, &TOO_LONG)?;
                return Ok(Received::Handled);
            }
            Found::PayloadTooLong(frame) => return self.too_long(writer, frame.into()),
        };
        self.flags |= DROPPING;
        let received = match frame {
            Frame::SingleRequest { id, op, payload_len }
            | Frame::StreamRequest { id, op, payload_len } => {
                let is_stream = matches!(frame, Frame::StreamRequest { .. });
                let Some(request) = self.admit(id, is_stream) else {
                    let never = is_stream && self.settings.streams() == 0;
                    self.refuse(writer, id, if never { &NO_STREAMS } else { &BUSY })?;
                    return Ok(Received::Handled);
                };
                let payload = I::payload(payload_len, bytes);
                if is_stream {
                    Received::StreamRequest { request, op, payload }
                } else {
                    Received::Request { request, op, payload }
                }
            }
            Frame::StreamRequestPart { id, payload_len } => {
                let is_end = payload_len == 0;
                let Some(request) = self.incoming.part(id, is_end) else {
                    return Ok(Received::Handled);
                };
                if is_end {
                    return Ok(Received::RequestEnd { request });
                }
                Received::RequestPart { request, payload: I::payload(payload_len, bytes) }
            }
            Frame::SingleResult { id, payload_len }
            | Frame::StreamResult { id, payload_len }
            | Frame::ErrorResult { id, payload_len }
            | Frame::RetryResult { id, payload_len, .. } => {
                let is_part = matches!(frame, Frame::StreamResult { .. }) && payload_len > 0;
                let Some(request) = self.outgoing.settle(id, now, !is_part) else {
                    return Ok(Received::Handled);
                };
                let payload = I::payload(payload_len, bytes);
                match frame {
                    Frame::StreamResult { .. } if is_part => {
                        Received::ResultPart { request, payload }
                    }
                    Frame::StreamResult { .. } => return Ok(Received::ResultEnd { request }),
                    Frame::ErrorResult { .. } => Received::ErrorResult { request, payload },
                    Frame::RetryResult { wait_ms, .. } => {
                        Received::RetryResult { request, wait_ms, payload }
                    }
                    _ => Received::Result { request, payload },
                }
            }
            Frame::Notification { name, payload_len } => {
                Received::Notification { name, payload: I::payload(payload_len, bytes) }
            }
            Frame::Heartbeat { load, time } => Received::Heartbeat { load, time },
            Frame::ProtocolError { code } => {
                self.disconnected();
                Received::Closed { code }
            }
        };
        self.flags &= !DROPPING;
        Ok(received)
    }

    /// A message whose payload the reader skips.
    fn too_long<'a, P>(
        &mut self,
        writer: &mut Writer<'_>,
        frame: Frame<'_>,
    ) -> Result<Received<'a, P>, WriteError> {
        let Some(id) = frame.id() else { return Ok(Received::Handled) };
        if frame.message_type().is_result() {
            let Some(request) = self.outgoing.settle(id, 0, true) else {
                return Ok(Received::Handled);
            };
            return Ok(Received::ResultTooLong { request });
        }
        if frame.name().is_some() {
            self.refuse(writer, id, &TOO_LONG)?;
            return Ok(Received::Handled);
        }
        let Some(request) = self.incoming.part(id, false) else { return Ok(Received::Handled) };
        self.refuse(writer, id, &TOO_LONG)?;
        self.incoming.release(request.index);
        Ok(Received::RequestTooLong { request })
    }

    /// Takes a request of the peer's, if there is room for it.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    fn admit(&mut self, id: RequestId, is_stream: bool) -> Option<Incoming> {
        let is_full = is_stream && self.incoming.streams >= self.settings.streams();
        if self.phase != Phase::Open || is_full { None } else { self.incoming.take(id, is_stream) }
    }

    /// Answers a request that has no slot.
    fn refuse(
        &mut self,
        writer: &mut Writer<'_>,
        id: RequestId,
        why: &Refusal,
    ) -> Result<(), WriteError> {
        let (message_type, extra) = match self.settings.retry_after_ms() {
            // Without a slot it would be busy for ever.
            Some(ms) if why.may_retry && IN > 0 => (MessageType::RetryResult, ms),
            _ => (MessageType::ErrorResult, 0),
        };
        let last = why.text.len() as u32;
        let header = Header { id, extra, last, ..Header::new(message_type) };
        self.send(writer, &header, Name::default(), why.text)
    }
}

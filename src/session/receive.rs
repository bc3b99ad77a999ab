//! What a reader found, in the program's terms.

use crate::WriteError;
use crate::read::assembler::Item;
use crate::read::parser::Event;
use crate::wire::frame::{Frame, Header, Message, VERSION_LEN};
use crate::wire::message_type::MessageType;
use crate::wire::value::{ErrorCode, Name, RequestId};
use crate::write::writer::Writer;

use super::incoming::Incoming;
use super::outgoing::Outgoing;
use super::payload::Put;
use super::{DROPPING, Phase, Session};
use sealed::{Any, TooLong};

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
    /// The peer asks for `op` in parts, and this is the first part. It may be empty. You may
    /// answer at any time, also before the last part.
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
    /// A part of a streamed request is too long for the reader. The session has answered with
    /// an error result, and the request is over.
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
    /// The result is too long for the reader, which skips it. The request is over.
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
    /// Nothing to do: the session has answered, or this belongs to nothing that is in flight.
    Handled,
}

/// What [`Session::receive`] takes: an [`Event`] of a parser or an [`Item`] of an assembler.
pub trait Input<'a>: sealed::Found<'a> {
    /// What stands for the payload of a message in [`Received`].
    type Payload;

    #[doc(hidden)]
    fn payload(len: u32, bytes: &'a [u8]) -> Self::Payload;
}

/// The length of the payload, whose bytes follow.
impl<'a> Input<'a> for Event<'a> {
    type Payload = u32;

    #[inline(always)]
    fn payload(len: u32, _: &'a [u8]) -> u32 {
        len
    }
}

/// The bytes of the payload.
impl<'a> Input<'a> for Item<'a> {
    type Payload = &'a [u8];

    #[inline(always)]
    fn payload(_: u32, bytes: &'a [u8]) -> &'a [u8] {
        bytes
    }
}

mod sealed {
    use core::convert::Infallible;

    use super::{Event, Frame, Item, Message, RequestId};

    /// What both readers find, in one form.
    pub enum Any<'a, L> {
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

    pub trait Found<'a> {
        /// A frame if the reader has a limit for payloads.
        type TooLong: TooLong;

        fn found(self) -> Any<'a, Self::TooLong>;
    }

    pub trait TooLong {
        fn frame(&self) -> &Frame<'_>;
    }

    impl TooLong for Infallible {
        fn frame(&self) -> &Frame<'_> {
            match *self {}
        }
    }

    impl TooLong for Frame<'_> {
        fn frame(&self) -> &Frame<'_> {
            self
        }
    }

    impl<'a> Found<'a> for Event<'a> {
        type TooLong = Infallible;

        #[inline(always)]
        fn found(self) -> Any<'a, Infallible> {
            match self {
                Event::Version(_) => Any::Version,
                Event::Frame(frame) => Any::Message(frame, &[]),
                Event::NameTooLong { id, .. } => Any::NameTooLong(id),
                Event::Payload { data, remaining } => Any::Payload { data, remaining },
            }
        }
    }

    impl<'a> Found<'a> for Item<'a> {
        type TooLong = Frame<'a>;

        #[inline(always)]
        fn found(self) -> Any<'a, Frame<'a>> {
            match self {
                Item::Version(_) => Any::Version,
                Item::Message(Message { frame, payload }) => Any::Message(frame, payload),
                Item::NameTooLong { id, .. } => Any::NameTooLong(id),
                Item::PayloadTooLong(frame) => Any::PayloadTooLong(frame),
            }
        }
    }
}

/// What the peer is told about a request that the session refuses.
const BUSY: &[u8] = b"busy";
const NO_STREAMS: &[u8] = b"no streamed requests";
const NAME_TOO_LONG: &[u8] = b"name too long";
const PAYLOAD_TOO_LONG: &[u8] = b"payload too long";

pub(crate) const MAX_REPLY_LEN: usize = {
    let retry = MessageType::RetryResult.header_len(0) + BUSY.len();
    let error = MessageType::ErrorResult.header_len(0) + NO_STREAMS.len();
    assert!(NO_STREAMS.len() > NAME_TOO_LONG.len() && NO_STREAMS.len() > PAYLOAD_TOO_LONG.len());
    VERSION_LEN + if retry > error { retry } else { error }
};

impl<const OUT: usize, const IN: usize> Session<OUT, IN> {
    /// Takes what a reader found, and says what it means. `input` is an [`Event`] or an
    /// [`Item`].
    ///
    /// The session answers by itself what the program need not see: a request for which there
    /// is no room, or whose name or payload is too long for the reader. What belongs to no
    /// request in flight is dropped with its payload.
    ///
    /// # Errors
    ///
    /// [`BufferTooSmall`](WriteError::BufferTooSmall) if the writer has no room for such an
    /// answer: send what is in the writer, and call again with the same `input`. It cannot
    /// happen with [`MAX_REPLY_LEN`](Self::MAX_REPLY_LEN) bytes free.
    pub fn receive<'a, I: Input<'a>>(
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
            Any::Message(frame, bytes) => (frame, bytes),
            Any::Payload { .. } if self.flags & DROPPING != 0 => return Ok(Received::Handled),
            Any::Payload { data, remaining } => return Ok(Received::Payload { data, remaining }),
            Any::Version => return Ok(Received::Opened),
            Any::NameTooLong(None) => return Ok(Received::Handled),
            Any::NameTooLong(Some(id)) => {
                self.refuse(writer, id, NAME_TOO_LONG)?;
                return Ok(Received::Handled);
            }
            Any::PayloadTooLong(frame) => return self.too_long(writer, frame.frame()),
        };
        self.flags |= DROPPING;
        let received = match frame {
            Frame::SingleRequest { id, op, payload_len } => {
                let Some(request) = self.admit(writer, id, false)? else {
                    return Ok(Received::Handled);
                };
                Received::Request { request, op, payload: I::payload(payload_len, bytes) }
            }
            Frame::StreamRequest { id, op, payload_len } => {
                let Some(request) = self.admit(writer, id, true)? else {
                    return Ok(Received::Handled);
                };
                Received::StreamRequest { request, op, payload: I::payload(payload_len, bytes) }
            }
            Frame::StreamRequestPart { id, payload_len } => {
                let Some(request) = self.incoming.find_stream(id) else {
                    return Ok(Received::Handled);
                };
                if payload_len == 0 {
                    self.incoming.end_stream(request);
                    return Ok(Received::RequestEnd { request });
                }
                Received::RequestPart { request, payload: I::payload(payload_len, bytes) }
            }
            Frame::SingleResult { id, payload_len } => {
                let Some(request) = self.outgoing.settle(id, now, true) else {
                    return Ok(Received::Handled);
                };
                Received::Result { request, payload: I::payload(payload_len, bytes) }
            }
            Frame::StreamResult { id, payload_len } => {
                let is_end = payload_len == 0;
                let Some(request) = self.outgoing.settle(id, now, is_end) else {
                    return Ok(Received::Handled);
                };
                if is_end {
                    return Ok(Received::ResultEnd { request });
                }
                Received::ResultPart { request, payload: I::payload(payload_len, bytes) }
            }
            Frame::ErrorResult { id, payload_len } => {
                let Some(request) = self.outgoing.settle(id, now, true) else {
                    return Ok(Received::Handled);
                };
                Received::ErrorResult { request, payload: I::payload(payload_len, bytes) }
            }
            Frame::RetryResult { id, wait_ms, payload_len } => {
                let Some(request) = self.outgoing.settle(id, now, true) else {
                    return Ok(Received::Handled);
                };
                Received::RetryResult { request, wait_ms, payload: I::payload(payload_len, bytes) }
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
        frame: &Frame<'_>,
    ) -> Result<Received<'a, P>, WriteError> {
        let Some(id) = frame.id() else { return Ok(Received::Handled) };
        if frame.message_type().is_result() {
            let Some(request) = self.outgoing.settle(id, 0, true) else {
                return Ok(Received::Handled);
            };
            return Ok(Received::ResultTooLong { request });
        }
        if frame.name().is_some() {
            self.refuse(writer, id, PAYLOAD_TOO_LONG)?;
            return Ok(Received::Handled);
        }
        let Some(request) = self.incoming.find_stream(id) else { return Ok(Received::Handled) };
        self.refuse(writer, id, PAYLOAD_TOO_LONG)?;
        self.incoming.release(request);
        Ok(Received::RequestTooLong { request })
    }

    /// Takes a request of the peer's, or refuses it.
    fn admit(
        &mut self,
        writer: &mut Writer<'_>,
        id: RequestId,
        is_stream: bool,
    ) -> Result<Option<Incoming>, WriteError> {
        let streams = self.settings.streams();
        if is_stream && streams == 0 {
            self.refuse(writer, id, NO_STREAMS)?;
            return Ok(None);
        }
        if self.phase == Phase::Open && !(is_stream && self.incoming.streams >= streams) {
            if let Some(request) = self.incoming.take(id, is_stream) {
                return Ok(Some(request));
            }
        }
        match self.settings.retry_after_ms() {
            None => self.refuse(writer, id, BUSY)?,
            Some(extra) => {
                let header = Header { id, extra, ..Header::new(MessageType::RetryResult) };
                self.send(writer, &header, Name::default(), BUSY.form())?;
            }
        }
        Ok(None)
    }

    /// Answers a request that took no slot with an error result.
    fn refuse(
        &mut self,
        writer: &mut Writer<'_>,
        id: RequestId,
        text: &[u8],
    ) -> Result<(), WriteError> {
        let header = Header { id, ..Header::new(MessageType::ErrorResult) };
        self.send(writer, &header, Name::default(), text.form())
    }
}

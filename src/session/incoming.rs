//! Requests of the peer's, until they are answered.
//!
//! A slot keeps the id that the peer chose, and in one word its turn and its state. The turn
//! goes up each time the slot becomes free, so that an old handle never means the request that
//! has the slot now. Free slots form a list, as in `outgoing`.

use crate::wire::frame::Header;
use crate::wire::message_type::MessageType;
use crate::wire::value::{Name, RequestId};
use crate::write::writer::Writer;

use super::Session;
use super::error::SessionError;
use super::payload::{Form, Payload};

/// A request of the peer's that you owe an answer. [`Received`](crate::Received) has it.
///
/// It stands for one request: once that is answered, every call with it gives
/// [`Over`](SessionError::Over). (In truth, a turn comes back after 2²⁸ requests in its slot.)
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Incoming {
    id: RequestId,
    turn: u32,
    /// Below `IN`, and so below 2¹⁶.
    pub(super) index: u32,
}

impl Incoming {
    /// The id of the request on the wire, which the peer chose. Two of its requests can have
    /// the same.
    pub const fn id(self) -> RequestId {
        self.id
    }

    /// The slot of the request, below `IN`. No two requests that wait for an answer have the
    /// same: keep what you know about each in an array.
    pub const fn index(self) -> usize {
        self.index as usize
    }
}

/// The request waits for an answer. A free slot has none of these bits.
const OWED: u32 = 1;
/// It counts as a stream.
const STREAM: u32 = 2;
/// More parts of it may come.
const RECEIVING: u32 = 4;
/// A part of its result has been written.
const BEGUN: u32 = 8;
/// The turn stands above the bits of the state.
const TURN: u32 = 16;

fn word(id: RequestId) -> u32 {
    u32::from_ne_bytes(*id.as_bytes())
}

#[derive(Clone, Copy)]
struct Slot {
    /// The id of the request as a word; of a free slot, how far the next free one is from the
    /// next slot.
    id: u32,
    state: u32,
}

#[derive(Clone)]
pub(crate) struct IncomingTable<const IN: usize> {
    slots: [Slot; IN],
    /// The first free slot, or `IN`.
    free: u16,
    pub(crate) owed: u16,
    pub(crate) streams: u16,
}

impl<const IN: usize> IncomingTable<IN> {
    pub(crate) const fn new() -> Self {
        // In a constant, so that the zeros are not written one by one.
        const { Self { slots: [Slot { id: 0, state: 0 }; IN], free: 0, owed: 0, streams: 0 } }
    }

    /// Takes a slot for a request, if one is free.
    pub(crate) fn take(&mut self, id: RequestId, is_stream: bool) -> Option<Incoming> {
        let index = u32::from(self.free);
        let slot = self.slots.get_mut(index as usize)?;
        self.free = slot.id.wrapping_add(index).wrapping_add(1) as u16;
        slot.id = word(id);
        slot.state |= if is_stream { OWED | STREAM | RECEIVING } else { OWED };
        self.owed = self.owed.wrapping_add(1);
        self.streams = self.streams.wrapping_add(is_stream.into());
        Some(Incoming { id, turn: slot.state / TURN, index })
    }

    /// The request whose parts have this id, and which is still open; until now if this is the
    /// last of them.
    pub(crate) fn part(&mut self, id: RequestId, is_end: bool) -> Option<Incoming> {
        if self.streams == 0 {
            return None;
        }
        // Not `enumerate`, whose count the compiler does not see not to overflow.
        for (index, slot) in (0..IN as u32).zip(&mut self.slots) {
            if slot.state & RECEIVING != 0 && slot.id == word(id) {
                if is_end {
                    slot.state &= !RECEIVING;
                }
                return Some(Incoming { id, turn: slot.state / TURN, index });
            }
        }
        None
    }

    /// The state of a request, 0 if it is over.
    fn state(&self, request: Incoming) -> u32 {
        match self.slots.get(request.index()) {
            Some(slot) if slot.state / TURN == request.turn => slot.state % TURN,
            _ => 0,
        }
    }

    /// Ends the request in a slot, which waits for an answer.
    pub(crate) fn release(&mut self, index: u32) {
        let Some(slot) = self.slots.get_mut(index as usize) else { return };
        self.owed = self.owed.wrapping_sub(1);
        if slot.state & STREAM != 0 {
            self.streams = self.streams.wrapping_sub(1);
        }
        slot.id = u32::from(self.free).wrapping_sub(index).wrapping_sub(1);
        slot.state = (slot.state / TURN).wrapping_add(1).wrapping_mul(TURN);
        self.free = index as u16;
    }

    /// Ends all requests.
    pub(crate) fn clear(&mut self) {
        for index in 0..IN as u32 {
            if self.slots.get(index as usize).is_some_and(|slot| slot.state & OWED != 0) {
                self.release(index);
            }
        }
    }
}

impl<const OUT: usize, const IN: usize> Session<OUT, IN> {
    /// Answers a request with a result in one message, `R`. Then the request is over, also
    /// while the peer is still sending parts of it: those are dropped.
    ///
    /// # Errors
    ///
    /// [`Over`](SessionError::Over) if it has been answered, [`Parts`](SessionError::Parts)
    /// if parts of a result have been written, [`Closed`](SessionError::Closed), or
    /// [`Write`](SessionError::Write) with what the writer refused.
    ///
    /// A result that is too long has written nothing, so an error result can take its place. An
    /// answer that comes after the conversation or the request has ended is no fault:
    ///
    /// ```
    /// use gotalk::{Incoming, Session, SessionError, Writer};
    ///
    /// /// Answers with `payload`, or says that it does not fit into the writer, which is empty.
    /// fn answer<const OUT: usize, const IN: usize>(
    ///     session: &mut Session<OUT, IN>,
    ///     writer: &mut Writer<'_>,
    ///     request: Incoming,
    ///     payload: &[u8],
    /// ) -> Result<(), SessionError> {
    ///     match session.respond(writer, request, payload) {
    ///         Err(SessionError::Write(_)) => {
    ///             session.respond_error(writer, request, "the result is too long")
    ///         }
    ///         Err(SessionError::Over | SessionError::Closed) => Ok(()),
    ///         result => result,
    ///     }
    /// }
    /// # use gotalk::{Assembler, Received, Settings};
    /// # let mut session = Session::<1, 1>::new(Settings::DEFAULT);
    /// # let mut assembler = Assembler::<16>::new();
    /// # let mut buffer = [0; 48];
    /// # let mut writer = Writer::new(&mut buffer);
    /// # let mut items = assembler.feed(b"01r0000001x00000000");
    /// # while let Some(item) = items.next() {
    /// #     if let Received::Request { request, .. } = session.receive(0, item, &mut writer)? {
    /// #         answer(&mut session, &mut writer, request, &[0; 40])?;
    /// #         answer(&mut session, &mut writer, request, b"too late")?;
    /// #     }
    /// # }
    /// # assert_eq!(writer.as_bytes(), b"01E000000000016the result is too long");
    /// # Ok::<(), SessionError>(())
    /// ```
    pub fn respond(
        &mut self,
        writer: &mut Writer<'_>,
        request: Incoming,
        payload: impl Payload,
    ) -> Result<(), SessionError> {
        self.answer(writer, request, MessageType::SingleResult, 0, payload.form())
    }

    /// Writes a part of a result, `S`. The part must not be empty. End the result with
    /// [`respond_end`](Self::respond_end), or with an error result or a retry result.
    ///
    /// # Errors
    ///
    /// [`Over`](SessionError::Over), [`Closed`](SessionError::Closed) or
    /// [`Write`](SessionError::Write).
    pub fn respond_part(
        &mut self,
        writer: &mut Writer<'_>,
        request: Incoming,
        payload: impl Payload,
    ) -> Result<(), SessionError> {
        self.owed(request)?;
        let header = Header { id: request.id, ..Header::new(MessageType::StreamResult) };
        payload.form().send(self, writer, header, Name::default())?;
        if let Some(slot) = self.incoming.slots.get_mut(request.index()) {
            slot.state |= BEGUN;
        }
        Ok(())
    }

    /// Ends a result in parts with an empty one. Then the request is over.
    ///
    /// # Errors
    ///
    /// See [`respond_part`](Self::respond_part).
    pub fn respond_end(
        &mut self,
        writer: &mut Writer<'_>,
        request: Incoming,
    ) -> Result<(), SessionError> {
        self.owed(request)?;
        let header = Header { id: request.id, ..Header::new(MessageType::StreamResult) };
        self.send(writer, &header, Name::default(), &[])?;
        self.incoming.release(request.index);
        Ok(())
    }

    /// Answers a request with an error result, `E`: the request was at fault. `payload` says
    /// why, in plain text ([rule 8.3](crate::protocol#rule-8-3)). It can follow parts of a
    /// result. Then the request is over.
    ///
    /// # Errors
    ///
    /// See [`respond_part`](Self::respond_part).
    pub fn respond_error(
        &mut self,
        writer: &mut Writer<'_>,
        request: Incoming,
        payload: impl Payload,
    ) -> Result<(), SessionError> {
        self.answer(writer, request, MessageType::ErrorResult, 0, payload.form())
    }

    /// Answers a request with a retry result, `e`: the peer may make it again after `wait_ms`
    /// milliseconds. `payload` says why, in plain text
    /// ([rule 8.3](crate::protocol#rule-8-3)). It can follow parts of a result. Then the
    /// request is over.
    ///
    /// With `retry_after_ms: None` in the settings the peer does not know retry results, and
    /// this writes an error result.
    ///
    /// # Errors
    ///
    /// See [`respond_part`](Self::respond_part).
    pub fn respond_retry(
        &mut self,
        writer: &mut Writer<'_>,
        request: Incoming,
        wait_ms: u32,
        payload: impl Payload,
    ) -> Result<(), SessionError> {
        let message_type = match self.settings.retry_after_ms() {
            None => MessageType::ErrorResult,
            Some(_) => MessageType::RetryResult,
        };
        self.answer(writer, request, message_type, wait_ms, payload.form())
    }

    /// The state of a request that waits for an answer.
    fn owed(&self, request: Incoming) -> Result<u32, SessionError> {
        self.live()?;
        match self.incoming.state(request) {
            0 => Err(SessionError::Over),
            state => Ok(state),
        }
    }

    /// Writes the last message of an answer.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    fn answer(
        &mut self,
        writer: &mut Writer<'_>,
        request: Incoming,
        message_type: MessageType,
        extra: u32,
        payload: impl Form,
    ) -> Result<(), SessionError> {
        let state = self.owed(request)?;
        if message_type == MessageType::SingleResult && state & BEGUN != 0 {
            return Err(SessionError::Parts);
        }
        let header = Header { id: request.id, extra, ..Header::new(message_type) };
        payload.send(self, writer, header, Name::default())?;
        self.incoming.release(request.index);
        Ok(())
    }
}

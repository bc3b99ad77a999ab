//! Requests of ours, until their results have come.
//!
//! The id of a request tells its slot: ids count `number`s, and the slot is the number modulo
//! `OUT`. So a result finds its request without a search. Each time a slot becomes free, its
//! number goes up by `OUT`. The slot that has been free for longest is taken first, so that a
//! number comes back as late as can be, after some 2³¹ requests. A result or a handle belongs
//! to the request in a slot if the number is the same.
//!
//! Free slots form a queue, linked through `time`. A link counts from the slot behind, and
//! the end of the queue from the last slot, so that in a table of zeros each slot leads to the
//! next one. Whether the queue is empty, `in_flight` says.

use crate::wire::frame::Header;
use crate::wire::message_type::MessageType;
use crate::wire::value::{Name, RequestId};
use crate::write::writer::Writer;

use super::error::SessionError;
use super::payload::{Form, Payload};
use super::{Phase, Session, left};

/// A request of yours that waits for its result. [`Session::request`] and
/// [`Session::stream_request`] give it, and [`Received`](crate::Received) has it beside the
/// result.
///
/// It stands for one request: once that is over, every call with it gives
/// [`Over`](SessionError::Over). (In truth, a number comes back after 2³¹ / `OUT` requests in
/// its slot.)
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Outgoing {
    number: u32,
    /// Below `OUT`, and so below 2¹⁶.
    index: u32,
}

impl Outgoing {
    /// The id of the request on the wire: four base-36 digits as long as there are such, then a
    /// binary number with its top bit set.
    pub const fn id(self) -> RequestId {
        match RequestId::from_number(self.number) {
            Some(id) => id,
            None => RequestId::new((self.number | BINARY).to_be_bytes()),
        }
    }

    /// The slot of the request, below `OUT`. No two requests in flight have the same: keep what
    /// you know about yours in an array.
    pub const fn index(self) -> usize {
        self.index as usize
    }
}

/// The top bit, which no ASCII digit has.
const BINARY: u32 = 1 << 31;

/// The number of which [`Outgoing::id`] makes `id`; of any other id, `None`.
fn number(id: RequestId) -> Option<u32> {
    let number = u32::from_be_bytes(*id.as_bytes());
    if number & BINARY == 0 {
        return id.to_number();
    }
    let number = number & !BINARY;
    if RequestId::from_number(number).is_none() { Some(number) } else { None }
}

/// The request is in flight.
const IN_FLIGHT: u32 = BINARY;

#[derive(Clone, Copy)]
struct Slot {
    /// The number of the request, with the top bit set while it is in flight; of a free slot,
    /// that of its next request, or less if that is the first one, whose number is the index.
    number: u32,
    /// When something happened to the request last; of a free slot, how far the next one in
    /// the queue is from the slot behind.
    time: u32,
}

#[derive(Clone)]
pub(crate) struct OutgoingTable<const OUT: usize> {
    slots: [Slot; OUT],
    /// Whether more parts of the request may be written.
    open: [bool; OUT],
    /// The free slot that is taken next.
    free: u16,
    /// The last of the queue, as its distance behind slot `OUT - 1`.
    last: u16,
    pub(crate) in_flight: u16,
    /// Where a search through all slots goes on.
    pub(crate) cursor: u16,
    /// No request times out before this. While closing it is not needed, and holds the code of
    /// the protocol error.
    pub(crate) deadline: u32,
}

impl<const OUT: usize> OutgoingTable<OUT> {
    pub(crate) const fn new() -> Self {
        // In a constant, so that the zeros are not written one by one.
        const {
            let slots = [Slot { number: 0, time: 0 }; OUT];
            Self {
                slots,
                open: [false; OUT],
                free: 0,
                last: 0,
                in_flight: 0,
                cursor: 0,
                deadline: 0,
            }
        }
    }

    /// The handle that the next request will have.
    fn next(&self) -> Option<Outgoing> {
        if usize::from(self.in_flight) >= OUT {
            return None;
        }
        let index = u32::from(self.free);
        let slot = self.slots.get(index as usize)?;
        Some(Outgoing { number: slot.number.max(index), index })
    }

    /// Puts the request in flight that [`next`](Self::next) has given.
    fn take(&mut self, request: Outgoing, is_stream: bool, now: u32) {
        let index = request.index();
        let (Some(slot), Some(open)) = (self.slots.get_mut(index), self.open.get_mut(index)) else {
            return;
        };
        self.free = slot.time.wrapping_add(request.index).wrapping_add(1) as u16;
        slot.number = request.number | IN_FLIGHT;
        slot.time = now;
        *open = is_stream;
        self.in_flight = self.in_flight.wrapping_add(1);
    }

    /// The slot of a request in flight.
    fn slot(&mut self, request: Outgoing) -> Option<&mut Slot> {
        let slot = self.slots.get_mut(request.index())?;
        if slot.number == request.number | IN_FLIGHT { Some(slot) } else { None }
    }

    /// The request in flight with this id, of whose result a part has come, or all.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    pub(crate) fn settle(&mut self, id: RequestId, now: u32, is_over: bool) -> Option<Outgoing> {
        let number = number(id)?;
        let index = number.checked_rem(OUT as u32)?;
        let request = Outgoing { number, index };
        let slot = self.slot(request)?;
        if is_over {
            self.release(request);
        } else {
            slot.time = now;
        }
        Some(request)
    }

    /// Notes that something happened to a request in flight.
    pub(crate) fn touch(&mut self, request: Outgoing, now: u32) {
        if let Some(slot) = self.slots.get_mut(request.index()) {
            slot.time = now;
        }
    }

    /// Ends a request in flight.
    pub(crate) fn release(&mut self, request: Outgoing) {
        let Some(slot) = self.slots.get_mut(request.index()) else { return };
        let next = request.number.wrapping_add(OUT as u32);
        slot.number = if next & BINARY == 0 { next } else { 0 };
        let end = (OUT as u32).wrapping_sub(1);
        let last = end.wrapping_sub(self.last.into());
        if usize::from(self.in_flight) >= OUT {
            self.free = request.index as u16;
        } else if let Some(slot) = self.slots.get_mut(last as usize) {
            slot.time = request.index.wrapping_sub(last).wrapping_sub(1);
        }
        self.last = end.wrapping_sub(request.index) as u16;
        self.in_flight = self.in_flight.wrapping_sub(1);
    }

    /// Ends a request in flight to which nothing has happened for `wait` at `now`, if there is
    /// one. Goes on where it found the last one. Only a search that has gone through all slots
    /// and found none knows the next deadline.
    pub(crate) fn expire(&mut self, now: u32, wait: u32) -> Option<Outgoing> {
        loop {
            let from_start = self.cursor == 0;
            let mut earliest = wait;
            while let Some(slot) = self.slots.get(usize::from(self.cursor)) {
                let index = self.cursor.into();
                self.cursor = self.cursor.wrapping_add(1);
                if slot.number & IN_FLIGHT == 0 {
                    continue;
                }
                match left(now, slot.time, wait) {
                    0 => {
                        let request = Outgoing { number: slot.number & !IN_FLIGHT, index };
                        self.release(request);
                        return Some(request);
                    }
                    left => earliest = earliest.min(left),
                }
            }
            self.cursor = 0;
            if from_start {
                self.deadline = now.wrapping_add(earliest);
                return None;
            }
        }
    }

    /// Ends all requests.
    pub(crate) fn clear(&mut self) {
        self.cursor = 0;
        while self.expire(0, 0).is_some() {}
    }
}

impl<const OUT: usize, const IN: usize> Session<OUT, IN> {
    /// Makes a request, `r`. Its result comes from [`receive`](Self::receive), or its end from
    /// [`poll`](Self::poll): each request that you do not forget gets exactly one result, timeout
    /// or loss.
    /// You need not wait until the peer's version has come.
    ///
    /// # Errors
    ///
    /// [`TooMany`](SessionError::TooMany) if `OUT` requests are in flight,
    /// [`Closed`](SessionError::Closed), or [`Write`](SessionError::Write) with what the writer
    /// refused.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    pub fn request<'n>(
        &mut self,
        now: u32,
        writer: &mut Writer<'_>,
        op: impl Into<Name<'n>>,
        payload: impl Payload,
    ) -> Result<Outgoing, SessionError> {
        self.begin(now, writer, MessageType::SingleRequest, op.into(), payload.form())
    }

    /// Starts a request in parts, `s`. `payload` is the first part and may be empty. Send more
    /// with [`request_part`](Self::request_part), then [`request_end`](Self::request_end).
    ///
    /// # Errors
    ///
    /// [`Unsupported`](SessionError::Unsupported) if the settings have `stream_requests: false`,
    /// and those of [`request`](Self::request).
    pub fn stream_request<'n>(
        &mut self,
        now: u32,
        writer: &mut Writer<'_>,
        op: impl Into<Name<'n>>,
        payload: impl Payload,
    ) -> Result<Outgoing, SessionError> {
        self.begin(now, writer, MessageType::StreamRequest, op.into(), payload.form())
    }

    #[cfg_attr(target_pointer_width = "64", inline(always))]
    fn begin(
        &mut self,
        now: u32,
        writer: &mut Writer<'_>,
        message_type: MessageType,
        op: Name<'_>,
        payload: impl Form,
    ) -> Result<Outgoing, SessionError> {
        if self.phase != Phase::Open {
            return Err(SessionError::Closed);
        }
        let is_stream = message_type == MessageType::StreamRequest;
        if is_stream && !self.settings.stream_requests() {
            return Err(SessionError::Unsupported);
        }
        let request = self.outgoing.next().ok_or(SessionError::TooMany)?;
        let header = Header { id: request.id(), ..Header::new(message_type) };
        self.start(now);
        payload.send(self, writer, header, op)?;
        if self.outgoing.in_flight == 0 {
            self.outgoing.deadline = now.wrapping_add(self.settings.answer_ms().unwrap_or(0));
        }
        self.outgoing.take(request, is_stream, now);
        Ok(request)
    }

    /// Writes a further part of a streamed request, `p`. The part must not be empty.
    ///
    /// # Errors
    ///
    /// [`Over`](SessionError::Over) once the request has its result: stop then.
    /// [`Parts`](SessionError::Parts) if it is no stream or its end has been written,
    /// [`Closed`](SessionError::Closed), or [`Write`](SessionError::Write).
    pub fn request_part(
        &mut self,
        now: u32,
        writer: &mut Writer<'_>,
        request: Outgoing,
        payload: impl Payload,
    ) -> Result<(), SessionError> {
        let header = self.part(request)?;
        payload.form().send(self, writer, header, Name::default())?;
        self.outgoing.touch(request, now);
        Ok(())
    }

    /// Ends a streamed request with an empty part.
    ///
    /// # Errors
    ///
    /// See [`request_part`](Self::request_part).
    pub fn request_end(
        &mut self,
        now: u32,
        writer: &mut Writer<'_>,
        request: Outgoing,
    ) -> Result<(), SessionError> {
        let header = self.part(request)?;
        self.send(writer, &header, Name::default(), &[])?;
        self.outgoing.touch(request, now);
        if let Some(open) = self.outgoing.open.get_mut(request.index()) {
            *open = false;
        }
        Ok(())
    }

    /// The header of a further part, if the request takes one.
    fn part(&mut self, request: Outgoing) -> Result<Header, SessionError> {
        self.live()?;
        if self.outgoing.slot(request).is_none() {
            return Err(SessionError::Over);
        }
        if self.outgoing.open.get(request.index()) != Some(&true) {
            return Err(SessionError::Parts);
        }
        let message_type = MessageType::StreamRequestPart;
        Ok(Header { id: request.id(), ..Header::new(message_type) })
    }

    /// Gives up a request: its result will be dropped, and its slot is free. The peer is not
    /// told. If it is a stream, call [`request_end`](Self::request_end) first. If the request
    /// is over, this does nothing.
    pub fn forget(&mut self, request: Outgoing) {
        if self.outgoing.slot(request).is_some() {
            self.outgoing.release(request);
        }
    }
}

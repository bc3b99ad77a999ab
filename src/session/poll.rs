//! What is due: the version, timeouts, heartbeats, the end.

use crate::WriteError;
use crate::wire::frame::Header;
use crate::wire::message_type::MessageType;
use crate::wire::value::{ErrorCode, Name};
use crate::write::writer::Writer;

use super::outgoing::Outgoing;
use super::{GREETED, HAS_CLOCK, Phase, Session, has_passed, left};

/// What [`Session::poll`] has to say.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Due {
    /// The request had no result for `answer_ms`. It is over; a result that comes later is
    /// dropped.
    TimedOut(Outgoing),
    /// The conversation has ended before the request had its result. Nothing can be written any
    /// more.
    Lost(Outgoing),
    /// Send what has been written, and close the connection
    /// ([rule 7.11](crate::protocol#rule-7-11)). Let the peer take its time for that, but not for
    /// ever. It comes after everything else, and again at every further call.
    Close,
}

impl<const OUT: usize, const IN: usize> Session<OUT, IN> {
    /// Does what is due at `now`, in milliseconds: writes the version, a heartbeat or a
    /// protocol error, and says which request timed out or was lost, and when to close.
    ///
    /// Call it at the start, after [`wait_ms`](Self::wait_ms), and after the events of a read;
    /// each time until it gives `None`, or [`Due::Close`], which comes again at every further
    /// call. Then send what has been written.
    ///
    /// # Errors
    ///
    /// [`BufferTooSmall`](WriteError::BufferTooSmall) if the writer has no room: send what is
    /// in it, and call again, when the transport has taken something. It cannot happen with
    /// [`MAX_REPLY_LEN`](crate::MAX_REPLY_LEN) bytes free. [`Closed`](WriteError::Closed) if a
    /// protocol error has been written: one of yours, in place of [`close`](Self::close), or
    /// that of a conversation before, whose writer or send buffer is still in use.
    pub fn poll(&mut self, now: u32, writer: &mut Writer<'_>) -> Result<Option<Due>, WriteError> {
        self.start(now);
        if self.is_live() {
            if self.flags & GREETED == 0 {
                writer.version()?;
                self.flags |= GREETED;
            }
            if self.phase == Phase::Draining && self.is_idle() {
                self.disconnected();
            }
        }
        if let Some(last) = self.last_word(now) {
            let header = Header { last, ..Header::new(MessageType::ProtocolError) };
            match self.send(writer, &header, Name::default(), &[]) {
                // The program has written one itself.
                Ok(()) | Err(WriteError::Closed) => self.disconnected(),
                Err(error) => return Err(error),
            }
        }
        if self.phase == Phase::Ended {
            return Ok(Some(match self.outgoing.expire(now, 0) {
                Some(request) => Due::Lost(request),
                None => Due::Close,
            }));
        }
        if let Some(request) = self.timed_out(now) {
            return Ok(Some(Due::TimedOut(request)));
        }
        let heartbeat = self.settings.heartbeat_ms();
        if heartbeat.is_some_and(|heartbeat| has_passed(now, self.beat_at, heartbeat)) {
            let (extra, last) = (self.load.into(), self.time(now));
            let header = Header { extra, last, ..Header::new(MessageType::Heartbeat) };
            self.send(writer, &header, Name::default(), &[])?;
            self.beat_at = now;
        }
        Ok(None)
    }

    /// The code of the protocol error that is to be written now, if one is.
    fn last_word(&self, now: u32) -> Option<u32> {
        if self.phase == Phase::Closing {
            return Some(self.outgoing.deadline);
        }
        let silence = self.settings.silence_ms()?;
        let is_silent = self.is_live() && has_passed(now, self.received_at, silence);
        if is_silent { Some(ErrorCode::TIMEOUT.into()) } else { None }
    }

    /// Ends a request whose time is over.
    fn timed_out(&mut self, now: u32) -> Option<Outgoing> {
        let answer = self.settings.answer_ms()?;
        if self.outgoing.in_flight == 0 || !has_passed(now, self.outgoing.deadline, 0) {
            return None;
        }
        self.outgoing.expire(now, answer)
    }

    /// How long [`poll`](Self::poll) has nothing to do unless something is received, in
    /// milliseconds: wait for input for that long at most, or until a timer of your own if that
    /// is earlier. `None` means for ever. 0 means now: some transports take that for "for ever",
    /// so wait 1 ms for them. It can be too short, as after a request that was answered in time,
    /// but never too long.
    pub fn wait_ms(&self, now: u32) -> Option<u32> {
        if self.flags & GREETED == 0
            || !self.is_live()
            || (self.phase == Phase::Draining && self.is_idle())
        {
            return Some(0);
        }
        let until = |interval: Option<u32>, since| match interval {
            Some(interval) => left(now, since, interval),
            None => u32::MAX,
        };
        let mut wait = until(self.settings.heartbeat_ms(), self.beat_at);
        wait = wait.min(until(self.settings.silence_ms(), self.received_at));
        if let (Some(answer), 1..) = (self.settings.answer_ms(), self.outgoing.in_flight) {
            let since = self.outgoing.deadline.wrapping_sub(answer);
            wait = wait.min(left(now, since, answer));
        }
        if wait == u32::MAX { None } else { Some(wait) }
    }

    /// Sets the load that heartbeats carry, from 0 (idle) to 0xffff (overloaded). It is 0 at
    /// first.
    pub fn set_load(&mut self, load: u16) {
        self.load = load;
    }

    /// Sets the clock that heartbeats carry: at `now` it is `unix_s` seconds since 1970-01-01
    /// 00:00 UTC. Before that, they carry 0 ([rule 7.10](crate::protocol#rule-7-10)). Set it
    /// again after 24 days without a heartbeat.
    pub fn set_clock(&mut self, now: u32, unix_s: u32) {
        self.flags |= HAS_CLOCK;
        self.clock_ms = now;
        self.clock_s = unix_s;
    }

    /// The time of day at `now` in seconds, or 0. Moves the clock's moment on, so that `now`
    /// may wrap.
    fn time(&mut self, now: u32) -> u32 {
        if self.flags & HAS_CLOCK != 0 {
            // A clock that was read a little earlier must not count as one that has wrapped.
            let seconds = (now.wrapping_sub(self.clock_ms) as i32).max(0) as u32 / 1000;
            self.clock_s = self.clock_s.wrapping_add(seconds);
            self.clock_ms = self.clock_ms.wrapping_add(seconds.wrapping_mul(1000));
        }
        self.clock_s
    }
}

//! What is due.

use gotalk::WriteError;

use super::super::support::oracle::{self, Header};
use super::state::Phase;
use super::{Due, Model, Outcome, Room};

/// How long ago something can be for a session to know that it is past: half of the range of
/// its clock.
pub const RANGE: u64 = (1 << 31) - 1;

/// The longest interval: 12 days.
const LONGEST: u64 = 12 * 24 * 60 * 60 * 1000;

/// An interval of the settings, in the sense of their documentation.
pub fn interval(ms: Option<u32>) -> Option<u64> {
    ms.map(|ms| u64::from(ms).clamp(1, LONGEST))
}

impl Model {
    /// What a call at `now` does. `told` is what the session reported, for where it may choose.
    pub fn poll(&mut self, now: u64, room: Room, told: Option<Due>) -> Outcome<Option<Due>> {
        let mut bytes = Vec::new();
        let result = self.due(now, room, told, &mut bytes);
        assert!(result.is_ok() || bytes.is_empty(), "all or nothing");
        (result.map_err(Into::into), bytes)
    }

    fn due(
        &mut self,
        now: u64,
        mut room: Room,
        told: Option<Due>,
        bytes: &mut Vec<u8>,
    ) -> Result<Option<Due>, WriteError> {
        self.start(now);
        if self.is_live() {
            if !self.greeted {
                bytes.extend(self.send(room, b"")?);
                room.free -= bytes.len();
            }
            if self.phase == Phase::Draining && self.is_idle() {
                self.disconnected();
            }
        }
        let last_word = match self.phase {
            Phase::Closing(code) => Some(code),
            Phase::Open | Phase::Draining => self.silence_at().filter(|at| *at <= now).map(|_| 3),
            Phase::Ended => None,
        };
        if let Some(code) = last_word {
            let header = Header { kind: b'f', code: Some(code), ..Header::default() };
            match self.send(room, &oracle::write(&header)) {
                Ok(written) => bytes.extend(written),
                // The application has written one itself.
                Err(WriteError::Closed) => {}
                Err(error) => return Err(error),
            }
            self.disconnected();
        }
        if self.phase == Phase::Ended {
            let lost = match told {
                Some(Due::Lost(request)) if self.ours.contains_key(&request) => Some(request),
                _ => self.ours.keys().next().copied(),
            };
            let Some(request) = lost else { return Ok(Some(Due::Close)) };
            self.end(request);
            return Ok(Some(Due::Lost(request)));
        }
        let late = self.timed_out(now);
        if let Some(first) = late.first() {
            let request = match told {
                Some(Due::TimedOut(request)) if late.contains(&request) => request,
                _ => *first,
            };
            self.end(request);
            return Ok(Some(Due::TimedOut(request)));
        }
        if self.heartbeat_at().is_some_and(|at| at <= now) {
            let time = self
                .clock
                .map_or(0, |(at, seconds)| (u64::from(seconds) + (now - at) / 1000) as u32);
            let load = Some(self.load.into());
            let header = Header { kind: b'h', load, time: Some(time), ..Header::default() };
            bytes.extend(self.send(room, &oracle::write(&header))?);
            (self.beat, self.clock_read) = (Some(now), now);
        }
        Ok(None)
    }

    /// The requests whose time is over.
    fn timed_out(&self, now: u64) -> Vec<usize> {
        let Some(answer) = interval(self.settings.answer_ms) else { return Vec::new() };
        let late = self.ours.iter().filter(|(_, ours)| ours.touched + answer <= now);
        late.map(|(request, _)| *request).collect()
    }

    fn silence_at(&self) -> Option<u64> {
        Some(self.heard? + interval(self.settings.silence_ms)?)
    }

    fn heartbeat_at(&self) -> Option<u64> {
        Some(self.beat? + interval(self.settings.heartbeat_ms)?)
    }

    fn timeout_at(&self) -> Option<u64> {
        let answer = interval(self.settings.answer_ms)?;
        Some(self.ours.values().map(|ours| ours.touched).min()? + answer)
    }

    /// How long nothing is due.
    pub fn wait_ms(&self, now: u64) -> Option<u64> {
        let is_due = !self.greeted || !self.is_live();
        if is_due || self.phase == Phase::Draining && self.is_idle() {
            return Some(0);
        }
        let at = [self.silence_at(), self.heartbeat_at(), self.timeout_at()];
        at.into_iter().flatten().min().map(|at| at.saturating_sub(now))
    }
}

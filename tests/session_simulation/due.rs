//! What is due: each poll is foretold from the clocks, and so is how long to wait.

use gotalk::{Due, WriteError};

use crate::any::REPLY;
use crate::coverage::Kind;
use crate::world::{End, Message, Outcome, Phase, World, interval, trace};

/// What a poll must give.
#[derive(Debug)]
enum Expected {
    Due(Due),
    /// One of several requests.
    OneOf(Outcome),
    Nothing,
    NoRoom,
}

impl End {
    fn since(&self, moment: u64) -> u64 {
        self.passed - moment
    }

    fn is_silent(&self) -> bool {
        let silence = self.settings.silence_ms.map(interval);
        silence.is_some_and(|silence| self.since(self.received) >= silence)
    }

    fn is_beat_due(&self) -> bool {
        let heartbeat = self.settings.heartbeat_ms.map(interval);
        heartbeat.is_some_and(|heartbeat| self.since(self.beat) >= heartbeat)
    }

    fn time(&self) -> u32 {
        self.clock.map_or(0, |(at, unix_s)| unix_s.wrapping_add(((self.passed - at) / 1000) as u32))
    }
}

impl World<'_> {
    fn is_timed_out(&self, i: usize, number: usize) -> bool {
        let end = &self.ends[i];
        end.answer_ms().is_some_and(|answer| end.since(self.requests[number].touched) >= answer)
    }

    /// Foretells a poll: what it gives, and the messages that it makes. Notes what it decides.
    fn foretell_poll(&mut self, i: usize) -> (Expected, Vec<Message>) {
        let end = &mut self.ends[i];
        let room = end.outlet.available();
        end.told();
        let mut messages = Vec::new();
        let mut needed = 0;
        if end.is_live() {
            if !end.is_greeted {
                needed += 2;
                messages.push(Message { kind: b'v', ..Message::default() });
                if needed > room {
                    return (Expected::NoRoom, Vec::new());
                }
            }
            if end.phase == Phase::Draining && end.in_flight.is_empty() && end.owed.is_empty() {
                end.phase = Phase::Ended;
                self.coverage.count(Kind::DrainedToEnd);
            }
        }
        let last_word = match end.phase {
            Phase::Closing(code) => Some(code),
            _ if end.is_live() && end.is_silent() => Some(3),
            _ => None,
        };
        if let Some(code) = last_word {
            if !end.is_greeted && messages.is_empty() {
                needed += 2;
                messages.push(Message { kind: b'v', ..Message::default() });
            }
            needed += 9;
            if needed > room {
                return (Expected::NoRoom, Vec::new());
            }
            messages.push(Message { kind: b'f', extra: code, ..Message::default() });
            if end.is_live() {
                self.coverage.count(Kind::Silences);
            }
            end.phase = Phase::Ended;
        }
        if end.phase == Phase::Ended {
            let is_over = end.in_flight.is_empty();
            let lost = Expected::OneOf(Outcome::Lost);
            return (if is_over { Expected::Due(Due::Close) } else { lost }, messages);
        }
        if self.ends[i].in_flight.iter().any(|&number| self.is_timed_out(i, number)) {
            return (Expected::OneOf(Outcome::TimedOut), messages);
        }
        let end = &mut self.ends[i];
        if end.is_beat_due() {
            needed += 13;
            if needed > room {
                return (Expected::NoRoom, Vec::new());
            }
            let (extra, time) = (end.load.into(), end.time());
            messages.push(Message { kind: b'h', extra, time, ..Message::default() });
            end.beat = end.passed;
        }
        (Expected::Nothing, messages)
    }

    /// Polls until nothing is due. It is false if there was no room for what was.
    pub fn poll(&mut self, i: usize) -> bool {
        for _ in 0..self.ends[i].in_flight.len() + 3 {
            if let Some(is_done) = self.poll_once(i) {
                return is_done;
            }
        }
        panic!("polling does not end");
    }

    /// Polls once. Gives nothing if there may be more.
    pub fn poll_once(&mut self, i: usize) -> Option<bool> {
        let end = &self.ends[i];
        let before = end.outlet.unsent().to_vec();
        let (now, room) = (end.now(), end.outlet.available());
        let was_quiet = end.passed < end.quiet_until;
        let was_done = end.is_done;
        let (expected, messages) = self.foretell_poll(i);

        let end = &mut self.ends[i];
        let (session, mut given) = (&mut end.session, None);
        end.outlet.write(&mut |writer| given = Some(session.poll(now, writer)));
        let given = given.expect("it was called");
        assert!(end.outlet.unsent().starts_with(&before));
        let written = &end.outlet.unsent()[before.len()..];
        let bytes: Vec<u8> = messages.iter().flat_map(Message::header).collect();
        trace!(self, "{i}: poll at {now}: {given:?} {}", String::from_utf8_lossy(written));
        if was_quiet {
            assert!(matches!(given, Ok(None)) && written.is_empty(), "it waited too long");
        }
        assert!(written == bytes, "{written:?} in place of {bytes:?}");
        for message in messages {
            self.made(i, message);
        }
        match (given, expected) {
            (Err(WriteError::BufferTooSmall { needed, available }), Expected::NoRoom) => {
                assert!(room < REPLY && needed > available && needed <= REPLY);
                self.coverage.count(Kind::FullPoll);
                self.compare(i);
                return Some(false);
            }
            (Ok(None), Expected::Nothing) => {
                self.compare(i);
                self.check_wait(i);
                return Some(true);
            }
            (Ok(Some(Due::Close)), Expected::Due(Due::Close)) => {
                if !was_done {
                    self.flush(i, true);
                    self.wires[i].is_closed = true;
                    self.ends[i].is_done = true;
                }
                self.compare(i);
                return Some(true);
            }
            (Ok(Some(Due::TimedOut(handle) | Due::Lost(handle))), Expected::OneOf(outcome)) => {
                let is_lost = matches!(given, Ok(Some(Due::Lost(_))));
                assert_eq!(is_lost, outcome == Outcome::Lost);
                let number = self.ends[i].outgoing[&handle];
                assert!(is_lost || self.is_timed_out(i, number), "too early");
                self.settle(number, outcome);
                self.compare(i);
            }
            (given, expected) => panic!("{given:?} in place of {expected:?}"),
        }
        None
    }

    /// What `wait_ms` says is never too long, and not again and again too short.
    fn check_wait(&mut self, i: usize) {
        let end = &mut self.ends[i];
        let now = end.now();
        let wait = end.session.wait_ms(now);
        assert_ne!(wait, Some(0), "a busy loop");
        end.quiet_until = wait.map_or(u64::MAX, |wait| end.passed + u64::from(wait));
        if !self.rng.one_in(8) {
            return;
        }
        // What a copy says, if nothing happens meanwhile.
        let end = &self.ends[i];
        let exact = self.until_due(i);
        let Some(mut wait) = wait else {
            assert_eq!(exact, None);
            return;
        };
        let mut copy = end.session.copy();
        let mut buffer = [0; REPLY];
        let mut writer = gotalk::Writer::new(&mut buffer);
        let mut poll = |wait: u32| {
            let due = copy.poll(now.wrapping_add(wait), &mut writer);
            let is_quiet = due == Ok(None) && writer.is_empty();
            (is_quiet, if is_quiet { copy.wait_ms(now.wrapping_add(wait)) } else { Some(0) })
        };
        assert!(poll(wait - 1).0, "it waits too long");
        if let (true, more) = poll(wait) {
            // It was too short once. Now the session knows.
            wait += more.expect("something is to come");
            assert!(!poll(wait).0, "it wakes again and again");
        }
        assert_eq!(exact, Some(wait.into()));
    }

    /// How long nothing is due if nothing happens.
    fn until_due(&self, i: usize) -> Option<u64> {
        let end = &self.ends[i];
        let left = |interval: u64, since: u64| (since + interval).saturating_sub(end.passed);
        let heartbeat = end.settings.heartbeat_ms.map(|ms| left(interval(ms), end.beat));
        let silence = end.settings.silence_ms.map(|ms| left(interval(ms), end.received));
        let answer = end.answer_ms().and_then(|answer| {
            end.in_flight.iter().map(|&number| left(answer, self.requests[number].touched)).min()
        });
        [heartbeat, silence, answer].into_iter().flatten().min()
    }

    /// The program sets what heartbeats carry.
    pub fn set(&mut self, i: usize) {
        let load = self.rng.next() as u16;
        self.ends[i].load = load;
        self.ends[i].session.set_load(load);
        if self.rng.one_in(2) {
            self.set_clock(i);
        }
    }

    pub fn set_clock(&mut self, i: usize) {
        let unix_s = self.rng.next() as u32;
        let end = &mut self.ends[i];
        end.clock = Some((end.passed, unix_s));
        end.session.set_clock(end.now(), unix_s);
    }
}

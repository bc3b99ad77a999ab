//! How a conversation goes: things happen at random, then it ends in one of several ways, and
//! comes to rest in a bounded number of steps.

use crate::coverage::{Coverage, Kind};
use crate::support::oracle::{self, Event};
use crate::world::{Phase, World, trace};

const HOUR_MS: u64 = 60 * 60 * 1000;
/// How late a poll may be.
const LATE_MS: u64 = 12 * 24 * HOUR_MS;

#[derive(Clone, Copy, Debug)]
enum Fate {
    /// One end or both are drained.
    Drain,
    /// An end closes.
    Close,
    /// The link is cut. Both ends see it, each when all that still arrives has arrived.
    Cut,
    /// A byte comes that is no message.
    Damage,
    /// Both ends leave, and use their sessions again.
    Tear,
}

/// One or more conversations of two sessions.
pub fn play(seed: u64, coverage: &mut Coverage, is_traced: bool) {
    let mut world = World::new(seed, coverage, is_traced);
    loop {
        world.coverage.count(Kind::Conversations);
        if world.converse() {
            world.come_to_rest();
        }
        if !world.rng.one_in(4) {
            break;
        }
        world.connect_again();
        world.coverage.count(Kind::Reconnected);
    }
    world.wrapped();
}

impl World<'_> {
    /// It is false if both ends have left.
    fn converse(&mut self) -> bool {
        let steps = match self.rng.below(8) {
            0 => self.rng.below(12),
            1 => 1500,
            _ => 40 + self.rng.below(400),
        };
        for _ in 0..steps {
            self.act();
        }
        // One thing may come on top of another.
        for _ in 0..1 + self.rng.below(4) / 3 {
            if !self.meet_fate() {
                return false;
            }
            let more = self.rng.below(80);
            for _ in 0..more {
                self.act();
            }
        }
        true
    }

    fn meet_fate(&mut self) -> bool {
        let fate = match self.rng.below(10) {
            0..=2 => Fate::Drain,
            3 | 4 => Fate::Close,
            5..=7 => Fate::Cut,
            8 => Fate::Damage,
            _ => Fate::Tear,
        };
        trace!(self, "---- {fate:?}");
        let i = self.rng.below(2);
        match fate {
            Fate::Drain => {
                self.drain(i);
                if self.rng.one_in(3) {
                    self.drain(1 - i);
                }
            }
            Fate::Close => {
                self.close(i);
                if self.rng.one_in(8) {
                    self.close(i);
                }
            }
            Fate::Cut => self.cut(),
            Fate::Damage => {
                self.coverage.count(Kind::Damages);
                self.ends[i].is_damaged = true;
            }
            Fate::Tear => {
                self.coverage.count(Kind::Torn);
                self.check_bytes();
                return false;
            }
        }
        true
    }

    /// Lets something happen at one end, or time pass.
    fn act(&mut self) {
        let i = self.rng.below(2);
        let end = &self.ends[i];
        let (is_mute, promptness) = (end.is_mute, end.promptness);
        let eager = self.rng.below(100) < end.eagerness;
        match self.rng.below(64) {
            0..=13 => {
                for _ in 0..1 + self.rng.below(8) {
                    let found = self.hear(i);
                    if found && !is_mute && self.rng.below(100) < promptness {
                        self.answer(i);
                    }
                }
            }
            14..=21 => {
                let all = !self.rng.one_in(3);
                self.flush(i, all);
            }
            22..=26 => _ = self.poll(i),
            27 | 28 => _ = self.poll_once(i),
            29..=34 => self.repeat(i),
            35..=44 if eager => self.ask(i),
            35..=39 => self.go_on(i),
            45..=51 if !is_mute => self.answer(i),
            52 => self.notify(i),
            53 => self.misuse(i),
            54 if self.rng.one_in(3) => self.forget(i),
            55 => self.set(i),
            56 if self.rng.one_in(80) => self.jump(),
            _ => self.let_pass(),
        }
    }

    fn pass(&mut self, ms: u64) {
        self.time += ms;
        for end in &mut self.ends {
            end.passed = self.time * end.rate / 1024;
        }
    }

    fn let_pass(&mut self) {
        let ms = match self.rng.below(64) {
            0..=39 => self.rng.below(3),
            40..=58 => self.rng.below(self.delay + 20),
            59..=61 => self.rng.below(700),
            62 => self.rng.below(9_000),
            _ if self.rng.one_in(3) => self.rng.below(120_000),
            _ => 0,
        };
        self.pass(ms as u64);
    }

    /// Nothing happens for days, or as long as the sessions allow and some days more.
    fn jump(&mut self) {
        if self.jumps == 3 {
            return;
        }
        self.jumps += 1;
        self.poll_both();
        let mut far = self.rng.below(1 << 29) as u64;
        for end in &self.ends {
            let wait = end.session.wait_ms(end.now()).map_or(u64::MAX, u64::from);
            far = far.min(wait.saturating_add(LATE_MS) / 2);
        }
        if far >= 24 * HOUR_MS {
            self.coverage.count(Kind::Jumps);
        }
        self.pass(far);
        self.poll_both();
        for i in 0..2 {
            if self.ends[i].clock.is_some() {
                self.set_clock(i);
            }
        }
    }

    fn poll_both(&mut self) {
        for i in 0..2 {
            while !self.poll(i) {
                self.flush(i, true);
            }
        }
    }

    fn drain(&mut self, i: usize) {
        let end = &mut self.ends[i];
        if end.phase == Phase::Open {
            end.phase = Phase::Draining;
            self.coverage.count(Kind::Drains);
        }
        let end = &mut self.ends[i];
        end.quiet_until = 0;
        end.session.drain();
        self.compare(i);
    }

    fn close(&mut self, i: usize) {
        let code = self.rng.pick(&[0, 1, 2, 3, 77]);
        let end = &mut self.ends[i];
        end.quiet_until = 0;
        end.session.close(code.into());
        if end.closing(code) {
            self.coverage.count(Kind::Closes);
        }
        self.compare(i);
    }

    fn cut(&mut self) {
        self.coverage.count(Kind::Cuts);
        for wire in &mut self.wires {
            let lost = self.rng.below(wire.bytes.len() - wire.read + 1);
            let cut = wire.bytes.len() - lost;
            wire.cut = Some(wire.cut.map_or(cut, |before| before.min(cut)));
        }
        // One of the programs may notice when it writes.
        if self.rng.one_in(3) {
            let i = self.rng.below(2);
            self.ends[i].session.disconnected();
            self.ends[i].phase = Phase::Ended;
            self.ends[i].quiet_until = 0;
        }
    }

    /// Lets the conversation come to its end. The ends still answer and send, but no longer
    /// ask; after a while they lose patience.
    fn come_to_rest(&mut self) {
        const PATIENCE: usize = 30;
        for round in 0.. {
            assert!(round < 2 * PATIENCE, "the conversation does not come to rest");
            let wait = 1 + self.rng.below(2 * self.delay) as u64;
            self.pass(wait);
            for i in 0..2 {
                self.repeat(i);
                if !self.ends[i].is_mute {
                    let owed = self.ends[i].owed.len();
                    for _ in 0..owed.min(4) {
                        self.answer(i);
                    }
                }
                if round < PATIENCE / 2 {
                    self.go_on(i);
                } else {
                    self.forget(i);
                }
                while !self.poll(i) {
                    self.flush(i, true);
                }
                self.flush(i, true);
                for _ in 0.. {
                    if !self.hear(i) {
                        break;
                    }
                }
                self.flush(i, true);
                if round == PATIENCE {
                    self.close(i);
                }
            }
            if self.ends.iter().all(|end| end.is_done) {
                break;
            }
        }
        for i in 0..2 {
            assert!(self.ends[i].in_flight.is_empty());
            assert_eq!(self.ends[i].phase, Phase::Ended);
            // It stays so, whatever the program tries.
            self.ask(i);
            self.notify(i);
            self.misuse(i);
            self.forget(i);
            self.drain(i);
            self.close(i);
            assert!(self.poll(i));
        }
        assert!(self.requests.iter().all(|request| request.outcome.is_some()));
        self.check_bytes();
    }

    /// The oracle reads all that each end has written.
    fn check_bytes(&self) {
        for (end, wire) in self.ends.iter().zip(&self.wires) {
            let mut bytes = wire.bytes.clone();
            bytes.extend(end.outlet.unsent());
            if !end.is_greeted {
                assert!(bytes.is_empty() && wire.made == 0);
                continue;
            }
            let reading = oracle::read(&bytes, 4095, true);
            assert!(matches!(reading.events[0], Event::Version { value: 1, end: 2 }));
            let mut made = 1;
            for event in &reading.events {
                if let Event::Header { header, end } = event {
                    made += 1;
                    assert!(header.kind != b'f' || *end == bytes.len() as u64, "something after f");
                }
            }
            assert!(matches!(reading.end, oracle::End::Clean | oracle::End::Closed));
            assert_eq!(made, wire.made);
        }
    }

    fn wrapped(&mut self) {
        for end in &self.ends {
            if u64::from(end.start) + end.passed > u32::MAX.into() {
                self.coverage.count(Kind::Wrapped);
            }
        }
    }
}

//! The two ends, the link between them, and the truth about both: what was made, where it has
//! got to, and how it ended.

use std::collections::{HashMap, VecDeque};

use gotalk::{Incoming, Outgoing, Settings, Step};

use crate::any::{self, Outlet, Reader, Talker};
use crate::calls::Wish;
use crate::coverage::{Coverage, Kind};
use crate::support::generate::Rng;
use crate::support::oracle::{self, Header};

/// A message as the end that made it knows it. Of a link, those that were made and not yet
/// read stand in a queue.
#[derive(Clone, Debug, Default)]
pub struct Message {
    /// Its letter, or `v` for the version.
    pub kind: u8,
    /// The request that it belongs to.
    pub request: Option<usize>,
    /// Whether the session made it, so that its text is the session's affair.
    pub is_own: bool,
    pub id: [u8; 4],
    pub name: Vec<u8>,
    pub payload: Vec<u8>,
    /// Wait, load or code.
    pub extra: u32,
    pub time: u32,
}

impl Message {
    /// Its bytes up to the payload, made by the oracle.
    pub fn header(&self) -> Vec<u8> {
        if self.kind == b'v' {
            return b"01".to_vec();
        }
        let header = Header {
            kind: self.kind,
            id: Some(self.id),
            name: Some(self.name.clone()),
            wait: Some(self.extra),
            load: Some(self.extra),
            code: Some(self.extra),
            time: Some(self.time),
            size: Some(self.payload.len() as u32),
            ..Header::default()
        };
        oracle::write(&header)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    Result,
    ResultEnd,
    ErrorResult,
    RetryResult,
    ResultTooLong,
    TimedOut,
    Lost,
    Forgotten,
}

/// Where a request is, seen from the end that answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// On its way.
    Unseen,
    Owed,
    Over,
}

/// A request of either end.
#[derive(Debug)]
pub struct Request {
    pub asker: usize,
    pub is_stream: bool,
    /// What its payloads are marked with. No two requests have the same.
    pub label: u32,
    pub handle: Outgoing,
    /// What the answerer knows it by, once it has seen it.
    pub incoming: Option<Incoming>,
    /// More parts may be written.
    pub is_open: bool,
    /// How many messages its asker has made and its answerer has read.
    pub made: u32,
    pub read: u32,
    /// When something happened to it last, on the asker's clock.
    pub touched: u64,
    pub outcome: Option<Outcome>,
    pub place: Place,
    /// The end of the stream has not been read.
    pub is_receiving: bool,
    /// A part of the answer has been made.
    pub is_begun: bool,
    /// How many messages of the answer were made and read.
    pub answers_made: u32,
    pub answers_read: u32,
}

/// The start of every payload, so that each says what it belongs to. A shorter payload has as
/// much of it as there is room for.
pub fn mark(kind: char, label: u32, number: u32) -> String {
    format!("{kind}{label}.{number}:")
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Debug)]
pub enum Phase {
    Open,
    Draining,
    /// An `f` with this code is due.
    Closing(u32),
    Ended,
}

/// The payload that a parser is reading, and whether the program gets it.
pub struct Current {
    pub message: Message,
    pub offset: usize,
    pub is_wanted: bool,
}

pub struct End {
    pub session: Box<dyn Talker>,
    pub settings: Settings,
    pub reader: Box<dyn Reader>,
    pub outlet: Box<dyn Outlet>,
    /// The clock: what it showed at the start, how fast it goes (1024 is right, and 2048 the
    /// most), and what has passed by it.
    pub start: u32,
    pub rate: u64,
    pub passed: u64,

    pub phase: Phase,
    pub is_greeted: bool,
    /// `Due::Close` has come, and all was sent.
    pub is_done: bool,
    pub received: u64,
    pub beat: u64,
    pub load: u16,
    pub clock: Option<(u64, u32)>,
    /// Before this, a poll has nothing to do.
    pub quiet_until: u64,

    pub in_flight: Vec<usize>,
    pub owed: Vec<usize>,
    /// All that this end has ever made or seen.
    pub outgoing: HashMap<Outgoing, usize>,
    pub incoming: HashMap<Incoming, usize>,

    pub input: Vec<u8>,
    pub at: usize,
    /// What was found last and the session has not taken: where the slice began, and the step.
    pub step: Option<(usize, Step)>,
    pub current: Option<Current>,
    /// Nothing more is read.
    pub is_deaf: bool,
    /// A byte that is no message comes where the next message should begin.
    pub is_damaged: bool,
    /// A call that found no room.
    pub wish: Option<Wish>,
    /// Never answers.
    pub is_mute: bool,
    /// How eager it is to ask, in percent.
    pub eagerness: usize,
    /// How often it answers at once, in percent.
    pub promptness: usize,
}

impl End {
    pub fn now(&self) -> u32 {
        self.start.wrapping_add(self.passed as u32)
    }

    pub fn is_live(&self) -> bool {
        self.phase < Phase::Closing(0)
    }

    pub fn answer_ms(&self) -> Option<u64> {
        self.settings.answer_ms.map(interval)
    }

    /// The session is told the time. Its clocks stand until the version has been written.
    pub fn told(&mut self) {
        if !self.is_greeted {
            self.received = self.passed;
            self.beat = self.passed;
        }
    }

    /// Asks for a protocol error, or does nothing.
    pub fn closing(&mut self, code: u32) -> bool {
        let is_live = self.is_live();
        if is_live {
            self.phase = Phase::Closing(code);
        }
        is_live
    }

    fn connect(&mut self, rng: &mut Rng) {
        self.reader = any::reader(rng);
        self.outlet = any::outlet(rng);
        self.phase = Phase::Open;
        self.is_greeted = false;
        self.is_done = false;
        self.quiet_until = 0;
        self.in_flight.clear();
        self.owed.clear();
        self.input.clear();
        self.at = 0;
        self.step = None;
        self.current = None;
        self.is_deaf = false;
        self.is_damaged = false;
        self.wish = None;
        self.is_mute = rng.one_in(12);
        self.eagerness = rng.pick(&[2, 10, 20, 40, 80]);
        self.promptness = rng.pick(&[0, 20, 60, 90]);
    }
}

/// An interval of the settings as the session counts it.
pub fn interval(ms: u32) -> u64 {
    const LONGEST: u64 = 12 * 24 * 60 * 60 * 1000;
    u64::from(ms).clamp(1, LONGEST)
}

/// What one end sends to the other.
#[derive(Default)]
pub struct Wire {
    /// All that was sent.
    pub bytes: Vec<u8>,
    pub read: usize,
    /// Up to where the bytes arrive when.
    arrivals: VecDeque<(usize, u64)>,
    /// Nothing from here on arrives: the link is cut.
    pub cut: Option<usize>,
    /// The sender has closed.
    pub is_closed: bool,
    pub messages: VecDeque<Message>,
    /// How many messages were made, the version with them.
    pub made: usize,
}

impl Wire {
    fn end(&self) -> usize {
        self.cut.unwrap_or(self.bytes.len())
    }

    fn send(&mut self, bytes: &[u8], at: u64) {
        self.bytes.extend(bytes);
        let at = self.arrivals.back().map_or(at, |&(_, last)| at.max(last));
        self.arrivals.push_back((self.bytes.len(), at));
    }

    /// What arrives now: nothing, a piece, or all.
    pub fn take(&mut self, rng: &mut Rng, time: u64) -> &[u8] {
        let mut to = self.read;
        while let Some(&(end, at)) = self.arrivals.front() {
            if at > time {
                break;
            }
            to = end.min(self.end());
            if rng.one_in(2) {
                break;
            }
            self.arrivals.pop_front();
        }
        let available = to.saturating_sub(self.read);
        let len = match rng.below(4) {
            0 => available.min(1),
            1 => rng.below(available + 1),
            _ => available,
        };
        self.read += len;
        &self.bytes[self.read - len..self.read]
    }

    /// Whether the end of the input is all that is left.
    pub fn has_ended(&self) -> bool {
        (self.cut.is_some() || self.is_closed) && self.read >= self.end()
    }
}

pub struct World<'c> {
    pub rng: Rng,
    pub coverage: &'c mut Coverage,
    pub time: u64,
    /// How long bytes are on their way at most.
    pub delay: usize,
    pub ends: [End; 2],
    /// What each end sends.
    pub wires: [Wire; 2],
    /// All requests of both ends, those of conversations before included.
    pub requests: Vec<Request>,
    /// Where those of this conversation begin.
    pub first: usize,
    pub labels: u32,
    pub jumps: u32,
    pub is_traced: bool,
}

macro_rules! trace {
    ($world:expr, $($what:tt)*) => {
        if $world.is_traced {
            eprintln!("{:>8} {}", $world.time, format_args!($($what)*));
        }
    };
}
pub(crate) use trace;

fn settings(rng: &mut Rng) -> Settings {
    let mut of = |often: usize, from: &[u32]| {
        if rng.below(8) < often { Some(rng.pick(from)) } else { None }
    };
    let settings = Settings {
        heartbeat_ms: of(6, &[0, 1, 7, 100, 1_000, 20_000, 1 << 29, u32::MAX]),
        silence_ms: of(2, &[30, 900, 15_000, 90_000, 1 << 30, u32::MAX]),
        answer_ms: of(5, &[0, 20, 400, 6_000, 30_000, 100_000, 1 << 29, u32::MAX]),
        retry_after_ms: of(6, &[0, 1, 500, 70_000, u32::MAX]),
        streams: rng.pick(&[0, 1, 1, 2, u16::MAX, u16::MAX]),
        stream_requests: !rng.one_in(6),
    };
    match rng.below(10) {
        0 => Settings::DEFAULT,
        1 => Settings::BROWSER,
        _ => settings,
    }
}

fn end(rng: &mut Rng) -> End {
    let settings = settings(rng);
    let start = match rng.below(4) {
        0 => 0,
        1 => rng.next() as u32,
        _ => u32::MAX - rng.pick(&[0, 10, 500, 4_000, 60_000]),
    };
    let mut end = End {
        session: any::session(rng, settings),
        settings,
        reader: any::reader(rng),
        outlet: any::outlet(rng),
        start,
        rate: rng.pick(&[1024, 1024, 1000, 1060, 512, 2048]),
        passed: 0,
        phase: Phase::Open,
        is_greeted: false,
        is_done: false,
        received: 0,
        beat: 0,
        load: 0,
        clock: None,
        quiet_until: 0,
        in_flight: Vec::new(),
        owed: Vec::new(),
        outgoing: HashMap::new(),
        incoming: HashMap::new(),
        input: Vec::new(),
        at: 0,
        step: None,
        current: None,
        is_deaf: false,
        is_damaged: false,
        wish: None,
        is_mute: false,
        eagerness: 0,
        promptness: 0,
    };
    end.connect(rng);
    end
}

impl<'c> World<'c> {
    pub fn new(seed: u64, coverage: &'c mut Coverage, is_traced: bool) -> Self {
        let mut rng = Rng::new(seed);
        let ends = [end(&mut rng), end(&mut rng)];
        let delay = rng.pick(&[1, 5, 60, 800]);
        Self {
            rng,
            coverage,
            time: 0,
            delay,
            ends,
            wires: Default::default(),
            requests: Vec::new(),
            first: 0,
            labels: 0,
            jumps: 0,
            is_traced,
        }
    }

    /// Another conversation with the same two sessions, over another connection.
    pub fn connect_again(&mut self) {
        trace!(self, "---- another connection");
        for end in &mut self.ends {
            for number in std::mem::take(&mut end.in_flight) {
                assert_eq!(self.requests[number].outcome, None);
                self.requests[number].outcome = Some(Outcome::Forgotten);
                self.coverage.count(Kind::Forgotten);
            }
            end.session.reset();
            end.connect(&mut self.rng);
            assert!(end.session.is_idle() && end.session.is_open());
        }
        for request in &mut self.requests {
            request.place = Place::Over;
        }
        self.wires = Default::default();
        self.first = self.requests.len();
    }

    /// Puts what an end has in its send buffer on the link: some of it, or all.
    pub fn flush(&mut self, i: usize, all: bool) {
        let len = self.ends[i].outlet.unsent().len();
        let len = if all { len } else { self.rng.below(len + 1) };
        let at = self.time + self.rng.below(self.delay) as u64;
        let end = &mut self.ends[i];
        self.wires[i].send(&end.outlet.unsent()[..len], at);
        end.outlet.sent(len);
    }

    /// Puts bytes on the link behind all that was written.
    pub fn send(&mut self, i: usize, bytes: &[u8]) {
        self.flush(i, true);
        self.wires[i].send(bytes, self.time);
    }

    /// Notes a message that was made, the version before it with it.
    pub fn made(&mut self, i: usize, message: Message) {
        if message.kind != b'v' && !self.ends[i].is_greeted {
            self.made(i, Message { kind: b'v', ..Message::default() });
        }
        self.ends[i].is_greeted = true;
        self.wires[i].made += 1;
        self.wires[i].messages.push_back(message);
    }

    /// Ends a request, once.
    pub fn settle(&mut self, number: usize, outcome: Outcome) {
        trace!(self, "request {number} ends: {outcome:?}");
        let request = &mut self.requests[number];
        assert_eq!(request.outcome, None, "a request ends twice, then by {outcome:?}: {request:?}");
        request.outcome = Some(outcome);
        let in_flight = &mut self.ends[request.asker].in_flight;
        let at = in_flight.iter().position(|&other| other == number);
        in_flight.remove(at.expect("it was in flight"));
        self.coverage.count(match outcome {
            Outcome::Result => Kind::Result,
            Outcome::ResultEnd => Kind::ResultEnd,
            Outcome::ErrorResult => Kind::ErrorResult,
            Outcome::RetryResult => Kind::RetryResult,
            Outcome::ResultTooLong => Kind::ResultTooLong,
            Outcome::TimedOut => Kind::TimedOut,
            Outcome::Lost => Kind::Lost,
            Outcome::Forgotten => Kind::Forgotten,
        });
    }

    /// Ends what an end owes for a request.
    pub fn answered(&mut self, number: usize) {
        let request = &mut self.requests[number];
        request.place = Place::Over;
        let owed = &mut self.ends[1 - request.asker].owed;
        let at = owed.iter().position(|&other| other == number);
        owed.remove(at.expect("it was owed"));
    }

    /// What a session says of itself must be so.
    pub fn compare(&self, i: usize) {
        let end = &self.ends[i];
        assert_eq!(end.session.is_open(), end.phase == Phase::Open);
        let owes = end.phase != Phase::Ended && !end.owed.is_empty();
        assert_eq!(end.session.is_idle(), end.in_flight.is_empty() && !owes);
    }
}

//! What a session goes by.

/// What a [`Session`](crate::Session) goes by. Change what you need of
/// [`DEFAULT`](Self::DEFAULT):
///
/// ```
/// use gotalk::{Session, Settings};
///
/// const SETTINGS: Settings = Settings { answer_ms: Some(5_000), ..Settings::DEFAULT };
/// let session = Session::<4, 4>::new(SETTINGS);
/// # assert!(session.is_open());
/// ```
///
/// An interval of 0 counts as 1 ms, and one of more than 12 days as 12 days.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Settings {
    /// How often a heartbeat is written, in milliseconds. 20,000 by default, because a Go
    /// peer closes after 30 seconds in which nothing came
    /// ([rule 7.9](crate::protocol#rule-7-9)). `None` writes none.
    pub heartbeat_ms: Option<u32>,
    /// How long nothing may be received before the session closes with the code
    /// [`TIMEOUT`](crate::ErrorCode::TIMEOUT), in milliseconds. At first it counts from when
    /// our version was written. `None` by default: there is no limit, because servers of the
    /// Go package send no heartbeats.
    ///
    /// What counts is when an event or an item came. An [`Assembler`](crate::Assembler) gives
    /// one when a message is complete, so its longest message must arrive within this time. It
    /// counts while you do not read, too: let no write wait longer. Without room for the last
    /// word [`poll`](crate::Session::poll) fails, and the conversation goes on: see *Room* at
    /// [`Session`](crate::Session).
    pub silence_ms: Option<u32>,
    /// How long a request waits for its result, in milliseconds, counted from the request,
    /// from its last part or from the last part of its result. `None` by default: for ever.
    pub answer_ms: Option<u32>,
    /// What a request is refused with that finds no room: `Some` writes a retry result with
    /// this wait in milliseconds, 500 by default. `None` is for peers that do not know retry
    /// results: the session writes an error result in place of each, in
    /// [`respond_retry`](crate::Session::respond_retry) too.
    pub retry_after_ms: Option<u32>,
    /// How many of the peer's requests that wait for an answer may be streams. 0 by default:
    /// every stream is refused with an error result, as the Go package does. Each one that you
    /// take keeps its slot until you answer it, however long the peer goes on.
    pub streams: u16,
    /// Whether the peer takes streamed requests. With `false`
    /// [`stream_request`](crate::Session::stream_request) gives
    /// [`Unsupported`](crate::SessionError::Unsupported).
    pub stream_requests: bool,
}

impl Settings {
    /// For peers of any kind but a browser.
    pub const DEFAULT: Self = Self {
        heartbeat_ms: Some(20_000),
        silence_ms: None,
        answer_ms: None,
        retry_after_ms: Some(500),
        streams: 0,
        stream_requests: true,
    };

    /// For gotalk.js, which closes the connection on retry results, streamed requests and
    /// their parts.
    pub const BROWSER: Self =
        Self { retry_after_ms: None, stream_requests: false, ..Self::DEFAULT };
}

/// [`Settings::DEFAULT`].
impl Default for Settings {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Settings as a session keeps them: each as its difference from the default, so that the
/// defaults are all zeros.
#[derive(Clone)]
pub(crate) struct Stored {
    heartbeat_ms: u32,
    silence_ms: u32,
    answer_ms: u32,
    retry_after_ms: u32,
    streams: u16,
    no_retry: bool,
    no_stream_requests: bool,
}

const HEARTBEAT_MS: u32 = interval(Settings::DEFAULT.heartbeat_ms);
const RETRY_AFTER_MS: u32 = match Settings::DEFAULT.retry_after_ms {
    Some(ms) => ms,
    None => 0,
};

/// 12 days. If a `poll` then comes 12 days late, fewer than 2³¹ ms have passed in all.
const LONGEST: u32 = 12 * 24 * 60 * 60 * 1000;

/// The interval in a form without a tag: 0 is none.
const fn interval(ms: Option<u32>) -> u32 {
    match ms {
        None => 0,
        Some(0) => 1,
        Some(ms) if ms > LONGEST => LONGEST,
        Some(ms) => ms,
    }
}

impl Stored {
    pub(crate) const fn new(settings: Settings) -> Self {
        let (retry_after_ms, no_retry) = match settings.retry_after_ms {
            Some(ms) => (ms, false),
            None => (RETRY_AFTER_MS, true),
        };
        Self {
            heartbeat_ms: interval(settings.heartbeat_ms) ^ HEARTBEAT_MS,
            silence_ms: interval(settings.silence_ms),
            answer_ms: interval(settings.answer_ms),
            retry_after_ms: retry_after_ms ^ RETRY_AFTER_MS,
            streams: settings.streams,
            no_retry,
            no_stream_requests: !settings.stream_requests,
        }
    }

    pub(crate) fn heartbeat_ms(&self) -> Option<u32> {
        some(self.heartbeat_ms ^ HEARTBEAT_MS)
    }

    pub(crate) fn silence_ms(&self) -> Option<u32> {
        some(self.silence_ms)
    }

    pub(crate) fn answer_ms(&self) -> Option<u32> {
        some(self.answer_ms)
    }

    pub(crate) fn retry_after_ms(&self) -> Option<u32> {
        if self.no_retry { None } else { Some(self.retry_after_ms ^ RETRY_AFTER_MS) }
    }

    pub(crate) fn streams(&self) -> u16 {
        self.streams
    }

    pub(crate) fn stream_requests(&self) -> bool {
        !self.no_stream_requests
    }
}

fn some(interval: u32) -> Option<u32> {
    if interval == 0 { None } else { Some(interval) }
}

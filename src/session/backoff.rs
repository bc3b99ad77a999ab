//! How long to wait before connecting again.

/// How long to wait before connecting again: 500 ms at first, twice as long after each attempt,
/// up to 5 seconds, as gotalk.js does. Once the peer has answered something, it starts anew.
///
/// The wait is cut by up to a half at random, so that a thousand devices do not come back at
/// the same moment after a server has failed.
///
/// ```
/// use gotalk::Backoff;
///
/// let mut backoff = Backoff::new();
/// assert_eq!(backoff.next_ms(0), 500);
/// assert_eq!(backoff.next_ms(0), 1_000);
/// assert!((1_000..=2_000).contains(&backoff.next_ms(0x9e37_79b9)));
/// backoff.reset(); // at `Received::Result`
/// assert_eq!(backoff.next_ms(0), 500);
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Backoff {
    min_ms: u32,
    max_ms: u32,
    next_ms: u32,
}

impl Backoff {
    /// Creates one that waits from 500 ms to 5 seconds.
    pub const fn new() -> Self {
        Self::with_limits(500, 5_000)
    }

    /// Creates one that waits `min_ms` at first, and at most `max_ms`, in milliseconds. A
    /// `min_ms` of 0 counts as 1. If `max_ms` is less than `min_ms`, it always waits `max_ms`.
    pub const fn with_limits(min_ms: u32, max_ms: u32) -> Self {
        let min_ms = if min_ms == 0 { 1 } else { min_ms };
        let min_ms = if min_ms < max_ms { min_ms } else { max_ms };
        Self { min_ms, max_ms, next_ms: min_ms }
    }

    /// How long to wait before the next attempt, in milliseconds. `random` is any number from
    /// 0 to 2³² - 1, best a different one each time: 0 waits longest.
    pub const fn next_ms(&mut self, random: u32) -> u32 {
        let ms = self.next_ms;
        let doubled = ms.saturating_mul(2);
        self.next_ms = if doubled < self.max_ms { doubled } else { self.max_ms };
        let cut = ((ms / 2) as u64 * random as u64) >> 32;
        ms.saturating_sub(cut as u32)
    }

    /// Starts anew. Call it at the first result, or when the conversation has lasted for some
    /// seconds. A connection, or the version of the peer, is too early: a server that accepts and
    /// fails would be called again and again after the shortest wait.
    pub const fn reset(&mut self) {
        self.next_ms = self.min_ms;
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new()
    }
}

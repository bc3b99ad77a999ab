//! One direction of a TCP connection, put together from its segments.
//!
//! A segment that goes on where the last has ended is passed on, and one that comes too early
//! is held. What is held is bounded: a stream whose next bytes do not come ends there, in a
//! gap. Nothing is guessed.
//!
//! A sender repeats what it has said. If it does not, systems differ in what they take, and
//! this is what Linux takes, except that it may have joined segments before: what is passed on
//! stays; of held segments the one that begins first in the stream counts, of those that begin
//! at the same place the longest, and of copies the first that came.

use std::collections::BTreeMap;

use super::super::Gap;
use super::super::text::count;
use super::packet::Segment;

/// How much is held for bytes that may still come. No more than that is under way in most
/// connections.
const MOST_HELD: usize = 1 << 20;
/// What a held segment takes beside its bytes.
const BESIDE: usize = 128;

/// No window is larger, so what lies further away is no part of the stream.
const WINDOW: i64 = 1 << 30;

/// What a side has said.
pub(super) enum Said {
    Bytes(Vec<u8>),
    /// Behind this nothing is known.
    Gap(Gap),
    End,
}

#[derive(Default)]
pub(super) struct Stream {
    /// The sequence number of the byte at `position`.
    next: Option<u32>,
    position: u64,
    /// Segments that came too early, by position.
    held: BTreeMap<u64, Held>,
    held_len: usize,
    /// The position of the end.
    end: Option<u64>,
    is_over: bool,
}

struct Held {
    bytes: Vec<u8>,
    cut: u32,
    packet: u64,
}

impl Stream {
    /// Whether there is nothing more to come.
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    /// How much is held.
    pub(super) fn held(&self) -> usize {
        self.held_len
    }

    /// Takes a segment, which is no reset, and adds what can be passed on by that.
    pub(super) fn take(&mut self, segment: &Segment<'_>, packet: u64, said: &mut Vec<Said>) {
        if self.is_over {
            return;
        }
        let sequence = segment.sequence.wrapping_add(segment.is_syn.into());
        let next = *self.next.get_or_insert(sequence);
        let distance = i64::from(sequence.wrapping_sub(next).cast_signed());
        if distance.abs() > WINDOW {
            return;
        }
        // What belongs before the beginning is unknown for good.
        let at = self.position.cast_signed() + distance;
        let Some(data) = segment.data.get(usize::try_from(-at).unwrap_or(0)..) else { return };
        let at = at.max(0).cast_unsigned();
        if segment.is_fin {
            self.end.get_or_insert(at + data.len() as u64 + u64::from(segment.cut));
        }
        self.insert(at, data, segment.cut, packet);
        self.pass_on(said);
    }

    fn insert(&mut self, at: u64, data: &[u8], cut: u32, packet: u64) {
        let end = at + data.len() as u64;
        let is_news = end > self.position || cut > 0 && end == self.position;
        if !is_news || self.held.get(&at).is_some_and(|old| old.bytes.len() >= data.len()) {
            return;
        }
        self.held_len += data.len() + BESIDE;
        if let Some(old) = self.held.insert(at, Held { bytes: data.to_vec(), cut, packet }) {
            self.held_len -= old.bytes.len() + BESIDE;
        }
    }

    fn pass_on(&mut self, said: &mut Vec<Said>) {
        while let Some(first) = self.held.first_entry()
            && *first.key() <= self.position
        {
            let (at, Held { mut bytes, cut, packet }) = first.remove_entry();
            self.held_len -= bytes.len() + BESIDE;
            let end = at + bytes.len() as u64;
            if end > self.position {
                bytes.drain(..(self.position - at) as usize);
                self.next = self.next.map(|next| next.wrapping_add(bytes.len() as u32));
                self.position = end;
                said.push(Said::Bytes(bytes));
            }
            if cut > 0 && end == self.position {
                let why = format!("{} cut off when it was captured", count(cut.into(), "byte"));
                return self.gap(Some(cut.into()), packet, why, said);
            }
        }
        if self.end.is_some_and(|end| end <= self.position) {
            self.is_over = true;
            self.held.clear();
            self.held_len = 0;
            said.push(Said::End);
        } else if self.held_len > MOST_HELD {
            self.stop(said);
        }
    }

    /// Nothing more comes: what is missing by now is a gap.
    pub(super) fn stop(&mut self, said: &mut Vec<Said>) {
        if self.is_over {
            return;
        }
        // The end is held too, and so is a packet without data: it tells what was sent.
        let first = self.held.first_key_value().map(|(at, held)| (*at, held.packet));
        match first {
            Some((at, packet)) => {
                let missing = at.saturating_sub(self.position);
                let why = format!("{} before it not captured", count(missing, "byte"));
                self.gap(Some(missing), packet, why, said);
            }
            None => self.is_over = true,
        }
    }

    fn gap(&mut self, missing: Option<u64>, packet: u64, why: String, said: &mut Vec<Said>) {
        self.is_over = true;
        self.held.clear();
        self.held_len = 0;
        said.push(Said::Gap(Gap { packet, missing, why, is_bad_input: false }));
    }
}

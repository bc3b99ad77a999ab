//! The limit of writing: copying headers and payloads that are finished already.

use super::conversation::Message;

/// The finished headers and payloads of messages, side by side in memory.
#[derive(Clone, Debug)]
pub struct Finished {
    parts: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Finished {
    /// Makes the headers.
    pub fn new(messages: &[Message]) -> Self {
        Self { parts: messages.iter().map(|m| (m.header(), m.payload.clone())).collect() }
    }

    /// Copies every message into `buffer` as two slices and gives the number of bytes;
    /// `None` if there is no room.
    pub fn copy(&self, buffer: &mut [u8]) -> Option<usize> {
        let size = buffer.len();
        let mut room = buffer;
        for (header, payload) in &self.parts {
            room = append(append(room, header)?, payload)?;
        }
        Some(size - room.len())
    }
}

impl Finished {
    /// The same, but short slices are copied in two overlapping words, without a call of
    /// `memcpy`: what tuning for short messages could add to either side.
    pub fn copy_short(&self, buffer: &mut [u8]) -> Option<usize> {
        let size = buffer.len();
        let mut room = buffer;
        for (header, payload) in &self.parts {
            room = append_short(append_short(room, header)?, payload)?;
        }
        Some(size - room.len())
    }
}

#[inline(always)]
fn append_short<'r>(room: &'r mut [u8], part: &[u8]) -> Option<&'r mut [u8]> {
    let (target, rest) = room.split_at_mut_checked(part.len())?;
    match part.len() {
        8..16 => ends::<8>(target, part)?,
        16..=32 => ends::<16>(target, part)?,
        _ => target.copy_from_slice(part),
    }
    Some(rest)
}

#[inline(always)]
fn ends<const N: usize>(target: &mut [u8], part: &[u8]) -> Option<()> {
    let (first, last) = (*part.first_chunk::<N>()?, *part.last_chunk::<N>()?);
    *target.first_chunk_mut()? = first;
    *target.last_chunk_mut()? = last;
    Some(())
}

#[inline(always)]
fn append<'r>(room: &'r mut [u8], part: &[u8]) -> Option<&'r mut [u8]> {
    let (target, rest) = room.split_at_mut_checked(part.len())?;
    target.copy_from_slice(part);
    Some(rest)
}

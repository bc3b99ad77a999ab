//! Copies names and payloads, most of which are short.
//!
//! Use this and not `copy_from_slice`, which can leave a panic about lengths in the program,
//! depending on what else is linked. A fixed number of bytes is copied by a few loads and
//! stores, without a check.

use crate::LARGE;

/// Puts `bytes` at the start of `room` and gives the rest of it. If `room` is too short, puts
/// nothing and gives `None`.
#[cfg_attr(target_pointer_width = "64", inline(always))]
pub(crate) fn put<'r>(room: &'r mut [u8], bytes: &[u8]) -> Option<&'r mut [u8]> {
    let (slots, rest) = room.split_at_mut_checked(bytes.len())?;
    if LARGE {
        by_ends(bytes, slots);
    } else {
        by_words(bytes, slots);
    }
    Some(rest)
}

/// By words of four bytes. Both slices are equally long, here and below.
#[inline(always)]
fn by_words(bytes: &[u8], slots: &mut [u8]) {
    let mut from = bytes.chunks_exact(4);
    let mut to = slots.chunks_exact_mut(4);
    for (to, from) in to.by_ref().zip(from.by_ref()) {
        if let (Some(to), Some(from)) = (to.first_chunk_mut::<4>(), from.first_chunk()) {
            *to = *from;
        }
    }
    for (to, from) in to.into_remainder().iter_mut().zip(from.remainder()) {
        *to = *from;
    }
}

/// Up to 32 bytes without a call.
#[inline(always)]
fn by_ends(bytes: &[u8], slots: &mut [u8]) {
    if !(ends::<16>(bytes, slots) || ends::<8>(bytes, slots) || ends::<4>(bytes, slots)) {
        by_bytes(bytes, slots);
    }
}

/// Copies a slice of `W` to `2 * W` bytes as its first and its last `W`; says whether
/// it could.
#[inline(always)]
fn ends<const W: usize>(bytes: &[u8], slots: &mut [u8]) -> bool {
    if bytes.len() > 2 * W {
        return false;
    }
    let (Some(first), Some(last)) = (bytes.first_chunk::<W>(), bytes.last_chunk::<W>()) else {
        return false;
    };
    if let Some(slots) = slots.first_chunk_mut() {
        *slots = *first;
    }
    if let Some(slots) = slots.last_chunk_mut() {
        *slots = *last;
    }
    true
}

/// Never inlined: where the slices are arguments, this loop becomes a `memcpy`.
#[inline(never)]
fn by_bytes(bytes: &[u8], slots: &mut [u8]) {
    for (slot, byte) in slots.iter_mut().zip(bytes) {
        *slot = *byte;
    }
}

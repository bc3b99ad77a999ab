//! What the benchmarks share: the messages, the sums that every reader must arrive
//! at, and the limits that the codec is compared with. Only the standard library is
//! used, so that any program can include it by `#[path]`.

#![allow(dead_code, unreachable_pub, reason = "each benchmark uses a part of it")]

pub mod conversation;
pub mod counter;
pub mod timing;
pub mod two_slices;
pub mod walk;

/// What a consumer of messages adds up. Two readers that arrive at the same sums have
/// seen the same messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sums {
    /// The lengths of all names.
    pub names: u64,
    /// The lengths of all payloads.
    pub payloads: u64,
    /// The loads of all heartbeats.
    pub loads: u64,
}

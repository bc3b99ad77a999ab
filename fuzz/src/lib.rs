//! The bodies of the fuzz targets, each in a file of its own with the layout of its
//! input. They need nothing but std, so that `tests/corpus.rs` can include this file
//! and replay the corpus under plain `cargo test`.

#![allow(dead_code, unreachable_pub)]

pub mod chunking;
pub mod differential;
#[path = "../../tests/model/mod.rs"]
pub mod model;
pub mod noise;
pub mod round_trip;
pub mod session;
#[path = "../../tests/support/mod.rs"]
pub(crate) mod support;

/// The first byte of an input, or 0, and the rest.
fn first(data: &[u8]) -> (u8, &[u8]) {
    data.split_first().map_or((0, data), |(first, rest)| (*first, rest))
}

/// The longest names that the readers take, by [`Options::capacities`].
pub const NAME_CAPACITIES: [usize; 4] = [0, 4, 64, 4095];

/// How to read a stream, as the targets take it from the start of their input.
pub struct Options {
    /// What the readers have room for: 0 to 3, from nothing to ample.
    pub capacities: u8,
    /// Whether a version comes first.
    pub handshake: bool,
}

impl Options {
    /// Bits 0 and 1 are the capacities; bit 2 leaves the version out.
    fn new(byte: u8) -> Self {
        Self { capacities: byte & 3, handshake: byte & 4 == 0 }
    }
}

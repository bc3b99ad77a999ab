//! The limit of reading in small pieces: a reader behind a call that only counts.

/// It counts the bytes that it is given.
#[derive(Clone, Debug, Default)]
pub struct Counter {
    /// How many there were.
    pub bytes: u64,
}

impl Counter {
    /// Takes the next piece.
    #[inline(never)]
    pub fn feed(&mut self, piece: &[u8]) {
        self.bytes += piece.len() as u64;
    }
}

/// Gives `wire` to a counting reader in pieces of `len` bytes.
pub fn count(wire: &[u8], len: usize) -> u64 {
    let mut counter = Counter::default();
    for piece in wire.chunks(len) {
        counter.feed(piece);
    }
    counter.bytes
}

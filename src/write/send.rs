//! A buffer for bytes that have been written and not yet sent.

use core::cell::Cell;
use core::fmt;

use crate::write::writer::Writer;

/// A buffer of `N` bytes between a [`Writer`] and a transport that takes some bytes now and
/// some later, such as a non-blocking socket or the FIFO of a UART.
///
/// 1. [`write`](Self::write) runs a writer on its free bytes.
/// 2. Give [`unsent`](Self::unsent) to the transport.
/// 3. Tell [`sent`](Self::sent) how many bytes the transport took.
///
/// Once a protocol error has been written, every later writer is closed too
/// ([rule 4.6](crate::protocol#rule-4-6)). A fresh buffer is all zeros, so in a `static` it
/// lies in `.bss` and takes no flash.
///
/// ```
/// use gotalk::{SendBuffer, WriteError};
/// use std::io::{self, Write};
///
/// /// Sends what the transport takes without waiting.
/// fn send<const N: usize>(port: &mut impl Write, tx: &mut SendBuffer<N>) -> io::Result<()> {
///     while !tx.is_empty() {
///         match port.write(tx.unsent()) {
///             Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
///             Ok(n) => tx.sent(n),
///             Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
///             Err(error) => return Err(error),
///         }
///     }
///     Ok(())
/// }
///
/// let mut tx = SendBuffer::<64>::new();
/// tx.write(|writer| {
///     writer.version()?;
///     writer.notification("log", br#""hi""#)
/// })?;
/// let mut port = Vec::new();
/// send(&mut port, &mut tx).unwrap();
/// assert_eq!(port, br#"01n003log00000004"hi""#);
/// # Ok::<(), WriteError>(())
/// ```
#[derive(Clone)]
pub struct SendBuffer<const N: usize> {
    bytes: [u8; N],
    /// What is unsent lies from `start` to `end`.
    start: usize,
    end: usize,
    closed: bool,
}

impl<const N: usize> Default for SendBuffer<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> SendBuffer<N> {
    /// Creates a buffer with nothing to send.
    pub const fn new() -> Self {
        Self { bytes: [0; N], start: 0, end: 0, closed: false }
    }

    /// Runs `write` with a writer that appends to what is unsent, and gives its result. The
    /// writer has all free bytes, which are `N` less those that are unsent.
    ///
    /// What the writer has written stays, whatever `write` returns: each message is whole or
    /// not there at all. After an error, repeat only what failed.
    ///
    /// The unsent bytes move to the front of the buffer first. Do not call this while DMA
    /// reads [`unsent`](Self::unsent).
    pub fn write<R>(&mut self, write: impl FnOnce(&mut Writer<'_>) -> R) -> R {
        self.move_to_front();
        let free = self.bytes.get_mut(self.end..).unwrap_or_default();
        let start = free.as_ptr();
        let mut writer = Writer { buffer: free, len: 0, closed: self.closed };
        let result = write(&mut writer);
        let (written, closed) = (writer.written_to(start), writer.closed);
        if let Some(len) = written {
            self.end = self.end.saturating_add(len).min(N);
            self.closed = closed;
        }
        result
    }

    /// How many bytes are free: a longer message does not fit. Look at it before you take an
    /// item from a reader whose answer may find no room, and before you write a message of your
    /// own: behind it the room for an answer must stay free. Two ends that have none both stop
    /// reading, for ever.
    pub const fn available(&self) -> usize {
        N.saturating_sub(self.len())
    }

    /// How many bytes are unsent.
    pub const fn len(&self) -> usize {
        self.end.saturating_sub(self.start)
    }

    /// How many bytes the buffer holds in all.
    pub const fn capacity(&self) -> usize {
        N
    }

    /// The bytes to send next.
    pub fn unsent(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    /// Removes the first `len` bytes of [`unsent`](Self::unsent), because the transport has
    /// taken them. If `len` is more than there are, it removes all.
    pub const fn sent(&mut self, len: usize) {
        if len < self.end.saturating_sub(self.start) {
            self.start = self.start.wrapping_add(len);
        } else {
            self.start = 0;
            self.end = 0;
        }
    }

    /// Whether everything has been sent.
    pub const fn is_empty(&self) -> bool {
        self.start >= self.end
    }

    /// Whether a protocol error has been written. If so, send what is unsent, and close.
    pub const fn is_closed(&self) -> bool {
        self.closed
    }

    /// Goes back to the state of the constructor, for another connection.
    pub const fn reset(&mut self) {
        self.start = 0;
        self.end = 0;
        self.closed = false;
    }

    fn move_to_front(&mut self) {
        if self.start == 0 {
            return;
        }
        // Not `copy_within`, of which a linker does not see that it cannot panic.
        let cells = Cell::from_mut(self.bytes.as_mut_slice()).as_slice_of_cells();
        let unsent = cells.get(self.start..self.end).unwrap_or_default();
        for (to, from) in cells.iter().zip(unsent) {
            to.set(from.get());
        }
        self.end = unsent.len();
        self.start = 0;
    }
}

/// Shows how much is unsent, not the bytes.
impl<const N: usize> fmt::Debug for SendBuffer<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendBuffer")
            .field("unsent", &self.unsent().len())
            .field("capacity", &N)
            .field("closed", &self.closed)
            .finish()
    }
}

#[cfg(feature = "defmt")]
impl<const N: usize> defmt::Format for SendBuffer<N> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(
            f,
            "SendBuffer {{ unsent: {=usize}, capacity: {=usize}, closed: {=bool} }}",
            self.unsent().len(),
            N,
            self.closed
        );
    }
}

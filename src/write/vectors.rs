//! Writers on vectors.

#[cfg(feature = "alloc")]
use crate::WriteError;
#[cfg(any(feature = "alloc", feature = "heapless"))]
use crate::write::writer::Writer;

/// How much room the first try gets. It is zeroed for each message, so not the whole of a
/// large vector.
#[cfg(feature = "alloc")]
const FIRST_ROOM: usize = 128;

#[cfg(feature = "heapless")]
impl Writer<'_> {
    /// Runs `write` with a writer that appends to `vec`, a `heapless::Vec` of any capacity or
    /// its view, and gives the result. What the writer has written stays, whatever `write`
    /// returns: each message is whole or not there at all. Needs the feature `heapless`.
    ///
    /// A new writer is open, even if `vec` holds a protocol error already.
    ///
    /// ```
    /// use gotalk::Writer;
    ///
    /// let mut vec = heapless::Vec::<u8, 64>::new();
    /// Writer::append_to_heapless(&mut vec, |writer| writer.notification("log", br#""hi""#))?;
    /// assert_eq!(vec, br#"n003log00000004"hi""#);
    /// # Ok::<(), gotalk::WriteError>(())
    /// ```
    pub fn append_to_heapless<L: heapless::LenType, R>(
        vec: &mut heapless::VecView<u8, L>,
        write: impl FnOnce(&mut Writer<'_>) -> R,
    ) -> R {
        let start = vec.len();
        // Cannot fail: it is the capacity.
        let _ = vec.resize(vec.capacity(), 0);
        let free = vec.get_mut(start..).unwrap_or_default();
        let place = free.as_ptr();
        let mut writer = Writer::new(free);
        let result = write(&mut writer);
        let end = start.saturating_add(writer.written_to(place).unwrap_or(0));
        vec.truncate(end);
        result
    }
}

#[cfg(feature = "alloc")]
impl Writer<'_> {
    /// Runs `write` with a writer that appends to `vec`, which grows as needed, and gives the
    /// result. Needs the feature `alloc`.
    ///
    /// If `write` gets [`BufferTooSmall`](WriteError::BufferTooSmall), let it return that
    /// error: `vec` then grows, and `write` runs again from the start. If it keeps the error to
    /// itself, the message is lost. Since it can run more than once, count ids and read sensors
    /// outside of it. All that it writes is appended, or nothing. A new writer is open, even if
    /// `vec` holds a protocol error already.
    ///
    /// # Errors
    ///
    /// Returns any other error of `write`, and
    /// [`BufferTooSmall`](WriteError::BufferTooSmall) if there is no memory for what it needs
    /// or if it comes from another buffer. `vec` then holds what it held before.
    ///
    /// ```
    /// use gotalk::Writer;
    ///
    /// let mut vec = Vec::new();
    /// Writer::append_to_vec(&mut vec, |writer| {
    ///     writer.version()?;
    ///     writer.notification("log", br#""hi""#)
    /// })?;
    /// assert_eq!(vec, br#"01n003log00000004"hi""#);
    /// # Ok::<(), gotalk::WriteError>(())
    /// ```
    pub fn append_to_vec<R>(
        vec: &mut alloc::vec::Vec<u8>,
        mut write: impl FnMut(&mut Writer<'_>) -> Result<R, WriteError>,
    ) -> Result<R, WriteError> {
        let mut room = FIRST_ROOM;
        loop {
            let start = vec.len();
            // Never more than there is, so that this cannot grow.
            room = room.min(vec.capacity().wrapping_sub(start));
            vec.resize(start.wrapping_add(room), 0);
            let free = vec.get_mut(start..).unwrap_or_default();
            let place = free.as_ptr();
            let mut writer = Writer::new(free);
            let result = write(&mut writer);
            let (len, available) = (writer.written_to(place).unwrap_or(0), writer.available());
            vec.truncate(if result.is_ok() { start.saturating_add(len) } else { start });
            let Err(WriteError::BufferTooSmall { needed, .. }) = result else { return result };
            // If there is room for that, the error is of another buffer.
            let wanted = len.saturating_add(needed);
            if needed <= available || vec.try_reserve(wanted).is_err() {
                return result;
            }
            room = room.saturating_mul(2).max(wanted);
        }
    }
}

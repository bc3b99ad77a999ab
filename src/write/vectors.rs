//! Writers on vectors.

#[cfg(feature = "alloc")]
use crate::WriteError;
#[cfg(any(feature = "alloc", feature = "heapless"))]
use crate::write::writer::Writer;

#[cfg(feature = "heapless")]
impl Writer<'_> {
    /// Runs `write` with a writer that appends to `vec`, behind what it holds. `vec` can be a
    /// `heapless::Vec` of any length, or its view. What the writer has written is kept,
    /// whatever `write` returns: each message is whole or not there at all. Needs the feature
    /// `heapless`.
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
        let mut writer = Writer::new(vec.get_mut(start..).unwrap_or_default());
        let result = write(&mut writer);
        let end = start.saturating_add(writer.len());
        vec.truncate(end);
        result
    }
}

#[cfg(feature = "alloc")]
impl Writer<'_> {
    /// Runs `write` with a writer that appends to `vec`, behind what it holds; `vec` grows as
    /// needed. If `write` returns an error, `vec` holds what it held before. Needs the feature
    /// `alloc`.
    ///
    /// Let `write` return [`BufferTooSmall`](WriteError::BufferTooSmall) as it gets it: it is
    /// then called again, from the start, with the room that was missing.
    ///
    /// # Errors
    ///
    /// Those of `write`.
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
        let start = vec.len();
        loop {
            vec.resize(vec.capacity(), 0);
            let mut writer = Writer::new(vec.get_mut(start..).unwrap_or_default());
            let result = write(&mut writer);
            let (len, available) = (writer.len(), writer.available());
            match result {
                // If there is room for that, the error is of another buffer.
                Err(WriteError::BufferTooSmall { needed, .. }) if needed > available => {
                    vec.truncate(start);
                    vec.reserve(len.saturating_add(needed));
                }
                result => {
                    vec.truncate(if result.is_ok() { start.saturating_add(len) } else { start });
                    return result;
                }
            }
        }
    }
}

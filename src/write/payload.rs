//! Payloads that are written in place.
//!
//! The header is put into the buffer first, behind what has been written, without counting
//! it in. The payload goes behind the header, and `commit` fills in its size: the last eight
//! digits of the header. What does not fit is counted but not kept, so that the error can
//! give the length of the whole message.

use core::fmt;

use crate::WriteError;
use crate::wire::copy::put;
use crate::wire::frame::{Frame, Header, MAX_NAME_LEN, VERSION_LEN};
use crate::wire::message_type::MessageType;
use crate::wire::value::Name;
use crate::write::fields::{put_message, put_number};
use crate::write::writer::Writer;

impl<'b> Writer<'b> {
    /// Begins a message whose payload you write in place, straight into the buffer: JSON,
    /// CBOR, the bytes of a sensor. `frame` says what the message is, and its `payload_len` is
    /// ignored. [`PayloadWriter::commit`] fills in the size and writes the message. Without it
    /// nothing is written.
    ///
    /// # Errors
    ///
    /// [`EmptyName`](WriteError::EmptyName), [`NameTooLong`](WriteError::NameTooLong) or
    /// [`Closed`](WriteError::Closed). `commit` says whether the message fits.
    ///
    /// ```
    /// use core::fmt::Write;
    /// use gotalk::{Frame, RequestId, Writer};
    ///
    /// let mut buffer = [0; 64];
    /// let mut writer = Writer::new(&mut buffer);
    /// let id = RequestId::new(*b"0001");
    /// let mut payload = writer.begin(&Frame::SingleResult { id, payload_len: 0 })?;
    /// write!(payload, "{{\"celsius\":{:.1}}}", 21.5)?;
    /// payload.commit()?;
    /// assert_eq!(writer.as_bytes(), br#"R000100000010{"celsius":21.5}"#);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn begin(&mut self, frame: &Frame<'_>) -> Result<PayloadWriter<'_, 'b>, WriteError> {
        let (header, name) = frame.parts();
        self.begin_with(&header, name)
    }

    /// Begins a message, with the version before it where the header says so: `commit` writes
    /// both or nothing.
    pub(crate) fn begin_with(
        &mut self,
        header: &Header,
        name: Name<'_>,
    ) -> Result<PayloadWriter<'_, 'b>, WriteError> {
        let message_type = header.message_type;
        if message_type.has_name() && name.is_empty() {
            return Err(WriteError::EmptyName);
        }
        if name.len() > MAX_NAME_LEN {
            return Err(WriteError::NameTooLong { len: name.len() });
        }
        if self.closed {
            return Err(WriteError::Closed);
        }
        let version_len = if header.with_version { VERSION_LEN } else { 0 };
        let header_len = message_type.header_len(name.len()).saturating_add(version_len);
        let free = self.buffer.get_mut(self.len..).unwrap_or_default();
        if let Some(space) = free.get_mut(..header_len) {
            put_message(space, header, name, &[]);
        }
        Ok(PayloadWriter { writer: self, message_type, header_len, len: 0, failed: false })
    }
}

/// A message whose payload is being written in place. [`Writer::begin`] makes it.
///
/// Write the payload as text ([`core::fmt::Write`]), as bytes ([`write`](Self::write)), or by
/// giving the [free bytes](Self::room) to whatever makes it. Then call
/// [`commit`](Self::commit). If you drop it before that, nothing is written.
///
/// A payload that does not fit, or a `write!` of a value whose `Display` fails, is no error
/// until `commit`: so no cut payload is ever sent, even if you drop the result of `write!`.
/// `commit` says how long the whole message is.
#[must_use = "nothing is written until `commit`"]
pub struct PayloadWriter<'w, 'b> {
    writer: &'w mut Writer<'b>,
    message_type: MessageType,
    /// With the version, where that stands before it.
    header_len: usize,
    /// Bytes of payload, those that did not fit included.
    len: usize,
    /// Whether a value could not be formatted, so that the payload is cut.
    failed: bool,
}

impl PayloadWriter<'_, '_> {
    /// The length of the payload so far in bytes, those that did not fit included.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether the payload is empty so far.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The free bytes of the buffer, after the payload so far. Fill them from the start, then
    /// call [`advance`](Self::advance). There are none once something did not fit.
    ///
    /// ```
    /// use gotalk::{Frame, Writer};
    ///
    /// /// Fills `buffer` and gives the number of bytes, as a sensor or a serialiser would.
    /// fn sample(buffer: &mut [u8]) -> usize {
    ///     buffer[..2].copy_from_slice(b"42");
    ///     2
    /// }
    ///
    /// let mut buffer = [0; 64];
    /// let mut writer = Writer::new(&mut buffer);
    /// let frame = Frame::Notification { name: "sample".into(), payload_len: 0 };
    /// let mut payload = writer.begin(&frame)?;
    /// let len = sample(payload.room());
    /// payload.advance(len);
    /// payload.commit()?;
    /// assert_eq!(writer.as_bytes(), b"n006sample0000000242");
    /// # Ok::<(), gotalk::WriteError>(())
    /// ```
    pub fn room(&mut self) -> &mut [u8] {
        let start = self.writer.len.saturating_add(self.message_len());
        self.writer.buffer.get_mut(start..).unwrap_or_default()
    }

    /// Adds the first `len` bytes of [`room`](Self::room) to the payload. Whether you have
    /// filled them is not checked: what lay in the buffer before would be sent. If `len` is
    /// more than there are, the message is too long for the buffer, and `commit` says so.
    pub const fn advance(&mut self, len: usize) {
        self.len = self.len.saturating_add(len);
    }

    /// Appends `bytes` to the payload. If they do not fit, `commit` says so.
    pub fn write(&mut self, bytes: &[u8]) {
        put(self.room(), bytes);
        self.advance(bytes.len());
    }

    /// Fills in the size and writes the message.
    ///
    /// # Errors
    ///
    /// After an error nothing is written.
    ///
    /// - [`BufferTooSmall`](WriteError::BufferTooSmall) or
    ///   [`PayloadTooLong`](WriteError::PayloadTooLong).
    /// - [`EmptyPart`](WriteError::EmptyPart) if the message is a part of a stream, `p` or `S`,
    ///   and its payload is empty. To end a stream, use
    ///   [`stream_request_end`](Writer::stream_request_end) or
    ///   [`stream_result_end`](Writer::stream_result_end).
    /// - [`PayloadMismatch`](WriteError::PayloadMismatch) if the message is a heartbeat or a
    ///   protocol error, which have no payload, and you wrote some.
    /// - [`Format`](WriteError::Format) if a value that you wrote by `write!` could not be
    ///   formatted.
    pub fn commit(self) -> Result<(), WriteError> {
        let needed = self.message_len();
        let Self { writer, message_type, header_len, len, failed } = self;
        if failed {
            return Err(WriteError::Format);
        }
        let Ok(size) = u32::try_from(len) else {
            return Err(WriteError::PayloadTooLong { len });
        };
        if size > 0 && !message_type.has_payload() {
            return Err(WriteError::PayloadMismatch { announced: 0, given: len });
        }
        if size == 0 && message_type.is_part() {
            return Err(WriteError::EmptyPart);
        }
        let start = writer.len;
        let room = writer.buffer.get_mut(start..).and_then(|free| free.get_mut(..needed));
        let Some(room) = room else { return Err(writer.refusal(needed)) };
        if message_type.has_payload() {
            // The size is the last field of every header that has one.
            room.get_mut(header_len.wrapping_sub(8)..).and_then(|room| put_number(room, size));
        }
        writer.len = start.wrapping_add(needed);
        writer.closed = message_type == MessageType::ProtocolError;
        Ok(())
    }

    const fn message_len(&self) -> usize {
        self.header_len.saturating_add(self.len)
    }
}

/// Fails only if the `Display` of a value fails. If something does not fit,
/// [`commit`](PayloadWriter::commit) says so.
impl fmt::Write for PayloadWriter<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.write(text.as_bytes());
        Ok(())
    }

    fn write_fmt(&mut self, arguments: fmt::Arguments<'_>) -> fmt::Result {
        let result = fmt::write(self, arguments);
        if result.is_err() {
            self.failed = true;
        }
        result
    }
}

/// Shows how much has been written, not the bytes.
impl fmt::Debug for PayloadWriter<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PayloadWriter")
            .field("message_type", &self.message_type)
            .field("len", &self.len)
            .field("writer", &self.writer)
            .finish()
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for PayloadWriter<'_, '_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        let Self { message_type, len, writer, .. } = self;
        defmt::write!(
            f,
            "PayloadWriter {{ message_type: {}, len: {=usize}, writer: {} }}",
            message_type,
            len,
            writer
        );
    }
}

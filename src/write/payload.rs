//! Payloads that are written in place.
//!
//! The header is put into the buffer first, behind what has been written, without counting
//! it in. The payload goes behind the header, and `commit` fills in its size: the last eight
//! digits of the header. What does not fit is counted but not kept, so that the error can
//! give the length of the whole message.

use core::fmt;

use crate::WriteError;
use crate::wire::copy::put;
use crate::wire::frame::{Frame, MAX_NAME_LEN, MessageType};
use crate::write::writer::{Writer, put_header, put_number};

impl<'b> Writer<'b> {
    /// Begins a message whose payload is written in place, straight into the buffer: JSON,
    /// CBOR, a sensor's bytes. `frame` says what the message is; its `payload_len` is ignored.
    /// [`PayloadWriter::commit`] fills in the size and writes the message. Without it nothing
    /// is written.
    ///
    /// # Errors
    ///
    /// [`EmptyName`](WriteError::EmptyName), [`NameTooLong`](WriteError::NameTooLong) or
    /// [`Closed`](WriteError::Closed). Whether the message fits is said by `commit`.
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
        let header_len = message_type.header_len(name.len());
        let free = self.buffer.get_mut(self.len..).unwrap_or_default();
        if let Some(room) = free.get_mut(..header_len) {
            put_header(room, &header, name);
        }
        Ok(PayloadWriter { writer: self, message_type, header_len, len: 0 })
    }
}

/// A message whose payload is being written in place: [`Writer::begin`].
///
/// Write the payload as text ([`core::fmt::Write`]), as bytes ([`write`](Self::write)), or by
/// giving the [free room](Self::room) to whatever makes it; then [`commit`](Self::commit).
/// If it is dropped before, nothing has been written.
///
/// A payload that does not fit is no error until `commit`, which says how long the whole
/// message is.
#[must_use = "nothing is written until `commit`"]
pub struct PayloadWriter<'w, 'b> {
    writer: &'w mut Writer<'b>,
    message_type: MessageType,
    header_len: usize,
    /// Bytes of payload, those that did not fit included.
    len: usize,
}

impl PayloadWriter<'_, '_> {
    /// The number of bytes of payload so far, those that did not fit included.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no payload so far.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The free room behind what there is of the payload. Fill it from its start, then call
    /// [`advance`](Self::advance). It is empty once something did not fit.
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

    /// Takes the first `len` bytes of [`room`](Self::room) into the payload. More than there
    /// are make the message too long for the buffer.
    pub const fn advance(&mut self, len: usize) {
        self.len = self.len.saturating_add(len);
    }

    /// Appends `bytes` to the payload.
    pub fn write(&mut self, bytes: &[u8]) {
        put(self.room(), bytes);
        self.advance(bytes.len());
    }

    /// Fills in the size and writes the message.
    ///
    /// # Errors
    ///
    /// Nothing is written then.
    ///
    /// - [`BufferTooSmall`](WriteError::BufferTooSmall) or
    ///   [`PayloadTooLong`](WriteError::PayloadTooLong);
    /// - [`EmptyPart`](WriteError::EmptyPart) for a part, or a part of a result, without
    ///   payload: it would end the stream, which has a method of its own;
    /// - [`PayloadMismatch`](WriteError::PayloadMismatch) for payload of a heartbeat or a
    ///   protocol error, which have none.
    pub fn commit(self) -> Result<(), WriteError> {
        let needed = self.message_len();
        let Self { writer, message_type, header_len, len } = self;
        let Ok(size) = u32::try_from(len) else {
            return Err(WriteError::PayloadTooLong { len });
        };
        if size > 0 && !message_type.has_payload() {
            return Err(WriteError::PayloadMismatch { announced: 0, given: len });
        }
        if size == 0
            && matches!(message_type, MessageType::StreamRequestPart | MessageType::StreamResult)
        {
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

/// Never fails: what does not fit is counted, and [`commit`](PayloadWriter::commit) says so.
impl fmt::Write for PayloadWriter<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.write(text.as_bytes());
        Ok(())
    }
}

/// How much has been written, not what lies in the buffer.
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

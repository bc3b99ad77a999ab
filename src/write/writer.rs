//! The writer: messages into a caller's buffer.
//!
//! A message has one of three shapes, and each shape has a body of its own, so that a
//! program links only the shapes that it writes: [`Writer::named`] (`r`, `s`, `n`),
//! [`Writer::id_and_payload`] (`p`, `R`, `S`, `E`: a header of 13 bytes), and
//! [`Writer::write`], which takes any header and serves the rest. A body finds what is wrong
//! with the message, asks [`Writer::room`] for as many bytes as the message takes, fills them
//! from front to back, and counts them in at the end: until then nothing has been written.
//!
//! If you add a message, give its method to the body with its shape. If you change the order
//! or the width of a field, change all three, and `payload.rs`, which fills in the size of a
//! payload that was written in place. What lies between a public method and its body is
//! inlined: a call with so many arguments costs more stack and instructions than it saves. The
//! two bodies that most programs use are never inlined on a large target: inlined into one
//! caller, a request took twice the time there. For a session, `session/write.rs` chooses one.

use core::fmt;

use crate::WriteError;
use crate::wire::frame::{Frame, Header, MAX_NAME_LEN, Message, VERSION_LEN};
use crate::wire::message_type::MessageType;
use crate::wire::value::{ErrorCode, Name, RequestId};
use crate::write::fields::{
    put_array, put_id_and_payload, put_message, put_named, put_number, put_version,
};

/// Encodes messages into a buffer that you provide.
///
/// Each method appends one message, whole or not at all: after an error the buffer is as it
/// was before the call ([rule 4.2](crate::protocol#rule-4-2)). It never allocates, and no
/// argument makes it panic. A writer itself takes 16 bytes of RAM on a 32-bit target.
///
/// - To write to a transport that takes some bytes now and some later, run a writer on a
///   [`SendBuffer`](crate::SendBuffer).
/// - To append to a vector, use `Writer::append_to_heapless` (feature `heapless`) or
///   `Writer::append_to_vec` (feature `alloc`).
/// - To write a payload that is not a slice yet, use [`begin`](Self::begin).
/// - To send over WebSocket, see [`websocket`](crate::websocket).
///
/// To the protocol a payload is bytes. Send JSON to gotalk.js and to the typed functions of
/// the Go package, and quote strings: gotalk.js loses a payload that is not JSON without an
/// error ([rule 8.2](crate::protocol#rule-8-2)). The payload of an error result or a retry
/// result is plain text ([rule 8.3](crate::protocol#rule-8-3)).
///
/// A method checks the message first, then whether the writer is
/// [`Closed`](WriteError::Closed), and then whether the message fits.
///
/// ```
/// use gotalk::{RequestId, Writer};
///
/// let mut buffer = [0; 128];
/// let mut writer = Writer::new(&mut buffer);
/// writer.version()?;
/// writer.single_request(RequestId::new(*b"0001"), "echo", br#""hello""#)?;
/// assert_eq!(writer.as_bytes(), br#"01r0001004echo00000007"hello""#);
/// # Ok::<(), gotalk::WriteError>(())
/// ```
pub struct Writer<'b> {
    pub(crate) buffer: &'b mut [u8],
    pub(crate) len: usize,
    pub(crate) closed: bool,
}

impl<'b> Writer<'b> {
    /// Creates a writer that fills `buffer` from its start, and overwrites what it holds. A
    /// vector gives only its length, not its capacity: use `append_to_vec` or
    /// `append_to_heapless` for it.
    pub const fn new(buffer: &'b mut [u8]) -> Self {
        Self { buffer, len: 0, closed: false }
    }

    /// The number of bytes that have been written.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing has been written.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The length of the whole buffer, in bytes.
    pub const fn capacity(&self) -> usize {
        self.buffer.len()
    }

    /// The number of bytes that are free. A message of up to this length fits.
    pub const fn available(&self) -> usize {
        self.buffer.len().saturating_sub(self.len)
    }

    /// Whether a protocol error has been written. Nothing may follow it.
    pub const fn is_closed(&self) -> bool {
        self.closed
    }

    /// The bytes that have been written.
    pub fn as_bytes(&self) -> &[u8] {
        self.buffer.get(..self.len).unwrap_or_default()
    }

    /// The bytes that have been written, for as long as the buffer lives. A function can
    /// return them.
    ///
    /// ```
    /// use gotalk::{RequestId, WriteError, Writer};
    ///
    /// fn pong(buffer: &mut [u8], id: RequestId) -> Result<&[u8], WriteError> {
    ///     let mut writer = Writer::new(buffer);
    ///     writer.single_result(id, br#""pong""#)?;
    ///     Ok(writer.into_bytes())
    /// }
    /// # assert_eq!(pong(&mut [0; 64], RequestId::new(*b"0001"))?, br#"R000100000006"pong""#);
    /// # Ok::<(), WriteError>(())
    /// ```
    pub fn into_bytes(self) -> &'b [u8] {
        self.buffer.get(..self.len).unwrap_or_default()
    }

    /// Removes what has been written. Call it when the bytes have been sent. A writer that has
    /// written a protocol error stays closed.
    pub const fn clear(&mut self) {
        self.len = 0;
    }

    /// Writes `01`, the version. Each end sends it once, first, without waiting for the other
    /// ([rule 7.1](crate::protocol#rule-7-1)). The writer does not check that.
    ///
    /// # Errors
    ///
    /// [`BufferTooSmall`](WriteError::BufferTooSmall) or [`Closed`](WriteError::Closed).
    pub fn version(&mut self) -> Result<(), WriteError> {
        let Some(room) = self.room(VERSION_LEN) else { return Err(self.refusal(VERSION_LEN)) };
        put_version(room);
        self.len = self.len.wrapping_add(VERSION_LEN);
        Ok(())
    }

    /// Writes `r`, a request in one message. [`RequestId`] says how to choose the id. The
    /// answer may be a result of any kind, a stream too
    /// ([rule 7.4](crate::protocol#rule-7-4)).
    ///
    /// # Errors
    ///
    /// [`EmptyName`](WriteError::EmptyName), [`NameTooLong`](WriteError::NameTooLong),
    /// [`PayloadTooLong`](WriteError::PayloadTooLong), [`Closed`](WriteError::Closed) or
    /// [`BufferTooSmall`](WriteError::BufferTooSmall).
    pub fn single_request<'n>(
        &mut self,
        id: RequestId,
        op: impl Into<Name<'n>>,
        payload: &[u8],
    ) -> Result<(), WriteError> {
        self.named(MessageType::SingleRequest, id, op.into(), payload)
    }

    /// Writes `s`, the start of a request in parts. `payload` is the first part. It may be
    /// empty, which does not end the stream: only
    /// [`stream_request_end`](Self::stream_request_end) does
    /// ([rule 4.4](crate::protocol#rule-4-4)). Never use the `id` of a stream again on the
    /// same connection ([rule 7.3](crate::protocol#rule-7-3)).
    ///
    /// The Go package refuses streams by default, and gotalk.js closes the connection.
    ///
    /// # Errors
    ///
    /// See [`single_request`](Self::single_request).
    pub fn stream_request<'n>(
        &mut self,
        id: RequestId,
        op: impl Into<Name<'n>>,
        payload: &[u8],
    ) -> Result<(), WriteError> {
        self.named(MessageType::StreamRequest, id, op.into(), payload)
    }

    /// Writes `p`, a further part of a request.
    ///
    /// Stop sending parts, and do not send the end either, as soon as the answer to the
    /// request is complete: at `R`, `E`, `e` and an empty `S`. Otherwise a Go peer closes the
    /// connection ([rule 7.6](crate::protocol#rule-7-6)).
    ///
    /// # Errors
    ///
    /// [`EmptyPart`](WriteError::EmptyPart), [`PayloadTooLong`](WriteError::PayloadTooLong),
    /// [`BufferTooSmall`](WriteError::BufferTooSmall) or [`Closed`](WriteError::Closed).
    pub fn stream_request_part(&mut self, id: RequestId, payload: &[u8]) -> Result<(), WriteError> {
        self.part(MessageType::StreamRequestPart, id, payload)
    }

    /// Writes the empty `p` that ends a request in parts. Do not send it if the answer is
    /// complete already ([rule 7.6](crate::protocol#rule-7-6)).
    ///
    /// # Errors
    ///
    /// [`BufferTooSmall`](WriteError::BufferTooSmall) or [`Closed`](WriteError::Closed).
    pub fn stream_request_end(&mut self, id: RequestId) -> Result<(), WriteError> {
        self.id_and_payload(MessageType::StreamRequestPart, id, &[])
    }

    /// Writes `R`, a result in one message. Use it to answer `r` if you can, because not every
    /// peer reads a stream there ([rule 7.4](crate::protocol#rule-7-4)). Answer every request
    /// exactly once ([rule 7.5](crate::protocol#rule-7-5)).
    ///
    /// # Errors
    ///
    /// [`PayloadTooLong`](WriteError::PayloadTooLong),
    /// [`BufferTooSmall`](WriteError::BufferTooSmall) or [`Closed`](WriteError::Closed).
    pub fn single_result(&mut self, id: RequestId, payload: &[u8]) -> Result<(), WriteError> {
        self.id_and_payload(MessageType::SingleResult, id, payload)
    }

    /// Writes `S`, a part of a result. End the result with
    /// [`stream_result_end`](Self::stream_result_end), or with an error result or a retry
    /// result ([rule 7.5](crate::protocol#rule-7-5)).
    ///
    /// # Errors
    ///
    /// See [`stream_request_part`](Self::stream_request_part).
    pub fn stream_result(&mut self, id: RequestId, payload: &[u8]) -> Result<(), WriteError> {
        self.part(MessageType::StreamResult, id, payload)
    }

    /// Writes the empty `S` that ends a result in parts.
    ///
    /// # Errors
    ///
    /// [`BufferTooSmall`](WriteError::BufferTooSmall) or [`Closed`](WriteError::Closed).
    pub fn stream_result_end(&mut self, id: RequestId) -> Result<(), WriteError> {
        self.id_and_payload(MessageType::StreamResult, id, &[])
    }

    /// Writes `E`, an error result: the request was at fault, and the peer must not make it
    /// again as it is. `payload` says why, in plain text
    /// ([rule 8.3](crate::protocol#rule-8-3)).
    ///
    /// # Errors
    ///
    /// See [`single_result`](Self::single_result).
    pub fn error_result(&mut self, id: RequestId, payload: &[u8]) -> Result<(), WriteError> {
        self.id_and_payload(MessageType::ErrorResult, id, payload)
    }

    /// Writes `e`, a retry result: you could not serve the request, and the peer may make it
    /// again after a minimum of `wait_ms` milliseconds. `payload` says why, in plain text
    /// ([rule 8.3](crate::protocol#rule-8-3)).
    ///
    /// gotalk.js does not know this message and closes the connection. Send it an
    /// [`error_result`](Self::error_result).
    ///
    /// # Errors
    ///
    /// See [`single_result`](Self::single_result).
    pub fn retry_result(
        &mut self,
        id: RequestId,
        wait_ms: u32,
        payload: &[u8],
    ) -> Result<(), WriteError> {
        let header = Header { id, extra: wait_ms, ..Header::new(MessageType::RetryResult) };
        match u32::try_from(payload.len()) {
            Ok(last) => self.write(&Header { last, ..header }, Name::default(), payload),
            Err(_) => Err(WriteError::PayloadTooLong { len: payload.len() }),
        }
    }

    /// Writes `n`, a notification, which is never answered.
    ///
    /// # Errors
    ///
    /// See [`single_request`](Self::single_request).
    pub fn notification<'n>(
        &mut self,
        name: impl Into<Name<'n>>,
        payload: &[u8],
    ) -> Result<(), WriteError> {
        self.named(MessageType::Notification, RequestId::new([0; 4]), name.into(), payload)
    }

    /// Writes `h`, a heartbeat. `load` goes from 0 (idle) to 0xffff (overloaded). `time` is in
    /// seconds since 1970-01-01 00:00 UTC. Write 0 if you have no clock
    /// ([rule 7.10](crate::protocol#rule-7-10)).
    ///
    /// Both ends should send one every 20 seconds, a server above all: a Go peer closes the
    /// connection after 30 seconds without a message. Never send one between a header and its
    /// payload. A heartbeat is not answered ([rule 7.9](crate::protocol#rule-7-9)).
    ///
    /// # Errors
    ///
    /// [`BufferTooSmall`](WriteError::BufferTooSmall) or [`Closed`](WriteError::Closed).
    pub fn heartbeat(&mut self, load: u16, time: u32) -> Result<(), WriteError> {
        let header =
            Header { extra: load.into(), last: time, ..Header::new(MessageType::Heartbeat) };
        self.write(&header, Name::default(), &[])
    }

    /// Writes `f`, a protocol error, which says why you close the connection. It closes the
    /// writer, because nothing may follow ([rule 4.6](crate::protocol#rule-4-6)).
    /// [`Error::protocol_code`](crate::Error::protocol_code) gives the code for a reading
    /// error. [Rule 7.11](crate::protocol#rule-7-11) says how to close so that the peer sees
    /// the code.
    ///
    /// # Errors
    ///
    /// [`Closed`](WriteError::Closed) or [`BufferTooSmall`](WriteError::BufferTooSmall). After
    /// the latter the writer is still open.
    pub fn protocol_error(&mut self, code: ErrorCode) -> Result<(), WriteError> {
        // Not by `write`: every program has this one message of its shape.
        const LEN: usize = MessageType::ProtocolError.header_len(0);
        let Some(room) = self.room(LEN) else { return Err(self.refusal(LEN)) };
        put_array(room, [MessageType::ProtocolError.as_byte()])
            .and_then(|room| put_number(room, code.into()));
        self.len = self.len.wrapping_add(LEN);
        self.closed = true;
        Ok(())
    }

    /// Writes the header alone, for a payload that goes another way: by a vectored write, by
    /// DMA, or chunk by chunk ([rule 4.5](crate::protocol#rule-4-5)). Send the payload right
    /// after it, before anything else. The writer cannot check that.
    ///
    /// It writes any frame that a parser can yield, also one with an empty name or an empty
    /// part, so that a proxy can pass on what it has read
    /// ([rule 4.3](crate::protocol#rule-4-3)).
    ///
    /// # Errors
    ///
    /// [`NameTooLong`](WriteError::NameTooLong),
    /// [`BufferTooSmall`](WriteError::BufferTooSmall) or [`Closed`](WriteError::Closed).
    ///
    /// ```
    /// use gotalk::{Frame, RequestId, Writer};
    ///
    /// let id = RequestId::new(*b"0001");
    /// let mut header = [0; 16];
    /// let mut writer = Writer::new(&mut header);
    /// writer.frame(&Frame::SingleResult { id, payload_len: 1 << 20 })?;
    /// assert_eq!(writer.as_bytes(), b"R000100100000");
    /// # Ok::<(), gotalk::WriteError>(())
    /// ```
    pub fn frame(&mut self, frame: &Frame<'_>) -> Result<(), WriteError> {
        let (header, name) = frame.parts();
        self.write(&header, name, &[])
    }

    /// Writes a whole message: any frame that a parser can yield, and its payload. Use it to
    /// pass on what an [`Assembler`](crate::Assembler) has read.
    ///
    /// # Errors
    ///
    /// [`PayloadMismatch`](WriteError::PayloadMismatch) if the payload has another length than
    /// the frame says, and the errors of [`frame`](Self::frame).
    pub fn message(&mut self, message: Message<'_>) -> Result<(), WriteError> {
        let Message { frame, payload } = message;
        let (header, name) = frame.parts();
        let announced = if header.message_type.has_payload() { header.last } else { 0 };
        if u32::try_from(payload.len()) != Ok(announced) {
            return Err(WriteError::PayloadMismatch { announced, given: payload.len() });
        }
        self.write(&header, name, payload)
    }

    #[inline(always)]
    fn part(
        &mut self,
        message_type: MessageType,
        id: RequestId,
        payload: &[u8],
    ) -> Result<(), WriteError> {
        if payload.is_empty() {
            return Err(WriteError::EmptyPart);
        }
        self.id_and_payload(message_type, id, payload)
    }

    /// Writes a message with a name: `r`, `s` or `n`, which has no id.
    #[cfg_attr(target_pointer_width = "64", inline(never))]
    pub(crate) fn named(
        &mut self,
        message_type: MessageType,
        id: RequestId,
        name: Name<'_>,
        payload: &[u8],
    ) -> Result<(), WriteError> {
        if name.is_empty() {
            return Err(WriteError::EmptyName);
        }
        let Ok(size) = u32::try_from(payload.len()) else {
            return Err(WriteError::PayloadTooLong { len: payload.len() });
        };
        if name.len() > MAX_NAME_LEN {
            return Err(WriteError::NameTooLong { len: name.len() });
        }
        let needed =
            message_type.min_len().saturating_add(name.len()).saturating_add(payload.len());
        let Some(room) = self.room(needed) else { return Err(self.refusal(needed)) };
        put_named(room, message_type, id, name, size, payload);
        self.len = self.len.wrapping_add(needed);
        Ok(())
    }

    /// Writes a message with an id and a payload: `p`, `R`, `S` or `E`.
    #[cfg_attr(target_pointer_width = "64", inline(never))]
    pub(crate) fn id_and_payload(
        &mut self,
        message_type: MessageType,
        id: RequestId,
        payload: &[u8],
    ) -> Result<(), WriteError> {
        let Ok(size) = u32::try_from(payload.len()) else {
            return Err(WriteError::PayloadTooLong { len: payload.len() });
        };
        const HEADER_LEN: usize = MessageType::SingleResult.header_len(0);
        let needed = payload.len().saturating_add(HEADER_LEN);
        let Some(room) = self.room(needed) else { return Err(self.refusal(needed)) };
        put_id_and_payload(room, message_type, id, size, payload);
        self.len = self.len.wrapping_add(needed);
        Ok(())
    }

    /// Writes any message, with the version before it where the header says so: both or nothing.
    /// `name` is empty where the type has none.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    fn write(&mut self, header: &Header, name: Name<'_>, payload: &[u8]) -> Result<(), WriteError> {
        if name.len() > MAX_NAME_LEN {
            return Err(WriteError::NameTooLong { len: name.len() });
        }
        let version_len = if header.with_version { VERSION_LEN } else { 0 };
        let needed = header
            .message_type
            .min_len()
            .saturating_add(version_len)
            .saturating_add(name.len())
            .saturating_add(payload.len());
        let Some(room) = self.room(needed) else { return Err(self.refusal(needed)) };
        put_message(room, header, name, payload);
        self.len = self.len.wrapping_add(needed);
        if header.message_type == MessageType::ProtocolError {
            self.closed = true;
        }
        Ok(())
    }

    /// [`write`](Self::write) for a session, never inlined.
    #[cfg_attr(target_pointer_width = "64", inline(never))]
    pub(crate) fn write_apart(
        &mut self,
        header: &Header,
        name: Name<'_>,
        payload: &[u8],
    ) -> Result<(), WriteError> {
        self.write(header, name, payload)
    }

    /// The next `needed` bytes of the buffer, or `None` if fewer are free or the writer is
    /// closed. [`refusal`](Self::refusal) says which, in a function of its own, so that the
    /// slice comes back in registers.
    #[inline(always)]
    fn room(&mut self, needed: usize) -> Option<&mut [u8]> {
        if self.closed { None } else { self.buffer.get_mut(self.len..)?.get_mut(..needed) }
    }

    /// How many bytes have been written to the buffer that starts at `start`; `None` if a caller
    /// who was lent this writer has put another one in its place.
    pub(crate) fn written_to(&self, start: *const u8) -> Option<usize> {
        if self.buffer.as_ptr() == start { Some(self.len) } else { None }
    }

    /// Why there is no [`room`](Self::room).
    pub(crate) fn refusal(&self, needed: usize) -> WriteError {
        if self.closed {
            return WriteError::Closed;
        }
        WriteError::BufferTooSmall { needed, available: self.available() }
    }
}

/// Shows how much has been written, not the bytes.
impl fmt::Debug for Writer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer")
            .field("len", &self.len)
            .field("capacity", &self.capacity())
            .field("closed", &self.closed)
            .finish()
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Writer<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(
            f,
            "Writer {{ len: {=usize}, capacity: {=usize}, closed: {=bool} }}",
            self.len,
            self.capacity(),
            self.closed
        );
    }
}

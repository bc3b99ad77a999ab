//! The writer: messages into a caller's buffer.
//!
//! Every message goes through [`Writer::write`]: it finds what is wrong, asks for as
//! much room as the message takes, and has `put_message` fill it from front to back.
//! What lies between a public method and `write` is inlined: a call with so many
//! arguments costs more stack and instructions than it saves in size.

use crate::WriteError;
use crate::wire::copy::put;
use crate::wire::frame::{Fields, Frame, MAX_NAME_LEN, MessageType, VERSION, VERSION_LEN};
use crate::wire::hex;
use crate::wire::value::{ErrorCode, Name, RequestId};

mod sealed {
    pub trait Buffer {
        fn capacity(&self) -> usize;
        fn as_slice(&self) -> &[u8];
        /// Room for `needed` bytes from `len` on; `None`, and nothing done, if there
        /// is less.
        fn room(&mut self, len: usize, needed: usize) -> Option<&mut [u8]>;
        fn truncate(&mut self, len: usize);
    }
}

/// What a [`Writer`] appends to: `[u8]`, and `heapless::Vec<u8, N>` with the
/// feature `heapless`. It cannot be implemented elsewhere.
pub trait Buffer: sealed::Buffer {}

impl Buffer for [u8] {}
impl sealed::Buffer for [u8] {
    #[inline]
    fn capacity(&self) -> usize {
        self.len()
    }
    #[inline]
    fn as_slice(&self) -> &[u8] {
        self
    }
    #[inline]
    fn room(&mut self, len: usize, needed: usize) -> Option<&mut [u8]> {
        self.get_mut(len..)?.get_mut(..needed)
    }
    #[inline]
    fn truncate(&mut self, _len: usize) {}
}

#[cfg(feature = "heapless")]
impl<const N: usize> Buffer for heapless::Vec<u8, N> {}
#[cfg(feature = "heapless")]
impl<const N: usize> sealed::Buffer for heapless::Vec<u8, N> {
    fn capacity(&self) -> usize {
        N
    }
    fn as_slice(&self) -> &[u8] {
        self
    }
    fn room(&mut self, len: usize, needed: usize) -> Option<&mut [u8]> {
        self.resize(len.checked_add(needed)?, 0).ok()?;
        self.get_mut(len..)
    }
    fn truncate(&mut self, len: usize) {
        self.truncate(len);
    }
}

/// Appends messages to a buffer of the caller's.
///
/// Each method writes one message, whole or not at all: after an error the buffer
/// is as it was before the call (protocol, section 4, rule 2). What is wrong with
/// the message itself is looked at first, then whether the writer is
/// [`Closed`](WriteError::Closed), and last whether there is room.
///
/// ```
/// use gotalk::{RequestId, Writer};
///
/// let mut buffer = [0; 128];
/// let mut writer = Writer::new(&mut buffer);
/// writer.version()?;
/// writer.single_request(RequestId::new(*b"0001"), "echo", b"hello")?;
/// assert_eq!(writer.as_bytes(), b"01r0001004echo00000005hello");
/// # Ok::<(), gotalk::WriteError>(())
/// ```
#[derive(Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Writer<'b, B: Buffer + ?Sized = [u8]> {
    buffer: &'b mut B,
    len: usize,
    closed: bool,
}

impl<'b> Writer<'b> {
    /// A writer that fills `buffer` from its start. Arrays and vectors deref to it.
    pub const fn new(buffer: &'b mut [u8]) -> Self {
        Self { buffer, len: 0, closed: false }
    }
}

#[cfg(feature = "heapless")]
impl<'b, const N: usize> Writer<'b, heapless::Vec<u8, N>> {
    /// A writer that appends to `vec`, behind what it holds already.
    ///
    /// ```
    /// use gotalk::Writer;
    ///
    /// let mut vec = heapless::Vec::<u8, 64>::new();
    /// Writer::append_to(&mut vec).notification("log", b"hi")?;
    /// assert_eq!(vec, b"n003log00000002hi");
    /// # Ok::<(), gotalk::WriteError>(())
    /// ```
    pub fn append_to(vec: &'b mut heapless::Vec<u8, N>) -> Self {
        Self { len: vec.len(), buffer: vec, closed: false }
    }
}

impl<B: Buffer + ?Sized> Writer<'_, B> {
    /// The number of bytes in the buffer.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no byte in the buffer.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many bytes the buffer can hold in all.
    pub fn capacity(&self) -> usize {
        self.buffer.capacity()
    }

    /// What is in the buffer.
    pub fn as_bytes(&self) -> &[u8] {
        self.buffer.as_slice().get(..self.len).unwrap_or_default()
    }

    /// Empties the buffer, once its bytes have been sent. A writer that has written a
    /// protocol error stays closed.
    pub fn clear(&mut self) {
        self.len = 0;
        self.buffer.truncate(0);
    }

    /// Writes `01`, which each end sends first, at once, without waiting for the other.
    ///
    /// # Errors
    ///
    /// [`BufferTooSmall`](WriteError::BufferTooSmall) or [`Closed`](WriteError::Closed).
    pub fn version(&mut self) -> Result<(), WriteError> {
        let Some(room) = self.room(VERSION_LEN) else { return Err(self.refusal(VERSION_LEN)) };
        put_array(room, [b'0', b'0' + VERSION]);
        self.len = self.len.wrapping_add(VERSION_LEN);
        Ok(())
    }

    /// Writes `r`, a request in one message.
    ///
    /// # Errors
    ///
    /// Any but [`EmptyPart`](WriteError::EmptyPart) and
    /// [`PayloadMismatch`](WriteError::PayloadMismatch).
    pub fn single_request<'n>(
        &mut self,
        id: RequestId,
        op: impl Into<Name<'n>>,
        payload: &[u8],
    ) -> Result<(), WriteError> {
        self.named(MessageType::SingleRequest, id, op.into(), payload)
    }

    /// Writes `s`, the start of a request in parts, `payload` being the first. An
    /// empty one is fine here and does not end the stream; only
    /// [`stream_request_end`](Self::stream_request_end) does. `id` must not have been
    /// used before on the connection.
    ///
    /// # Errors
    ///
    /// As [`single_request`](Self::single_request).
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
    /// # Errors
    ///
    /// [`EmptyPart`](WriteError::EmptyPart), [`PayloadTooLong`](WriteError::PayloadTooLong),
    /// [`BufferTooSmall`](WriteError::BufferTooSmall) or [`Closed`](WriteError::Closed).
    pub fn stream_request_part(&mut self, id: RequestId, payload: &[u8]) -> Result<(), WriteError> {
        self.part(MessageType::StreamRequestPart, id, payload)
    }

    /// Writes the empty `p` that ends a request in parts.
    ///
    /// # Errors
    ///
    /// [`BufferTooSmall`](WriteError::BufferTooSmall) or [`Closed`](WriteError::Closed).
    pub fn stream_request_end(&mut self, id: RequestId) -> Result<(), WriteError> {
        self.with_payload(MessageType::StreamRequestPart, id, 0, &[])
    }

    /// Writes `R`, the result of a request.
    ///
    /// # Errors
    ///
    /// [`PayloadTooLong`](WriteError::PayloadTooLong),
    /// [`BufferTooSmall`](WriteError::BufferTooSmall) or [`Closed`](WriteError::Closed).
    pub fn single_result(&mut self, id: RequestId, payload: &[u8]) -> Result<(), WriteError> {
        self.with_payload(MessageType::SingleResult, id, 0, payload)
    }

    /// Writes `S`, a part of a result.
    ///
    /// # Errors
    ///
    /// As [`stream_request_part`](Self::stream_request_part).
    pub fn stream_result(&mut self, id: RequestId, payload: &[u8]) -> Result<(), WriteError> {
        self.part(MessageType::StreamResult, id, payload)
    }

    /// Writes the empty `S` that ends a result in parts.
    ///
    /// # Errors
    ///
    /// [`BufferTooSmall`](WriteError::BufferTooSmall) or [`Closed`](WriteError::Closed).
    pub fn stream_result_end(&mut self, id: RequestId) -> Result<(), WriteError> {
        self.with_payload(MessageType::StreamResult, id, 0, &[])
    }

    /// Writes `E`: the request was at fault and is not to be made again as it is.
    /// `payload` says why.
    ///
    /// # Errors
    ///
    /// As [`single_result`](Self::single_result).
    pub fn error_result(&mut self, id: RequestId, payload: &[u8]) -> Result<(), WriteError> {
        self.with_payload(MessageType::ErrorResult, id, 0, payload)
    }

    /// Writes `e`: the request may be made again, after `wait_ms` milliseconds at
    /// least. `payload` says why. gotalk.js does not know this message and closes the
    /// connection; towards it use [`error_result`](Self::error_result).
    ///
    /// # Errors
    ///
    /// As [`single_result`](Self::single_result).
    pub fn retry_result(
        &mut self,
        id: RequestId,
        wait_ms: u32,
        payload: &[u8],
    ) -> Result<(), WriteError> {
        self.with_payload(MessageType::RetryResult, id, wait_ms, payload)
    }

    /// Writes `n`, a notification, which is never answered.
    ///
    /// # Errors
    ///
    /// As [`single_request`](Self::single_request).
    pub fn notification<'n>(
        &mut self,
        name: impl Into<Name<'n>>,
        payload: &[u8],
    ) -> Result<(), WriteError> {
        self.named(MessageType::Notification, RequestId::new([0; 4]), name.into(), payload)
    }

    /// Writes `h`, a heartbeat: `load` from 0, idle, to 0xffff, overloaded; `time` in
    /// seconds since 1970-01-01 00:00 UTC.
    ///
    /// # Errors
    ///
    /// [`BufferTooSmall`](WriteError::BufferTooSmall) or [`Closed`](WriteError::Closed).
    pub fn heartbeat(&mut self, load: u16, time: u32) -> Result<(), WriteError> {
        let fields =
            Fields { extra: load.into(), last: time, ..Fields::new(MessageType::Heartbeat) };
        self.write(&fields, &[])
    }

    /// Writes `f`, the reason for closing the connection, and closes the writer:
    /// nothing may follow (protocol, section 4, rule 6).
    ///
    /// # Errors
    ///
    /// [`BufferTooSmall`](WriteError::BufferTooSmall), and the writer stays open, or
    /// [`Closed`](WriteError::Closed).
    pub fn protocol_error(&mut self, code: ErrorCode) -> Result<(), WriteError> {
        let fields = Fields { last: code.into(), ..Fields::new(MessageType::ProtocolError) };
        self.write(&fields, &[])
    }

    /// Writes the header alone, for payloads that go another way: a WebSocket message
    /// of their own, a vectored write, a copy piece by piece. The payload must follow
    /// it on the wire before anything else does.
    ///
    /// Any frame that a parser can yield is written, an empty name or part included,
    /// so that a proxy can pass on what it has read.
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
        self.write(&frame.into(), &[])
    }

    /// Writes a whole message: any frame that a parser can yield, and its payload.
    ///
    /// # Errors
    ///
    /// [`PayloadMismatch`](WriteError::PayloadMismatch) unless `payload` is as long as
    /// the frame says, and those of [`frame`](Self::frame).
    pub fn message(&mut self, frame: &Frame<'_>, payload: &[u8]) -> Result<(), WriteError> {
        let fields = Fields::from(frame);
        let announced = if fields.message.has_payload() { fields.last } else { 0 };
        if u32::try_from(payload.len()) != Ok(announced) {
            return Err(WriteError::PayloadMismatch { announced, given: payload.len() });
        }
        self.write(&fields, payload)
    }

    #[inline(always)]
    fn named(
        &mut self,
        message: MessageType,
        id: RequestId,
        name: Name<'_>,
        payload: &[u8],
    ) -> Result<(), WriteError> {
        if name.is_empty() {
            return Err(WriteError::EmptyName);
        }
        self.sized(Fields { message, id, name, extra: 0, last: 0 }, payload)
    }

    #[inline(always)]
    fn part(
        &mut self,
        message: MessageType,
        id: RequestId,
        payload: &[u8],
    ) -> Result<(), WriteError> {
        if payload.is_empty() {
            return Err(WriteError::EmptyPart);
        }
        self.with_payload(message, id, 0, payload)
    }

    #[inline(always)]
    fn with_payload(
        &mut self,
        message: MessageType,
        id: RequestId,
        extra: u32,
        payload: &[u8],
    ) -> Result<(), WriteError> {
        self.sized(Fields { message, id, name: Name::default(), extra, last: 0 }, payload)
    }

    /// Writes a message whose last number is the size of its payload.
    #[inline(always)]
    fn sized(&mut self, fields: Fields<'_>, payload: &[u8]) -> Result<(), WriteError> {
        match u32::try_from(payload.len()) {
            Ok(last) => self.write(&Fields { last, ..fields }, payload),
            Err(_) => Err(WriteError::PayloadTooLong { len: payload.len() }),
        }
    }

    fn write(&mut self, fields: &Fields<'_>, payload: &[u8]) -> Result<(), WriteError> {
        let Fields { message, name, .. } = *fields;
        if name.len() > MAX_NAME_LEN {
            return Err(WriteError::NameTooLong { len: name.len() });
        }
        let needed = message.least_len().saturating_add(name.len()).saturating_add(payload.len());
        let Some(room) = self.room(needed) else { return Err(self.refusal(needed)) };
        put_message(room, fields, payload);
        self.len = self.len.wrapping_add(needed);
        if message == MessageType::ProtocolError {
            self.closed = true;
        }
        Ok(())
    }

    /// Room for `needed` bytes behind those that are in the buffer; `None` if there is
    /// less, or if nothing may follow. The reason is found apart, so that the room comes
    /// back in registers.
    #[inline(always)]
    fn room(&mut self, needed: usize) -> Option<&mut [u8]> {
        if self.closed { None } else { self.buffer.room(self.len, needed) }
    }

    /// Why there is no [`room`](Self::room).
    fn refusal(&self, needed: usize) -> WriteError {
        if self.closed {
            return WriteError::Closed;
        }
        let available = self.buffer.capacity().wrapping_sub(self.len);
        WriteError::BufferTooSmall { needed, available }
    }
}

/// Puts a message in `room`. It is as long as the message, so this is never `None`; but
/// said in this way, no step needs a check that could panic.
#[inline(always)]
fn put_message(room: &mut [u8], fields: &Fields<'_>, payload: &[u8]) -> Option<()> {
    let Fields { message, id, name, extra, last } = *fields;
    let room = put_array(room, [message.byte()])?;
    let id = *id.as_bytes();
    let room = if message.has_id() { put_array(room, id)? } else { room };
    let room = match message {
        MessageType::SingleRequest | MessageType::StreamRequest | MessageType::Notification => {
            put_name(room, name)?
        }
        MessageType::RetryResult => put_number(room, extra)?,
        MessageType::Heartbeat => put_array(room, hex::encode(extra as u16))?,
        _ => room,
    };
    put(put_number(room, last)?, payload)?;
    Some(())
}

#[inline(always)]
fn put_name<'r>(room: &'r mut [u8], name: Name<'_>) -> Option<&'r mut [u8]> {
    let [_, a, b, c] = hex::encode(name.len() as u16);
    put(put_array(room, [a, b, c])?, name.as_bytes())
}

/// Puts the eight digits of `number` at the start of `room`.
#[inline(always)]
fn put_number(room: &mut [u8], number: u32) -> Option<&mut [u8]> {
    let room = put_array(room, hex::encode((number >> 16) as u16))?;
    put_array(room, hex::encode(number as u16))
}

#[inline(always)]
fn put_array<const W: usize>(room: &mut [u8], bytes: [u8; W]) -> Option<&mut [u8]> {
    let (slots, rest) = room.split_first_chunk_mut()?;
    *slots = bytes;
    Some(rest)
}

//! What a session can send as a payload.

use core::fmt::{self, Write};

use crate::WriteError;
use crate::wire::frame::Header;
use crate::wire::message_type::MessageType;
use crate::wire::value::Name;
use crate::write::writer::Writer;

/// What a [`Session`](crate::Session) can send as a payload:
///
/// - bytes or text: everything that gives `&[u8]`, such as `b"hello"`, `&buffer[..len]`,
///   `"hello"` or `&string`;
/// - text that is made on the spot, straight in the writer's buffer: `format_args!("{t}")`;
/// - [`Announced`], the length of a payload that goes another way.
///
/// ```
/// use gotalk::{Session, Settings, Writer};
///
/// let mut session = Session::<4, 4>::new(Settings::DEFAULT);
/// let mut buffer = [0; 64];
/// let mut writer = Writer::new(&mut buffer);
/// let celsius = 21.5;
/// session.notify(0, &mut writer, "temperature", format_args!("{celsius:.1}"))?;
/// assert_eq!(writer.as_bytes(), b"01n00btemperature0000000421.5");
/// # Ok::<(), gotalk::SessionError>(())
/// ```
pub trait Payload: Put {}

impl<T: Put> Payload for T {}

/// Writes a message with this payload.
pub trait Put {
    fn put(self, writer: &mut Writer<'_>, header: Header, name: Name<'_>)
    -> Result<(), WriteError>;
}

impl<T: AsRef<[u8]> + ?Sized> Put for &T {
    #[inline(always)]
    fn put(
        self,
        writer: &mut Writer<'_>,
        header: Header,
        name: Name<'_>,
    ) -> Result<(), WriteError> {
        writer.checked(header, name, self.as_ref(), None)
    }
}

/// The length of a payload that does not go through the writer, in bytes: a large one, one
/// that is sent by DMA, or one that is a WebSocket message of its own. Only the header is
/// written. Send that many bytes right after it, before anything that is written later
/// ([rule 4.5](crate::protocol#rule-4-5)).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Announced(pub u32);

impl Put for Announced {
    #[inline(always)]
    fn put(
        self,
        writer: &mut Writer<'_>,
        header: Header,
        name: Name<'_>,
    ) -> Result<(), WriteError> {
        writer.checked(header, name, &[], Some(self.0))
    }
}

impl Put for fmt::Arguments<'_> {
    fn put(
        self,
        writer: &mut Writer<'_>,
        header: Header,
        name: Name<'_>,
    ) -> Result<(), WriteError> {
        let mut payload = writer.begin(&header.frame(name))?;
        payload.write_fmt(self)?;
        payload.commit()
    }
}

impl Writer<'_> {
    /// Writes a message as the methods do that are named after it: without an empty name or an
    /// empty part. With `announced` the payload goes another way and has that length.
    fn checked(
        &mut self,
        header: Header,
        name: Name<'_>,
        payload: &[u8],
        announced: Option<u32>,
    ) -> Result<(), WriteError> {
        let message_type = header.message_type;
        if message_type.has_name() && name.is_empty() {
            return Err(WriteError::EmptyName);
        }
        let last = match announced {
            Some(len) => len,
            None => match u32::try_from(payload.len()) {
                Ok(len) => len,
                Err(_) => return Err(WriteError::PayloadTooLong { len: payload.len() }),
            },
        };
        let is_part =
            matches!(message_type, MessageType::StreamRequestPart | MessageType::StreamResult);
        if is_part && last == 0 {
            return Err(WriteError::EmptyPart);
        }
        self.write(&Header { last, ..header }, name, payload)
    }
}

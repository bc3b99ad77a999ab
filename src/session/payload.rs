//! What a session can send as a payload.
//!
//! Payloads come in many types and two forms: [`Plain`] for those whose length is known, and
//! [`fmt::Arguments`] for text that is written in place. What a session does with one is
//! compiled for each form, not for each type, and only for those that a program uses.

use core::fmt::{self, Write};

use crate::WriteError;
use crate::wire::frame::Header;
use crate::wire::value::Name;
use crate::write::writer::Writer;

use super::{GREETED, Session};

/// What a [`Session`](crate::Session) can send as a payload:
///
/// - bytes or text: everything that gives `&[u8]`, such as `b"hello"`, `&buffer[..len]`,
///   `"hello"` or `&string`;
/// - text that is made on the spot, straight in the writer's buffer: `format_args!("{t}")`. In
///   JSON escape the strings, which `{:?}` does not do as JSON wants it;
/// - [`Announced`], the length of a payload that goes another way.
///
/// On an AVR make text in another way, and send it as bytes: there `format_args!` itself, in this
/// crate or elsewhere, can give thousands of bytes of something else. LLVM does not align the
/// stack as `core` has to count on (llvm/llvm-project#169190; `tests/targets/examples/arguments.rs`
/// in the repository is a small program that shows it).
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
///
/// What another crate serialises goes into a buffer of yours first: pass `&buffer[..len]`.
#[diagnostic::on_unimplemented(
    note = "bytes and text are borrowed: `&payload`",
    note = "what can be displayed is text: `format_args!(\"{{payload}}\")`"
)]
pub trait Payload: sealed::Put {}

/// Bytes, or text.
impl<T: AsRef<[u8]> + ?Sized> Payload for &T {}

impl Payload for Announced {}

/// Text, written in place.
impl Payload for fmt::Arguments<'_> {}

/// The length of a payload that does not go through the writer, in bytes: a large one, one
/// that is sent by DMA, or one that is a WebSocket message of its own. Only the header is
/// written. Send that many bytes right after it, before anything that is written later
/// ([rule 4.5](crate::protocol#rule-4-5)).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Announced(pub u32);

pub(crate) use sealed::{Form, Plain, Put};

mod sealed {
    use super::{Header, Name, Session, WriteError, Writer};

    pub trait Put {
        type Form: Form;

        fn form(self) -> Self::Form;
    }

    pub trait Form {
        /// Writes a message with this payload. The size in `header` is ignored.
        fn send<const OUT: usize, const IN: usize>(
            self,
            session: &mut Session<OUT, IN>,
            writer: &mut Writer<'_>,
            header: Header,
            name: Name<'_>,
        ) -> Result<(), WriteError>;
    }

    /// Bytes or, if there are none, a length that is announced.
    pub struct Plain<'a> {
        pub(crate) bytes: &'a [u8],
        pub(crate) announced: u32,
    }
}

impl<'a, T: AsRef<[u8]> + ?Sized> Put for &'a T {
    type Form = Plain<'a>;

    #[inline(always)]
    fn form(self) -> Plain<'a> {
        Plain { bytes: self.as_ref(), announced: 0 }
    }
}

impl Put for Announced {
    type Form = Plain<'static>;

    #[inline(always)]
    fn form(self) -> Plain<'static> {
        Plain { bytes: &[], announced: self.0 }
    }
}

impl Put for fmt::Arguments<'_> {
    type Form = Self;

    #[inline(always)]
    fn form(self) -> Self {
        self
    }
}

impl Form for Plain<'_> {
    #[inline(always)]
    fn send<const OUT: usize, const IN: usize>(
        self,
        session: &mut Session<OUT, IN>,
        writer: &mut Writer<'_>,
        header: Header,
        name: Name<'_>,
    ) -> Result<(), WriteError> {
        let message_type = header.message_type;
        if message_type.has_name() && name.is_empty() {
            return Err(WriteError::EmptyName);
        }
        let last = match u32::try_from(self.bytes.len()) {
            Ok(0) => self.announced,
            Ok(len) => len,
            Err(_) => return Err(WriteError::PayloadTooLong { len: self.bytes.len() }),
        };
        if message_type.is_part() && last == 0 {
            return Err(WriteError::EmptyPart);
        }
        session.send(writer, &Header { last, ..header }, name, self.bytes)
    }
}

impl Form for fmt::Arguments<'_> {
    fn send<const OUT: usize, const IN: usize>(
        self,
        session: &mut Session<OUT, IN>,
        writer: &mut Writer<'_>,
        header: Header,
        name: Name<'_>,
    ) -> Result<(), WriteError> {
        let header = Header { with_version: session.flags & GREETED == 0, ..header };
        let mut payload = writer.begin_with(&header, name)?;
        payload.write_fmt(self)?;
        payload.commit()?;
        session.flags |= GREETED;
        Ok(())
    }
}

//! The values that fields of a message hold: the id of a request, a name, an error code.

use core::fmt;
use core::str::Utf8Error;

use crate::wire::text::{Text, pad, write_ascii};

/// The id of a request: four bytes that the requester chooses, and that come back with
/// every result.
///
/// Ids are bytes, not text: one peer counts in binary, another in base 36
/// ([rule 3.4](crate::protocol#rule-3-4)).
///
/// - **Which ids to use**: count with 32 bits. Two requests of yours that are open at once
///   need different ids, and the id of a stream must never come again on the same
///   connection: the process of a Go peer dies of it ([rule 7.3](crate::protocol#rule-7-3)).
///   [`from_number`](Self::from_number) makes ids that are easy to read, but only 1,679,616
///   of them.
/// - **Whose id it is**: both ends may use the same id at the same time, for two requests
///   that have nothing to do with each other. The type of a message says whose id it has
///   ([rule 7.2](crate::protocol#rule-7-2)).
///
/// ```
/// use gotalk::RequestId;
///
/// let mut counter = 0u32;
/// let mut next_id = || {
///     counter = counter.wrapping_add(1);
///     RequestId::new(counter.to_be_bytes())
/// };
/// assert_eq!(next_id(), RequestId::new([0, 0, 0, 1]));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
// Aligned, so that an id moves as one word and not as four bytes. Not on AVR and MSP430: their
// stacks are aligned to one byte and to two, LLVM does not align them further, and yet it
// counts on the alignment of what lies there and finds a field by `or` where it takes `+`
// (llvm/llvm-project#169190; tests/targets/examples/align.rs is a small program that shows it).
#[cfg_attr(not(any(target_arch = "avr", target_arch = "msp430")), repr(align(4)))]
pub struct RequestId([u8; 4]);

impl RequestId {
    /// Makes an id of four bytes. Each of them may have any value.
    pub const fn new(bytes: [u8; 4]) -> Self {
        Self(bytes)
    }

    /// The bytes as they stand on the wire.
    pub const fn as_bytes(&self) -> &[u8; 4] {
        &self.0
    }

    /// The id that reads as `number` in four base-36 digits (`0-9a-z`), as those of gotalk.js
    /// do. It is `None` from 36⁴ = 1,679,616 on, so a counter for streams cannot use it for
    /// long: see [which ids to use](Self).
    ///
    /// ```
    /// use gotalk::RequestId;
    ///
    /// assert_eq!(RequestId::from_number(1), Some(RequestId::new(*b"0001")));
    /// assert_eq!(RequestId::from_number(1_679_615), Some(RequestId::new(*b"zzzz")));
    /// assert_eq!(RequestId::from_number(1_679_616), None);
    /// ```
    pub const fn from_number(number: u32) -> Option<Self> {
        const fn digit(number: u32) -> u8 {
            match (number % 36) as u8 {
                digit @ 0..=9 => b'0' + digit,
                digit => b'a' + (digit - 10),
            }
        }
        if number >= 36 * 36 * 36 * 36 {
            return None;
        }
        Some(Self([
            digit(number / (36 * 36 * 36)),
            digit(number / (36 * 36)),
            digit(number / 36),
            digit(number),
        ]))
    }

    /// The number of which [`from_number`](Self::from_number) makes this id, or `None` if
    /// there is no such number.
    pub const fn to_number(self) -> Option<u32> {
        let mut number = 0u32;
        let mut digits = self.0.as_slice();
        while let [digit, rest @ ..] = digits {
            let value = match digit {
                b'0'..=b'9' => *digit - b'0',
                b'a'..=b'z' => *digit - b'a' + 10,
                _ => return None,
            };
            // Far from wrapping, which the compiler does not see.
            number = number.wrapping_mul(36).wrapping_add(value as u32);
            digits = rest;
        }
        Some(number)
    }
}

impl From<[u8; 4]> for RequestId {
    fn from(bytes: [u8; 4]) -> Self {
        Self(bytes)
    }
}

impl From<RequestId> for [u8; 4] {
    fn from(id: RequestId) -> Self {
        id.0
    }
}

/// The bytes as text, unprintable bytes escaped: `RequestId("0001")`.
impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestId(\"{self}\")")
    }
}

/// The bytes as text, unprintable bytes escaped: `0001`, `\x01\x00\x00\x00`.
impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        pad(f, &|out| write_ascii(&self.0, out))
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for RequestId {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "RequestId({=[u8; 4]:a})", self.0);
    }
}

/// The name of an operation or a notification. It is bytes, which most peers read as UTF-8
/// text ([rule 3.5](crate::protocol#rule-3-5)). The wire can carry 0 to
/// [`MAX_NAME_LEN`](crate::MAX_NAME_LEN) bytes. A peer may take fewer, as a
/// [`Parser`](crate::Parser) does, and answer a longer name with an error result.
///
/// Compare it with text or bytes, or match on it or on its bytes, to dispatch a request:
///
/// ```
/// use gotalk::Name;
///
/// const ECHO: Name = Name::new("echo");
/// let op = Name::from_bytes(b"echo");
/// assert_eq!(op, ECHO);
/// assert!(op == "echo" && op == b"echo");
/// match op {
///     ECHO => { /* … */ }
///     _ => { /* no such operation */ }
/// }
/// ```
///
/// A peer chooses the name, so printing escapes what could make it look like another one:
/// characters that are invisible, or that change the order of others.
///
/// ```
/// # use gotalk::Name;
/// let name = Name::new("\u{202e}gnp.exe"); // many programs show this as "exe.png"
/// assert_eq!(name.to_string(), r"\u{202e}gnp.exe");
/// assert_eq!(format!("{name:?}"), r#""\u{202e}gnp.exe""#);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Name<'a>(&'a [u8]);

impl<'a> Name<'a> {
    /// Makes a name of text. It works in a `const`, where [`From`] does not.
    pub const fn new(text: &'a str) -> Self {
        Self(text.as_bytes())
    }

    /// Makes a name of bytes, which need not be UTF-8. It works in a `const`, where [`From`]
    /// does not.
    pub const fn from_bytes(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The bytes as they stand on the wire.
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// The name as text. This checks that all its bytes are UTF-8, which the parser does not.
    ///
    /// # Errors
    ///
    /// [`Utf8Error`] if the name is not UTF-8. Such a name is legal: treat it as one that you
    /// do not know ([rule 3.5](crate::protocol#rule-3-5)).
    pub const fn to_str(self) -> Result<&'a str, Utf8Error> {
        core::str::from_utf8(self.0)
    }

    /// The length of the name, in bytes.
    pub const fn len(self) -> usize {
        self.0.len()
    }

    /// Whether the name has no bytes. A parser can read such a name, but the writer's methods
    /// refuse to send one ([rule 4.3](crate::protocol#rule-4-3)).
    pub const fn is_empty(self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> From<&'a [u8]> for Name<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }
}

impl<'a, const L: usize> From<&'a [u8; L]> for Name<'a> {
    fn from(bytes: &'a [u8; L]) -> Self {
        Self(bytes)
    }
}

impl<'a> From<&'a str> for Name<'a> {
    fn from(text: &'a str) -> Self {
        Self::new(text)
    }
}

#[cfg(feature = "alloc")]
impl<'a> From<&'a alloc::string::String> for Name<'a> {
    fn from(text: &'a alloc::string::String) -> Self {
        Self::new(text)
    }
}

/// From a `heapless::String` of any capacity, and from a `heapless::string::StringView`.
#[cfg(feature = "heapless")]
impl<'a, L, S> From<&'a heapless::string::StringInner<L, S>> for Name<'a>
where
    L: heapless::LenType,
    S: heapless::string::StringStorage + ?Sized,
{
    fn from(text: &'a heapless::string::StringInner<L, S>) -> Self {
        Self::new(text.as_str())
    }
}

impl AsRef<[u8]> for Name<'_> {
    fn as_ref(&self) -> &[u8] {
        self.0
    }
}

/// `==` with each type, on either side of it.
macro_rules! compare {
    ($([$($parameter:tt)*] $type:ty,)*) => {$(
        impl<$($parameter)*> PartialEq<$type> for Name<'_> {
            fn eq(&self, other: &$type) -> bool {
                let other: &[u8] = other.as_ref();
                self.0 == other
            }
        }

        impl<$($parameter)*> PartialEq<Name<'_>> for $type {
            fn eq(&self, other: &Name<'_>) -> bool {
                other == self
            }
        }
    )*};
}

compare! {
    [] str,
    [] &str,
    [] [u8],
    [] &[u8],
    [const L: usize] [u8; L],
    [const L: usize] &[u8; L],
}

/// The name as a quoted string. Quotes, backslashes and hidden characters are escaped, and
/// each byte that is not UTF-8 is `\xNN`. Hidden are control characters, those that set the
/// direction of text, and those that nobody sees.
impl fmt::Debug for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&Text(self.0), f)
    }
}

/// The name as text. Hidden characters are escaped as in [`Debug`](fmt::Debug); quotes and
/// backslashes are not, and U+FFFD stands for what is not UTF-8.
impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Text(self.0), f)
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Name<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        Text(self.0).format(f);
    }
}

/// Why a peer closes the connection ([section 1](crate::protocol#section-1)). Codes above 3
/// have no meaning yet, and stay as they are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ErrorCode(u32);

impl ErrorCode {
    /// 0: an abnormal condition, such as a fault of the server.
    pub const ABNORMAL: Self = Self(0);
    /// 1: the version of the protocol is not supported.
    pub const UNSUPPORTED: Self = Self(1);
    /// 2: a message is not as the grammar says.
    pub const INVALID_MESSAGE: Self = Self(2);
    /// 3: communicating took too long.
    pub const TIMEOUT: Self = Self(3);

    /// Makes a code of a number. It works in a `const`, where [`From`] does not.
    pub const fn new(code: u32) -> Self {
        Self(code)
    }

    fn meaning(self) -> Option<&'static str> {
        match self {
            Self::ABNORMAL => Some("abnormal"),
            Self::UNSUPPORTED => Some("unsupported protocol"),
            Self::INVALID_MESSAGE => Some("invalid message"),
            Self::TIMEOUT => Some("timeout"),
            _ => None,
        }
    }
}

impl From<u32> for ErrorCode {
    fn from(code: u32) -> Self {
        Self(code)
    }
}

impl From<ErrorCode> for u32 {
    fn from(code: ErrorCode) -> Self {
        code.0
    }
}

/// The number and, where it has one, its meaning: `ErrorCode(3, timeout)`.
impl fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.meaning() {
            Some(meaning) => write!(f, "ErrorCode({}, {meaning})", self.0),
            None => write!(f, "ErrorCode({})", self.0),
        }
    }
}

/// The meaning and the number: `timeout (3)`, or `code 4` where it has no meaning.
impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        pad(f, &|out| match self.meaning() {
            Some(meaning) => write!(out, "{meaning} ({})", self.0),
            None => write!(out, "code {}", self.0),
        })
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for ErrorCode {
    fn format(&self, f: defmt::Formatter<'_>) {
        match self.meaning() {
            Some(meaning) => defmt::write!(f, "ErrorCode({=u32}, {=str})", self.0, meaning),
            None => defmt::write!(f, "ErrorCode({=u32})", self.0),
        }
    }
}

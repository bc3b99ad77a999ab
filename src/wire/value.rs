//! What fields of a message hold: the id of a request, a name, the code of an error.

use core::fmt::{self, Write as _};
use core::str::Utf8Error;

/// The id of a request: four bytes of the requester's choice that come back with
/// every result (protocol, section 3, rule 4).
///
/// Ids are bytes, not text: one peer counts in binary, another in base 36. Two
/// requests that are open at once need different ones, and the id of a stream must
/// not be used a second time on the same connection.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
// It moves as one word, not as four bytes. Not where a word has two: an AVR aligns nothing,
// not even its stack, and with aligned ids it wrote other headers than it had read.
#[cfg_attr(not(target_pointer_width = "16"), repr(align(4)))]
pub struct RequestId([u8; 4]);

impl RequestId {
    /// The id with these bytes.
    pub const fn new(bytes: [u8; 4]) -> Self {
        Self(bytes)
    }

    /// The bytes as they stand on the wire.
    pub const fn as_bytes(&self) -> &[u8; 4] {
        &self.0
    }

    /// The id that reads as `number` in four base-36 digits (`0-9a-z`), the form
    /// that people and gotalk.js use; `None` from 36⁴ = 1 679 616 on.
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

    /// The number that [`from_number`](Self::from_number) makes this id of; `None`
    /// for every other id.
    pub const fn to_number(self) -> Option<u32> {
        const fn value(byte: u8) -> Option<u32> {
            match byte {
                b'0'..=b'9' => Some((byte - b'0') as u32),
                b'a'..=b'z' => Some((byte - b'a') as u32 + 10),
                _ => None,
            }
        }
        // Far from wrapping, which the compiler does not see.
        const fn join(high: u32, low: u32) -> u32 {
            high.wrapping_mul(36).wrapping_add(low)
        }
        let [a, b, c, d] = self.0;
        match (value(a), value(b), value(c), value(d)) {
            (Some(a), Some(b), Some(c), Some(d)) => Some(join(join(join(a, b), c), d)),
            _ => None,
        }
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

/// The bytes as text, each unprintable one escaped: `RequestId("0001")`.
impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestId(\"{self}\")")
    }
}

/// The bytes as text, each unprintable one escaped.
impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        escape_ascii(&self.0, f)
    }
}

/// As `<[u8]>::escape_ascii`, of which a linker does not see that it cannot panic.
fn escape_ascii(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for byte in bytes {
        for c in core::ascii::escape_default(*byte) {
            f.write_char(c.into())?;
        }
    }
    Ok(())
}

#[cfg(feature = "defmt")]
impl defmt::Format for RequestId {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "RequestId({=[u8; 4]:a})", self.0);
    }
}

/// The name of an operation or a notification: bytes that are UTF-8 as a rule, but
/// need not be (protocol, section 3, rule 5).
///
/// It compares with strings directly, which is how a dispatcher would use it:
///
/// ```
/// use gotalk::Name;
///
/// let op = Name::from(b"echo".as_slice());
/// assert!(op == "echo");
/// match op.as_bytes() {
///     b"echo" => { /* … */ }
///     _ => { /* an operation that nobody has */ }
/// }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Name<'a>(&'a [u8]);

impl<'a> Name<'a> {
    /// The bytes as they stand on the wire.
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// The name as text.
    ///
    /// # Errors
    ///
    /// Where it is not UTF-8. The check is made here, not while reading.
    pub const fn as_str(self) -> Result<&'a str, Utf8Error> {
        core::str::from_utf8(self.0)
    }

    /// The length in bytes.
    pub const fn len(self) -> usize {
        self.0.len()
    }

    /// Whether there is no byte in it. A parser can read such a name; the writer's
    /// methods refuse to send one.
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
        Self(text.as_bytes())
    }
}

impl PartialEq<str> for Name<'_> {
    fn eq(&self, other: &str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl PartialEq<&str> for Name<'_> {
    fn eq(&self, other: &&str) -> bool {
        *self == **other
    }
}

impl PartialEq<Name<'_>> for str {
    fn eq(&self, other: &Name<'_>) -> bool {
        other == self
    }
}

impl PartialEq<Name<'_>> for &str {
    fn eq(&self, other: &Name<'_>) -> bool {
        other == *self
    }
}

/// The name as a quoted string, control characters escaped, and each byte that is
/// not UTF-8 as `\xNN`.
impl fmt::Debug for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                // Not `escape_debug`: its table can panic, as far as a linker knows.
                if matches!(c, '"' | '\\') || c.is_control() {
                    write!(f, "{}", c.escape_default())?;
                } else {
                    f.write_char(c)?;
                }
            }
            escape_ascii(chunk.invalid(), f)?;
        }
        f.write_str("\"")
    }
}

/// The name as text, with U+FFFD for what is not UTF-8.
impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            f.write_str(chunk.valid())?;
            if !chunk.invalid().is_empty() {
                f.write_str("\u{fffd}")?;
            }
        }
        Ok(())
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Name<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        match self.as_str() {
            Ok(text) => defmt::write!(f, "{=str:?}", text),
            Err(_) => defmt::write!(f, "{=[u8]:a}", self.0),
        }
    }
}

/// Why a peer closes the connection (protocol, section 1). Codes above 3 have no
/// meaning yet; they are kept as they are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ErrorCode(u32);

impl ErrorCode {
    /// 0: closed by an abnormal condition.
    pub const ABNORMAL: Self = Self(0);
    /// 1: unsupported protocol version.
    pub const UNSUPPORTED: Self = Self(1);
    /// 2: invalid message.
    pub const INVALID_MESSAGE: Self = Self(2);
    /// 3: communicating took too long.
    pub const TIMEOUT: Self = Self(3);

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
        match self.meaning() {
            Some(meaning) => write!(f, "{meaning} ({})", self.0),
            None => write!(f, "code {}", self.0),
        }
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

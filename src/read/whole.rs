//! Headers that lie whole in the input: decoded at once, field by field.
//!
//! Nothing is decided here. `None` means that the header is not whole, that its name is
//! too long, or that something in it is wrong; the state machine then takes it field by
//! field and finds out which, and where.

use crate::wire::frame::MessageType;
use crate::wire::hex;
use crate::wire::value::RequestId;

/// A header, its fields as in `frame.rs`.
pub(crate) struct Header {
    pub(crate) message: MessageType,
    pub(crate) id: RequestId,
    pub(crate) name_len: u16,
    pub(crate) extra: u32,
    pub(crate) last: u32,
    /// The length of the header, in bytes.
    pub(crate) len: usize,
}

/// The header at the start of `input`, if its name has at most `capacity` bytes.
#[cfg_attr(target_pointer_width = "64", inline(always))]
pub(crate) fn header(input: &[u8], capacity: usize) -> Option<Header> {
    let (&first, mut rest) = input.split_first()?;
    let message = MessageType::from_byte(first)?;
    let mut header =
        Header { message, id: RequestId::new([0; 4]), name_len: 0, extra: 0, last: 0, len: 0 };
    if message.has_id() {
        let (id, after) = rest.split_first_chunk()?;
        header.id = RequestId::new(*id);
        rest = after;
    }
    if message.has_name() {
        let name_len = number(&mut rest, 3)? as usize;
        if name_len > capacity {
            return None;
        }
        header.name_len = name_len as u16;
        rest = rest.get(name_len..)?;
    } else if message == MessageType::RetryResult {
        header.extra = number(&mut rest, 8)?;
    } else if message == MessageType::Heartbeat {
        header.extra = number(&mut rest, 4)?;
    }
    header.last = number(&mut rest, 8)?;
    header.len = input.len().wrapping_sub(rest.len());
    Some(header)
}

#[cfg_attr(target_pointer_width = "64", inline(always))]
fn number(rest: &mut &[u8], width: usize) -> Option<u32> {
    let (digits, after) = rest.split_at_checked(width)?;
    *rest = after;
    hex::decode(digits)
}

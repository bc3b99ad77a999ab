//! Headers that lie whole in the input: decoded at once, field by field.
//!
//! Nothing is decided here. `None` means that the header is not whole, that its name is
//! too long, or that something in it is wrong; the state machine then takes it field by
//! field and finds out which, and where.

use crate::LARGE;
use crate::wire::frame::Header;
use crate::wire::hex;
use crate::wire::message_type::MessageType;
use crate::wire::value::RequestId;

/// The header at the start of `input`, if its name has at most `capacity` bytes, and the
/// length of the header.
#[cfg_attr(target_pointer_width = "64", inline(always))]
pub(crate) fn header(input: &[u8], capacity: usize) -> Option<(Header, usize)> {
    let (&first, mut rest) = input.split_first()?;
    let message_type = MessageType::from_byte(first)?;
    // Small targets leave the rare types to the state machine, to save flash.
    if !LARGE && message_type.is_rare() {
        return None;
    }
    let mut header = Header::new(message_type);
    if message_type.has_id() {
        let (id, after) = rest.split_first_chunk()?;
        header.id = RequestId::new(*id);
        rest = after;
    }
    if message_type.has_name() {
        let name_len = number(&mut rest, 3)? as usize;
        if name_len > capacity {
            return None;
        }
        header.name_len = name_len as u16;
        rest = rest.get(name_len..)?;
    } else if LARGE {
        // Two calls, so that each knows its width when it is compiled.
        match message_type.extra_len() {
            8 => header.extra = number(&mut rest, 8)?,
            4 => header.extra = number(&mut rest, 4)?,
            _ => {}
        }
    }
    header.last = number(&mut rest, 8)?;
    Some((header, input.len().wrapping_sub(rest.len())))
}

#[cfg_attr(target_pointer_width = "64", inline(always))]
fn number(rest: &mut &[u8], width: usize) -> Option<u32> {
    let (digits, after) = rest.split_at_checked(width)?;
    *rest = after;
    hex::decode(digits)
}

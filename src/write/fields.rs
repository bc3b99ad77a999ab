//! The fields of messages, put into a buffer from front to back.
//!
//! Each of these puts something at the start of `room` and gives the rest of it. `room` is as
//! long as the message, so none of them ever gives `None`. Written in this way, no step needs a
//! check that could panic.

use crate::wire::copy::put;
use crate::wire::frame::{Header, VERSION};
use crate::wire::hex;
use crate::wire::message_type::MessageType;
use crate::wire::value::{Name, RequestId};

#[inline(always)]
pub(crate) fn put_named(
    room: &mut [u8],
    message_type: MessageType,
    id: RequestId,
    name: Name<'_>,
    size: u32,
    payload: &[u8],
) -> Option<()> {
    let room = put_array(room, [message_type.byte()])?;
    let id = *id.as_bytes();
    let room = if message_type.has_id() { put_array(room, id)? } else { room };
    put(put_number(put_name(room, name)?, size)?, payload)?;
    Some(())
}

#[inline(always)]
pub(crate) fn put_id_and_payload(
    room: &mut [u8],
    message_type: MessageType,
    id: RequestId,
    size: u32,
    payload: &[u8],
) -> Option<()> {
    let room = put_array(room, [message_type.byte()])?;
    let room = put_array(room, *id.as_bytes())?;
    put(put_number(room, size)?, payload)?;
    Some(())
}

#[inline(always)]
pub(crate) fn put_message(
    room: &mut [u8],
    header: &Header,
    name: Name<'_>,
    payload: &[u8],
) -> Option<()> {
    let room = if header.with_version { put_version(room)? } else { room };
    put(put_header(room, header, name)?, payload)?;
    Some(())
}

/// Puts the version that stands before the first message.
#[inline(always)]
pub(crate) fn put_version(room: &mut [u8]) -> Option<&mut [u8]> {
    put_array(room, [b'0', b'0' + VERSION])
}

/// Puts a header of any type.
#[inline(always)]
pub(crate) fn put_header<'r>(
    room: &'r mut [u8],
    header: &Header,
    name: Name<'_>,
) -> Option<&'r mut [u8]> {
    let Header { message_type, id, extra, last, .. } = *header;
    let room = put_array(room, [message_type.byte()])?;
    let id = *id.as_bytes();
    let room = if message_type.has_id() { put_array(room, id)? } else { room };
    let room = match message_type {
        MessageType::RetryResult => put_number(room, extra)?,
        MessageType::Heartbeat => put_array(room, hex::encode(extra as u16))?,
        _ if message_type.has_name() => put_name(room, name)?,
        _ => room,
    };
    put_number(room, last)
}

#[inline(always)]
fn put_name<'r>(room: &'r mut [u8], name: Name<'_>) -> Option<&'r mut [u8]> {
    let [_, a, b, c] = hex::encode(name.len() as u16);
    put(put_array(room, [a, b, c])?, name.as_bytes())
}

/// Puts the eight digits of `number`.
#[inline(always)]
pub(crate) fn put_number(room: &mut [u8], number: u32) -> Option<&mut [u8]> {
    let room = put_array(room, hex::encode((number >> 16) as u16))?;
    put_array(room, hex::encode(number as u16))
}

#[inline(always)]
pub(crate) fn put_array<const W: usize>(room: &mut [u8], bytes: [u8; W]) -> Option<&mut [u8]> {
    let (slots, rest) = room.split_first_chunk_mut()?;
    *slots = bytes;
    Some(rest)
}

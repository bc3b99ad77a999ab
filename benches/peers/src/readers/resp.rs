//! A RESP command with redis-protocol: an array whose first string is the type's
//! letter and the id, then the name, the wait, load and time as integers, and the
//! payload, each where the message has it.
//!
//! Read by `decode_range`, the crate's way without copies and reference counts;
//! each array still costs it an allocation. Written from borrowed frames.

use redis_protocol::resp2::decode::decode_range;
use redis_protocol::resp2::encode::encode_borrowed;
use redis_protocol::resp2::types::{BorrowedFrame, RangeFrame};

use crate::contest::{Consumer, Head, Reader, Refused, Window, Writer};
use crate::support::conversation::Message;

pub(crate) struct Resp;

impl Reader for Resp {
    const NAME: &'static str = "redis-protocol, RESP2";

    type Input = Vec<u8>;
    fn prepare(wire: &[u8]) -> Vec<u8> {
        wire.to_vec()
    }

    fn whole<C: Consumer>(input: &mut Vec<u8>, consumer: &mut C) -> Result<(), Refused> {
        let used = commands(input, consumer)?;
        if used == input.len() { Ok(()) } else { Err(Refused) }
    }

    fn pieces<C: Consumer>(wire: &[u8], size: usize, consumer: &mut C) -> Result<(), Refused> {
        let mut window = Window::new();
        for piece in wire.chunks(size) {
            window.fill(piece);
            let used = commands(window.data(), consumer)?;
            window.consume(used);
        }
        if window.data().is_empty() { Ok(()) } else { Err(Refused) }
    }
}

#[inline]
fn commands<C: Consumer>(bytes: &[u8], consumer: &mut C) -> Result<usize, Refused> {
    let mut rest = bytes;
    while let Some((RangeFrame::Array(parts), used)) = decode_range(rest).map_err(|_| Refused)? {
        let (head, payload) = fields(rest, &parts).ok_or(Refused)?;
        consumer.head(head);
        consumer.payload(payload);
        rest = rest.get(used..).ok_or(Refused)?;
    }
    Ok(bytes.len() - rest.len())
}

#[inline]
fn fields<'b>(bytes: &'b [u8], parts: &[RangeFrame]) -> Option<(Head<'b>, &'b [u8])> {
    let string = |part: &RangeFrame| match part {
        RangeFrame::BulkString((from, to)) => bytes.get(*from..*to),
        _ => None,
    };
    let (first, parts) = parts.split_first()?;
    let (&letter, id) = string(first)?.split_first()?;
    let id = id.try_into().unwrap_or([0; 4]);
    Some(match (letter, parts) {
        (b'r' | b's' | b'n', [name, payload]) => {
            (Head { name: string(name)?, ..Head::new(letter, id) }, string(payload)?)
        }
        (b'p' | b'R' | b'S' | b'E', [payload]) => (Head::new(letter, id), string(payload)?),
        (b'e', [RangeFrame::Integer(wait), payload]) => {
            (Head { number: (*wait).try_into().ok()?, ..Head::new(letter, id) }, string(payload)?)
        }
        (b'h', [RangeFrame::Integer(load), RangeFrame::Integer(time)]) => {
            let (load, number) = ((*load).try_into().ok()?, (*time).try_into().ok()?);
            (Head { load, number, ..Head::new(letter, id) }, &[])
        }
        _ => return None,
    })
}

impl Writer for Resp {
    const NAME: &'static str = "redis-protocol, RESP2";

    type Output = (Vec<u8>, usize);
    fn output(room: usize) -> Self::Output {
        (vec![0; room], 0)
    }

    fn write(messages: &[Message], (buffer, len): &mut Self::Output) {
        *len = 0;
        for message in messages {
            let [i, d, e, x] = message.id;
            let first = [message.letter, i, d, e, x];
            let (letter, with_id) =
                (BorrowedFrame::BulkString(&first[..1]), BorrowedFrame::BulkString(&first));
            let name = BorrowedFrame::BulkString(&message.name);
            let payload = BorrowedFrame::BulkString(&message.payload);
            let number = BorrowedFrame::Integer(message.number.into());
            let mut put = |parts: &[BorrowedFrame<'_>]| {
                let command = BorrowedFrame::Array(parts);
                *len += encode_borrowed(&mut buffer[*len..], &command, false).unwrap();
            };
            match message.letter {
                b'r' => put(&[with_id, name, payload]),
                b'n' => put(&[letter, name, payload]),
                b'e' => put(&[with_id, number, payload]),
                b'h' => put(&[letter, BorrowedFrame::Integer(message.load.into()), number]),
                _ => put(&[with_id, payload]),
            }
        }
    }

    fn written((buffer, len): &Self::Output) -> &[u8] {
        &buffer[..*len]
    }
}

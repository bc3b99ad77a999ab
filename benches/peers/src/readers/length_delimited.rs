//! A binary frame behind a length of four bytes, by tokio-util. Inside, the type's
//! letter, then the fields in Gotalk's order, numbers big-endian, a name behind one
//! byte of length, the payload to the end.
//!
//! Twice: by the codec that tokio-util has ready for such frames, and by a codec of
//! our own on its traits, which splits length and frame off in one step and writes
//! without putting the frame together first. Both give frames that are slices of the
//! buffer. They are called directly: no runtime, no polling.

use std::io;
use std::marker::PhantomData;

use bytes::{Buf, BufMut, BytesMut};
use tokio_util::codec::{Decoder, Encoder, LengthDelimitedCodec};

use crate::contest::{Consumer, Head, Reader, Refused, Writer};
use crate::support::conversation::Message;

pub(crate) trait Codec: Decoder<Item = BytesMut, Error = io::Error> + Default {
    const NAME: &'static str;
    /// Appends a message; `scratch` is for a codec that needs the frame on its own.
    fn append(&mut self, message: &Message, output: &mut BytesMut, scratch: &mut Vec<u8>);
}

impl Codec for LengthDelimitedCodec {
    const NAME: &'static str = "tokio-util, its codec";

    #[inline]
    fn append(&mut self, message: &Message, output: &mut BytesMut, scratch: &mut Vec<u8>) {
        scratch.clear();
        put(scratch, message);
        self.encode(scratch.as_slice(), output).unwrap();
    }
}

#[derive(Default)]
pub(crate) struct OwnCodec;

impl Decoder for OwnCodec {
    type Item = BytesMut;
    type Error = io::Error;

    #[inline]
    fn decode(&mut self, buffer: &mut BytesMut) -> io::Result<Option<BytesMut>> {
        const LARGEST: usize = 8 << 20;
        let Some((len, rest)) = buffer.split_first_chunk() else { return Ok(None) };
        let len = u32::from_be_bytes(*len) as usize;
        if len > LARGEST {
            return Err(io::ErrorKind::InvalidData.into());
        }
        if rest.len() < len {
            buffer.reserve(4 + len - buffer.len());
            return Ok(None);
        }
        let mut frame = buffer.split_to(4 + len);
        frame.advance(4);
        Ok(Some(frame))
    }
}

impl Encoder<&Message> for OwnCodec {
    type Error = io::Error;

    #[inline]
    fn encode(&mut self, message: &Message, output: &mut BytesMut) -> io::Result<()> {
        let fields = match message.letter {
            b'r' => 4 + 1 + message.name.len(),
            b'n' => 1 + message.name.len(),
            b'e' => 4 + 4,
            b'h' => 2 + 4,
            _ => 4,
        };
        let len = 1 + fields + message.payload.len();
        output.reserve(4 + len);
        output.put_u32(len as u32);
        put(output, message);
        Ok(())
    }
}

impl Codec for OwnCodec {
    const NAME: &'static str = "tokio-util, own codec";

    #[inline]
    fn append(&mut self, message: &Message, output: &mut BytesMut, _scratch: &mut Vec<u8>) {
        self.encode(message, output).unwrap();
    }
}

pub(crate) struct LengthDelimited<C>(PhantomData<C>);

impl<D: Codec> Reader for LengthDelimited<D> {
    const NAME: &'static str = D::NAME;

    type Input = BytesMut;
    fn prepare(wire: &[u8]) -> BytesMut {
        wire.into()
    }

    fn whole<C: Consumer>(input: &mut BytesMut, consumer: &mut C) -> Result<(), Refused> {
        frames(&mut D::default(), input, consumer)?;
        if input.is_empty() { Ok(()) } else { Err(Refused) }
    }

    fn pieces<C: Consumer>(wire: &[u8], size: usize, consumer: &mut C) -> Result<(), Refused> {
        let mut codec = D::default();
        let mut buffer = BytesMut::with_capacity(1 << 13);
        for piece in wire.chunks(size) {
            buffer.extend_from_slice(piece);
            frames(&mut codec, &mut buffer, consumer)?;
        }
        if buffer.is_empty() { Ok(()) } else { Err(Refused) }
    }
}

#[inline]
fn frames<D: Codec, C: Consumer>(
    codec: &mut D,
    buffer: &mut BytesMut,
    consumer: &mut C,
) -> Result<(), Refused> {
    while let Some(frame) = codec.decode(buffer).map_err(|_| Refused)? {
        let (head, payload) = fields(&frame).ok_or(Refused)?;
        consumer.head(head);
        consumer.payload(payload);
    }
    Ok(())
}

#[inline]
fn fields(frame: &[u8]) -> Option<(Head<'_>, &[u8])> {
    let (&letter, rest) = frame.split_first()?;
    Some(match letter {
        b'r' | b's' => {
            let (id, rest) = rest.split_first_chunk()?;
            let (name, payload) = name(rest)?;
            (Head { name, ..Head::new(letter, *id) }, payload)
        }
        b'p' | b'R' | b'S' | b'E' => {
            let (id, payload) = rest.split_first_chunk()?;
            (Head::new(letter, *id), payload)
        }
        b'e' => {
            let (id, rest) = rest.split_first_chunk()?;
            let (wait, payload) = rest.split_first_chunk()?;
            (Head { number: u32::from_be_bytes(*wait), ..Head::new(letter, *id) }, payload)
        }
        b'n' => {
            let (name, payload) = name(rest)?;
            (Head { name, ..Head::new(letter, [0; 4]) }, payload)
        }
        b'h' => {
            let (load, time) = rest.split_first_chunk()?;
            let number = u32::from_be_bytes(time.try_into().ok()?);
            let load = u16::from_be_bytes(*load);
            (Head { load, number, ..Head::new(letter, [0; 4]) }, &[])
        }
        _ => return None,
    })
}

#[inline]
fn name(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&len, rest) = rest.split_first()?;
    rest.split_at_checked(len.into())
}

impl<D: Codec> Writer for LengthDelimited<D> {
    const NAME: &'static str = D::NAME;

    type Output = (BytesMut, Vec<u8>);
    fn output(room: usize) -> Self::Output {
        (BytesMut::with_capacity(room), Vec::with_capacity(1 << 10))
    }

    fn write(messages: &[Message], (output, scratch): &mut Self::Output) {
        let mut codec = D::default();
        output.clear();
        for message in messages {
            codec.append(message, output, scratch);
        }
    }

    fn written((output, _): &Self::Output) -> &[u8] {
        output
    }
}

#[inline]
fn put(frame: &mut impl BufMut, message: &Message) {
    frame.put_u8(message.letter);
    if !matches!(message.letter, b'n' | b'h') {
        frame.put_slice(&message.id);
    }
    match message.letter {
        b'r' | b'n' => {
            frame.put_u8(message.name.len() as u8);
            frame.put_slice(&message.name);
        }
        b'e' => frame.put_u32(message.number),
        b'h' => {
            frame.put_u16(message.load);
            frame.put_u32(message.number);
        }
        _ => {}
    }
    frame.put_slice(&message.payload);
}

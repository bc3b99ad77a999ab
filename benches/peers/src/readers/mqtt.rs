//! MQTT 3.1.1 PUBLISH at QoS 0 with mqttbytes: the topic is the type's letter and
//! the name, and what MQTT has no field for (id, wait, load, time) stands before the
//! payload, big-endian.
//!
//! mqttbytes copies every topic into a `String`, checks that it is UTF-8, and gives
//! the payload as a slice of the buffer; it has no form that borrows.

use bytes::{BufMut, BytesMut};
use mqttbytes::v4::{Packet, Publish, read};
use mqttbytes::{Error, QoS};

use crate::contest::{Consumer, Head, Reader, Refused, Writer};
use crate::support::conversation::Message;

const LARGEST: usize = 1 << 16;

pub(crate) struct Mqtt;

impl Reader for Mqtt {
    const NAME: &'static str = "mqttbytes, PUBLISH";

    type Input = BytesMut;
    fn prepare(wire: &[u8]) -> BytesMut {
        wire.into()
    }

    fn whole<C: Consumer>(input: &mut BytesMut, consumer: &mut C) -> Result<(), Refused> {
        packets(input, consumer)?;
        if input.is_empty() { Ok(()) } else { Err(Refused) }
    }

    fn pieces<C: Consumer>(wire: &[u8], size: usize, consumer: &mut C) -> Result<(), Refused> {
        let mut buffer = BytesMut::with_capacity(1 << 13);
        for piece in wire.chunks(size) {
            buffer.extend_from_slice(piece);
            packets(&mut buffer, consumer)?;
        }
        if buffer.is_empty() { Ok(()) } else { Err(Refused) }
    }
}

#[inline]
fn packets<C: Consumer>(buffer: &mut BytesMut, consumer: &mut C) -> Result<(), Refused> {
    loop {
        match read(buffer, LARGEST) {
            Ok(Packet::Publish(packet)) => {
                let (head, payload) = fields(&packet).ok_or(Refused)?;
                consumer.head(head);
                consumer.payload(payload);
            }
            Err(Error::InsufficientBytes(_)) => return Ok(()),
            _ => return Err(Refused),
        }
    }
}

#[inline]
fn fields(packet: &Publish) -> Option<(Head<'_>, &[u8])> {
    let (&letter, name) = packet.topic.as_bytes().split_first()?;
    let body = packet.payload.as_ref();
    Some(match letter {
        b'n' => (Head { name, ..Head::new(letter, [0; 4]) }, body),
        b'h' => {
            let (load, time) = body.split_first_chunk()?;
            let number = u32::from_be_bytes(time.try_into().ok()?);
            let load = u16::from_be_bytes(*load);
            (Head { load, number, ..Head::new(letter, [0; 4]) }, &[])
        }
        b'r' | b's' | b'p' | b'R' | b'S' | b'E' => {
            let (id, payload) = body.split_first_chunk()?;
            (Head { name, ..Head::new(letter, *id) }, payload)
        }
        b'e' => {
            let (id, body) = body.split_first_chunk()?;
            let (wait, payload) = body.split_first_chunk()?;
            (Head { number: u32::from_be_bytes(*wait), ..Head::new(letter, *id) }, payload)
        }
        _ => return None,
    })
}

impl Writer for Mqtt {
    const NAME: &'static str = "mqttbytes, PUBLISH";

    /// What goes out, and where payloads are put together.
    type Output = (BytesMut, BytesMut);
    fn output(room: usize) -> Self::Output {
        (BytesMut::with_capacity(room), BytesMut::with_capacity(1 << 13))
    }

    fn write(messages: &[Message], (output, bodies): &mut Self::Output) {
        output.clear();
        // One packet for all: its topic keeps its room, and the payload's room is
        // taken back when the last packet that used it is gone.
        let mut packet =
            Publish::from_bytes(String::with_capacity(64), QoS::AtMostOnce, [].as_slice().into());
        for message in messages {
            packet.topic.clear();
            packet.topic.push(message.letter.into());
            packet.topic.push_str(std::str::from_utf8(&message.name).unwrap());
            packet.payload.clear();
            bodies.reserve(16 + message.payload.len());
            if !matches!(message.letter, b'n' | b'h') {
                bodies.put_slice(&message.id);
            }
            match message.letter {
                b'e' => bodies.put_u32(message.number),
                b'h' => {
                    bodies.put_u16(message.load);
                    bodies.put_u32(message.number);
                }
                _ => {}
            }
            bodies.put_slice(&message.payload);
            packet.payload = bodies.split().freeze();
            packet.write(output).unwrap();
        }
    }

    fn written((output, _): &Self::Output) -> &[u8] {
        output
    }
}

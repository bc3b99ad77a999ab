//! gotalk: the parser, as its documentation shows it, and the assembler, which hands
//! out whole messages as all the others do.

use gotalk::{Assembler, Event, Frame, Item, Parser, RequestId};

use crate::contest::{Consumer, Head, Reader, Refused, Writer};
use crate::support::conversation::Message;

pub(crate) struct Events;

impl Reader for Events {
    const NAME: &'static str = "gotalk parser";

    type Input = Vec<u8>;
    fn prepare(wire: &[u8]) -> Vec<u8> {
        wire.to_vec()
    }

    fn whole<C: Consumer>(input: &mut Vec<u8>, consumer: &mut C) -> Result<(), Refused> {
        let mut parser = Parser::<64>::new();
        feed(&mut parser, input, consumer)?;
        parser.finish().map_err(|_| Refused)
    }

    fn pieces<C: Consumer>(wire: &[u8], size: usize, consumer: &mut C) -> Result<(), Refused> {
        let mut parser = Parser::<64>::new();
        let mut buffer = vec![0; size];
        for piece in wire.chunks(size) {
            let read = &mut buffer[..piece.len()];
            read.copy_from_slice(piece);
            feed(&mut parser, read, consumer)?;
        }
        parser.finish().map_err(|_| Refused)
    }
}

#[inline]
fn feed<C: Consumer>(parser: &mut Parser, bytes: &[u8], consumer: &mut C) -> Result<(), Refused> {
    let mut events = parser.feed(bytes);
    while let Some(event) = events.next() {
        match event {
            Ok(Event::Frame(frame)) => consumer.head(head(frame)),
            Ok(Event::Payload { data, .. }) => consumer.payload(data),
            Ok(Event::Version(_)) => {}
            Ok(Event::NameTooLong { .. }) | Err(_) => return Err(Refused),
        }
    }
    Ok(())
}

/// `P` and `N`: the longest payload and name.
pub(crate) struct Assembled<const P: usize, const N: usize>;

impl<const P: usize, const N: usize> Reader for Assembled<P, N> {
    const NAME: &'static str = "gotalk assembler";

    type Input = Vec<u8>;
    fn prepare(wire: &[u8]) -> Vec<u8> {
        wire.to_vec()
    }

    fn whole<C: Consumer>(input: &mut Vec<u8>, consumer: &mut C) -> Result<(), Refused> {
        let mut assembler = Assembler::<P, N>::new();
        assemble(&mut assembler, input, consumer)?;
        assembler.finish().map_err(|_| Refused)
    }

    fn pieces<C: Consumer>(wire: &[u8], size: usize, consumer: &mut C) -> Result<(), Refused> {
        let mut assembler = Assembler::<P, N>::new();
        let mut buffer = vec![0; size];
        for piece in wire.chunks(size) {
            let read = &mut buffer[..piece.len()];
            read.copy_from_slice(piece);
            assemble(&mut assembler, read, consumer)?;
        }
        assembler.finish().map_err(|_| Refused)
    }
}

#[inline]
fn assemble<const P: usize, const N: usize, C: Consumer>(
    assembler: &mut Assembler<P, N>,
    bytes: &[u8],
    consumer: &mut C,
) -> Result<(), Refused> {
    let mut items = assembler.feed(bytes);
    while let Some(item) = items.next() {
        match item {
            Ok(Item::Message(message)) => {
                consumer.head(head(message.frame));
                consumer.payload(message.payload);
            }
            Ok(Item::Version(_)) => {}
            Ok(Item::NameTooLong { .. } | Item::PayloadTooLong(_)) | Err(_) => return Err(Refused),
        }
    }
    Ok(())
}

#[inline]
fn head(frame: Frame<'_>) -> Head<'_> {
    let letter = frame.message_type().as_byte();
    match frame {
        Frame::SingleRequest { id, op, .. } | Frame::StreamRequest { id, op, .. } => {
            Head { name: op.as_bytes(), ..Head::new(letter, id.into()) }
        }
        Frame::StreamRequestPart { id, .. }
        | Frame::SingleResult { id, .. }
        | Frame::StreamResult { id, .. }
        | Frame::ErrorResult { id, .. } => Head::new(letter, id.into()),
        Frame::RetryResult { id, wait_ms, .. } => {
            Head { number: wait_ms, ..Head::new(letter, id.into()) }
        }
        Frame::Notification { name, .. } => {
            Head { name: name.as_bytes(), ..Head::new(letter, [0; 4]) }
        }
        Frame::Heartbeat { load, time } => Head { load, number: time, ..Head::new(letter, [0; 4]) },
        Frame::ProtocolError { code } => Head { number: code.into(), ..Head::new(letter, [0; 4]) },
    }
}

impl Writer for Events {
    const NAME: &'static str = "gotalk writer";

    type Output = (Vec<u8>, usize);
    fn output(room: usize) -> Self::Output {
        (vec![0; room], 0)
    }

    fn write(messages: &[Message], (buffer, len): &mut Self::Output) {
        let mut writer = gotalk::Writer::new(buffer);
        writer.version().unwrap();
        for message in messages {
            let id = RequestId::new(message.id);
            let (name, payload) = (message.name.as_slice(), message.payload.as_slice());
            match message.letter {
                b'r' => writer.single_request(id, name, payload),
                b'R' => writer.single_result(id, payload),
                b'n' => writer.notification(name, payload),
                b'E' => writer.error_result(id, payload),
                b'e' => writer.retry_result(id, message.number, payload),
                b'h' => writer.heartbeat(message.load, message.number),
                _ => unreachable!("not in the mixed conversation"),
            }
            .unwrap();
        }
        *len = writer.len();
    }

    fn written((buffer, len): &Self::Output) -> &[u8] {
        &buffer[..*len]
    }
}

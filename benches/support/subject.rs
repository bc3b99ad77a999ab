//! The codec as its documentation recommends to use it, with the consumer that the
//! limits have.

#![allow(dead_code, unreachable_pub, reason = "each benchmark uses a part of it")]

use gotalk::{Assembler, ErrorCode, Event, Frame, Item, Message, Parser, RequestId, Writer};

use crate::support::Sums;
use crate::support::conversation::Message as Plain;

impl Sums {
    #[inline]
    fn header(&mut self, frame: &Frame<'_>) {
        match frame {
            Frame::Heartbeat { load, .. } => self.loads += u64::from(*load),
            _ => self.names += frame.name().map_or(0, |name| name.len() as u64),
        }
    }
}

/// Feeds a piece to a parser and adds up what comes.
#[inline]
fn feed<const N: usize>(parser: &mut Parser<N>, piece: &[u8], sums: &mut Sums) {
    let mut events = parser.feed(piece);
    while let Some(event) = events.next() {
        match event {
            Ok(Event::Frame(frame)) => sums.header(&frame),
            Ok(Event::Payload { data, .. }) => sums.payloads += data.len() as u64,
            Ok(_) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// Reads a conversation that lies whole in memory.
pub fn parse(wire: &[u8]) -> Sums {
    let mut sums = Sums::default();
    feed(&mut Parser::<64>::new(), wire, &mut sums);
    sums
}

/// Reads a conversation in pieces of `len` bytes, with names of up to `N`. Each piece
/// is fed behind a call, as the counting reader is.
pub fn parse_pieces<const N: usize>(wire: &[u8], len: usize) -> Sums {
    #[inline(never)]
    fn feed_piece<const N: usize>(parser: &mut Parser<N>, piece: &[u8], sums: &mut Sums) {
        feed(parser, piece, sums);
    }
    let mut sums = Sums::default();
    let mut parser = Parser::<N>::new();
    for piece in wire.chunks(len) {
        feed_piece(&mut parser, piece, &mut sums);
    }
    sums
}

/// Reads whole messages, from pieces of `len` bytes.
pub fn assemble<const P: usize>(wire: &[u8], len: usize) -> Sums {
    let mut sums = Sums::default();
    let mut assembler = Assembler::<P>::new();
    for piece in wire.chunks(len) {
        let mut items = assembler.feed(piece);
        while let Some(item) = items.next() {
            match item {
                Ok(Item::Message(Message { frame, payload })) => {
                    sums.header(&frame);
                    sums.payloads += payload.len() as u64;
                }
                Ok(_) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }
    sums
}

/// Writes a message by the method that is named after it.
#[inline]
pub fn write_by_method(writer: &mut Writer<'_>, message: &Plain) {
    let id = RequestId::new(message.id);
    let (name, payload) = (message.name.as_slice(), message.payload.as_slice());
    let written = match message.letter {
        b'r' => writer.single_request(id, name, payload),
        b's' => writer.stream_request(id, name, payload),
        b'p' => writer.stream_request_part(id, payload),
        b'R' => writer.single_result(id, payload),
        b'S' => writer.stream_result(id, payload),
        b'E' => writer.error_result(id, payload),
        b'e' => writer.retry_result(id, message.number, payload),
        b'n' => writer.notification(name, payload),
        b'h' => writer.heartbeat(message.load, message.number),
        _ => writer.protocol_error(message.number.into()),
    };
    if let Err(error) = written {
        panic!("{error}");
    }
}

/// Writes all messages into `buffer` and gives the number of bytes.
pub fn write_all(messages: &[Plain], buffer: &mut [u8]) -> usize {
    let mut writer = Writer::new(buffer);
    for message in messages {
        write_by_method(&mut writer, message);
    }
    writer.len()
}

/// Writes frames that are at hand, with their payloads, as a proxy would.
pub fn write_frames(frames: &[(Frame<'_>, &[u8])], buffer: &mut [u8]) -> usize {
    let mut writer = Writer::new(buffer);
    for (frame, payload) in frames {
        if let Err(error) = writer.message(Message { frame: *frame, payload }) {
            panic!("{error}");
        }
    }
    writer.len()
}

/// The messages as frames with payloads.
pub fn frames(messages: &[Plain]) -> Vec<(Frame<'_>, &[u8])> {
    messages.iter().map(|message| (frame(message), message.payload.as_slice())).collect()
}

/// The message as a frame.
fn frame(message: &Plain) -> Frame<'_> {
    let id = RequestId::new(message.id);
    let (name, payload_len) = (message.name.as_slice().into(), message.payload.len() as u32);
    match message.letter {
        b'r' => Frame::SingleRequest { id, op: name, payload_len },
        b's' => Frame::StreamRequest { id, op: name, payload_len },
        b'p' => Frame::StreamRequestPart { id, payload_len },
        b'R' => Frame::SingleResult { id, payload_len },
        b'S' => Frame::StreamResult { id, payload_len },
        b'E' => Frame::ErrorResult { id, payload_len },
        b'e' => Frame::RetryResult { id, wait_ms: message.number, payload_len },
        b'n' => Frame::Notification { name, payload_len },
        b'h' => Frame::Heartbeat { load: message.load, time: message.number },
        _ => Frame::ProtocolError { code: ErrorCode::from(message.number) },
    }
}

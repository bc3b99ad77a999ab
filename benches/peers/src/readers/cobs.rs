//! A COBS frame with postcard: an enum whose names and payloads are borrowed, ended
//! by a zero byte.
//!
//! Read in place, which overwrites the input, by `take_from_bytes_cobs`, up to the
//! last zero byte of what has come. (The crate's accumulator, which its documentation
//! has for pieces, was slower by a third.)

use memchr::memrchr;
use postcard::{take_from_bytes_cobs, to_slice_cobs};
use serde::{Deserialize, Serialize};

use crate::contest::{Consumer, Head, Reader, Refused, Window, Writer};
use crate::support::conversation::Message;

#[derive(Serialize, Deserialize)]
enum Wire<'a> {
    Request {
        id: [u8; 4],
        #[serde(borrow, with = "serde_bytes")]
        name: &'a [u8],
        #[serde(borrow, with = "serde_bytes")]
        payload: &'a [u8],
    },
    Result {
        id: [u8; 4],
        #[serde(borrow, with = "serde_bytes")]
        payload: &'a [u8],
    },
    Error {
        id: [u8; 4],
        #[serde(borrow, with = "serde_bytes")]
        payload: &'a [u8],
    },
    Retry {
        id: [u8; 4],
        wait: u32,
        #[serde(borrow, with = "serde_bytes")]
        payload: &'a [u8],
    },
    Notification {
        #[serde(borrow, with = "serde_bytes")]
        name: &'a [u8],
        #[serde(borrow, with = "serde_bytes")]
        payload: &'a [u8],
    },
    Heartbeat {
        load: u16,
        time: u32,
    },
}

pub(crate) struct Cobs;

impl Reader for Cobs {
    const NAME: &'static str = "postcard, COBS";

    type Input = Vec<u8>;
    fn prepare(wire: &[u8]) -> Vec<u8> {
        wire.to_vec()
    }

    fn whole<C: Consumer>(input: &mut Vec<u8>, consumer: &mut C) -> Result<(), Refused> {
        frames(input, consumer)
    }

    fn pieces<C: Consumer>(wire: &[u8], size: usize, consumer: &mut C) -> Result<(), Refused> {
        let mut window = Window::new();
        for piece in wire.chunks(size) {
            window.fill(piece);
            if let Some(last) = memrchr(0, window.data()) {
                frames(&mut window.data_mut()[..=last], consumer)?;
                window.consume(last + 1);
            }
        }
        if window.data().is_empty() { Ok(()) } else { Err(Refused) }
    }
}

/// Reads frames, all of them complete.
#[inline]
fn frames<C: Consumer>(mut rest: &mut [u8], consumer: &mut C) -> Result<(), Refused> {
    while !rest.is_empty() {
        let (wire, behind) = take_from_bytes_cobs(rest).map_err(|_| Refused)?;
        hand_out(&wire, consumer);
        rest = behind;
    }
    Ok(())
}

#[inline]
fn hand_out<C: Consumer>(wire: &Wire<'_>, consumer: &mut C) {
    let (head, payload): (_, &[u8]) = match *wire {
        Wire::Request { id, name, payload } => (Head { name, ..Head::new(b'r', id) }, payload),
        Wire::Result { id, payload } => (Head::new(b'R', id), payload),
        Wire::Error { id, payload } => (Head::new(b'E', id), payload),
        Wire::Retry { id, wait, payload } => {
            (Head { number: wait, ..Head::new(b'e', id) }, payload)
        }
        Wire::Notification { name, payload } => (Head { name, ..Head::new(b'n', [0; 4]) }, payload),
        Wire::Heartbeat { load, time } => {
            (Head { load, number: time, ..Head::new(b'h', [0; 4]) }, &[])
        }
    };
    consumer.head(head);
    consumer.payload(payload);
}

impl Writer for Cobs {
    const NAME: &'static str = "postcard, COBS";

    type Output = (Vec<u8>, usize);
    fn output(room: usize) -> Self::Output {
        (vec![0; room], 0)
    }

    fn write(messages: &[Message], (buffer, len): &mut Self::Output) {
        *len = 0;
        for message in messages {
            let id = message.id;
            let (name, payload) = (message.name.as_slice(), message.payload.as_slice());
            let wire = match message.letter {
                b'r' => Wire::Request { id, name, payload },
                b'R' => Wire::Result { id, payload },
                b'E' => Wire::Error { id, payload },
                b'e' => Wire::Retry { id, wait: message.number, payload },
                b'n' => Wire::Notification { name, payload },
                b'h' => Wire::Heartbeat { load: message.load, time: message.number },
                _ => unreachable!("not in the mixed conversation"),
            };
            *len += to_slice_cobs(&wire, &mut buffer[*len..]).unwrap().len();
        }
    }

    fn written((buffer, len): &Self::Output) -> &[u8] {
        &buffer[..*len]
    }
}

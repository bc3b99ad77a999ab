//! The send buffer against a model of it: a vector of the bytes that are unsent.

mod support;

use gotalk::{ErrorCode, Frame, Message, RequestId, SendBuffer, WriteError, Writer};
use support::drive;
use support::generate::{self, Rng};
use support::oracle;

const ID: RequestId = RequestId::new(*b"0001");

/// What a send buffer of a capacity holds and says.
#[derive(Clone, Default)]
struct Model {
    unsent: Vec<u8>,
    closed: bool,
}

impl Model {
    /// What a writer has to answer to a message, and what it adds.
    fn write(&mut self, message: &[u8], capacity: usize) -> Result<(), WriteError> {
        if self.closed {
            return Err(WriteError::Closed);
        }
        let (needed, available) = (message.len(), capacity - self.unsent.len());
        if needed > available {
            return Err(WriteError::BufferTooSmall { needed, available });
        }
        self.unsent.extend_from_slice(message);
        self.closed = message[0] == b'f';
        Ok(())
    }
}

#[track_caller]
fn same<const N: usize>(buffer: &SendBuffer<N>, model: &Model) {
    assert_eq!(buffer.unsent(), model.unsent);
    assert_eq!(buffer.is_empty(), model.unsent.is_empty());
    assert_eq!(buffer.len(), model.unsent.len());
    assert_eq!(buffer.available(), buffer.capacity() - model.unsent.len());
    assert_eq!(buffer.is_closed(), model.closed);
}

/// A message of any type, in its wire form, and how to write it.
fn message(rng: &mut Rng) -> (oracle::Header, Vec<u8>, Vec<u8>) {
    let kind = if rng.one_in(60) { b'f' } else { rng.pick(b"rspRSEenhhh") };
    loop {
        let (header, payload) = generate::message_of(rng, kind);
        let wire = [oracle::write(&header).as_slice(), &payload].concat();
        // Mostly such that fit, or nearly so.
        if wire.len() < 90 || rng.one_in(40) {
            return (header, payload, wire);
        }
    }
}

/// Writes it in one of two ways; `wire` says what it comes to.
fn write(
    writer: &mut Writer<'_>,
    header: &oracle::Header,
    payload: &[u8],
    in_place: bool,
) -> Result<(), WriteError> {
    let frame = drive::frame(header);
    let empty_name = frame.name().is_some_and(|name| name.is_empty());
    let empty_part = b"pS".contains(&header.kind) && payload.is_empty();
    if !in_place || empty_name || empty_part {
        return writer.message(Message { frame, payload });
    }
    let mut place = writer.begin(&frame)?;
    for piece in payload.chunks(5) {
        place.write(piece);
    }
    place.commit()
}

fn random_operations<const N: usize>(seed: u64) {
    let mut rng = Rng::new(seed);
    let mut buffer = SendBuffer::<N>::new();
    let mut model = Model::default();
    let (mut written, mut transported) = (Vec::new(), Vec::new());
    for _ in 0..4000 {
        match rng.below(20) {
            // A writer for some messages. Its result is handed on, whatever it is.
            0..=8 => {
                let count = rng.below(4);
                let before = model.unsent.len();
                let number = rng.next();
                let result = buffer.write(|writer| {
                    assert_eq!(writer.capacity(), N - before);
                    assert_eq!((writer.len(), writer.is_closed()), (0, model.closed));
                    for _ in 0..count {
                        let (header, payload, wire) = message(&mut rng);
                        let in_place = rng.one_in(2);
                        let want = model.write(&wire, N);
                        assert_eq!(write(writer, &header, &payload, in_place), want);
                        assert_eq!(writer.as_bytes(), &model.unsent[before..]);
                        assert_eq!(writer.available(), N - model.unsent.len());
                    }
                    if rng.one_in(20) {
                        // Nobody has seen it yet, so it can be taken back.
                        writer.clear();
                        model.unsent.truncate(before);
                    }
                    if rng.one_in(10) {
                        // Begun, and left.
                        if let Ok(mut place) = writer.begin(&Frame::Heartbeat { load: 0, time: 0 })
                        {
                            place.write(b"never to be seen");
                        }
                    }
                    number
                });
                assert_eq!(result, number);
                written.extend_from_slice(&model.unsent[before..]);
            }
            // The transport takes some, all, or says too much.
            9..=16 => {
                let unsent = model.unsent.len();
                let len = match rng.below(6) {
                    0 => unsent,
                    1 => rng.pick(&[unsent + 1, N + 1, usize::MAX, usize::MAX - 1]),
                    2 => 0,
                    _ => rng.below(unsent + 1),
                };
                let taken = len.min(unsent);
                transported.extend_from_slice(&buffer.unsent()[..taken]);
                model.unsent.drain(..taken);
                buffer.sent(len);
            }
            17 => {
                let clone = buffer.clone();
                same(&clone, &model);
                buffer = clone;
            }
            18 => buffer.write(|_| {}),
            _ if model.closed || rng.one_in(50) => {
                let lost = model.unsent.len();
                written.truncate(written.len() - lost);
                model = Model::default();
                buffer.reset();
            }
            _ => {}
        }
        same(&buffer, &model);
    }
    transported.extend_from_slice(buffer.unsent());
    assert_eq!(transported, written);
    assert!(N < 20 || written.len() > 4000, "little was written: {}", written.len());
}

#[test]
fn every_byte_is_sent_once_and_in_order() {
    for seed in 0..12 {
        println!("seed {seed}");
        random_operations::<0>(seed);
        random_operations::<1>(seed);
        random_operations::<2>(seed);
        random_operations::<9>(seed);
        random_operations::<13>(seed);
        random_operations::<40>(seed);
        random_operations::<64>(seed);
        random_operations::<300>(seed);
    }
}

/// Whatever has been sent of a full buffer is free again, and nothing else.
#[test]
fn all_room_is_used_wherever_the_unsent_bytes_lie() {
    for first in 13..=26 {
        for sent in 0..=first {
            let mut buffer = SendBuffer::<26>::new();
            buffer.write(|writer| writer.error_result(ID, &vec![b'e'; first - 13])).unwrap();
            let want = buffer.unsent()[sent..].to_vec();
            buffer.sent(sent);
            let available = 26 - (first - sent);
            let result = buffer.write(|writer| writer.heartbeat(1, 2));
            if available >= 13 {
                assert_eq!(result, Ok(()));
                assert_eq!(buffer.unsent(), [want.as_slice(), b"h000100000002"].concat());
            } else {
                assert_eq!(result, Err(WriteError::BufferTooSmall { needed: 13, available }));
                assert_eq!(buffer.unsent(), want);
            }
        }
    }
}

#[test]
fn closed_from_one_writer_to_the_next_until_a_reset() {
    let mut buffer = SendBuffer::<32>::default();
    buffer.write(|writer| writer.version()).unwrap();
    assert!(!buffer.is_closed());
    // One that does not fit closes nothing.
    let mut full = SendBuffer::<8>::new();
    assert!(full.write(|writer| writer.protocol_error(ErrorCode::TIMEOUT)).is_err());
    assert!(!full.is_closed());
    assert_eq!(full.write(|writer| writer.version()), Ok(()));

    buffer.write(|writer| writer.protocol_error(ErrorCode::TIMEOUT)).unwrap();
    for _ in 0..3 {
        assert!(buffer.is_closed());
        assert_eq!(buffer.write(|writer| writer.version()), Err(WriteError::Closed));
        assert!(buffer.clone().is_closed());
        buffer.sent(4);
    }
    assert_eq!(buffer.unsent(), b"");
    assert!(buffer.is_closed(), "also when all has been sent");
    buffer.reset();
    assert!(!buffer.is_closed());
    assert_eq!(buffer.write(|writer| writer.version()), Ok(()));
    assert_eq!(buffer.unsent(), b"01");
    // A reset forgets what is unsent, wherever it lies.
    buffer.sent(1);
    buffer.reset();
    assert_eq!((buffer.unsent(), buffer.is_empty()), (b"".as_slice(), true));
    buffer.write(|writer| writer.notification("log", b"0123456789")).unwrap();
    assert_eq!(buffer.unsent(), b"n003log0000000a0123456789");
}

#[test]
fn what_was_written_before_an_error_is_kept() {
    let mut buffer = SendBuffer::<16>::new();
    let result = buffer.write(|writer| {
        writer.version()?;
        writer.heartbeat(0, 0)?;
        writer.version()
    });
    assert_eq!(result, Err(WriteError::BufferTooSmall { needed: 2, available: 1 }));
    assert_eq!(buffer.unsent(), b"01h000000000000");
    // Another error of the caller's own, too.
    buffer.sent(15);
    let result = buffer.write(|writer| {
        writer.version().unwrap();
        Err::<(), &str>("mine")
    });
    assert_eq!((result, buffer.unsent()), (Err("mine"), b"01".as_slice()));
}

#[test]
fn another_writer_in_the_place_of_this_one_does_no_harm() {
    for len in [0, 2, 15, 16, 17, 200] {
        let mut buffer = SendBuffer::<16>::new();
        buffer.write(|writer| writer.version()).unwrap();
        buffer.sent(1);
        buffer.write(|writer| {
            *writer = Writer::new(vec![b'x'; 300].leak());
            if len > 0 {
                writer
                    .frame(&Frame::Notification {
                        name: vec![b'n'; len].as_slice().into(),
                        payload_len: 0,
                    })
                    .unwrap();
            }
        });
        // What another buffer holds is not sent from this one.
        assert_eq!(buffer.unsent(), b"1");
        buffer.sent(usize::MAX);
        assert!(buffer.is_empty());
        assert_eq!(buffer.write(|writer| writer.heartbeat(0, 1)), Ok(()));
        assert_eq!(buffer.unsent(), b"h000000000001");
    }
}

#[test]
fn a_buffer_can_stand_in_a_constant() {
    const EMPTY: SendBuffer<16> = SendBuffer::new();
    static STATIC: SendBuffer<0> = SendBuffer::new();
    let mut buffer = EMPTY;
    assert_eq!(buffer.write(|writer| writer.version()), Ok(()));
    assert!(STATIC.is_empty());
}

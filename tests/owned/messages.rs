//! The feature `heapless`: messages that own their bytes, and a vector to write to.

use gotalk::{
    Assembler, ErrorCode, Frame, Item, Message, OwnedError, OwnedMessage, RequestId, WriteError,
    Writer,
};
use heapless::Vec;

const ID: RequestId = RequestId::new(*b"0001");

/// One of each type, its payload `hello` where it has one.
fn messages() -> [Message<'static>; 10] {
    let (id, op, payload_len) = (ID, "echo".into(), 5);
    [
        Frame::SingleRequest { id, op, payload_len },
        Frame::StreamRequest { id, op, payload_len },
        Frame::StreamRequestPart { id, payload_len },
        Frame::SingleResult { id, payload_len },
        Frame::StreamResult { id, payload_len },
        Frame::ErrorResult { id, payload_len },
        Frame::RetryResult { id, wait_ms: 0x8765_4321, payload_len },
        Frame::Notification { name: op, payload_len },
        Frame::Heartbeat { load: 0xfedc, time: 0x8765_4321 },
        Frame::ProtocolError { code: ErrorCode::from(0x8765_4321) },
    ]
    .map(|frame| {
        let payload: &[u8] = if frame.payload_len().is_some() { b"hello" } else { b"" };
        Message { frame, payload }
    })
}

#[test]
fn an_owned_message_is_the_message() {
    for message in messages() {
        let owned = OwnedMessage::<5, 4>::try_from(message).unwrap();
        assert_eq!(owned.as_message(), message);
        assert_eq!(owned.frame(), message.frame);
        assert_eq!(owned.payload(), message.payload);
        assert_eq!(owned, owned.clone());
        let wide = OwnedMessage::<100>::try_from(message).unwrap();
        assert_eq!(wide.as_message(), message);
        assert_eq!(format!("{owned:?}"), format!("{message:?}"));
    }
}

#[test]
fn different_messages_are_different() {
    let owned = messages().map(|message| OwnedMessage::<5, 4>::try_from(message).unwrap());
    for (i, a) in owned.iter().enumerate() {
        for (j, b) in owned.iter().enumerate() {
            assert_eq!(a == b, i == j);
        }
    }
    let frame = Frame::SingleResult { id: ID, payload_len: 1 };
    let a = OwnedMessage::<5>::try_from(Message { frame, payload: b"a" }).unwrap();
    let b = OwnedMessage::<5>::try_from(Message { frame, payload: b"b" }).unwrap();
    assert_ne!(a, b);
}

#[test]
fn the_error_says_which_part_did_not_fit() {
    let named = |message: &Message<'_>| message.frame.name().is_some();
    assert_eq!(messages().iter().filter(|message| named(message)).count(), 3);
    assert_eq!(messages().iter().filter(|message| !message.payload.is_empty()).count(), 8);
    for message in messages() {
        let named = named(&message);
        let name = OwnedMessage::<5, 3>::try_from(message).map(|_| ());
        let error = OwnedError::NameTooLong { len: 4 };
        assert_eq!(name, if named { Err(error) } else { Ok(()) });
        let payload = OwnedMessage::<4, 4>::try_from(message).map(|_| ());
        let error = OwnedError::PayloadTooLong { len: 5 };
        assert_eq!(payload, if message.payload.is_empty() { Ok(()) } else { Err(error) });
        let both = OwnedMessage::<0, 0>::try_from(message).map(|_| ());
        assert_eq!(both.is_err(), named || !message.payload.is_empty());
    }
    let name = OwnedError::NameTooLong { len: 65 };
    assert_eq!(name.to_string(), "a name of 65 bytes does not fit");
    let payload = OwnedError::PayloadTooLong { len: 1 };
    assert_eq!(payload.to_string(), "a payload of 1 byte does not fit");
    assert_eq!(format!("{payload:->34}"), "--a payload of 1 byte does not fit");
    let _: &dyn std::error::Error = &name;
}

#[test]
fn a_message_whose_lengths_disagree_is_refused() {
    for message in messages() {
        let announced = message.frame.payload_len().unwrap_or(0);
        for payload in [b"".as_slice(), b"hell", b"hello", b"hello!"] {
            let owned = OwnedMessage::<8>::try_from(Message { payload, ..message });
            if payload.len() as u32 == announced {
                assert_eq!(owned.unwrap().payload(), payload);
            } else {
                let given = payload.len();
                let error = OwnedError::PayloadMismatch { announced, given };
                assert_eq!(owned, Err(error));
            }
        }
    }
    let error = OwnedError::PayloadMismatch { announced: 1, given: 4 };
    assert_eq!(error.to_string(), "the payload has 4 bytes, but its frame announces 1 byte");
}

#[test]
fn messages_cross_to_another_thread() {
    let (to, from) = std::sync::mpsc::channel::<OwnedMessage<16>>();
    let reader = std::thread::spawn(move || {
        let mut assembler = Assembler::<16>::new().without_handshake();
        for piece in [b"r0001004ec".as_slice(), b"ho00000005hel", b"lon003log00000000"] {
            let mut items = assembler.feed(piece);
            while let Some(item) = items.next() {
                let Ok(Item::Message(message)) = item else { panic!() };
                to.send(message.try_into().unwrap()).unwrap();
            }
        }
    });
    let got: std::vec::Vec<_> = from.iter().collect();
    reader.join().unwrap();
    let request = Frame::SingleRequest { id: ID, op: "echo".into(), payload_len: 5 };
    let log = Frame::Notification { name: "log".into(), payload_len: 0 };
    assert_eq!(got.len(), 2);
    assert_eq!(got[0].as_message(), Message { frame: request, payload: b"hello" });
    assert_eq!(got[1].as_message(), Message { frame: log, payload: b"" });
}

#[test]
fn a_vector_is_appended_to() {
    let mut vec = Vec::<u8, 64>::new();
    vec.extend_from_slice(b"before").unwrap();
    Writer::append_to_heapless(&mut vec, |writer| {
        assert_eq!((writer.len(), writer.capacity(), writer.is_empty()), (0, 58, true));
        writer.notification("log", b"hi").unwrap();
        writer.version().unwrap();
        assert_eq!(writer.as_bytes(), b"n003log00000002hi01");
    });
    assert_eq!(vec, b"beforen003log00000002hi01");
    let result = Writer::append_to_heapless(&mut vec, |writer| writer.single_result(ID, b""));
    assert_eq!(result, Ok(()));
    assert_eq!(vec, b"beforen003log00000002hi01R000100000000");
}

/// A vector with a length of one byte, and a view of it.
#[test]
fn vectors_of_every_length_type_are_appended_to() {
    let mut vec = Vec::<u8, 200, u8>::new();
    Writer::append_to_heapless(&mut vec, |writer| writer.version()).unwrap();
    let view: &mut heapless::VecView<u8, u8> = &mut vec;
    Writer::append_to_heapless(view, |writer| writer.heartbeat(1, 2)).unwrap();
    assert_eq!(vec, b"01h000100000002");
}

#[test]
fn a_vector_too_small_is_left_as_it_was() {
    for before in 0..=18 {
        let mut vec = Vec::<u8, 18>::new();
        vec.extend_from_slice(&[b'.'; 18][..before]).unwrap();
        let available = 18 - before;
        let want = match available {
            15.. => Ok(()),
            _ => Err(WriteError::BufferTooSmall { needed: 15, available }),
        };
        let result = Writer::append_to_heapless(&mut vec, |writer| writer.single_result(ID, b"hi"));
        assert_eq!(result, want);
        assert_eq!(vec.len(), if want.is_ok() { before + 15 } else { before });
        assert!(vec[..before].iter().all(|byte| *byte == b'.'));
    }
    // What was written before the error stays: each message for itself is whole.
    let mut vec = Vec::<u8, 18>::new();
    let error = Writer::append_to_heapless(&mut vec, |writer| {
        writer.version()?;
        writer.single_result(ID, b"hello")
    });
    assert_eq!(error, Err(WriteError::BufferTooSmall { needed: 18, available: 16 }));
    assert_eq!(vec, b"01");
}

/// What another writer has written elsewhere is not in the vector, and no zeros stand for it.
#[test]
fn another_writer_in_the_place_of_this_one_does_no_harm() {
    let mut vec = Vec::<u8, 64>::from_slice(b"before").unwrap();
    let result = Writer::append_to_heapless(&mut vec, |writer| {
        *writer = Writer::new(vec![0; 32].leak());
        writer.single_result(ID, b"hello")
    });
    assert_eq!((result, vec.as_slice()), (Ok(()), b"before".as_slice()));
}

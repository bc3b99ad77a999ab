//! The feature `alloc`: a vector that grows as messages are appended.

#[path = "../support/mod.rs"]
mod support;

use gotalk::{ErrorCode, Frame, Message, RequestId, WriteError, Writer};
use support::generate::{self, Rng};
use support::{drive, oracle};

const ID: RequestId = RequestId::new(*b"0001");

#[test]
fn a_vector_of_any_capacity_grows_as_needed() {
    for capacity in 0..70 {
        for held in [0, 1, 7, 40] {
            let mut vec = Vec::with_capacity(capacity);
            vec.resize(held, b'#');
            let mut calls = 0;
            let result = Writer::append_to_vec(&mut vec, |writer| {
                calls += 1;
                assert!(writer.is_empty() && !writer.is_closed());
                writer.version()?;
                writer.notification("log", b"hello")?;
                writer.single_result(ID, b"world")?;
                Ok(calls)
            });
            assert_eq!(result, Ok(calls));
            let want = b"01n003log00000005helloR000100000005world";
            assert_eq!(vec, [&vec![b'#'; held], want.as_slice()].concat());
            // Once more for each message at most.
            assert!((1..=4).contains(&calls), "{calls} calls");
        }
    }
}

/// Fails at each message in turn, with each error that a writer can give.
#[test]
fn an_error_leaves_the_vector_as_it_was() {
    type Fail = fn(&mut Writer<'_>) -> Result<(), WriteError>;
    let cases: [(Fail, WriteError); 5] = [
        (|w| w.notification("", b""), WriteError::EmptyName),
        (|w| w.notification(&[b'x'; 4096], b""), WriteError::NameTooLong { len: 4096 }),
        (|w| w.stream_result(ID, b""), WriteError::EmptyPart),
        (
            |w| {
                let frame = Frame::SingleResult { id: ID, payload_len: 3 };
                w.message(Message { frame, payload: b"four" })
            },
            WriteError::PayloadMismatch { announced: 3, given: 4 },
        ),
        (
            |w| {
                w.protocol_error(ErrorCode::ABNORMAL)?;
                w.version()
            },
            WriteError::Closed,
        ),
    ];
    for (fail, error) in cases {
        for capacity in [0, 6, 7, 30, 1000] {
            let mut vec = Vec::with_capacity(capacity);
            vec.extend_from_slice(b"before");
            let result = Writer::append_to_vec(&mut vec, |writer| {
                writer.version()?;
                writer.heartbeat(1, 2)?;
                fail(writer)
            });
            assert_eq!((result, vec.as_slice()), (Err(error), b"before".as_slice()));
            // The next one begins anew.
            Writer::append_to_vec(&mut vec, |writer| writer.version()).unwrap();
            assert_eq!(vec, b"before01");
        }
    }
}

/// However much is written, the number of calls grows as its logarithm does.
#[test]
fn the_number_of_calls_is_bounded() {
    for messages in [1, 10, 100, 1000, 10_000] {
        let mut vec = Vec::new();
        let mut calls = 0;
        let appended = Writer::append_to_vec(&mut vec, |writer| {
            calls += 1;
            (0..messages).try_for_each(|time| writer.heartbeat(1, time))
        });
        assert_eq!((appended, vec.len()), (Ok(()), 13 * messages as usize));
        assert!(calls <= 18, "{calls} calls for {messages} messages");
    }
    // One large message is known from the first call on.
    for len in [0, 1, 1000, 1_000_000] {
        let (mut vec, payload) = (Vec::new(), vec![b'x'; len]);
        let mut calls = 0;
        Writer::append_to_vec(&mut vec, |writer| {
            calls += 1;
            writer.single_result(ID, &payload)
        })
        .unwrap();
        assert_eq!((calls, vec.len()), (2, 13 + len));
    }
}

/// What a call does depends on what it appends, not on how large the vector is.
#[test]
fn a_large_vector_costs_no_more_than_a_small_one() {
    for capacity in [0, 100, 1 << 20] {
        let mut vec = Vec::with_capacity(capacity);
        let mut room = 0;
        for time in 0..1000 {
            Writer::append_to_vec(&mut vec, |writer| {
                room += writer.capacity();
                writer.heartbeat(1, time)
            })
            .unwrap();
        }
        assert_eq!(vec.len(), 13_000);
        assert!(room <= 1000 * 256, "{room} bytes of room for 13000 in {capacity}");
    }
}

/// The errors of other buffers, and such as nobody can satisfy, are handed on.
#[test]
fn a_lack_of_room_elsewhere_is_handed_on() {
    for needed in [0, 1, 13, 100, 5000] {
        let mut vec = b"before".to_vec();
        let mut calls = 0;
        let other = WriteError::BufferTooSmall { needed, available: 3 };
        let result = Writer::append_to_vec(&mut vec, |writer| {
            calls += 1;
            writer.version()?;
            Err::<(), _>(other)
        });
        assert_eq!((result, vec.as_slice()), (Err(other), b"before".as_slice()));
        assert!(calls <= 3, "{calls} calls");
    }
    // From a real one.
    let mut vec = Vec::new();
    let result = Writer::append_to_vec(&mut vec, |writer| {
        writer.version()?;
        Writer::new(&mut [0; 4]).heartbeat(0, 0)
    });
    assert_eq!(result, Err(WriteError::BufferTooSmall { needed: 13, available: 4 }));
    assert_eq!(vec, b"");
}

/// More room than there can be is an error like any other, and not the end of the program.
#[test]
fn more_room_than_there_is_memory_is_an_error() {
    for needed in [usize::MAX, usize::MAX - 5, isize::MAX as usize, isize::MAX as usize - 100] {
        let mut vec = b"before".to_vec();
        let other = WriteError::BufferTooSmall { needed, available: 0 };
        let result = Writer::append_to_vec(&mut vec, |writer| {
            writer.version()?;
            Err::<(), _>(other)
        });
        assert_eq!((result, vec.as_slice()), (Err(other), b"before".as_slice()));
    }
}

/// Messages of all kinds, one call after the other, in place or not.
#[test]
fn a_whole_conversation_in_one_vector() {
    let mut rng = Rng::new(0xa110c);
    for turn in 0..300 {
        let (mut vec, mut want) = (Vec::with_capacity(rng.below(100)), Vec::new());
        for _ in 0..rng.below(30) {
            let kind = rng.pick(b"rspRSEenhf");
            let (header, payload) = generate::message_of(&mut rng, kind);
            let frame = drive::frame(&header);
            let in_place = rng.one_in(2)
                && !payload.is_empty()
                && header.name.as_ref().is_none_or(|name| !name.is_empty());
            let result = Writer::append_to_vec(&mut vec, |writer| {
                if !in_place {
                    return writer.message(Message { frame, payload: &payload });
                }
                let mut place = writer.begin(&frame)?;
                payload.chunks(9).for_each(|piece| place.write(piece));
                place.commit()
            });
            assert_eq!(result, Ok(()), "turn {turn}");
            want.extend(oracle::write(&header));
            want.extend(payload);
            assert_eq!(vec, want, "turn {turn}");
        }
    }
}

/// What another writer has written elsewhere is not in the vector, and no zeros stand for it.
#[test]
fn another_writer_in_the_place_of_this_one_does_no_harm() {
    let mut vec = Vec::with_capacity(64);
    vec.extend_from_slice(b"before");
    let result = Writer::append_to_vec(&mut vec, |writer| {
        *writer = Writer::new(vec![0; 32].leak());
        writer.single_result(ID, b"hello")
    });
    assert_eq!((result, vec.as_slice()), (Ok(()), b"before".as_slice()));
}

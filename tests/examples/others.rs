//! The examples `whole_messages`, `connection` and `device`.

use std::io::ErrorKind;

use crate::connection::Connection;
use crate::line::{Line, Manner};
use crate::support::drive::split;
use crate::support::generate::{self, Rng};
use crate::support::oracle::{self, End, Event, Header, Item};
use crate::whole_messages::Inbox;
use crate::{answer, cases, device, messages, protocol_error};

/// Hostile inputs and noise, each in pieces.
fn inputs(seed: u64, mut check: impl FnMut(&[&[u8]])) {
    for case in cases() {
        check(&[&case.input]);
        check(&case.input.chunks(1).collect::<Vec<_>>());
        for place in 0..case.input.len() {
            check(&split(&case.input, &[place]));
            check(&[&case.input[..place]]);
        }
    }
    let mut rng = Rng::new(seed);
    for turn in 0..1000 {
        let (_, input) = generate::input(&mut rng, turn, 500, true);
        let places = generate::places(&mut rng, input.len());
        check(&split(&input, &places));
    }
}

#[test]
fn whole_messages_keeps_the_notifications() {
    inputs(1, |pieces| {
        let mut inbox = Inbox::default();
        let result = pieces.iter().try_for_each(|piece| inbox.receive(piece));
        let end = result.and_then(|()| inbox.finish());
        let want = oracle::assemble(&oracle::read(&pieces.concat(), 32, true), 64);
        let mut notes = inbox.notes.iter();
        let mut too_long = 0;
        for item in &want.items {
            match item {
                Item::Message { header: Header { kind: b'n', name, .. }, payload, .. } => {
                    let note = notes.next().expect("a note");
                    assert_eq!(note.payload, *payload);
                    let name = name.as_deref().unwrap();
                    assert_eq!(note.name, gotalk::Name::from_bytes(name).to_string());
                }
                Item::NameTooLong { .. } | Item::PayloadTooLong { .. } => too_long += 1,
                Item::Version { .. } | Item::Message { .. } => {}
            }
        }
        assert_eq!(notes.next(), None);
        assert_eq!(inbox.too_long, too_long);
        assert_eq!(end.is_ok(), matches!(want.end, End::Clean | End::Closed));
    });
}

#[test]
fn whole_messages_takes_a_notification_in_two_chunks() {
    let mut inbox = Inbox::default();
    inbox.receive(b"01n003log00000007\"he").unwrap();
    assert!(inbox.notes.is_empty());
    inbox.receive(b"llo\"").unwrap();
    assert_eq!(inbox.notes[0].name, "log");
    assert_eq!(inbox.notes[0].payload, b"\"hello\"");
}

/// What the device must write, without the version.
fn answers_of_device(input: &[u8]) -> Vec<u8> {
    let reading = oracle::read(input, 64, true);
    let mut output = Vec::new();
    let mut answer = |kind, id, payload: &[u8]| {
        let size = Some(payload.len() as u32);
        output.extend(oracle::write(&Header { kind, id, size, ..Header::default() }));
        output.extend(payload);
    };
    for event in &reading.events {
        match event {
            Event::Header { header, .. } => match header.kind {
                b'r' if header.name.as_deref() == Some(b"temperature") => {
                    answer(b'R', header.id, br#"{"millicelsius":-2147483648}"#);
                }
                b'r' | b's' => answer(b'E', header.id, b"no such operation"),
                _ => {}
            },
            Event::NameTooLong { id: Some(id), .. } => {
                answer(b'E', Some(*id), b"no such operation");
            }
            Event::NameTooLong { .. } | Event::Version { .. } | Event::Payload { .. } => {}
        }
    }
    output.extend(protocol_error(reading.end));
    output
}

#[test]
fn device_answers_as_the_oracle_reads() {
    // One static parser serves one peer after another.
    let mut input = device::Input::new();
    let mut check = |pieces: &[&[u8]]| {
        let line = Line::new(pieces, Manner::Smooth);
        device::serve(&mut &line, &mut input, || i32::MIN).unwrap();
        let output = line.into_sent();
        messages(&output);
        assert_eq!(output[2..], answers_of_device(&pieces.concat()));
    };
    inputs(2, &mut check);
    // The same with the device's own operation.
    for case in cases() {
        let text = String::from_utf8(case.input).unwrap();
        let input = text.replace("004echo", "00btemperature").into_bytes();
        check(&[&input]);
        check(&input.chunks(1).collect::<Vec<_>>());
    }
}

#[test]
fn device_measures() {
    let line = Line::new(&[b"01r000100btemperature00000000".as_slice()], Manner::Smooth);
    device::serve(&mut &line, &mut device::Input::new(), || 21_500).unwrap();
    assert_eq!(line.into_sent(), br#"01R000100000016{"millicelsius":21500}"#);
}

/// No conversation here needs as many calls.
const ENOUGH: usize = 10_000;

/// Reads all that comes, as a program would that waits for its transport again and again.
/// Gives what came, and whether it ended well.
fn receive(connection: &mut Connection<&Line>) -> (Vec<String>, bool) {
    let mut items = Vec::new();
    for _ in 0..ENOUGH {
        // Half of the calls would block.
        match connection.next_item() {
            Ok(Some(item)) => items.push(format!("{item:?}")),
            Ok(None) => return (items, true),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => return (items, false),
        }
    }
    panic!("it never ends");
}

fn flush(connection: &mut Connection<&Line>) {
    for _ in 0..ENOUGH {
        match connection.flush() {
            Ok(()) => return,
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
    }
    panic!("it never ends");
}

#[test]
fn connection_yields_what_an_assembler_does() {
    inputs(3, |pieces| {
        let line = Line::new(pieces, Manner::NonBlocking);
        let mut connection = Connection::new(&line).unwrap();
        let (items, ended_well) = receive(&mut connection);
        flush(&mut connection);

        let input = pieces.concat();
        let want = oracle::assemble(&oracle::read(&input, 64, true), 256);
        let mut assembler = gotalk::Assembler::<256>::new();
        let mut whole = assembler.feed(&input);
        for got in &items {
            assert_eq!(*got, format!("{:?}", whole.next().unwrap().unwrap()));
        }
        assert_eq!(items.len(), want.items.len());
        assert_eq!(ended_well, matches!(want.end, End::Clean | End::Closed));
        // It refuses what is wrong, and says nothing more.
        assert_eq!(line.into_sent(), [b"01", protocol_error(want.end)].concat());
    });
}

#[test]
fn connection_talks_to_answer() {
    let request = br#"r0001004echo00000007"hello""#;
    let peer = Line::new(&[b"01", request.as_slice()], Manner::Smooth);
    answer::serve(&peer, &peer).unwrap();
    let answers = peer.into_sent();

    let line = Line::new(&[&answers], Manner::NonBlocking);
    let mut connection = Connection::new(&line).unwrap();
    let id = gotalk::RequestId::new(*b"0001");
    connection.write(|tx| tx.single_request(id, "echo", br#""hello""#)).unwrap();
    assert!(connection.flush().is_err(), "the first write would block");
    flush(&mut connection);
    let (items, ended_well) = receive(&mut connection);
    assert!(ended_well);
    assert_eq!(items.len(), 2);
    assert!(items[1].contains(r#"SingleResult { id: RequestId("0001"), payload_len: 7 }"#));
    assert_eq!(line.into_sent(), [b"01", request.as_slice()].concat());
}

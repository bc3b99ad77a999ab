//! The vocabulary of a session: what prints how, how large it is, and what may be done with it.

use std::collections::HashSet;
use std::error::Error as _;

use gotalk::{
    Announced, Backoff, Due, Event, Frame, Incoming, Name, Outgoing, Received, RequestId, Session,
    SessionError, Settings, WriteError, Writer,
};

#[test]
fn session_errors_say_why() {
    for (error, text) in [
        (SessionError::TooMany, "too many requests are in flight"),
        (SessionError::Over, "the request is over"),
        (SessionError::Parts, "this cannot follow the parts that were written"),
        (SessionError::Unsupported, "the peer takes no streamed requests"),
        (SessionError::Closed, "the conversation takes no more of this"),
    ] {
        assert_eq!(error.to_string(), text);
        assert!(error.source().is_none());
    }
    let full = WriteError::BufferTooSmall { needed: 18, available: 16 };
    let error = SessionError::from(full);
    assert_eq!(error, SessionError::Write(full));
    assert_eq!(error.to_string(), full.to_string());
    assert_eq!(error.source().unwrap().downcast_ref(), Some(&full));
    for error in [error, SessionError::Over] {
        assert_eq!(format!("[{error:>90}]"), format!("[{:>90}]", error.to_string()));
        assert_eq!(format!("[{error:<90}]"), format!("[{:<90}]", error.to_string()));
    }
    // `?` takes what a writer refuses.
    fn refused() -> Result<(), SessionError> {
        Writer::new(&mut []).version()?;
        Ok(())
    }
    let full = WriteError::BufferTooSmall { needed: 2, available: 0 };
    assert_eq!(refused(), Err(SessionError::Write(full)));
}

#[test]
fn handles_tell_their_ids_and_slots() {
    let mut session = Session::<2, 2>::new(Settings::DEFAULT);
    let mut buffer = [0; 64];
    let mut writer = Writer::new(&mut buffer);
    let ours = [0; 2].map(|now| session.request(now, &mut writer, "x", "").unwrap());
    let theirs = [b"zzzz", b"\xff\0\0\x01"].map(|id| {
        let op = Name::new("x");
        let frame = Frame::SingleRequest { id: RequestId::new(*id), op, payload_len: 0 };
        match session.receive(0, Event::Frame(frame), &mut writer).unwrap() {
            Received::Request { request, .. } => request,
            other => panic!("{other:?}"),
        }
    });
    assert_eq!(ours.map(Outgoing::index), [0, 1]);
    assert_eq!(ours.map(|request| request.id().to_string()), ["0000", "0001"]);
    assert_eq!(theirs.map(Incoming::index), [0, 1]);
    assert_eq!(theirs.map(|request| request.id().to_string()), ["zzzz", r"\xff\x00\x00\x01"]);
    // As keys of a map.
    assert_eq!(HashSet::from(ours).len() + HashSet::from(theirs).len(), 4);
    let dues = ours.map(Due::Lost).into_iter().chain(ours.map(Due::TimedOut));
    assert_eq!(dues.chain([Due::Close]).collect::<HashSet<Due>>().len(), 5);
}

/// The same on every target: there is no `usize` in them.
#[test]
fn sizes() {
    assert!(size_of::<Session<4, 4>>() <= 128);
    assert_eq!(size_of::<Session>(), size_of::<Session<8, 8>>());
    let (none, ours, theirs) =
        (size_of::<Session<0, 0>>(), size_of::<Session<64, 0>>(), size_of::<Session<0, 64>>());
    assert!(none <= 64 && ours <= none + 64 * 9 && theirs <= none + 64 * 8);
    assert!(size_of::<Outgoing>() <= 8 && size_of::<Incoming>() <= 12);
    assert!(size_of::<Option<Due>>() <= 12);
    assert!(size_of::<SessionError>() <= size_of::<WriteError>() + size_of::<usize>());
    assert_eq!((size_of::<Announced>(), size_of::<Backoff>()), (4, 12));
}

#[test]
fn what_is_shared_between_threads_and_copied() {
    fn sendable<T: Send + Sync + Unpin + Clone + std::fmt::Debug + 'static>() {}
    sendable::<Session>();
    sendable::<Backoff>();
    fn copied<T: Copy + Eq + std::hash::Hash + std::fmt::Debug + Send + Sync>() {}
    copied::<Outgoing>();
    copied::<Incoming>();
    copied::<Received<'_, u32>>();
    copied::<Received<'_, &[u8]>>();
    copied::<Due>();
    copied::<SessionError>();
    copied::<Settings>();
    copied::<Announced>();
}

/// What is sent may be of many types.
#[test]
fn a_payload_is_bytes_or_text_or_made_on_the_spot() {
    let (vector, string) = (vec![b'h', b'i'], String::from("hi"));
    let mut buffer = [0; 32];
    let mut session = Session::<0, 0>::new(Settings::DEFAULT);
    session.poll(0, &mut Writer::new(&mut [0; 2])).unwrap();
    let mut sent = |notify: &dyn Fn(&mut Session<0, 0>, &mut Writer<'_>)| {
        let mut writer = Writer::new(&mut buffer);
        notify(&mut session, &mut writer);
        assert_eq!(writer.as_bytes(), b"n001x00000002hi");
    };
    sent(&|session, writer| session.notify(0, writer, "x", "hi").unwrap());
    sent(&|session, writer| session.notify(0, writer, "x", b"hi").unwrap());
    sent(&|session, writer| session.notify(0, writer, b"x", &b"hi"[..]).unwrap());
    sent(&|session, writer| session.notify(0, writer, b"x".as_slice(), &vector).unwrap());
    sent(&|session, writer| session.notify(0, writer, Name::new("x"), &string).unwrap());
    sent(&|session, writer| session.notify(0, writer, "x", &*string).unwrap());
    sent(&|session, writer| session.notify(0, writer, "x", format_args!("{}i", 'h')).unwrap());
}

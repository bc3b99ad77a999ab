//! A request and its result between two sessions in memory, and the codec's work on exactly
//! the same messages without a session. Both have the same readers and writers, and the same
//! consumer.

#![allow(dead_code, unreachable_pub, reason = "each benchmark uses a part of it")]

use gotalk::{
    Assembler, Event, Frame, Incoming, Item, Message, Parser, Received, RequestId, Session,
    Settings, Writer,
};

pub const OP: &str = "echo";
pub const PAYLOAD: &[u8] = br#"{"message":"Hello World"}"#;

/// The length of the request and of its result.
const LENGTHS: (usize, usize) = (16 + OP.len() + PAYLOAD.len(), 13 + PAYLOAD.len());

/// Checks that the sessions and the codec alone send the same messages.
pub fn check() {
    let (mut pair, mut alone) = (Pair::<EIGHT>::new(), Alone::new());
    // The first request has the version before it.
    for _ in 0..3 {
        assert_eq!((pair.exchange(), alone.exchange()), (PAYLOAD.len(), PAYLOAD.len()));
    }
    assert_eq!(pair.to_server.bytes[..LENGTHS.0], alone.to_server.bytes[..LENGTHS.0]);
    assert_eq!(pair.to_client.bytes[..LENGTHS.1], alone.to_client.bytes[..LENGTHS.1]);
    assert_eq!(pair.to_server.bytes[5..21], *b"004echo00000019{");
    assert_eq!(pair.to_client.bytes[5..14], *b"00000019{");
    assert_eq!((pair.notify(), alone.notify()), (PAYLOAD.len(), PAYLOAD.len()));
    assert_eq!(pair.to_server.bytes[..12], *b"n004echo0000");
    assert_eq!(pair.to_server.bytes[..LENGTHS.0 - 4], alone.to_server.bytes[..LENGTHS.0 - 4]);
    let (mut pair, mut alone) = (ParserPair::new(), ParserAlone::new());
    for _ in 0..3 {
        assert_eq!((pair.exchange(), alone.exchange()), (PAYLOAD.len(), PAYLOAD.len()));
    }
    assert_eq!(pair.to_server.bytes[..LENGTHS.0], alone.to_server.bytes[..LENGTHS.0]);
    assert_eq!(pair.to_client.bytes[..LENGTHS.1], alone.to_client.bytes[..LENGTHS.1]);
}

/// What is on the wire in one direction, and a reader behind it.
struct Line<R> {
    bytes: [u8; 128],
    reader: R,
}

impl<R> Line<R> {
    fn new(reader: R) -> Self {
        Self { bytes: [0; 128], reader }
    }
}

type Messages = Assembler<64>;

/// Two sessions with `N` requests in flight, read by assemblers.
pub struct Pair<const N: usize> {
    client: Box<Session<N, N>>,
    server: Box<Session<N, N>>,
    to_server: Line<Messages>,
    to_client: Line<Messages>,
    /// The requests that the server has not answered, and the next that it will.
    owed: Vec<Incoming>,
    place: usize,
    now: u32,
}

impl<const N: usize> Pair<N> {
    /// A pair with nothing in flight.
    pub fn new() -> Self {
        Self {
            client: Box::new(Session::new(Settings::DEFAULT)),
            server: Box::new(Session::new(Settings::DEFAULT)),
            to_server: Line::new(Assembler::new()),
            to_client: Line::new(Assembler::new()),
            owed: Vec::new(),
            place: 0,
            now: 0,
        }
    }

    /// A pair with all requests in flight, which are answered far from one after the other.
    pub fn full() -> Self {
        let mut pair = Self::new();
        for _ in 0..N {
            let request = pair.ask();
            pair.owed.push(request);
        }
        pair
    }

    /// The client asks and the server hears it.
    #[inline]
    fn ask(&mut self) -> Incoming {
        self.now = self.now.wrapping_add(1);
        let mut writer = Writer::new(&mut self.to_server.bytes);
        self.client.request(self.now, &mut writer, OP, PAYLOAD).expect("room");
        let mut reply = Writer::new(&mut self.to_client.bytes);
        let mut items = self.to_server.reader.feed(writer.as_bytes());
        let mut asked = None;
        while let Some(item) = items.next() {
            match self.server.receive(self.now, item, &mut reply).expect("room") {
                Received::Request { request, op, payload } => {
                    assert!(op.len() == OP.len() && payload.len() == PAYLOAD.len());
                    asked = Some(request);
                }
                Received::Opened => {}
                other => panic!("{other:?}"),
            }
        }
        asked.expect("a request")
    }

    /// The server answers and the client hears it.
    #[inline]
    fn answer(&mut self, request: Incoming) -> usize {
        let mut writer = Writer::new(&mut self.to_client.bytes);
        self.server.respond(&mut writer, request, PAYLOAD).expect("room");
        let mut spare = Writer::new(&mut self.to_server.bytes);
        let mut items = self.to_client.reader.feed(writer.as_bytes());
        let mut len = 0;
        while let Some(item) = items.next() {
            match self.client.receive(self.now, item, &mut spare).expect("room") {
                Received::Result { payload, .. } => len += payload.len(),
                Received::Opened => {}
                other => panic!("{other:?}"),
            }
        }
        len
    }

    /// A request that is answered at once, while it is looked at.
    pub fn exchange(&mut self) -> usize {
        self.now = self.now.wrapping_add(1);
        let mut writer = Writer::new(&mut self.to_server.bytes);
        let asked = self.client.request(self.now, &mut writer, OP, PAYLOAD).expect("room");
        let mut reply = Writer::new(&mut self.to_client.bytes);
        let mut items = self.to_server.reader.feed(writer.as_bytes());
        while let Some(item) = items.next() {
            match self.server.receive(self.now, item, &mut reply).expect("room") {
                Received::Request { request, op, payload } if op.len() == OP.len() => {
                    self.server.respond(&mut reply, request, payload).expect("room");
                }
                Received::Opened => {}
                other => panic!("{other:?}"),
            }
        }
        writer.clear();
        let mut items = self.to_client.reader.feed(reply.as_bytes());
        let mut len = 0;
        while let Some(item) = items.next() {
            match self.client.receive(self.now, item, &mut writer).expect("room") {
                Received::Result { request, payload } if request == asked => len += payload.len(),
                Received::Opened => {}
                other => panic!("{other:?}"),
            }
        }
        len
    }

    /// One of the requests in flight is answered, and another one made.
    pub fn turn(&mut self) -> usize {
        // A prime that divides no `N` here, so that every place has its turn.
        self.place = (self.place + 7_919) % N;
        let len = self.answer(self.owed[self.place]);
        self.owed[self.place] = self.ask();
        len
    }

    /// A notification.
    pub fn notify(&mut self) -> usize {
        self.now = self.now.wrapping_add(1);
        let mut writer = Writer::new(&mut self.to_server.bytes);
        self.client.notify(self.now, &mut writer, OP, PAYLOAD).expect("room");
        let mut reply = Writer::new(&mut self.to_client.bytes);
        let mut items = self.to_server.reader.feed(writer.as_bytes());
        let mut len = 0;
        while let Some(item) = items.next() {
            match self.server.receive(self.now, item, &mut reply).expect("room") {
                Received::Notification { name, payload } if name.len() == OP.len() => {
                    len += payload.len();
                }
                Received::Opened => {}
                other => panic!("{other:?}"),
            }
        }
        len
    }
}

/// The codec alone, with assemblers.
pub struct Alone {
    to_server: Line<Messages>,
    to_client: Line<Messages>,
    ids: Vec<RequestId>,
    turn: usize,
}

impl Alone {
    /// The ids are at hand, since the codec makes none.
    pub fn new() -> Self {
        Self {
            to_server: Line::new(Assembler::new().without_handshake()),
            to_client: Line::new(Assembler::new().without_handshake()),
            ids: ids(),
            turn: 0,
        }
    }

    pub fn exchange(&mut self) -> usize {
        let asked = self.ids[self.turn];
        self.turn = (self.turn + 1) % IDS;
        let mut writer = Writer::new(&mut self.to_server.bytes);
        writer.single_request(asked, OP, PAYLOAD).expect("room");
        let mut reply = Writer::new(&mut self.to_client.bytes);
        let mut items = self.to_server.reader.feed(writer.as_bytes());
        while let Some(item) = items.next() {
            match item.expect("valid") {
                Item::Message(Message { frame: Frame::SingleRequest { id, op, .. }, payload })
                    if op.len() == OP.len() =>
                {
                    reply.single_result(id, payload).expect("room");
                }
                other => panic!("{other:?}"),
            }
        }
        let mut items = self.to_client.reader.feed(reply.as_bytes());
        let mut len = 0;
        while let Some(item) = items.next() {
            match item.expect("valid") {
                Item::Message(Message { frame: Frame::SingleResult { id, .. }, payload })
                    if id == asked =>
                {
                    len += payload.len();
                }
                other => panic!("{other:?}"),
            }
        }
        len
    }

    pub fn notify(&mut self) -> usize {
        let mut writer = Writer::new(&mut self.to_server.bytes);
        writer.notification(OP, PAYLOAD).expect("room");
        let mut items = self.to_server.reader.feed(writer.as_bytes());
        let mut len = 0;
        while let Some(item) = items.next() {
            match item.expect("valid") {
                Item::Message(Message { frame: Frame::Notification { name, .. }, payload })
                    if name.len() == OP.len() =>
                {
                    len += payload.len();
                }
                other => panic!("{other:?}"),
            }
        }
        len
    }
}

/// How many ids the codec alone takes in turn.
const IDS: usize = 1024;

/// Those that a session gives its requests, one after the other.
fn ids() -> Vec<RequestId> {
    let mut session = Session::<EIGHT, EIGHT>::new(Settings::DEFAULT);
    let mut buffer = [0; 128];
    let mut next = || {
        let mut writer = Writer::new(&mut buffer);
        let request = session.request(0, &mut writer, OP, PAYLOAD).expect("room");
        session.forget(request);
        request.id()
    };
    (0..IDS).map(|_| next()).collect()
}

/// Slots of each table where nothing else is said.
pub const EIGHT: usize = 8;

/// Two sessions, read by parsers.
pub struct ParserPair {
    client: Session<EIGHT, EIGHT>,
    server: Session<EIGHT, EIGHT>,
    to_server: Line<Parser>,
    to_client: Line<Parser>,
    now: u32,
}

impl ParserPair {
    pub fn new() -> Self {
        Self {
            client: Session::new(Settings::DEFAULT),
            server: Session::new(Settings::DEFAULT),
            to_server: Line::new(Parser::new()),
            to_client: Line::new(Parser::new()),
            now: 0,
        }
    }

    pub fn exchange(&mut self) -> usize {
        self.now = self.now.wrapping_add(1);
        let mut writer = Writer::new(&mut self.to_server.bytes);
        let asked = self.client.request(self.now, &mut writer, OP, PAYLOAD).expect("room");
        let mut reply = Writer::new(&mut self.to_client.bytes);
        let mut events = self.to_server.reader.feed(writer.as_bytes());
        let mut open = None;
        while let Some(event) = events.next() {
            match self.server.receive(self.now, event, &mut reply).expect("room") {
                Received::Request { request, op, .. } if op.len() == OP.len() => {
                    open = Some(request);
                }
                Received::Payload { data, remaining: 0 } => {
                    let request = open.expect("a request");
                    self.server.respond(&mut reply, request, data).expect("room");
                }
                Received::Opened => {}
                other => panic!("{other:?}"),
            }
        }
        writer.clear();
        let mut events = self.to_client.reader.feed(reply.as_bytes());
        let mut len = 0;
        while let Some(event) = events.next() {
            match self.client.receive(self.now, event, &mut writer).expect("room") {
                Received::Result { request, .. } if request == asked => {}
                Received::Payload { data, .. } => len += data.len(),
                Received::Opened => {}
                other => panic!("{other:?}"),
            }
        }
        len
    }
}

/// The codec alone, with parsers.
pub struct ParserAlone {
    to_server: Line<Parser>,
    to_client: Line<Parser>,
    ids: Vec<RequestId>,
    turn: usize,
}

impl ParserAlone {
    pub fn new() -> Self {
        Self {
            to_server: Line::new(Parser::new().without_handshake()),
            to_client: Line::new(Parser::new().without_handshake()),
            ids: ids(),
            turn: 0,
        }
    }

    pub fn exchange(&mut self) -> usize {
        let asked = self.ids[self.turn];
        self.turn = (self.turn + 1) % IDS;
        let mut writer = Writer::new(&mut self.to_server.bytes);
        writer.single_request(asked, OP, PAYLOAD).expect("room");
        let mut reply = Writer::new(&mut self.to_client.bytes);
        let mut events = self.to_server.reader.feed(writer.as_bytes());
        let mut open = None;
        while let Some(event) = events.next() {
            match event.expect("valid") {
                Event::Frame(Frame::SingleRequest { id, op, .. }) if op.len() == OP.len() => {
                    open = Some(id);
                }
                Event::Payload { data, remaining: 0 } => {
                    reply.single_result(open.expect("a request"), data).expect("room");
                }
                other => panic!("{other:?}"),
            }
        }
        let mut events = self.to_client.reader.feed(reply.as_bytes());
        let mut len = 0;
        while let Some(event) = events.next() {
            match event.expect("valid") {
                Event::Frame(Frame::SingleResult { id, .. }) if id == asked => {}
                Event::Payload { data, .. } => len += data.len(),
                other => panic!("{other:?}"),
            }
        }
        len
    }
}

//! Counts the instructions of a program that answers requests and makes some, as
//! `instructions` counts those of the codec: without a session, and with the feature
//! `session` through one. Each is an image of its own, since a program has one loop that
//! reads, and the compiler makes one function of that loop and of what it calls.
//!
//! Each figure is a loop that is counted whole, divided by its turns, less the same loop around
//! nothing. What is written and found is counted, so that no work can be left out.
//!
//! Prints a line a figure: its name, then hundredths of an instruction a turn.

#![no_std]
#![no_main]

use core::hint::black_box;

use gotalk::Writer;
use gotalk_firmware::measure::{self, Stopwatch};
use gotalk_firmware::{board, println};

gotalk_firmware::entry!(run);

const PAYLOAD: &[u8; 25] = b"{\"message\":\"Hello World\"}";
const REQUEST: &[u8; 45] = b"r0001004echo00000019{\"message\":\"Hello World\"}";
const RESULT: &[u8; 38] = b"R000100000019{\"message\":\"Hello World\"}";

#[cfg(not(feature = "session"))]
mod device {
    use gotalk::{Event, Frame, Parser, RequestId, Writer};

    use super::{PAYLOAD, black_box, expect, wrong};

    pub const NAME: &str = "codec";

    /// What is to be done with the payload that comes next.
    enum Task {
        None,
        Answer(RequestId),
        Take,
    }

    pub struct Device {
        parser: Parser<64>,
        mine: RequestId,
        task: Task,
        /// Bytes of payload in results.
        pub taken: usize,
    }

    impl Device {
        pub fn new() -> Self {
            let parser = Parser::new().without_handshake();
            Self { parser, mine: RequestId::new(*b"0001"), task: Task::None, taken: 0 }
        }

        pub fn read(&mut self, input: &[u8], writer: &mut Writer<'_>) {
            let mut events = self.parser.feed(input);
            while let Some(event) = events.next() {
                match event {
                    Ok(Event::Frame(Frame::SingleRequest { id, op, .. })) if op == "echo" => {
                        self.task = Task::Answer(id);
                    }
                    Ok(Event::Frame(Frame::SingleResult { id, .. })) if id == self.mine => {
                        self.task = Task::Take;
                    }
                    Ok(Event::Payload { data, .. }) => match self.task {
                        Task::Answer(id) => expect(writer.single_result(id, data)),
                        Task::Take => self.taken += data.len(),
                        Task::None => {}
                    },
                    Ok(_) => self.task = Task::None,
                    Err(error) => wrong(error),
                }
            }
        }

        pub fn ask(&mut self, writer: &mut Writer<'_>) {
            let op = black_box("echo");
            expect(writer.single_request(black_box(self.mine), op, black_box(PAYLOAD)));
        }

        pub fn poll(&mut self, _: &mut Writer<'_>) {}
    }
}

#[cfg(feature = "session")]
mod device {
    use gotalk::{Incoming, Outgoing, Parser, Received, Session, Settings, Writer};

    use super::{PAYLOAD, black_box, expect, wrong};

    pub const NAME: &str = "session";

    /// What is to be done with the payload that comes next.
    enum Task {
        None,
        Answer(Incoming),
        Take,
    }

    pub struct Device {
        parser: Parser<64>,
        session: Session<4, 4>,
        mine: Option<Outgoing>,
        task: Task,
        /// Bytes of payload in results.
        pub taken: usize,
    }

    impl Device {
        pub fn new() -> Self {
            let parser = Parser::new().without_handshake();
            let session = Session::new(Settings::DEFAULT);
            Self { parser, session, mine: None, task: Task::None, taken: 0 }
        }

        pub fn read(&mut self, input: &[u8], writer: &mut Writer<'_>) {
            let mut events = self.parser.feed(input);
            while let Some(event) = events.next() {
                match self.session.receive(black_box(0), event, writer) {
                    Ok(Received::Request { request, op, .. }) if op == "echo" => {
                        self.task = Task::Answer(request);
                    }
                    Ok(Received::Result { request, .. }) if Some(request) == self.mine => {
                        self.task = Task::Take;
                    }
                    Ok(Received::Payload { data, .. }) => match self.task {
                        Task::Answer(request) => {
                            expect(self.session.respond(writer, request, data));
                        }
                        Task::Take => self.taken += data.len(),
                        Task::None => {}
                    },
                    Ok(_) => self.task = Task::None,
                    Err(error) => wrong(error),
                }
            }
        }

        pub fn ask(&mut self, writer: &mut Writer<'_>) {
            let op = black_box("echo");
            match self.session.request(black_box(0), writer, op, black_box(PAYLOAD)) {
                Ok(request) => self.mine = Some(request),
                Err(error) => wrong(error),
            }
        }

        pub fn poll(&mut self, writer: &mut Writer<'_>) {
            match self.session.poll(black_box(0), writer) {
                Ok(None) => {}
                other => wrong(other),
            }
        }
    }
}

use device::{Device, NAME};

fn run() {
    measure::check_stopwatch();
    let mut device = Device::new();
    // The version of a session, which comes once.
    let mut buffer = [0; 2];
    device.poll(&mut Writer::new(&mut buffer));

    // A request is read and answered; one is written, and its result is read and matched; and
    // nothing is due, which is what `poll` finds nearly always.
    let mut input = *REQUEST;
    turns(&mut device, "answer request", &mut input, false);
    let mut input = *RESULT;
    turns(&mut device, "make request", &mut input, true);
    if cfg!(feature = "session") {
        turns(&mut device, "poll nothing", &mut [], false);
    }
}

fn turns(device: &mut Device, name: &str, input: &mut [u8], ask: bool) {
    const TURNS: usize = 500;
    const BUFFER: usize = 128;
    let mut buffer = [0; BUFFER];
    let (mut written, mut empty) = (0, 0);
    device.taken = 0;

    let watch = Stopwatch::start();
    for _ in 0..TURNS {
        let mut writer = Writer::new(black_box(&mut buffer));
        if black_box(ask) {
            device.ask(&mut writer);
            // The result has the id of the request.
            if let (Some(to), Some(from)) = (input.get_mut(1..5), writer.as_bytes().get(1..5)) {
                to.copy_from_slice(from);
            }
        }
        if input.is_empty() {
            device.poll(&mut writer);
        } else {
            device.read(black_box(input), &mut writer);
        }
        written += black_box(writer.as_bytes()).len();
    }
    let all = watch.stop();

    let watch = Stopwatch::start();
    for _ in 0..TURNS {
        empty += black_box(black_box(&mut buffer).as_slice()).len();
    }
    let nothing = watch.stop();

    let (write, take) = match (input.is_empty(), ask) {
        (true, _) => (0, 0),
        (_, false) => (RESULT.len(), 0),
        (_, true) => (REQUEST.len(), PAYLOAD.len()),
    };
    if (written, device.taken, empty) != (TURNS * write, TURNS * take, TURNS * BUFFER) {
        fail("wrong bytes");
    }
    println!("{name} {NAME} {}", (all - nothing) * 100 / TURNS as u64);
}

fn expect<T, E>(result: Result<T, E>) {
    if result.is_err() {
        fail("not done");
    }
}

/// A program would look at it, so what finds it is not to be left out.
fn wrong<T>(what: T) -> ! {
    black_box(what);
    fail("error")
}

fn fail(why: &str) -> ! {
    println!("{why}");
    board::exit(false)
}

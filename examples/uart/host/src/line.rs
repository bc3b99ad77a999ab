//! The host's end of a line that never hangs up. The firmware's `main.rs` has the rules.

use gotalk::{Assembler, Due, ErrorCode, Outgoing, Received, Session, Settings, Writer};
use std::collections::VecDeque;
use std::error::Error;
use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// The seconds since 1970 that the device is told.
pub const TIME: u32 = 1_000_000_000;

/// As the device's.
const SETTINGS: Settings =
    Settings { heartbeat_ms: Some(1_000), silence_ms: Some(5_000), ..Settings::DEFAULT };
/// Longer than the device's, so that it is ready when we begin.
const SILENCE: Duration = Duration::from_millis(250);
/// For what should come at once, or after the silence of a conversation.
const PATIENCE: Duration = Duration::from_secs(20);

/// What has come from the device.
#[derive(PartialEq, Debug)]
pub enum Heard {
    Opened,
    /// The device asks for the time, and has its answer.
    AsksForTime,
    Result(Outgoing, String),
    Part(Outgoing, String),
    End(Outgoing),
    Failed(Outgoing),
    Retry(Outgoing),
    Heartbeat {
        time: u32,
    },
    /// The device has ended the conversation.
    Closed(ErrorCode),
    /// Our reader has failed.
    Broken,
}

pub struct Line {
    output: File,
    input: Receiver<Vec<u8>>,
    assembler: Assembler<256>,
    session: Session<8, 8>,
    heard: VecDeque<Heard>,
    loses_a_byte: bool,
    start: Instant,
}

impl Line {
    /// Opens a serial device. Its mode must be raw.
    pub fn open(path: &str) -> io::Result<Self> {
        let output = File::options().read(true).write(true).open(path)?;
        let mut file = output.try_clone()?;
        let (to, input) = channel();
        // A file has no timeouts, so a thread reads it. It ends when the line does.
        thread::spawn(move || {
            let mut rx = [0; 256];
            while let Ok(len @ 1..) = file.read(&mut rx) {
                if to.send(rx[..len].to_vec()).is_err() {
                    break;
                }
            }
        });
        Ok(Self {
            output,
            input,
            assembler: Assembler::new(),
            session: Session::new(SETTINGS),
            heard: VecDeque::new(),
            loses_a_byte: false,
            start: Instant::now(),
        })
    }

    fn now(&self) -> u32 {
        self.start.elapsed().as_millis() as u32
    }

    /// Ends whatever conversation there is, and begins a new one.
    pub fn begin(&mut self) -> Result<(), Box<dyn Error>> {
        if !self.session.is_open() {
            self.send_due()?; // why, if our reader has failed
        }
        self.goodbye()?;
        while self.read(SILENCE)?.is_some() {}
        self.assembler.reset();
        self.session.reset();
        self.heard.clear();
        self.until_is(Heard::Opened)?;
        self.until_is(Heard::AsksForTime) // what it does first
    }

    /// The same for a line of which nothing is known: the device may be in the middle of a
    /// message, or the line may bring late what was sent before (as that of the emulator, which
    /// takes a second to notice that somebody is there).
    pub fn find(&mut self) -> Result<(), Box<dyn Error>> {
        for _ in 0..4 {
            match self.begin() {
                Err(error) => eprintln!("once more: {error}"),
                Ok(()) => return Ok(()),
            }
        }
        self.begin()
    }

    /// A UART cannot be closed, so this tells the device that we are done.
    pub fn goodbye(&mut self) -> io::Result<()> {
        self.write(b"f00000000")
    }

    pub fn ask(&mut self, op: &str, json: &str) -> Result<Outgoing, Box<dyn Error>> {
        let now = self.now();
        let mut tx = [0; 512];
        let mut writer = Writer::new(&mut tx);
        let request = self.session.request(now, &mut writer, op, json)?;
        self.write(writer.as_bytes())?;
        Ok(request)
    }

    /// Waits until something has come of which `find` makes what is wanted. What comes before is
    /// dropped.
    pub fn until<T>(
        &mut self,
        wanted: &str,
        find: impl Fn(Heard) -> Option<T>,
    ) -> Result<T, Box<dyn Error>> {
        let deadline = Instant::now() + PATIENCE;
        let mut before = Vec::new();
        while Instant::now() < deadline {
            let Some(heard) = self.heard.pop_front() else {
                self.turn()?;
                continue;
            };
            before.push(format!("{heard:?}"));
            if let Some(found) = find(heard) {
                return Ok(found);
            }
        }
        Err(format!("no {wanted}, but {before:?}").into())
    }

    /// The next that comes is this, but for heartbeats.
    pub fn until_is(&mut self, wanted: Heard) -> Result<(), Box<dyn Error>> {
        let next = self.until(&format!("{wanted:?}"), |heard| match heard {
            Heard::Heartbeat { .. } => None,
            heard => Some(heard),
        })?;
        if next != wanted {
            return Err(format!("{next:?}, where {wanted:?} should come").into());
        }
        Ok(())
    }

    /// The device has ended the conversation with this code, and then says nothing.
    pub fn until_closed(&mut self, code: ErrorCode) -> Result<(), Box<dyn Error>> {
        self.until("end", |heard| (heard == Heard::Closed(code)).then_some(()))?;
        match (self.heard.pop_front(), self.read(SILENCE)?) {
            (None, None) => Ok(()),
            (heard, bytes) => Err(format!("after the end {heard:?} and {bytes:?}").into()),
        }
    }

    /// The next byte that comes will be lost.
    pub fn lose_a_byte(&mut self) {
        self.loses_a_byte = true;
    }

    /// Does what is due, and sends it.
    fn send_due(&mut self) -> Result<(), Box<dyn Error>> {
        let mut tx = [0; 512];
        let mut writer = Writer::new(&mut tx);
        while let Some(due) = self.session.poll(self.now(), &mut writer)? {
            if due == Due::Close {
                break; // `heard` says why
            }
        }
        Ok(self.write(writer.as_bytes())?)
    }

    /// Does what is due, waits for input for a short time, and takes it.
    fn turn(&mut self) -> Result<(), Box<dyn Error>> {
        self.send_due()?;
        let Some(bytes) = self.read(Duration::from_millis(20))? else { return Ok(()) };
        let now = self.now();
        let mut tx = [0; 512];
        let mut writer = Writer::new(&mut tx);
        let mut items = self.assembler.feed(&bytes);
        while let Some(item) = items.next() {
            if item.is_err() {
                self.heard.push_back(Heard::Broken);
            }
            let heard = match self.session.receive(now, item, &mut writer)? {
                Received::Opened => Heard::Opened,
                Received::Request { request, op, .. } => {
                    if op == "time" {
                        self.session.respond(&mut writer, request, format_args!("{TIME}"))?;
                        Heard::AsksForTime
                    } else {
                        self.session.respond_error(&mut writer, request, "no such operation")?;
                        continue;
                    }
                }
                Received::Result { request, payload } => Heard::Result(request, text(payload)),
                Received::ResultPart { request, payload } => Heard::Part(request, text(payload)),
                Received::ResultEnd { request } => Heard::End(request),
                Received::ErrorResult { request, .. } => Heard::Failed(request),
                Received::RetryResult { request, .. } => Heard::Retry(request),
                Received::Heartbeat { time, .. } => Heard::Heartbeat { time },
                Received::Closed { code } => Heard::Closed(code),
                _ => continue,
            };
            self.heard.push_back(heard);
        }
        Ok(self.write(writer.as_bytes())?)
    }

    /// What comes within `wait`.
    fn read(&mut self, wait: Duration) -> io::Result<Option<Vec<u8>>> {
        match self.input.recv_timeout(wait) {
            Ok(mut bytes) => {
                if std::mem::take(&mut self.loses_a_byte) {
                    bytes.remove(0);
                }
                Ok(Some(bytes))
            }
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.output.write_all(bytes)
    }
}

fn text(payload: &[u8]) -> String {
    String::from_utf8_lossy(payload).into_owned()
}

//! A thermometer on a UART: no `std`, no allocation, no panic.
//!
//! This module has only what runs on the device, so you can copy it into firmware.

use gotalk::{
    Assembler, Due, MAX_REPLY_LEN, MessageType, Received, Session, SessionError, Settings, Writer,
};

/// Give your driver these functions.
pub trait Uart {
    /// Milliseconds since any moment. They may wrap.
    fn now(&mut self) -> u32;
    /// Waits for input, for `wait_ms` at most, and gives the number of bytes. 0 means that none
    /// has come, `None` that the line is closed.
    fn read(&mut self, to: &mut [u8], wait_ms: Option<u32>) -> Option<usize>;
    fn write_all(&mut self, bytes: &[u8]);
}

/// Put it into a `static`: it is all zeros, so it takes no flash.
pub struct Device {
    assembler: Assembler<32, 32>,
    session: Session<1, 1>,
}

impl Device {
    pub const fn new() -> Self {
        Self { assembler: Assembler::new(), session: Session::new(Settings::DEFAULT) }
    }
}

/// The longest answer: `{"millicelsius":-2147483648}` is a payload of 28 bytes.
const MAX_ANSWER: usize = MessageType::SingleResult.header_len(0) + 28;

/// Serves one peer until it tells the device to sleep, the line is closed, or somebody breaks
/// the protocol. Meanwhile it asks for the time, and says by heartbeats that it is alive.
pub fn serve(
    uart: &mut impl Uart,
    Device { assembler, session }: &mut Device,
    mut millicelsius: impl FnMut() -> i32,
) -> Result<(), SessionError> {
    assembler.reset();
    session.reset();
    let (mut rx, mut tx) = ([0; 32], [0; MAX_ANSWER + MAX_REPLY_LEN]);
    let mut writer = Writer::new(&mut tx);
    let time = session.request(uart.now(), &mut writer, "time", "null")?;
    loop {
        while let Some(due) = session.poll(uart.now(), &mut writer)? {
            if due == Due::Close {
                uart.write_all(writer.as_bytes());
                return Ok(());
            }
        }
        uart.write_all(writer.as_bytes());
        writer.clear();
        let wait_ms = session.wait_ms(uart.now());
        let Some(len) = uart.read(&mut rx, wait_ms) else {
            session.disconnected();
            continue;
        };
        let mut items = assembler.feed(rx.get(..len).unwrap_or_default());
        while let Some(item) = items.next() {
            match session.receive(uart.now(), item, &mut writer)? {
                Received::Request { request, op, .. } => match op.as_bytes() {
                    b"temperature" => {
                        let json = format_args!("{{\"millicelsius\":{}}}", millicelsius());
                        session.respond(&mut writer, request, json)?;
                    }
                    b"sleep" => {
                        session.respond(&mut writer, request, "null")?;
                        session.forget(time); // do not wait for it
                        session.drain();
                    }
                    _ => session.respond_error(&mut writer, request, "no such operation")?,
                },
                Received::StreamRequest { request, .. } => {
                    session.respond_error(&mut writer, request, "no such operation")?;
                }
                Received::Result { payload, .. } => {
                    let text = core::str::from_utf8(payload).unwrap_or_default();
                    if let Ok(unix_s) = text.parse() {
                        session.set_clock(uart.now(), unix_s); // heartbeats carry it
                    }
                }
                _ => {} // what needs no answer
            }
            uart.write_all(writer.as_bytes()); // so that the next answer has room
            writer.clear();
        }
    }
}

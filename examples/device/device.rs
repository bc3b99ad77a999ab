//! A thermometer that answers over a UART: no `std`, no allocation, no panic.
//!
//! This module has only what runs on the device, so you can copy it into firmware.

use core::fmt::Write;
use gotalk::{ErrorCode, Event, Frame, MessageType, Parser, RequestId, WriteError, Writer};

/// Give your driver these functions.
pub trait Uart {
    /// Waits for input and gives the number of bytes. 0 means that the line is closed.
    fn read(&mut self, to: &mut [u8]) -> usize;
    fn write_all(&mut self, bytes: &[u8]);
}

/// Put it into a `static`: it is all zeros, so it takes 96 bytes of RAM and no flash.
pub type Input = Parser<64>;

/// The longest answer: `{"millicelsius":-2147483648}` is a payload of 28 bytes.
const MAX_ANSWER: usize = MessageType::SingleResult.header_len(0) + 28;

/// Serves one peer until the line is closed or somebody breaks the protocol.
///
/// Requests are answered at their header. Their payloads are skipped.
pub fn serve(
    uart: &mut impl Uart,
    input: &mut Input,
    mut millicelsius: impl FnMut() -> i32,
) -> Result<(), WriteError> {
    let (mut rx, mut tx) = ([0; 16], [0; MAX_ANSWER]);
    let mut writer = Writer::new(&mut tx);
    input.reset();
    writer.version()?;
    uart.write_all(writer.as_bytes());
    loop {
        let len = uart.read(&mut rx);
        let Some(bytes @ [_, ..]) = rx.get(..len) else { return Ok(()) };
        let mut events = input.feed(bytes);
        while let Some(event) = events.next() {
            writer.clear();
            match event {
                Ok(Event::Frame(Frame::SingleRequest { id, op, .. })) if op == "temperature" => {
                    measure(&mut writer, id, millicelsius())?;
                }
                Ok(Event::Frame(
                    Frame::SingleRequest { id, .. } | Frame::StreamRequest { id, .. },
                ))
                | Ok(Event::NameTooLong { id: Some(id), .. }) => {
                    writer.error_result(id, b"no such operation")?;
                }
                Ok(Event::Frame(Frame::ProtocolError { .. })) => return Ok(()),
                Ok(_) => {} // the version, payloads, and what nobody waits for
                Err(error) => {
                    let code = error.protocol_code().unwrap_or(ErrorCode::ABNORMAL);
                    writer.protocol_error(code)?;
                    uart.write_all(writer.as_bytes());
                    return Ok(());
                }
            }
            uart.write_all(writer.as_bytes());
        }
    }
}

/// Answers with JSON, which is written straight into the buffer of the writer.
fn measure(writer: &mut Writer<'_>, id: RequestId, millicelsius: i32) -> Result<(), WriteError> {
    let mut payload = writer.begin(&Frame::SingleResult { id, payload_len: 0 })?;
    // It cannot fail: `commit` says if something did not fit.
    write!(payload, "{{\"millicelsius\":{millicelsius}}}").ok();
    payload.commit()
}

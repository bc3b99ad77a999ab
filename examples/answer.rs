//! Answers requests one by one, with the codec alone: `cargo run --example answer --
//! 127.0.0.1:7000`. It asks nothing and owes nothing, so it needs no session. (`peer` has one.)

use gotalk::{Assembler, ErrorCode, Frame, Item, Message, MessageType, Writer};
use std::error::Error;
use std::io::{self, BufWriter, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Duration;
use std::{env, thread};

const MAX_PAYLOAD: usize = 256;
const MAX_ANSWER: usize = MessageType::SingleResult.header_len(0) + MAX_PAYLOAD;

/// Serves one peer until it leaves, or until an error. Then end the output, drain the input
/// shortly, and close (rule 7.11 of PROTOCOL.md).
pub fn serve(mut input: impl Read, mut output: impl Write) -> Result<(), Box<dyn Error>> {
    let mut assembler = Assembler::<MAX_PAYLOAD, 64>::new(); // takes names of up to 64 bytes
    let (mut rx, mut tx) = ([0; 512], [0; MAX_ANSWER]);
    let mut writer = Writer::new(&mut tx);
    writer.version()?; // each end sends its version first, without waiting
    loop {
        output.write_all(writer.as_bytes())?;
        output.flush()?;
        if writer.is_closed() {
            break;
        }
        writer.clear();
        let len = match input.read(&mut rx) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                writer.heartbeat(0, 0)?; // nothing came for a while: say that we are here
                continue;
            }
            result => result?,
        };
        if len == 0 {
            break;
        }
        let mut items = assembler.feed(&rx[..len]);
        while let Some(item) = items.next() {
            output.write_all(writer.as_bytes())?; // one answer at a time
            writer.clear();
            match item {
                Ok(Item::Message(Message { frame, payload })) => match frame {
                    Frame::SingleRequest { id, op, .. } if op == "echo" => {
                        writer.single_result(id, payload)?;
                    }
                    Frame::SingleRequest { id, .. } | Frame::StreamRequest { id, .. } => {
                        writer.error_result(id, b"no such operation")?;
                    }
                    Frame::ProtocolError { .. } => return Ok(output.flush()?),
                    _ => {} // notifications, heartbeats, and what belongs to no open request
                },
                Ok(Item::NameTooLong { id: Some(id), .. })
                | Ok(Item::PayloadTooLong(Frame::SingleRequest { id, .. }))
                | Ok(Item::PayloadTooLong(Frame::StreamRequest { id, .. })) => {
                    writer.error_result(id, b"too long")?;
                }
                Ok(_) => {}
                Err(error) => {
                    let code = error.protocol_code().unwrap_or(ErrorCode::INVALID_MESSAGE);
                    writer.protocol_error(code)?;
                }
            }
        }
    }
    Ok(assembler.finish()?) // the peer's error, or that its last message was cut off
}

fn main() -> Result<(), Box<dyn Error>> {
    let address = env::args().nth(1).ok_or("usage: answer HOST:PORT")?;
    let listener = TcpListener::bind(address)?;
    eprintln!("listening on {}", listener.local_addr()?);
    for stream in listener.incoming() {
        let stream = stream?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        thread::spawn(move || {
            if let Err(error) = serve(&stream, BufWriter::new(&stream)) {
                eprintln!("closing a connection: {error}");
            }
            hang_up(&stream).ok();
        });
    }
    Ok(())
}

/// Closes in the order of rule 7.11 of PROTOCOL.md. Otherwise TCP resets the connection if
/// some input has not been read, and the peer may never see the protocol error.
fn hang_up(stream: &TcpStream) -> io::Result<()> {
    stream.shutdown(Shutdown::Write)?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    io::copy(&mut stream.take(1 << 16), &mut io::sink())?;
    Ok(())
}

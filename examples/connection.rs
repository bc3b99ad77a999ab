//! A connection type that owns its input and its output, and never blocks.
//!
//! It asks the server of the example `answer` to echo a string:
//!
//! ```sh
//! cargo run --example answer -- 127.0.0.1:7000
//! cargo run --example connection -- 127.0.0.1:7000
//! ```

use gotalk::{Assembler, Item, RequestId, SendBuffer, WriteError, Writer};
use std::error::Error;
use std::io::{self, ErrorKind, Read, Write};
use std::{env, net::TcpStream, thread, time::Duration};

/// One end of a conversation over `T`.
pub struct Connection<T> {
    transport: T,
    assembler: Assembler<256>,
    /// What has been received. It is unread from `start` to `end`.
    rx: [u8; 512],
    start: usize,
    end: usize,
    tx: SendBuffer<1024>,
}

impl<T: Read + Write> Connection<T> {
    /// Begins a conversation. The version is the first thing to be sent.
    pub fn new(transport: T) -> Result<Self, WriteError> {
        let mut tx = SendBuffer::new();
        tx.write(|writer| writer.version())?;
        Ok(Self { transport, assembler: Assembler::new(), rx: [0; 512], start: 0, end: 0, tx })
    }

    /// Queues messages. If the buffer is full, `flush` and try again.
    pub fn write<R>(&mut self, write: impl FnOnce(&mut Writer<'_>) -> R) -> R {
        self.tx.write(write)
    }

    /// Sends what the transport takes now. The error `WouldBlock` means that some is left.
    pub fn flush(&mut self) -> io::Result<()> {
        while !self.tx.is_empty() {
            match self.transport.write(self.tx.unsent()) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(len) => self.tx.sent(len),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.transport.flush()
    }

    /// The next item, or `None` at the end of the conversation. The error `WouldBlock` means
    /// that nothing has come yet.
    ///
    /// The item borrows the connection. A step borrows nothing, so the loop may go on.
    pub fn next_item(&mut self) -> io::Result<Option<Item<'_>>> {
        loop {
            let (start, end) = (self.start, self.end);
            let (len, step) = self.assembler.step(&self.rx[start..end]);
            self.start += len;
            if let Some(step) = step.map_err(|error| self.refuse(error))? {
                return Ok(Some(self.assembler.item(&self.rx[start..end], step)));
            }
            (self.start, self.end) = (0, 0);
            match self.transport.read(&mut self.rx) {
                Ok(0) => return self.assembler.finish().map_err(io::Error::other).map(|()| None),
                Ok(len) => self.end = len,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Queues the protocol error that says why the connection is closed.
    fn refuse(&mut self, error: gotalk::Error) -> io::Error {
        if let Some(code) = error.protocol_code() {
            self.tx.write(|writer| writer.protocol_error(code)).ok();
        }
        io::Error::new(ErrorKind::InvalidData, error)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let stream = TcpStream::connect(env::args().nth(1).ok_or("which address?")?)?;
    stream.set_nonblocking(true)?;
    let mut connection = Connection::new(stream)?;
    connection.write(|tx| tx.single_request(RequestId::new(*b"0001"), "echo", br#""hello""#))?;
    loop {
        thread::sleep(Duration::from_millis(10)); // better: until the socket is ready
        match connection.flush().and_then(|()| connection.next_item()) {
            Ok(Some(Item::Message(message))) => break println!("{message:?}"),
            Ok(Some(_)) => {} // the version
            Ok(None) => return Err("the server closed the connection".into()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

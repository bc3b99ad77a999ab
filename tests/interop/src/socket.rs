//! A connection over TCP or WebSocket, for both ends of a scenario.
//!
//! Over WebSocket a [`Lie`] is told here, at the end of the recorded peer, and not by a relay:
//! what is to be wrong is a byte of Gotalk or the cut into messages, never WebSocket's own bytes.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use tungstenite::handshake::HandshakeError;
use tungstenite::protocol::frame::Frame;
use tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tungstenite::protocol::{CloseFrame, WebSocket};
use tungstenite::{Error, Message};

use crate::play::{Chunks, Random, write_in};
use crate::relay::{Liar, Lie};

/// Where `gotalk serve` and ours have their WebSocket.
pub const PATH: &str = "/gotalk/";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    Tcp,
    WebSocket,
}

impl Carrier {
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::WebSocket => "ws",
        }
    }

    /// How a program is told where to connect or to listen.
    pub fn url(self, address: SocketAddr) -> String {
        match self {
            Self::Tcp => address.to_string(),
            Self::WebSocket => format!("ws://{address}{PATH}"),
        }
    }
}

/// What goes over a WebSocket as one message. Over TCP the bytes of all pieces are joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    pub is_text: bool,
    pub bytes: Vec<u8>,
}

pub enum Socket {
    Tcp(TcpStream),
    WebSocket {
        socket: Box<WebSocket<TcpStream>>,
        /// What is done to what is sent, and to what comes.
        lies: [Liar; 2],
        /// What has come and is not taken yet.
        came: Vec<Piece>,
        /// The other end has said WebSocket's goodbye.
        said_goodbye: bool,
    },
}

impl Socket {
    pub fn connect(carrier: Carrier, address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        match carrier {
            Carrier::Tcp => Ok(Self::Tcp(stream)),
            Carrier::WebSocket => {
                stream.set_read_timeout(Some(crate::PATIENCE))?;
                let opened = tungstenite::client(carrier.url(address), stream);
                let (socket, _) = opened.map_err(|error| unopened(&error))?;
                Ok(Self::web(socket))
            }
        }
    }

    /// Waits for a connection, and takes it.
    pub fn await_one(
        carrier: Carrier,
        listener: &TcpListener,
        patience: Duration,
    ) -> io::Result<Self> {
        let until = Instant::now() + patience;
        listener.set_nonblocking(true)?;
        loop {
            match listener.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(false)?;
                    return Self::accept(carrier, stream);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock && Instant::now() < until => {
                    thread::sleep(Duration::from_millis(1));
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn accept(carrier: Carrier, stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        match carrier {
            Carrier::Tcp => Ok(Self::Tcp(stream)),
            Carrier::WebSocket => {
                stream.set_read_timeout(Some(crate::PATIENCE))?;
                let opened = tungstenite::accept(stream);
                Ok(Self::web(opened.map_err(|error| unopened(&error))?))
            }
        }
    }

    fn web(socket: WebSocket<TcpStream>) -> Self {
        let lies = [Liar::new(Lie::Nothing), Liar::new(Lie::Nothing)];
        let (socket, came) = (Box::new(socket), Vec::new());
        Self::WebSocket { socket, lies, came, said_goodbye: false }
    }

    /// Lies about what is sent, or about what comes. Over TCP a relay does it.
    pub fn lie(&mut self, lie: Lie, about_sent: bool) {
        if let Self::WebSocket { lies, .. } = self {
            lies[usize::from(!about_sent)] = Liar::new(lie);
        }
    }

    fn stream(&self) -> &TcpStream {
        match self {
            Self::Tcp(stream) => stream,
            Self::WebSocket { socket, .. } => socket.get_ref(),
        }
    }

    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.stream().local_addr()
    }

    pub fn set_read_timeout(&self, time: Duration) -> io::Result<()> {
        self.stream().set_read_timeout(Some(time))
    }

    /// Whether the other end closed as it should, as far as that can be told.
    pub fn was_closed_well(&self) -> bool {
        match self {
            Self::Tcp(_) => true,
            Self::WebSocket { said_goodbye, .. } => *said_goodbye,
        }
    }

    /// The next that comes. `None`: the other end has closed.
    pub fn receive(&mut self) -> io::Result<Option<Piece>> {
        match self {
            Self::Tcp(stream) => {
                let mut input = [0; 4096];
                let len = stream.read(&mut input)?;
                let bytes = input[..len].to_vec();
                Ok((len > 0).then_some(Piece { is_text: false, bytes }))
            }
            Self::WebSocket { socket, lies, came, said_goodbye } => loop {
                if !came.is_empty() {
                    return Ok(Some(came.remove(0)));
                }
                let piece = match socket.read() {
                    Ok(Message::Binary(bytes)) => Piece { is_text: false, bytes: bytes.to_vec() },
                    Ok(Message::Text(text)) => {
                        Piece { is_text: true, bytes: text.as_bytes().to_vec() }
                    }
                    Ok(Message::Close(_)) => {
                        *said_goodbye = true;
                        continue;
                    }
                    Ok(_) => continue,
                    Err(error) => return ended(error),
                };
                *came = lies[1].pieces(piece);
            },
        }
    }

    /// Sends what a [`gotalk::Writer`] has written.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.write_all(bytes),
            Self::WebSocket { socket, .. } => {
                for message in gotalk::websocket::messages(bytes) {
                    socket.send(Message::binary(message.to_vec())).map_err(failed)?;
                }
                Ok(())
            }
        }
    }

    /// Sends pieces as a recorded peer does: over TCP joined and cut anew, over WebSocket each
    /// as a message, which may go in fragments with a ping between them.
    pub fn play(
        &mut self,
        pieces: &[Piece],
        chunks: Chunks,
        random: &mut Random,
    ) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => {
                let bytes: Vec<u8> = pieces.iter().flat_map(|piece| piece.bytes.clone()).collect();
                write_in(stream, &bytes, chunks, random)
            }
            Self::WebSocket { socket, lies, .. } => {
                for piece in pieces {
                    for piece in lies[0].pieces(piece.clone()) {
                        send_in(socket, &piece, chunks, random).map_err(failed)?;
                    }
                }
                Ok(())
            }
        }
    }

    /// Says that nothing more will be sent.
    pub fn finish(&mut self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Self::WebSocket { socket, .. } => {
                let frame = CloseFrame { code: CloseCode::Normal, reason: "".into() };
                let _ = socket.close(Some(frame)); // the other end may have done it
                match socket.flush() {
                    Err(Error::ConnectionClosed | Error::AlreadyClosed) | Ok(()) => Ok(()),
                    Err(error) => Err(failed(error)),
                }
            }
        }
    }
}

/// One WebSocket message, whole or in fragments.
fn send_in(
    socket: &mut WebSocket<TcpStream>,
    piece: &Piece,
    chunks: Chunks,
    random: &mut Random,
) -> Result<(), Error> {
    let Piece { is_text, bytes } = piece;
    if chunks == Chunks::Whole {
        let message = match str::from_utf8(bytes) {
            Ok(text) if *is_text => Message::text(text),
            _ => Message::binary(bytes.clone()),
        };
        return socket.send(message);
    }
    let mut rest = bytes.as_slice();
    let mut kind = if *is_text { Data::Text } else { Data::Binary };
    loop {
        let len = match chunks {
            Chunks::Bytes => 1.min(rest.len()),
            _ => random.below(rest.len().min(40) + 1),
        };
        let (fragment, after) = rest.split_at(len);
        // An empty fragment may be the last one too.
        let is_last = after.is_empty() && random.below(3) > 0;
        let frame = Frame::message(fragment.to_vec(), OpCode::Data(kind), is_last);
        socket.send(Message::Frame(frame))?;
        if is_last {
            return Ok(());
        }
        if random.below(4) == 0 {
            socket.send(Message::Ping(b"p".to_vec().into()))?;
        }
        if random.below(8) == 0 {
            thread::sleep(Duration::from_millis(random.below(3) as u64));
        }
        kind = Data::Continue;
        rest = after;
    }
}

fn unopened<R: tungstenite::handshake::HandshakeRole>(error: &HandshakeError<R>) -> io::Error {
    io::Error::other(format!("no WebSocket: {error}"))
}

fn failed(error: Error) -> io::Error {
    match error {
        Error::Io(error) => error,
        error => io::Error::new(ErrorKind::BrokenPipe, error),
    }
}

/// An end that is told by `None`, or an error.
fn ended(error: Error) -> io::Result<Option<Piece>> {
    use tungstenite::error::ProtocolError::ResetWithoutClosingHandshake;
    match error {
        Error::ConnectionClosed
        | Error::AlreadyClosed
        | Error::Protocol(ResetWithoutClosingHandshake) => Ok(None),
        error => Err(failed(error)),
    }
}

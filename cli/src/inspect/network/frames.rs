//! What carries Gotalk in a TCP stream: nothing else, or WebSocket frames behind an upgrade of
//! HTTP. Of a frame only the header is ever kept.

use std::io::Cursor;

use tokio_tungstenite::tungstenite::handshake::client::Response;
use tokio_tungstenite::tungstenite::handshake::machine::TryParse;
use tokio_tungstenite::tungstenite::handshake::server::Request;
use tokio_tungstenite::tungstenite::http::header::UPGRADE;
use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use super::super::Side;
use crate::text::is_whole_head;

/// The longest head of HTTP that is looked at.
const LONGEST_HEAD: usize = 16 * 1024;

/// What is wrong with a WebSocket.
pub(super) enum Fault {
    /// By permessage-deflate, the only extension in use.
    Compressed,
    Wrong(String),
}

/// One direction.
#[derive(Default)]
pub(super) enum Carrier {
    #[default]
    Unknown,
    Plain,
    Head(Vec<u8>),
    Frames(Frames),
}

#[derive(Default)]
pub(super) struct Frames {
    /// The start of a header.
    header: Vec<u8>,
    /// How much of the payload is still to come.
    left: u64,
    mask: Option<[u8; 4]>,
    /// How much of it came, for the mask.
    at: usize,
    is_control: bool,
    /// A message goes on in the next frame.
    is_open: bool,
}

impl Carrier {
    /// Takes bytes of TCP, and adds those of Gotalk. A client that asks for a WebSocket tells
    /// its path.
    pub(super) fn take(
        &mut self,
        side: Side,
        bytes: &[u8],
        inner: &mut Vec<u8>,
        path: &mut Option<String>,
    ) -> Result<(), Fault> {
        if let (Self::Unknown, Some(first)) = (&self, bytes.first()) {
            let of_http = if side == Side::Client { b'G' } else { b'H' };
            *self = if *first == of_http { Self::Head(Vec::new()) } else { Self::Plain };
        }
        match self {
            Self::Unknown => {}
            Self::Plain => inner.extend_from_slice(bytes),
            Self::Frames(frames) => return frames.take(bytes, inner),
            Self::Head(head) => {
                let looked_at = head.len();
                head.extend_from_slice(bytes);
                let is_whole = is_whole_head(head, looked_at);
                if !is_whole && head.len() <= LONGEST_HEAD {
                    return Ok(());
                }
                match is_whole.then(|| upgrade(side, head, path)).flatten() {
                    Some(len) => {
                        let rest = head.split_off(len);
                        let mut frames = Frames::default();
                        let taken = frames.take(&rest, inner);
                        *self = Self::Frames(frames);
                        return taken;
                    }
                    None => {
                        inner.append(head);
                        *self = Self::Plain;
                    }
                }
            }
        }
        Ok(())
    }

    /// How many bytes are kept, with the room for more.
    pub(super) fn kept(&self) -> usize {
        if let Self::Head(head) = self { head.capacity() } else { 0 }
    }

    /// Adds what was kept because it could have become a WebSocket.
    pub(super) fn end(&mut self, inner: &mut Vec<u8>) {
        if let Self::Head(head) = self {
            inner.append(head);
        }
    }
}

/// The length of a head that is the start of a WebSocket.
fn upgrade(side: Side, head: &[u8], path: &mut Option<String>) -> Option<usize> {
    if side == Side::Server {
        let (len, response) = Response::try_parse(head).ok()??;
        return (response.status() == 101).then_some(len);
    }
    let (len, request) = Request::try_parse(head).ok()??;
    let to = request.headers().get(UPGRADE)?;
    to.as_bytes().eq_ignore_ascii_case(b"websocket").then(|| {
        *path = Some(request.uri().to_string());
        len
    })
}

impl Frames {
    fn take(&mut self, mut bytes: &[u8], inner: &mut Vec<u8>) -> Result<(), Fault> {
        while !bytes.is_empty() {
            if self.left == 0 {
                self.header.push(bytes[0]);
                bytes = &bytes[1..];
                let wrong = |error| Fault::Wrong(format!("no WebSocket frame: {error}"));
                let parsed = FrameHeader::parse(&mut Cursor::new(&self.header)).map_err(wrong)?;
                if let Some((header, len)) = parsed {
                    self.header.clear();
                    self.begin(&header, len)?;
                }
                continue;
            }
            let len = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
            let (payload, rest) = bytes.split_at(len);
            if !self.is_control {
                let mask = self.mask.unwrap_or_default();
                let masks = mask.into_iter().cycle().skip(self.at % 4);
                inner.extend(payload.iter().zip(masks).map(|(byte, mask)| byte ^ mask));
            }
            self.at = (self.at + len) % 4;
            self.left -= len as u64;
            bytes = rest;
        }
        Ok(())
    }

    fn begin(&mut self, header: &FrameHeader, len: u64) -> Result<(), Fault> {
        if header.rsv1 {
            return Err(Fault::Compressed);
        }
        let wrong = |what: &str| Err(Fault::Wrong(format!("no WebSocket frame: {what}")));
        if header.rsv2 || header.rsv3 {
            return wrong("reserved bits are set");
        }
        self.is_control = matches!(header.opcode, OpCode::Control(_));
        match header.opcode {
            OpCode::Control(_) if !header.is_final || len > 125 => {
                return wrong("a control frame is in parts, or too long");
            }
            OpCode::Control(_) => {}
            OpCode::Data(data) => {
                if (data == Data::Continue) != self.is_open {
                    return wrong(
                        "a message does not go on where it should, or where it should not",
                    );
                }
                self.is_open = !header.is_final;
            }
        }
        (self.left, self.mask, self.at) = (len, header.mask, 0);
        Ok(())
    }
}

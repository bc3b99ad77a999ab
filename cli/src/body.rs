//! What a request sends: where it comes from, and its parts if it is streamed.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

use crate::wire::FULL;

/// Where a payload comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source<'a> {
    Bytes(&'a [u8]),
    Input,
    File(&'a OsStr),
}

impl<'a> Source<'a> {
    /// In the words of curl: `@FILE` is a file, `-` the standard input, and so is `@-`.
    pub(crate) fn of(text: &'a OsStr) -> Self {
        let bytes = text.as_encoded_bytes();
        if matches!(bytes, b"-" | b"@-") {
            return Self::Input;
        }
        bytes.strip_prefix(b"@").and_then(path).map_or(Self::Bytes(bytes), Self::File)
    }

    /// All of it, unless that is more than a message can have.
    pub(crate) fn read(self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let too_long = match self {
            Self::Bytes(all) => {
                bytes.extend_from_slice(all);
                false
            }
            Self::Input => read_up_to_most(io::stdin(), &mut bytes)?,
            Self::File(path) => {
                let file = File::open(path)?;
                file.metadata()?.len() > MOST || read_up_to_most(file, &mut bytes)?
            }
        };
        if too_long {
            let why = "it is longer than a message can be; `--stream` sends it in parts";
            return Err(io::Error::new(ErrorKind::FileTooLarge, why));
        }
        Ok(bytes)
    }
}

/// The most bytes of a payload.
const MOST: u64 = u32::MAX as u64;

/// Whether there is more.
fn read_up_to_most(input: impl Read, bytes: &mut Vec<u8>) -> io::Result<bool> {
    Ok(input.take(MOST + 1).read_to_end(bytes)? as u64 > MOST)
}

#[cfg(unix)]
fn path(bytes: &[u8]) -> Option<&OsStr> {
    Some(std::os::unix::ffi::OsStrExt::from_bytes(bytes))
}

#[cfg(not(unix))]
fn path(bytes: &[u8]) -> Option<&OsStr> {
    std::str::from_utf8(bytes).ok().map(OsStr::new)
}

/// A payload that is read and sent piece by piece. There is never more of it here than is
/// read at once.
pub(crate) struct Parts<'a> {
    source: Source<'a>,
    reader: Box<dyn AsyncRead + Unpin + 'a>,
    /// The most bytes of a part.
    size: usize,
    piece: Vec<u8>,
    /// How much of the piece has been taken.
    taken: usize,
    has_ended: bool,
    failure: Option<io::Error>,
    /// Whether it can be read a second time.
    pub(crate) is_lasting: bool,
}

impl<'a> Parts<'a> {
    pub(crate) fn open(source: Source<'a>, size: usize) -> io::Result<Self> {
        let mut is_lasting = true;
        let reader: Box<dyn AsyncRead + Unpin + 'a> = match source {
            Source::Bytes(bytes) => Box::new(bytes),
            Source::Input => {
                is_lasting = false;
                Box::new(tokio::io::stdin())
            }
            Source::File(path) => {
                let file = File::open(path)?;
                is_lasting = file.metadata()?.is_file();
                Box::new(tokio::fs::File::from_std(file))
            }
        };
        let size = size.max(1);
        let (piece, taken, has_ended, failure) = (Vec::new(), 0, false, None);
        Ok(Self { source, reader, size, piece, taken, has_ended, failure, is_lasting })
    }

    /// Once more from the start.
    pub(crate) fn rewind(&mut self) -> io::Result<()> {
        *self = Self::open(self.source, self.size)?;
        Ok(())
    }

    /// Reads on when all that was read has been taken.
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.taken < self.piece.len() || self.has_ended || self.failure.is_some() {
            return Poll::Pending;
        }
        self.taken = 0;
        self.piece.resize(FULL, 0);
        let mut piece = ReadBuf::new(&mut self.piece);
        let read = Pin::new(&mut self.reader).poll_read(cx, &mut piece);
        let len = piece.filled().len();
        self.piece.truncate(len);
        if let Err(error) = ready!(read) {
            self.failure = Some(error);
        }
        self.has_ended = len == 0;
        Poll::Ready(())
    }

    /// The next part, and at the end an empty one; `None` if it is still to be read.
    pub(crate) fn next(&mut self) -> io::Result<Option<&[u8]>> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        let from = self.taken;
        self.taken = self.piece.len().min(from + self.size);
        let part = &self.piece[from..self.taken];
        Ok((!part.is_empty() || self.has_ended).then_some(part))
    }
}

//! The standard output and the standard error, where either may be full or closed.

use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;

use crate::codes::NO_OUTPUT;
use crate::colors::{self, Palette, paint};
use crate::escape;

/// A line on the standard error. That it cannot be said changes nothing else.
pub(crate) fn tell(text: fmt::Arguments<'_>) {
    let (mut out, colored) = colors::screen(true);
    tell_on((&mut out, colored), text);
}

/// The same, where the standard error is given, and whether it takes colours.
pub(crate) fn tell_on(stderr: (&mut dyn Write, bool), text: fmt::Arguments<'_>) {
    let (out, colored) = stderr;
    // In one write, as others may write too.
    let _ = out.write_all((colors::told(colored, &text.to_string()) + "\n").as_bytes());
}

/// The same, if it is why nothing comes of a command.
pub(crate) fn complain(text: fmt::Arguments<'_>) {
    let (mut out, colored) = colors::screen(true);
    let warning = Palette::new(colored).warning;
    tell_on((&mut out, colored), format_args!("{}", paint(warning, text)));
}

/// Puts all of it on the standard output, and gives the exit code.
pub(crate) fn print(text: &[u8]) -> u8 {
    let mut out = colors::screen(false).0;
    match out.write_all(text).and_then(|()| out.flush()) {
        Ok(()) => 0,
        Err(error) => failed(&error),
    }
}

/// Tells that the output cannot be written, and gives the exit code for that.
pub(crate) fn failed(error: &io::Error) -> u8 {
    let (mut out, colored) = colors::screen(true);
    failed_on((&mut out, colored), error)
}

/// The same, where the standard error is given.
pub(crate) fn failed_on(stderr: (&mut dyn Write, bool), error: &io::Error) -> u8 {
    // Whoever reads has seen enough, as in `gotalk inspect CAPTURE | head`.
    if error.kind() == ErrorKind::BrokenPipe {
        return 0;
    }
    tell_on(stderr, format_args!("gotalk: cannot write: {error}"));
    NO_OUTPUT
}

/// Where a conversation shows what comes. It does not wait for whoever reads that: it keeps
/// what it is given until that is written.
pub(crate) trait Sink: Write {
    /// Goes on writing, until all has been written.
    fn poll_written(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

impl Sink for Vec<u8> {
    fn poll_written(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl<S: Sink + ?Sized> Sink for &mut S {
    fn poll_written(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        (**self).poll_written(cx)
    }
}

impl<S: Sink + ?Sized> Sink for Box<S> {
    fn poll_written(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        (**self).poll_written(cx)
    }
}

/// The standard output or the standard error as a sink.
pub(crate) struct Screen<W> {
    out: W,
    bytes: Vec<u8>,
    /// How much of them has been written.
    gone: usize,
}

impl<W> Screen<W> {
    pub(crate) fn new(out: W) -> Self {
        Self { out, bytes: Vec::new(), gone: 0 }
    }
}

impl<W> Write for Screen<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<W: AsyncWrite + Unpin> Sink for Screen<W> {
    fn poll_written(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut out = Pin::new(&mut self.out);
        while self.gone < self.bytes.len() {
            self.gone += match ready!(out.as_mut().poll_write(cx, &self.bytes[self.gone..]))? {
                0 => return Poll::Ready(Err(ErrorKind::WriteZero.into())),
                len => len,
            };
        }
        self.bytes.clear();
        self.gone = 0;
        out.poll_flush(cx)
    }
}

/// Writes text to a terminal: lines and tabs as they are, whatever else is hidden as its
/// escape, and what is no text as U+FFFD.
pub(crate) struct Terminal<W> {
    out: W,
    /// The start of a character that is cut off between two pieces.
    cut: Vec<u8>,
}

impl<W: Write> Terminal<W> {
    pub(crate) fn new(out: W) -> Self {
        Self { out, cut: Vec::new() }
    }
}

impl<W: Write> Write for Terminal<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let bytes_and_before = [std::mem::take(&mut self.cut), bytes.to_vec()].concat();
        let mut text = String::new();
        let mut chunks = bytes_and_before.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            for part in chunk.valid().split_inclusive(['\n', '\t']) {
                let line = part.trim_end_matches(['\n', '\t']);
                text.push_str(&escape::plain(line));
                text.push_str(&part[line.len()..]);
            }
            let is_cut =
                std::str::from_utf8(chunk.invalid()).is_err_and(|e| e.error_len().is_none());
            match chunks.peek() {
                None if is_cut => self.cut = chunk.invalid().to_vec(),
                _ if chunk.invalid().is_empty() => {}
                _ => text.push(char::REPLACEMENT_CHARACTER),
            }
        }
        self.out.write_all(text.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl<W: Sink> Sink for Terminal<W> {
    fn poll_written(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.out.poll_written(cx)
    }
}

//! What a call shows to people: the result as it is, and all else in lines beside it.

use std::fmt;
use std::io::{self, Write};
use std::task::{Context, Poll};

use crate::client::{Show, What};
use crate::colors::told;
use crate::output::Sink;
use crate::text::{self, Excerpt};

pub(crate) struct Plain<R, N> {
    result: R,
    notes: N,
    /// Whether the notes are coloured.
    colored: bool,
    /// How the line begins that the payload is for; `None` for a result.
    begun: Option<String>,
    text: Excerpt,
    /// Whether something of the result has been shown.
    has_result: bool,
    /// Whether its line is ended, which is for the eye only: in a file or a pipe the result is
    /// to be exactly its bytes.
    pub(crate) ends_line: bool,
}

impl<R: Sink, N: Write> Plain<R, N> {
    pub(crate) fn new(result: R, (notes, colored): (N, bool)) -> Self {
        let text = Excerpt::default();
        Self { result, notes, colored, begun: None, text, has_result: false, ends_line: false }
    }
}

impl<R: Sink, N: Write> Show for Plain<R, N> {
    fn begin(&mut self, what: What<'_>, _: u32) -> io::Result<()> {
        self.begun = match what {
            What::Result | What::Part => None,
            What::Error => Some("error:".to_owned()),
            What::Retry { wait_ms } => Some(format!("retry after {wait_ms} ms:")),
            What::Notification(name) => {
                Some(format!("notification: {}", text::name(name.as_bytes())))
            }
        };
        Ok(())
    }

    fn piece(&mut self, data: &[u8], remaining: u32) -> io::Result<()> {
        let Some(begun) = &self.begun else {
            self.has_result |= !data.is_empty();
            return self.result.write_all(data);
        };
        self.text.push(data);
        if remaining == 0 {
            let text = std::mem::take(&mut self.text);
            let line = told(self.colored, &format!("{begun} {text}")) + "\n";
            let _ = self.notes.write_all(line.as_bytes());
        }
        Ok(())
    }

    fn note(&mut self, text: fmt::Arguments<'_>) {
        let _ = writeln!(self.notes, "{text}");
    }

    fn end(&mut self) -> io::Result<()> {
        if self.ends_line && self.has_result { writeln!(self.result) } else { Ok(()) }
    }

    fn poll_written(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.result.poll_written(cx)
    }
}

//! Both directions with the time when each piece came: what a relay sees, or has recorded.
//! So the order is the real one, and nothing waits.

use std::io::{self, Write};
use std::time::Duration;

use gotalk::MessageType;

use super::capture::{Capture, PIECE, Progress};
use super::tally::Tally;
use super::{BAD_INPUT, CLEAN, Heading, Report, Show, Side, TRUNCATED, json, text};

pub(crate) struct Timed<'o> {
    report: Report<'o>,
    lanes: [Lane; 2],
    has_closed: bool,
}

struct Lane {
    capture: Capture,
    /// The exit code for how it has ended.
    code: Option<u8>,
}

impl<'o> Timed<'o> {
    pub(crate) fn new(json: bool, handshake: bool, out: &'o mut dyn Write) -> io::Result<Self> {
        let show: &dyn Show = if json { &json::Json } else { &text::Text };
        let mut report = Report { show, out, tally: Tally::default() };
        report.heading(Heading::Timed)?;
        report.out.flush()?;
        let lane = || Lane { capture: Capture::new(handshake), code: None };
        Ok(Self { report, lanes: [lane(), lane()], has_closed: false })
    }

    /// Shows what is complete with the next bytes of a side; without any, that was its end.
    /// Behind bad input nothing is shown any more.
    pub(crate) fn take(&mut self, side: Side, time: Duration, bytes: &[u8]) -> io::Result<()> {
        let mut rest = bytes;
        loop {
            let piece = &rest[..rest.len().min(PIECE)];
            rest = &rest[piece.len()..];
            self.piece(side, time, piece, rest)?;
            if rest.is_empty() {
                return self.report.out.flush();
            }
        }
    }

    fn piece(
        &mut self,
        side: Side,
        time: Duration,
        mut piece: &[u8],
        mut following: &[u8],
    ) -> io::Result<()> {
        let Lane { capture, code } = &mut self.lanes[side as usize];
        if code.is_some() {
            return Ok(());
        }
        // All of an earlier piece has been looked at.
        capture.fill(&mut piece)?;
        loop {
            match capture.advance() {
                Progress::Message(record) => {
                    self.has_closed |= record.message == Some(MessageType::ProtocolError);
                    self.report.record(Some(side), Some(time), &record, None)?;
                }
                Progress::NeedsInput => return Ok(()),
                Progress::End(ending) => {
                    let ended =
                        self.report.ending(Some(side), capture, Some(&ending), &mut following)?;
                    *code = Some(ended);
                    return Ok(());
                }
            }
        }
    }

    /// Whether one side has ended the conversation by a protocol error.
    pub(crate) fn has_closed(&self) -> bool {
        self.has_closed
    }

    /// Shows what all of it comes to, and gives the exit code.
    pub(crate) fn finish(mut self) -> io::Result<u8> {
        let mut codes = Vec::new();
        for Lane { capture, code } in &mut self.lanes {
            codes.push(match code {
                Some(code) => *code,
                None => self.report.ending(None, capture, None, &mut io::empty())?,
            });
        }
        self.report.show.tally(self.report.out, &self.report.tally)?;
        self.report.out.flush()?;
        let worst = [BAD_INPUT, TRUNCATED].into_iter().find(|code| codes.contains(code));
        Ok(worst.unwrap_or(CLEAN))
    }
}

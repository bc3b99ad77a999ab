//! Both directions with the time when each piece came: what a relay sees, or has recorded,
//! and what a capture of a network has. So the order is the real one, and nothing waits.

use std::io::{self, Write};
use std::time::Duration;

use gotalk::MessageType;

use super::capture::{Capture, Ending, Handshake, Progress};
use super::tally::Tally;
use super::{BAD_INPUT, CLEAN, Gap, Heading, Look, Parties, Report, Show, Side, TRUNCATED};

/// How much is looked at at once. It is a buffer in each direction, and a capture may have
/// thousands of connections.
const PIECE: usize = 4096;

pub(crate) struct Timed {
    show: Box<dyn Show>,
    tally: Tally,
    lanes: [Lane; 2],
    /// How many messages have been shown, the versions among them.
    shown: u64,
    has_closed: bool,
}

struct Lane {
    capture: Capture,
    /// The exit code for how it has ended.
    code: Option<u8>,
}

impl Timed {
    pub(crate) fn new(look: Look, handshake: Handshake) -> Self {
        let lane = || Lane { capture: Capture::new(handshake, PIECE), code: None };
        Self {
            show: look.show(),
            tally: Tally::default(),
            lanes: [lane(), lane()],
            shown: 0,
            has_closed: false,
        }
    }

    /// What stands above the messages.
    pub(crate) fn heading(&self, out: &mut dyn Write) -> io::Result<()> {
        self.show.heading(out, Heading::Timed)?;
        out.flush()
    }

    /// The same, where there can be several.
    pub(crate) fn connection(
        &self,
        out: &mut dyn Write,
        number: u64,
        parties: &Parties,
    ) -> io::Result<()> {
        self.show.connection(out, number, parties)?;
        out.flush()
    }

    /// Shows what is complete with the next bytes of a side; without any, that was its end.
    /// Behind bad input nothing is shown any more.
    pub(crate) fn take(
        &mut self,
        out: &mut dyn Write,
        side: Side,
        time: Duration,
        bytes: &[u8],
    ) -> io::Result<()> {
        let mut rest = bytes;
        loop {
            let piece = &rest[..rest.len().min(PIECE)];
            rest = &rest[piece.len()..];
            self.piece(out, side, time, piece, rest)?;
            if rest.is_empty() {
                return out.flush();
            }
        }
    }

    fn piece(
        &mut self,
        out: &mut dyn Write,
        side: Side,
        time: Duration,
        mut piece: &[u8],
        mut following: &[u8],
    ) -> io::Result<()> {
        let Lane { capture, code } = &mut self.lanes[side as usize];
        if code.is_some() {
            return Ok(());
        }
        let mut report = Report { show: &*self.show, out, tally: &mut self.tally };
        // All of an earlier piece has been looked at.
        capture.fill(&mut piece)?;
        loop {
            match capture.advance() {
                Progress::Message(record) => {
                    self.shown += 1;
                    self.has_closed |= record.message == Some(MessageType::ProtocolError);
                    report.record(Some(side), Some(time), &record, None)?;
                }
                Progress::NeedsInput => return Ok(()),
                Progress::End(ending) => {
                    let ended =
                        report.ending(Some(side), capture, Some(&ending), &mut following)?;
                    *code = Some(ended);
                    return Ok(());
                }
            }
        }
    }

    /// Ends a side at a place behind which its bytes are not known, and tells so.
    pub(crate) fn gap(&mut self, out: &mut dyn Write, side: Side, gap: &Gap) -> io::Result<()> {
        let Lane { capture, code } = &mut self.lanes[side as usize];
        if code.is_some() {
            return Ok(());
        }
        self.show.gap(out, side, capture.offset(), gap)?;
        let mut report = Report { show: &*self.show, out, tally: &mut self.tally };
        cut(side, capture, &mut report)?;
        *code = Some(if gap.is_bad_input { BAD_INPUT } else { TRUNCATED });
        Ok(())
    }

    /// How many messages have been shown.
    pub(super) fn shown(&self) -> u64 {
        self.shown
    }

    /// Whether one side has ended the conversation by a protocol error.
    pub(crate) fn has_closed(&self) -> bool {
        self.has_closed
    }

    /// The exit code for how the sides have ended that have.
    pub(crate) fn code(&self) -> u8 {
        worst(&self.lanes.each_ref().map(|lane| lane.code.unwrap_or(CLEAN)))
    }

    /// Shows what all of it comes to, and gives the exit code.
    pub(crate) fn finish(mut self, out: &mut dyn Write) -> io::Result<u8> {
        let mut codes = Vec::new();
        for side in [Side::Client, Side::Server] {
            let Lane { capture, code } = &mut self.lanes[side as usize];
            let mut report = Report { show: &*self.show, out, tally: &mut self.tally };
            codes.push(match code {
                Some(code) => *code,
                // Its end is not known: it may have gone on behind this.
                None => cut(side, capture, &mut report)?,
            });
        }
        self.show.tally(out, &self.tally)?;
        out.flush()?;
        Ok(worst(&codes))
    }
}

/// Tells what is cut off at a place behind which a side is not known, and gives the exit code
/// for that. Between messages nothing is, and neither is a version that has not begun.
fn cut(side: Side, capture: &mut Capture, report: &mut Report<'_>) -> io::Result<u8> {
    capture.fill(&mut io::empty())?;
    let ending = match capture.advance() {
        Progress::End(ending @ Ending::Truncated { .. }) if capture.offset() > 0 => Some(ending),
        _ => None,
    };
    report.ending(Some(side), capture, ending.as_ref(), &mut io::empty())
}

/// The exit code for several endings.
pub(super) fn worst(codes: &[u8]) -> u8 {
    [BAD_INPUT, TRUNCATED].into_iter().find(|code| codes.contains(code)).unwrap_or(CLEAN)
}

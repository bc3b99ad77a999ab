//! What `gotalk relay --record` writes, and the inspector reads.
//!
//! A recording begins with a line: `gotalk-recording 1 START`. START is the UNIX time in
//! microseconds when the client came, TIME is counted from it. Then come pieces. Each is a
//! line `SIDE TIME LENGTH`, then so many bytes as they passed, then a line feed. SIDE is
//! `client` or `server`, and sent them; TIME is in microseconds. A piece of length 0 tells
//! that the side has ended.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::time::Duration;

use super::timed::Timed;
use super::{Side, Stop};

/// What a recording begins with, and no capture can.
pub(super) const MAGIC: &[u8] = b"gotalk-recording 1 ";

/// How much of a piece is looked at at once.
const AT_ONCE: u64 = 16 * 1024;

/// Writes a recording.
pub(crate) struct Recorder<W>(W);

impl<W: Write> Recorder<W> {
    /// `start` is the time since 1970.
    pub(crate) fn new(mut out: W, start: Duration) -> io::Result<Self> {
        out.write_all(MAGIC)?;
        writeln!(out, "{}", start.as_micros())?;
        out.flush()?;
        Ok(Self(out))
    }

    pub(crate) fn piece(&mut self, side: Side, time: Duration, bytes: &[u8]) -> io::Result<()> {
        writeln!(self.0, "{side} {} {}", time.as_micros(), bytes.len())?;
        self.0.write_all(bytes)?;
        self.0.write_all(b"\n")?;
        self.0.flush()
    }
}

/// Shows a recording. `true`: it ends where it should; a relay that was killed may have left
/// it in the middle of a piece.
pub(super) fn show(
    source: impl Read,
    timed: &mut Timed,
    out: &mut dyn Write,
) -> Result<bool, Stop> {
    let mut source = BufReader::new(source);
    if line(&mut source).map_err(Stop::Input)?.is_none() {
        return Ok(false);
    }
    for number in 1u64.. {
        let wrong = |what| {
            Stop::Input(io::Error::new(ErrorKind::InvalidData, format!("piece {number}: {what}")))
        };
        if source.fill_buf().map_err(Stop::Input)?.is_empty() {
            break;
        }
        let Some(head) = line(&mut source).map_err(Stop::Input)? else { return Ok(false) };
        let (side, time, mut left) =
            parse(&head).ok_or_else(|| wrong("it does not begin with `SIDE TIME LENGTH`"))?;
        let is_end = left == 0;
        while left > 0 || is_end {
            let mut bytes = Vec::new();
            let part = source.by_ref().take(left.min(AT_ONCE)).read_to_end(&mut bytes);
            let part = part.map_err(Stop::Input)? as u64;
            if part == 0 && !is_end {
                return Ok(false);
            }
            left -= part;
            timed.take(out, side, time, &bytes)?;
            if is_end {
                break;
            }
        }
        let mut feed = [0];
        match source.read(&mut feed).map_err(Stop::Input)? {
            0 => return Ok(false),
            _ if feed == *b"\n" => {}
            _ => return Err(wrong("it does not end where it should")),
        }
    }
    Ok(true)
}

/// The next line, if it is complete; none is long.
fn line(source: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    source.take(80).read_until(b'\n', &mut line)?;
    let is_complete = line.pop_if(|last| *last == b'\n').is_some();
    let is_long = !is_complete && line.len() >= 79;
    Ok((is_complete || is_long).then(|| String::from_utf8_lossy(&line).into_owned()))
}

fn parse(head: &str) -> Option<(Side, Duration, u64)> {
    let mut words = head.split(' ');
    let side = match words.next()? {
        "client" => Side::Client,
        "server" => Side::Server,
        _ => return None,
    };
    let time = Duration::from_micros(words.next()?.parse().ok()?);
    let len = words.next()?.parse().ok()?;
    words.next().is_none().then_some((side, time, len))
}

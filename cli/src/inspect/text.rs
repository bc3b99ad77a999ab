//! The output for people: a line for each message, in columns.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::time::Duration;

use gotalk::{MessageType, RequestId};

use super::capture::{Detail, Ending, Excerpt, Preview, Record};
use super::tally::{Streams, Tally};
use super::{Heading, Show, Side};
use crate::escape;

/// How many bytes of a payload are shown when they are no text.
const HEX_PREVIEW: usize = 16;

pub(crate) struct Text;

impl Show for Text {
    fn heading(&self, out: &mut dyn Write, heading: Heading) -> io::Result<()> {
        let mut from = match heading {
            Heading::Timed => "  seconds  from    ",
            _ => "",
        };
        if let Heading::Pair = heading {
            writeln!(
                out,
                "Both directions as one conversation. When each message was sent is unknown:"
            )?;
            writeln!(
                out,
                "a result stands after its request, otherwise the order of each file is kept."
            )?;
            writeln!(out)?;
            from = "from    ";
        }
        writeln!(out, "{from}    offset  type                 id          content")
    }

    fn record(
        &self,
        out: &mut dyn Write,
        from: Option<Side>,
        time: Option<Duration>,
        record: &Record,
        remark: Option<&str>,
    ) -> io::Result<()> {
        let remark = remark.map(|remark| format!("({remark})"));
        let time = time.map(|time| format!("{:>9.3}  ", time.as_secs_f64())).unwrap_or_default();
        let content: Vec<String> = content(record).into_iter().chain(remark).collect();
        writeln!(
            out,
            "{time}{}{:>10}  {:<19}  {:<10}  {}",
            column(from),
            record.offset,
            words(record.message),
            record.id.map(id).unwrap_or_default(),
            content.join("  ")
        )
    }

    fn ending(
        &self,
        out: &mut dyn Write,
        from: Option<Side>,
        offset: u64,
        ending: &Ending,
    ) -> io::Result<()> {
        let who = from.map(|side| format!("{side}: ")).unwrap_or_default();
        match ending {
            Ending::Clean { ignored: 0 } => Ok(()),
            Ending::Clean { ignored } => {
                writeln!(out, "\n{who}ignored {} after the protocol error", count(*ignored, "byte"))
            }
            Ending::Bad(error) => {
                writeln!(out, "\n{who}bad input at offset {}: {}", error.offset, error.kind)
            }
            Ending::Truncated { missing, start, in_version, unfinished } => {
                let are = if *missing == 1 { "is" } else { "are" };
                let missing = count(u64::from(*missing), "byte");
                writeln!(
                    out,
                    "\n{who}truncated at offset {offset}: at least {missing} {are} missing"
                )?;
                let what = if *in_version { "version" } else { "message" };
                write!(out, "  the {what} at offset {start} is cut off ")?;
                match unfinished {
                    None => writeln!(out, "after {}", count(offset - start, "byte")),
                    Some(record) => {
                        let mut fields = vec![words(record.message).to_owned()];
                        fields.extend(record.id.map(id));
                        fields.extend(content(record));
                        writeln!(out, "in its payload: {}", fields.join("  "))
                    }
                }
            }
        }
    }

    fn excerpt(
        &self,
        out: &mut dyn Write,
        _from: Option<Side>,
        excerpt: &Excerpt,
    ) -> io::Result<()> {
        let bytes = &excerpt.bytes;
        let text: String = bytes
            .iter()
            .map(|&byte| if matches!(byte, b' '..=b'~') { char::from(byte) } else { '.' })
            .collect();
        let hex = spaced_hex(bytes);
        writeln!(out, "{:>10}  {hex}  {text}", excerpt.offset)?;
        let under_hex = 12 + 3 * excerpt.mark;
        let under_text = 12 + hex.len() + 2 + excerpt.mark;
        writeln!(out, "{:under_hex$}^^{:gap$}^", "", "", gap = under_text - under_hex - 2)
    }

    fn tally(&self, out: &mut dyn Write, tally: &Tally) -> io::Result<()> {
        writeln!(out)?;
        let streams = &tally.streams;
        if streams.open().next().is_none() {
            writeln!(out, "open streams: none")?;
        } else {
            writeln!(out, "open streams:")?;
        }
        for stream in streams.open() {
            let what = if stream.is_request { "stream request" } else { "stream result" };
            writeln!(
                out,
                "{}{:>10}  {what:<19}  {:<10}  {}, {}{}",
                column(stream.from),
                stream.offset,
                id(stream.id),
                count(stream.parts, "part"),
                count(stream.bytes, "byte"),
                if stream.start_seen { "" } else { ", start not seen" }
            )?;
        }
        if streams.unfollowed > 0 {
            let messages = count(streams.unfollowed, "message");
            writeln!(
                out,
                "  and {messages} of streams beyond the {} that are followed",
                Streams::CAPACITY
            )?;
        }
        writeln!(out, "summary:")?;
        for (message, each) in tally.by_type() {
            let payload = match message.has_payload() {
                true => format!("{} of payload", count(each.payload_bytes, "byte")),
                false => "no payload".to_owned(),
            };
            writeln!(out, "{:>10}  {:<19}  {payload}", each.messages, words(Some(message)))?;
        }
        let bytes = count(tally.bytes, "byte");
        writeln!(out, "{:>10}  {:<19}  {bytes} read", tally.messages(), "in all")
    }
}

fn column(from: Option<Side>) -> String {
    from.map(|side| format!("{side:<8}")).unwrap_or_default()
}

/// What a message is; without a type it is the version.
pub(crate) fn words(message: Option<MessageType>) -> &'static str {
    message.map_or("version", MessageType::as_str)
}

/// All that stands behind the id.
fn content(record: &Record) -> Vec<String> {
    let mut fields = Vec::new();
    if let Some(name) = &record.name {
        fields.push(match std::str::from_utf8(name) {
            Ok(name) => quoted(name),
            Err(_) => hex(name),
        });
    }
    match record.detail {
        Detail::None => {}
        Detail::Version(version) => fields.push(version.to_string()),
        Detail::Wait(wait) => fields.push(format!("wait {wait} ms")),
        Detail::Heartbeat { load, time } => {
            fields.push(format!("load {load}"));
            fields.push(format!("time {time}, {}", date(time)));
        }
        Detail::Code(code) => fields.push(code.to_string()),
        Detail::NameTooLong(len) => fields.push(format!("a name of {len} bytes, skipped")),
    }
    let Some(size) = record.size else { return fields };
    let size = u64::from(size);
    fields.push(match u64::from(record.received) {
        0 if record.ends_stream() => "end of the stream, 0 bytes".to_owned(),
        received if received < size => format!("{received} of {}", count(size, "byte")),
        _ => count(size, "byte"),
    });
    if !record.start.is_empty() {
        let (mut start, mut cut) = (String::new(), record.is_cut());
        match record.preview() {
            Preview::Text(text) => start = quoted(text),
            Preview::Bytes(bytes) => {
                cut |= bytes.len() > HEX_PREVIEW;
                start.push_str(&spaced_hex(&bytes[..bytes.len().min(HEX_PREVIEW)]));
            }
        }
        fields.push(start + if cut { " ..." } else { "" });
    }
    fields
}

/// As text where that can be read; it has four characters then, and hex has ten.
fn id(id: RequestId) -> String {
    readable(id).unwrap_or_else(|| hex(id.as_bytes()))
}

pub(crate) fn readable(id: RequestId) -> Option<String> {
    let bytes = id.as_bytes();
    bytes.iter().all(u8::is_ascii_graphic).then(|| bytes.map(char::from).iter().collect())
}

/// In single quotes, since JSON is full of double ones.
fn quoted(text: &str) -> String {
    escape::quoted(text, '\'')
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold("0x".to_owned(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

fn spaced_hex(bytes: &[u8]) -> String {
    let each: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    each.join(" ")
}

fn count(number: u64, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

/// UNIX seconds as a date. Years are counted from March, so that the day that some
/// years lack is the last; 400 of them always have 146 097 days.
fn date(time: u32) -> String {
    let (days, second) = (time / 86_400 + 719_468, time % 86_400);
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (year, month) =
        if month < 10 { (era * 400 + year, month + 3) } else { (era * 400 + year + 1, month - 9) };
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

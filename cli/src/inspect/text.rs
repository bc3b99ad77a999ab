//! The output for people: a line for each message, in columns.

use std::io::{self, Write};
use std::time::Duration;

use gotalk::MessageType;

use super::capture::{Detail, Ending, Excerpt, Record};
use super::tally::{Streams, Tally};
use super::{Gap, Heading, Parties, Rest, Show, Side};
use crate::colors::{Palette, paint};
use crate::escape::{self, id};
use crate::json::hex;
use crate::text::Preview;

/// How many bytes of a payload are shown when they are no text.
const HEX_PREVIEW: usize = 16;

pub(crate) struct Text {
    pub(crate) palette: Palette,
    /// The number of the connection, if there can be several.
    pub(crate) connection: Option<u64>,
}

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
        self.columns(out, from)
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
        let number = self.connection.map(|number| format!("{number:>4}  ")).unwrap_or_default();
        writeln!(
            out,
            "{number}{time}{}{:>10}  {}  {}  {}",
            self.column(from),
            record.offset,
            self.kind(record.message),
            paint(
                self.palette.faint,
                format_args!("{:<10}", record.id.map(id).unwrap_or_default())
            ),
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
        let who = self.who(from);
        match ending {
            Ending::Clean { ignored: 0 } => Ok(()),
            Ending::Clean { ignored } => {
                writeln!(out, "\n{who}ignored {} after the protocol error", count(*ignored, "byte"))
            }
            Ending::Bad(error) => {
                let what = format!("bad input at offset {}: {}", error.offset, error.kind);
                writeln!(out, "\n{who}{}", paint(self.palette.error, what))
            }
            Ending::Truncated { missing, start, in_version, unfinished } => {
                let are = if *missing == 1 { "is" } else { "are" };
                let missing = count(u64::from(*missing), "byte");
                let cut = format!("truncated at offset {offset}: at least {missing} {are} missing");
                writeln!(out, "\n{who}{}", paint(self.palette.error, cut))?;
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
        let [one, two] = ["^", "^^"].map(|mark| paint(self.palette.error, mark));
        writeln!(out, "{:under_hex$}{two}{:gap$}{one}", "", "", gap = under_text - under_hex - 2)
    }

    fn tally(&self, out: &mut dyn Write, tally: &Tally) -> io::Result<()> {
        writeln!(out)?;
        if let Some(number) = self.connection {
            writeln!(out, "end of connection {number}")?;
        }
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
                "{}{:>10}  {what:<19}  {}  {}, {}{}",
                self.column(stream.from),
                stream.offset,
                paint(self.palette.faint, format_args!("{:<10}", id(stream.id))),
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

    fn gap(&self, out: &mut dyn Write, from: Side, offset: u64, gap: &Gap) -> io::Result<()> {
        let Gap { packet, why, .. } = gap;
        let gap = format!("no further than offset {offset}, packet {packet}: {why}");
        writeln!(out, "\n{}{}", self.who(Some(from)), paint(self.palette.error, gap))
    }

    fn connection(&self, out: &mut dyn Write, number: u64, parties: &Parties) -> io::Result<()> {
        let mut line = format!("connection {number}: {parties}");
        if let Ok(start) = u32::try_from(parties.start.as_secs()) {
            let from = if parties.start_seen { "from" } else { "before" };
            line += &format!(", {from} {}", date(start));
        }
        let gap = if number == 1 { "" } else { "\n" };
        writeln!(out, "{gap}{}", paint(self.palette.heading, line))?;
        self.columns(out, "conn    seconds  from    ")
    }

    fn goes_on(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out)?;
        self.columns(out, "conn    seconds  from    ")
    }

    fn rest(&self, out: &mut dyn Write, rest: &Rest) -> io::Result<()> {
        let mut lines = Vec::new();
        if rest.shown == 0 {
            lines.push("no connection that begins as Gotalk does".to_owned());
        }
        if rest.others > 0 {
            let more = rest.others - rest.named.len() as u64;
            let more = if more > 0 { format!("; and {more} more") } else { String::new() };
            let others = count(rest.others, "other TCP connection");
            lines.push(format!("{others}: {}{more}", rest.named.join("; ")));
        }
        if rest.fragments > 0 {
            let fragments = count(rest.fragments, "fragment");
            lines.push(format!("{fragments} of IP packets, which are not put together"));
        }
        if rest.packets > 0 {
            lines.push(format!("{} without TCP", count(rest.packets, "packet")));
        }
        for (kind, packets) in &rest.links {
            let packets = count(*packets, "packet");
            lines.push(format!("{packets} of the link type {kind}, which is not read"));
        }
        if let Some((packets, offset)) = rest.cut {
            let cut =
                format!("the file ends in the middle, at offset {offset}, after packet {packets}");
            lines.push(paint(self.palette.error, cut));
        }
        let gap = if rest.shown > 0 && !lines.is_empty() { "\n" } else { "" };
        write!(out, "{gap}")?;
        lines.iter().try_for_each(|line| writeln!(out, "{line}"))
    }
}

impl Text {
    fn columns(&self, out: &mut dyn Write, first: &str) -> io::Result<()> {
        let columns = format!("{first}    offset  type                 id          content");
        writeln!(out, "{}", paint(self.palette.heading, columns))
    }

    /// Who it is that a line is about.
    fn who(&self, from: Option<Side>) -> String {
        match (self.connection, from) {
            (Some(number), Some(side)) => format!("connection {number}, {side}: "),
            (None, Some(side)) => format!("{side}: "),
            (_, None) => String::new(),
        }
    }

    fn column(&self, from: Option<Side>) -> String {
        let style = |side| match side {
            Side::Client => self.palette.client,
            Side::Server => self.palette.server,
        };
        from.map(|side| paint(style(side), format_args!("{side:<8}"))).unwrap_or_default()
    }

    fn kind(&self, message: Option<MessageType>) -> String {
        use MessageType::*;
        let palette = &self.palette;
        let style = match message {
            Some(SingleRequest | StreamRequest | StreamRequestPart) => palette.request,
            Some(SingleResult | StreamResult) => palette.result,
            Some(ErrorResult | ProtocolError) => palette.error,
            Some(RetryResult) => palette.warning,
            Some(Notification) => palette.notification,
            None | Some(Heartbeat) => palette.faint,
        };
        paint(style, format_args!("{:<19}", words(message)))
    }
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
            Err(_) => format!("0x{}", hex(name)),
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

/// In single quotes, since JSON is full of double ones.
fn quoted(text: &str) -> String {
    escape::quoted(text, '\'')
}

fn spaced_hex(bytes: &[u8]) -> String {
    let each: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    each.join(" ")
}

pub(super) fn count(number: u64, thing: &str) -> String {
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

//! The output for programs: one JSON object a line, told apart by `type`.

use std::fmt::{Display, Write as _};
use std::io::{self, Write};

use gotalk::{MessageType, RequestId};

use super::capture::{Detail, Ending, Excerpt, Preview, Record};
use super::tally::Tally;
use super::text::{readable, words};
use super::{Show, Side};

pub(crate) struct Json;

impl Show for Json {
    fn heading(&self, out: &mut dyn Write, both: bool) -> io::Result<()> {
        if !both {
            return Ok(());
        }
        let mut object = Object::new("conversation", None);
        object.string("times", "unknown");
        object.string("order", "each result after its request, else that of each file");
        object.end(out)
    }

    fn record(
        &self,
        out: &mut dyn Write,
        from: Option<Side>,
        record: &Record,
        remark: Option<&str>,
    ) -> io::Result<()> {
        let mut object = message(from, record);
        if let Some(remark) = remark {
            object.string("remark", remark);
        }
        object.end(out)
    }

    fn ending(
        &self,
        out: &mut dyn Write,
        from: Option<Side>,
        offset: u64,
        ending: &Ending,
    ) -> io::Result<()> {
        let mut object;
        match ending {
            Ending::Clean { ignored } => {
                object = Object::new("clean", from);
                object.plain("offset", offset);
                object.plain("ignored", ignored);
            }
            Ending::Truncated { missing, start, unfinished, .. } => {
                object = Object::new("truncated", from);
                object.plain("offset", offset);
                object.plain("missing", missing);
                object.plain("message_offset", start);
                if let Some(record) = unfinished {
                    let mut inner = message(None, record);
                    inner.plain("received", record.received);
                    object.plain("unfinished", inner.text());
                }
            }
            Ending::Bad(error) => {
                object = Object::new("bad_input", from);
                object.plain("offset", error.offset);
                object.string("error", &error.kind.to_string());
            }
        }
        object.end(out)
    }

    fn excerpt(
        &self,
        out: &mut dyn Write,
        from: Option<Side>,
        excerpt: &Excerpt,
    ) -> io::Result<()> {
        let mut object = Object::new("excerpt", from);
        object.plain("offset", excerpt.offset);
        object.string("hex", &hex(&excerpt.bytes));
        object.plain("mark", excerpt.mark);
        object.end(out)
    }

    fn tally(&self, out: &mut dyn Write, tally: &Tally) -> io::Result<()> {
        for stream in tally.streams.open() {
            let mut object = Object::new("open_stream", stream.from);
            object.string("stream", if stream.is_request { "request" } else { "result" });
            object.id(stream.id);
            object.plain("offset", stream.offset);
            object.plain("start_seen", stream.start_seen);
            object.plain("parts", stream.parts);
            object.plain("bytes", stream.bytes);
            object.end(out)?;
        }
        let mut types = Object::empty();
        for (message, count) in tally.by_type() {
            let mut inner = Object::empty();
            inner.plain("messages", count.messages);
            inner.plain("payload_bytes", count.payload_bytes);
            types.plain(&type_name(Some(message)), inner.text());
        }
        let mut object = Object::new("summary", None);
        object.plain("messages", tally.messages());
        object.plain("bytes", tally.bytes);
        object.plain("unfollowed_stream_messages", tally.streams.unfollowed);
        object.plain("by_type", types.text());
        object.end(out)
    }
}

fn message(from: Option<Side>, record: &Record) -> Object {
    let mut object = Object::new(&type_name(record.message), from);
    object.plain("offset", record.offset);
    if let Some(id) = record.id {
        object.id(id);
    }
    if let Some(name) = &record.name {
        match std::str::from_utf8(name) {
            Ok(name) => object.string("name", name),
            Err(_) => object.string("name_hex", &hex(name)),
        }
    }
    match record.detail {
        Detail::None => {}
        Detail::Version(version) => object.plain("version", version),
        Detail::Wait(wait) => object.plain("wait", wait),
        Detail::Heartbeat { load, time } => {
            object.plain("load", load);
            object.plain("time", time);
        }
        Detail::Code(code) => object.plain("code", u32::from(code)),
        Detail::NameTooLong(len) => object.plain("name_too_long", len),
    }
    if let Some(size) = record.size {
        object.plain("size", size);
        match record.preview() {
            Preview::Text(text) => object.string("payload", text),
            Preview::Bytes(bytes) => object.string("payload_hex", &hex(bytes)),
        }
        if record.is_cut() {
            object.plain("payload_cut", true);
        }
    }
    object
}

/// The words of the text output, joined as is usual for keys.
fn type_name(message: Option<MessageType>) -> String {
    words(message).replace(' ', "_")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// A JSON object in the making: all of it but the closing brace.
struct Object(String);

impl Object {
    fn empty() -> Self {
        Self("{".to_owned())
    }

    fn new(kind: &str, from: Option<Side>) -> Self {
        let mut object = Self::empty();
        object.string("type", kind);
        if let Some(side) = from {
            object.string("from", &side.to_string());
        }
        object
    }

    /// A value that is JSON as it is displayed: a number, a boolean, an object.
    fn plain(&mut self, key: &str, value: impl Display) {
        let comma = if self.0.len() > 1 { "," } else { "" };
        let _ = write!(self.0, "{comma}\"{key}\":{value}");
    }

    fn string(&mut self, key: &str, value: &str) {
        let mut string = String::from("\"");
        for c in value.chars() {
            match c {
                '"' | '\\' => string.extend(['\\', c]),
                '\n' => string.push_str("\\n"),
                '\r' => string.push_str("\\r"),
                '\t' => string.push_str("\\t"),
                c if c.is_control() => {
                    let _ = write!(string, "\\u{:04x}", u32::from(c));
                }
                c => string.push(c),
            }
        }
        string.push('"');
        self.plain(key, string);
    }

    /// Always in hex, so that it is one thing to compare; as text too where it can
    /// be read.
    fn id(&mut self, id: RequestId) {
        self.string("id", &hex(id.as_bytes()));
        if let Some(text) = readable(id) {
            self.string("id_text", &text);
        }
    }

    fn text(self) -> String {
        self.0 + "}"
    }

    fn end(self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", self.text())
    }
}

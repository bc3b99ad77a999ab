//! The output for programs: one JSON object a line, told apart by `type`.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::time::Duration;

use gotalk::{MessageType, RequestId};
use serde_json::Value;

use super::capture::{Detail, Ending, Excerpt, Preview, Record};
use super::tally::Tally;
use super::text::{readable, words};
use super::{Heading, Show, Side};
use crate::escape;

pub(crate) struct Json;

impl Show for Json {
    fn heading(&self, out: &mut dyn Write, heading: Heading) -> io::Result<()> {
        let (times, order) = match heading {
            Heading::One => return Ok(()),
            Heading::Pair => ("unknown", "each result after its request, else that of each file"),
            Heading::Timed => ("microseconds since the start", "as each message came"),
        };
        let mut object = Object::new("conversation", None);
        object.set("times", times);
        object.set("order", order);
        object.end(out)
    }

    fn record(
        &self,
        out: &mut dyn Write,
        from: Option<Side>,
        time: Option<Duration>,
        record: &Record,
        remark: Option<&str>,
    ) -> io::Result<()> {
        let mut object = message(from, record);
        if let Some(time) = time {
            object.set("time_us", time.as_micros() as u64);
        }
        if let Some(remark) = remark {
            object.set("remark", remark);
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
                object.set("offset", offset);
                object.set("ignored", *ignored);
            }
            Ending::Truncated { missing, start, unfinished, .. } => {
                object = Object::new("truncated", from);
                object.set("offset", offset);
                object.set("missing", *missing);
                object.set("message_offset", *start);
                if let Some(record) = unfinished {
                    let mut inner = message(None, record);
                    inner.set("received", record.received);
                    object.object("unfinished", inner);
                }
            }
            Ending::Bad(error) => {
                object = Object::new("bad_input", from);
                object.set("offset", error.offset);
                object.set("error", error.kind.to_string());
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
        object.set("offset", excerpt.offset);
        object.set("hex", hex(&excerpt.bytes));
        object.set("mark", excerpt.mark);
        object.end(out)
    }

    fn tally(&self, out: &mut dyn Write, tally: &Tally) -> io::Result<()> {
        for stream in tally.streams.open() {
            let mut object = Object::new("open_stream", stream.from);
            object.set("stream", if stream.is_request { "request" } else { "result" });
            object.id(stream.id);
            object.set("offset", stream.offset);
            object.set("start_seen", stream.start_seen);
            object.set("parts", stream.parts);
            object.set("bytes", stream.bytes);
            object.end(out)?;
        }
        let mut types = Object::default();
        for (message, count) in tally.by_type() {
            let mut inner = Object::default();
            inner.set("messages", count.messages);
            inner.set("payload_bytes", count.payload_bytes);
            types.object(&type_name(Some(message)), inner);
        }
        let mut object = Object::new("summary", None);
        object.set("messages", tally.messages());
        object.set("bytes", tally.bytes);
        object.set("unfollowed_stream_messages", tally.streams.unfollowed);
        object.object("by_type", types);
        object.end(out)
    }
}

fn message(from: Option<Side>, record: &Record) -> Object {
    let mut object = Object::new(&type_name(record.message), from);
    object.set("offset", record.offset);
    if let Some(id) = record.id {
        object.id(id);
    }
    if let Some(name) = &record.name {
        match std::str::from_utf8(name) {
            Ok(name) => object.set("name", name),
            Err(_) => object.set("name_hex", hex(name)),
        }
    }
    match record.detail {
        Detail::None => {}
        Detail::Version(version) => object.set("version", version),
        Detail::Wait(wait) => object.set("wait", wait),
        Detail::Heartbeat { load, time } => {
            object.set("load", load);
            object.set("time", time);
        }
        Detail::Code(code) => object.set("code", u32::from(code)),
        Detail::NameTooLong(len) => object.set("name_too_long", len),
    }
    if let Some(size) = record.size {
        object.set("size", size);
        match record.preview() {
            Preview::Text(text) => object.set("payload", text),
            Preview::Bytes(bytes) => object.set("payload_hex", hex(bytes)),
        }
        if record.is_cut() {
            object.set("payload_cut", true);
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

/// A JSON object in the making, without its braces: its keys stay in the order in which
/// they come.
#[derive(Default)]
struct Object(String);

impl Object {
    fn new(kind: &str, from: Option<Side>) -> Self {
        let mut object = Self::default();
        object.set("type", kind);
        if let Some(side) = from {
            object.set("from", side.to_string());
        }
        object
    }

    fn set(&mut self, key: &str, value: impl Into<Value>) {
        self.add(key, &value.into().to_string());
    }

    fn object(&mut self, key: &str, inner: Self) {
        self.add(key, &format!("{{{}}}", inner.0));
    }

    fn add(&mut self, key: &str, json: &str) {
        let comma = if self.0.is_empty() { "" } else { "," };
        let _ = write!(self.0, "{comma}{}:{json}", Value::from(key));
    }

    /// Always in hex, so that it is one thing to compare; as text too where it can
    /// be read.
    fn id(&mut self, id: RequestId) {
        self.set("id", hex(id.as_bytes()));
        if let Some(text) = readable(id) {
            self.set("id_text", text);
        }
    }

    /// One line. What must not reach a terminal is escaped here too; it can only stand
    /// in strings, so the value stays the same.
    fn end(self, out: &mut dyn Write) -> io::Result<()> {
        let mut line = String::new();
        for c in self.0.chars() {
            match escape::is_hidden(c) {
                true => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| {
                    let _ = write!(line, "\\u{unit:04x}");
                }),
                false => line.push(c),
            }
        }
        writeln!(out, "{{{line}}}")
    }
}

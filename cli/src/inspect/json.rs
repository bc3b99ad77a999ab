//! The output for programs: one JSON object a line, told apart by `type`.

use std::io::{self, Write};
use std::time::Duration;

use super::capture::{Detail, Ending, Excerpt, Record};
use super::tally::Tally;
use super::text::words;
use super::{Gap, Heading, Parties, Rest, Show, Side};
use crate::json::{Object, hex};
use gotalk::MessageType;

pub(crate) struct Json {
    /// The number of the connection, if there can be several.
    pub(crate) connection: Option<u64>,
}

impl Json {
    fn object(&self, kind: &str, from: Option<Side>) -> Object {
        let mut object = Object::new(kind);
        if let Some(connection) = self.connection {
            object.set("connection", connection);
        }
        if let Some(side) = from {
            object.set("from", side.to_string());
        }
        object
    }

    fn message(&self, from: Option<Side>, record: &Record) -> Object {
        let mut object = self.object(&type_name(record.message), from);
        describe(&mut object, record);
        object
    }
}

impl Show for Json {
    fn heading(&self, out: &mut dyn Write, heading: Heading) -> io::Result<()> {
        let (times, order) = match heading {
            Heading::One => return Ok(()),
            Heading::Pair => ("unknown", "each result after its request, else that of each file"),
            Heading::Timed => ("microseconds since the start", "as each message came"),
        };
        let mut object = self.object("conversation", None);
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
        let mut object = self.message(from, record);
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
                object = self.object("clean", from);
                object.set("offset", offset);
                object.set("ignored", *ignored);
            }
            Ending::Truncated { missing, start, unfinished, .. } => {
                object = self.object("truncated", from);
                object.set("offset", offset);
                object.set("missing", *missing);
                object.set("message_offset", *start);
                if let Some(record) = unfinished {
                    let mut inner = Object::default();
                    inner.set("type", type_name(record.message));
                    describe(&mut inner, record);
                    inner.set("received", record.received);
                    object.object("unfinished", inner);
                }
            }
            Ending::Bad(error) => {
                object = self.object("bad_input", from);
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
        let mut object = self.object("excerpt", from);
        object.set("offset", excerpt.offset);
        object.set("hex", hex(&excerpt.bytes));
        object.set("mark", excerpt.mark);
        object.end(out)
    }

    fn tally(&self, out: &mut dyn Write, tally: &Tally) -> io::Result<()> {
        for stream in tally.streams.open() {
            let mut object = self.object("open_stream", stream.from);
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
        let mut object = self.object("summary", None);
        object.set("messages", tally.messages());
        object.set("bytes", tally.bytes);
        object.set("unfollowed_stream_messages", tally.streams.unfollowed);
        object.object("by_type", types);
        object.end(out)
    }

    fn gap(&self, out: &mut dyn Write, from: Side, offset: u64, gap: &Gap) -> io::Result<()> {
        let mut object = self.object("gap", Some(from));
        object.set("offset", offset);
        object.set("packet", gap.packet);
        if let Some(missing) = gap.missing {
            object.set("missing", missing);
        }
        object.set("why", gap.why.as_str());
        object.end(out)
    }

    fn connection(&self, out: &mut dyn Write, number: u64, parties: &Parties) -> io::Result<()> {
        let mut object = self.object("connection", None);
        object.set("connection", number);
        object.set("client", parties.client.to_string());
        object.set("server", parties.server.to_string());
        if let Some(path) = &parties.websocket {
            object.set("websocket", path.as_str());
        }
        object.set("start_us", u64::try_from(parties.start.as_micros()).unwrap_or(u64::MAX));
        object.set("start_seen", parties.start_seen);
        object.end(out)
    }

    fn goes_on(&self, _out: &mut dyn Write) -> io::Result<()> {
        Ok(()) // each line has the number
    }

    fn rest(&self, out: &mut dyn Write, rest: &Rest) -> io::Result<()> {
        let mut object = self.object("capture", None);
        object.set("connections", rest.shown);
        object.set("other_connections", rest.others);
        object.set("named", rest.named.clone());
        object.set("fragments", rest.fragments);
        object.set("other_packets", rest.packets);
        let mut links = Object::default();
        for (kind, packets) in &rest.links {
            links.set(&kind.to_string(), *packets);
        }
        object.object("unknown_link_types", links);
        if let Some((packets, offset)) = rest.cut {
            object.set("cut_after_packet", packets);
            object.set("cut_at", offset);
        }
        object.end(out)
    }
}

fn describe(object: &mut Object, record: &Record) {
    object.set("offset", record.offset);
    if let Some(id) = record.id {
        object.id(id);
    }
    if let Some(name) = &record.name {
        object.name(name);
    }
    match record.detail {
        Detail::None => {}
        Detail::Version(version) => object.set("version", version),
        Detail::Wait(wait) => object.set("wait_ms", wait),
        Detail::Heartbeat { load, time } => {
            object.set("load", load);
            object.set("time", time);
        }
        Detail::Code(code) => object.set("code", u32::from(code)),
        Detail::NameTooLong(len) => object.set("name_too_long", len),
    }
    if let Some(size) = record.size {
        object.set("size", size);
        object.payload(&record.preview(), record.is_cut());
    }
}

/// The words of the text output, joined as is usual for keys.
fn type_name(message: Option<MessageType>) -> String {
    words(message).replace(' ', "_")
}

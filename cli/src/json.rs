//! JSON for programs: one object a line, told apart by `type`.

use std::fmt::Write as _;
use std::io::{self, Write};

use gotalk::RequestId;
use serde_json::Value;

use crate::escape::{self, readable};
use crate::text::Preview;

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// A JSON object in the making, without its braces: its keys stay in the order in which
/// they come.
#[derive(Default)]
pub(crate) struct Object(String);

impl Object {
    pub(crate) fn new(kind: &str) -> Self {
        let mut object = Self::default();
        object.set("type", kind);
        object
    }

    pub(crate) fn set(&mut self, key: &str, value: impl Into<Value>) {
        self.add(key, &value.into().to_string());
    }

    pub(crate) fn object(&mut self, key: &str, inner: Self) {
        self.add(key, &format!("{{{}}}", inner.0));
    }

    pub(crate) fn name(&mut self, name: &[u8]) {
        match std::str::from_utf8(name) {
            Ok(name) => self.set("name", name),
            Err(_) => self.set("name_hex", hex(name)),
        }
    }

    pub(crate) fn payload(&mut self, start: &Preview<'_>, is_cut: bool) {
        match start {
            Preview::Text(text) => self.set("payload", *text),
            Preview::Bytes(bytes) => self.set("payload_hex", hex(bytes)),
        }
        if is_cut {
            self.set("payload_cut", true);
        }
    }

    fn add(&mut self, key: &str, json: &str) {
        let comma = if self.0.is_empty() { "" } else { "," };
        let _ = write!(self.0, "{comma}{}:{json}", Value::from(key));
    }

    /// Always in hex, so that it is one thing to compare; as text too where it can
    /// be read.
    pub(crate) fn id(&mut self, id: RequestId) {
        self.set("id", hex(id.as_bytes()));
        if let Some(text) = readable(id) {
            self.set("id_text", text);
        }
    }

    pub(crate) fn end(self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", self.line())
    }

    /// One line. What must not reach a terminal is escaped here too; it can only stand
    /// in strings, so the value stays the same.
    pub(crate) fn line(self) -> String {
        let mut line = String::from("{");
        for c in self.0.chars() {
            match escape::is_hidden(c) {
                true => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| {
                    let _ = write!(line, "\\u{unit:04x}");
                }),
                false => line.push(c),
            }
        }
        line.push('}');
        line
    }
}

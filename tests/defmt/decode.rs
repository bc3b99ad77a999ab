//! Decodes what was sent, as far as this crate's types need it: integers, text, bytes,
//! options, slices, and values within values.

use std::collections::HashMap;

use super::table::Table;

/// The text of one message: its own index, that of an empty timestamp, its arguments.
pub(crate) fn message(table: &Table, sent: &[u8]) -> String {
    let mut decoder = Decoder { strings: HashMap::new(), rest: sent };
    let index = decoder.number(2) as u16;
    decoder.strings = table.strings(index);
    let text = decoder.formatted(index);
    assert!(decoder.rest.is_empty(), "{} bytes are left after {text:?}", decoder.rest.len());
    text
}

struct Decoder<'a> {
    strings: HashMap<u16, &'a str>,
    rest: &'a [u8],
}

impl<'a> Decoder<'a> {
    fn bytes(&mut self, len: usize) -> &'a [u8] {
        let (bytes, rest) = self.rest.split_at(len);
        self.rest = rest;
        bytes
    }

    /// Little-endian, whatever the machine.
    fn number(&mut self, len: usize) -> u64 {
        self.bytes(len).iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
    }

    fn formatted(&mut self, index: u16) -> String {
        let format = *self.strings.get(&index).expect("the index of a format string");
        // An enum: one form for each variant, which a byte chooses.
        let format = match format.contains('|') {
            true => format.split('|').nth(self.number(1) as usize).expect("a variant"),
            false => format,
        };
        let mut text = String::new();
        let mut rest = format;
        while let Some(at) = rest.find(['{', '}']) {
            text.push_str(&rest[..at]);
            rest = &rest[at..];
            if rest.starts_with("{{") || rest.starts_with("}}") {
                text.push_str(&rest[..1]);
                rest = &rest[2..];
                continue;
            }
            let end = rest.find('}').unwrap();
            let (kind, hint) = match rest[1..end].split_once(':') {
                Some((kind, hint)) => (kind, hint),
                None => (&rest[1..end], ""),
            };
            text.push_str(&self.argument(kind.trim_start_matches('='), hint));
            rest = &rest[end + 1..];
        }
        text + rest
    }

    fn argument(&mut self, kind: &str, hint: &str) -> String {
        match kind {
            "u8" => self.number(1).to_string(),
            "u16" => self.number(2).to_string(),
            "u32" | "usize" => self.number(4).to_string(),
            "u64" => self.number(8).to_string(),
            "bool" => (self.number(1) == 1).to_string(),
            "str" => {
                let len = self.number(4) as usize;
                let text = std::str::from_utf8(self.bytes(len)).unwrap();
                if hint == "?" { format!("{text:?}") } else { text.to_owned() }
            }
            "" | "?" => {
                let index = self.number(2) as u16;
                self.formatted(index)
            }
            "[?]" => {
                let len = self.number(4);
                let index = self.number(2) as u16;
                let values: Vec<String> = (0..len).map(|_| self.formatted(index)).collect();
                format!("[{}]", values.join(", "))
            }
            "[u8]" => {
                let len = self.number(4) as usize;
                Self::shown(self.bytes(len), hint)
            }
            "__internal_FormatSequence" => {
                let mut text = String::new();
                loop {
                    match self.number(2) as u16 {
                        0 => return text,
                        index => text.push_str(&self.formatted(index)),
                    }
                }
            }
            array if array.starts_with("[u8;") => {
                let len = array["[u8;".len()..array.len() - 1].trim().parse().unwrap();
                Self::shown(self.bytes(len), hint)
            }
            other => panic!("a type that is not decoded: {other}"),
        }
    }

    fn shown(bytes: &[u8], hint: &str) -> String {
        match hint {
            "a" => format!("b\"{}\"", bytes.escape_ascii()),
            _ => format!("{bytes:?}"),
        }
    }
}

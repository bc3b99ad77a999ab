//! The format strings: symbols of this executable whose names are JSON objects. On the
//! wire each is the low half of its address, as it was moved when the program was loaded.

use std::collections::HashMap;

use serde_json::Value;

/// Format strings by their low half of the address in the file, and how to get there.
pub(crate) struct Table {
    strings: HashMap<u16, String>,
    anchor: u16,
}

impl Table {
    /// The format strings as they are on the wire, given that a message with the
    /// anchor's text has this index.
    pub(crate) fn strings(&self, index: u16) -> HashMap<u16, &str> {
        let moved = index.wrapping_sub(self.anchor);
        self.strings.iter().map(|(at, text)| (at.wrapping_add(moved), text.as_str())).collect()
    }
}

/// Reads the table, with the address of one string that is there once.
pub(crate) fn read(anchor: &str) -> Table {
    let file = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    let mut table = Table { strings: HashMap::new(), anchor: 0 };
    let mut anchors = 0;
    for (name, address) in symbols(&file) {
        let Ok(symbol) = serde_json::from_str::<Value>(&name) else { continue };
        let Some(tag) = symbol["tag"].as_str().filter(|tag| tag.starts_with("defmt_")) else {
            continue;
        };
        let text = symbol["data"].as_str().unwrap().to_owned();
        if tag == "defmt_println" && text == anchor {
            anchors += 1;
            table.anchor = address as u16;
        }
        if let Some(other) = table.strings.insert(address as u16, text.clone()) {
            assert_eq!(other, text, "two format strings at one address");
        }
    }
    assert!(anchors > 0, "there are no symbols, or the anchor is not among them");
    table
}

/// Name and address of each symbol of an ELF file of either width and byte order.
fn symbols(file: &[u8]) -> Vec<(String, u64)> {
    assert_eq!(&file[..4], b"\x7fELF");
    let (wide, little) = (file[4] == 2, file[5] == 1);
    let number = |at: u64, len: usize| {
        let bytes = &file[at as usize..][..len];
        let add = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        if little { bytes.iter().rev().fold(0, add) } else { bytes.iter().fold(0, add) }
    };
    // A field's place and length differ by width: (place, length) of 64 bits, then of 32.
    let field = |base: u64, of_64: (u64, usize), of_32: (u64, usize)| {
        let (at, len) = if wide { of_64 } else { of_32 };
        number(base + at, len)
    };
    let sections = field(0, (0x28, 8), (0x20, 4));
    let section_len = field(0, (0x3a, 2), (0x2e, 2));
    let section_count = field(0, (0x3c, 2), (0x30, 2));
    let section = |i: u64| {
        let at = sections + i * section_len;
        let kind = number(at + 4, 4);
        let start = field(at, (0x18, 8), (0x10, 4));
        let len = field(at, (0x20, 8), (0x14, 4));
        let link = field(at, (0x28, 4), (0x18, 4));
        (kind, start, len, link)
    };
    let mut symbols = Vec::new();
    for (_, start, len, link) in (0..section_count).map(section).filter(|section| section.0 == 2) {
        let names = section(link).1;
        let symbol_len = if wide { 24 } else { 16 };
        for symbol in (start..start + len).step_by(symbol_len) {
            let name = &file[(names + number(symbol, 4)) as usize..];
            let end = name.iter().position(|byte| *byte == 0).unwrap();
            let address = field(symbol, (8, 8), (4, 4));
            if let Ok(name) = std::str::from_utf8(&name[..end]) {
                symbols.push((name.to_owned(), address));
            }
        }
    }
    symbols
}

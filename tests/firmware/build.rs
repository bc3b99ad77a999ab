//! Hands the linker script to the linker, and puts the results of a recording in order.

use std::collections::BTreeMap;
use std::path::Path;
use std::{env, fs};

fn main() {
    let here = env::var("CARGO_MANIFEST_DIR").unwrap();
    println!("cargo::rustc-link-arg-bins=-T{here}/link.x");
    println!("cargo::rerun-if-changed=link.x");

    let recording = Path::new(&here).join("../conversations/l-pipelined-64.s2c.bin");
    println!("cargo::rerun-if-changed={}", recording.display());
    println!("cargo::rerun-if-env-changed=CORRUPT");
    let mut bytes = in_order(&fs::read(recording).unwrap());
    if env::var_os("CORRUPT").is_some() {
        // The last byte of the last conversation: everything else is right.
        *bytes.last_mut().unwrap() ^= 1;
    }
    fs::write(Path::new(&env::var("OUT_DIR").unwrap()).join("in-order.bin"), bytes).unwrap();
}

/// The same results in the order of the requests, whose ids count from 0, the least
/// significant byte first.
fn in_order(recording: &[u8]) -> Vec<u8> {
    let (version, mut rest) = recording.split_at(2);
    let mut results = BTreeMap::new();
    while !rest.is_empty() {
        assert_eq!(rest[0], b'R');
        let id = u32::from_le_bytes(rest[1..5].try_into().unwrap());
        let size = usize::from_str_radix(str::from_utf8(&rest[5..13]).unwrap(), 16).unwrap();
        let (result, next) = rest.split_at(13 + size);
        results.insert(id, result);
        rest = next;
    }
    let results: Vec<u8> = results.into_values().flatten().copied().collect();
    [version, &results].concat()
}

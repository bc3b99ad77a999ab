//! Replays the fuzz corpus: every seed through its target, as ordinary tests. The
//! bodies of the targets are those that are fuzzed (`fuzz/src`).
//!
//! `GOTALK_ARTIFACTS` names more inputs: a file in a folder with the name of its
//! target, or a folder with such folders in it, like those that `fuzz/run` leaves:
//!
//! ```text
//! GOTALK_ARTIFACTS=fuzz/target/artifacts cargo test --test corpus
//! ```

#[path = "../fuzz/src/lib.rs"]
mod fuzz;

use std::collections::BTreeSet;
use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};

use fuzz::support::oracle::{self, End, Event, Wrong};
use fuzz::{chunking, differential, model, noise, round_trip, session};

type Target = (&'static str, fn(&[u8]));

const TARGETS: [Target; 5] = [
    ("noise", noise::run),
    ("chunking", chunking::run),
    ("differential", differential::run),
    ("round_trip", round_trip::run),
    ("session", session::run),
];

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn name(path: &Path) -> &str {
    path.file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_else(|| panic!("the name of {path:?}"))
}

fn seeds(target: &str) -> Vec<PathBuf> {
    let seeds = files(&corpus().join(target));
    assert!(!seeds.is_empty(), "the corpus of {target} is empty");
    seeds
}

/// Runs one input, and names it if it fails.
fn replay((target, run): Target, file: &Path) {
    let data = fs::read(file).unwrap_or_else(|error| panic!("{file:?}: {error}"));
    if let Err(panic) = panic::catch_unwind(AssertUnwindSafe(|| run(&data))) {
        eprintln!("this was {} through the target {target}", file.display());
        panic::resume_unwind(panic);
    }
}

/// More inputs, from the environment, each with its target.
fn artifacts() -> Vec<(&'static str, PathBuf)> {
    let Some(path) = std::env::var_os("GOTALK_ARTIFACTS").map(PathBuf::from) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for (target, _) in TARGETS {
        let folder = path.join(target);
        if folder.is_dir() {
            found.extend(files(&folder).into_iter().map(|file| (target, file)));
        } else if path.is_file() && path.parent().is_some_and(|parent| parent.ends_with(target)) {
            found.push((target, path.clone()));
        }
    }
    assert!(!found.is_empty(), "GOTALK_ARTIFACTS: no input of any target in {path:?}");
    found
}

fn replay_all(name: &str) {
    let target = TARGETS.into_iter().find(|target| target.0 == name).unwrap();
    let seeds = seeds(name);
    let artifacts = artifacts().into_iter().filter(|(of, _)| *of == name).map(|(_, file)| file);
    for file in seeds.into_iter().chain(artifacts) {
        replay(target, &file);
    }
}

#[test]
fn the_corpus_of_noise() {
    replay_all("noise");
}

#[test]
fn the_corpus_of_chunking() {
    replay_all("chunking");
}

#[test]
fn the_corpus_of_differential() {
    replay_all("differential");
}

#[test]
fn the_corpus_of_round_trip() {
    replay_all("round_trip");
}

#[test]
fn the_corpus_of_session() {
    replay_all("session");
    let seen = model::seen();
    let missing: Vec<_> = model::KINDS.iter().filter(|kind| !seen.contains_key(*kind)).collect();
    assert!(missing.is_empty(), "no seed of session comes to {missing:?}");
}

/// The README has a line for every seed and no line for a seed that is gone.
#[test]
fn every_seed_is_explained() {
    let readme = fs::read_to_string(corpus().join("README.md")).unwrap();
    let mut explained = BTreeSet::new();
    let mut section = String::new();
    for line in readme.lines() {
        if let Some(target) = line.strip_prefix("## `") {
            section = target.split('`').next().unwrap().to_owned();
        } else if let Some(row) = line.strip_prefix("| `") {
            explained.insert(format!("{section}/{}", row.split('`').next().unwrap()));
        }
    }
    let folders = files(&corpus()).into_iter().filter(|path| path.is_dir());
    let seeds = folders.flat_map(|folder| {
        let target = name(&folder).to_owned();
        assert!(TARGETS.iter().any(|(name, _)| *name == target), "{target} is not a target");
        files(&folder).into_iter().map(move |seed| format!("{target}/{}", name(&seed)))
    });
    // What a fuzzer finds belongs elsewhere: fuzz/run keeps it in fuzz/target/corpus.
    assert_eq!(seeds.collect::<BTreeSet<_>>(), explained);
}

/// The streams that the seeds of a target stand for, as the oracle reads them.
fn readings(target: &str) -> Vec<oracle::Reading> {
    let read = |options: fuzz::Options, stream: &[u8]| {
        let capacity = fuzz::NAME_CAPACITIES[usize::from(options.capacities)];
        oracle::read(stream, capacity, options.handshake)
    };
    let data = seeds(target).into_iter().map(|seed| fs::read(seed).unwrap());
    let reading = |data: Vec<u8>| match target {
        "noise" => {
            let (style, stream) = noise::stream(&data);
            read(style.options, &stream)
        }
        "chunking" => {
            let input = chunking::Input::new(&data);
            read(input.options, input.stream)
        }
        _ => {
            let input = differential::Input::new(&data);
            read(input.options, input.stream)
        }
    };
    data.map(reading).collect()
}

fn bad(test: fn(Wrong) -> bool) -> impl Fn(&oracle::Reading) -> bool {
    move |reading| matches!(reading.end, End::Bad { wrong, .. } if test(wrong))
}

fn event(test: fn(&Event) -> bool) -> impl Fn(&oracle::Reading) -> bool {
    move |reading| reading.events.iter().any(test)
}

/// A seed is two bytes away from meaning nothing: one more option, and every seed
/// would be read as noise. So what they reach together is looked at.
#[test]
fn the_seeds_reach_every_kind_of_ending() {
    for target in ["noise", "chunking", "differential"] {
        let readings = readings(target);
        let any = |what: &str, test: &dyn Fn(&oracle::Reading) -> bool| {
            assert!(readings.iter().any(test), "no seed of {target} has {what}");
        };
        any("a clean end", &|r| r.end == End::Clean);
        any("a protocol error", &|r| r.end == End::Closed);
        any("a truncation", &|r| matches!(r.end, End::Truncated { .. }));
        any("a bad digit", &bad(|wrong| matches!(wrong, Wrong::Digit { .. })));
        any("another version", &bad(|wrong| matches!(wrong, Wrong::Version(_))));
        any("a name too long", &event(|e| matches!(e, Event::NameTooLong { .. })));
        any("payload", &event(|e| matches!(e, Event::Payload { data, .. } if !data.is_empty())));
        any("no payload", &event(|e| matches!(e, Event::Payload { data, .. } if data.is_empty())));
    }
}

#[test]
fn the_seeds_reach_every_type() {
    let all: BTreeSet<u8> = b"rspRSEenhf".iter().copied().collect();
    let read: BTreeSet<u8> = readings("differential")
        .into_iter()
        .flat_map(|reading| reading.events)
        .filter_map(|event| match event {
            Event::Header { header, .. } => Some(header.kind),
            _ => None,
        })
        .collect();
    assert_eq!(read, all);
    let written: BTreeSet<u8> = seeds("round_trip")
        .into_iter()
        .flat_map(|seed| round_trip::messages(&fs::read(seed).unwrap()).2)
        .map(|(header, _)| header.kind)
        .collect();
    assert_eq!(written, all);
}

//! The figures: kept in a file of tab-separated values, and shown as tables.

use std::error::Error;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::measure::Measured;

/// One line of the file.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Figure {
    /// What was timed, as [`EVENTS`] has it.
    pub(crate) event: String,
    pub(crate) name: String,
    /// Bytes on the wire a message.
    pub(crate) bytes: f64,
    /// Nanoseconds a message.
    pub(crate) nanos: f64,
    /// Times as long as gotalk, and the quartiles of that.
    pub(crate) ratio: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

/// What was timed: the word in the file, and the heading of the table.
pub(crate) const EVENTS: [(&str, &str); 3] = [
    ("whole", "Reading, the whole input in memory"),
    ("pieces", "Reading, in pieces of 1460 bytes"),
    ("write", "Writing"),
];

impl Figure {
    pub(crate) fn new(event: &str, messages: usize, it: &Measured) -> Self {
        let each = |value: f64| value / messages as f64;
        Self {
            event: event.to_owned(),
            name: it.name.to_owned(),
            bytes: each(it.wire_len as f64),
            nanos: each(it.nanos),
            ratio: it.ratio,
            low: it.quartiles.0,
            high: it.quartiles.1,
        }
    }

    /// Millions of messages a second.
    pub(crate) fn rate(&self) -> f64 {
        1e3 / self.nanos
    }

    fn line(&self) -> String {
        let Self { event, name, bytes, nanos, ratio, low, high } = self;
        format!("{event}\t{name}\t{bytes:.2}\t{nanos:.2}\t{ratio:.3}\t{low:.3}\t{high:.3}")
    }

    fn parse(line: &str) -> Option<Self> {
        let fields: Vec<&str> = line.split('\t').collect();
        let &[event, name, bytes, nanos, ratio, low, high] = fields.as_slice() else {
            return None;
        };
        let number = |field: &str| field.parse::<f64>().ok();
        Some(Self {
            event: event.to_owned(),
            name: name.to_owned(),
            bytes: number(bytes)?,
            nanos: number(nanos)?,
            ratio: number(ratio)?,
            low: number(low)?,
            high: number(high)?,
        })
    }
}

pub(crate) fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("figures.tsv")
}

const COLUMNS: &str = "event\tcontender\tbytes a message\tns a message\tratio\tlower\tupper";

pub(crate) fn keep(machine: &str, figures: &[Figure]) -> Result<(), Box<dyn Error>> {
    let mut text = format!("# {machine}\n# {COLUMNS}\n");
    for figure in figures {
        writeln!(text, "{}", figure.line())?;
    }
    Ok(std::fs::write(path(), text)?)
}

/// The machine and the figures that were kept.
pub(crate) fn kept() -> Result<(String, Vec<Figure>), Box<dyn Error>> {
    let text = std::fs::read_to_string(path())?;
    let machine = text.lines().next().and_then(|line| line.strip_prefix("# "));
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let figures: Option<Vec<_>> = lines.map(Figure::parse).collect();
    match (machine, figures) {
        (Some(machine), Some(figures)) => Ok((machine.to_owned(), figures)),
        _ => Err("figures.tsv cannot be read".into()),
    }
}

/// Processor, cores and compiler in one line.
pub(crate) fn machine() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find(|line| line.starts_with("model name"));
    let model = model.and_then(|line| line.split(": ").nth(1)).unwrap_or("unknown processor");
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let rustc = Command::new("rustc").arg("-V").output().map(|it| it.stdout).unwrap_or_default();
    let rustc = String::from_utf8_lossy(&rustc);
    let rustc = rustc.split(" (").next().unwrap_or_default().trim();
    format!("{model}, {cores} cores, {rustc}")
}

/// The tables, and under each who is ahead of gotalk in it.
pub(crate) fn tables(figures: &[Figure]) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    for (event, title) in EVENTS {
        let figures: Vec<&Figure> = figures.iter().filter(|it| it.event == event).collect();
        writeln!(
            text,
            "| {title} | ns a message | M messages/s | MB/s | bytes a message | time to gotalk's (quartiles) |"
        )?;
        writeln!(text, "| --- | ---: | ---: | ---: | ---: | ---: |")?;
        for it in &figures {
            let Figure { name, bytes, nanos, ratio, low, high, .. } = it;
            let (rate, throughput) = (it.rate(), bytes * it.rate());
            writeln!(
                text,
                "| {name} | {nanos:.1} | {rate:.1} | {throughput:.0} | {bytes:.1} | {ratio:.2} ({low:.2} to {high:.2}) |"
            )?;
        }
        let ahead = |it: &&&Figure| it.ratio < 1.0 && !it.name.starts_with("gotalk");
        let ahead: Vec<String> = figures
            .iter()
            .filter(ahead)
            .map(|it| format!("{} ({:.2} of the time)", it.name, it.ratio))
            .collect();
        let ahead = if ahead.is_empty() { "nobody".to_owned() } else { ahead.join(", ") };
        writeln!(text, "\nAhead of gotalk: {ahead}.\n")?;
    }
    Ok(text)
}

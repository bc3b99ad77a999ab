//! The picture: an SVG of the figures that were kept. Text is text, the axis starts
//! at zero, and the card brings its own background, so that it can be read on a
//! light page and on a dark one.

use std::error::Error;
use std::fmt::{self, Write};
use std::path::{Path, PathBuf};

use crate::figures::{self, Figure};

/// Millions of messages a second at the right end of the axis: the next of these
/// above the longest bar.
const ENDS: [f64; 6] = [20.0, 40.0, 60.0, 80.0, 120.0, 200.0];

const WIDTH: f64 = 760.0;
/// Where bars start, and how long the axis is.
const LEFT: f64 = 230.0;
const LENGTH: f64 = 470.0;
const BAR: f64 = 11.0;

const STYLE: &str = "\
svg{font:12px system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif}\
.card{fill:#fff;stroke:#d0d7de}text{fill:#24292f}.quiet{fill:#57606a}.small{font-size:10px}\
.head{font-size:15px;font-weight:600}.part{font-weight:600}line{stroke:#d8dee4}\
.ours{fill:#0969da}.ours2{fill:#6cb0f5}.peer{fill:#6e7781}.peer2{fill:#b4bbc2}\
@media(prefers-color-scheme:dark){.card{fill:#0d1117;stroke:#30363d}text{fill:#e6edf3}\
.quiet{fill:#9198a1}line{stroke:#262c34}.ours{fill:#4493f8}.ours2{fill:#265a9c}\
.peer{fill:#8b949e}.peer2{fill:#4b535d}}";

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../peers.svg")
}

pub(crate) fn draw() -> Result<(), Box<dyn Error>> {
    let (machine, figures) = figures::kept()?;
    Ok(std::fs::write(path(), picture(&machine, &figures)?)?)
}

/// Whether the picture at hand is the one that the figures give.
pub(crate) fn check() -> Result<(), Box<dyn Error>> {
    let (machine, figures) = figures::kept()?;
    if std::fs::read_to_string(path())? == picture(&machine, &figures)? {
        Ok(())
    } else {
        Err("peers.svg is not the picture of figures.tsv: draw it with `plot`".into())
    }
}

fn picture(machine: &str, figures: &[Figure]) -> Result<String, fmt::Error> {
    let longest = figures.iter().map(Figure::rate).fold(0.0, f64::max);
    let end = ENDS.into_iter().find(|end| longest <= *end).unwrap_or(longest);
    let event = |name| figures.iter().filter(move |it| it.event == name).collect::<Vec<_>>();
    let (whole, pieces, write) = (event("whole"), event("pieces"), event("write"));

    let mut body = String::new();
    let mut y = 98.0;
    part(&mut body, &mut y, "Reading")?;
    legend(&mut body, y - 8.0)?;
    let top = y;
    for (whole, pieces) in whole.iter().zip(&pieces) {
        row(&mut body, &mut y, end, &[whole, pieces])?;
    }
    let read = top..y;
    y += 22.0;
    part(&mut body, &mut y, "Writing")?;
    let top = y;
    for write in &write {
        row(&mut body, &mut y, end, &[write])?;
    }
    let written = top..y;

    let mut grid = String::new();
    for step in 0..=4 {
        let value = end * f64::from(step) / 4.0;
        let x = LEFT + LENGTH * value / end;
        for rows in [&read, &written] {
            let (from, to) = (rows.start, rows.end);
            writeln!(grid, r#"<line x1="{x:.1}" y1="{from}" x2="{x:.1}" y2="{to}"/>"#)?;
        }
        writeln!(
            grid,
            r#"<text x="{x:.1}" y="{}" text-anchor="middle" class="quiet small">{value:.0}</text>"#,
            y + 14.0
        )?;
    }
    y += 30.0;
    let unit = "millions of messages a second; longer is faster";
    writeln!(grid, r#"<text x="{LEFT}" y="{y}" class="quiet">{unit}</text>"#)?;
    let height = y + 16.0;

    let mut svg = String::new();
    writeln!(
        svg,
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img" aria-labelledby="title desc">"#
    )?;
    writeln!(
        svg,
        r#"<title id="title">gotalk and other ways of framing the same messages</title>"#
    )?;
    writeln!(svg, r#"<desc id="desc">{}</desc>"#, escape(&description(&whole, &pieces, &write)?))?;
    writeln!(svg, "<style>{STYLE}</style>")?;
    let (inner, low) = (WIDTH - 1.0, height - 1.0);
    writeln!(svg, r#"<rect x=".5" y=".5" width="{inner}" height="{low}" rx="6" class="card"/>"#)?;
    writeln!(svg, r#"<text x="20" y="30" class="head">Messages a second</text>"#)?;
    for (y, line) in [
        (48, "A mixed conversation of 10,000 messages, payloads of 0 to 64 bytes; medians."),
        (64, "winnow and the Go package's way read Gotalk, the others formats of their own."),
    ] {
        writeln!(svg, r#"<text x="20" y="{y}" class="quiet">{line}</text>"#)?;
    }
    writeln!(svg, r#"<text x="20" y="80" class="quiet small">{}</text>"#, escape(machine))?;
    writeln!(svg, "{grid}{body}</svg>")?;
    Ok(svg)
}

fn part(svg: &mut String, y: &mut f64, name: &str) -> fmt::Result {
    *y += 8.0;
    writeln!(svg, r#"<text x="20" y="{y}" class="part">{name}</text>"#)?;
    *y += 8.0;
    Ok(())
}

fn legend(svg: &mut String, y: f64) -> fmt::Result {
    for (x, ours, peer, text) in [
        (LEFT, "ours", "peer", "whole input in memory"),
        (LEFT + 190.0, "ours2", "peer2", "in pieces of 1460 bytes"),
    ] {
        for (x, class) in [(x, ours), (x + 11.0, peer)] {
            let y = y - 9.0;
            writeln!(svg, r#"<rect x="{x}" y="{y}" width="10" height="10" class="{class}"/>"#)?;
        }
        writeln!(svg, r#"<text x="{}" y="{y}" class="quiet">{text}</text>"#, x + 27.0)?;
    }
    Ok(())
}

/// A contender's name and its bars, one below the other.
fn row(svg: &mut String, y: &mut f64, end: f64, bars: &[&Figure]) -> fmt::Result {
    let height = BAR * bars.len() as f64;
    let ours = bars[0].name.starts_with("gotalk");
    *y += 5.0;
    let (middle, name) = (*y + height / 2.0 + 4.0, escape(&bars[0].name));
    let class = if ours { "part" } else { "" };
    writeln!(
        svg,
        r#"<text x="{}" y="{middle}" text-anchor="end" class="{class}">{name}</text>"#,
        LEFT - 8.0
    )?;
    let classes = if ours { ["ours", "ours2"] } else { ["peer", "peer2"] };
    for (figure, class) in bars.iter().zip(classes) {
        let (rate, thick) = (figure.rate(), BAR - 1.0);
        let length = LENGTH * rate / end;
        writeln!(
            svg,
            r#"<rect x="{LEFT}" y="{y}" width="{length:.1}" height="{thick}" class="{class}"/>"#
        )?;
        let (x, base) = (LEFT + length + 4.0, *y + 8.5);
        writeln!(svg, r#"<text x="{x:.1}" y="{base}" class="small">{rate:.1}</text>"#)?;
        *y += BAR;
    }
    *y += 4.0;
    Ok(())
}

fn description(
    whole: &[&Figure],
    pieces: &[&Figure],
    write: &[&Figure],
) -> Result<String, fmt::Error> {
    let mut text = "Bar chart, millions of messages a second.".to_owned();
    let parts =
        [("Reading, whole input", whole), ("In pieces of 1460 bytes", pieces), ("Writing", write)];
    for (name, figures) in parts {
        let list: Vec<_> =
            figures.iter().map(|it| format!("{} {:.1}", it.name, it.rate())).collect();
        write!(text, " {name}: {}.", list.join("; "))?;
    }
    Ok(text)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

//! Ours as a client whose peer breaks off after every byte: each request must end exactly once,
//! and what came must be a beginning of what the peer sent.

use std::io;
use std::path::Path;
use std::time::Duration;

use crate::ours::Report;
use crate::play::Chunks;
use crate::recording::{Conversation, Role, is_last};
use crate::relay::Lie;
use crate::scenario::{Ours, Scenario, Told, Wire};
use crate::socket::Carrier;

/// What is in the table, or what was wrong.
pub fn run(
    all: &[Conversation],
    is_reset: bool,
    is_quick: bool,
    patience: Duration,
) -> Result<String, String> {
    let (mut count, mut lost) = (0, 0);
    for conversation in all {
        // Those that are long, and those that take time.
        if conversation.carrier == Carrier::WebSocket
            || matches!(&conversation.name[..1], "b" | "h" | "i" | "l")
            || is_quick && conversation.name != "e-stream"
        {
            continue;
        }
        let Ok(scenario) = Scenario::new(conversation, Ours::Client) else { continue };
        for len in 0..=conversation.server.bytes().len() {
            let report = talk(&scenario, len, is_reset, patience);
            let report = report.and_then(|report| {
                check(&scenario, &report, len, is_reset).map_err(io::Error::other)?;
                Ok(report)
            });
            match report {
                Ok(report) => lost += report.lost,
                Err(error) => {
                    return Err(format!("{} after {len} bytes: {error}", conversation.name));
                }
            }
            count += 1;
        }
    }
    if lost == 0 {
        return Err("no request was lost".to_owned());
    }
    Ok(format!("{count} connections, {lost} requests reported as lost"))
}

fn talk(scenario: &Scenario, len: usize, is_reset: bool, patience: Duration) -> io::Result<Report> {
    let lie = if is_reset { Lie::Reset(len) } else { Lie::Cut(len) };
    let wire = Wire { lie, is_ours: false };
    let talk = scenario.talk(Path::new(""), None, Chunks::Whole, Some(wire), patience)?;
    match talk.report {
        Some(Ok(Told::Report(report))) => Ok(report),
        Some(Err(error)) => Err(error),
        _ => Err(io::Error::other("no report")),
    }
}

fn check(scenario: &Scenario, report: &Report, len: usize, is_reset: bool) -> Result<(), String> {
    let expected = scenario.expected(Role::Server);
    let ended = report.came.iter().filter(|(_, message)| is_last(message)).count();
    if ended + report.lost != report.made {
        return Err(format!("{} requests, {ended} ended, {} lost", report.made, report.lost));
    }
    let mut rest = expected.iter().map(|(request, m)| (request, m.kind, &m.payload));
    let mut came = report.came.iter().map(|(request, m)| (request, m.kind, &m.payload));
    if !came.all(|message| rest.next() == Some(message)) {
        return Err(format!("what came was not sent: {:?}", report.came));
    }
    let is_whole = len == scenario.conversation.server.bytes().len();
    let ends: &[&str] = match (is_reset, is_whole) {
        // What is the end of the conversation may have been read before the reset comes.
        (true, true) => &["lost", "ours closed", "failed: "],
        (false, true) => &["ours closed", "the peer closed", "failed: "],
        // A write that fails first takes a reset, and a mere end is left to be read.
        (_, false) => &["cut", "the peer closed", "lost", "failed: "],
    };
    match ends.iter().any(|end| report.end.starts_with(end)) {
        true => Ok(()),
        false => Err(format!("ended by `{}`", report.end)),
    }
}

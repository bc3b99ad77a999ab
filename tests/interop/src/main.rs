//! Runs everything, and prints what was seen. See `run`, beside this package's manifest.

mod controls;
mod cuts;
mod faults;
#[path = "../../oracle/mod.rs"]
mod oracle;
mod ours;
mod play;
mod recording;
mod relay;
mod scenario;
mod tool;
mod wire;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use std::{env, io};

use faults::Size;
use play::Chunks;
use recording::Conversation;
use scenario::{Ours, Scenario, tool_for};
use tool::Tool;

/// How long anything may take before it counts as stuck.
const PATIENCE: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let [mode, conversations, program] = args.as_slice() else {
        eprintln!("usage: gotalk-interop all|quick|scenarios|faults|controls CONVERSATIONS GOTALK");
        return ExitCode::from(64);
    };
    match run(mode, Path::new(conversations), &PathBuf::from(program)) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(failed) => {
            println!("\n{failed} FAILED");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// The number of rows that failed.
fn run(mode: &str, folder: &Path, program: &Path) -> io::Result<usize> {
    let all = Conversation::all(folder)?;
    let is_quick = mode == "quick";
    let mut failed = 0;
    if matches!(mode, "all" | "quick" | "scenarios") {
        failed += scenarios(&all, program, is_quick)?;
    }
    if matches!(mode, "all" | "quick" | "faults") {
        failed += faults(&all, program, is_quick)?;
    }
    if matches!(mode, "all" | "quick" | "controls") {
        failed += controls::run(&all, program, is_quick)?;
    }
    Ok(failed)
}

/// A scenario, or why there is none.
type Fit = Result<Scenario, &'static str>;

/// Every scenario there is, with the reason where there is none.
pub fn every(all: &[Conversation]) -> Vec<(String, Ours, Fit)> {
    let kinds = [Ours::Client, Ours::Server, Ours::Tool];
    let pairs = all.iter().flat_map(|conversation| kinds.map(|ours| (conversation, ours)));
    pairs.map(|(c, ours)| (c.name.clone(), ours, Scenario::new(c, ours))).collect()
}

fn scenarios(all: &[Conversation], program: &Path, is_quick: bool) -> io::Result<usize> {
    let seed = 0x1234_5678_9abc_def1;
    let ways: &[(&str, Chunks)] = match is_quick {
        true => &[("random", Chunks::Random(seed))],
        false => {
            &[("whole", Chunks::Whole), ("bytes", Chunks::Bytes), ("random", Chunks::Random(seed))]
        }
    };
    let names: Vec<&str> = ways.iter().map(|(name, _)| *name).collect();
    println!("recorded peers, played {}: what ours sent\n", names.join(", "));
    let (mut failed, mut ran) = (0, 0);
    for (name, ours, scenario) in every(all) {
        let label = format!("{name:<24} {:<13}", ours.name());
        let scenario = match scenario {
            Ok(scenario) => scenario,
            Err(why) => {
                println!("{label} -     {why}");
                continue;
            }
        };
        let tool = tool_for(&scenario, program)?;
        let mut wrong = Vec::new();
        let mut seen = String::new();
        for (way, chunks) in ways {
            let outcome = scenario.run(tool.as_ref(), *chunks, None, PATIENCE)?;
            seen = outcome.seen;
            wrong.extend(outcome.wrong.into_iter().map(|wrong| format!("{way}: {wrong}")));
            ran += 1;
        }
        failed += report(&label, &wrong, &format!("{seen}{}", scenario.remark()));
    }
    println!("\n{ran} conversations");
    if ran < 30 {
        println!("too few");
        failed += 1;
    }
    Ok(failed)
}

/// Prints a row, and says whether it counts as failed.
pub fn report(label: &str, wrong: &[String], seen: &str) -> usize {
    println!("{label} {:<5} {seen}", if wrong.is_empty() { "ok" } else { "FAIL" });
    for wrong in wrong {
        println!("    {wrong}");
    }
    usize::from(!wrong.is_empty())
}

fn faults(all: &[Conversation], program: &Path, is_quick: bool) -> io::Result<usize> {
    let (many, names): (_, &[&str]) = match is_quick {
        true => (50, &["e-stream"]),
        false => (
            1000,
            &[
                "e-stream",
                "a-single-json",
                "b-binary-payload",
                "g-notify",
                "j-peer-sends-protoerror",
            ],
        ),
    };
    let size =
        Size { many, cut: faults::to_cut(all, names), slow: faults::to_cut(all, &["e-stream"]) };
    println!("\nfaults, at least twice each, then a clean client, descriptors and memory\n");
    let tool = Tool::start(program, &[], None)?;
    let mut failed = 0;
    for fault in faults::all(&size) {
        let label = format!("{:<42}", fault.0);
        failed += row(&label, faults::run(&tool, &fault, PATIENCE));
    }
    failed +=
        row(&format!("{:<42}", "descriptors run out"), faults::descriptors(program, PATIENCE));
    for is_reset in [false, true] {
        let by = if is_reset { "RST" } else { "FIN" };
        let label = format!("{:<42}", format!("the client's peer cut at every byte by {by}"));
        failed += row(&label, cuts::run(all, is_reset, is_quick, PATIENCE));
    }
    Ok(failed)
}

fn row(label: &str, result: Result<String, String>) -> usize {
    match result {
        Ok(seen) => report(label, &[], &seen),
        Err(wrong) => report(label, &[wrong], ""),
    }
}

//! Runs everything, and prints what was seen. See `run`, beside this package's manifest.

mod big;
mod browser;
mod call;
mod call_faults;
mod controls;
mod cuts;
mod faults;
mod load;
#[path = "../../oracle/mod.rs"]
mod oracle;
mod ours;
mod play;
mod recording;
mod relay;
mod scenario;
mod socket;
mod strict;
mod tool;
mod websocket_faults;
mod wire;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use std::{env, io, thread};

use faults::Size;
use play::Chunks;
use recording::Conversation;
use scenario::{Ours, Scenario, tool_for};
use socket::Carrier;
use tool::Tool;

/// How long anything may take before it counts as stuck.
const PATIENCE: Duration = Duration::from_secs(10);

const USAGE: &str = "\
usage: gotalk-interop all|quick|scenarios|faults|controls GOTALK CONVERSATIONS
       gotalk-interop load|load-quick GOTALK [ADDRESS PID]
       gotalk-interop browser|browser-quick GOTALK PAGE CHROMIUM";

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let failed = match args.as_slice() {
        ["load" | "load-quick", program] => {
            load::table(Path::new(program), None, args[0] == "load-quick")
        }
        ["load" | "load-quick", program, address, pid] => match (address.parse(), pid.parse()) {
            (Ok(address), Ok(pid)) => {
                load::table(Path::new(program), Some((address, pid)), args[0] == "load-quick")
            }
            _ => return usage(),
        },
        [mode @ ("browser" | "browser-quick"), program, page, chromium] => {
            browser::run(Path::new(program), Path::new(page), chromium, *mode == "browser-quick")
        }
        [mode @ ("all" | "quick" | "scenarios" | "faults" | "controls"), program, folder] => {
            run(mode, Path::new(folder), Path::new(program))
        }
        _ => return usage(),
    };
    match failed {
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

fn usage() -> ExitCode {
    eprintln!("{USAGE}");
    ExitCode::from(64)
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
    if is_quick {
        failed += load::table(program, None, is_quick)?;
    }
    Ok(failed)
}

/// A scenario, or why there is none.
type Fit = Result<Scenario, &'static str>;

/// Every scenario there is, with the reason where there is none.
pub fn every(all: &[Conversation]) -> Vec<(String, Ours, Fit)> {
    let mut every = Vec::new();
    for conversation in all {
        let mut name = conversation.name.clone();
        for ours in [Ours::Client, Ours::Server, Ours::Tool] {
            every.push((name.clone(), ours, Scenario::new(conversation, ours)));
        }
        let calls = call::each(conversation);
        let is_one = calls.len() == 1;
        for (at, call) in calls.into_iter().enumerate() {
            let fit = call.and_then(|call| Scenario::new(&call, Ours::Call));
            let label = if is_one { name.clone() } else { format!("{name}/{}", at + 1) };
            every.push((label, Ours::Call, fit));
        }
        if name == "a-single-json" {
            name += "-bad-digit";
            let bad = call::bad_digit(conversation);
            let fit = bad.ok_or("no answer").and_then(|bad| Scenario::new(&bad, Ours::Call));
            every.push((name, Ours::Call, fit));
        }
    }
    every
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
    let every = every(all);
    let rows = at_once(6, &every, |_, (name, ours, scenario)| -> io::Result<_> {
        let label = format!("{name:<24} {:<13}", ours.name());
        let scenario = match scenario {
            Ok(scenario) => scenario,
            Err(why) => return Ok((label, None, (*why).to_owned())),
        };
        let tool = tool_for(scenario, program)?;
        let mut wrong = Vec::new();
        let mut seen = String::new();
        for (way, chunks) in ways {
            let outcome = scenario.run(program, tool.as_ref(), *chunks, None, PATIENCE)?;
            seen = outcome.seen;
            wrong.extend(outcome.wrong.into_iter().map(|wrong| format!("{way}: {wrong}")));
        }
        Ok((label, Some(wrong), format!("{seen}{}", scenario.remark())))
    });
    let (mut failed, mut ran) = (0, 0);
    for row in rows {
        match row? {
            (label, None, why) => println!("{label} -     {why}"),
            (label, Some(wrong), seen) => {
                failed += report(&label, &wrong, &seen);
                ran += ways.len();
            }
        }
    }
    println!("\n{ran} conversations");
    if ran < 180 {
        println!("too few");
        failed += 1;
    }
    Ok(failed)
}

/// Does something with each item, so many at once, and gives what came of it in their order.
pub fn at_once<T: Sync, R: Send>(
    count: usize,
    items: &[T],
    run: impl Fn(usize, &T) -> R + Sync,
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..count {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(at) else { return };
                    let result = run(at, item);
                    done.lock().unwrap().push((at, result));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap();
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
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
    let tool = Tool::start(program, Carrier::Tcp, &[], None)?;
    let mut failed = 0;
    for fault in faults::all(&size) {
        let label = format!("{:<42}", fault.0);
        failed += row(&label, faults::run(&tool, &fault, PATIENCE));
    }
    let tool = Tool::start(program, Carrier::WebSocket, &[], None)?;
    for fault in websocket_faults::all(&size) {
        let label = format!("{:<42}", fault.0);
        failed += row(&label, faults::run(&tool, &fault, PATIENCE));
    }
    failed +=
        row(&format!("{:<42}", "descriptors run out"), faults::descriptors(program, PATIENCE));
    let (size, many) =
        if is_quick { (64 << 20, "64 MiB") } else { (u32::MAX, "4 GiB less a byte") };
    let label = format!("{:<42}", format!("{many} through `gotalk relay`"));
    failed += row(&label, big::run(program, size));
    for fault in &call_faults::ALL {
        let label = format!("{:<42}", format!("call: {}", fault.0));
        failed += row(&label, call_faults::run(program, fault));
    }
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

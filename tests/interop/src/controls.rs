//! What must not pass: each scenario through a relay that drops, doubles or swaps one byte.

use std::io;
use std::path::Path;
use std::time::Duration;

use crate::play::{Chunks, Random};
use crate::recording::{Conversation, Role, is_last};
use crate::relay::Lie;
use crate::scenario::{Ours, Scenario, Wire, tool_for};
use crate::socket::Carrier;
use crate::tool::Tool;
use crate::wire::{self, Message, Stop};
use crate::{PATIENCE, at_once, every, faults, report, strict};

/// How long a conversation may hang that is expected to. It first passes without the lie.
const SHORT: Duration = Duration::from_millis(1500);
/// The longest name that `gotalk serve` reads.
const NAME: usize = 255;
/// How many run at once: most of the time they wait.
const AT_ONCE: usize = 24;

/// Which bytes of what ours sends may have any value: ids, waits, loads, times.
fn own(messages: &[Message]) -> Vec<bool> {
    let mut own = vec![false; 2];
    for message in messages {
        let start = own.len();
        own.resize(start + wire::encode(message).len(), false);
        let len = match message.kind {
            b'h' | b'e' => 12,
            b'f' | b'n' => 0,
            _ => 4,
        };
        own[start + 1..][..len].fill(true);
    }
    own
}

/// The same for what is sent to ours, and in addition what ours does not look at: parts of a
/// stream that was refused and, for all that `gotalk serve` tells, the payload of what it
/// denies, and the name where it denies that whatever it is.
fn unseen(scenario: &Scenario) -> Vec<bool> {
    let conversation = &scenario.conversation;
    let side = conversation.side(scenario.played());
    let mut unseen = own(&side.messages);
    let is_tool = scenario.ours == Ours::Tool;
    let takes_no_streams = scenario.args.contains(&"--streams");
    let mut at = 2;
    for message in &side.messages {
        at += wire::encode(message).len();
        let payload = at - message.payload.len();
        let name = payload - 8 - message.name.len();
        let is_request = matches!(message.kind, b'r' | b's' | b'p');
        let question = conversation.question(message).filter(|_| is_request);
        let is_part = message.kind == b'p'
            && question.is_some_and(|request| conversation.is_refused(request));
        let is_denied = is_tool && is_request && conversation.is_denied(message);
        if is_tool && message.kind == b'n' && message.name.len() > NAME {
            unseen[name..name + message.name.len()].fill(true);
            unseen[payload..at].fill(true);
        }
        let is_too_long = is_tool && is_request && message.name.len() > NAME;
        if is_part || is_denied {
            unseen[payload..at].fill(true);
        }
        if is_denied
            && (is_too_long
                || conversation.is_put_off(message)
                || message.kind == b's' && takes_no_streams)
        {
            unseen[name..name + message.name.len()].fill(true);
        }
    }
    unseen.resize(side.bytes().len(), false);
    unseen
}

/// The lies for a stream of which the first `len` bytes count.
fn lies(bytes: &[u8], own: &[bool], len: usize, random: &mut Random, rounds: usize) -> Vec<Lie> {
    let mut lies = Vec::new();
    for _ in 0..rounds {
        lies.push(Lie::Drop(random.below(len)));
        lies.push(Lie::Double(random.below(len)));
        let differs = |at: &usize| bytes[*at] != bytes[*at + 1] && !own[*at] && !own[*at + 1];
        let places: Vec<usize> = (0..len.saturating_sub(1)).filter(differs).collect();
        if !places.is_empty() {
            lies.push(Lie::Swap(places[random.below(places.len())]));
        }
    }
    lies
}

/// Where what a lie does to `gotalk serve` can no longer be seen. It answers what it denies when
/// it has read the name, and does not tell which heartbeats or which `f` came, or that its input
/// ended in the middle of a message.
fn visible(scenario: &Scenario) -> usize {
    let conversation = &scenario.conversation;
    let (mut at, mut visible) = (2, 2);
    for message in &conversation.client.messages {
        let start = at;
        at += wire::encode(message).len();
        visible = match message.kind {
            b'h' | b'f' => continue,
            b'p' if conversation.is_denied(message) => continue,
            b'r' | b's' if message.name.len() > NAME => start + 8,
            b'r' | b's' if conversation.is_denied(message) && scenario.args.is_empty() => {
                start + 8 + message.name.len()
            }
            b'r' | b's' if conversation.is_denied(message) => start + 8,
            b'n' if message.name.len() > NAME => start + 4,
            _ => at,
        };
    }
    visible
}

/// What is sent to ours if ours closes by itself when it has that. `gotalk call` does when it
/// has its answer, or has sent its notification and seen the version, and a server where the
/// recorded one did.
fn sufficient(scenario: &Scenario) -> Option<Vec<u8>> {
    let conversation = &scenario.conversation;
    let side = conversation.side(scenario.played());
    let mut bytes = side.version.clone();
    match scenario.ours {
        Ours::Call if conversation.client.messages[0].kind == b'n' => {}
        Ours::Call => {
            for message in &side.messages {
                // The id that it gives, as it makes no other request.
                bytes.extend(wire::encode(&Message { id: *b"0000", ..message.clone() }));
                if is_last(message) || message.kind == b'f' {
                    break;
                }
            }
        }
        Ours::Server | Ours::Tool
            if conversation.has_no_answer() && conversation.closer == Role::Server =>
        {
            bytes = side.bytes();
        }
        _ => return None,
    }
    Some(bytes)
}

/// Whether nobody could see this lie.
fn is_hidden(scenario: &Scenario, wire: Wire) -> bool {
    let side = scenario.conversation.side(scenario.played());
    let bytes = side.bytes();
    let end = bytes.len() - side.tail.len();
    let (Lie::Drop(at) | Lie::Double(at) | Lie::Swap(at)) = wire.lie else { return false };
    if wire.is_ours {
        return false;
    }
    let is_double = matches!(wire.lie, Lie::Double(_));
    let is_last = at + 1 == end && is_double;
    let is_tool = scenario.ours == Ours::Tool;
    // A byte that is twice there, before nothing but the same byte, comes after the end.
    let is_after = |rest: &[u8]| rest.iter().all(|byte| is_double && *byte == rest[0]);
    if sufficient(scenario).is_some_and(|bytes| bytes.get(at..).is_none_or(is_after)) {
        return true;
    }
    // Anything may follow an `f`. And the second of the two may be the type of a message that
    // does not come.
    is_last && side.messages.last().is_some_and(|last| last.kind == b'f')
        || is_tool && is_last && b"rspRSEenhf".contains(&bytes[at])
        || is_tool && at >= visible(scenario)
}

/// Lies about where WebSocket messages of ours begin and end, and what they are.
fn miscut(scenario: &Scenario, messages: &[usize], random: &mut Random) -> Vec<Lie> {
    // How many there are at least: heartbeats come when it is time.
    let expected = scenario.expected(scenario.ours.role());
    let parts = expected.iter().map(|(_, m)| 1 + usize::from(!m.payload.is_empty()));
    let count = 1 + parts.sum::<usize>();
    let mut lies = vec![Lie::Empty(random.below(count)), Lie::Text(random.below(count))];
    if count > 1 {
        lies.push(Lie::Join(random.below(count - 1)));
    }
    let long: Vec<usize> = (0..count).filter(|at| messages[*at] > 1).collect();
    lies.push(Lie::Split(long[random.below(long.len())]));
    lies
}

pub fn run(all: &[Conversation], program: &Path, is_quick: bool) -> io::Result<usize> {
    println!("\nwhat must fail: one byte dropped, doubled or swapped on the way\n");
    let every: Vec<_> = every(all)
        .into_iter()
        .filter_map(|(name, ours, scenario)| Some((name, ours, scenario.ok()?)))
        .collect();
    let rows = at_once(AT_ONCE, &every, |at, (name, ours, scenario)| {
        let label = format!("{name:<24} {:<13}", ours.name());
        match control(scenario, program, at, is_quick) {
            Ok((count, wrong)) => (label, wrong, format!("{count} noticed")),
            Err(error) => (label, vec![error.to_string()], String::new()),
        }
    });
    let mut failed = rows.iter().map(|(label, wrong, seen)| report(label, wrong, seen)).sum();
    let (count, wrong) = strict::control();
    failed += report(&format!("{:<42}", "the strict reader"), &wrong, &format!("{count} noticed"));
    let tool = Tool::start(program, Carrier::Tcp, &[], None)?;
    let fault = faults::control();
    let (seen, wrong) = match faults::run(&tool, &fault, SHORT) {
        Err(why) => (format!("noticed: {why}"), Vec::new()),
        Ok(seen) => (String::new(), vec![format!("passed: {seen}")]),
    };
    failed += report(&format!("{:<42}", fault.0), &wrong, &seen);
    Ok(failed)
}

/// Without a lie it must pass, and with each it must fail.
fn control(
    scenario: &Scenario,
    program: &Path,
    at: usize,
    is_quick: bool,
) -> io::Result<(usize, Vec<String>)> {
    let once = |wire: Wire, patience| {
        // A server of its own, whose lines are about this conversation alone.
        let tool = tool_for(scenario, program)?;
        scenario.run(program, tool.as_ref(), Chunks::Whole, Some(wire), patience)
    };
    let honest = once(Wire { lie: Lie::Nothing, is_ours: true }, PATIENCE)?;
    if !honest.wrong.is_empty() {
        let wrong =
            honest.wrong.iter().map(|wrong| format!("through an honest relay: {wrong}")).collect();
        return Ok((0, wrong));
    }
    let mut random = Random(at as u64 * 7919 + 1);
    let rounds = if is_quick { 1 } else { 4 };
    let ours = own(&wire::decode(&honest.bytes).messages);
    // Of parts that a refusal overtakes it is not known whether they come.
    let first = scenario.conversation.client.messages.first();
    let len = match first {
        Some(first) if scenario.ours == Ours::Call && first.kind == b's' => {
            2 + wire::encode(first).len()
        }
        _ => honest.bytes.len(),
    };
    let mut wires: Vec<Wire> = lies(&honest.bytes, &ours, len, &mut random, rounds)
        .into_iter()
        .map(|lie| Wire { lie, is_ours: true })
        .collect();
    if scenario.conversation.carrier == Carrier::WebSocket {
        let lies = miscut(scenario, &honest.messages, &mut random).into_iter();
        wires.extend(lies.map(|lie| Wire { lie, is_ours: true }));
    }
    let played = scenario.conversation.side(scenario.played());
    // What is wrong already is as wrong with another byte.
    if played.stop == Stop::Clean {
        let bytes = played.bytes();
        let len = bytes.len() - played.tail.len();
        let lies = lies(&bytes, &unseen(scenario), len, &mut random, rounds);
        wires.extend(lies.into_iter().map(|lie| Wire { lie, is_ours: false }));
    }
    wires.retain(|wire| !is_hidden(scenario, *wire));
    if is_quick {
        // Together they have all kinds.
        wires = (0..2).map(|_| wires[random.below(wires.len())]).collect();
    }
    let patience = if scenario.args.contains(&"--silence") || scenario.args.contains(&"--limit") {
        3 * SHORT
    } else {
        SHORT
    };
    let (mut noticed, mut wrong) = (0, Vec::new());
    for wire in wires {
        // An error of a socket is a failure too.
        match once(wire, patience) {
            Ok(outcome) if outcome.wrong.is_empty() => wrong.push(format!("passed: {wire:?}")),
            _ => noticed += 1,
        }
    }
    if noticed == 0 {
        wrong.push("nothing was noticed".to_owned());
    }
    Ok((noticed, wrong))
}

//! README.md, the front page, shows the example `peer` as it is; and the examples are short.

const README: &str = include_str!("../../README.md");
const PEER: &str = include_str!("../../examples/peer.rs");

/// What stands between the first `start` and the next `end`.
#[track_caller]
fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let (_, rest) = text.split_once(start).unwrap_or_else(|| panic!("no {start:?}"));
    rest.split_once(end).unwrap_or_else(|| panic!("no {end:?} after {start:?}")).0
}

/// The part of the example that README.md has.
fn example() -> &'static str {
    between(PEER, "// README.md has this part.\n", "// README.md has the part up to here.\n")
}

#[test]
fn the_front_page_has_the_example_and_feeds_it() {
    let block = between(README, "<!-- examples/peer.rs -->\n", "<!-- end -->");
    let code = between(block, "```rust\n", "```\n");
    let example = example();
    let use_of_it = code.strip_prefix(example).unwrap_or_else(|| {
        let differs = code.lines().zip(example.lines()).find(|(ours, theirs)| ours != theirs);
        panic!("README.md and examples/peer.rs differ: {differs:?}");
    });
    assert!(use_of_it.contains("talk(") && use_of_it.contains("assert_eq!"), "{use_of_it}");
    // It is the first code that a reader sees, and GitHub shows the lines that rustdoc hides.
    assert_eq!(README.find("```rust\n"), README.find(code).map(|at| at - "```rust\n".len()));
    assert!(!README.lines().any(|line| line.starts_with("# ") && line.ends_with(';')));
}

#[test]
fn the_examples_are_short() {
    assert!(example().lines().count() <= 60);
    for (name, text) in [
        ("answer", include_str!("../../examples/answer.rs")),
        ("both_ways", include_str!("../../examples/both_ways/main.rs")),
        ("both_ways, its connection", include_str!("../../examples/both_ways/link.rs")),
        ("device", include_str!("../../examples/device/device.rs")),
        ("device, on a host", include_str!("../../examples/device/main.rs")),
        ("greet", include_str!("../../examples/greet.rs")),
        ("peer", PEER),
        ("whole_messages", include_str!("../../examples/whole_messages.rs")),
    ] {
        assert!(text.lines().count() < 120, "{name}");
    }
}

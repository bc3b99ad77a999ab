//! README.md, the front page, shows the example `answer` as it is; and the examples are short.

const README: &str = include_str!("../../README.md");
const ANSWER: &str = include_str!("../../examples/answer.rs");

/// What stands between the first `start` and the next `end`.
#[track_caller]
fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let (_, rest) = text.split_once(start).unwrap_or_else(|| panic!("no {start:?}"));
    rest.split_once(end).unwrap_or_else(|| panic!("no {end:?} after {start:?}")).0
}

#[test]
fn the_front_page_has_the_example_and_feeds_it() {
    let block = between(README, "<!-- examples/answer.rs -->\n", "<!-- end -->");
    let code = between(block, "```rust\n", "```\n");
    let example =
        between(ANSWER, "// README.md has this part.\n", "// README.md has the part up to here.\n");
    let use_of_it = code.strip_prefix(example).unwrap_or_else(|| {
        let differs = code.lines().zip(example.lines()).find(|(ours, theirs)| ours != theirs);
        panic!("README.md and examples/answer.rs differ: {differs:?}");
    });
    assert!(use_of_it.contains("serve(") && use_of_it.contains("assert_eq!"), "{use_of_it}");
    // GitHub shows the lines that rustdoc hides.
    assert!(!README.lines().any(|line| line.starts_with("# ") && line.ends_with(';')));
}

#[test]
fn the_examples_are_short() {
    let function = between(ANSWER, "pub fn serve(", "\n}\n");
    assert!(function.lines().count() < 55);
    for (name, text) in [
        ("answer", ANSWER),
        ("connection", include_str!("../../examples/connection.rs")),
        ("device", include_str!("../../examples/device/device.rs")),
        ("device, on a host", include_str!("../../examples/device/main.rs")),
        ("whole_messages", include_str!("../../examples/whole_messages.rs")),
    ] {
        assert!(text.lines().count() < 100, "{name}");
    }
}

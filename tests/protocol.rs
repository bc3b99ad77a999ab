//! PROTOCOL.md and the tests speak of the same rules: every rule of the sections that this
//! crate keeps has a test that is named after it, and no test is named after a rule that does
//! not exist.

use std::collections::BTreeSet;
use std::path::Path;

/// A section and the number of a rule in it.
type Rule = (u32, u32);

const PROTOCOL: &str = include_str!("../PROTOCOL.md");

/// The sections whose rules bind the crate: reading, writing, and the session. The others bind
/// the program.
const TESTED: [u32; 3] = [3, 4, 10];

/// The rules that a page has, or the heading that does not stand behind its own anchor or
/// has not the next number.
fn rules_of(page: &str) -> Result<Vec<Rule>, &str> {
    fn number(heading: &str) -> Option<Rule> {
        let (number, _) = heading.split_once(": ")?;
        let (section, rule) = number.split_once('.')?;
        Some((section.parse().ok()?, rule.parse().ok()?))
    }
    let mut rules = Vec::<Rule>::new();
    let mut anchor = None;
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("<a id=\"") {
            anchor = rest.strip_suffix("\"></a>");
        } else if let Some(heading) = line.strip_prefix("### Rule ") {
            let rule = number(heading).ok_or(line)?;
            let next = match rules.last() {
                Some(&(section, last)) if section == rule.0 => last + 1,
                _ => 1,
            };
            if rule.1 != next || anchor.take() != Some(&*format!("rule-{}-{}", rule.0, rule.1)) {
                return Err(line);
            }
            rules.push(rule);
        }
    }
    Ok(rules)
}

/// The tests of a file, by their names.
fn tests_of(source: &str) -> impl Iterator<Item = &str> {
    source.split("#[test]\n").skip(1).filter_map(|test| {
        let rest = test.split_once("fn ")?.1;
        Some(rest.split_once('(')?.0)
    })
}

/// The rules in the name of a test: 3.2 and 3.3 in `rule_3_02_and_3_03_a_byte_that`.
fn rules_in(test: &str) -> Vec<Rule> {
    let Some(mut rest) = test.strip_prefix("rule_") else { return Vec::new() };
    let mut rules = Vec::new();
    loop {
        let mut words = rest.splitn(3, '_');
        let mut number = || words.next()?.parse().ok();
        let (Some(section), Some(rule)) = (number(), number()) else { return rules };
        rules.push((section, rule));
        match words.next().and_then(|words| words.strip_prefix("and_")) {
            Some(words) => rest = words,
            None => return rules,
        }
    }
}

/// What is wrong between the rules of a page and these tests.
fn complaints(page: &str, tests: &[&str]) -> Vec<String> {
    let rules = match rules_of(page) {
        Ok(rules) => rules,
        Err(heading) => return vec![format!("wrong anchor or number: {heading}")],
    };
    let mut complaints = Vec::new();
    let mut tested = BTreeSet::new();
    for test in tests {
        let named = rules_in(test);
        if test.starts_with("rule_") && named.is_empty() {
            complaints.push(format!("{test} names no rule"));
        }
        for rule in named {
            if !rules.contains(&rule) {
                complaints.push(format!("{test}: there is no rule {}.{}", rule.0, rule.1));
            }
            tested.insert(rule);
        }
    }
    for rule @ (section, number) in rules {
        if TESTED.contains(&section) && !tested.contains(&rule) {
            complaints.push(format!("rule {section}.{number} has no test"));
        }
    }
    complaints
}

/// The contents of all files of tests, and none of what other tests have in folders.
fn sources() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = paths.filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    files.map(|path| std::fs::read_to_string(path).unwrap()).collect()
}

#[test]
fn every_rule_has_a_test_and_every_test_its_rule() {
    let sources = sources();
    let tests: Vec<&str> = sources.iter().flat_map(|source| tests_of(source)).collect();
    assert_eq!(complaints(PROTOCOL, &tests), Vec::<String>::new());
    // That the page and the tests were found at all.
    let rules = rules_of(PROTOCOL).unwrap();
    let of_section = |section| rules.iter().filter(|rule| rule.0 == section).count();
    assert_eq!(TESTED.map(of_section), [13, 7, 17]);
    assert!(tests.contains(&"rule_3_06_later_parts_of_a_skipped_stream_are_ordinary"));
}

#[test]
fn every_section_that_a_test_names_exists() {
    for source in sources() {
        for test in tests_of(&source) {
            let Some(rest) = test.strip_prefix("section_") else { continue };
            let (number, _) = rest.split_once('_').unwrap();
            let anchor = format!("<a id=\"section-{number}\"></a>\n\n## {number}. ");
            assert!(PROTOCOL.contains(&anchor), "{test}");
        }
    }
}

#[test]
fn every_link_in_the_page_has_its_anchor() {
    let mut links = 0;
    for link in PROTOCOL.split("](#").skip(1) {
        let (anchor, _) = link.split_once(')').unwrap();
        assert!(PROTOCOL.contains(&format!("<a id=\"{anchor}\"></a>")), "#{anchor}");
        links += 1;
    }
    assert!(links > 0);
}

#[test]
fn what_is_missing_is_found() {
    let page = "<a id=\"rule-3-1\"></a>\n\n### Rule 3.1: one\n\n\
                <a id=\"rule-3-2\"></a>\n\n### Rule 3.2: two\n\n\
                <a id=\"rule-7-1\"></a>\n\n### Rule 7.1: a rule that is the program's\n\n\
                <a id=\"rule-10-1\"></a>\n\n### Rule 10.1: the session's\n";
    let none = Vec::<String>::new();
    assert_eq!(complaints(page, &["rule_3_01_x", "rule_3_02_y", "rule_10_01_z", "another"]), none);
    assert_eq!(complaints(page, &["rule_3_01_and_3_02_and_10_01_x"]), none);
    assert_eq!(complaints(page, &["rule_3_01_x", "rule_10_01_z"]), ["rule 3.2 has no test"]);
    assert_eq!(complaints(page, &["rule_3_01_and_3_02_x"]), ["rule 10.1 has no test"]);
    let tests = ["rule_3_01_and_3_02_x", "rule_10_01_z", "rule_3_03_y", "rule_x"];
    let wrong = ["rule_3_03_y: there is no rule 3.3", "rule_x names no rule"];
    assert_eq!(complaints(page, &tests), wrong);
    // A page whose anchors or numbers are wrong is refused.
    for page in [
        "### Rule 3.1: without an anchor\n",
        "<a id=\"rule-3-2\"></a>\n\n### Rule 3.1: another's anchor\n",
        "<a id=\"rule-3-2\"></a>\n\n### Rule 3.2: not the first number\n",
    ] {
        assert!(complaints(page, &["rule_3_01_x"])[0].starts_with("wrong anchor"), "{page}");
    }
}

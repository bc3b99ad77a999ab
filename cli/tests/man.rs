//! The manual pages say what the help says.

mod support;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

fn gotalk(args: &[&str]) -> (String, String, Option<i32>) {
    let output = support::gotalk(args).output().unwrap();
    let [out, err] = [output.stdout, output.stderr].map(|it| String::from_utf8(it).unwrap());
    (out, err, output.status.code())
}

/// A directory that is gone when the test is done.
struct Pages(PathBuf);

impl Pages {
    fn write(name: &str) -> Self {
        let directory = format!("man-{}-{name}/deeper", std::process::id());
        let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(directory);
        let written = gotalk(&["man", directory.to_str().unwrap()]);
        assert_eq!(written, (String::new(), String::new(), Some(0)));
        Self(directory)
    }

    /// A page without what only tells its form.
    fn page(&self, name: &str) -> String {
        let page = fs::read_to_string(self.0.join(format!("{name}.1"))).unwrap();
        let mut plain = page.replace("\\-", "-").replace("\\*(Aq", "'").replace("\\(aq", "'");
        for mark in ["\\fB", "\\fI", "\\fR", "\\&"] {
            plain = plain.replace(mark, "");
        }
        plain
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.0.parent().unwrap());
    }
}

/// The lines of a part of the help, without their margin.
fn part(help: &str, heading: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|line| *line != heading).skip(1);
    let lines = lines.take_while(|line| line.starts_with(' '));
    lines.map(|line| line.trim().to_owned()).collect()
}

fn commands() -> Vec<String> {
    let commands = part(&gotalk(&["--help"]).0, "Commands:");
    let names = commands.iter().filter_map(|line| line.split(' ').next());
    let names: Vec<_> = names.filter(|name| *name != "help").map(str::to_owned).collect();
    assert!(names.len() >= 5, "{names:?}");
    names
}

#[test]
fn every_command_has_its_page_with_all_options_and_exit_codes() {
    let pages = Pages::write("all");
    let main = pages.page("gotalk");
    let commands = commands();
    for name in &commands {
        assert!(main.contains(&format!("gotalk-{name}(1)")), "{name}: {main}");
        let page = pages.page(&format!("gotalk-{name}"));
        let (help, ..) = gotalk(&[name, "--help"]);
        let exit_codes = part(&help, "Exit codes:");
        assert!(exit_codes.len() >= 3, "{name}: {help}");
        assert!(page.contains(".SH \"EXIT CODES\"\n"), "{name}: {page}");
        assert!(page.contains(".SH EXAMPLES\n"), "{name}: {page}");
        assert!(page.contains(".SH OPTIONS\n.TP\n"), "{name}: {page}");
        let examples = part(&help, "Examples:");
        for line in exit_codes.iter().chain(&examples) {
            assert!(page.contains(&line.replace('\\', "\\e")), "{name}: {line}: {page}");
        }
        for option in help.split_whitespace().filter(|word| word.starts_with("--")) {
            let option = option.trim_end_matches([',', '.', ')', ';']);
            if option.len() > 2 {
                assert!(page.contains(option), "{name}: {option}: {page}");
            }
        }
    }
    assert_eq!(fs::read_dir(&pages.0).unwrap().count(), 1 + commands.len());
}

/// Where there is a `man`, it has no complaints.
#[test]
fn the_pages_can_be_read() {
    let pages = Pages::write("read");
    for entry in fs::read_dir(&pages.0).unwrap() {
        let path = entry.unwrap().path();
        let mut man = Command::new("man");
        man.args(["--warnings", "-E", "UTF-8", "-l"]).arg(&path);
        man.env("MANWIDTH", "100").env("LC_ALL", "C");
        let Ok(output) = man.stdin(Stdio::null()).output() else {
            eprintln!("there is no man: not tried");
            return;
        };
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.is_empty(), "{}: {said}", path.display());
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("NAME") && text.lines().count() > 10, "{text}");
    }
}

#[test]
fn pages_that_cannot_be_written_are_told() {
    let file = env!("CARGO_BIN_EXE_gotalk");
    let (_, err, code) = gotalk(&["man", file]);
    assert!(err.starts_with(&format!("gotalk: cannot write {file}: ")), "{err}");
    assert_eq!(code, Some(74));
}

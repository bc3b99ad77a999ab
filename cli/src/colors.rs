//! The colours of the tool, and whether there are any. What a peer sent is escaped before it
//! is coloured, so it can bring none of its own.

use std::fmt::Display;
use std::io::{self, Write};

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};

/// What is told apart by colour; all plain where there are none.
#[derive(Clone, Copy, Default)]
pub(crate) struct Palette {
    pub(crate) client: Style,
    pub(crate) server: Style,
    pub(crate) request: Style,
    pub(crate) result: Style,
    pub(crate) notification: Style,
    pub(crate) error: Style,
    pub(crate) warning: Style,
    pub(crate) heading: Style,
    /// What is there for completeness.
    pub(crate) faint: Style,
}

impl Palette {
    pub(crate) fn new(colored: bool) -> Self {
        if !colored {
            return Self::default();
        }
        let color = |color: AnsiColor| color.on_default();
        Self {
            client: color(AnsiColor::Cyan),
            server: color(AnsiColor::Yellow),
            request: color(AnsiColor::Blue),
            result: color(AnsiColor::Green),
            notification: color(AnsiColor::Magenta),
            error: color(AnsiColor::Red).bold(),
            warning: color(AnsiColor::Red),
            heading: Style::new().bold(),
            faint: Style::new().dimmed(),
        }
    }
}

pub(crate) fn paint(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}

/// The standard output or the standard error, and whether it takes colours: if it is a
/// terminal, and the environment does not say otherwise (NO_COLOR, CLICOLOR, CLICOLOR_FORCE,
/// TERM=dumb). With CI set, as where tests are run for a project, TERM is not asked.
pub(crate) fn screen(is_stderr: bool) -> (Box<dyn Write>, bool) {
    let choice = match is_stderr {
        true => AutoStream::choice(&io::stderr()),
        false => AutoStream::choice(&io::stdout()),
    };
    let out: Box<dyn Write> = match (is_stderr, choice) {
        (true, ColorChoice::Never) => Box::new(io::stderr()),
        (false, ColorChoice::Never) => Box::new(io::stdout()),
        // Old consoles of Windows need a translator.
        (true, choice) => Box::new(AutoStream::new(io::stderr(), choice)),
        (false, choice) => Box::new(AutoStream::new(io::stdout(), choice)),
    };
    (out, choice != ColorChoice::Never)
}

/// A line for the standard error: the word that tells what it is stands out.
pub(crate) fn told(colored: bool, text: &str) -> String {
    let error = Palette::new(colored).error;
    let word = ["error:", "gotalk:"].into_iter().find(|word| text.starts_with(word));
    word.map_or_else(|| text.to_owned(), |word| paint(error, word) + &text[word.len()..])
}

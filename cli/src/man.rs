//! The manual pages: one for the tool and one for each command, made from what `--help` says.

use std::fs;
use std::io;
use std::path::Path;

use clap::{Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

use crate::args::Gotalk;

/// Writes all pages into a directory, which is made if there is none.
pub(crate) fn write(directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let mut gotalk = Gotalk::command().disable_help_subcommand(true);
    gotalk.build();
    for command in std::iter::once(&gotalk).chain(gotalk.get_subcommands()) {
        let source = concat!("gotalk ", env!("CARGO_PKG_VERSION"));
        let page = Man::new(command.clone()).source(source).manual("Gotalk");
        fs::write(directory.join(page.get_filename()), text(&page, command)?)?;
    }
    Ok(())
}

fn text(page: &Man, command: &Command) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    page.render_title(&mut text)?;
    page.render_name_section(&mut text)?;
    page.render_synopsis_section(&mut text)?;
    page.render_description_section(&mut text)?;
    page.render_options_section(&mut text)?;
    if command.has_subcommands() {
        page.render_subcommands_section(&mut text)?;
    }
    let rest = command.get_after_long_help().or_else(|| command.get_after_help());
    sections(&rest.map(ToString::to_string).unwrap_or_default()).to_writer(&mut text)?;
    Ok(text)
}

/// A line that ends in a colon is a heading there. What follows has its form.
fn sections(help: &str) -> Roff {
    let mut roff = Roff::new();
    let heading = |line| str::strip_suffix(line, ":").filter(|line| !line.starts_with(' '));
    if help.lines().next().is_some_and(|line| heading(line).is_none()) {
        roff.control("SH", ["NOTES"]);
        roff.control("nf", []);
    }
    for line in help.lines() {
        match heading(line) {
            Some(heading) => {
                roff.control("fi", []);
                roff.control("SH", [heading.to_uppercase().as_str()]);
                roff.control("nf", []);
            }
            None => {
                let line = line.strip_prefix("  ").unwrap_or(line);
                roff.text([roman(line)]);
            }
        }
    }
    roff.control("fi", []);
    roff
}

//! The tool as a program, the same wherever the tests run.

use std::process::{Command, Stdio};

/// `gotalk` with these arguments and nothing on its standard input. Whether it uses colours
/// is left to where it writes: what says otherwise (a CI does too) is not handed on.
pub(crate) fn gotalk(args: &[&str]) -> Command {
    let mut gotalk = Command::new(env!("CARGO_BIN_EXE_gotalk"));
    gotalk.args(args).stdin(Stdio::null()).env("TERM", "xterm");
    for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "CI"] {
        gotalk.env_remove(name);
    }
    gotalk
}

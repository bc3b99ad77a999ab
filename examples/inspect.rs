//! Shows what is in a captured Gotalk conversation.
//!
//! ```text
//! cargo run --example inspect -- CAPTURE
//! some-tap | cargo run --example inspect -- --json -
//! cargo run --example inspect -- --client C2S --server S2C
//! ```
//!
//! This file only joins [`inspect::run`] to the process; all the rest stands in
//! `inspect/` and reads and writes what it is given, so that tests can call it.
//! `inspect/capture.rs` is the part to copy: a parser over a `Read`.

use std::io;
use std::process::ExitCode;

#[path = "inspect/mod.rs"]
mod inspect;

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().skip(1).collect();
    let code = inspect::run(&args, &mut io::stdin(), &mut io::stdout(), &mut io::stderr());
    ExitCode::from(code)
}

//! What starts a command: `OP=COMMAND`.

use std::str::FromStr;

#[derive(Clone, Debug)]
pub(crate) struct Exec {
    pub(crate) op: String,
    pub(crate) command: String,
}

impl FromStr for Exec {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        match text.split_once('=') {
            None => Err("give the name of the operation, `=`, and the command"),
            Some(("", _)) => Err("the name of the operation is missing"),
            Some((_, "")) => Err("the command is missing"),
            Some((op, command)) => Ok(Self { op: op.to_owned(), command: command.to_owned() }),
        }
    }
}

//! A session against the model in `tests/model`: what it says, what it writes, and what it
//! shows of itself, whatever the application, the peer, the clock and the writer do.
//!
//! Input: choices, a byte each, of the session's size, its settings, the clock and the reader,
//! then of actions and the room that the writer has for each, until the input is used up. See
//! `tests/model/actions.rs`. With `GOTALK_SHOW` in the environment a run shows what happens.

use super::model::actions::Bytes;
use super::model::converse;

/// Enough to see everything, and little enough for thousands of inputs a second.
const MOST_ACTIONS: usize = 200;

pub fn run(data: &[u8]) {
    let show = std::env::var_os("GOTALK_SHOW").is_some();
    converse::run(&mut Bytes(data), MOST_ACTIONS, show);
}

//! The reader: bytes in, events or whole messages out.
//!
//! Input goes to `machine`, the state machine, which hands a header that lies whole in the
//! input to `whole`. `parser` adds the buffer for a name and turns what was found into
//! events; `assembler` adds the buffer for a payload and turns events into messages;
//! `owned` keeps a message.

pub(crate) mod assembler;
pub(crate) mod machine;
#[cfg(feature = "heapless")]
pub(crate) mod owned;
pub(crate) mod parser;
mod whole;

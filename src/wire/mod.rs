//! The wire: what stands on it, and how its bytes are read and written one field at a time.
//!
//! `message_type` has the grammar, `value` the values that fields hold, and `frame` the
//! messages that they make up. `hex` decodes and encodes digits, `copy` copies bytes, and
//! `text` shows them to people. The reader and the writer are built on these, and nothing
//! here knows of either.

pub(crate) mod copy;
pub(crate) mod frame;
pub(crate) mod hex;
pub(crate) mod message_type;
pub(crate) mod text;
pub(crate) mod value;

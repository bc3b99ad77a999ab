//! The writer: messages in, bytes out.

pub(crate) mod writer;

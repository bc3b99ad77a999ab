//! The writer: messages in, bytes out.
//!
//! `writer` puts whole messages into a slice, field by field (`fields`), and `payload` one
//! whose payload is written in place. `send` and `vectors` run a writer on a send buffer and on vectors; `websocket`
//! cuts what was written into WebSocket messages.

mod fields;
pub(crate) mod payload;
pub(crate) mod send;
mod vectors;
pub mod websocket;
pub(crate) mod writer;

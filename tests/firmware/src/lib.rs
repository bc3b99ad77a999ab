//! What a board-support crate would do, and the means to measure.

#![no_std]

pub mod api;
pub mod board;
pub mod measure;
pub mod mixed;

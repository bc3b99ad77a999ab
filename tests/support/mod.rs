//! What several tests, the fuzz targets and the benchmarks share: the oracle, inputs
//! made from a seed, and drivers that read an input in every way that the crate has
//! and bring the result into the oracle's form. Needs nothing but std.

#![allow(dead_code, unreachable_pub)]

pub mod drive;
pub mod generate;
#[path = "../oracle/mod.rs"]
pub mod oracle;

//! Writers on a growing `Vec`: there with the feature `alloc` alone.

#[cfg(feature = "alloc")]
mod grow;

/// Stands in the output where the feature is missing, so that nobody takes silence for a pass.
#[cfg(not(feature = "alloc"))]
#[test]
#[ignore = "needs --features alloc"]
fn vectors() {}

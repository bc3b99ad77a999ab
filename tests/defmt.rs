//! What is printed through `defmt`: there with that feature alone.

#[cfg(feature = "defmt")]
#[path = "defmt/prints.rs"]
mod prints;

/// Stands in the output where the feature is missing, so that nobody takes silence for a pass.
#[cfg(not(feature = "defmt"))]
#[test]
#[ignore = "needs --features defmt"]
fn what_is_printed() {}

//! The exit codes that several commands have, as sysexits.h has them from 64 on.

/// There is nobody to talk to.
pub(crate) const NO_ANSWER: u8 = 3;
/// The call cannot be understood: EX_USAGE.
pub(crate) const WRONG_USE: u8 = 64;
/// What is to be read cannot be read: EX_NOINPUT.
pub(crate) const NO_INPUT: u8 = 66;
/// The output cannot be written: EX_IOERR.
pub(crate) const NO_OUTPUT: u8 = 74;

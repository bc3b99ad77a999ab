//! Why text by `format_args!` can come out wrong on an AVR, as small as it gets:
//! `tests/targets/run arguments` runs this there.
//!
//! `fmt::Arguments` points to its arguments. If the lowest bit of that pointer is set, there are
//! none, but a fixed text, whose length is in the other bits. So that no argument lies at an odd
//! address, `core` aligns them to two bytes (`repr(align(2))` of `rt::Argument`). But they lie
//! on the stack, which an AVR aligns to one byte, and LLVM 22 does not align it any further. Where
//! it is odd, the text has thousands of bytes, and no argument is shown.
//!
//! So it is the fault that `align.rs` shows, and none of `core`'s: llvm/llvm-project#169190, which
//! #187129 mends.

use core::fmt;
use core::hint::black_box;

/// How many of these two are taken for fixed text. None is: they have an argument. (A return
/// address has three bytes on an ATmega2560, so one of them finds the stack odd.)
pub fn taken_for_text() -> u32 {
    here() + deeper()
}

#[inline(never)]
fn deeper() -> u32 {
    black_box(here())
}

#[inline(never)]
fn here() -> u32 {
    is_text(format_args!("{}", black_box(7_u16)))
}

#[inline(never)]
fn is_text(arguments: fmt::Arguments<'_>) -> u32 {
    black_box(arguments).as_str().is_some().into()
}

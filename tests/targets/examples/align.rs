//! Why `RequestId` is not aligned where a word has 16 bits, as small as it gets:
//! `tests/targets/run align` compiles this and looks at the one address that counts.
//!
//! `value` is said to be aligned to four bytes, so LLVM takes the two lowest bits of its
//! address for zeros and makes the address of its third byte by setting a bit: `ori r16, 2`
//! on an AVR, `bis #2, r10` on an MSP430. But there the stack is aligned to one byte and to
//! two, and neither backend (of LLVM 22) aligns it any further. Where that bit was set
//! already, `show` gets the address of the first byte, not of the third. In LLVM's IR it
//! still is a `getelementptr`, which is right.
//!
//! On the AVR that is llvm/llvm-project#169190, which #187129 mends.

#![no_std]

use core::mem::MaybeUninit;

#[repr(C, align(4))]
pub struct Aligned([u8; 8]);

unsafe extern "C" {
    fn fill(to: *mut Aligned);
    fn show(byte: *const u8);
}

#[unsafe(no_mangle)]
pub extern "C" fn third_byte() {
    let mut value = MaybeUninit::<Aligned>::uninit();
    // Safety: there is no such function; this is compiled and never linked.
    unsafe {
        fill(value.as_mut_ptr());
        show(value.as_ptr().cast::<u8>().add(2));
    }
}

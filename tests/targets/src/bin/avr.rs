//! The check of the codec on an ATmega2560, or with the feature `session` that of the session,
//! reported on its first serial port. They are two programs because the emulator copies no
//! constants from beyond 64 KiB of flash. With the feature `arguments` it is the program of
//! `examples/arguments.rs`, without the crate.

#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]

use core::arch::global_asm;

#[cfg(feature = "arguments")]
#[path = "../../examples/arguments.rs"]
mod arguments;

#[cfg(not(any(feature = "session", feature = "arguments")))]
use gotalk_targets::check;
#[cfg(feature = "session")]
use gotalk_targets::session::check;

// The start: a zero in r1, the stack at the end of RAM, `.data` copied from flash
// (constants too: this compiler reads them from RAM), `.bss` cleared.
global_asm!(
    ".section .vectors, \"ax\", @progbits",
    "clr r1",
    "out 0x3f, r1",
    "ldi r28, 0xff",
    "ldi r29, 0x21",
    "out 0x3d, r28",
    "out 0x3e, r29",
    "ldi r17, hi8(__data_end)",
    "ldi r26, lo8(__data_start)",
    "ldi r27, hi8(__data_start)",
    "ldi r30, lo8(__data_load_start)",
    "ldi r31, hi8(__data_load_start)",
    "ldi r16, hh8(__data_load_start)",
    "out 0x3b, r16",
    "rjmp 2f",
    "1: elpm r0, Z+",
    "st X+, r0",
    "2: cpi r26, lo8(__data_end)",
    "cpc r27, r17",
    "brne 1b",
    "ldi r17, hi8(__bss_end)",
    "ldi r26, lo8(__bss_start)",
    "ldi r27, hi8(__bss_start)",
    "rjmp 4f",
    "3: st X+, r1",
    "4: cpi r26, lo8(__bss_end)",
    "cpc r27, r17",
    "brne 3b",
    "jmp main",
    ".text",
);

#[cfg(feature = "arguments")]
#[unsafe(no_mangle)]
extern "C" fn main() -> ! {
    number(arguments::taken_for_text());
    print(" of 2 are taken for text\n");
    loop {
        core::hint::spin_loop();
    }
}

#[cfg(not(feature = "arguments"))]
#[unsafe(no_mangle)]
extern "C" fn main() -> ! {
    match check() {
        Ok(conversations) => {
            number(conversations as u32);
            print(" conversations and all sizes, right\n");
        }
        Err(line) => {
            print("wrong in line ");
            number(line);
            print("\n");
        }
    }
    loop {
        core::hint::spin_loop();
    }
}

/// The first serial port. The emulated one is always ready.
fn print(text: &str) {
    const UCSR0B: *mut u8 = 0xc1 as *mut u8;
    const UDR0: *mut u8 = 0xc6 as *mut u8;
    for byte in text.bytes() {
        // Safety: two registers of the port: transmitter on, and the byte.
        unsafe {
            UCSR0B.write_volatile(1 << 3);
            UDR0.write_volatile(byte);
        }
    }
}

/// Four decimal digits, without division: that would want a library of C's.
fn number(mut number: u32) {
    for place in [1000, 100, 10, 1] {
        let mut digit = 0;
        while number >= place {
            number -= place;
            digit += 1;
        }
        print(["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"][digit]);
    }
}

/// The messages of panics, which are linked though not printed, multiply; the compiler
/// calls this for it, and it too is in a library of C's.
#[unsafe(no_mangle)]
extern "C" fn __mulsi3(mut a: u32, mut b: u32) -> u32 {
    let mut product: u32 = 0;
    while b != 0 {
        if b & 1 != 0 {
            product = product.wrapping_add(a);
        }
        a <<= 1;
        b >>= 1;
    }
    product
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    print("panic in line ");
    number(info.location().map_or(0, |location| location.line()));
    print("\n");
    loop {
        core::hint::spin_loop();
    }
}

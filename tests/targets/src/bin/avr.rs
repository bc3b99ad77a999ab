//! The check on an ATmega2560, which reports on its first serial port.

#![no_std]
#![no_main]

use core::fmt::Write;

#[unsafe(no_mangle)]
extern "C" fn main() -> ! {
    // No error: the port takes everything.
    let _ = match gotalk_targets::check() {
        Ok(count) => writeln!(Port, "{count} conversations and all sizes, right"),
        Err(line) => writeln!(Port, "wrong in line {line}"),
    };
    loop {}
}

struct Port;

impl Write for Port {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        const UCSR0B: *mut u8 = 0xc1 as *mut u8;
        const UDR0: *mut u8 = 0xc6 as *mut u8;
        for byte in text.bytes() {
            // Safety: two registers of the port. The emulator is always ready.
            unsafe {
                UCSR0B.write_volatile(1 << 3);
                UDR0.write_volatile(byte);
            }
        }
        Ok(())
    }
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    let line = info.location().map_or(0, |location| location.line());
    let _ = writeln!(Port, "panic in line {line}");
    loop {}
}

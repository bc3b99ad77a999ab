//! The emulated board: start-up, and text to the host. This is what `cortex-m-rt`
//! and a HAL would bring; it stands here in full so that nothing else is in the image.

use core::arch::asm;
use core::fmt;

/// Defines the function that the board starts with.
#[macro_export]
macro_rules! entry {
    ($main:path) => {
        #[unsafe(no_mangle)]
        fn start() {
            let main: fn() = $main;
            main()
        }
    };
}

unsafe extern "Rust" {
    fn start();
}

// From the linker script.
unsafe extern "C" {
    static mut data_start: u32;
    static data_end: u32;
    static data_load: u32;
    static mut bss_start: u32;
    static bss_end: u32;
}

/// The exception vectors behind the initial stack pointer: reset, NMI, hard fault,
/// and those of the faults that a Cortex-M3 has.
#[unsafe(no_mangle)]
#[unsafe(link_section = ".vectors")]
#[used]
static VECTORS: [unsafe extern "C" fn() -> !; 6] = [reset, fault, fault, fault, fault, fault];

#[unsafe(no_mangle)]
unsafe extern "C" fn reset() -> ! {
    // Safety: the linker script makes these the bounds of `.data` and `.bss`, word
    // by word; nothing else runs yet. Volatile, lest the loops become calls.
    unsafe {
        let (mut to, mut from) = (&raw mut data_start, &raw const data_load);
        while to.cast_const() < &raw const data_end {
            to.write_volatile(from.read());
            (to, from) = (to.add(1), from.add(1));
        }
        let mut to = &raw mut bss_start;
        while to.cast_const() < &raw const bss_end {
            to.write_volatile(0);
            to = to.add(1);
        }
        start();
    }
    exit(true)
}

unsafe extern "C" fn fault() -> ! {
    print("fault\n");
    exit(false)
}

/// Ends the emulation.
pub fn exit(success: bool) -> ! {
    // SYS_EXIT with ADP_Stopped_ApplicationExit; any other reason is a failure.
    let reason = if success { 0x20026 } else { 0x20023 };
    loop {
        semihosting(0x18, reason);
    }
}

/// Text to the host.
pub fn print(text: &str) {
    for piece in text.as_bytes().chunks(64) {
        // SYS_WRITE0 takes text that ends in a zero.
        let mut line = [0; 65];
        for (to, from) in line.iter_mut().zip(piece) {
            *to = *from;
        }
        semihosting(0x04, line.as_ptr() as usize);
    }
}

/// For `write!`.
pub struct Console;

impl fmt::Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        print(text);
        Ok(())
    }
}

#[macro_export]
macro_rules! println {
    ($($arg:tt)*) => {{
        use core::fmt::Write as _;
        // The console cannot fail.
        let _ = writeln!($crate::board::Console, $($arg)*);
    }};
}

fn semihosting(operation: usize, argument: usize) {
    // Safety: the emulator reads the registers and what they point at, and goes on.
    unsafe {
        asm!("bkpt #0xab", inout("r0") operation => _, in("r1") argument);
    }
}

#[cfg(not(test))]
#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    // Its message would bring all of formatting into every image.
    let _ = info;
    print("panic\n");
    exit(false)
}

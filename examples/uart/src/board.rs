//! What `cortex-m-rt` and a HAL would bring: start-up, registers, a clock, and a log.

use core::arch::asm;
use core::fmt;
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// The emulated chip's clock after reset.
pub const CLOCK_HZ: u32 = 12_500_000;

/// A register of the chip.
#[derive(Clone, Copy)]
pub struct Register(pub usize);

impl Register {
    pub fn read(self) -> u32 {
        // Safety: each `Register` in this program is one that the chip has, and reading it
        // touches no memory.
        unsafe { (self.0 as *const u32).read_volatile() }
    }

    pub fn write(self, value: u32) {
        // Safety: as above.
        unsafe { (self.0 as *mut u32).write_volatile(value) }
    }

    pub fn set(self, bits: u32) {
        self.write(self.read() | bits);
    }
}

const SYST_CSR: Register = Register(0xe000_e010);
const SYST_RVR: Register = Register(0xe000_e014);
const SYST_CVR: Register = Register(0xe000_e018);
const NVIC_ISER0: Register = Register(0xe000_e100);
const RCGC1: Register = Register(0x400f_e104);
const RCGC2: Register = Register(0x400f_e108);
const GPIO_A: usize = 0x4000_4000;
const AFSEL: usize = 0x420;
const DEN: usize = 0x51c;

static MILLIS: AtomicU32 = AtomicU32::new(0);

/// Starts the clock, and connects UART0 with its pins.
pub fn init() {
    SYST_RVR.write(CLOCK_HZ / 1000 - 1);
    SYST_CVR.write(0);
    SYST_CSR.write(0b111); // the processor's clock, with an interrupt, on
    RCGC1.set(1); // UART0
    RCGC2.set(1); // port A
    RCGC2.read(); // it can be used some clocks later
    Register(GPIO_A + AFSEL).set(0b11);
    Register(GPIO_A + DEN).set(0b11);
    NVIC_ISER0.write(1 << 5); // UART0
}

/// Milliseconds since the start. They wrap after 49 days.
pub fn now() -> u32 {
    MILLIS.load(Relaxed)
}

/// Sleeps until the next interrupt: 1 ms at most, because of the clock.
pub fn sleep() {
    // Safety: it touches nothing.
    unsafe { asm!("wfi", options(nomem, nostack)) }
}

/// In thousandths of a degree.
pub struct Celsius(u32);

impl fmt::Display for Celsius {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1000, self.0 % 1000)
    }
}

/// There is no sensor on the board.
pub fn temperature() -> Celsius {
    Celsius(21_500)
}

/// A line to the debugger or the emulator, by semihosting. Without either of them a Cortex-M
/// faults here: use `defmt` then, whose `Format` the types of `gotalk` have too.
#[macro_export]
macro_rules! log {
    ($($arg:tt)*) => {{
        use core::fmt::Write as _;
        // The log cannot fail.
        let _ = writeln!($crate::board::Log, "device: {}", format_args!($($arg)*));
    }};
}

pub struct Log;

impl fmt::Write for Log {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for piece in text.as_bytes().chunks(32) {
            // SYS_WRITE0 takes text that ends in a zero.
            let mut line = [0; 33];
            for (to, from) in line.iter_mut().zip(piece) {
                *to = *from;
            }
            // Safety: the other side reads the line, and goes on.
            unsafe { asm!("bkpt #0xab", inout("r0") 4 => _, in("r1") line.as_ptr()) }
        }
        Ok(())
    }
}

// From the linker script.
unsafe extern "C" {
    static mut data_start: u32;
    static data_end: u32;
    static data_load: u32;
    static mut bss_start: u32;
    static bss_end: u32;
}

type Handler = unsafe extern "C" fn();

/// What stands behind the initial stack pointer: 15 exceptions, then the interrupts, of which
/// UART0 is the sixth.
#[unsafe(no_mangle)]
#[unsafe(link_section = ".vectors")]
#[used]
static VECTORS: [Option<Handler>; 21] = {
    let mut vectors = [Some(fault as Handler); 21];
    vectors[0] = Some(reset);
    vectors[14] = Some(tick);
    vectors[20] = Some(uart0);
    vectors
};

#[unsafe(no_mangle)]
unsafe extern "C" fn reset() {
    // Safety: the linker script makes these the bounds of `.data` and `.bss`, word by word;
    // nothing else runs yet. Volatile, lest the loops become calls.
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
    }
    crate::main()
}

unsafe extern "C" fn tick() {
    MILLIS.fetch_add(1, Relaxed);
}

unsafe extern "C" fn uart0() {
    crate::uart::on_interrupt();
}

unsafe extern "C" fn fault() {
    log!("fault");
    loop {
        sleep();
    }
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    log!("{info}");
    loop {
        sleep();
    }
}

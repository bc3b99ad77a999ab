//! UART0, a PL011. Its interrupt puts what comes into a ring, so that nothing is lost while the
//! program writes, which waits for the line.

use core::iter;
use core::sync::atomic::{AtomicBool, AtomicU8, Ordering::*};

use crate::board::{self, CLOCK_HZ, Register};

const DATA: Register = Register(0x4000_c000);
const FLAGS: Register = Register(0x4000_c018);
const BAUD_WHOLE: Register = Register(0x4000_c024);
const BAUD_64TH: Register = Register(0x4000_c028);
const LINE: Register = Register(0x4000_c02c);
const CONTROL: Register = Register(0x4000_c030);
const INTERRUPTS: Register = Register(0x4000_c038);

const BAUD: u32 = 115_200;
const INPUT_EMPTY: u32 = 1 << 4;
const OUTPUT_FULL: u32 = 1 << 5;
/// Above a byte that was read: overrun, break, wrong parity, no stop bit.
const FAULTS: u32 = 0xf00;

/// The interrupt writes at `END`, `take` reads at `START`. Both wrap with the ring.
static RING: [AtomicU8; 256] = [const { AtomicU8::new(0) }; 256];
static START: AtomicU8 = AtomicU8::new(0);
static END: AtomicU8 = AtomicU8::new(0);
static FAULT: AtomicBool = AtomicBool::new(false);

/// The UART has heard something that was no byte, or the ring was full.
pub struct LineFault;

pub fn init() {
    let divisor = (CLOCK_HZ * 4 + BAUD / 2) / BAUD; // in 64ths of 16 clocks
    BAUD_WHOLE.write(divisor / 64);
    BAUD_64TH.write(divisor % 64);
    LINE.write(0b11 << 5 | 1 << 4); // 8 bits, no parity, 1 stop bit; 16 bytes of buffer
    INTERRUPTS.write(1 << 4 | 1 << 6); // input has come, and it has come some time ago
    CONTROL.write(1 << 9 | 1 << 8 | 1); // receive and transmit, on
}

/// Called by the interrupt of UART0. It is over when the input is empty.
pub fn on_interrupt() {
    while FLAGS.read() & INPUT_EMPTY == 0 {
        let (data, end) = (DATA.read(), END.load(Relaxed));
        let next = end.wrapping_add(1);
        if data & FAULTS != 0 || next == START.load(Acquire) {
            FAULT.store(true, Relaxed);
        } else {
            RING[usize::from(end)].store(data as u8, Relaxed);
            END.store(next, Release);
        }
    }
}

fn take() -> Option<u8> {
    let start = START.load(Relaxed);
    let byte = RING[usize::from(start)].load(Relaxed);
    (start != END.load(Acquire)).then(|| {
        START.store(start.wrapping_add(1), Release);
        byte
    })
}

/// Waits for input, for `wait_ms` at most, and gives the number of bytes. `None` waits for ever.
pub fn read(to: &mut [u8], wait_ms: Option<u32>) -> Result<usize, LineFault> {
    let since = board::now();
    loop {
        if FAULT.swap(false, Relaxed) {
            return Err(LineFault);
        }
        let len = to.iter_mut().zip(iter::from_fn(take)).map(|(to, byte)| *to = byte).count();
        let waited = board::now().wrapping_sub(since);
        if len > 0 || wait_ms.is_some_and(|wait_ms| waited >= wait_ms) {
            return Ok(len);
        }
        board::sleep();
    }
}

pub fn write_all(bytes: &[u8]) {
    for byte in bytes {
        while FLAGS.read() & OUTPUT_FULL != 0 {}
        DATA.write((*byte).into());
    }
}

/// Drops what comes until nothing has come for `ms`.
pub fn wait_for_silence(ms: u32) {
    while !matches!(read(&mut [0; 32], Some(ms)), Ok(0)) {}
}

//! UART0, a PL011. Its interrupt puts what comes into a ring, so that nothing is lost while the
//! program writes, which waits for the line.

use core::sync::atomic::{AtomicBool, AtomicU8, Ordering::*};

use crate::board::{self, CLOCK_HZ, Register};

const DATA: Register = Register(0x4000_c000);
const FLAGS: Register = Register(0x4000_c018);
const BAUD_WHOLE: Register = Register(0x4000_c024);
const BAUD_64TH: Register = Register(0x4000_c028);
const LINE: Register = Register(0x4000_c02c);
const CONTROL: Register = Register(0x4000_c030);
const INTERRUPTS: Register = Register(0x4000_c038);
const CLEAR: Register = Register(0x4000_c044);

const BAUD: u32 = 115_200;
const INPUT_EMPTY: u32 = 1 << 4;
const OUTPUT_FULL: u32 = 1 << 5;
/// Above a byte that was read: overrun, break, wrong parity, no stop bit.
const FAULTS: u32 = 0xf00;
/// Input has come, and it has come some time ago.
const RECEIVED: u32 = 1 << 4 | 1 << 6;

/// The interrupt writes at `END`, `read` reads at `START`. Both wrap with the ring.
static RING: [AtomicU8; 256] = [const { AtomicU8::new(0) }; 256];
static START: AtomicU8 = AtomicU8::new(0);
static END: AtomicU8 = AtomicU8::new(0);
static FAULT: AtomicBool = AtomicBool::new(false);

/// The UART has heard something that was no byte, or the ring was full.
pub struct LineFault;

/// There is one UART, so make one of these.
pub struct Uart(());

impl Uart {
    pub fn new() -> Self {
        let divisor = (CLOCK_HZ * 4 + BAUD / 2) / BAUD; // in 64ths of 16 clocks
        BAUD_WHOLE.write(divisor / 64);
        BAUD_64TH.write(divisor % 64);
        LINE.write(0b11 << 5 | 1 << 4); // 8 bits, no parity, 1 stop bit; 16 bytes of buffer
        INTERRUPTS.write(RECEIVED);
        CONTROL.write(1 << 9 | 1 << 8 | 1); // receive and transmit, on
        Self(())
    }

    /// Waits for input, for `wait_ms` at most, and gives the number of bytes. `None` waits for
    /// ever.
    pub fn read(&mut self, to: &mut [u8], wait_ms: Option<u32>) -> Result<usize, LineFault> {
        let since = board::now();
        loop {
            if FAULT.swap(false, Relaxed) {
                return Err(LineFault);
            }
            let (start, end) = (START.load(Relaxed), END.load(Acquire));
            let len = to.len().min(end.wrapping_sub(start).into());
            let mut at = start;
            for to in to.iter_mut().take(len) {
                *to = RING[usize::from(at)].load(Relaxed);
                at = at.wrapping_add(1);
            }
            START.store(at, Release);
            let waited = board::now().wrapping_sub(since);
            if len > 0 || wait_ms.is_some_and(|wait_ms| waited >= wait_ms) {
                return Ok(len);
            }
            board::sleep();
        }
    }

    pub fn write_all(&mut self, bytes: &[u8]) {
        for byte in bytes {
            while FLAGS.read() & OUTPUT_FULL != 0 {}
            DATA.write((*byte).into());
        }
    }

    /// Drops what comes until nothing has come for `ms`.
    pub fn wait_for_silence(&mut self, ms: u32) {
        while !matches!(self.read(&mut [0; 32], Some(ms)), Ok(0)) {}
    }
}

/// Called by the interrupt of UART0.
pub fn on_interrupt() {
    CLEAR.write(RECEIVED);
    while FLAGS.read() & INPUT_EMPTY == 0 {
        let data = DATA.read();
        let end = END.load(Relaxed);
        let next = end.wrapping_add(1);
        if data & FAULTS != 0 || next == START.load(Acquire) {
            FAULT.store(true, Relaxed);
        } else {
            RING[usize::from(end)].store(data as u8, Relaxed);
            END.store(next, Release);
        }
    }
}

//! Instructions and stack.

use core::arch::asm;

/// Counts instructions: under `-icount shift=0` the emulated time is one nanosecond
/// an instruction, and SysTick, at 25 MHz on this board, ticks every 40 of them.
pub struct Stopwatch;

const SYSTICK: *mut u32 = 0xe000_e010 as *mut u32;
const PER_TICK: u64 = 40;

impl Stopwatch {
    pub fn start() -> Self {
        // Safety: the registers of SysTick, which nothing else uses: the processor's
        // clock, no interrupt, the longest period.
        unsafe {
            SYSTICK.add(1).write_volatile(0x00ff_ffff);
            SYSTICK.add(2).write_volatile(0);
            SYSTICK.write_volatile(0b101);
            // It stands at 0 until its first tick, which loads it.
            while SYSTICK.add(2).read_volatile() == 0 {}
        }
        Self
    }

    /// Instructions since the start, to the next 40.
    pub fn stop(self) -> u64 {
        // Safety: as above; a read of the counter and of the flag that it ran over.
        let (now, control) = unsafe { (SYSTICK.add(2).read_volatile(), SYSTICK.read_volatile()) };
        assert!(control & 1 << 16 == 0, "the loop is too long for the counter");
        u64::from(0x00ff_ffff - now) * PER_TICK
    }
}

/// Sees to it that what the stopwatch says is what was executed.
pub fn check_stopwatch() {
    let watch = Stopwatch::start();
    // Safety: it counts down in a register of its own.
    unsafe {
        asm!("2:", "subs {count}, #1", "bne 2b", count = inout(reg) 200_000 => _);
    }
    let counted = watch.stop();
    assert!(counted.abs_diff(400_000) <= 2 * PER_TICK, "the emulator counts in another way");
}

const PAINT: u32 = 0xa5a5_a5a5;

/// How far down the stack is painted. Nothing measured here comes near it.
pub const PAINTED: usize = 1024;

/// Paints the free stack and gives the stack pointer. Inlined, since it is the
/// caller's own pointer that matters: it stays there until a call.
#[inline(always)]
pub fn paint() -> usize {
    let pointer: usize;
    // Safety: below the stack pointer all is free down to the statics, which are far
    // off, and no interrupt is on that could use it meanwhile.
    unsafe {
        asm!(
            "mov {pointer}, sp",
            "mov {to}, sp",
            "2:",
            "subs {to}, #4",
            "str {paint}, [{to}]",
            "subs {words}, #1",
            "bne 2b",
            to = out(reg) _,
            words = inout(reg) PAINTED / 4 => _,
            pointer = out(reg) pointer,
            paint = in(reg) PAINT,
        );
    }
    pointer
}

/// How far below `pointer` the stack has been used since it was painted. Inlined too,
/// and without a call in it, so that it does not show up in what it measures.
#[inline(always)]
pub fn depth(pointer: usize) -> usize {
    let mut at = pointer - PAINTED;
    // Safety: from there up to the frame that is being executed it is the stack.
    while at < pointer && unsafe { (at as *const u32).read_volatile() } == PAINT {
        at += 4;
    }
    pointer - at
}

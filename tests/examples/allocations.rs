//! What a peer announces takes no memory.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io;

use crate::answer;
use crate::line::{Line, Manner};

thread_local! {
    /// Bytes that this thread has allocated so far.
    static ALLOCATED: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call is handed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.set(ALLOCATED.get().saturating_add(layout.size()));
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocated(input: &[u8]) -> usize {
    // The line makes its copies before the count starts.
    let line = Line::new(&[input], Manner::Smooth);
    let before = ALLOCATED.get();
    let ended_well = answer::serve(&line, io::sink()).is_ok();
    let allocated = ALLOCATED.get() - before;
    // An error goes into a box.
    assert!(ended_well || allocated > 0);
    allocated
}

#[test]
fn answer_allocates_nothing_for_a_peer() {
    assert_eq!(allocated(b"01r0001004echo00000007\"hello\""), 0);
    assert_eq!(allocated(&[b"01".as_slice(), &b"r0001004echo00000000".repeat(1000)].concat()), 0);
    // Only the error that says that the rest is missing.
    assert!(allocated(b"01r0001004echoffffffffhello") < 100);
    assert!(allocated(b"01r0001fff") < 100);
}

//! The loop of a device, run on this machine over standard input and output:
//!
//! ```sh
//! printf '01r000100btemperature00000000' | cargo run --example device
//! ```
//!
//! All that belongs on the device is in `device.rs`, which has no access to `std`.

#![no_std]

mod device;

mod host {
    extern crate std;

    use crate::device::{self, Input, Uart};
    use std::io::{self, Read, Write};
    use std::sync::Mutex;

    /// On a device this can be a `StaticCell`, or a mutex of the crate `critical-section`.
    static INPUT: Mutex<Input> = Mutex::new(Input::new());

    struct Terminal;

    impl Uart for Terminal {
        fn read(&mut self, to: &mut [u8]) -> usize {
            io::stdin().read(to).unwrap_or(0)
        }

        fn write_all(&mut self, bytes: &[u8]) {
            let mut stdout = io::stdout();
            stdout.write_all(bytes).and_then(|()| stdout.flush()).expect("somebody to read this");
        }
    }

    pub fn main() -> Result<(), gotalk::WriteError> {
        let mut input = INPUT.lock().expect("no other thread uses it");
        device::serve(&mut Terminal, &mut input, || 21_500)
    }
}

fn main() -> Result<(), gotalk::WriteError> {
    host::main()
}

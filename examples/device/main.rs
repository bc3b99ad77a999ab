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

    use crate::device::{self, Device, Uart};
    use std::io::{self, Read, Write};
    use std::sync::Mutex;
    use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
    use std::thread;
    use std::time::{Duration, Instant};

    /// On a device this can be a `StaticCell`, or a mutex of the crate `critical-section`.
    static DEVICE: Mutex<Device> = Mutex::new(Device::new());

    struct Terminal {
        start: Instant,
        input: Receiver<u8>,
    }

    impl Uart for Terminal {
        fn now(&mut self) -> u32 {
            self.start.elapsed().as_millis() as u32
        }

        fn read(&mut self, to: &mut [u8], wait_ms: Option<u32>) -> Option<usize> {
            let wait = Duration::from_millis(wait_ms.unwrap_or(u32::MAX).into());
            match self.input.recv_timeout(wait) {
                Ok(byte) => to[0] = byte,
                Err(RecvTimeoutError::Timeout) => return Some(0),
                Err(RecvTimeoutError::Disconnected) => return None,
            }
            let more = to[1..].iter_mut().zip(self.input.try_iter());
            Some(1 + more.map(|(to, byte)| *to = byte).count())
        }

        fn write_all(&mut self, bytes: &[u8]) {
            let mut stdout = io::stdout();
            stdout.write_all(bytes).and_then(|()| stdout.flush()).expect("somebody to read this");
        }
    }

    pub fn main() -> Result<(), gotalk::SessionError> {
        let (to, input) = channel();
        thread::spawn(move || {
            io::stdin().lock().bytes().map_while(Result::ok).try_for_each(|byte| to.send(byte))
        });
        let mut terminal = Terminal { start: Instant::now(), input };
        let mut device = DEVICE.lock().expect("no other thread uses it");
        device::serve(&mut terminal, &mut device, || 21_500)
    }
}

fn main() -> Result<(), gotalk::SessionError> {
    host::main()
}

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| gotalk_fuzz::session::run(data));

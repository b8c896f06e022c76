#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| haz_core::fuzz::stat_file(data));

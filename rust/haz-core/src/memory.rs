//! How much memory a process keeps of what it has freed.

/// From this size on (bytes) a block is one of its own for the system, and goes back to it as soon as it is freed.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const LARGE: libc::c_int = 256 << 10;

/// Give large blocks back when they are freed, also after still larger ones were: glibc keeps what has the size of a
/// block that was freed once, up to 32 MiB, and then blocks of several MB, which a run has few of, lie between small ones
/// for good. For who has the process to himself. Elsewhere nothing happens.
pub fn give_large_blocks_back() {
    // SAFETY: plain numbers.
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE);
    }
}

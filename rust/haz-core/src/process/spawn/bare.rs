//! System calls without `errno`: a child that shares our memory shares that of the thread that made it too, which goes on
//! meanwhile and must not find somebody else's error there.

use std::ffi::c_int;

/// Whether [`call`] leaves `errno` alone on this processor.
pub(super) const IS_BARE: bool = cfg!(any(target_arch = "x86_64", target_arch = "aarch64"));

/// A system call; what is not needed is 0. Answers what the kernel does: a negative error number on failure.
///
/// # Safety
/// That of the system call.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(super) unsafe fn call(number: usize, a: usize, b: usize, c: usize, d: usize) -> isize {
    let answer: isize;
    // SAFETY: the kernel's convention; the caller answers for the call itself.
    unsafe {
        std::arch::asm!(
            "syscall",
            inlateout("rax") number => answer,
            in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d,
            lateout("rcx") _, lateout("r11") _,
            options(nostack),
        );
    }
    answer
}

/// See the other one.
#[cfg(target_arch = "aarch64")]
#[inline]
pub(super) unsafe fn call(number: usize, a: usize, b: usize, c: usize, d: usize) -> isize {
    let answer: isize;
    // SAFETY: the kernel's convention; the caller answers for the call itself.
    unsafe {
        std::arch::asm!(
            "svc 0",
            in("x8") number,
            inlateout("x0") a => answer,
            in("x1") b, in("x2") c, in("x3") d,
            options(nostack),
        );
    }
    answer
}

/// See the other one; by way of libc.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
#[allow(clippy::cast_possible_wrap, reason = "how libc takes and gives numbers")]
pub(super) unsafe fn call(number: usize, a: usize, b: usize, c: usize, d: usize) -> isize {
    // SAFETY: the caller answers for the call.
    unsafe {
        match libc::syscall(number as libc::c_long, a, b, c, d) {
            -1 => -(*libc::__errno_location() as isize),
            answer => answer as isize,
        }
    }
}

/// The error number of an answer, if it is one.
pub(super) fn failure(answer: isize) -> Option<c_int> {
    if answer < 0 { c_int::try_from(-answer).ok() } else { None }
}

/// A system call by name, with up to four arguments of any plain type.
macro_rules! bare {
    ($number:ident) => {
        bare!($number, 0, 0, 0, 0)
    };
    ($number:ident, $a:expr) => {
        bare!($number, $a, 0, 0, 0)
    };
    ($number:ident, $a:expr, $b:expr) => {
        bare!($number, $a, $b, 0, 0)
    };
    ($number:ident, $a:expr, $b:expr, $c:expr) => {
        bare!($number, $a, $b, $c, 0)
    };
    ($number:ident, $a:expr, $b:expr, $c:expr, $d:expr) => {
        $crate::process::spawn::bare::call(libc::$number as usize, $a as usize, $b as usize, $c as usize, $d as usize)
    };
}
pub(super) use bare;

#[cfg(test)]
mod tests {
    use super::*;

    #[allow(clippy::cast_sign_loss, clippy::cast_possible_truncation, reason = "how system calls take numbers")]
    #[test]
    fn the_answer_is_the_one_of_the_kernel_and_errno_stays_as_it_was() {
        // SAFETY: system calls without effects, and the place of our own `errno`.
        unsafe {
            *libc::__errno_location() = 77;
            assert_eq!(bare!(SYS_getpid), libc::getpid() as isize);
            assert_eq!(failure(bare!(SYS_close, -1_isize)), Some(libc::EBADF));
            assert_eq!(failure(bare!(SYS_prlimit64, 0, usize::MAX, 0, 0)), Some(libc::EINVAL));
            assert!(!IS_BARE || *libc::__errno_location() == 77);
        }
    }
}

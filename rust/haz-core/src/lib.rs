//! The native half of haz: everything that touches many files or many processes at once.
//!
//! No Python here. Each module answers *batches* and reports errors as values that carry a path and a cause.

#[cfg(not(unix))]
compile_error!("haz needs process groups, signals and POSIX file systems: on Windows, build it in WSL");

pub mod blobs;
pub mod checkpoint;
pub mod compress;
pub mod digest;
pub mod error;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod glob;
pub mod locks;
pub mod memory;
pub mod process;
pub mod queue;
pub mod signals;
pub mod steps;
pub mod tree;
pub mod watch;
pub mod yaml;

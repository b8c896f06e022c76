//! The native half of haz: everything that touches many files or many processes at once.
//!
//! No Python here. Each module answers *batches* and reports errors as values that carry a path and a cause.

pub mod blobs;
pub mod digest;
pub mod error;
pub mod glob;
pub mod locks;
pub mod process;
pub mod queue;
pub mod signals;
pub mod tree;
pub mod yaml;

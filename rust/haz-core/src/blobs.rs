//! The content-addressed store: outputs and captured streams in, outputs back in place.

mod captured;

pub use captured::{Captured, Content, Stream};

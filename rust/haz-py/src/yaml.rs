//! (being written)

use pyo3::prelude::*;

/// Add this file's functions and classes to the module.
pub fn register(_module: &Bound<'_, PyModule>) -> PyResult<()> {
    Ok(())
}

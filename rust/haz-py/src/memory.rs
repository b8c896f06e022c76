//! Memory for Python.

use pyo3::prelude::*;

/// Give large blocks back to the system when they are freed.
#[pyfunction]
fn give_large_blocks_back() {
    haz_core::memory::give_large_blocks_back();
}

/// Add this file's functions and classes to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(give_large_blocks_back, module)?)
}

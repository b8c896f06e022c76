//! Digests for Python.

use std::path::PathBuf;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

use haz_core::digest::{self, Algorithm};

use crate::error::file_system_error;

/// The algorithm of that name, else `ValueError`.
pub fn algorithm_of(name: &str) -> PyResult<Algorithm> {
    name.parse().map_err(|error: digest::UnknownAlgorithm| PyValueError::new_err(error.to_string()))
}

/// Digest of `data`.
#[pyfunction]
#[pyo3(signature = (data, algorithm="blake3"))]
fn digest_bytes<'py>(data: &Bound<'py, PyBytes>, algorithm: &str) -> PyResult<Bound<'py, PyBytes>> {
    let algorithm = algorithm_of(algorithm)?;
    let bytes = data.as_bytes();
    let digest = data.py().detach(|| digest::digest_bytes(bytes, algorithm));
    Ok(PyBytes::new(data.py(), &digest))
}

/// Digest of each file's content, in the order given, read in parallel.
#[pyfunction]
#[pyo3(signature = (paths, algorithm="blake3", packed=None))]
fn digest_files<'py>(
    py: Python<'py>,
    paths: Vec<PathBuf>,
    algorithm: &str,
    packed: Option<Vec<bool>>,
) -> PyResult<Bound<'py, PyList>> {
    let algorithm = algorithm_of(algorithm)?;
    let packed = packed.unwrap_or_default();
    let answers = py.detach(move || digest::digest_files(&paths, algorithm, &packed));
    let list = PyList::empty(py);
    for answer in answers {
        match answer {
            Ok(digest) => list.append(PyBytes::new(py, &digest))?,
            Err(error) => list.append(file_system_error(&error).into_value(py))?,
        }
    }
    Ok(list)
}

/// Add this file's functions and classes to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(digest_bytes, module)?)?;
    module.add_function(wrap_pyfunction!(digest_files, module)?)
}

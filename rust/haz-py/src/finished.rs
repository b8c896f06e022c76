//! How a child ended, for Python. Made by process capture, taken by the store.

use std::sync::{Mutex, PoisonError};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use haz_core::blobs::{Captured, Stream};

use crate::digest::algorithm_of;

/// How a child ended, and what it wrote. Holds captured bytes until `close()` or deletion.
#[pyclass(frozen, module = "haz._core")]
pub struct Finished {
    #[pyo3(get)]
    code: Option<i32>,
    #[pyo3(get)]
    signal: Option<i32>,
    #[pyo3(get)]
    error: Option<(&'static str, String)>,
    #[pyo3(get)]
    lost: Option<String>,
    marks: [([u8; 32], u64); 2],
    streams: Mutex<Option<[Stream; 2]>>,
}

impl Finished {
    /// Wrap what process capture yields.
    pub fn new(captured: Captured) -> Self {
        let Captured { code, signal, stdout, stderr, error, lost } = captured;
        let marks = [(stdout.digest, stdout.size), (stderr.digest, stderr.size)];
        Self { code, signal, error, lost, marks, streams: Mutex::new(Some([stdout, stderr])) }
    }

    /// Standard output and standard error, sharing their bytes; `ValueError` after `close()`.
    pub fn streams(&self) -> PyResult<[Stream; 2]> {
        let held = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        held.clone().ok_or_else(|| PyValueError::new_err("the captured streams are closed"))
    }

    fn mark<'py>(&self, py: Python<'py>, index: usize) -> (Bound<'py, PyBytes>, u64) {
        let (digest, size) = &self.marks[index];
        (PyBytes::new(py, digest), *size)
    }
}

#[pymethods]
impl Finished {
    /// A finished child that never ran, for fakes in tests.
    #[staticmethod]
    #[pyo3(signature = (code, signal, stdout, stderr, algorithm="blake3"))]
    fn _of(code: Option<i32>, signal: Option<i32>, stdout: &[u8], stderr: &[u8], algorithm: &str) -> PyResult<Self> {
        let algorithm = algorithm_of(algorithm)?;
        let [stdout, stderr] = [stdout, stderr].map(|bytes| Stream::of_bytes(bytes, algorithm));
        Ok(Self::new(Captured { code, signal, stdout, stderr, error: None, lost: None }))
    }

    #[getter]
    fn stdout<'py>(&self, py: Python<'py>) -> (Bound<'py, PyBytes>, u64) {
        self.mark(py, 0)
    }

    #[getter]
    fn stderr<'py>(&self, py: Python<'py>) -> (Bound<'py, PyBytes>, u64) {
        self.mark(py, 1)
    }

    fn close(&self) {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

/// Add this file's functions and classes to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Finished>()
}

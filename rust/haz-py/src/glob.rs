//! Patterns for Python.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::sync::Arc;

use pyo3::exceptions::PyIndexError;
use pyo3::import_exception;
use pyo3::prelude::*;

use haz_core::glob::{self, Entry};

import_exception!(haz.errors, PatternError);

fn pattern_error(error: glob::PatternError) -> PyErr {
    PatternError::new_err((OsString::from_vec(error.pattern), error.fault.reason, error.fault.offset))
}

/// Validate a pattern as written. True for a glob, False for a literal.
#[pyfunction]
#[allow(clippy::needless_pass_by_value)]
fn check_pattern(text: OsString) -> PyResult<bool> {
    glob::check_pattern(text.as_bytes()).map_err(pattern_error)
}

/// Escape the glob metacharacters of a path.
#[pyfunction]
#[allow(clippy::needless_pass_by_value)]
fn escape_pattern(text: OsString) -> OsString {
    OsString::from_vec(glob::escape_pattern(text.as_bytes()))
}

/// `(anchored, literal, exclude, group)`, or without the last, which is 0 then. The first is the usual one, so that no
/// exception has to be made to find out.
#[derive(FromPyObject)]
enum Listed {
    Grouped(OsString, bool, bool, u32),
    Plain(OsString, bool, bool),
}

impl Listed {
    fn entry(&self) -> Entry<'_> {
        let (Self::Plain(text, literal, exclude) | Self::Grouped(text, literal, exclude, _)) = self;
        let group = if let Self::Grouped(.., group) = self { *group } else { 0 };
        Entry { anchored: text.as_bytes(), literal: *literal, exclude: *exclude, group }
    }
}

/// Many compiled pattern lists, sharing equal patterns.
#[pyclass(frozen, module = "haz._core")]
pub struct PatternSet {
    /// The native set, which walks hold on to.
    pub inner: Arc<glob::PatternSet>,
}

/// `IndexError` unless the set has that spec.
pub fn check_spec(set: &glob::PatternSet, spec: u32) -> PyResult<()> {
    if (spec as usize) < set.len() {
        return Ok(());
    }
    Err(PyIndexError::new_err(format!("there is no spec {spec} among {}", set.len())))
}

#[pymethods]
impl PatternSet {
    #[new]
    #[allow(clippy::needless_pass_by_value)]
    fn new(py: Python<'_>, specs: Vec<Vec<Listed>>) -> PyResult<Self> {
        let entries = specs.iter().map(|spec| spec.iter().map(Listed::entry));
        let set = py.detach(|| glob::PatternSet::new(entries)).map_err(pattern_error)?;
        Ok(Self { inner: Arc::new(set) })
    }

    fn __len__(&self) -> usize {
        self.inner.len()
    }

    #[allow(clippy::needless_pass_by_value)]
    fn matching(&self, path: OsString) -> Vec<u32> {
        self.inner.matching(path.as_bytes())
    }

    #[allow(clippy::needless_pass_by_value)]
    fn first_foreign(&self, spec: u32, paths: Vec<OsString>) -> PyResult<Option<OsString>> {
        check_spec(&self.inner, spec)?;
        let foreign = self.inner.first_foreign(spec, paths.iter().map(|path| path.as_bytes()));
        Ok(foreign.map(|path| OsString::from_vec(path.to_vec())))
    }
}

/// Add this file's functions and classes to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(check_pattern, module)?)?;
    module.add_function(wrap_pyfunction!(escape_pattern, module)?)?;
    module.add_class::<PatternSet>()
}

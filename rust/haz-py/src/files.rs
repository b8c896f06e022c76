//! The workspace's files for Python.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::sync::Arc;

use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

use haz_core::tree;

use crate::digest::algorithm_of;
use crate::events::{Event, EventQueue, Queue};
use crate::glob::PatternSet;

/// The resolved and hashed input files of one spec.
#[pyclass(frozen, module = "haz._core")]
struct Inputs {
    inner: tree::Inputs,
}

#[pymethods]
impl Inputs {
    #[getter]
    fn digest<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.inner.outcome.as_ref().map_or(&[], |digest| &digest[..]))
    }

    #[getter]
    fn error(&self) -> Option<(&'static str, OsString, String)> {
        let problem = self.inner.outcome.as_ref().err()?;
        Some((problem.kind.name(), workspace_path(&problem.path), problem.reason.clone()))
    }

    fn rows<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let list = PyList::empty(py);
        for (path, digest, executable) in self.inner.rows() {
            list.append((OsStr::from_bytes(path), PyBytes::new(py, digest), executable))?;
        }
        Ok(list)
    }

    fn rewritten_since(&self, earlier: &Bound<'_, Self>) -> Vec<OsString> {
        let paths = self.inner.rewritten_since(&earlier.get().inner);
        paths.map(|path| OsString::from_vec(path.to_vec())).collect()
    }
}

/// A path of the core with the `/` that workspace paths start with.
pub fn workspace_path(path: &[u8]) -> OsString {
    OsString::from_vec([b"/", path].concat())
}

/// Push the event that answers `token`.
pub fn push(
    queue: &EventQueue,
    kind: &'static str,
    token: u64,
    payload: impl for<'py> FnOnce(Python<'py>) -> PyResult<Bound<'py, PyAny>> + Send + 'static,
) {
    queue.push(Event { kind, token, payload: Box::new(payload) });
}

/// The workspace's files: one shared walk for many specs, digests remembered while stat says they still hold.
#[pyclass(frozen, module = "haz._core")]
pub struct Tree {
    /// The native tree, which also lends its threads to the store.
    pub inner: Arc<tree::Tree>,
    queue: EventQueue,
}

#[pymethods]
impl Tree {
    #[new]
    #[pyo3(signature = (queue, root, algorithm, patterns, workers=0, stat_cache=None))]
    fn new(
        queue: &Bound<'_, Queue>,
        root: PathBuf,
        algorithm: &str,
        patterns: &Bound<'_, PatternSet>,
        workers: usize,
        stat_cache: Option<PathBuf>,
    ) -> PyResult<Self> {
        let patterns = Arc::clone(&patterns.get().inner);
        let inner = tree::Tree::new(root, algorithm_of(algorithm)?, patterns, workers, stat_cache)
            .map_err(|error| PyOSError::new_err(error.to_string()))?;
        Ok(Self { inner: Arc::new(inner), queue: queue.get().inner.clone() })
    }

    fn save_stat_cache(&self, py: Python<'_>) -> bool {
        py.detach(|| self.inner.memo().save())
    }

    fn fingerprint(&self, token: u64, specs: Vec<u32>) -> PyResult<()> {
        for spec in &specs {
            crate::glob::check_spec(self.inner.patterns(), *spec)?;
        }
        let (tree, queue) = (Arc::clone(&self.inner), self.queue.clone());
        self.inner.spawn(move || {
            let found = tree.fingerprint(&specs);
            push(&queue, "inputs", token, move |py| {
                let list = PyList::empty(py);
                for inner in found {
                    list.append(Bound::new(py, Inputs { inner })?)?;
                }
                Ok(list.into_any())
            });
        });
        Ok(())
    }

    fn outputs(&self, token: u64, spec: u32) -> PyResult<()> {
        crate::glob::check_spec(self.inner.patterns(), spec)?;
        let (tree, queue) = (Arc::clone(&self.inner), self.queue.clone());
        self.inner.spawn(move || {
            let answer = tree.outputs(spec);
            push(&queue, "outputs", token, move |py| match answer {
                Ok(paths) => {
                    let paths = paths.into_iter().map(OsString::from_vec).collect::<Vec<_>>();
                    Ok(paths.into_pyobject(py)?.into_any())
                }
                Err(error) => {
                    let told = (error.kind.name(), OsString::from_vec(error.path), error.reason);
                    Ok(told.into_pyobject(py)?.into_any())
                }
            });
        });
        Ok(())
    }

    fn survey(&self, token: u64, spec: u32) -> PyResult<()> {
        crate::glob::check_spec(self.inner.patterns(), spec)?;
        let (tree, queue) = (Arc::clone(&self.inner), self.queue.clone());
        self.inner.spawn(move || {
            let seen = tree.survey(spec);
            push(&queue, "surveyed", token, move |py| Ok(seen_rows(py, seen)?.into_any()));
        });
        Ok(())
    }

    fn survey_now<'py>(&self, py: Python<'py>, spec: u32) -> PyResult<Bound<'py, PyList>> {
        crate::glob::check_spec(self.inner.patterns(), spec)?;
        let seen = py.detach(|| self.inner.survey_now(spec));
        seen_rows(py, seen)
    }
}

fn seen_rows(py: Python<'_>, seen: Vec<tree::Seen>) -> PyResult<Bound<'_, PyList>> {
    let list = PyList::empty(py);
    for tree::Seen { path, state } in seen {
        list.append((OsString::from_vec(path), state.inode, state.size, state.modified))?;
    }
    Ok(list)
}

/// Add this file's functions and classes to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Inputs>()?;
    module.add_class::<Tree>()
}

//! Locks between processes for Python.

use std::path::PathBuf;

use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;

use haz_core::locks;

use crate::events::{EventQueue, Queue};
use crate::files::push;

struct Events(EventQueue);

impl locks::Sink for Events {
    fn waiting(&self, token: u64, pid: Option<u32>) {
        push(&self.0, "waiting", token, move |py| pid.into_bound_py_any(py));
    }

    fn locked(&self, token: u64, error: Option<String>) {
        push(&self.0, "locked", token, move |py| error.into_bound_py_any(py));
    }
}

/// Advisory locks between the haz processes of one workspace.
#[pyclass(frozen, module = "haz._core")]
struct FileLocks {
    inner: locks::FileLocks,
}

#[pymethods]
impl FileLocks {
    #[new]
    fn new(queue: &Bound<'_, Queue>, directory: PathBuf) -> Self {
        Self { inner: locks::FileLocks::new(Events(queue.get().inner.clone()), directory) }
    }

    fn acquire(&self, py: Python<'_>, token: u64, name: &str, exclusive: bool) -> bool {
        py.detach(|| self.inner.acquire(token, name, exclusive))
    }

    #[allow(clippy::needless_pass_by_value, reason = "extracted from Python objects")]
    fn share(&self, py: Python<'_>, token: u64, names: Vec<String>) -> bool {
        py.detach(|| self.inner.share(token, &names))
    }

    fn release(&self, py: Python<'_>, token: u64) {
        py.detach(|| self.inner.release(token));
    }

    fn note(&self, py: Python<'_>) {
        py.detach(|| self.inner.note());
    }

    fn changed(&self, py: Python<'_>) -> bool {
        py.detach(|| self.inner.changed())
    }
}

/// Add this file's class to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<FileLocks>()
}

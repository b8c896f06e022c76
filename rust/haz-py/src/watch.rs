//! Changes to files, for Python.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;

use haz_core::watch::{self, Interest};

use crate::error::file_system_error;
use crate::events::{Event, Queue};
use crate::glob::PatternSet;

/// Hears of changes to files while this process lives.
#[pyclass(frozen, module = "haz._core")]
struct Watch {
    inner: Mutex<Option<watch::Watch>>,
}

impl Watch {
    fn with<T: Default>(&self, act: impl FnOnce(&watch::Watch) -> T) -> T {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(act).unwrap_or_default()
    }
}

fn unanchored(path: OsString) -> Vec<u8> {
    let mut bytes = path.into_vec();
    if bytes.first() == Some(&b'/') {
        bytes.remove(0);
    }
    bytes
}

fn anchored(path: &[u8]) -> OsString {
    if path == b"/" {
        return OsString::from("/");
    }
    OsString::from_vec([b"/", path].concat())
}

#[pymethods]
impl Watch {
    #[new]
    #[allow(clippy::needless_pass_by_value)]
    fn new(
        py: Python<'_>,
        root: PathBuf,
        patterns: &Bound<'_, PatternSet>,
        files: Vec<OsString>,
        names: Vec<OsString>,
    ) -> PyResult<Self> {
        let interest = Interest {
            patterns: patterns.get().inner.clone(),
            files: files.into_iter().map(unanchored).collect(),
            names: names.iter().map(|name| name.as_bytes().to_vec()).collect(),
        };
        let inner = py.detach(|| watch::Watch::new(&root, interest)).map_err(|error| file_system_error(&error))?;
        Ok(Self { inner: Mutex::new(Some(inner)) })
    }

    fn tell(&self, py: Python<'_>, queue: &Bound<'_, Queue>, token: u64) {
        let queue = queue.get().inner.clone();
        let sink = move || {
            queue.push(Event { kind: "changed", token, payload: Box::new(|py| Ok(py.None().into_bound(py))) });
        };
        py.detach(|| self.with(|watch| watch.tell(sink)));
    }

    fn take(&self, py: Python<'_>) -> (Vec<OsString>, Vec<String>) {
        let changes = py.detach(|| self.with(watch::Watch::take));
        (changes.paths.iter().map(|path| anchored(path)).collect(), changes.problems)
    }

    fn close(&self, py: Python<'_>) {
        py.detach(|| drop(self.inner.lock().unwrap_or_else(PoisonError::into_inner).take()));
    }
}

/// Add this file's class to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Watch>()
}

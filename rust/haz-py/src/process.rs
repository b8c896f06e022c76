//! Processes for Python.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use pyo3::{IntoPyObjectExt, import_exception};

use haz_core::blobs::Captured;
use haz_core::process::{self, Command, SpawnError as CoreSpawnError};

use crate::digest::algorithm_of;
use crate::events::{Event, EventQueue, Payload, Queue};
use crate::finished::Finished;

import_exception!(haz.errors, NonAbsoluteCwd);
import_exception!(haz.errors, SignalError);
import_exception!(haz.errors, SpawnError);

/// Turns what is told into events.
struct Events(EventQueue);

impl Events {
    fn push(&self, kind: &'static str, token: u64, payload: Payload) {
        self.0.push(Event { kind, token, payload });
    }
}

impl process::Sink for Events {
    fn output(&self, token: u64, stream: u8, bytes: Vec<u8>) {
        self.push("output", token, Box::new(move |py| (stream, PyBytes::new(py, &bytes)).into_bound_py_any(py)));
    }

    fn reaped(&self, token: u64) {
        self.push("reaped", token, Box::new(|py| Ok(py.None().into_bound(py))));
    }

    fn exit(&self, token: u64, captured: Captured) {
        self.push("exit", token, Box::new(move |py| Finished::new(captured).into_bound_py_any(py)));
    }

    fn gone(&self, token: u64) {
        self.push("gone", token, Box::new(|py| Ok(py.None().into_bound(py))));
    }
}

/// The environment of children, made once for all that have the same.
#[pyclass(frozen, module = "haz._core")]
pub struct Environment {
    inner: Arc<process::Environment>,
}

#[pymethods]
impl Environment {
    #[new]
    #[allow(clippy::needless_pass_by_value, reason = "extracted from Python objects")]
    fn new(variables: Vec<(OsString, OsString)>) -> Self {
        Self { inner: Arc::new(process::Environment::new(&variables)) }
    }
}

/// Children in process groups of their own, their output captured and streamed.
#[pyclass(frozen, module = "haz._core")]
pub struct Processes {
    inner: process::Processes,
}

#[pymethods]
impl Processes {
    #[new]
    #[pyo3(signature = (queue, algorithm, spill_directory, memory_limit=8_388_608))]
    #[allow(clippy::needless_pass_by_value, reason = "extracted from Python objects")]
    fn new(queue: &Queue, algorithm: &str, spill_directory: PathBuf, memory_limit: usize) -> PyResult<Self> {
        let sink = Events(queue.inner.clone());
        let inner = process::Processes::new(sink, algorithm_of(algorithm)?, &spill_directory, memory_limit)?;
        if !queue.inner.employ(&inner.work()) {
            return Err(PyValueError::new_err("the queue has other processes already"));
        }
        Ok(Self { inner })
    }

    #[pyo3(signature = (token, argv, env, cwd, secrets=Vec::new()))]
    #[allow(clippy::needless_pass_by_value, reason = "extracted from Python objects")]
    fn spawn(
        &self,
        py: Python<'_>,
        token: u64,
        argv: Vec<OsString>,
        env: &Bound<'_, Environment>,
        cwd: PathBuf,
        secrets: Vec<OsString>,
    ) -> PyResult<i32> {
        let command = Command { argv: &argv, env: &env.get().inner, cwd: &cwd, secrets: &secrets };
        py.detach(|| self.inner.spawn(token, &command)).map_err(|error| match error {
            CoreSpawnError::NonAbsoluteCwd(cwd) => NonAbsoluteCwd::new_err(cwd.into_os_string()),
            CoreSpawnError::Failed { program, reason, errno } => SpawnError::new_err((program, reason, errno)),
        })
    }

    fn signal(&self, py: Python<'_>, token: u64, signum: i32) -> PyResult<bool> {
        py.detach(|| self.inner.signal(token, signum)).map_err(|error| signal_error(signum, &error))
    }

    fn end(&self, py: Python<'_>, token: u64, signum: i32) -> PyResult<bool> {
        py.detach(|| self.inner.end(token, signum)).map_err(|error| signal_error(signum, &error))
    }

    fn members(&self, py: Python<'_>, token: u64) -> Vec<i32> {
        py.detach(|| self.inner.members(token))
    }

    fn dismiss(&self, py: Python<'_>, token: u64, signum: i32) -> usize {
        py.detach(|| self.inner.dismiss(token, signum))
    }

    fn abandon(&self, py: Python<'_>, token: u64) {
        py.detach(|| self.inner.abandon(token));
    }

    fn adopt_orphans(&self) -> PyResult<()> {
        Ok(self.inner.adopt_orphans()?)
    }

    #[staticmethod]
    fn descendants(py: Python<'_>) -> Vec<i32> {
        py.detach(process::descendants)
    }

    #[staticmethod]
    fn kill_descendants(py: Python<'_>, signum: i32) -> usize {
        py.detach(|| process::kill_descendants(signum))
    }
}

fn signal_error(signum: i32, error: &process::SignalError) -> PyErr {
    SignalError::new_err((signum, error.pid, error.source.to_string()))
}

/// Add this file's functions and classes to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Environment>()?;
    module.add_class::<Processes>()
}

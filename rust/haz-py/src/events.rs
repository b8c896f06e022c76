//! The Python face of the event queue. Every class that works in the background holds a handle on it.

use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::PyList;

/// Builds the Python payload of an event; runs on the consumer's thread, with the GIL.
pub type Payload = Box<dyn for<'py> FnOnce(Python<'py>) -> PyResult<Bound<'py, PyAny>> + Send>;

/// One event on its way to Python: `(kind, token, payload)`.
pub struct Event {
    /// What happened: `inputs`, `output`, `exit`, `stored`, `restored`, `signal`, `suspend`, `gone`, `changed`.
    pub kind: &'static str,
    /// The number that the caller gave to the work.
    pub token: u64,
    /// The result, made into a Python object only when it is taken out.
    pub payload: Payload,
}

/// The native queue of events.
pub type EventQueue = haz_core::queue::Queue<Event>;

/// The event queue between the core's threads and the Python thread that drives a run.
#[pyclass(frozen, module = "haz._core")]
pub struct Queue {
    /// The handle that background work pushes into.
    pub inner: EventQueue,
}

#[pymethods]
impl Queue {
    #[new]
    fn new() -> Self {
        Self { inner: EventQueue::new() }
    }

    #[pyo3(signature = (timeout=None))]
    fn wait<'py>(&self, py: Python<'py>, timeout: Option<f64>) -> PyResult<Bound<'py, PyList>> {
        let limit = timeout.map(|seconds| Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX));
        let events = py.detach(|| self.inner.wait(limit));
        let list = PyList::empty(py);
        for event in events {
            list.append((event.kind, event.token, (event.payload)(py)?))?;
        }
        Ok(list)
    }
}

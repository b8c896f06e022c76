//! Signals to this process, for Python.

use pyo3::prelude::*;

use haz_core::signals::{self, Sink};

use crate::events::{Event, Queue};

/// Handle SIGINT, SIGTERM, SIGHUP and SIGQUIT by leaving at once with status 128 + n, until `deliver_signals`.
#[pyfunction]
fn install_signal_handlers(py: Python<'_>) -> PyResult<()> {
    // Python puts the default action back at its end for the handlers that it knows as its own.
    let module = py.import("_signal")?;
    if module.call_method1("getsignal", (libc::SIGINT,))?.is(module.getattr("default_int_handler")?) {
        module.call_method1("signal", (libc::SIGINT, module.getattr("SIG_DFL")?))?;
    }
    Ok(signals::install()?)
}

/// From now on such signals become events `("signal", n, None)` of `queue`; with None they end the process again.
#[pyfunction]
#[pyo3(signature = (queue))]
fn deliver_signals(queue: Option<&Queue>) -> PyResult<()> {
    let sink = queue.map(|queue| {
        let queue = queue.inner.clone();
        let sink: Sink = Box::new(move |signal| {
            let token = u64::from(signal.unsigned_abs());
            let kind = if signal == libc::SIGTSTP { "suspend" } else { "signal" };
            queue.push(Event { kind, token, payload: Box::new(|py| Ok(py.None().into_bound(py))) });
        });
        sink
    });
    Ok(signals::deliver(sink)?)
}

/// Stop this process like SIGTSTP; returns when it is continued.
#[pyfunction]
fn suspend(py: Python<'_>) -> PyResult<()> {
    Ok(py.detach(signals::suspend)?)
}

/// Add this file's functions and classes to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(install_signal_handlers, module)?)?;
    module.add_function(wrap_pyfunction!(deliver_signals, module)?)?;
    module.add_function(wrap_pyfunction!(suspend, module)?)
}

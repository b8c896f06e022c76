//! `haz._core`: the core's functions and classes as Python sees them. Thin on purpose.

mod blobs;
mod checkpoint;
mod digest;
mod error;
mod events;
mod files;
mod finished;
mod glob;
mod json;
mod locks;
mod memory;
mod process;
mod records;
mod signals;
mod watch;
mod yaml;

use pyo3::prelude::*;

#[pymodule(gil_used = true)]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<events::Queue>()?;
    blobs::register(module)?;
    checkpoint::register(module)?;
    digest::register(module)?;
    files::register(module)?;
    finished::register(module)?;
    glob::register(module)?;
    json::register(module)?;
    locks::register(module)?;
    memory::register(module)?;
    process::register(module)?;
    records::register(module)?;
    signals::register(module)?;
    watch::register(module)?;
    yaml::register(module)?;
    Ok(())
}

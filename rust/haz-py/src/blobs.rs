//! The content-addressed store for Python.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::sync::Arc;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyTuple};

use haz_core::blobs::{self, CollectError, Collected, InTheWay, Leftovers, Row};
use haz_core::tree::State;

use crate::digest::algorithm_of;
use crate::error::file_system_error;
use crate::events::{EventQueue, Queue};
use crate::files::{Tree, push};
use crate::finished::Finished;
use crate::glob::{PatternSet, check_spec};

/// A content-addressed store in one directory.
#[pyclass(frozen, module = "haz._core")]
pub struct Blobs {
    /// The native store.
    pub inner: Arc<blobs::Blobs>,
    /// Whose digests it uses.
    pub tree: Arc<haz_core::tree::Tree>,
    queue: EventQueue,
}

#[pymethods]
impl Blobs {
    #[new]
    #[pyo3(signature = (queue, root, directory, algorithm, tree, compressed=false, own_path=false))]
    fn new(
        queue: &Bound<'_, Queue>,
        root: PathBuf,
        directory: PathBuf,
        algorithm: &str,
        tree: &Bound<'_, Tree>,
        compressed: bool,
        own_path: bool,
    ) -> PyResult<Self> {
        let tree = Arc::clone(&tree.get().inner);
        if tree.memo().algorithm() != algorithm_of(algorithm)? {
            return Err(PyValueError::new_err("the tree digests with another algorithm"));
        }
        let inner = Arc::new(blobs::Blobs::new(root, directory, Arc::clone(&tree), compressed, own_path));
        Ok(Self { inner, tree, queue: queue.get().inner.clone() })
    }

    fn present(&self, py: Python<'_>, blobs: Vec<([u8; 32], u64)>) -> bool {
        py.detach(move || self.inner.present(&blobs))
    }

    fn touch(&self, py: Python<'_>, blobs: Vec<([u8; 32], u64)>) {
        py.detach(move || self.inner.touch(&blobs));
    }

    #[getter]
    fn added(&self) -> u64 {
        self.inner.added()
    }

    fn collect(
        &self,
        py: Python<'_>,
        token: u64,
        patterns: &Bound<'_, PatternSet>,
        spec: u32,
        streams: Option<&Bound<'_, Finished>>,
    ) -> PyResult<()> {
        let patterns = Arc::clone(&patterns.get().inner);
        check_spec(&patterns, spec)?;
        let streams = streams.map(|finished| finished.get().streams()).transpose()?;
        if let Some(streams) = streams.as_ref().filter(|streams| blobs::Blobs::is_small(streams))
            && patterns.is_bare(spec)
        {
            let answer = py.detach(|| self.inner.collect_streams(streams));
            push(&self.queue, "collected", token, move |py| match answer {
                Ok(()) => Ok(PyList::empty(py).into_any()),
                Err(error) => collect_error(py, error, &[]),
            });
            return Ok(());
        }
        let (blobs, queue) = (Arc::clone(&self.inner), self.queue.clone());
        self.tree.spawn(move || {
            let answer = blobs.collect(&patterns, spec, streams.as_ref());
            if let Ok(Collected { own_path: Some(path), .. }) = &answer {
                let path = OsString::from_vec(path.clone());
                push(&queue, "own_path", token, move |py| Ok(path.into_pyobject(py)?.into_any()));
            }
            push(&queue, "collected", token, move |py| match answer {
                Ok(Collected { rows, .. }) => Ok(python_rows(py, &rows)?.into_any()),
                Err((error, rows)) => collect_error(py, error, &rows),
            });
        });
        Ok(())
    }

    #[pyo3(signature = (token, rows, streams, leftovers, directories, patterns=None, spec=0))]
    #[allow(clippy::too_many_arguments)]
    fn restore(
        &self,
        token: u64,
        rows: Vec<Bound<'_, PyTuple>>,
        streams: Vec<([u8; 32], u64)>,
        leftovers: Vec<(OsString, u64, u64, i64)>,
        directories: Vec<OsString>,
        patterns: Option<&Bound<'_, PatternSet>>,
        spec: u32,
    ) -> PyResult<()> {
        let patterns = patterns.map(|patterns| Arc::clone(&patterns.get().inner));
        if let Some(patterns) = &patterns {
            check_spec(patterns, spec)?;
        }
        let left = |(path, inode, size, modified): (OsString, u64, u64, i64)| {
            (path.into_vec(), State { inode, size, modified })
        };
        let leftovers = Leftovers {
            files: leftovers.into_iter().map(left).collect(),
            directories: directories.into_iter().map(OsString::into_vec).collect(),
        };
        let rows = rows.into_iter().map(|row| row_of(&row)).collect::<PyResult<Vec<Row>>>()?;
        let (blobs, queue) = (Arc::clone(&self.inner), self.queue.clone());
        self.tree.spawn(move || {
            let answer =
                blobs.restore(&rows, &streams, &leftovers, patterns.as_deref().map(|patterns| (patterns, spec)));
            push(&queue, "restored", token, move |py| match answer {
                Ok(restored) => {
                    let contents = PyList::empty(py);
                    for content in &restored.contents {
                        contents.append(content.as_deref().map(|bytes| PyBytes::new(py, bytes)))?;
                    }
                    let changed = restored.written + restored.removed;
                    Ok((changed, restored.kept, contents, restored.recent).into_pyobject(py)?.into_any())
                }
                Err(text) => Ok(text.into_pyobject(py)?.into_any()),
            });
        });
        Ok(())
    }

    fn read<'py>(
        &self,
        py: Python<'py>,
        digest: [u8; 32],
        offset: u64,
        length: usize,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let bytes =
            py.detach(|| self.inner.read(&digest, offset, length)).map_err(|error| file_system_error(&error))?;
        Ok(PyBytes::new(py, &bytes))
    }
}

fn python_rows<'py>(py: Python<'py>, rows: &[Row]) -> PyResult<Bound<'py, PyList>> {
    let list = PyList::empty(py);
    for row in rows {
        let path = OsStr::from_bytes(row.path());
        match row {
            Row::File { digest, size, mode, .. } => {
                list.append(("file", path, PyBytes::new(py, digest), *size, *mode))?;
            }
            Row::Symlink { target, .. } => list.append(("symlink", path, OsStr::from_bytes(target)))?,
            Row::Directory { .. } => list.append(("directory", path))?,
        }
    }
    Ok(list)
}

fn collect_error<'py>(py: Python<'py>, error: CollectError, rows: &[Row]) -> PyResult<Bound<'py, PyAny>> {
    let CollectError { kind, path, reason } = error;
    let path = OsString::from_vec(path);
    if kind == blobs::CollectKind::Store {
        return Ok((kind.name(), path, reason, python_rows(py, rows)?).into_pyobject(py)?.into_any());
    }
    Ok((kind.name(), path, reason).into_pyobject(py)?.into_any())
}

pub fn row_of(row: &Bound<'_, PyTuple>) -> PyResult<Row> {
    let kind: String = row.get_item(0)?.extract()?;
    match kind.as_str() {
        "file" => {
            let (_, path, digest, size, mode): (String, OsString, [u8; 32], u64, u32) = row.extract()?;
            Ok(Row::File { path: path.into_vec(), digest, size, mode })
        }
        "symlink" => {
            let (_, path, target): (String, OsString, OsString) = row.extract()?;
            Ok(Row::Symlink { path: path.into_vec(), target: target.into_vec() })
        }
        "directory" => {
            let (_, path): (String, OsString) = row.extract()?;
            Ok(Row::Directory { path: path.into_vec() })
        }
        other => Err(PyValueError::new_err(format!("unknown kind of row {other:?}"))),
    }
}

/// Write `data` to a unique sibling of `path` and rename it there.
#[pyfunction]
#[pyo3(signature = (path, data, clear=false))]
#[allow(clippy::needless_pass_by_value)]
fn publish(py: Python<'_>, path: PathBuf, data: &[u8], clear: bool) -> PyResult<()> {
    let in_the_way = if clear { InTheWay::Clear } else { InTheWay::Keep };
    py.detach(|| blobs::publish(&path, data, in_the_way)).map_err(|error| file_system_error(&error))
}

/// Whether it is the name of a temporary file whose process was one of this machine, and is gone.
#[pyfunction]
#[allow(clippy::needless_pass_by_value)]
fn is_orphan(name: OsString) -> bool {
    blobs::is_orphan(name.as_bytes()).unwrap_or(false)
}

/// A name for something that goes in the end, or with the next cleaning once this process is gone.
#[pyfunction]
fn unique_name() -> String {
    blobs::unique_name()
}

/// A named moment at which a test can have this process killed.
#[pyfunction]
fn step(name: &str) {
    haz_core::steps::step(name);
}

/// One zstd frame with these bytes.
#[pyfunction]
fn compress<'py>(py: Python<'py>, data: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    let frame = py.detach(|| haz_core::compress::compress(data))?;
    Ok(PyBytes::new(py, &frame))
}

/// The content of a frame that must have exactly `size` bytes.
#[pyfunction]
fn decompress<'py>(py: Python<'py>, frame: &[u8], size: usize) -> PyResult<Bound<'py, PyBytes>> {
    let content = py
        .detach(|| haz_core::compress::decompress(frame, size))
        .map_err(|error| PyValueError::new_err(error.to_string()))?;
    Ok(PyBytes::new(py, &content))
}

/// Add this file's functions and classes to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(publish, module)?)?;
    module.add_function(wrap_pyfunction!(is_orphan, module)?)?;
    module.add_function(wrap_pyfunction!(unique_name, module)?)?;
    module.add_function(wrap_pyfunction!(step, module)?)?;
    module.add_function(wrap_pyfunction!(compress, module)?)?;
    module.add_function(wrap_pyfunction!(decompress, module)?)?;
    module.add_class::<Blobs>()
}

//! Checkpoints for Python.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyTuple};

use haz_core::checkpoint::facts::{Fact, Kind, Root};
use haz_core::checkpoint::{self, Ahead, Candidate, Configuration, Found};
use haz_core::digest::Digest;
use haz_core::tree::{now, threads};

use crate::blobs::{Blobs, row_of};
use crate::error::file_system_error;
use crate::glob::check_spec;

type Column<'py> = Bound<'py, PyList>;
type Unchanged<'py> = (Column<'py>, Column<'py>, Column<'py>, Column<'py>, Vec<(u32, Vec<u32>)>, bool);
type Streams = [(Digest, u64); 2];
type Lists = (u32, u32);
type Edges = (Vec<(u32, [Digest; 2])>, Vec<u32>);
type Described<'py> = (u32, Lists, Edges, Vec<OsString>, Digest, Digest, PathBuf, Streams, Vec<Bound<'py, PyTuple>>);

/// What an earlier run has left in a file.
#[pyclass(frozen, module = "haz._core")]
struct Checkpoint {
    root: PathBuf,
    file: PathBuf,
    identity: Digest,
    inner: checkpoint::Checkpoint,
}

#[pymethods]
impl Checkpoint {
    #[new]
    fn new(py: Python<'_>, root: PathBuf, file: PathBuf, identity: Digest) -> Self {
        let inner = py.detach(|| match ahead().take_if(|ahead| ahead.is_of(&root, &file)) {
            Some(ahead) => ahead.finish(&identity),
            None => checkpoint::Checkpoint::load(&file, &identity),
        });
        Self { root, file, identity, inner }
    }

    fn __len__(&self) -> usize {
        self.inner.len()
    }

    #[pyo3(signature = (tasks, others, host, restoring=false))]
    #[allow(clippy::needless_pass_by_value, reason = "extracted from Python objects")]
    fn unchanged<'py>(
        &self,
        py: Python<'py>,
        tasks: Vec<u32>,
        others: Vec<u32>,
        host: BTreeMap<OsString, OsString>,
        restoring: bool,
    ) -> PyResult<Unchanged<'py>> {
        let look = |root: Root| self.inner.unchanged(&root, &tasks, &others, &host, restoring);
        let look = || Root::new(&self.root).map_or_else(|_| Vec::new(), look);
        let (found, is_disjoint) = py.detach(|| {
            let found = threads(0)?.install(look);
            let mut paths = HashSet::new();
            let is_disjoint = found.iter().flat_map(|found| &found.task.outputs).all(|row| paths.insert(row.path()));
            Ok::<_, PyErr>((found, is_disjoint))
        })?;
        let (numbers, keys, streams, outputs) =
            (PyList::empty(py), PyList::empty(py), PyList::empty(py), PyList::empty(py));
        // Most tasks write nothing, and equal streams are one object.
        let mut known: HashMap<&Streams, Bound<'py, PyTuple>> = HashMap::new();
        let mut missing = Vec::new();
        for Found { task, missing: places } in &found {
            numbers.append(task.number)?;
            keys.append(PyBytes::new(py, &task.key))?;
            outputs.append(PyTuple::new(py, task.outputs.iter().map(|row| OsStr::from_bytes(row.path())))?)?;
            if !known.contains_key(&task.streams) {
                let [(stdout, stdout_size), (stderr, stderr_size)] = &task.streams;
                let row = (PyBytes::new(py, stdout), stdout_size, PyBytes::new(py, stderr), stderr_size);
                known.insert(&task.streams, row.into_pyobject(py)?);
            }
            streams.append(&known[&task.streams])?;
            if !places.is_empty() {
                missing.push((task.number, places.clone()));
            }
        }
        Ok((numbers, keys, streams, outputs, missing, is_disjoint))
    }

    #[allow(clippy::needless_pass_by_value, reason = "extracted from Python objects")]
    fn put_back(&self, py: Python<'_>, blobs: &Bound<'_, Blobs>, missing: Vec<(u32, Vec<u32>)>) -> Vec<u32> {
        let Blobs { inner: blobs, tree, .. } = blobs.get();
        let Ok(root) = Root::new(&self.root) else { return Vec::new() };
        py.detach(|| tree.install(|| self.inner.put_back(&root, blobs, &missing)))
    }

    #[pyo3(signature = (blobs, candidates, host, at=None))]
    #[allow(clippy::needless_pass_by_value, reason = "extracted from Python objects")]
    fn record(
        &self,
        py: Python<'_>,
        blobs: &Bound<'_, Blobs>,
        candidates: &Bound<'_, PyAny>,
        host: BTreeMap<OsString, OsString>,
        at: Option<i64>,
    ) -> PyResult<usize> {
        let Blobs { inner: blobs, tree, .. } = blobs.get();
        let candidates = candidates
            .try_iter()?
            .map(|candidate| {
                let (number, (inputs, outputs), (hard, soft), names, key, input_digest, entry, streams, rows) =
                    candidate?.extract::<Described<'_>>()?;
                check_spec(tree.patterns(), inputs)?;
                check_spec(tree.patterns(), outputs)?;
                let rows = rows.iter().map(row_of).collect::<PyResult<_>>()?;
                Ok(Candidate { number, inputs, outputs, hard, soft, names, key, input_digest, entry, streams, rows })
            })
            .collect::<PyResult<Vec<_>>>()?;
        let at = at.map_or_else(now, i128::from);
        let write = || checkpoint::record(&self.file, &self.identity, tree, blobs, &candidates, &self.inner, &host, at);
        py.detach(write).map_err(|error| file_system_error(&error))
    }
}

/// The one that is looked ahead to.
fn ahead() -> MutexGuard<'static, Option<Ahead>> {
    static AHEAD: Mutex<Option<Ahead>> = Mutex::new(None);
    AHEAD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Begin to read the nearest checkpoint and to ask its facts, and those of the configuration.
#[pyfunction]
#[allow(clippy::needless_pass_by_value, reason = "extracted from Python objects")]
fn look_ahead(py: Python<'_>, directory: PathBuf, name: PathBuf, configuration: PathBuf, names: Vec<OsString>) {
    py.detach(|| {
        let Ok(physical) = directory.canonicalize() else { return };
        let root = physical.ancestors().find(|directory| directory.join(&name).is_file());
        *ahead() = root.and_then(|root| {
            let names = names.into_iter().map(OsStringExt::into_vec).collect();
            Ahead::start(root, &root.join(&name), &root.join(&configuration), names)
        });
    });
}

fn kind_of(name: &str) -> PyResult<Kind> {
    match name {
        "content" => Ok(Kind::Content),
        "itself" => Ok(Kind::Itself),
        "absent" => Ok(Kind::Absent),
        "dangling" => Ok(Kind::Dangling),
        "kept" => Ok(Kind::Kept),
        "leads" => Ok(Kind::Leads),
        "places" => Ok(Kind::Places),
        "stands" => Ok(Kind::Stands),
        _ => Err(PyValueError::new_err(format!("unknown kind of fact {name:?}"))),
    }
}

/// Ask the disk, and keep the answers.
#[pyfunction]
#[pyo3(signature = (root, questions, names, at=None))]
#[allow(clippy::needless_pass_by_value, reason = "extracted from Python objects")]
fn ask_facts(
    py: Python<'_>,
    root: PathBuf,
    questions: Vec<(String, OsString)>,
    names: Vec<OsString>,
    at: Option<i64>,
) -> PyResult<Option<Bound<'_, PyBytes>>> {
    let questions =
        questions.into_iter().map(|(kind, path)| Ok((kind_of(&kind)?, path))).collect::<PyResult<Vec<_>>>()?;
    let bytes = py.detach(|| {
        let root = Root::new(&root).ok()?;
        let names: Vec<&[u8]> = names.iter().map(|name| name.as_bytes()).collect();
        let now = at.map_or_else(now, i128::from);
        let facts = questions.iter().map(|(kind, path)| Fact::ask(&root, *kind, path.as_bytes(), &names, now));
        facts.map(|fact| fact.map(|fact| fact.bytes().to_vec())).collect::<Option<Vec<_>>>().map(|rows| rows.concat())
    });
    Ok(bytes.map(|bytes| PyBytes::new(py, &bytes)))
}

/// A file that is believed because its facts hold.
#[pyclass(frozen, module = "haz._core")]
struct Proven(Held);

enum Held {
    Ours(Box<checkpoint::Proven>),
    Ahead(Arc<Configuration>),
}

impl Proven {
    /// One that was proven ahead stays so.
    fn file(&self) -> Option<&checkpoint::Proven> {
        match &self.0 {
            Held::Ours(proven) => Some(proven),
            Held::Ahead(configuration) => configuration.get(),
        }
    }
}

#[pymethods]
impl Proven {
    #[staticmethod]
    #[allow(clippy::needless_pass_by_value, reason = "extracted from Python objects")]
    fn read(
        py: Python<'_>,
        root: PathBuf,
        file: PathBuf,
        head: &[u8],
        first: &[u8],
        names: Vec<OsString>,
    ) -> PyResult<Option<Self>> {
        py.detach(|| {
            let is_ours = |proven: &checkpoint::Proven| proven.is_made_for(head) && proven.begins_with(first);
            let configuration = {
                let mut ahead = ahead();
                let taken = ahead.as_ref().map(Ahead::configuration).filter(|known| known.take(&root, &file));
                if taken.is_none() {
                    // Whoever loads another workspace, or the same one again, looks at it as it is by then.
                    *ahead = None;
                }
                taken
            };
            if let Some(configuration) = configuration {
                let is_proven = configuration.get().is_some_and(is_ours);
                return Ok(is_proven.then(|| Self(Held::Ahead(configuration))));
            }
            let Some(proven) = checkpoint::Proven::read(&file).filter(is_ours) else { return Ok(None) };
            let Ok(root) = Root::new(&root) else { return Ok(None) };
            let names: Vec<&[u8]> = names.iter().map(|name| name.as_bytes()).collect();
            let holds = threads(0)?.install(|| proven.holds(&root, &names, true));
            Ok(holds.then(|| Self(Held::Ours(Box::new(proven)))))
        })
    }

    #[getter]
    fn identity<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.file().map(checkpoint::Proven::identity).unwrap_or_default())
    }

    fn __len__(&self) -> usize {
        self.file().map_or(0, |file| file.payload().len())
    }

    fn part<'py>(&self, py: Python<'py>, start: usize, end: usize) -> PyResult<Bound<'py, PyBytes>> {
        let part = self.file().and_then(|file| file.payload().get(start..end));
        part.map(|part| PyBytes::new(py, part)).ok_or_else(|| PyValueError::new_err("there is no such part"))
    }
}

/// Add this file's functions and classes to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(ask_facts, module)?)?;
    module.add_function(wrap_pyfunction!(look_ahead, module)?)?;
    module.add_class::<Proven>()?;
    module.add_class::<Checkpoint>()
}

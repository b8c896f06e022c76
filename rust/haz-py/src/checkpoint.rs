//! Checkpoints for Python.

use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyTuple};

use haz_core::checkpoint::facts::{Fact, Facts, Kind, Root};
use haz_core::checkpoint::{self, Ahead, Candidate, Found};
use haz_core::digest::Digest;
use haz_core::tree::{now, threads};

use crate::blobs::{Blobs, row_of};
use crate::error::file_system_error;
use crate::glob::check_spec;

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
    ) -> PyResult<Bound<'py, PyList>> {
        let list = PyList::empty(py);
        let Ok(root) = Root::new(&self.root) else { return Ok(list) };
        let look = || self.inner.unchanged(&root, &tasks, &others, &host, restoring);
        let found = py.detach(|| Ok::<_, PyErr>(threads(0)?.install(look)))?;
        // Most streams are empty, and equal digests are one object.
        let mut known: HashMap<Digest, Bound<'py, PyBytes>> = HashMap::new();
        let mut bytes = |digest: &Digest| known.entry(*digest).or_insert_with(|| PyBytes::new(py, digest)).clone();
        for Found { task, missing } in found {
            let [(stdout, stdout_size), (stderr, stderr_size)] = &task.streams;
            let streams = (bytes(stdout), stdout_size, bytes(stderr), stderr_size);
            let outputs = PyTuple::new(py, task.outputs.iter().map(|row| OsStr::from_bytes(row.path())))?;
            list.append((task.number, PyBytes::new(py, &task.key), streams, outputs, missing))?;
        }
        Ok(list)
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
        candidates: Vec<Described<'_>>,
        host: BTreeMap<OsString, OsString>,
        at: Option<i64>,
    ) -> PyResult<usize> {
        let Blobs { inner: blobs, tree, .. } = blobs.get();
        let candidates = candidates
            .into_iter()
            .map(|(number, (inputs, outputs), (hard, soft), names, key, input_digest, entry, streams, rows)| {
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

/// Begin to read the nearest checkpoint and to ask its facts.
#[pyfunction]
#[allow(clippy::needless_pass_by_value, reason = "extracted from Python objects")]
fn look_ahead(py: Python<'_>, directory: PathBuf, name: PathBuf) {
    py.detach(|| {
        let Ok(physical) = directory.canonicalize() else { return };
        let root = physical.ancestors().find(|directory| directory.join(&name).is_file());
        *ahead() = root.and_then(|root| Ahead::start(root, &root.join(&name)));
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

/// Whether the disk still gives the same answers.
#[pyfunction]
#[allow(clippy::needless_pass_by_value, reason = "extracted from Python objects")]
fn facts_hold(py: Python<'_>, root: PathBuf, facts: Vec<u8>, names: Vec<OsString>) -> PyResult<bool> {
    py.detach(|| {
        let (Ok(root), Some(facts)) = (Root::new(&root), Facts::decode(facts)) else { return Ok(false) };
        let names: Vec<&[u8]> = names.iter().map(|name| name.as_bytes()).collect();
        Ok(threads(0)?.install(|| facts.all_hold(&root, &names)))
    })
}

/// Add this file's functions and classes to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(ask_facts, module)?)?;
    module.add_function(wrap_pyfunction!(look_ahead, module)?)?;
    module.add_function(wrap_pyfunction!(facts_hold, module)?)?;
    module.add_class::<Checkpoint>()
}

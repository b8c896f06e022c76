//! YAML nodes for Python: a shared document and an index, so that a node costs nothing until it is looked at.

use std::sync::Arc;

use haz_core::yaml::{self, Document, NodeId, Value};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString};

use crate::error::yaml_error;

/// A YAML node with its place.
#[pyclass(frozen, module = "haz._core")]
pub struct Node {
    document: Arc<Document>,
    id: NodeId,
}

impl Node {
    fn node(&self) -> &yaml::Node {
        self.document.node(self.id)
    }

    fn sibling(&self, id: NodeId) -> Self {
        Self { document: Arc::clone(&self.document), id }
    }
}

#[pymethods]
impl Node {
    #[getter]
    fn kind<'py>(&self, py: Python<'py>) -> &Bound<'py, PyString> {
        match self.node().value {
            Value::Null => intern!(py, "null"),
            Value::Scalar { .. } => intern!(py, "scalar"),
            Value::Sequence(_) => intern!(py, "sequence"),
            Value::Mapping(_) => intern!(py, "mapping"),
        }
    }

    #[getter]
    fn value<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(match &self.node().value {
            Value::Null => py.None().into_bound(py),
            Value::Scalar { text, .. } => PyString::new(py, text).into_any(),
            Value::Sequence(items) => PyList::new(py, items.iter().map(|&id| self.sibling(id)))?.into_any(),
            Value::Mapping(pairs) => {
                PyList::new(py, pairs.iter().map(|&(key, value)| (self.sibling(key), self.sibling(value))))?.into_any()
            }
        })
    }

    #[getter]
    fn plain(&self) -> bool {
        matches!(self.node().value, Value::Null | Value::Scalar { plain: true, .. })
    }

    #[getter]
    fn line(&self) -> u32 {
        self.node().start.line
    }

    #[getter]
    fn column(&self) -> u32 {
        self.node().start.column
    }

    #[getter]
    fn end_line(&self) -> u32 {
        self.node().end.line
    }

    #[getter]
    fn end_column(&self) -> u32 {
        self.node().end.column
    }
}

#[pyfunction]
fn yaml_parse(py: Python<'_>, data: &[u8]) -> PyResult<Node> {
    let document = py.detach(|| yaml::parse(data)).map_err(|error| yaml_error(&error))?;
    Ok(Node { id: document.root(), document: Arc::new(document) })
}

/// Add this file's functions and classes to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Node>()?;
    module.add_function(wrap_pyfunction!(yaml_parse, module)?)?;
    Ok(())
}

//! Records of Python from the values that `marshal` has read.

use pyo3::Borrowed;
use pyo3::exceptions::PyValueError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString, PyTuple, PyType};

/// Values that are nested deeper are none of ours.
const DEPTH: usize = 100;

/// A kind of record: a class whose instances are made of nothing but the values of its fields, which are slots.
struct Kind {
    class: Py<PyType>,
    fields: Vec<Py<PyString>>,
}

/// What lists stand for: `[code, value of a field, …]`.
#[pyclass(frozen, module = "haz._core")]
struct Records {
    /// `tuple.__new__`, and the class of code 0, whose instances are tuples.
    new_tuple: Py<PyAny>,
    row: Py<PyType>,
    kinds: Vec<Kind>,
}

#[pymethods]
impl Records {
    #[new]
    fn new(row: &Bound<'_, PyType>, kinds: Vec<(Py<PyType>, Vec<Py<PyString>>)>) -> PyResult<Self> {
        let py = row.py();
        if !row.is_subclass_of::<PyTuple>()? {
            return Err(PyValueError::new_err("the class of code 0 is one of tuples"));
        }
        let plain = py.get_type::<PyAny>().getattr("__new__")?;
        for (class, _) in &kinds {
            // Some, such as generators, have that one and refuse it.
            if !class.bind(py).getattr("__new__")?.is(&plain) || plain.call1((class,)).is_err() {
                return Err(PyValueError::new_err(format!("{class} is made in a way of its own")));
            }
        }
        let kinds = kinds.into_iter().map(|(class, fields)| Kind { class, fields }).collect();
        let new_tuple = py.get_type::<PyTuple>().getattr("__new__")?.unbind();
        Ok(Self { new_tuple, row: row.clone().unbind(), kinds })
    }

    fn unpacked<'py>(&self, value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.made_of(value, 0)
    }
}

impl Records {
    fn made_of<'py>(&self, value: &Bound<'py, PyAny>, depth: usize) -> PyResult<Bound<'py, PyAny>> {
        let py = value.py();
        if depth > DEPTH {
            return Err(PyValueError::new_err("the values are nested too deeply"));
        }
        if let Ok(list) = value.cast_exact::<PyList>() {
            let mut items = list.iter();
            let code = items.next().and_then(|code| code.extract::<usize>().ok());
            if code == Some(0) {
                let values = items.map(|item| self.made_of(&item, depth + 1)).collect::<PyResult<Vec<_>>>()?;
                return self.new_tuple.bind(py).call1((&self.row, PyTuple::new(py, values)?));
            }
            let kind = code.and_then(|code| self.kinds.get(code - 1)).filter(|kind| kind.fields.len() == items.len());
            let kind = kind.ok_or_else(|| PyValueError::new_err(format!("no record is {value}")))?;
            let made = allocated(kind.class.bind(py))?;
            for (field, item) in kind.fields.iter().zip(items) {
                set(&made, field.bind(py), &self.made_of(&item, depth + 1)?)?;
            }
            Ok(made)
        } else if let Ok(tuple) = value.cast_exact::<PyTuple>() {
            // Most are made of nothing but what stands for itself, and are no others then.
            let mut made: Option<Vec<Bound<'py, PyAny>>> = None;
            for (place, item) in tuple.iter_borrowed().enumerate() {
                let other = self.made_of(&item, depth + 1)?;
                if made.is_some() || !other.is(item) {
                    let before = || tuple.iter_borrowed().take(place).map(Borrowed::to_owned).collect();
                    made.get_or_insert_with(before).push(other);
                }
            }
            made.map_or_else(|| Ok(value.clone()), |made| Ok(PyTuple::new(py, made)?.into_any()))
        } else if let Ok(dict) = value.cast_exact::<PyDict>() {
            let made = PyDict::new(py);
            for (name, item) in dict.iter() {
                made.set_item(name, self.made_of(&item, depth + 1)?)?;
            }
            Ok(made.into_any())
        } else {
            Ok(value.clone())
        }
    }
}

/// An instance with nothing in it: as `object.__new__` makes it, for less than a call of that.
fn allocated<'py>(class: &Bound<'py, PyType>) -> PyResult<Bound<'py, PyAny>> {
    // SAFETY: a class that `object.__new__` has made one of, which does no more for it; what comes back is a new
    // reference, or null with an error that is set.
    unsafe { Bound::from_owned_ptr_or_err(class.py(), ffi::PyType_GenericAlloc(class.as_type_ptr(), 0)) }
}

/// Fill a slot. Records are immutable by a `__setattr__` of their own, which this does not ask.
fn set<'py>(record: &Bound<'py, PyAny>, field: &Bound<'py, PyString>, value: &Bound<'py, PyAny>) -> PyResult<()> {
    // SAFETY: three objects, borrowed for the call.
    let status = unsafe { ffi::PyObject_GenericSetAttr(record.as_ptr(), field.as_ptr(), value.as_ptr()) };
    if status == 0 { Ok(()) } else { Err(PyErr::fetch(record.py())) }
}

/// Half the time of a setter for each slot, in what most of loading is made of.
#[pyfunction]
fn fill(record: &Bound<'_, PyAny>, fields: &Bound<'_, PyTuple>, values: &Bound<'_, PyTuple>) -> PyResult<()> {
    if fields.len() != values.len() {
        return Err(PyValueError::new_err(format!("{} fields have {} values", fields.len(), values.len())));
    }
    for (field, value) in fields.iter_borrowed().zip(values.iter_borrowed()) {
        let field = field.cast::<PyString>()?;
        set(record, &field, &value)?;
    }
    Ok(())
}

/// Add this file's functions and classes to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(fill, module)?)?;
    module.add_class::<Records>()
}

//! JSON between bytes and Python objects, without an intermediate tree.

use std::cell::Cell;
use std::fmt;

use pyo3::IntoPyObjectExt;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};
use serde_core::Serialize;
use serde_core::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

/// Nesting that is written; what reads (`serde_json`) goes one deeper.
const DEPTH: usize = 127;

/// From here on a float may be an integer that `serde_json` could not hold.
const SUSPICIOUS: f64 = 9_223_372_036_854_775_808.0;

/// Parse strict JSON (UTF-8, no duplicate keys, no trailing bytes). Raises `ValueError`.
#[pyfunction]
fn json_loads<'py>(data: &Bound<'py, PyBytes>) -> PyResult<Bound<'py, PyAny>> {
    let refuse = |error: serde_json::Error| PyValueError::new_err(error.to_string());
    let bytes = data.as_bytes();
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let suspicious = Cell::new(false);
    let value = Value { py: data.py(), suspicious: &suspicious }.deserialize(&mut reader).map_err(refuse)?;
    reader.end().map_err(refuse)?;
    if suspicious.get() && holds_an_oversized_integer(bytes) {
        return Err(PyValueError::new_err("an integer does not fit into 64 bits"));
    }
    Ok(value)
}

/// `serde_json` turns integers beyond 64 bits into floats; `json` is valid.
fn holds_an_oversized_integer(json: &[u8]) -> bool {
    let (mut quoted, mut escaped) = (false, false);
    let numbers = json.split(|&byte| {
        let was_quoted = quoted;
        if escaped {
            escaped = false;
        } else if byte == b'"' {
            quoted = !quoted;
        } else {
            escaped = quoted && byte == b'\\';
        }
        was_quoted || !matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')
    });
    numbers.filter_map(|token| str::from_utf8(token).ok()).any(|token| {
        token.ends_with(|last: char| last.is_ascii_digit())
            && !token.contains(['.', 'e', 'E'])
            && token.parse::<u64>().is_err()
            && token.parse::<i64>().is_err()
    })
}

/// Builds one Python object.
#[derive(Clone, Copy)]
struct Value<'a, 'py> {
    py: Python<'py>,
    suspicious: &'a Cell<bool>,
}

impl<'py> Value<'_, 'py> {
    fn object<E: de::Error>(self, value: impl IntoPyObject<'py>) -> Result<Bound<'py, PyAny>, E> {
        value.into_bound_py_any(self.py).map_err(E::custom)
    }
}

impl<'de, 'py> DeserializeSeed<'de> for Value<'_, 'py> {
    type Value = Bound<'py, PyAny>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, 'py> Visitor<'de> for Value<'_, 'py> {
    type Value = Bound<'py, PyAny>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(self.py.None().into_bound(self.py))
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Self::Value, E> {
        self.object(value)
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Self::Value, E> {
        self.object(value)
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Self::Value, E> {
        self.object(value)
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Self::Value, E> {
        if value.abs() >= SUSPICIOUS {
            self.suspicious.set(true);
        }
        self.object(value)
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Self::Value, E> {
        self.object(value)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let list = PyList::empty(self.py);
        while let Some(item) = items.next_element_seed(self)? {
            list.append(item).map_err(de::Error::custom)?;
        }
        Ok(list.into_any())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let dict = PyDict::new(self.py);
        while let Some(key) = entries.next_key_seed(self)? {
            if dict.contains(&key).map_err(de::Error::custom)? {
                return Err(de::Error::custom(format_args!("duplicate key {key:?}")));
            }
            dict.set_item(key, entries.next_value_seed(self)?).map_err(de::Error::custom)?;
        }
        Ok(dict.into_any())
    }
}

/// Compact JSON. Raises `TypeError` for other types and `ValueError` for values that JSON, or 64 bits, cannot hold.
#[pyfunction]
fn json_dumps<'py>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    let mut text = Vec::new();
    write(value, &mut text, DEPTH)?;
    Ok(PyBytes::new(value.py(), &text))
}

fn write(value: &Bound<'_, PyAny>, text: &mut Vec<u8>, depth: usize) -> PyResult<()> {
    if let Ok(string) = value.cast::<PyString>() {
        return scalar(string.to_str()?, text);
    }
    if value.is_none() {
        return scalar(&(), text);
    }
    // Before int: True is one.
    if let Ok(flag) = value.cast::<PyBool>() {
        return scalar(&flag.is_true(), text);
    }
    if let Ok(number) = value.cast::<PyInt>() {
        return match (number.extract::<i64>(), number.extract::<u64>()) {
            (Ok(number), _) => scalar(&number, text),
            (_, Ok(number)) => scalar(&number, text),
            _ => Err(PyValueError::new_err("an integer does not fit into 64 bits")),
        };
    }
    if let Ok(number) = value.cast::<PyFloat>() {
        let number = number.value();
        if !number.is_finite() {
            return Err(PyValueError::new_err(format!("JSON has no {number}")));
        }
        return scalar(&number, text);
    }
    let depth = depth.checked_sub(1).ok_or_else(|| PyValueError::new_err("nested too deeply"))?;
    if let Ok(list) = value.cast::<PyList>() {
        return sequence(list.iter(), text, depth);
    }
    if let Ok(tuple) = value.cast::<PyTuple>() {
        return sequence(tuple.iter(), text, depth);
    }
    let Ok(dict) = value.cast::<PyDict>() else {
        let name = value.get_type().name()?;
        return Err(PyTypeError::new_err(format!("{name} has no JSON form")));
    };
    let mut separator = b'{';
    for (key, value) in dict {
        let key = key.cast::<PyString>().map_err(|_| PyTypeError::new_err("the keys of a JSON object are text"))?;
        text.push(separator);
        separator = b',';
        scalar(key.to_str()?, text)?;
        text.push(b':');
        write(&value, text, depth)?;
    }
    if separator == b'{' {
        text.push(b'{');
    }
    text.push(b'}');
    Ok(())
}

fn sequence<'py>(items: impl Iterator<Item = Bound<'py, PyAny>>, text: &mut Vec<u8>, depth: usize) -> PyResult<()> {
    text.push(b'[');
    for (index, item) in items.enumerate() {
        if index > 0 {
            text.push(b',');
        }
        write(&item, text, depth)?;
    }
    text.push(b']');
    Ok(())
}

fn scalar<T: Serialize + ?Sized>(value: &T, text: &mut Vec<u8>) -> PyResult<()> {
    serde_json::to_writer(text, value).map_err(|error| PyValueError::new_err(error.to_string()))
}

/// Add this file's functions and classes to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(json_loads, module)?)?;
    module.add_function(wrap_pyfunction!(json_dumps, module)?)
}

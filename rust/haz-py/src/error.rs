//! The only place where core errors become Python exceptions. Python owns the classes (`haz.errors`).

use pyo3::import_exception;
use pyo3::prelude::*;

use haz_core::error::FsError;

import_exception!(haz.errors, FileSystemError);

/// `haz.errors.FileSystemError(operation, path, errno, reason)`.
pub fn file_system_error(error: &FsError) -> PyErr {
    FileSystemError::new_err((
        error.operation,
        error.path.clone().into_os_string(),
        error.source.raw_os_error(),
        error.reason(),
    ))
}

import_exception!(haz.errors, YamlError);

/// `haz.errors.YamlError(reason, line, column)`.
pub fn yaml_error(error: &haz_core::yaml::YamlError) -> PyErr {
    YamlError::new_err((error.reason.clone(), error.place.line, error.place.column))
}

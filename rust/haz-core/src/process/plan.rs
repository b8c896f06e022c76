//! What to start, made ready before the child exists: nothing is looked up or allocated between clone and exec.

use std::collections::HashSet;
use std::ffi::{CString, OsStr, OsString, c_char};
use std::fmt;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::Arc;

use super::redact::Secrets;

/// Where programs are looked for when the child's environment has no PATH (execvp's default).
const DEFAULT_PATH: &[u8] = b"/bin:/usr/bin";

/// What to run, in the caller's words.
#[derive(Debug, Clone, Copy)]
pub struct Command<'a> {
    /// Program as written, then its arguments, verbatim.
    pub argv: &'a [OsString],
    /// The whole environment.
    pub env: &'a Arc<Environment>,
    /// Absolute working directory.
    pub cwd: &'a Path,
    /// What is replaced by `***` in both streams before anybody sees it.
    pub secrets: &'a [OsString],
}

/// The environment of children, made once for all that have the same.
#[derive(Debug)]
pub struct Environment {
    strings: Result<StringArray, Refusal>,
    path: Option<OsString>,
}

impl Environment {
    /// Of equal names the last one wins. What no environment can hold is refused when something is to be started in it.
    pub fn new(pairs: &[(OsString, OsString)]) -> Self {
        let path = pairs.iter().rev().find(|(name, _)| name == "PATH").map(|(_, value)| value.clone());
        Self { strings: environment(pairs).map(StringArray::new), path }
    }
}

/// Why a child could not be started.
#[derive(Debug)]
pub enum SpawnError {
    /// The working directory is not absolute.
    NonAbsoluteCwd(PathBuf),
    /// Everything else.
    Failed {
        /// The program as written.
        program: OsString,
        /// For people.
        reason: String,
        /// What the operating system answered, where it was asked.
        errno: Option<i32>,
    },
}

impl fmt::Display for SpawnError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NonAbsoluteCwd(cwd) => write!(formatter, "working directory {} is not absolute", cwd.display()),
            Self::Failed { program, reason, .. } => {
                write!(formatter, "cannot start \"{}\": {reason}", program.display())
            }
        }
    }
}

impl std::error::Error for SpawnError {}

/// A reason and the `errno` behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub reason: String,
    pub errno: Option<i32>,
}

impl Refusal {
    fn new(reason: impl Into<String>, errno: Option<i32>) -> Self {
        Self { reason: reason.into(), errno }
    }
}

/// Strings and pointer arrays as `execve` wants them.
pub(super) struct Plan {
    /// The program to execute; relative to `cwd` when not absolute.
    pub path: CString,
    /// `path` seen from this process.
    pub program: PathBuf,
    pub cwd: CString,
    pub argv: StringArray,
    env: Arc<Environment>,
    /// What its streams may not show.
    pub secrets: Option<Arc<Secrets>>,
}

/// A null-terminated array of C strings that owns its strings.
#[derive(Debug)]
pub(super) struct StringArray {
    pointers: Vec<*const c_char>,
    _strings: Vec<CString>,
}

// SAFETY: the pointers lead to strings that it owns and nobody changes.
unsafe impl Send for StringArray {}
// SAFETY: as above.
unsafe impl Sync for StringArray {}

impl StringArray {
    fn new(strings: Vec<CString>) -> Self {
        let pointers = strings.iter().map(|string| string.as_ptr()).chain([ptr::null()]).collect();
        Self { pointers, _strings: strings }
    }

    pub fn as_ptr(&self) -> *const *const c_char {
        self.pointers.as_ptr()
    }
}

impl Plan {
    pub fn new(command: &Command<'_>) -> Result<Self, SpawnError> {
        let name = command.argv.first().cloned().unwrap_or_default();
        if !command.cwd.is_absolute() {
            return Err(SpawnError::NonAbsoluteCwd(command.cwd.to_path_buf()));
        }
        Self::prepare(command).map_err(|Refusal { reason, errno }| SpawnError::Failed { program: name, reason, errno })
    }

    fn prepare(command: &Command<'_>) -> Result<Self, Refusal> {
        let name = command.argv.first().ok_or_else(|| Refusal::new("the command is empty", None))?;
        let cwd = c_string(command.cwd.as_os_str().as_bytes(), || "the working directory".to_owned())?;
        let argv = command
            .argv
            .iter()
            .enumerate()
            .map(|(index, text)| c_string(text.as_bytes(), || argument(index)))
            .collect::<Result<_, _>>()?;
        if let Err(refusal) = &command.env.strings {
            return Err(refusal.clone());
        }
        let path = locate(name, command.env.path.as_deref(), command.cwd)
            .map_err(|refusal| check_directory(command.cwd).err().unwrap_or(refusal))?;
        Ok(Self {
            program: command.cwd.join(&path),
            path: c_string(path.as_os_str().as_bytes(), || "the program".to_owned())?,
            cwd,
            argv: StringArray::new(argv),
            env: Arc::clone(command.env),
            secrets: Secrets::new(command.secrets),
        })
    }

    /// The environment as `execve` wants it.
    pub fn envp(&self) -> *const *const c_char {
        self.env.strings.as_ref().map_or(ptr::null(), StringArray::as_ptr)
    }

    /// What to tell people when executing failed with `errno`.
    pub fn exec_refusal(&self, errno: i32) -> Refusal {
        let reason = match errno {
            libc::ENOEXEC => "not executable: no #! line (Exec format error)".to_owned(),
            libc::EACCES => "permission denied".to_owned(),
            // The program itself was seen a moment ago: what is missing is its interpreter or its loader.
            libc::ENOENT if self.program.exists() => "the interpreter of its #! line does not exist".to_owned(),
            libc::E2BIG => "arguments and environment are too long".to_owned(),
            _ => io::Error::from_raw_os_error(errno).to_string(),
        };
        Refusal::new(reason, Some(errno))
    }
}

fn argument(index: usize) -> String {
    if index == 0 { "the program name".to_owned() } else { format!("argument {index}") }
}

fn c_string(bytes: &[u8], what: impl FnOnce() -> String) -> Result<CString, Refusal> {
    CString::new(bytes).map_err(|_| Refusal::new(format!("{} contains a NUL byte", what()), None))
}

fn environment(env: &[(OsString, OsString)]) -> Result<Vec<CString>, Refusal> {
    let mut seen = HashSet::with_capacity(env.len());
    let mut strings = Vec::with_capacity(env.len());
    for (name, value) in env.iter().rev() {
        if !seen.insert(name) {
            continue;
        }
        if name.is_empty() || name.as_bytes().contains(&b'=') {
            return Err(Refusal::new(format!("\"{}\" cannot name an environment variable", name.display()), None));
        }
        let mut entry = Vec::with_capacity(name.len() + value.len() + 2);
        entry.extend_from_slice(name.as_bytes());
        entry.push(b'=');
        entry.extend_from_slice(value.as_bytes());
        strings.push(c_string(&entry, || format!("environment variable {}", name.display()))?);
    }
    strings.reverse();
    Ok(strings)
}

/// The path to execute, relative to `cwd` where it was written so: `$0` of a script stays what the user wrote.
fn locate(name: &OsStr, path: Option<&OsStr>, cwd: &Path) -> Result<PathBuf, Refusal> {
    if name.is_empty() {
        return Err(Refusal::new("the program name is empty", None));
    }
    if name.as_bytes().contains(&b'/') {
        return executable(&cwd.join(name)).map(|()| PathBuf::from(name));
    }
    let mut refused = None;
    for directory in path.map_or(DEFAULT_PATH, OsStr::as_bytes).split(|&byte| byte == b':') {
        // An empty entry is the current directory.
        let directory = if directory.is_empty() { b"." } else { directory };
        let candidate = Path::new(OsStr::from_bytes(directory)).join(name);
        match executable(&cwd.join(&candidate)) {
            Ok(()) => return Ok(candidate),
            Err(refusal) if refusal.errno == Some(libc::EACCES) => refused = Some((candidate, refusal)),
            Err(_) => {}
        }
    }
    Err(match (refused, path) {
        (Some((candidate, refusal)), _) => {
            Refusal::new(format!("{} ({})", refusal.reason, candidate.display()), refusal.errno)
        }
        (None, Some(_)) => Refusal::new("not found in PATH", Some(libc::ENOENT)),
        (None, None) => Refusal::new(
            "not found in PATH (its environment has none: looked in /bin and /usr/bin)",
            Some(libc::ENOENT),
        ),
    })
}

fn executable(path: &Path) -> Result<(), Refusal> {
    let text = c_string(path.as_os_str().as_bytes(), || "the program name".to_owned())?;
    // SAFETY: `text` is a valid C string.
    if unsafe { libc::faccessat(libc::AT_FDCWD, text.as_ptr(), libc::X_OK, libc::AT_EACCESS) } != 0 {
        let error = io::Error::last_os_error();
        let reason = match error.raw_os_error() {
            Some(libc::ENOENT | libc::ENOTDIR) => format!("{} does not exist", path.display()),
            Some(libc::EACCES) => "permission denied".to_owned(),
            _ => error.to_string(),
        };
        return Err(Refusal::new(reason, error.raw_os_error()));
    }
    if path.is_dir() {
        return Err(Refusal::new("permission denied: it is a directory", Some(libc::EACCES)));
    }
    Ok(())
}

/// Whether `cwd` is a directory.
pub(super) fn check_directory(cwd: &Path) -> Result<(), Refusal> {
    match cwd.metadata() {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => Err(directory_refusal(cwd, libc::ENOTDIR)),
        Err(error) => Err(directory_refusal(cwd, error.raw_os_error().unwrap_or(libc::EIO))),
    }
}

/// What to tell people when entering `cwd` failed with `errno`.
pub(super) fn directory_refusal(cwd: &Path, errno: i32) -> Refusal {
    let cwd = cwd.display();
    let reason = match errno {
        libc::ENOENT => format!("working directory {cwd} does not exist"),
        libc::ENOTDIR => format!("working directory {cwd} is not a directory"),
        _ => format!("cannot enter working directory {cwd}: {}", io::Error::from_raw_os_error(errno)),
    };
    Refusal::new(reason, Some(errno))
}

/// The directory of a plan, as a path.
pub(super) fn directory(plan: &Plan) -> PathBuf {
    PathBuf::from(OsString::from_vec(plan.cwd.as_bytes().to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    fn place(directory: &Path, name: &str, mode: u32) {
        let path = directory.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "#!/bin/sh\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_name_is_looked_up_in_the_path_of_the_child_and_relative_entries_start_at_its_directory() {
        let root = tempfile::tempdir().unwrap();
        place(root.path(), "bin/tool", 0o755);
        place(root.path(), "here", 0o755);
        let found = |name: &str, path: &str| locate(OsStr::new(name), Some(OsStr::new(path)), root.path());
        assert_eq!(found("tool", "/nowhere:bin"), Ok("bin/tool".into()));
        assert_eq!(found("here", "/nowhere:"), Ok("./here".into()));
        assert_eq!(found("tool", "").unwrap_err().reason, "not found in PATH");
    }

    #[test]
    fn a_file_that_may_not_run_does_not_hide_a_later_one_but_is_named_when_there_is_none() {
        let root = tempfile::tempdir().unwrap();
        place(root.path(), "a/tool", 0o644);
        place(root.path(), "b/tool", 0o755);
        assert_eq!(locate(OsStr::new("tool"), Some(OsStr::new("a:b")), root.path()), Ok("b/tool".into()));
        let refusal = locate(OsStr::new("tool"), Some(OsStr::new("a")), root.path()).unwrap_err();
        assert_eq!(refusal, Refusal::new("permission denied (a/tool)", Some(libc::EACCES)));
    }

    #[test]
    fn without_a_path_the_system_directories_are_searched() {
        assert!(locate(OsStr::new("sh"), None, Path::new("/")).is_ok());
    }

    #[test]
    fn of_equal_environment_names_the_last_one_wins() {
        let pairs = [("A", "1"), ("B", "2"), ("A", "3")].map(|(name, value)| (name.into(), value.into()));
        let strings = environment(&pairs).unwrap();
        assert_eq!(strings, [c"B=2".to_owned(), c"A=3".to_owned()]);
    }

    #[test]
    fn names_that_no_environment_can_hold_are_refused() {
        for name in ["", "A=B", "A\0"] {
            assert!(environment(&[(name.into(), "x".into())]).is_err(), "{name:?}");
        }
    }
}

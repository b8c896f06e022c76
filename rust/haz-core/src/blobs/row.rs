//! One stored output, and which of them may be put back into a workspace.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::digest::Digest;

/// An output as a manifest lists it. Paths are workspace paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Row {
    /// A regular file.
    File {
        /// Where it belongs.
        path: Vec<u8>,
        /// Digest of its content.
        digest: Digest,
        /// Its size in bytes.
        size: u64,
        /// Its permission bits, `& 0o7777`.
        mode: u32,
    },
    /// A symbolic link.
    Symlink {
        /// Where it belongs.
        path: Vec<u8>,
        /// What it says.
        target: Vec<u8>,
    },
    /// A directory that an output names, or that has nothing in it.
    Directory {
        /// Where it belongs.
        path: Vec<u8>,
    },
}

impl Row {
    /// The workspace path.
    pub fn path(&self) -> &[u8] {
        match self {
            Self::File { path, .. } | Self::Symlink { path, .. } | Self::Directory { path } => path,
        }
    }

    /// Whether it is a directory, and so has no name that is replaced.
    pub(super) fn is_directory(&self) -> bool {
        matches!(self, Self::Directory { .. })
    }

    /// Why this row may not be put into the workspace at `root`, by its text alone.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn check(&self, root: &Path) -> Result<(), &'static str> {
        check_path(self.path())?;
        match self {
            Self::File { mode, .. } if *mode > 0o7777 => Err("its mode has more than permission bits"),
            Self::File { .. } | Self::Directory { .. } => Ok(()),
            Self::Symlink { path, target } => check_target(path, target, root),
        }
    }
}

pub(super) fn check_path(path: &[u8]) -> Result<(), &'static str> {
    let Some(relative) = path.strip_prefix(b"/") else { return Err("it is not a workspace path") };
    if path.contains(&0) {
        return Err("it holds a NUL byte");
    }
    for segment in relative.split(|byte| *byte == b'/') {
        match segment {
            b"" => return Err("it has an empty segment"),
            b"." | b".." => return Err("it has a \".\" or \"..\" segment"),
            // Some file systems do not tell upper from lower case.
            name if name.eq_ignore_ascii_case(b".git") || name.eq_ignore_ascii_case(b".haz") => {
                return Err("it lies in .git or .haz");
            }
            _ => {}
        }
    }
    Ok(())
}

fn check_target(path: &[u8], target: &[u8], root: &Path) -> Result<(), &'static str> {
    const LEAVES: &str = "the link leads out of the workspace";
    if target.is_empty() || target.contains(&0) {
        return Err("the link says nothing that a link can say");
    }
    let mut depth = path.split(|byte| *byte == b'/').count().saturating_sub(2);
    let mut rest = target;
    if target[0] == b'/' {
        let inside = target.strip_prefix(root.as_os_str().as_bytes()).ok_or(LEAVES)?;
        if !(inside.is_empty() || inside[0] == b'/') {
            return Err(LEAVES);
        }
        depth = 0;
        rest = inside;
    }
    for segment in rest.split(|byte| *byte == b'/') {
        match segment {
            b"" | b"." => {}
            b".." => depth = depth.checked_sub(1).ok_or(LEAVES)?,
            _ => depth += 1,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str) -> Result<(), &'static str> {
        Row::File { path: path.into(), digest: [0; 32], size: 0, mode: 0o644 }.check(Path::new("/ws"))
    }

    fn link(path: &str, target: &str) -> Result<(), &'static str> {
        Row::Symlink { path: path.into(), target: target.into() }.check(Path::new("/ws"))
    }

    #[test]
    fn only_plain_workspace_paths_may_be_written() {
        // O19, O20
        for good in ["/a", "/a/b.c", "/.gitignore", "/...", "/a b", "/é"] {
            assert_eq!(file(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "/",
            "a",
            "//a",
            "/a//b",
            "/a/",
            "/./a",
            "/a/../b",
            "/..",
            "/a\0",
            "/.git/config",
            "/x/.haz/y",
            "/.GIT/x",
        ] {
            assert!(file(bad).is_err(), "{bad:?}");
        }
        let row = Row::File { path: b"/a".to_vec(), digest: [0; 32], size: 0, mode: 0o10_644 };
        assert!(row.check(Path::new("/ws")).is_err());
    }

    #[test]
    fn links_may_not_lead_out_of_the_workspace() {
        // O19
        for (path, target) in
            [("/a", "b"), ("/d/a", "../b"), ("/d/a", "./x/../../b"), ("/a", "/ws/b"), ("/a", "/ws"), ("/a", ".")]
        {
            assert_eq!(link(path, target), Ok(()), "{path} -> {target}");
        }
        for (path, target) in [
            ("/a", ".."),
            ("/d/a", "../../b"),
            ("/d/a", "x/../../../ws"),
            ("/a", "/etc"),
            ("/a", "/wsx"),
            ("/a", "/ws/../x"),
            ("/a", ""),
            ("/a", "b\0"),
        ] {
            assert!(link(path, target).is_err(), "{path} -> {target:?}");
        }
    }
}

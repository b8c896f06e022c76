//! Whether a content speaks of the workspace by its absolute path, and so is right in no other one.

use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use memchr::memmem::Finder;

/// What to look for; `None` looks for nothing.
pub(super) type Needle = Option<Finder<'static>>;

/// A path of fewer bytes is found in anything.
const SHORTEST: usize = 4;

/// The needle for a workspace root.
pub(super) fn needle(root: &Path) -> Needle {
    let path = root.as_os_str().as_bytes();
    (path.len() >= SHORTEST).then(|| Finder::new(path).into_owned())
}

/// Whether the path is in these bytes, and not only the beginning of a longer name.
pub(super) fn holds(needle: &Finder<'_>, bytes: &[u8]) -> bool {
    let goes_on = |at: usize| {
        let next = bytes.get(at + needle.needle().len());
        next.is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
    };
    needle.find_iter(bytes).any(|at| !goes_on(at))
}

/// A search through one content that comes in pieces.
pub(super) struct OwnPath<'a> {
    needle: Option<&'a Finder<'static>>,
    found: AtomicBool,
}

impl<'a> OwnPath<'a> {
    pub(super) fn new(needle: Option<&'a Finder<'static>>) -> Self {
        Self { needle, found: AtomicBool::new(false) }
    }

    pub(super) fn found(&self) -> bool {
        self.found.load(Ordering::Relaxed)
    }

    fn wanted(&self) -> Option<&'a Finder<'static>> {
        self.needle.filter(|_| !self.found())
    }

    /// Look at a piece of a file, and across the border to the piece before, which another thread may have.
    pub(super) fn look(&self, file: &File, offset: u64, bytes: &[u8]) {
        let Some(needle) = self.wanted() else { return };
        let mut found = holds(needle, bytes);
        if !found && offset > 0 {
            let reach = needle.needle().len();
            let start = offset.saturating_sub(reach as u64 - 1);
            let mut border = vec![0; usize::try_from(offset - start).unwrap_or(0)];
            if file.read_exact_at(&mut border, start).is_ok() {
                border.extend(&bytes[..bytes.len().min(reach)]);
                found = holds(needle, &border);
            }
        }
        if found {
            self.found.store(true, Ordering::Relaxed);
        }
    }

    /// Look at the next piece of a stream; `carried` is the end of what came before.
    pub(super) fn look_on(&self, carried: &mut Vec<u8>, bytes: &[u8]) {
        let Some(needle) = self.wanted() else { return };
        carried.extend(bytes);
        if holds(needle, carried) {
            self.found.store(true, Ordering::Relaxed);
        }
        carried.drain(..carried.len().saturating_sub(needle.needle().len()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write as _;

    #[test]
    fn a_longer_name_is_another_path() {
        let needle = needle(Path::new("/home/me/ws")).unwrap();
        for (text, expected) in [
            ("/home/me/ws", true),
            ("x/home/me/ws/out", true),
            ("\"/home/me/ws\"", true),
            ("/home/me/ws2", false),
            ("/home/me/ws-old /home/me/ws:", true),
            ("/home/me/w", false),
        ] {
            assert_eq!(holds(&needle, text.as_bytes()), expected, "{text}");
        }
        assert!(super::needle(Path::new("/ws")).is_none());
    }

    proptest! {
        #[test]
        fn no_border_hides_it(before in 0_usize..40, cut in 1_usize..60) {
            let needle = needle(Path::new("/home/me/ws"));
            let text = ["x".repeat(before), "/home/me/ws/".to_owned(), "y".repeat(9)].concat();
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(text.as_bytes()).unwrap();
            let (by_file, by_stream) = (OwnPath::new(needle.as_ref()), OwnPath::new(needle.as_ref()));
            let mut carried = Vec::new();
            for (number, piece) in text.as_bytes().chunks(cut).enumerate() {
                by_file.look(&file, (number * cut) as u64, piece);
                by_stream.look_on(&mut carried, piece);
            }
            prop_assert!(by_stream.found());
            // Pieces shorter than the path do not occur there: they are as long as a buffer.
            prop_assert!(by_file.found() || cut < 11);
        }
    }
}

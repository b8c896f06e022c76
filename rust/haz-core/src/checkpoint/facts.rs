//! What the disk said, in a form that can be asked again: does it still say the same?
//!
//! A fact is one question about one path with its answer. Answers that rest on times are only recorded when no write
//! could have escaped them (git's rule for racily clean entries, with a margin for file servers).

use std::collections::HashSet;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rayon::prelude::*;

use crate::blobs::PREFIX;
use crate::digest::{Algorithm, Digest, digest_bytes};
use crate::tree::stamp::Stamp;

/// What is recorded must have been left alone for this long (nanoseconds): more than a tick of this machine's clock,
/// because the times may come from a file server, whose clock may be behind.
const MARGIN: i128 = 2_000_000_000;
const STAMP: usize = 40;

/// The questions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// The state of what the path leads to: content, mode, or names in a directory.
    Content = 0,
    /// The same of what is there itself, a link perhaps.
    Itself = 1,
    /// Nothing is there.
    Absent = 2,
    /// It leads nowhere.
    Dangling = 3,
    /// A regular file that is read, or copied, but never written: which one it is, and its size.
    Kept = 4,
    /// Which file or directory it leads to, in whatever state.
    Leads = 5,
    /// The directories and links in a directory that no link leads to, and whether one of some names is there.
    Places = 6,
    /// Which directory is there, and that no link to it is.
    Stands = 7,
}

impl Kind {
    /// The kind of this number.
    pub fn of(number: u8) -> Option<Self> {
        let all = [
            Self::Content,
            Self::Itself,
            Self::Absent,
            Self::Dangling,
            Self::Kept,
            Self::Leads,
            Self::Places,
            Self::Stands,
        ];
        all.get(usize::from(number)).copied()
    }

    /// Whether the question is which one is there, by its name in the directory above.
    pub(super) fn is_of_a_name(self) -> bool {
        matches!(self, Self::Kept | Self::Stands)
    }

    /// Whether the question is about what a link leads to, and not about the link.
    fn follows(self) -> bool {
        matches!(self, Self::Content | Self::Dangling | Self::Leads)
    }
}

/// The directory that relative paths start from.
pub struct Root(OwnedFd);

impl Root {
    /// Hold a directory open.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn new(path: &Path) -> io::Result<Self> {
        Ok(Self(File::open(path)?.into()))
    }

    /// Whether nothing at all is there; `path` is relative.
    pub(super) fn has_nothing_at(&self, path: &[u8]) -> bool {
        let answer = CString::new(path).map(|path| self.stat(&path, false));
        answer.is_ok_and(|found| found.is_err_and(|error| error.raw_os_error() == Some(libc::ENOENT)))
    }

    fn stat(&self, path: &CStr, follow: bool) -> io::Result<libc::stat> {
        let path = if path.is_empty() { c"." } else { path };
        let flags = if follow { 0 } else { libc::AT_SYMLINK_NOFOLLOW };
        let mut found = MaybeUninit::uninit();
        // SAFETY: an open descriptor, a C string, and room for the answer, which is written when 0 is returned.
        unsafe {
            if libc::fstatat(self.0.as_raw_fd(), path.as_ptr(), found.as_mut_ptr(), flags) == 0 {
                Ok(found.assume_init())
            } else {
                Err(io::Error::last_os_error())
            }
        }
    }
}

impl AsFd for Root {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// One fact in its encoded form: kind, length of the path, path, NUL, answer.
pub struct Fact(Vec<u8>);

impl Fact {
    /// Ask. `None` when the answer proves nothing for later: it is too fresh, or there is none.
    ///
    /// At `now`, or later, somebody has looked at the same: what may have changed since is too fresh. `path` is relative to
    /// the root, without leading `/`, or absolute; `names` are those that `Places` looks for.
    pub fn ask(root: &Root, kind: Kind, path: &[u8], names: &[&[u8]], now: i128) -> Option<Self> {
        let mut text = path.to_vec();
        text.push(0);
        let answer = answer(root, kind, CStr::from_bytes_with_nul(&text).ok()?, names)?;
        let lasting = |stamp: &Stamp| stamp.is_lasting(MARGIN, now);
        let mut bytes = Vec::with_capacity(text.len() + 5 + STAMP + 32);
        bytes.push(kind as u8);
        bytes.extend(u32::try_from(path.len()).ok()?.to_le_bytes());
        bytes.extend(text);
        match (kind, answer) {
            (Kind::Absent | Kind::Dangling, Answer::Nothing) => {}
            (Kind::Kept, Answer::State(stamp)) => bytes.extend(encoded(&stamp)?),
            // Another file or directory that takes the place of one is changed by being moved there.
            (Kind::Content | Kind::Itself | Kind::Leads | Kind::Stands, Answer::State(stamp)) if lasting(&stamp) => {
                bytes.extend(encoded(&stamp)?);
            }
            (Kind::Places, Answer::Places(stamp, digest)) if lasting(&stamp) => {
                bytes.extend(encoded(&stamp)?);
                bytes.extend(digest);
            }
            _ => return None,
        }
        Some(Self(bytes))
    }

    /// The state of a directory, which says of all names in it that they still mean the same. `None` when it is too fresh,
    /// or is none.
    pub fn directory(root: &Root, path: &[u8], now: i128) -> Option<Self> {
        let found = root.stat(&CString::new(path).ok()?, false).ok()?;
        let is_directory = found.st_mode & libc::S_IFMT == libc::S_IFDIR;
        if is_directory { Self::seen(Kind::Itself, path, &Stamp::of_stat(&found), now) } else { None }
    }

    /// The fact that a file or directory is in a state that was seen already. `None` when it is too fresh.
    pub fn seen(kind: Kind, path: &[u8], stamp: &Stamp, now: i128) -> Option<Self> {
        if stamp.is_lasting(MARGIN, now) { Self::told(kind, path, stamp) } else { None }
    }

    /// The fact that a file or directory is the one that was seen already, whatever its state. For `Leads` and `Stands`.
    /// It has the times too where they say something; who compares states must not take others for them.
    pub fn identity(kind: Kind, path: &[u8], stamp: &Stamp, now: i128) -> Option<Self> {
        let timeless = Stamp { modified: 0, changed: 0, ..*stamp };
        Self::told(kind, path, if stamp.is_lasting(MARGIN, now) { stamp } else { &timeless })
    }

    fn told(kind: Kind, path: &[u8], stamp: &Stamp) -> Option<Self> {
        let length = u32::try_from(path.len()).ok()?.to_le_bytes();
        let stamp = encoded(stamp)?;
        Some(Self([&[kind as u8][..], &length, path, &[0], &stamp].concat()))
    }

    /// What tells it from other facts.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

enum Answer {
    Nothing,
    State(Stamp),
    Places(Stamp, Digest),
}

fn answer(root: &Root, kind: Kind, path: &CStr, names: &[&[u8]]) -> Option<Answer> {
    let found = match root.stat(path, kind.follows()) {
        Ok(found) => found,
        Err(error) => {
            return matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENOTDIR | libc::ELOOP))
                .then_some(Answer::Nothing);
        }
    };
    let stamp = Stamp::of_stat(&found);
    Some(match kind {
        Kind::Kept if found.st_mode & libc::S_IFMT != libc::S_IFREG => return None,
        Kind::Stands if found.st_mode & libc::S_IFMT != libc::S_IFDIR => return None,
        Kind::Places => Answer::Places(stamp, places(root, path, names)?),
        _ => Answer::State(stamp),
    })
}

/// The digest of the names in a directory that are directories, links, or in `names`.
fn places(root: &Root, path: &CStr, names: &[&[u8]]) -> Option<Digest> {
    let mut found: Vec<Vec<u8>> = Vec::new();
    let path = if path.is_empty() { c"." } else { path };
    // SAFETY: an open descriptor and a C string; the stream is closed below, and its entries are not used after that.
    unsafe {
        let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_NOFOLLOW | libc::O_CLOEXEC;
        let descriptor = libc::openat(root.0.as_raw_fd(), path.as_ptr(), flags);
        if descriptor < 0 {
            return None;
        }
        let stream = libc::fdopendir(descriptor);
        if stream.is_null() {
            libc::close(descriptor);
            return None;
        }
        loop {
            let entry = libc::readdir(stream);
            if entry.is_null() {
                break;
            }
            let name = CStr::from_ptr((*entry).d_name.as_ptr()).to_bytes();
            let is_file = (*entry).d_type == libc::DT_REG;
            let wanted = !is_file || names.contains(&name);
            if wanted && !matches!(name, b"." | b".." | b".git" | b".haz") && !name.starts_with(PREFIX.as_bytes()) {
                found.push([&[u8::from(is_file)], name, &[0]].concat());
            }
        }
        libc::closedir(stream);
    }
    found.sort_unstable();
    Some(digest_bytes(&found.concat(), Algorithm::Blake3))
}

fn encoded(stamp: &Stamp) -> Option<[u8; STAMP]> {
    let (modified, changed) = (i64::try_from(stamp.modified).ok()?, i64::try_from(stamp.changed).ok()?);
    let numbers = [stamp.device, stamp.inode, stamp.size, modified.cast_unsigned(), changed.cast_unsigned()];
    let mut bytes = [0; STAMP];
    for (place, number) in bytes.chunks_exact_mut(8).zip(numbers) {
        place.copy_from_slice(&number.to_le_bytes());
    }
    Some(bytes)
}

fn decoded(bytes: &[u8]) -> Stamp {
    let number = |column: usize| u64::from_le_bytes(bytes[column * 8..column * 8 + 8].try_into().unwrap_or_default());
    Stamp {
        device: number(0),
        inode: number(1),
        size: number(2),
        modified: i128::from(number(3).cast_signed()),
        changed: i128::from(number(4).cast_signed()),
    }
}

/// Facts as they lie in a file: one after the other. Everything is checked once, when they are read.
#[derive(Default)]
pub struct Facts {
    /// The whole file: they are megabytes, and a copy of them would take as long as reading them.
    bytes: Vec<u8>,
    /// Where each one starts, and the last one ends.
    starts: Vec<u32>,
}

impl Facts {
    /// `None` when the bytes are no facts.
    pub fn decode(bytes: Vec<u8>) -> Option<Self> {
        let whole = 0..bytes.len();
        Self::within(bytes, whole)
    }

    /// Those that lie in a part of the bytes.
    pub(super) fn within(bytes: Vec<u8>, part: Range<usize>) -> Option<Self> {
        let mut starts = Vec::with_capacity(part.len() / 70 + 1);
        let mut at = part.start;
        u32::try_from(part.end).ok()?;
        while at < part.end {
            starts.push(u32::try_from(at).ok()?);
            let kind = Kind::of(bytes[at])?;
            let path = path_of(&bytes, at)?;
            let end = path.end + 1;
            CStr::from_bytes_with_nul(bytes.get(path.start..end)?).ok()?;
            at = end
                + match kind {
                    Kind::Absent | Kind::Dangling => 0,
                    Kind::Places => STAMP + 32,
                    _ => STAMP,
                };
        }
        starts.push(u32::try_from(at).ok()?);
        (at == part.end).then_some(Self { bytes, starts })
    }

    /// Append one that was asked, or that is in other facts; its place, or `None` when there is no room left.
    pub(super) fn push(&mut self, fact: &[u8]) -> Option<u32> {
        let place = u32::try_from(self.len()).ok()?;
        let end = u32::try_from(self.bytes.len() + fact.len()).ok()?;
        if self.starts.is_empty() {
            self.starts.push(0);
        }
        self.bytes.extend(fact);
        self.starts.push(end);
        Some(place)
    }

    /// All of them.
    pub fn bytes(&self) -> &[u8] {
        match (self.starts.first(), self.starts.last()) {
            (Some(start), Some(end)) => &self.bytes[*start as usize..*end as usize],
            _ => &[],
        }
    }

    /// The bytes that they lie in.
    pub(super) fn around(&self) -> &[u8] {
        &self.bytes
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One fact in its encoded form.
    pub fn get(&self, fact: usize) -> &[u8] {
        &self.bytes[self.starts[fact] as usize..self.starts[fact + 1] as usize]
    }

    /// Whether a fact still holds; for a file that is kept, when it was last written (nanoseconds since the epoch), else 0.
    pub fn holds(&self, root: &Root, fact: usize, names: &[&[u8]]) -> Option<i128> {
        let row = self.get(fact);
        let kind = Kind::of(row[0])?;
        let path = path_of(row, 0)?;
        let text = CStr::from_bytes_with_nul(&row[path.start..=path.end]).ok()?;
        let known = &row[path.end + 1..];
        if kind == Kind::Places && root.stat(text, false).is_ok_and(|found| Stamp::of_stat(&found) == decoded(known)) {
            return Some(0);
        }
        if matches!(kind, Kind::Places | Kind::Absent | Kind::Dangling) {
            return match answer(root, kind, text, names)? {
                Answer::Places(_, digest) => (digest[..] == known[STAMP..]).then_some(0),
                Answer::Nothing => (kind != Kind::Places).then_some(0),
                Answer::State(_) => None,
            };
        }
        let found = root.stat(text, kind.follows()).ok()?;
        let (stamp, known) = (Stamp::of_stat(&found), decoded(known));
        let same_file = (stamp.device, stamp.inode) == (known.device, known.inode);
        let holds = match kind {
            Kind::Kept => same_file && stamp.size == known.size && found.st_mode & libc::S_IFMT == libc::S_IFREG,
            Kind::Leads | Kind::Stands => same_file,
            _ => stamp == known,
        };
        holds.then_some(if kind == Kind::Kept { stamp.modified } else { 0 })
    }

    /// Whether all of them still hold, which must have been asked at one time. With `parallel` on the current pool.
    pub fn all_hold(&self, root: &Root, names: &[&[u8]], parallel: bool) -> bool {
        // While the state of a directory is the same, what stands in it is.
        let places = (0..self.len()).filter(|fact| self.kind(*fact) == Some(Kind::Places));
        let still: HashSet<&[u8]> =
            places.filter(|fact| self.is_in_state(root, *fact)).map(|fact| self.path(fact).to_bytes()).collect();
        let holds = |fact: usize| match self.kind(fact) {
            Some(Kind::Places) if still.contains(self.path(fact).to_bytes()) => true,
            Some(Kind::Stands) if parent(self.path(fact).to_bytes()).is_some_and(|above| still.contains(above)) => true,
            _ => self.holds(root, fact, names).is_some(),
        };
        if parallel { (0..self.len()).into_par_iter().with_min_len(64).all(holds) } else { (0..self.len()).all(holds) }
    }

    /// Whether what is there itself is in the state that a fact tells.
    fn is_in_state(&self, root: &Root, fact: usize) -> bool {
        let found = root.stat(self.path(fact), false);
        found.is_ok_and(|found| self.state(fact).is_some_and(|known| decoded(known) == Stamp::of_stat(&found)))
    }

    /// When a file that is kept was written last, as far as the fact knows (nanoseconds since the epoch); else 0.
    pub(super) fn used(&self, fact: usize) -> i128 {
        match (self.kind(fact), self.state(fact)) {
            (Some(Kind::Kept), Some(state)) => decoded(state).modified,
            _ => 0,
        }
    }

    /// Whether nothing is there of which a fact tells a state.
    pub(super) fn is_gone(&self, root: &Root, fact: usize) -> bool {
        root.stat(self.path(fact), false).is_err_and(|error| error.raw_os_error() == Some(libc::ENOENT))
    }

    /// The state that a fact tells, as bytes that equal those of another fact if both mean the same one. None where the
    /// times are not known, or would say nothing.
    pub(super) fn state(&self, fact: usize) -> Option<&[u8]> {
        let row = self.get(fact);
        let state = row.get(path_of(row, 0)?.end + 1..)?.get(..STAMP)?;
        (decoded(state).changed != 0).then_some(state)
    }

    /// What a fact asks.
    pub fn kind(&self, fact: usize) -> Option<Kind> {
        Kind::of(self.get(fact)[0])
    }

    /// The path of a fact, for tests and for what is done to the file itself.
    pub fn path(&self, fact: usize) -> &CStr {
        let row = self.get(fact);
        let path = path_of(row, 0).unwrap_or_default();
        CStr::from_bytes_with_nul(row.get(path.start..=path.end).unwrap_or(&[0])).unwrap_or_default()
    }
}

/// All of a fact about a state but the times.
pub(super) fn without_times(fact: &[u8]) -> &[u8] {
    &fact[..fact.len().saturating_sub(16)]
}

/// The directory that a name is in; none above the root, or `/`.
pub(super) fn parent(path: &[u8]) -> Option<&[u8]> {
    match path.iter().rposition(|byte| *byte == b'/') {
        _ if matches!(path, b"" | b"/") => None,
        None => Some(&[]),
        Some(0) => Some(b"/"),
        Some(end) => Some(&path[..end]),
    }
}

/// The place of the path within the row that starts at `at`, without its NUL.
fn path_of(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let length = u32::from_le_bytes(bytes.get(at + 1..at + 5)?.try_into().ok()?);
    let end = (at + 5).checked_add(usize::try_from(length).ok()?)?;
    (end < bytes.len()).then_some(at + 5..end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::stamp::now;
    use std::fs;
    use std::os::unix::fs::symlink;

    const LATER: i128 = i128::MAX >> 1;

    struct Space(tempfile::TempDir);

    impl Space {
        fn new() -> Self {
            let space = Self(tempfile::tempdir().unwrap());
            fs::create_dir(space.path("d")).unwrap();
            fs::write(space.path("d/f"), "one").unwrap();
            symlink("d/f", space.path("l")).unwrap();
            space
        }

        fn path(&self, path: &str) -> std::path::PathBuf {
            self.0.path().join(path)
        }

        fn root(&self) -> Root {
            Root::new(self.0.path()).unwrap()
        }

        fn ask(&self, kind: Kind, path: &str) -> Facts {
            let fact = Fact::ask(&self.root(), kind, path.as_bytes(), &[b"haz.yml"], LATER).unwrap();
            Facts::decode(fact.bytes().to_vec()).unwrap()
        }

        fn holds(&self, facts: &Facts) -> bool {
            facts.all_hold(&self.root(), &[b"haz.yml"], true)
        }
    }

    #[test]
    fn a_fact_holds_until_its_answer_is_another() {
        type Change = fn(&Space);
        let cases: [(Kind, &str, Change); 16] = [
            (Kind::Content, "d/f", |space| fs::write(space.path("d/f"), "two!").unwrap()),
            (Kind::Content, "l", |space| fs::write(space.path("d/f"), "two!").unwrap()),
            (Kind::Content, "d", |space| fs::write(space.path("d/g"), "").unwrap()),
            (Kind::Content, "d", |space| fs::remove_dir_all(space.path("d")).unwrap()),
            (Kind::Itself, "l", |space| {
                fs::remove_file(space.path("l")).unwrap();
                symlink("d/f", space.path("l")).unwrap();
            }),
            (Kind::Absent, "x", |space| symlink("nowhere", space.path("x")).unwrap()),
            (Kind::Absent, "x/y", |space| fs::create_dir_all(space.path("x/y")).unwrap()),
            (Kind::Dangling, "x", |space| fs::write(space.path("x"), "").unwrap()),
            (Kind::Kept, "d/f", |space| fs::write(space.path("d/f"), "longer").unwrap()),
            (Kind::Kept, "d/f", |space| {
                fs::write(space.path("new"), "one").unwrap();
                fs::rename(space.path("new"), space.path("d/f")).unwrap();
            }),
            (Kind::Leads, "l", |space| {
                fs::write(space.path("new"), "one").unwrap();
                fs::rename(space.path("new"), space.path("d/f")).unwrap();
            }),
            (Kind::Stands, "d", |space| {
                fs::rename(space.path("d"), space.path("e")).unwrap();
                symlink("e", space.path("d")).unwrap();
            }),
            (Kind::Stands, "d", |space| {
                fs::create_dir(space.path("e")).unwrap();
                fs::rename(space.path("d"), space.path("f")).unwrap();
                fs::rename(space.path("e"), space.path("d")).unwrap();
            }),
            (Kind::Places, "", |space| fs::create_dir(space.path("e")).unwrap()),
            (Kind::Places, "d", |space| {
                fs::rename(space.path("d"), space.path("e")).unwrap();
                symlink("e", space.path("d")).unwrap();
            }),
            (Kind::Places, "d", |space| fs::write(space.path("d/haz.yml"), "").unwrap()),
        ];
        for (kind, path, change) in cases {
            let space = Space::new();
            let facts = space.ask(kind, path);
            assert!(space.holds(&facts), "{kind:?} {path} before");
            change(&space);
            assert!(!space.holds(&facts), "{kind:?} {path} after");
        }
    }

    #[test]
    fn what_a_fact_does_not_ask_for_may_change() {
        let space = Space::new();
        let kept = space.ask(Kind::Kept, "d/f");
        let leads = space.ask(Kind::Leads, "d");
        let stands = space.ask(Kind::Stands, "d");
        let places = space.ask(Kind::Places, "d");
        fs::write(space.path("d/g"), "").unwrap();
        fs::File::options().write(true).open(space.path("d/f")).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
        for facts in [kept, leads, stands, places] {
            assert!(space.holds(&facts));
        }
    }

    #[test]
    fn the_permissions_of_a_file_are_part_of_its_state() {
        use std::os::unix::fs::PermissionsExt;
        let space = Space::new();
        let before = fs::metadata(space.path("d/f")).unwrap();
        let facts = space.ask(Kind::Content, "d/f");
        let changed = |space: &Space| Stamp::of(&fs::metadata(space.path("d/f")).unwrap()).changed;
        while changed(&space) == Stamp::of(&before).changed {
            fs::set_permissions(space.path("d/f"), fs::Permissions::from_mode(0o755)).unwrap();
        }
        assert!(!space.holds(&facts));
    }

    #[test]
    fn a_state_that_a_write_could_still_share_proves_nothing() {
        let space = Space::new();
        let ask = |kind| Fact::ask(&space.root(), kind, b"d/f", &[], now());
        assert!(ask(Kind::Content).is_none());
        assert!(ask(Kind::Itself).is_none());
        assert!(ask(Kind::Leads).is_none());
        for kind in [Kind::Stands, Kind::Places] {
            assert!(Fact::ask(&space.root(), kind, b"d", &[], now()).is_none());
        }
        assert!(ask(Kind::Kept).is_some(), "no question of time");
        let stamp = Stamp::of(&fs::metadata(space.path("d/f")).unwrap());
        assert!(Fact::seen(Kind::Content, b"d/f", &stamp, now()).is_none());
        assert!(Fact::seen(Kind::Content, b"d/f", &stamp, LATER).is_some());
    }

    #[test]
    fn a_directory_in_another_state_is_listed_again() {
        let space = Space::new();
        let facts = space.ask(Kind::Places, "d");
        fs::write(space.path("d/g"), "").unwrap();
        assert!(space.holds(&facts));
        fs::write(space.path("d/haz.yml"), "").unwrap();
        assert!(!space.holds(&facts));
    }

    #[test]
    fn what_is_not_there_has_no_state() {
        let space = Space::new();
        for (kind, path) in
            [(Kind::Content, "x"), (Kind::Absent, "d"), (Kind::Kept, "d"), (Kind::Kept, "l"), (Kind::Stands, "l")]
        {
            assert!(Fact::ask(&space.root(), kind, path.as_bytes(), &[], LATER).is_none(), "{kind:?} {path}");
        }
        assert!(Fact::ask(&space.root(), Kind::Leads, b"a\0b", &[], LATER).is_none());
    }

    #[test]
    fn bytes_that_are_no_facts_are_refused() {
        let space = Space::new();
        let whole = [space.ask(Kind::Content, "d/f").bytes(), space.ask(Kind::Places, "d").bytes()].concat();
        assert_eq!(Facts::decode(whole.clone()).unwrap().len(), 2);
        for at in 1..whole.len() {
            if let Some(facts) = Facts::decode(whole[..at].to_vec()) {
                assert_eq!(facts.len(), 1, "{at} bytes");
            }
        }
        let mut odd = whole.clone();
        odd[0] = 99;
        assert!(Facts::decode(odd).is_none());
        let mut long = whole;
        long[1..5].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(Facts::decode(long).is_none());
    }
}

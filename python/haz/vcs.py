"""Which files of a workspace differ from a commit (EXEC-026…029): git itself is asked, and only asked.

Nothing is written, not even git's index; what a user has configured for his own eyes does not change the answer, while
what decides contents (filters, ignore files, `safe.directory`) holds.
"""

from __future__ import annotations

import os

from haz._record import Record
from haz.errors import HazError
from haz.ignored import FOREIGN
from haz.names import nearest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Literal

# Set by git for its hooks; all of it is about the repository of the hook, which need not be that of the workspace.
LOCAL = (
    *FOREIGN,
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_NAMESPACE",
    "GIT_QUARANTINE_PATH",
    "GIT_SHALLOW_FILE",
    "GIT_INTERNAL_SUPER_PREFIX",
    "GIT_EXTERNAL_DIFF",
    "GIT_DIFF_OPTS",
    "GIT_LITERAL_PATHSPECS",
    "GIT_GLOB_PATHSPECS",
    "GIT_NOGLOB_PATHSPECS",
    "GIT_ICASE_PATHSPECS",
    "LANGUAGE",
)
FIXED = {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
NEUTRAL = (
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "diff.autoRefreshIndex=true",
    "diff.ignoreSubmodules=none",
    "diff.relative=false",
    "submodule.recurse=false",
)
DIFF = (
    "diff",
    "--raw",
    "-z",
    "--no-abbrev",
    "--no-renames",
    "--no-color",
    "--no-ext-diff",
    "--no-textconv",
    "--ignore-submodules=none",
    "-O/dev/null",
)
SUBMODULE = b"160000"
# The fewest digits that git takes for the start of an id.
SHORTEST = 4
HEADER = "git-changeset enumeration failed"


class VcsError(HazError):
    """Git cannot say what has changed."""

    code = "haz::vcs"

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(f"{HEADER}: {message}")
        self.hint = hint


class UnknownBase(VcsError):  # noqa: N818 - what it is, not that it is one
    """The commit to compare with is not here; `fetch` is the command that brings it, where one is known."""

    def __init__(self, message: str, fetch: str | None, hint: str | None = None) -> None:
        advice = hint or "check the spelling"
        if fetch is not None:
            advice = f"fetch it first: `{fetch}`" + (f"; {hint}" if hint else "")
        super().__init__(message, f"{advice}; or say `--on-unknown all` to take everything as changed")
        self.fetch = fetch


class Filter(Record):
    """What counts as changed: working tree against `HEAD`, index against `HEAD`, or working tree against `revision`.

    With `merge_base` the last compares with the commit at which `HEAD` left the history of `revision`.
    """

    kind: Literal["changed", "staged", "since"]
    revision: str | None = None
    merge_base: bool = False


class Entry(Record):
    """One difference. Modes and object ids are those of both sides; `path` is relative to the top of the repository."""

    modes: tuple[bytes, bytes]
    objects: tuple[str, str]
    path: str

    @property
    def submodule(self) -> bool:
        return SUBMODULE in self.modes


class Changeset:
    """What has changed in a workspace since `base`, a commit id, or None before the first commit.

    `paths` are workspace paths of files, deleted ones too; one that ends in `/` stands for everything below it, where
    git could not say more. `before` and `after` give contents on either side.
    """

    def __init__(self, repository: Repository, base: str | None, paths: frozenset[str], *, staged: bool) -> None:
        self._repository = repository
        self._staged = staged
        self.base = base
        self.paths = paths

    def before(self, path: str) -> bytes | None:
        """Return the content of a file at the base; None when there was none."""
        return None if self.base is None else self._repository.content(self.base, path)

    def after(self, path: str) -> bytes | None:
        if self._staged:
            return self._repository.content("", path)
        try:
            with open(self._repository.directory + path, "rb") as file:
                return file.read()
        except OSError:
            return None


def changeset(root: str, wanted: Filter) -> Changeset:
    """Ask git what has changed below the workspace root. Raises `VcsError`, `UnknownBase`."""
    repository = Repository(os.path.realpath(root), environment(root))
    head = repository.commit("HEAD")
    if wanted.kind == "since":
        base: str | None = _since(repository, head, wanted.revision or "", merge_base=wanted.merge_base)
    else:
        base = head
    staged = wanted.kind == "staged"
    if staged:
        repository.use_hook_index()
    revisions = [*(["--cached"] if staged else []), base or repository.empty_tree()]
    found = set(_differences(repository, "", revisions, staged=staged))
    return Changeset(repository, base, frozenset(_with_links(repository, found)), staged=staged)


def environment(root: str | None) -> dict[str, str]:
    """Return the environment for git: without a hook's, but for a repository that the user keeps elsewhere."""
    found = {name: value for name, value in os.environ.items() if name not in LOCAL}
    place, tree = os.environ.get("GIT_DIR", ""), os.environ.get("GIT_WORK_TREE", "")
    if root is not None and os.path.isabs(place) and os.path.isabs(tree):
        top, here = os.path.realpath(tree), os.path.realpath(root)
        if os.path.commonpath((top, here)) == top:
            found.update(GIT_DIR=place, GIT_WORK_TREE=tree)
    found.update(FIXED)
    return found


class Repository:
    """Questions to git in one directory of a work tree. Raises `VcsError` when that is none."""

    def __init__(self, directory: str, variables: dict[str, str]) -> None:
        self.directory = directory
        self._environment = variables
        code, out, err = self._run("rev-parse", "--is-inside-work-tree", "--show-prefix")
        inside, _, prefix = out.partition(b"\n")
        if code != 0 and b"not a git repository" in err:
            raise VcsError(f"the workspace root {directory} is not inside a git repository: {_told(err)}")
        if code != 0:
            raise VcsError(f"git refuses {directory}: {_told(err)}", _advice(err))
        if inside != b"true":
            raise VcsError(f"the workspace root {directory} is not in the work tree of a git repository")
        self.prefix = os.fsdecode(prefix[:-1])

    def _run(self, *words: str) -> tuple[int, bytes, bytes]:
        import subprocess  # noqa: PLC0415 - slow to import, and few runs ask git

        options = [word for setting in NEUTRAL for word in ("-c", setting)]
        try:
            done = subprocess.run(
                ["git", "--no-pager", "-C", self.directory, *options, *words],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                env=self._environment,
                check=False,
            )
        except OSError as error:
            raise VcsError(f"git cannot be run: {error.strerror}", "install git, or put it on the PATH") from error
        return done.returncode, done.stdout, done.stderr

    def ask(self, *words: str) -> bytes:
        """Return what git prints. Raises `VcsError` with what it says when it fails."""
        code, out, err = self._run(*words)
        if code != 0:
            raise VcsError(f"`git {words[0]}` failed: {_told(err)}", _advice(err))
        return out

    def line(self, *words: str) -> str | None:
        """Return a line that git prints; None when it fails."""
        code, out, _ = self._run(*words)
        return os.fsdecode(out.removesuffix(b"\n")) if code == 0 else None

    def commit(self, revision: str) -> str | None:
        """Return the id of the commit that a revision names; None when it names none that is here."""
        return self.line("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")

    def empty_tree(self) -> str:
        return self.ask("hash-object", "-t", "tree", "--stdin").decode().strip()

    def use_hook_index(self) -> None:
        """Take the index that a hook was given: `git commit -a` keeps what it will commit in one of its own."""
        given = os.environ.get("GIT_INDEX_FILE")
        top = self.line("rev-parse", "--show-toplevel")
        if not given or top is None:
            return
        path = os.path.realpath(os.path.join(top, given))
        own = os.path.realpath(self.line("rev-parse", "--absolute-git-dir") or "")
        if os.path.isfile(path) and ("GIT_DIR" not in os.environ or os.path.dirname(path) == own):
            self._environment = {**self._environment, "GIT_INDEX_FILE": path}

    def differences(self, revisions: list[str]) -> Iterator[Entry]:
        fields = iter(self.ask(*DIFF, *revisions, "--", ".").split(b"\0"))
        for head in fields:
            if head:
                before, after, old, new, _ = head[1:].split(b" ")
                yield Entry((before, after), (old.decode(), new.decode()), os.fsdecode(next(fields)))

    def untracked(self) -> list[str]:
        """Return paths from the top of the repository; of a repository in this one, its directory with a `/`."""
        out = self.ask("ls-files", "--others", "--exclude-standard", "--full-name", "-z", "--", ".")
        return [os.fsdecode(path) for path in out.split(b"\0") if path]

    def links(self) -> list[str]:
        """Return the workspace paths of the symbolic links that git tracks."""
        rows = self.ask("ls-files", "--stage", "--full-name", "-z", "--", ".").split(b"\0")
        skipped = len(self.prefix)
        names = [os.fsdecode(row.partition(b"\t")[2]) for row in rows if row.startswith(b"120000 ")]
        return [f"/{name[skipped:]}" for name in names]

    def content(self, commit: str, path: str) -> bytes | None:
        """Return a file of a commit by its workspace path, of the index when `commit` is empty."""
        code, out, _ = self._run("cat-file", "blob", f"{commit}:{self.prefix}{path[1:]}")
        return out if code == 0 else None


def _differences(repository: Repository, place: str, revisions: list[str], *, staged: bool) -> Iterator[str]:
    """Yield the workspace paths of all that differs. `place` is the workspace path of the repository's directory."""
    skipped = len(repository.prefix)
    for entry in repository.differences(revisions):
        path = f"{place}/{entry.path[skipped:]}"
        yield path
        if entry.submodule:
            yield from _in_submodule(repository, entry, path, staged=staged)
    if not staged:
        for name in repository.untracked():
            yield f"{place}/{name[skipped:]}"


def _with_links(repository: Repository, found: set[str]) -> set[str]:
    """Add the names that what has changed has through symbolic links: an input is read through them."""
    if not found:
        return found
    top = repository.directory.rstrip("/")
    links: dict[str, list[str]] = {}
    for link in repository.links():
        target = os.path.realpath(top + link)
        if f"{target}/".startswith(f"{top}/"):
            links.setdefault(target[len(top) :], []).append(link)
    # Nothing is named through one link twice, as it could be in a circle.
    queue: list[tuple[str, frozenset[str]]] = [(path, frozenset()) for path in sorted(found)] if links else []
    for path, passed in queue:
        above = path
        while True:
            for link in links.get(above, ()):
                name = link + path[len(above) :]
                if link not in passed and name not in found:
                    found.add(name)
                    queue.append((name, passed | {link}))
            if not above:
                break
            above = above.rpartition("/")[0]
    return found


def _in_submodule(repository: Repository, entry: Entry, path: str, *, staged: bool) -> Iterator[str]:
    """Look into a submodule that has moved or is dirty; what cannot be looked into has changed as a whole."""
    directory = f"{repository.directory}/{entry.path[len(repository.prefix) :]}"
    old, new = entry.objects
    if entry.modes == (SUBMODULE, SUBMODULE) and os.path.lexists(f"{directory}/.git"):
        try:
            inner = Repository(directory, environment(None))
            if not inner.prefix and inner.commit(old) and (not staged or inner.commit(new)):
                revisions = [old, new] if staged else [old]
                yield from list(_differences(inner, path, revisions, staged=staged))
                return
        except VcsError:
            pass  # nobody can look into it, which is said by the path below
    yield f"{path}/"


def _since(repository: Repository, head: str | None, revision: str, *, merge_base: bool) -> str:
    option = f"--git-changed-since {revision}"
    if not revision or revision.startswith("-"):
        raise VcsError(f"{option}: a revision cannot be empty or start with `-`")
    if ".." in revision:
        advice = "name one commit; with `--merge-base` it is compared with as `REV...HEAD` is"
        raise VcsError(f"{option} failed: `{revision}` is a range", advice)
    commit = repository.commit(revision)
    if commit is None:
        fetch, hint = _fetching(repository, revision, whole=merge_base)
        raise UnknownBase(f"{option} failed: git does not know the commit `{revision}`", fetch, hint)
    if not merge_base:
        return commit
    found = head and repository.line("merge-base", head, commit)
    if found is None and head is not None and _is_shallow(repository):
        message = f"{option} failed: the clone is too shallow to hold what `HEAD` and `{revision}` have in common"
        raise UnknownBase(message, _fetching(repository, revision, whole=True)[0])
    if found is None:
        why = "there is no commit yet" if head is None else f"`HEAD` and `{revision}` have no history in common"
        raise UnknownBase(f"{option} failed: {why}", None, "compare without `--merge-base`")
    return found


def _is_shallow(repository: Repository) -> bool:
    return repository.line("rev-parse", "--is-shallow-repository") == "true"


def _fetching(repository: Repository, revision: str, *, whole: bool) -> tuple[str | None, str | None]:
    """Return the command that brings a commit with as much history as is needed, and what else can be said."""
    import shlex  # noqa: PLC0415 - needed on failure only

    # `origin/main~3` needs the history of `origin/main`.
    stem = min((revision.partition(mark)[0] for mark in ("~", "^", "@{")), key=len)
    name = stem.removeprefix("refs/").removeprefix("heads/").removeprefix("remotes/").removeprefix("tags/")
    is_tag = stem in (f"refs/tags/{name}", f"tags/{name}")
    is_head = name in ("HEAD", "@", "")
    is_hex = len(name) >= SHORTEST and not name.strip("0123456789abcdefABCDEF")
    shallow = _is_shallow(repository)
    if is_head and not shallow:
        return None, "the history of `HEAD` does not go back that far" if name else None
    remotes = (repository.line("remote") or "").split("\n")
    remote = "origin" if "origin" in remotes else remotes[0]
    refs = (repository.line("for-each-ref", "--format=%(refname:short)") or "").split("\n")
    here = nearest(name, refs) if not remote else f"{remote}/{name}" if f"{remote}/{name}" in refs else None
    if here is not None and not (is_head or is_tag):
        says = "it is called" if remote else "perhaps you mean"
        return None, f"{says} `{here}{revision[len(stem) :]}`" + (" here" if remote else "")
    if not remote:
        return None, None
    whole = whole or revision != stem
    depth = [] if not shallow else ["--unshallow"] if whole else ["--depth=1"]

    def command(*words: str) -> str:
        return " ".join(map(shlex.quote, ("git", "fetch", *words)))

    def branch_of(known: str, branch: str) -> str:
        return command(*depth, known, f"+refs/heads/{branch}:refs/remotes/{known}/{branch}")

    for known in remotes:
        branch = name.removeprefix(f"{known}/")
        if branch != name:
            return branch_of(known, branch), None
    if is_tag:
        return command(*depth, remote, "tag", name), None
    if is_hex and len(name) in (40, 64):
        return command(*depth, remote, name), None
    way = f"`{branch_of(remote, name)}` and is then called `{remote}/{name}`"
    if shallow:
        return command("--unshallow", "--tags", remote), None if is_head or is_hex else f"a branch comes with {way}"
    return None, f"a tag comes with `{command(remote, 'tag', name)}`, a branch with {way}"


def _told(err: bytes) -> str:
    """Return what git said, in one line."""
    lines = [line.strip() for line in err.decode(errors="replace").splitlines()]
    return " ".join(line for line in lines if line and not line.startswith("hint:")).removeprefix("fatal: ")


def _advice(err: bytes) -> str | None:
    if b"dubious ownership" in err:
        return "the repository belongs to somebody else; trust it with `git config --global --add safe.directory DIR`"
    return None

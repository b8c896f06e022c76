"""The native core: everything that touches many files or many processes at once.

Paths are `str` as `os.fsdecode` gives it. A *workspace path* starts with `/` and is relative to the workspace root.
`algorithm` is `"blake3"` or `"sha256"`; anything else is a `ValueError`. Digests are 32 raw bytes. Every call that does
I/O or hashing releases the GIL. File errors are `haz.errors.FileSystemError`.

Work that may take long is submitted with a `token` of the caller's choice and answered by exactly one event
`(kind, token, payload)` of the `Queue` that the working object was made with; failures of submitted work are payloads,
never exceptions.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, final

from haz.errors import FileSystemError

__all__ = [
    "Blobs",
    "Checkpoint",
    "Environment",
    "FileLocks",
    "Finished",
    "Inputs",
    "Node",
    "PatternSet",
    "Processes",
    "Proven",
    "Queue",
    "Records",
    "Tree",
    "Watch",
    "ask_facts",
    "check_pattern",
    "compress",
    "decompress",
    "deliver_signals",
    "digest_bytes",
    "digest_files",
    "escape_pattern",
    "fill",
    "give_large_blocks_back",
    "install_signal_handlers",
    "is_orphan",
    "json_dumps",
    "json_loads",
    "look_ahead",
    "publish",
    "step",
    "suspend",
    "unique_name",
    "yaml_parse",
]

def digest_bytes(data: bytes, algorithm: str = "blake3") -> bytes:
    """Digest of `data`."""

def digest_files(
    paths: Sequence[str], algorithm: str = "blake3", packed: Sequence[bool] | None = None
) -> list[bytes | FileSystemError]:
    """Digest of each regular file's content, in the order given, read in parallel; decompressed first where `packed`.

    A file that cannot be read, or is no regular file, yields its error.
    """

def compress(data: bytes) -> bytes:
    """One zstd frame with these bytes."""

def decompress(frame: bytes, size: int) -> bytes:
    """The content of a frame that must have exactly `size` bytes, else `ValueError`. Never holds more than that."""

def unique_name() -> str:
    """Return a name for something that goes in the end, or, when this process is gone, with the next cleaning."""

def is_orphan(name: str) -> bool:
    """Whether it is the name of a temporary file whose process was one of this machine, and is gone."""

def publish(path: str, data: bytes, clear: bool = False) -> None:
    """Write `data` to a unique sibling of `path` and rename it there: readers see the old file or the whole new one.

    Missing parent directories are created. With `clear` a directory at `path`, or a file in the place of its parent, is
    removed. Not fsynced: a manifest lost or torn by power failure is a miss.
    """

def step(name: str) -> None:
    """A named moment between two changes of the disk. `HAZ_CRASH_AT=name:n` kills this process at the n-th of them."""

def json_loads(data: bytes) -> Any:
    """Parse strict JSON (UTF-8, no duplicate keys, no trailing bytes). Raises `ValueError`."""

def json_dumps(value: Any) -> bytes:
    """Compact JSON of None, bool, int (64 bit), float, str, list, tuple and dict[str, …]. Raises `TypeError`/`ValueError`.

    Text with lone surrogates is refused; encode paths that may hold them before.
    """

@final
class Records:
    """Makes records of what `marshal` has read: a list `[code, value of a field, …]` stands for one."""

    def __new__(cls, row: type[Any], kinds: Sequence[tuple[type, Sequence[str]]]) -> Records:
        """Code 0 is a `row`, a subclass of `tuple`; 1 is the first of `kinds`: a class, and the slots that are its fields.

        Raises `ValueError` where a class is not made as `object` is.
        """

    def unpacked(self, value: Any) -> Any:
        """Return `value` with records for the lists in it, also within tuples and the values of dicts.

        Neither `__init__` nor `__setattr__` of a record is called. Raises `ValueError` for a list that is no record.
        """

@final
class Queue:
    """The event queue between the core's threads and the one thread that drives a run."""

    def __new__(cls) -> Queue: ...
    def wait(self, timeout: float | None = None) -> list[tuple[str, int, Any]]:
        """Take all events that are there; wait for the first one at most `timeout` seconds (None: for ever).

        An empty list means that the time ran out. Only one thread may wait.
        """

# --- patterns (spec 01 §9, D11) --------------------------------------------------------------------------------------

def check_pattern(text: str) -> bool:
    """Validate a pattern as written (either anchor, without `!`). True for a glob, False for a literal (PATH-008).

    Raises `haz.errors.PatternError`.
    """

def escape_pattern(text: str) -> str:
    """Escape the glob metacharacters of a path, so that it can be the prefix of an anchored glob (O22)."""

@final
class PatternSet:
    """Many compiled pattern lists ("specs"), sharing equal patterns.

    Each pattern is `(anchored, literal, exclude)` as in `haz.model.Pattern`: `anchored` starts with `/`; a literal is a
    plain path, never unescaped. A path belongs to a spec when a pattern of it matches and no exclusion of it does
    (exclusions win wherever they stand; they do not silence a literal). A fourth member is a group, a list within the
    list: its exclusions hold for patterns of that group alone, those of group 0, the default, for all.
    Raises `haz.errors.PatternError`.
    """

    def __new__(cls, specs: Sequence[Sequence[tuple[str, bool, bool] | tuple[str, bool, bool, int]]]) -> PatternSet: ...
    def __len__(self) -> int: ...
    def matching(self, path: str) -> list[int]:
        """Indices of the specs that `path`, a workspace path, belongs to, ascending. Pure: no disk."""

    def first_foreign(self, spec: int, paths: Sequence[str]) -> str | None:
        """The first of these workspace paths that does not belong to the spec. Pure: no disk."""

# --- files -----------------------------------------------------------------------------------------------------------

@final
class Inputs:
    """The resolved and hashed input files of one spec."""

    @property
    def digest(self) -> bytes:
        """Digest of the `inputs` section of the cache key (`docs/cache-key.md`); empty when `error` is set."""

    @property
    def error(self) -> tuple[str, str, str] | None:
        """`(kind, workspace path, reason)`; kind is `resolve`, `read`, `not_regular` or `outside`. The first in path order.

        The path of an `outside` that a glob ran into is that of the link, not of what matched behind it.
        """

    def rows(self) -> list[tuple[str, bytes, bool]]:
        """`(workspace path, digest, executable)` of each file, once, sorted by path bytes."""

    def rewritten_since(self, earlier: Inputs) -> list[str]:
        """The files that have the content which they had in `earlier`, but were written in between."""

@final
class Tree:
    """The workspace's files: one shared walk for many specs, digests remembered while stat says they still hold.

    A digest is reused only if path, device, inode, size, mtime and ctime (ns) agree and the file had not changed within
    the clock tick before it was read; from one process to the next, within the two seconds before.
    """

    def __new__(
        cls,
        queue: Queue,
        root: str,
        algorithm: str,
        patterns: PatternSet,
        workers: int = 0,
        stat_cache: str | None = None,
    ) -> Tree:
        """`root` is the absolute workspace root. `workers` is the number of reader threads, 0 for the core's choice.

        `stat_cache` is the file that carries digests from one process to the next; one that is unusable counts as empty.
        """

    def save_stat_cache(self) -> bool:
        """Replace the file `stat_cache` with what is known now, if that is worth it; whether it was replaced.

        A file that cannot be written stays as it is. Its directory is made, but not the one above.
        """

    def fingerprint(self, token: int, specs: Sequence[int]) -> None:
        """Resolve and hash the files of these specs of `patterns` in one walk. Event `("inputs", token, list[Inputs])`.

        The walk enters only what the literal prefixes of the patterns allow, never `.git` or `.haz` (unless a literal
        names something there), and passes over files that a restore is putting in place (`.haz-tmp-…`); it reads the
        disk anew on every call.
        """

    def outputs(self, token: int, spec: int) -> None:
        """List the outputs of a spec of `patterns` for a task that is not stored. Nothing is read.

        Event `("outputs", token, list of workspace paths)` without directories, or `(kind, path, reason)` as the
        `collected` event of `Blobs` has it.
        """

    def survey(self, token: int, spec: int) -> None:
        """List the files and links of a spec of `patterns` by `lstat` alone, links being themselves.

        Event `("surveyed", token, rows)` with rows `(workspace path, inode, size, written)`, sorted by path bytes:
        `written` in nanoseconds since the epoch. What cannot be listed is left out.
        """

    def survey_now(self, spec: int) -> list[tuple[str, int, int, int]]:
        """Wait for the rows of `survey`."""

@final
class Blobs:
    """A content-addressed store in one directory: `<directory>/<first two hex digits>/<hex digest>`.

    Blobs appear by rename and are never changed; many processes may use one directory.
    """

    def __new__(
        cls,
        queue: Queue,
        root: str,
        directory: str,
        algorithm: str,
        tree: Tree,
        compressed: bool = False,
        own_path: bool = False,
    ) -> Blobs:
        """`root` is the absolute workspace root, `directory` is created on the first write.

        New contents are `compressed` or not; both kinds are found. `own_path` asks for the event of that name.
        """

    def present(self, blobs: Sequence[tuple[bytes, int]]) -> bool:
        """Whether every `(digest, size)` is there as a regular file, of that size unless compressed. Nothing is read."""

    def touch(self, blobs: Sequence[tuple[bytes, int]]) -> None:
        """Stamp these `(digest, size)` as used now, where that can be done."""

    @property
    def added(self) -> int:
        """Bytes that were written to the directory by this."""

    def collect(self, token: int, patterns: PatternSet, spec: int, streams: Finished | None) -> None:
        """Resolve the outputs of a spec, copy their contents into the store, and the captured streams with them.

        Event `("collected", token, rows)` with rows `("file", path, digest, size, mode)`, `("symlink", path, target)` or
        `("directory", path)`, sorted by path bytes, each path once; directories are those that a literal names, and
        empty ones. Before it may come `("own_path", token, path)`: this output holds the path of the workspace, and
        perhaps others do. Each content has been read back when the event comes; or, when it failed, a tuple `(kind, path, reason)` with kind
        `not_produced`, `not_regular`, `resolve`, `mode` or `store`. The kinds are tried in that order: what is wrong
        with the outputs is told before what is wrong with the store, and with `store` the rows are a fourth member.
        The path is empty where a captured stream could not be stored. An output that `restore` would refuse is a
        `store` failure, one below a link too. Globs keep links as they are, dangling ones too.
        """

    def restore(
        self,
        token: int,
        rows: Sequence[tuple[Any, ...]],
        streams: Sequence[tuple[bytes, int]],
        leftovers: Sequence[tuple[str, int, int, int]],
        directories: Sequence[str],
        patterns: PatternSet | None = None,
        spec: int = 0,
    ) -> None:
        """Put outputs in place as the rows say and verify the stream blobs.

        A blob that does not have its digest is removed from the store. An output that already has the right bytes and
        mode is left untouched. Everything is verified against its digest and staged before the first output is renamed
        into place. A path that leaves the workspace, runs through a symlinked parent, or into `.git` or `.haz` is
        refused.
        Then `leftovers`, as `(workspace path, inode, size, written)`, are removed where the file is still in that state,
        and of `directories` those that this leaves empty. With `patterns` what the rows do not have is removed from the
        directories that are outputs of `spec` as a whole.

        Event `("restored", token, (written, kept, contents, recent))`: how many files were put in place or removed, how
        many were right already, per stream its bytes when it is at most 1 MiB, else None, and whether an output that was
        kept may have been put there since the tree was made. When it failed: a text that says what went wrong.
        """

    def read(self, digest: bytes, offset: int, length: int) -> bytes:
        """At most `length` bytes of a blob from `offset`; empty at its end. Raises `FileSystemError`."""

@final
class FileLocks:
    """Advisory locks between the haz processes of one workspace, in a file in `directory`, which is created when needed.

    A lock belongs to an open file description, so it vanishes when its holder dies, and no child inherits it.
    """

    def __new__(cls, queue: Queue, directory: str) -> FileLocks: ...
    def acquire(self, token: int, name: str, exclusive: bool) -> bool:
        """Take the lock `name` for `token`, which must not be in use. Shared holders tolerate each other.

        True when it is held now. Else events: `("waiting", token, pid | None)` when it is not free, with a holder's pid
        where it is known; then `("locked", token, None)`, or `("locked", token, text)` when it cannot be had: the directory cannot be written,
        or the holder is a process that this one descends from, which waits for us.
        """

    def share(self, token: int, names: Sequence[str]) -> bool:
        """Take these locks for `token` beside others who share them; False when somebody has one of them for himself.

        Nothing waits, and nothing is written. True also where they cannot be had, as `acquire` tells. For more than 64
        names every lock is shared, those of other names too, if nobody has any for himself.
        """

    def release(self, token: int) -> None:
        """Give the lock back, or stop waiting: no event is pushed for `token` any more. Without effect when unknown."""

    def note(self) -> None:
        """Tell the other processes that files have changed or a result was stored. Trouble is told by `acquire` only."""

    def changed(self) -> bool:
        """Whether another process has called `note` since the last question, or since this was made."""

# --- changes to files ------------------------------------------------------------------------------------------------

@final
class Watch:
    """Hears of changes to files below `root` from its construction to `close()` or deletion, on a thread of its own.

    What matters: files that match a spec of `patterns`, also those to which links lead; `files`, workspace paths that
    may lie in `.haz` too, where one with a `/` at the end stands for whatever is right in that directory; and files with
    one of `names` wherever a pattern leads. A change may be told that is none; none is left out silently.
    Raises `haz.errors.FileSystemError` when the system refuses, as when the user may not listen to so many directories.
    """

    def __new__(cls, root: str, patterns: PatternSet, files: Sequence[str], names: Sequence[str]) -> Watch: ...
    def tell(self, queue: Queue, token: int) -> None:
        """Push `("changed", token, None)` once, with the next change; at once when there is one that was not taken.

        Replaces what was asked for before.
        """

    def take(self) -> tuple[list[str], list[str]]:
        """Take what has changed since the last time, sorted, and why some things may go unheard from now on.

        Workspace paths; one that ends in `/` stands for everything below it, `/` for everything.
        """

    def close(self) -> None:
        """Hear nothing any more. Idempotent."""

# --- processes -------------------------------------------------------------------------------------------------------

@final
class Finished:
    """How a child ended, and what it wrote. Holds captured bytes (memory, or a spill file) until `close()` or deletion."""

    @staticmethod
    def _of(code: int | None, signal: int | None, stdout: bytes, stderr: bytes, algorithm: str = "blake3") -> Finished:
        """A finished child that never ran, for fakes in tests."""

    @property
    def code(self) -> int | None:
        """Exit code 0-255, or None when a signal ended it."""

    @property
    def signal(self) -> int | None: ...
    @property
    def stdout(self) -> tuple[bytes, int]:
        """`(digest, size in bytes)` of everything read from standard output."""

    @property
    def stderr(self) -> tuple[bytes, int]: ...
    @property
    def error(self) -> tuple[str, str] | None:
        """`(kind, reason)` when something went wrong.

        `spawn`: it never executed, and there is neither code nor signal; `wait`: reaping failed; `stdout`, `stderr`:
        capturing failed.
        """

    @property
    def lost(self) -> str | None:
        """Why the bytes of a stream could not be kept. Digest and size are right all the same."""

    def close(self) -> None: ...

@final
class Environment:
    """The whole environment of children, made once for all that have the same."""

    def __new__(cls, variables: Sequence[tuple[str, str]]) -> Environment:
        """Of equal names the last one wins. What no environment can hold is refused by `Processes.spawn`."""

@final
class Processes:
    """Children in process groups of their own, their output captured and streamed.

    stdin is /dev/null; all descriptors but 0-2 are closed; signal mask and dispositions are the default ones. When haz
    dies, however that happens, its children die: by a parent-death signal (Linux), and by the hand of a watchdog process
    that the first spawn starts. On Linux that finds everything that a child started, elsewhere the children's groups.

    Whoever waits in `queue` reads the pipes and reaps meanwhile; while nobody does, a child that writes waits.
    """

    def __new__(cls, queue: Queue, algorithm: str, spill_directory: str, memory_limit: int = 8388608) -> Processes:
        """A stream larger than `memory_limit` bytes spills to an unlinked file in `spill_directory` (created then).

        `ValueError`: the queue has other processes already.
        """

    def spawn(
        self,
        token: int,
        argv: Sequence[str],
        env: Environment,
        cwd: str,
        secrets: Sequence[str] = ...,
    ) -> int:
        """Start a child; returns its pid, which is also its process group.

        Where one of `secrets` stands in its output there is `***`, in all that anybody gets to see of it: events,
        digests, captured bytes. Bytes that may be the beginning of one wait for what follows.

        A program without `/` is looked up on the PATH of `env`, or `/bin:/usr/bin` without one; one with `/` relative
        to `cwd`. A token may be used again after its `exit`. To be called from the main thread: on Linux a child dies
        with the thread that spawned it. Raises `haz.errors.SpawnError`, `haz.errors.NonAbsoluteCwd`.

        On Linux the child executes its program on its own while this returns. What keeps it from doing so (a directory
        that it cannot enter, a `#!` line that leads nowhere) is told by its `exit`, with an error of kind `spawn`.

        Events: `("output", token, (1 | 2, bytes))` as bytes arrive; `("reaped", token, None)` when the leader ended
        while a pipe is still held open by a descendant; at last `("exit", token, Finished)`, when the leader has ended
        and both pipes are at their end. Reading pauses while more than a few MiB of events wait to be taken.
        """

    def signal(self, token: int, signum: int) -> bool:
        """Signal the child's group. False when the group is gone. Raises `haz.errors.SignalError`.

        Works after `exit` too, while members of the group live on; until `exit`, an ended leader counts as a member.
        A group id is never used after it may have become somebody else's.
        """

    def end(self, token: int, signum: int) -> bool:
        """Signal every process of the child: its group and, on Linux, those that left it. False when it has ended.

        From now on `exit` comes when none of them lives any more (Linux), or after `abandon`. SIGTERM also continues
        what is stopped. Raises `haz.errors.SignalError` when one of them cannot be signalled, after all the others were.
        """

    def members(self, token: int) -> list[int]:
        """Pids of the living processes of a child besides its leader: its group and, on Linux, those that left it.

        Empty after its `exit`, and on systems other than Linux.
        """

    def dismiss(self, token: int, signum: int) -> int:
        """Signal each of `descendants()`, and return how many live.

        Unless that is 0, `("gone", token, None)` comes when the last one has ended. May be repeated.
        """

    def abandon(self, token: int) -> None:
        """Stop reading the pipes of a child and waiting for its strays: `exit` follows as soon as the leader is reaped.

        A leader that runs as another user, and so cannot be ended, is given up: its `exit` has an error of kind `wait`.
        """

    def adopt_orphans(self) -> None:
        """Become the parent of descendants whose own parent ends, and reap them. Linux; elsewhere nothing happens.

        A child process that was not spawned here counts as such an orphan unless it is in haz's own process group.
        Deleting this object then kills every descendant, not only the groups.
        """

    @staticmethod
    def descendants() -> list[int]:
        """Pids of the living processes whose chain of parents leads here. Empty on systems other than Linux.

        Those in haz's own process group (a `git` that haz asked something) and what they started are left out.
        """

    @staticmethod
    def kill_descendants(signum: int) -> int:
        """Signal each of `descendants()` and those that appear meanwhile; returns how many were signalled."""

def install_signal_handlers() -> None:
    """Handle SIGINT, SIGTERM, SIGHUP and SIGQUIT by leaving at once with status 128 + n, until `deliver_signals`.

    A signal that was ignored when the process started stays ignored. Idempotent. Only from the main thread.
    """

def deliver_signals(queue: Queue | None) -> None:
    """From now on such signals become events `("signal", n, None)` of `queue`; with None they end the process again.

    SIGTSTP, which otherwise stops the process, becomes `("suspend", n, None)`.
    """

def fill(record: object, fields: tuple[str, ...], values: tuple[Any, ...]) -> None:
    """Set attributes as `object.__setattr__` does, whatever the record's own says.

    Raises `ValueError` for another number of values, `AttributeError` for what cannot be set, `TypeError` for a name that is
    no `str`.
    """

def give_large_blocks_back() -> None:
    """Have large blocks of memory go back to the system when they are freed, from 256 KiB on. For a process of our own.

    With glibc, which keeps them for later otherwise; elsewhere nothing happens.
    """

def suspend() -> None:
    """Stop this process as SIGTSTP would have done; return when it is continued."""

# --- YAML (spec 01 §3) -----------------------------------------------------------------------------------------------

@final
class Node:
    """A YAML node with its place. Aliases and merge keys are already expanded.

    An alias has its own place, what is below it that of the anchor. Keys are scalars or null.
    """

    @property
    def kind(self) -> str:
        """`scalar`, `null`, `sequence` or `mapping`."""

    @property
    def value(self) -> Any:
        """Source text of a scalar; list[Node]; list[tuple[Node, Node]] in file order; None."""

    @property
    def plain(self) -> bool:
        """Whether a scalar was written without quotes and not as a block."""

    @property
    def line(self) -> int:
        """1-based; of the first character."""

    @property
    def column(self) -> int:
        """1-based, in characters."""

    @property
    def end_line(self) -> int: ...
    @property
    def end_column(self) -> int:
        """Of the character after the last one."""

def yaml_parse(data: bytes) -> Node:
    """Parse one document. Raises `haz.errors.YamlError` (syntax, encoding, several or no documents, duplicate keys, limits)."""

@final
class Checkpoint:
    """Which tasks were up to date when an earlier run ended, with the facts about the disk that prove it.

    A shortcut only: a task that is not recorded, or whose facts do not all hold, is to be looked up as ever.
    """

    def __new__(cls, root: str, file: str, identity: bytes) -> Checkpoint:
        """Read `file`. Empty where it is absent, damaged, or of another `identity`: a digest of all that is not a file.

        `root` is the absolute workspace root.
        """

    def __len__(self) -> int:
        """How many tasks are recorded."""

    def unchanged(
        self, tasks: Sequence[int], others: Sequence[int], host: Mapping[str, str], restoring: bool = False
    ) -> tuple[
        list[int],
        list[bytes],
        list[tuple[bytes, int, bytes, int]],
        list[tuple[str, ...]],
        list[tuple[int, list[int]]],
        bool,
    ]:
        """Tell those of the tasks that are still up to date together with all that they come after, in the order given.

        `others` are in the run too, and count as changed. `host` is the invoking environment. The answer has columns: the
        numbers of the tasks, their keys, `(digest, size)` of stdout and stderr in one tuple, the workspace paths of the
        outputs; then the numbers of those of which something is missing, with the places of that in their outputs; and
        whether no two of them have the same output. Nothing is missing unless `restoring`: then all hold once `put_back`
        has restored all of that. Entries of the store are noted as used, to the day.
        """

    def put_back(self, blobs: Blobs, missing: Sequence[tuple[int, Sequence[int]]]) -> list[int]:
        """Restore missing outputs, by numbers of tasks and places in their outputs; the numbers of those that have all.

        What lies in the place of one is left alone.
        """

    def record(
        self,
        blobs: Blobs,
        candidates: Iterable[
            tuple[
                int,
                tuple[int, int],
                tuple[Sequence[tuple[int, tuple[bytes, bytes]]], Sequence[int]],
                Sequence[str],
                bytes,
                bytes,
                str,
                Sequence[tuple[bytes, int]],
                Sequence[tuple[Any, ...]],
            ]
        ],
        host: Mapping[str, str],
        at: int | None = None,
    ) -> int:
        """Write the file anew: what it held, and those of the candidates that prove to be up to date.

        A candidate is its number, the numbers of its input and output lists in the patterns of the store's tree, its
        direct hard predecessors with the digests of the streams in its key, its soft ones, the host variables in its key,
        key, digest of its inputs, path of its entry, `(digest, size)` of both streams, and the rows of its outputs as
        `Blobs.restore` takes them.
        What was written in the last two seconds before `at` (nanoseconds since the epoch; None: now) proves nothing yet.
        Returns how many are new; without any the file is left alone. Raises `FileSystemError`.
        """

def ask_facts(
    root: str, questions: Sequence[tuple[str, str]], names: Sequence[str], at: int | None = None
) -> bytes | None:
    """Ask the disk, and keep the answers for a `Proven` file. None when one of them proves nothing, or not yet.

    A question is a kind and a path, relative to `root`, or absolute: `content` (the state of a file, links followed, or of
    the names in a directory), `itself` (the same of a link), `absent`, `dangling` (a link that leads nowhere), `kept` (a
    regular file: which one, and its size), `leads` (which file or directory is there), `stands` (which directory is there,
    and that no link to it is), and `places` (the directories and links in a directory, and which of `names`). Raises `ValueError` for other kinds. `at` is when somebody
    began to look at the same (nanoseconds since the epoch, by default now): what has changed since, or so shortly before
    that a change could have left no trace, proves nothing.
    """

def look_ahead(directory: str, name: str, configuration: str, names: Sequence[str]) -> None:
    """Begin to ask the facts of a `Checkpoint`, on other threads: the file `name` of the nearest directory upwards.

    Before that those of the `Proven` file `configuration` of the same directory; `names` as in `ask_facts`. The next
    `Checkpoint`, and the next `Proven`, of those files take the answers. A new call, a `Proven` of another file or for the
    second time, or the end of the process, makes an end of it.
    """

@final
class Proven:
    """A file that is believed because the facts in it hold."""

    @staticmethod
    def read(root: str, file: str, head: bytes, first: bytes, names: Sequence[str]) -> Proven | None:
        """Read `file`, and ask the disk. Releases the GIL, parallel.

        The file is `head` (a line and a digest of what it was made for, 32 bytes), the BLAKE3 digest of all else, the
        length of the facts (`u64`, little-endian), the facts, as `ask_facts` gives them for `root` and `names`, and the
        payload. None where it is not such a file, its digest or the head is another, its facts do not begin with `first`, or
        do not all hold.
        """

    @property
    def identity(self) -> bytes:
        """The digest of all of it."""

    def __len__(self) -> int:
        """Bytes of the payload."""

    def part(self, start: int, end: int) -> bytes:
        """Some bytes of the payload. Raises `ValueError` where it has none."""

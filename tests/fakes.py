"""Scripted stand-ins for the ports: a virtual clock, processes that behave as told, a store in memory."""

from __future__ import annotations

import hashlib
from collections import deque

from haz._core import Finished
from haz.cache.manifest import FileRow
from haz.cache.store import Hit, Miss
from haz.errors import SignalError, SpawnError, StoreError
from haz.events import RunObserver


class Clock:
    """Seconds that pass only when somebody waits."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


class FakeEvents:
    """Events by virtual time. Waiting moves the clock to the next event or to the deadline."""

    def __init__(self, clock):
        self.clock = clock
        self.pending = []
        self.count = 0
        self.waits = 0
        self.on_exit = lambda token: None

    def at(self, delay, kind, token, payload=None):
        self.count += 1
        self.pending.append((self.clock.now + delay, self.count, (kind, token, payload)))
        self.pending.sort(key=lambda entry: entry[:2])

    def drop(self, token):
        self.pending = [entry for entry in self.pending if entry[2][1] != token]

    def wait(self, timeout=None):
        self.waits += 1
        if not self.pending:
            assert timeout is not None, "the run waits for ever"
            self.clock.now += timeout
            return []
        due = self.pending[0][0]
        if timeout is not None and due > self.clock.now + timeout:
            self.clock.now += timeout
            return []
        self.clock.now = max(self.clock.now, due)
        ready = [event for at, _, event in self.pending if at <= self.clock.now]
        for kind, token, _ in ready:
            if kind == "exit":
                self.on_exit(token)
        self.pending = [entry for entry in self.pending if entry[0] > self.clock.now]
        return ready


ENDS = {
    "unreadable": ("stdout", "gone"),
    "lost": ("wait", "no such child"),
    "refused": ("spawn", "the interpreter of its #! line does not exist"),
}


class FakeProcesses:
    """Children that do what their first argument says.

    `ok`, `fail`, `exit:N`, `say:TEXT`, `sleep:SECONDS`, `polite` (ends on TERM with 0), `stubborn` (ends on KILL),
    `clings` (leader ends on KILL, a stranger keeps the pipe), `missing` (cannot be started), `refused` (nor this one,
    as is known later), `flaky:N` (fails N times), `lingers:SECONDS` (leader ends after a second, its output later),
    `unreadable` (its output cannot be read), `lost` (cannot be reaped), `untouchable` (runs as another user).

    `strays` says what is left behind: `polite` ends on TERM, `stubborn` on KILL, `untouchable` never.
    """

    def __init__(self, events):
        self.events = events
        self.log = []
        self.words = {}
        self.runs = {}
        self.ended = set()
        self.strays = None
        events.on_exit = self.ended.add

    def spawn(self, token, argv, env, cwd, secrets=()):
        word, _, value = argv[0].partition(":")
        if word == "missing":
            raise SpawnError(argv[0], "not found in PATH")
        self.words[token] = word
        name = (cwd, *argv)
        self.runs[name] = self.runs.get(name, 0) + 1
        self.log.append(("spawn", *argv))
        if word == "flaky":
            self._end(token, 1 if self.runs[name] <= int(value) else 0, f"attempt {self.runs[name]}\n".encode())
        elif word in ("ok", "fail", "exit"):
            self._end(token, {"ok": 0, "fail": 1}.get(word, int(value or 0)))
        elif word == "say":
            self.events.at(0, "output", token, (1, value.encode()))
            self._end(token, 0, value.encode())
        elif word == "sleep":
            self._end(token, 0, delay=float(value))
        elif word == "lingers":
            self.events.at(1, "reaped", token)
            self._end(token, 0, delay=float(value))
        elif word in ENDS:
            finished = FakeFinished(ENDS[word])
            self.events.at(0, "exit", token, finished)
        return 1000 + token

    def _end(self, token, code, out=b"", delay=0.0, signal=None):
        self.events.at(delay, "exit", token, Finished._of(code, signal, out, b""))

    def signal(self, token, signum):
        if token in self.ended:
            self.log.append(("sweep", signum))
            return False
        self.log.append(("signal", signum))
        word = self.words[token]
        if word == "untouchable":
            raise SignalError(signum, 1000 + token, "Operation not permitted")
        if word == "clings":
            if signum == 9:
                self.events.at(0, "reaped", token)
        elif (word in ("polite", "sleep") and signum == 15) or signum == 9:
            self.events.drop(token)
            if word == "polite":
                self._end(token, 0, b"bye\n")
            else:
                self._end(token, None, signal=signum)
        return True

    def end(self, token, signum):
        return self.signal(token, signum)

    def members(self, token):
        return []

    def dismiss(self, token, signum):
        if self.strays is not None:
            self.log.append(("dismiss", signum))
        if self.strays == "polite" or (self.strays == "stubborn" and signum == 9):
            self.strays = None
            self.events.at(0.5, "gone", token)
            return 1
        return 0 if self.strays is None else 1

    def abandon(self, token):
        self.log.append(("abandon",))
        if self.words[token] == "untouchable":
            self.events.at(0, "exit", token, FakeFinished(("wait", "it runs as another user")))
            return
        self._end(token, None, signal=9)


class FakeFinished:
    """An end that went wrong."""

    code = None
    signal = None
    stdout = stderr = (b"\0" * 32, 0)

    def __init__(self, error):
        self.error = error

    def close(self):
        pass


class FakeInputs:
    """Resolved inputs: rows, or an error."""

    def __init__(self, rows=(), error=None, rewritten=()):
        self._rows = list(rows)
        self.rewritten = list(rewritten)
        self.error = error
        self.digest = b"" if error else hashlib.sha256(repr(self._rows).encode()).digest()

    def rows(self):
        return self._rows

    def rewritten_since(self, earlier):
        return self.rewritten if earlier is not self else []


class FakeFiles:
    """Answers by spec number from `answers` (a list is used up one by one); what is not there has no inputs."""

    def __init__(self, events):
        self.events = events
        self.answers = {}
        self.asked = []
        self.delay = 0.0

    def fingerprint(self, token, specs):
        self.asked.append(list(specs))
        self.events.at(self.delay, "inputs", token, [self._answer(spec) for spec in specs])

    def outputs(self, token, spec):
        found = self._answer(spec)
        self.events.at(self.delay, "outputs", token, found.error or [path for path, _, _ in found.rows()])

    def save_stat_cache(self):
        return False

    def _answer(self, spec):
        answer = self.answers.get(spec, FakeInputs())
        if isinstance(answer, deque):
            return answer.popleft() if len(answer) > 1 else answer[0]
        return answer


class FakeStore:
    """Entries in a dict. `collected` maps output spec numbers to what their collection answers."""

    def __init__(self, events):
        self.events = events
        self.entries = {}
        self.collected = {}
        self.restored = {}
        self.contents = {}
        self.broken = False

    added = 0

    def lookup(self, key):
        return Hit(self.entries[key]) if key in self.entries else Miss(key, "no entry")

    def restore(self, token, hit, leftovers=(), directories=(), patterns=None, spec=0):
        answer = (0, len(hit.manifest.outputs), [self.contents.get(hit.manifest.key, b""), b""], False)
        self.events.at(0, "restored", token, self.restored.get(hit.manifest.key, answer))

    def read_stream(self, blob):
        yield from ()

    def collect(self, token, patterns, spec, finished):
        self.events.at(0, "collected", token, self.collected.get(spec, []))

    def publish(self, manifest):
        if self.broken:
            raise StoreError("no space left on device")
        self.entries[manifest.key] = manifest


def file_row(path):
    """A `collected` row."""
    row = FileRow(path, b"\1" * 32, 1, 0o644)
    return ("file", row.path, row.digest, row.size, row.mode)


class FakeLocks:
    """Other processes, as told: `held` has for each lock its holder's pid and when that gives it back (None: never).

    `then` is called when a lock is given back so.
    """

    def __init__(self, events):
        self.events = events
        self.held = {}
        self.then = lambda name: None
        self.broken = None
        self.log = []
        self.names = {}

    def share(self, token, names):
        assert token not in self.names, "the token is in use"
        [name] = names
        self.log.append(("share", name))
        _, until = self.held.get(name, (None, 0.0))
        if until is None or until > self.events.clock.now:
            return False
        self.names[token] = name
        return True

    def acquire(self, token, name, exclusive):
        assert token not in self.names, "the token is in use"
        self.log.append(("acquire", name, exclusive))
        if self.broken:
            self.events.at(0, "locked", token, self.broken)
            return False
        self.names[token] = name
        pid, until = self.held.pop(name, (None, 0.0))
        if until is not None and until <= self.events.clock.now:
            self.then(name)
            return True
        self.events.at(0, "waiting", token, pid)
        if until is not None:
            self.then(name)
            self.events.at(until - self.events.clock.now, "locked", token)
        return False

    def release(self, token):
        if token in self.names:
            self.log.append(("release", self.names.pop(token)))
            self.events.drop(token)

    def note(self):
        self.log.append(("note",))

    def changed(self):
        return False


class Diary(RunObserver):
    """Writes down every callback as one tuple."""

    def __init__(self):
        self.entries = []

    def __getattribute__(self, name):
        if not name.startswith("on_"):
            return object.__getattribute__(self, name)
        return lambda *values: self.entries.append((name[3:], *values))

    def of(self, name):
        return [entry[1:] for entry in self.entries if entry[0] == name]


class FakeChanges:
    """What has changed, as told; contents on both sides by path."""

    def __init__(self, paths, before=None, after=None):
        self.paths = frozenset(paths)
        self._sides = before or {}, after or {}

    def before(self, path):
        return self._sides[0].get(path)

    def after(self, path):
        return self._sides[1].get(path)

"""A success that needed a retry: stored only where that was asked for, and then with its history."""

from __future__ import annotations

from typing import TYPE_CHECKING

from haz.cache import formats
from haz.cache.manifest import decode

if TYPE_CHECKING:
    from tests.space import Space

FLAKY = """
    t:
      shell: "test -e tried || {{ touch tried; exit 7; }}; echo made > out"
      outputs: [out]
      retries: {{max: 2, delay: 0, cache: {cache}}}
"""


def test_a_pass_that_needed_a_retry_is_not_stored(space: Space) -> None:
    """D5, D7."""
    space.project("lib", FLAKY.format(cache="false"))
    done = space.run("--workspace").ok()
    assert "the result was not stored: it took 2 attempts" in done.err
    assert space.run("--workspace").ok().ran == {"lib:t"}
    assert space.run("--workspace").ok().cached == {"lib:t"}


def test_a_pass_that_needed_a_retry_is_stored_with_its_history_where_asked_for(space: Space) -> None:
    """CACHE-011, D7."""
    space.project("lib", FLAKY.format(cache="true"))
    assert "not stored" not in space.run("--workspace").ok().err
    assert space.run("--workspace").ok().cached == {"lib:t"}
    (entry,) = (path for path in (space.root / ".haz/cache" / formats.ENTRIES).rglob("*") if path.is_file())
    (attempt,) = decode(entry.read_bytes(), bytes.fromhex(entry.name), "blake3").attempts
    assert (attempt.attempt, attempt.phase, attempt.error, attempt.exit_code) == (1, "failed", "exit 7", 7)

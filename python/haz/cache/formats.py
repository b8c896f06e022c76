"""The only list of on-disk names and versions. An unknown version is simply absent.

```
<cache>/CACHEDIR.TAG                          backup tools leave the cache alone
<cache>/blobs-v1/<algorithm>/<kk>/<digest>    one file per distinct content: outputs and streams; `.zst` when compressed
<cache>/entries-v1/<algorithm>/<kk>/<key>     one manifest per cache key, published by one rename
<cache>/size-v1                               how large it was when somebody looked, for collection
<cache>/stat-v1/<algorithm>                   digests of files by what `stat` says; the core knows what is in it
```
`kk` is the first two of the 64 hex digits. Beside the cache, wherever that is:

```
<root>/.haz/locks/v1/held       locks between processes, and who holds them
<root>/.haz/locks/v1/changes    a byte for each time that a process changed files
<root>/.haz/state/produced-v1/  which outputs each task has made itself
<root>/.haz/state/workspace-v1  the configuration as it was understood last
<root>/.haz/state/checkpoint-v1  which tasks were up to date, and what proves it
<root>/.haz/state/slices-v1/    parts of lock files by digest, for explanations only
<root>/.haz/state/tools-v1      what tools with `memo: true` have answered
```
"""

from __future__ import annotations

import os

MARKER = ".haz/workspace.yml"
PROJECT_FILE = "haz.yml"
MISNAMED_FILE = "haz.yaml"
# Of plain files, the names that discovery heeds: what `places` means to `_core.ask_facts`.
SEEN_NAMES = (PROJECT_FILE, MISNAMED_FILE)

KEY_REVISION = 1
HASH_IDS = {"blake3": 0, "sha256": 1}

BLOBS = "blobs-v1"
ENTRIES = "entries-v1"
STAT = "stat-v1"
SPILL = "spill"
SIZE = "size-v1"
LOCKS = ".haz/locks/v1"
PRODUCED = ".haz/state/produced-v1"
SLICES = ".haz/state/slices-v1"
PRODUCED_MAGIC = b"haz-produced 1 "
SNAPSHOT = ".haz/state/workspace-v1"
SNAPSHOT_MAGIC = b"haz-workspace 5\n"
EXAMINED = ".haz/state/check-v1"
EXAMINED_MAGIC = b"haz-check 1\n"
CHECKPOINT = ".haz/state/checkpoint-v1"
TOOLS = ".haz/state/tools-v1"
TOOLS_MAGIC = b"haz-tools 1 "
MANIFEST_MAGIC = b"haz-manifest 2 "

CACHEDIR_TAG = "CACHEDIR.TAG"
CACHEDIR_TAG_TEXT = b"Signature: 8a477f597d28d172789f06886806bc55\n# This directory is a cache of haz.\n"


def platform() -> str:
    """Return the platform that results are valid for: `linux-x86_64`, `darwin-arm64`, …."""
    system = os.uname()
    return f"{system.sysname.lower()}-{system.machine}"


def blobs_directory(cache: str, algorithm: str) -> str:
    return f"{cache}/{BLOBS}/{algorithm}"


def entries_directory(cache: str, algorithm: str) -> str:
    return f"{cache}/{ENTRIES}/{algorithm}"


def entry_path(cache: str, algorithm: str, key: bytes) -> str:
    name = key.hex()
    return f"{cache}/{ENTRIES}/{algorithm}/{name[:2]}/{name}"


def stat_cache(cache: str, algorithm: str) -> str:
    return f"{cache}/{STAT}/{algorithm}"


def locks_directory(root: str) -> str:
    return f"{root}/{LOCKS}"


def text_of(raw: bytes) -> str:
    """Make bytes a JSON-safe text, losslessly: UTF-8, or NUL followed by one character per byte."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return "\0" + raw.decode("latin-1")


def bytes_of(text: str) -> bytes:
    """Invert `text_of`. Raises `ValueError` for a text it cannot have made."""
    return text[1:].encode("latin-1") if text.startswith("\0") else text.encode()

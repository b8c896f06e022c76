"""Golden vectors of keys: shapes of tasks as data, and a second implementation of docs/cache-key.md.

    python -m tests.formats.key_vectors     prints the vectors anew, after the key revision was raised

Everything here is made of `hashlib`, the `blake3` package and the document; nothing of haz is imported.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import blake3

FILE = Path(__file__).with_name("key-vectors-1.json")
REVISION = 1
HASHES = {
    "blake3": (0, lambda data: blake3.blake3(data).digest()),
    "sha256": (1, lambda data: hashlib.sha256(data).digest()),
}

# A shape says only what differs from this. Texts that start with `base64:` are bytes that are not UTF-8. Digests of
# files, streams and tools are those of the given contents.
BASE: dict[str, Any] = {
    "command": ["echo", "hi"],
    "root": "/lib",
    "platform": "linux-x86_64",
    "inputs": [],
    "outputs": [],
    "predecessors": [],
    "from_host": [],
    "override": {},
    "secret": [],
    "host": {},
    "tools": [],
    "arguments": [],
}
NOT_TEXT = "base64:" + base64.b64encode(b"v\xff\x00"[:2]).decode()
SRC = [["/lib/src/a.txt", "alpha\n", False], ["/lib/src/sub/b.txt", "beta\n", False], ["/top.cfg", "k=v\n", False]]
SHAPES: dict[str, dict[str, Any]] = {
    "a command": {},
    "a command without arguments": {"command": ["true"]},
    "empty and non-ASCII arguments": {"command": ["/bin/echo", "", "café ☕"]},
    "an argument that is not UTF-8": {"command": ["echo", NOT_TEXT]},
    "two arguments that read like one": {"command": ["echo", "h", "i"]},
    "a script": {"shell": ["sh", "exit 0"]},
    "a script that ends in a newline": {"shell": ["sh", "exit 0\n"]},
    "a script of another shell": {"shell": ["bash", "exit 0"]},
    "a script of a shell of one's own": {"shell": ["zsh", "echo"]},
    "arguments of the run": {"arguments": ["--fast"]},
    "an empty argument of the run": {"arguments": [""]},
    "a script with arguments of the run": {"shell": ["sh", "exit 0"], "arguments": ["a", "b"]},
    "one input": {"inputs": [["/lib/a", "a", False]]},
    "an empty input": {"inputs": [["/lib/a", "", False]]},
    "an executable input": {"inputs": [["/lib/a", "a", True]]},
    "inputs below and outside of the project": {"inputs": SRC},
    "inputs are sorted by bytes": {
        "inputs": [[f"/lib/s/{name}", name, False] for name in ("a/b", "a-b", "é", "a.txt", "B", "a")]
    },
    "an input whose name is not UTF-8": {"inputs": [["base64:" + base64.b64encode(b"/lib/\xff").decode(), "x", False]]},
    "a literal output": {"outputs": [["literal", "/lib/app"]]},
    "an output pattern": {"outputs": [["glob", "/lib/out/*.txt"]]},
    "outputs with exclusions": {
        "outputs": [
            ["glob", "/lib/out/**"],
            ["!glob", "/lib/out/tmp/**"],
            ["!literal", "/lib/out/log"],
            ["literal", "/b"],
        ]
    },
    "one output listed in two ways": {"outputs": [["literal", "/lib/app"], ["literal", "/lib/app"]]},
    "an escaped project root": {"root": "/a[b]", "outputs": [["glob", "/a\\[b\\]/*.o"]]},
    "a predecessor": {"predecessors": [["lib", "gen", "made\n", ""]]},
    "a predecessor that writes to the other stream": {"predecessors": [["lib", "gen", "", "made\n"]]},
    "predecessors are sorted as pairs": {"predecessors": [["ab", "a", "1", ""], ["a", "z", "2", ""]]},
    "variables that are not set": {"from_host": ["B", "A"]},
    "a variable that is empty": {"from_host": ["B", "A"], "host": {"A": ""}},
    "variables that are set": {"from_host": ["B", "A"], "host": {"A": "one", "B": "two"}},
    "a variable that is not UTF-8": {"from_host": ["A"], "host": {"A": NOT_TEXT}},
    "a variable with line breaks": {"from_host": ["A"], "host": {"A": "x=y\n☕"}},
    "an override": {"override": {"A": "fixed", "0": ""}},
    "an override that shadows the host": {
        "from_host": ["A", "B"],
        "override": {"A": "x"},
        "host": {"A": "1", "B": "2"},
    },
    "a secret": {"secret": ["TOKEN"], "host": {"TOKEN": "c0rrect-horse"}},
    "a secret that is not set": {"secret": ["TOKEN"]},
    "a secret that is empty": {"secret": ["TOKEN"], "host": {"TOKEN": ""}},
    "the same secret under another name": {"secret": ["KEY"], "host": {"KEY": "c0rrect-horse"}},
    "a secret of a long name": {"secret": ["T" * 256], "host": {"T" * 256: "c0rrect-horse"}},
    "all kinds of variables": {
        "from_host": ["CI"],
        "override": {"LC_ALL": "C"},
        "secret": ["B", "A"],
        "host": {"CI": "1", "A": "first secret", "B": NOT_TEXT},
    },
    "a tool": {"tools": [["rustc --version", "1.80"]]},
    "tools are sorted": {"tools": [["rustc --version", "1.80"], ["/rust-toolchain", "stable"]]},
    "a project at the root": {"root": "", "inputs": [["/a", "a", False]]},
    "a nested project": {"root": "/apps/web"},
    "another platform": {"platform": "darwin-arm64"},
    "everything": {
        "shell": ["bash", "make all\n"],
        "arguments": ["--fast", ""],
        "root": "/apps/web",
        "inputs": SRC,
        "outputs": [["glob", "/apps/web/dist/**"], ["!glob", "/apps/web/dist/*.map"], ["literal", "/apps/web/app"]],
        "predecessors": [["lib", "gen", "out\n", "err\n"], ["core", "build", "", ""]],
        "from_host": ["CI", "UNSET"],
        "override": {"A": "", "B": "b"},
        "secret": ["TOKEN"],
        "host": {"CI": "true", "TOKEN": "c0rrect-horse", "PATH": "/bin"},
        "tools": [["cc -v", "13.2"]],
    },
}


def raw(text: str) -> bytes:
    return base64.b64decode(text[7:]) if text.startswith("base64:") else text.encode()


def u32(number: int) -> bytes:
    return number.to_bytes(4, "big")


def lp(data: bytes) -> bytes:
    return u32(len(data)) + data


def rows(found: list[list[bytes]]) -> bytes:
    return u32(len(found)) + b"".join(u32(len(row)) + b"".join(map(lp, row)) for row in found)


def hmac_sha256(secret: bytes, value: bytes) -> bytes:
    """RFC 2104."""
    if len(secret) > 64:
        secret = hashlib.sha256(secret).digest()
    inner, outer = (bytes(byte ^ pad for byte in secret.ljust(64, b"\0")) for pad in (0x36, 0x5C))
    return hashlib.sha256(outer + hashlib.sha256(inner + value).digest()).digest()


def key(shape: dict[str, Any], algorithm: str) -> bytes:
    """Derive the key of a shape by the letter of docs/cache-key.md."""
    number, digest = HASHES[algorithm]
    task = {**BASE, **shape}
    action = [[b"shell", *map(raw, task["shell"])]] if "shell" in task else [[b"command", *map(raw, task["command"])]]
    if task["arguments"]:
        action.append([b"arguments", *map(raw, task["arguments"])])
    files = sorted((raw(path), digest(raw(content)), executable) for path, content, executable in task["inputs"])
    inputs = u32(len(files)) + b"".join(content + bytes([executable]) + lp(path) for path, content, executable in files)
    outputs = sorted({(kind.encode(), raw(pattern)) for kind, pattern in task["outputs"]})
    before = sorted((p.encode(), t.encode(), out, err) for p, t, out, err in task["predecessors"])
    host = {name: raw(value) for name, value in task["host"].items()}
    environment = [
        [b"from_host", name.encode(), *([host[name]] if name in host else [])]
        for name in sorted(task["from_host"])
        if name not in task["override"]
    ]
    environment += [[b"override", name.encode(), raw(value)] for name, value in sorted(task["override"].items())]
    for name in sorted(task["secret"]):
        hashed = [hmac_sha256(b"haz secret 1 " + name.encode(), host[name])] if name in host else []
        environment.append([b"secret", name.encode(), *hashed])
    tools = sorted((raw(label), digest(raw(content))) for label, content in task["tools"])
    sections = {
        "action": rows(action),
        "inputs": inputs,
        "outputs": rows([list(row) for row in outputs]),
        "predecessors": rows([[p, t, digest(raw(out)), digest(raw(err))] for p, t, out, err in before]),
        "environment": rows(environment),
        "tools": rows([list(row) for row in tools]),
        "place": rows([[b"project", raw(task["root"])], [b"platform", raw(task["platform"])]]),
    }
    head = bytes([REVISION, number]) + u32(len(sections))
    return digest(head + b"".join(lp(name.encode()) + digest(image) for name, image in sections.items()))


def document() -> str:
    vectors = [
        {"name": name, "shape": shape, "keys": {algorithm: key(shape, algorithm).hex() for algorithm in HASHES}}
        for name, shape in SHAPES.items()
    ]
    return json.dumps({"revision": REVISION, "base": BASE, "vectors": vectors}, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(document())

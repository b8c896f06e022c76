"""`haz cache export` and `import`: one file, in which nothing is believed."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from haz._core import digest_bytes
from tests.space import Space

TASKS = """
a: {shell: "cat in; mkdir -p d; cp in d/x; ln -sf x d/l; chmod 750 d/x", inputs: [in], outputs: ["d/**"]}
b: {shell: "echo b; echo b > b", outputs: [b]}
"""


def lay_out(space: Space) -> Space:
    space.project("lib", TASKS)
    space.write("lib/in", "1\n")
    return space


@pytest.fixture
def full(space: Space) -> Space:
    lay_out(space).run("--workspace").ok()
    return space


@pytest.fixture
def other(tmp_path_factory: pytest.TempPathFactory) -> Space:
    return lay_out(Space(tmp_path_factory.mktemp("other")))


def members(file: Path) -> list[tuple[tarfile.TarInfo, bytes]]:
    with tarfile.open(file) as tar:
        return [(member, tar.extractfile(member).read()) for member in tar]  # type: ignore[union-attr]


def pack(file: Path, packed: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    with tarfile.open(file, "w") as tar:
        for member, data in packed:
            tar.addfile(member, io.BytesIO(data))


def exported(space: Space, *tasks: str) -> Path:
    file = space.root.parent / f"{space.root.name}.tar"
    space.haz("cache", "export", *tasks, "-o", str(file)).ok()
    return file


def test_results_of_one_machine_are_hits_on_another(full: Space, other: Space) -> None:
    file = exported(full)
    done = other.haz("cache", "import", str(file)).ok()
    assert done.out.startswith("imported: 2 entries, ")
    again = other.run("--workspace").ok()
    assert again.cached == {"lib:a", "lib:b"}
    assert other.files("lib") == full.files("lib")
    assert (other.root / "lib/d/l").readlink() == Path("x")
    assert "already there: 2 entries\n" in other.haz("cache", "import", str(file)).ok().out
    assert other.haz("cache", "verify").ok()
    assert not [path for path in (other.root / ".haz/cache/spill").iterdir() if path.name != ".gitignore"]


def test_equal_entries_give_equal_files_and_any_tar_reads_them(full: Space) -> None:
    first = exported(full).read_bytes()
    assert exported(full).read_bytes() == first
    names = subprocess.run(["tar", "tf", exported(full)], capture_output=True, check=True).stdout.decode().split()
    assert names[0] == "haz-export-1"
    assert names[-1] == "haz-export-end"
    kinds = [name.partition("/")[0] for name in names[1:-1]]
    assert kinds == sorted(kinds)


def test_tasks_choose_what_is_exported(full: Space, other: Space) -> None:
    other.haz("cache", "import", str(exported(full, "lib:b"))).ok()
    assert other.run("--workspace").ok().cached == {"lib:b"}
    done = full.haz("cache", "export", "lib:nix", "-o", "x.tar")
    assert done.code == 2
    assert "nix" in done.err
    assert full.haz("cache", "export").code == 2


def test_a_damaged_blob_keeps_its_entry_out_of_the_export(full: Space, other: Space) -> None:
    blobs = [path for path in (full.root / ".haz/cache/blobs-v1").rglob("*") if path.is_file()]
    victim = next(path for path in blobs if path.read_bytes() == b"1\n")
    victim.chmod(0o644)
    victim.write_bytes(b"2\n")
    file = full.root.parent / "damaged.tar"
    done = full.haz("cache", "export", "-o", str(file))
    assert done.code == 2
    assert "of lib:a is left out: the blob" in done.err
    other.haz("cache", "import", str(file)).ok()
    assert other.run("--workspace").ok().cached == {"lib:b"}


def link(name: str, target: str, kind: bytes) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


DIGEST = digest_bytes(b"evil").hex()
HOSTILE = [
    (link(f"blobs/blake3/{DIGEST}", "/etc/passwd", tarfile.SYMTYPE), "not a plain file"),
    (link(f"blobs/blake3/{DIGEST}", "haz-export-1", tarfile.LNKTYPE), "not a plain file"),
    (link(f"blobs/blake3/{DIGEST}", "", tarfile.FIFOTYPE), "not a plain file"),
    (link("blobs", "", tarfile.DIRTYPE), "not a plain file"),
    (tarfile.TarInfo("/etc/haz-was-here"), "its name is not one"),
    (tarfile.TarInfo(f"../blobs/blake3/{DIGEST}"), "its name is not one"),
    (tarfile.TarInfo(f"blobs/blake3/../{DIGEST}"), "its name is not one"),
    (tarfile.TarInfo(f"blobs/md5/{DIGEST}"), "its name is not one"),
    (tarfile.TarInfo(f"blobs/blake3/{DIGEST.upper()}"), "its name is not one"),
    (tarfile.TarInfo(f"blobs/blake3/{DIGEST[:-1]}"), "its name is not one"),
    (tarfile.TarInfo(f"blobs/blake3/{'0' * 64}"), "does not have the digest"),
    (tarfile.TarInfo(f"blobs/sha256/{DIGEST}"), "does not have the digest"),
    (tarfile.TarInfo(f"entries/blake3/{DIGEST}"), "corrupt entry"),
]


@pytest.mark.parametrize(("member", "reason"), HOSTILE, ids=[f"{m.name[:16]}-{m.type!r}" for m, _ in HOSTILE])
def test_a_hostile_member_is_refused_and_the_others_are_taken(
    full: Space, other: Space, member: tarfile.TarInfo, reason: str
) -> None:
    file = exported(full)
    packed = members(file)
    data = b"evil" if member.isreg() else b""
    member.size = len(data)
    pack(file, [packed[0], (member, data), *packed[1:]])
    done = other.haz("cache", "import", str(file))
    assert done.code == 2
    assert reason in done.err
    assert "refused: " in done.out
    assert not Path("/etc/haz-was-here").exists()
    assert other.run("--workspace").ok().cached == {"lib:a", "lib:b"}
    other.haz("cache", "verify").ok()


def test_an_entry_without_its_blob_and_one_of_another_key_are_refused(full: Space, other: Space) -> None:
    file = exported(full)
    packed = members(file)
    kept = [pair for pair in packed if not (pair[0].name.startswith("blobs") and pair[1] == b"b\n")]
    entries = [pair for pair in packed if pair[0].name.startswith("entries")]
    forged = tarfile.TarInfo(entries[0][0].name[:-1] + ("0" if entries[0][0].name[-1] != "0" else "1"))
    forged.size = entries[0][0].size
    pack(file, [*kept[:-1], (forged, entries[0][1]), kept[-1]])
    done = other.haz("cache", "import", str(file))
    assert done.code == 2
    assert "a blob that it names is not there" in done.err
    assert "belongs to another key" in done.err
    assert other.run("--workspace").ok().cached == {"lib:a"}


def test_a_file_that_is_cut_off_anywhere_leaves_no_half_entry(full: Space, other: Space) -> None:
    data = exported(full).read_bytes()
    file = other.root.parent / "cut.tar"
    # The last 10 KiB are padding: cut before it.
    end = data.rindex(b"haz-export-end")
    for size in (0, 100, 512, 1000, end // 2, end - 700, end + 100):
        file.write_bytes(data[:size])
        done = other.haz("cache", "import", str(file))
        assert done.code == 2, size
        assert "Traceback" not in done.err
        assert str(file) in done.err
        found = other.haz("cache", "info").ok().out
        assert "corrupt entries: 0\n" in found
        other.haz("cache", "verify").ok()


@pytest.mark.parametrize("change", ["size", "header"])
def test_lies_in_the_headers_are_found(full: Space, other: Space, change: str) -> None:
    file = exported(full)
    data = bytearray(file.read_bytes())
    at = data.index(b"blobs/blake3/")
    if change == "size":
        data[at + 124 : at + 136] = b"77777777777\0"
        data[at + 148 : at + 156] = b" " * 8
        data[at + 148 : at + 156] = b"%06o\0 " % sum(data[at : at + 512])
    else:
        data[at + 200] ^= 1
    file.write_bytes(data)
    done = other.haz("cache", "import", str(file))
    assert done.code == 2
    assert "Traceback" not in done.err


def test_what_is_no_export_is_told(other: Space) -> None:
    file = other.write("some.tar", b"no tar at all")
    for path in (str(file), str(other.root), "/nowhere/x.tar"):
        done = other.haz("cache", "import", path)
        assert done.code == 2
        assert path in done.err
    pack(file, [(tarfile.TarInfo("README"), b"")])
    assert "not an export" in other.haz("cache", "import", str(file)).err


def test_memory_is_flat(full: Space, other: Space) -> None:
    """A blob of 200 MB passes through either end in a few MiB."""
    full.project("big", "t: {shell: 'head -c 200000000 /dev/zero > z', outputs: [z]}")
    full.run("big:t").ok()
    file = full.root.parent / "big.tar"
    script = """
import resource, runpy, sys
limit = 150 << 20
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
sys.argv = sys.argv[1:]
runpy.run_module("haz", run_name="__main__")
"""
    for space, words in ((full, ("export", "big:t", "-o", str(file))), (other, ("import", str(file)))):
        command = [sys.executable, "-c", script, "haz", "cache", *words]
        done = subprocess.run(command, cwd=space.root, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
    file.unlink()

"""What `haz cache info` and `haz cache clean` print: AUX-019, AUX-024, and docs/cli/cache.md for the data."""

from __future__ import annotations

from haz.cache.collect import MODES
from haz.cache.formats import HASH_IDS, KEY_REVISION
from haz.streams import valid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from haz.cache.collect import Cleaning, Inspection


def info_text(inspection: Inspection) -> str:
    """Render `haz cache info` (AUX-019)."""
    sound = inspection.sound
    lines = [
        f"cache root: {inspection.cache}",
        f"well-formed entries: {len(sound)}",
        f"corrupt entries: {len(inspection.corrupt)}",
        f"orphan tmp directories: {len(inspection.temporary)}",
        "orphan restore directories: 0",
        f"total bytes: {inspection.total_bytes}",
    ]
    if sound:
        lines.append("by schema:")
        for algorithm in HASH_IDS:
            count = sum(entry.algorithm == algorithm for entry in sound)
            if count:
                lines.append(f"  (revision={KEY_REVISION}, hash={algorithm}): {count}")
    return "".join(f"{line}\n" for line in lines)


def info_value(inspection: Inspection) -> dict[str, Any]:
    """Return the same as data; docs/cli/cache.md has its schema."""
    counts = {name: sum(entry.algorithm == name for entry in inspection.sound) for name in HASH_IDS}
    return {
        "version": 1,
        "root": valid(inspection.cache),
        "wellFormed": len(inspection.sound),
        "corrupt": len(inspection.corrupt),
        "temporary": len(inspection.temporary),
        "bytes": inspection.total_bytes,
        "schemas": [
            {"revision": KEY_REVISION, "hash": name, "entries": count} for name, count in counts.items() if count
        ],
    }


def cleaning_text(cleaning: Cleaning, *, dry_run: bool) -> str:
    """Render the report of `haz cache clean` (AUX-024)."""
    verb, orphans, size = ("would evict", "noted", "projected") if dry_run else ("evicted", "removed", "reclaimed")
    counts = {mode: sum(m == mode for _, m in cleaning.evicted) for mode in MODES}
    lines = ["dry-run: AUX-024 plan only, no entries removed."] if dry_run else []
    lines.append(f"entries inspected: {cleaning.inspected}")
    lines += [f"{verb} {mode}: {count}" for mode, count in counts.items()]
    lines += [
        f"orphan tmp directories {orphans}: {len(cleaning.temporary)}",
        f"orphan restore directories {orphans}: 0",
        f"bytes {size}: {cleaning.size}",
    ]
    if dry_run and cleaning.evicted:
        lines.append("dry-run plan:")
        for entry, mode in cleaning.in_order:
            place = f"created_at={entry.created_at} footprint={entry.footprint}"
            lines.append(f"  {entry.name[:8]} {place} mode={mode}")
    return "".join(f"{line}\n" for line in lines)


def cleaning_value(cleaning: Cleaning, *, dry_run: bool) -> dict[str, Any]:
    """Return the same as data, with what could not be read or removed; docs/cli/cache.md has its schema."""
    return {
        "version": 1,
        "dryRun": dry_run,
        "inspected": cleaning.inspected,
        "evicted": [
            {"key": entry.name, "mode": mode[2:], "createdAt": entry.created_at, "bytes": entry.footprint}
            for entry, mode in cleaning.in_order
        ],
        "temporary": len(cleaning.temporary),
        "bytes": cleaning.size,
        "troubles": [valid(str(trouble)) for trouble in cleaning.troubles],
    }

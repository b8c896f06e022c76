"""Print the distinct words of the given files, one a line, in alphabetical order."""

import re
import sys
from collections.abc import Iterable


def words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]+(?:'[a-z]+)?", text.lower()))


def listing(texts: Iterable[str]) -> str:
    found = set().union(*(words(text) for text in texts))
    return "".join(f"{word}\n" for word in sorted(found))


def main(paths: list[str]) -> None:
    texts = []
    for path in paths:
        with open(path, encoding="utf-8") as file:
            texts.append(file.read())
    sys.stdout.write(listing(texts))


if __name__ == "__main__":
    main(sys.argv[1:])

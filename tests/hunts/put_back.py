"""Looks for a story in which what is put back, or left alone because of that, is not what a full look would have made.

    python -m tests.hunts.put_back [STORIES [SEED]]

The stories are those of `tests/e2e/test_put_back.py`, longer ones and many more.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
from pathlib import Path

from tests.e2e.test_put_back import begin, tell
from tests.eager import eager


def main(stories: int, seed: int) -> int:
    wrong = 0
    for number in range(seed, seed + stories):
        with tempfile.TemporaryDirectory() as home, eager():
            try:
                tell(begin(Path(home)), random.Random(number), 12)
            except AssertionError as error:
                wrong += 1
                sys.stdout.write(f"seed {number}: {error}\n")
        told = number - seed + 1
        if told % 50 == 0 or told == stories:
            sys.stdout.write(f"{told} stories from seed {seed}: {wrong} wrong\n")
            sys.stdout.flush()
    return int(wrong > 0)


if __name__ == "__main__":
    os.environ.setdefault("FLAVOUR", "plain")
    words = [int(word) for word in sys.argv[1:]]
    sys.exit(main(*(words + [200, 1][len(words) :])))

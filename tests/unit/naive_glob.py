"""Globs by translation to `re`, written apart from the product as its oracle (spec 01 §9.4, D11)."""

from __future__ import annotations

import re


def translate(glob):
    """One anchored glob; `**` only as a whole segment."""
    out, i = "", 0
    while i < len(glob):
        rest = glob[i:]
        if rest.startswith("/**/"):
            out += "(?:/[^/]+)*"
            i += 3
        elif rest == "/**":
            out += "/.+"
            i += 3
        elif glob[i] == "{":
            end = glob.index("}", i)
            out += "(?:" + "|".join(translate(part) for part in glob[i + 1 : end].split(",")) + ")"
            i = end + 1
        elif glob[i] == "[":
            start = i + 1 + (glob[i + 1] in "!^")
            end = glob.index("]", start + 1)
            body = glob[start:end].replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]").replace("^", "\\^")
            body = body.replace("&", "\\&").replace("|", "\\|").replace("~", "\\~")
            out += f"(?!/)[{'^' if start > i + 1 else ''}{body}]"
            i = end + 1
        elif glob[i] == "\\":
            out += re.escape(glob[i + 1])
            i += 2
        else:
            out += {"*": "[^/]*", "?": "[^/]"}.get(glob[i]) or re.escape(glob[i])
            i += 1
    return out


class NaivePatterns:
    """Stands in for `haz._core.PatternSet` with the same meaning, one pattern after the other."""

    def __init__(self, specs):
        self.specs = [
            [
                (
                    literal,
                    exclude,
                    group[0] if group else 0,
                    anchored if literal else re.compile(translate(anchored), re.DOTALL),
                )
                for anchored, literal, exclude, *group in patterns
            ]
            for patterns in specs
        ]

    def __len__(self):
        return len(self.specs)

    def matching(self, path):
        return [number for number, patterns in enumerate(self.specs) if self._belongs(patterns, path)]

    @staticmethod
    def _belongs(patterns, path):
        matching = [row for row in patterns if (row[3] == path if row[0] else row[3].fullmatch(path))]
        excluded = {group for _, exclude, group, _ in matching if exclude}
        return any(literal or not excluded & {0, group} for literal, exclude, group, _ in matching if not exclude)

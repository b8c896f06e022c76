"""Filter expressions: `!`, `&`, `|` and parentheses over atoms (QRY-002)."""

from __future__ import annotations

from haz._record import Record
from haz.errors import HazError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Literal

    from haz.diagnostics import Diagnostic

    Step = tuple[Literal["test", "not", "stop_unless", "stop_if"], int]

_OPERATORS = "|&!()"
_BLANKS = " \t"


class Problem(Record):
    """What is wrong with the expression of one flag. `start` and `end` are characters from 0; `end` is exclusive."""

    flag: str
    expression: str
    kind: Literal["syntax", "atom"]
    reason: str
    start: int
    end: int

    @property
    def message(self) -> str:
        if self.kind == "syntax":
            return f"{self.flag}: failed to parse expression `{self.expression}`: {self.reason}"
        return f"{self.flag}: invalid atom in `{self.expression}`: {self.reason}"

    def picture(self) -> str:
        """Return the expression and, under the span, a line of carets."""
        blanks = "".join("\t" if char == "\t" else " " for char in self.expression[: self.start])
        return f"{self.expression}\n{blanks}{'^' * max(1, self.end - self.start)}"


class QueryError(HazError):
    """Expressions that cannot be used: all of them, in the order of their flags."""

    code = "haz::qry::expression"

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__(problems[0].message)
        self.problems = problems

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        from haz.diagnostics import Diagnostic  # noqa: PLC0415 - seldom asked for

        return tuple(Diagnostic(self.code, problem.message) for problem in self.problems)


class SyntaxProblem(Exception):  # noqa: N818 - not an error that leaves this package
    """An expression breaks the grammar at a character."""

    def __init__(self, reason: str, at: int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.at = at


class Atom(Record):
    """A token of an expression without the escapes of the expression, and where it stands (characters)."""

    text: str
    start: int
    end: int


class Expression(Record):
    """A parsed expression: its atoms, and the steps that combine them from left to right.

    `test n` asks atom n; `not` turns the last answer; `stop_if n` and `stop_unless n` go to step n with the last answer
    when it is true, or false. Steps rather than a tree, so that no depth of parentheses exhausts the stack.
    """

    text: str
    atoms: tuple[Atom, ...]
    steps: tuple[Step, ...]

    def evaluate(self, test: Callable[[int], bool]) -> bool:
        """Combine the answers that `test` gives per atom; it is only asked for atoms that matter."""
        at = 0
        answer = False
        steps = self.steps
        while at < len(steps):
            kind, target = steps[at]
            at += 1
            if kind == "test":
                answer = test(target)
            elif kind == "not":
                answer = not answer
            elif answer == (kind == "stop_if"):
                at = target
        return answer


class _Group:
    """A sum being read: where its `(` stands, whether it is negated, and the jumps that wait for their target."""

    __slots__ = ("conjuncts", "disjuncts", "negated", "opener")

    def __init__(self, opener: int, *, negated: bool) -> None:
        self.opener = opener
        self.negated = negated
        self.conjuncts: list[int] = []
        self.disjuncts: list[int] = []


def parse(text: str) -> Expression:
    """Parse an expression. Raises `SyntaxProblem`; offsets in its reasons are bytes."""
    if not text.strip(_BLANKS):
        raise SyntaxProblem("filter expression is empty", 0)
    atoms: list[Atom] = []
    steps: list[Step] = []
    groups = [_Group(-1, negated=False)]
    at = 0
    while True:
        at = _operand(text, at, atoms, steps, groups)
        at = _skip(text, at)
        while at < len(text) and text[at] == ")" and len(groups) > 1:
            _close(groups.pop(), steps)
            at = _skip(text, at + 1)
        group = groups[-1]
        if at == len(text):
            if len(groups) > 1:
                raise SyntaxProblem(f"unmatched '(' at byte {_byte(text, group.opener)}", group.opener)
            _close(group, steps)
            return Expression(text, tuple(atoms), tuple(steps))
        if text[at] == "&":
            group.conjuncts.append(len(steps))
            steps.append(("stop_unless", 0))
        elif text[at] == "|":
            _land(group.conjuncts, steps)
            group.disjuncts.append(len(steps))
            steps.append(("stop_if", 0))
        elif len(groups) > 1:
            opener = _byte(text, group.opener)
            raise SyntaxProblem(f"unmatched '(' at byte {opener}: expected & | or ) at byte {_byte(text, at)}", at)
        elif text[at] == ")":
            raise SyntaxProblem(f"unmatched ')' at byte {_byte(text, at)}", at)
        else:
            raise SyntaxProblem(f"unexpected character '{text[at]}' at byte {_byte(text, at)}", at)
        at += 1


def _operand(text: str, at: int, atoms: list[Atom], steps: list[Step], groups: list[_Group]) -> int:
    """Read `!` and opening parentheses up to the end of a token."""
    negated = False
    just_opened = False
    while True:
        at = _skip(text, at)
        if at == len(text) or (text[at] == ")" and just_opened):
            raise SyntaxProblem(f"expected atom at byte {_byte(text, at)}", at)
        char = text[at]
        if char == "!" and not negated:
            negated = True
            just_opened = False
            at += 1
        elif char == "(":
            groups.append(_Group(at, negated=negated))
            negated = False
            just_opened = True
            at += 1
        elif char in _OPERATORS:
            raise SyntaxProblem(f"unexpected operator '{char}' at byte {_byte(text, at)}", at)
        else:
            break
    token, end = _token(text, at)
    steps.append(("test", len(atoms)))
    atoms.append(Atom(token, at, end))
    if negated:
        steps.append(("not", 0))
    return end


def _token(text: str, at: int) -> tuple[str, int]:
    r"""Read a token and where it ends. A `\` makes an operator or a blank a part of it: `/a\ b`, `[\!x]`."""
    found: list[str] = []
    while at < len(text) and text[at] not in _OPERATORS and text[at] not in _BLANKS:
        after = text[at + 1 : at + 2]
        if text[at] == "\\" and after:
            # Any other pair is the pattern's own: `\\&b` is an escaped backslash and an operator.
            found.append(after if after in _OPERATORS or after in _BLANKS else f"\\{after}")
            at += 2
        else:
            found.append(text[at])
            at += 1
    return "".join(found), at


def _close(group: _Group, steps: list[Step]) -> None:
    _land(group.conjuncts, steps)
    _land(group.disjuncts, steps)
    if group.negated:
        steps.append(("not", 0))


def _land(jumps: list[int], steps: list[Step]) -> None:
    for jump in jumps:
        steps[jump] = (steps[jump][0], len(steps))
    jumps.clear()


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in _BLANKS:
        at += 1
    return at


def _byte(text: str, at: int) -> int:
    return len(text[:at].encode("utf-8", "surrogateescape"))


def byte_span(atom: Atom, text: str) -> str:
    """Return the half-open span of an atom as `bytes S..E`."""
    return f"bytes {_byte(text, atom.start)}..{_byte(text, atom.end)}"


def problem_of(flag: str, text: str, syntax: SyntaxProblem) -> Problem:
    """Return a syntax problem as the problem of a flag."""
    return Problem(flag, text, "syntax", syntax.reason, syntax.at, min(syntax.at + 1, max(len(text), syntax.at)))


def problem_of_atom(flag: str, expression: Expression, atom: Atom, reason: str) -> Problem:
    """Return what is wrong with an atom as the problem of a flag."""
    return Problem(flag, expression.text, "atom", reason, atom.start, atom.end)


def report(problems: Sequence[Problem]) -> str:
    """Return all problems as text: each with its expression and carets under the place."""
    lines = []
    for problem in problems:
        lines.append(problem.message)
        lines += [f"  {line}" for line in problem.picture().splitlines()]
    return "\n".join(lines)

"""Print the manual page, made from the tree of commands; `haz man | man -l -` shows it."""

from haz import __version__, env
from haz.cli import tree
from haz.cli.report import finish
from haz.streams import Writer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from haz.cli.declare import Command, Parameter

EXITS = (
    ("0", "success; help; nothing to do; a query without matches; an explanation of whatever there is to explain"),
    ("1", "a task failed, or an invariant broke while tasks ran (haz run only)"),
    ("2", "the command line, the workspace, a reference, git, the cache or standard output is at fault"),
    ("128 + n", "signal n ended the run: 130 for Ctrl-C, 143 for SIGTERM"),
)
FILES = (
    (".haz/workspace.yml", "marks a workspace, lists its projects and has its settings"),
    ("haz.yml", "a project and its tasks"),
    (".haz/tasks/*.yml", "tasks of all projects that carry certain tags"),
    (".haz/cache", "results by key; can be removed at any time"),
    (".haz/runs", "what the last runs did"),
)


def command() -> int:
    out = Writer(1)
    out.text(page())
    return finish(out)


def page() -> str:
    """Return the page in the man macros."""
    lines = [
        f'.TH HAZ 1 "" "haz {__version__}" "User Commands"',
        ".SH NAME",
        "haz \\- run the tasks of a monorepo in order, in parallel, and never twice",
        ".SH SYNOPSIS",
        ".B haz\n[\\fB\\-C\\fR \\fIDIR\\fR] \\fICOMMAND\\fR [\\fIARGUMENT\\fR ...]",
        ".SH DESCRIPTION",
        "haz runs each task of a workspace once, in dependency order, in parallel, and never again while nothing",
        "that it depends on has changed: then outputs and streams come from the cache.",
        ".SH OPTIONS",
        *_item("\\fB\\-C\\fR, \\fB\\-\\-directory\\fR \\fIDIR\\fR", "Behave as if started in DIR."),
        *_item("\\fB\\-\\-root\\fR \\fIDIR\\fR", "The same, and DIR must be the top of a workspace."),
        *_item("\\fB\\-V\\fR, \\fB\\-\\-version\\fR", "Print the version."),
        *_item("\\fB\\-h\\fR, \\fB\\-\\-help\\fR", "Show help; every command has it."),
        ".SH COMMANDS",
    ]
    for one in tree.every().values():
        lines += _command(one)
        for sub in one.subcommands.values():
            lines += _command(sub)
    lines.append(".SH EXIT STATUS")
    for code, says in EXITS:
        lines += _item(f"\\fB{code}\\fR", says)
    lines.append(".SH ENVIRONMENT")
    for name, says in env.VARIABLES.items():
        lines += _item(f"\\fB{name}\\fR", says)
    lines.append(".SH FILES")
    for name, says in FILES:
        lines += _item(f"\\fI{_plain(name)}\\fR", says)
    return "\n".join(lines) + "\n"


def _command(one: "Command") -> list[str]:
    lines = [f".SS haz {' '.join(one.path)}{_usage(one)}", _plain(one.help.strip())]
    for parameter in one.parameters:
        declared = parameter.declared
        if parameter.is_option:
            names = ", ".join(f"\\fB{_plain(name)}\\fR" for name in declared.names)
            metavar = f" \\fI{_plain(declared.metavar)}\\fR" if declared.metavar else ""
            default = f" Default: {parameter.default}." if isinstance(parameter.default, str) else ""
            lines += _item(names + metavar, declared.help + default)
        else:
            lines += _item(f"\\fI{_plain(declared.metavar)}\\fR", declared.help)
    return lines


def _usage(one: "Command") -> str:
    if one.subcommands:
        return " COMMAND" if one.function is None else " [COMMAND]"
    return "".join(_place(parameter) for parameter in one.parameters if not parameter.is_option)


def _place(parameter: "Parameter") -> str:
    metavar = _plain(parameter.declared.metavar)
    return f" {metavar}" if parameter.kind == "one" or metavar.startswith("[") else f" [{metavar}]"


def _item(name: str, says: str) -> list[str]:
    return [".TP", name, _plain(says)]


def _plain(text: str) -> str:
    r"""Escape what roff would read as its own: a backslash, a minus, and a dot or an apostrophe that begins a line."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("…", "...")
    return "\n".join(f"\\&{line}" if line.startswith((".", "'")) else line for line in escaped.split("\n"))

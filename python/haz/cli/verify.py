"""Run a task several times and compare what it makes: the same inputs should give the same outputs."""

import os

from haz import _core, env
from haz.api import load
from haz.cli import values
from haz.cli.declare import Annotated, Argument, Option
from haz.cli.report import finish
from haz.errors import UsageError
from haz.names import counted
from haz.observers.modes import output_observer
from haz.observers.presenter import Presenter
from haz.streams import Writer, valid
from haz.verify import NotVerified


def command(
    task: Annotated[str, Argument(metavar="TASK", completes="tasks", help="One task: P:T, or ~:T in a project.")],
    repeat: Annotated[str, Option("--repeat", metavar="N", help="How often it is run, at least 2; default 2.")] = "2",
    form: Annotated[str, Option("--format", metavar="FMT", choices=("plain", "json"), help="plain or json.")] = "plain",
    color: Annotated[
        str, Option("--color", metavar="WHEN", choices=values.COLOURS, help="auto, always or never.")
    ] = "auto",
) -> int:
    chosen = values.output_format(form)
    colour = env.colour(values.colour(color), 2)
    runs = values.at_least_one("--repeat N", repeat) or 0
    if runs < 2:
        raise UsageError("--repeat N: one run cannot be compared with anything; N is at least 2")
    (reference,) = values.references([task])
    space = load(os.getcwd())
    wanted = space.resolve(reference)
    out, err = Writer(1), Writer(2)
    # What the runs say goes to standard error: standard output has the report alone.
    shown = output_observer(
        space.settings.output_mode, Presenter(colour=colour, ascii_only=env.ascii_only(2)), err, err
    )
    try:
        found = space.verify(wanted, runs, observer=shown, complain=lambda line: err.text(line + "\n"))
    except NotVerified as error:
        err.text(f"Error: {error}\n")
        return error.exit_code
    if chosen == "json":
        rows = [{"run": one.run, "what": valid(one.what), "detail": valid(one.detail)} for one in found]
        value = {"version": 1, "task": str(wanted), "runs": runs, "deterministic": not found, "differences": rows}
        out(_core.json_dumps(value) + b"\n")
    else:
        verdict = counted(len(found), "difference") if found else "the same outputs and streams each time"
        out.text(f"{wanted}: {runs} runs: {verdict}\n")
        out.text("".join(f"  {one}\n" for one in found))
    return finish(out) or int(bool(found))

"""The command line: typer commands, one file each; errors become texts and exit codes here and nowhere else."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def run_command_line(arguments: Sequence[str]) -> int:
    """Run one command line; returns its exit code (EXEC-021). Nothing is raised, whatever happens."""
    from haz.cli.report import internal_error, report_error, usage_error  # noqa: PLC0415 - typer is slow to import
    from haz.errors import HazError  # noqa: PLC0415

    for argument in arguments:
        try:
            argument.encode()
        except UnicodeEncodeError:
            return usage_error(f"argument {argument!r} is not UTF-8")
    from typer.exceptions import TyperException  # noqa: PLC0415

    from haz.cli.main import command  # noqa: PLC0415

    try:
        result = command().main(list(arguments), prog_name="haz", standalone_mode=False)
    except TyperException as error:
        return usage_error(error.format_message() if hasattr(error, "format_message") else str(error))
    except HazError as error:
        return report_error(error)
    except KeyboardInterrupt:
        return 130
    except Exception:  # noqa: BLE001 - a defect of haz itself: exit 2, never a bare traceback
        return internal_error()
    return result if isinstance(result, int) else 0

"""The `haz` command. Signals come before everything that takes time to import, `__future__` included."""

import _signal  # type: ignore[import-not-found]

try:
    # Python's handler would print a traceback; without it the signal ends haz as it ends any program.
    if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
        _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
except KeyboardInterrupt:
    raise SystemExit(130) from None

import os

if os.name != "posix":
    raise SystemExit("Error: haz runs on Linux and macOS; on Windows, use it in the Windows Subsystem for Linux")

from haz._core import install_signal_handlers

install_signal_handlers()


def occupy_standard_streams() -> None:
    """Open what was closed: else the next file of ours would be descriptor 1, and task output would be written to it.

    For reading only, so that writing fails as it does on a closed stream.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDONLY)


occupy_standard_streams()


def main() -> int:
    """Run the command line of this process; returns its exit code (EXEC-021)."""
    import gc  # noqa: PLC0415 - after the handlers
    import sys  # noqa: PLC0415

    from haz.cli import run_command_line  # noqa: PLC0415

    # What a command makes stays until its end; only a run that goes on for long has anything to collect.
    gc.disable()
    return run_command_line(sys.argv[1:])


def program() -> None:
    """Run the command line, and end the process at once: taking everything apart would take as long as a start."""
    import sys  # noqa: PLC0415

    code = main()
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError:
            code = code or 2
    os._exit(code)


if __name__ == "__main__":
    program()

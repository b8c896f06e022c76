"""Every code of configuration and discovery: what it means, what causes it, and what is right instead.

`python -m haz.codes` prints `docs/errors.md`. Imported only where a code is explained.
"""

from __future__ import annotations

from haz._record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    Files = dict[str, str]

WORKSPACE = ".haz/workspace.yml"
PROJECT = "lib/haz.yml"
OVERLAY = ".haz/tasks/common.yml"
# What the examples do not spell out.
DEFAULTS = {WORKSPACE: "projects: [/lib]\n", PROJECT: "name: lib\n"}


class Code(Record):
    """One code.

    `bad` and `good` map paths to texts and complete `DEFAULTS`. A path that ends in `/` is a directory, a text
    `-> target` a symbolic link. `bad` is empty where the cause is not in the files.
    """

    title: str
    explanation: str
    bad: Files = {}  # noqa: RUF012 - never written to
    good: Files = {}  # noqa: RUF012
    severity: str = "error"
    phase: Literal["load", "graph", "check"] = "load"
    """What finds it: loading the files, building the task graph from them, or only `haz check`."""


def files(example: Files) -> Files:
    """Complete an example to a whole workspace."""
    return {path: text for path, text in {**DEFAULTS, **example}.items() if text != "absent"}


def _workspace(text: str) -> Files:
    return {WORKSPACE: text if "projects:" in text else f"projects: [/lib]\n{text}"}


def _project(text: str) -> Files:
    return {PROJECT: text if "name:" in text.partition("tasks:")[0] else f"name: lib\n{text}"}


def _task(text: str) -> Files:
    body = "".join(f"    {line}\n" for line in text.splitlines())
    return {PROJECT: f"name: lib\ntasks:\n  build:\n{body}"}


def _tasks(*lines: str) -> Files:
    return _project("tasks:\n" + "".join(f"  {line}\n" for line in lines))


def _overlay(text: str) -> Files:
    return {OVERLAY: text}


_RUN = 'command: ["make"]'

CODES: dict[str, Code] = {
    "haz::cfg::yaml": Code(
        "not the YAML that haz reads",
        "The file has a syntax error, is not UTF-8, is empty, holds several documents, has a key twice, is no mapping, "
        "or grows beyond the limits (250,000 nodes, 64 MiB, 250 levels) when its aliases are written out.",
        _project("name: lib\nname: core\n"),
        _project("name: lib\n"),
    ),
    "haz::cfg::004": Code(
        "unknown key",
        "A key that haz does not know is refused, since it is most likely misspelt. Keys that start with `x-` are "
        "yours: keep anchors or notes for other tools there.",
        _task(f"{_RUN}\ninput: [src]"),
        _task(f"{_RUN}\ninputs: [src]\nx-owner: me"),
    ),
    "haz::cfg::006": Code(
        "invalid task name",
        "A name has 1 to 64 letters A-Z a-z, digits, `-` or `_`, and starts with a letter or digit.",
        _project('tasks:\n  "build all":\n    command: ["make"]\n'),
        _project('tasks:\n  build-all:\n    command: ["make"]\n'),
    ),
    "haz::cfg::009": Code(
        "`projects` is missing or not a list",
        "The workspace lists the directories of its projects. A workspace without projects says `projects: []`.",
        _workspace("projects: lib\n"),
        _workspace("projects: [/lib]\n"),
    ),
    "haz::cfg::010": Code(
        "invalid entry of `projects`",
        "An entry is a path or a pattern that starts with `/`, the workspace root; a leading `!` excludes.",
        _workspace("projects: [lib]\n"),
        _workspace('projects: [/lib, "!/lib/old"]\n'),
    ),
    "haz::cfg::013": Code(
        "the project has no valid `name`",
        "Every project needs a name; references such as `lib:build` use it.",
        {PROJECT: "tags: [rust]\n"},
        _project("name: lib\n"),
    ),
    "haz::cfg::014": Code(
        "invalid `tags`",
        "`tags` is a list of names, each once.",
        _project("tags: [rust, rust]\n"),
        _project("tags: [rust, ci]\n"),
    ),
    "haz::cfg::015": Code(
        "`tasks` is not a mapping of names to tasks",
        "Each task is a mapping under its name.",
        _project("tasks: [build]\n"),
        _task(_RUN),
    ),
    "haz::cfg::016": Code(
        "invalid `inputs`",
        "`inputs` is a list of paths and patterns, each once. A leading `/` is the workspace root, else the project. "
        "`**` stands alone between slashes; `!` at the start excludes. `{from: REFERENCE}` stands for the outputs of "
        "other tasks.",
        _task(f'{_RUN}\ninputs: ["src/**.c"]'),
        _task(f'{_RUN}\ninputs: ["src/**/*.c", "!src/old/**"]'),
    ),
    "haz::cfg::017": Code(
        "invalid `outputs`",
        "`outputs` is a list of paths and patterns, as `inputs` is, or a mapping with `paths` and `clean`.",
        _task(f"{_RUN}\noutputs: [../dist/app]"),
        _task(f"{_RUN}\noutputs: [/dist/app]"),
    ),
    "haz::cfg::018": Code(
        "invalid reference in `deps` or `weakDeps`",
        "A reference is `~:task` (this project), `project:task`, `^:task` (every project), `^~:task` (every other), "
        "`[tag]:task` or `[tag]~:task`. A trailing `?` allows that it finds nothing.",
        _task(f"{_RUN}\ndeps: [prepare]"),
        _project(
            'tasks:\n  build:\n    command: ["make"]\n    deps: ["~:prepare"]\n  prepare:\n    shell: mkdir -p out\n'
        ),
    ),
    "haz::cfg::019": Code(
        "invalid `mutex`",
        "A mutex is a name, `~:` before it for this project only, or a mapping with `name` and `mode`.",
        _task(f"{_RUN}\nmutex: [db, shared]"),
        _task(f"{_RUN}\nmutex: {{name: db, mode: shared}}"),
    ),
    "haz::cfg::020": Code(
        "no action, or two",
        "A task has exactly one of `command` (a program with its arguments) and `shell` (a script).",
        _task("inputs: [src]"),
        _task('shell: "make all"'),
    ),
    "haz::cfg::021": Code(
        "invalid `command`",
        "A command is a list: the program, then its arguments. Nothing is expanded; for that use `shell`.",
        _task('command: "make all"'),
        _task('command: ["make", "all"]'),
    ),
    "haz::cfg::022": Code(
        "invalid `shell` or `shell_type`",
        "`shell` is a script; `shell_type`, beside it, the name of the shell that runs it with `-c` (default `sh`).",
        _task(f"{_RUN}\nshell_type: bash"),
        _task("shell: make all\nshell_type: bash"),
    ),
    "haz::cfg::024": Code(
        "invalid `tagsFilter`",
        "A list of tags that a project must all carry. Without the key the overlay applies to every project.",
        _overlay(f"tagsFilter: []\ntasks:\n  lint: {{{_RUN}}}\n"),
        _overlay(f"tasks:\n  lint: {{{_RUN}}}\n"),
    ),
    "haz::cfg::025": Code(
        "an overlay without `tasks`",
        "An overlay exists for its tasks.",
        _overlay("tagsFilter: [rust]\n"),
        _overlay(f"tasks:\n  lint: {{{_RUN}}}\n"),
    ),
    "haz::cfg::027": Code(
        "invalid `cache` or `cache.hash`",
        "The hash is `blake3` or `sha256`.",
        _workspace("cache: {hash: md5}\n"),
        _workspace("cache: {hash: sha256}\n"),
    ),
    "haz::cfg::028": Code(
        "invalid `concurrency` or `concurrency.default`",
        "How many tasks may run at once: `auto`, which is one per CPU, or a number of at least 1.",
        _workspace("concurrency: {default: 0}\n"),
        _workspace("concurrency: {default: 4}\n"),
    ),
    "haz::cfg::029": Code(
        "invalid `concurrency.tags`",
        "Maps tags of projects to how many of their tasks may run at once.",
        {**_workspace("concurrency: {tags: {gpu: many}}\n"), **_project("tags: [gpu]\n")},
        {**_workspace("concurrency: {tags: {gpu: 1}}\n"), **_project("tags: [gpu]\n")},
    ),
    "haz::cfg::030": Code(
        "invalid `output`",
        "`output.mode` is `live` or `buffered`.",
        _workspace("output: {mode: quiet}\n"),
        _workspace("output: {mode: buffered}\n"),
    ),
    "haz::cfg::031": Code(
        "invalid `execution` or `execution.cancel_grace`",
        "The grace is a number of seconds or a duration, and not negative.",
        _workspace("execution: {cancel_grace: -1}\n"),
        _workspace("execution: {cancel_grace: 2.5}\n"),
    ),
    "haz::cfg::032": Code(
        "invalid `env` or `env.from_host`",
        "`from_host` lists names of variables. Patterns are not supported.",
        _task(f'{_RUN}\nenv: {{from_host: ["CI_*"]}}'),
        _task(f"{_RUN}\nenv: {{from_host: [CI_JOB]}}"),
    ),
    "haz::cfg::033": Code(
        "invalid `env.override`",
        "Maps names of variables to their values, which are strings.",
        _task(f"{_RUN}\nenv: {{override: {{LEVEL: [1]}}}}"),
        _task(f"{_RUN}\nenv: {{override: {{LEVEL: 1}}}}"),
    ),
    "haz::cfg::034": Code(
        "invalid age, or `cache.clean` is no mapping",
        "An age is made of numbers with the units s m h d w, each at most once.",
        _workspace("cache: {max_age: 30}\n"),
        _workspace("cache: {max_age: 30d, clean: {max_age: 1w2d}}\n"),
    ),
    "haz::cfg::035": Code(
        "invalid size",
        "A size is a whole number with one of the units B KB MB GB TB KiB MiB GiB TiB, or none for bytes.",
        _workspace("cache: {max_size: 5G}\n"),
        _workspace("cache: {max_size: 5GiB}\n"),
    ),
    "haz::cfg::036": Code(
        "`cache` of a task is not true or false",
        "`cache: false` runs the task every time.",
        _task(f"{_RUN}\ncache: never"),
        _task(f"{_RUN}\ncache: false"),
    ),
    "haz::cfg::037": Code(
        "invalid `timeout`",
        "A number of seconds or a duration of more than zero; `none` for no limit.",
        _task(f"{_RUN}\ntimeout: 90 seconds"),
        _task(f"{_RUN}\ntimeout: 90s"),
    ),
    "haz::cfg::038": Code(
        "invalid `retries`",
        "How many extra attempts (0 to 100) a task has, or a mapping with `max` and the delays between them.",
        _task(f"{_RUN}\nretries: {{max: 3, delay: 1m, max_delay: 10s}}"),
        _task(f"{_RUN}\nretries: {{max: 3, delay: 1s, max_delay: 10s}}"),
    ),
    "haz::cfg::039": Code(
        "invalid `env.pass`",
        "Lists names of variables that the task gets and that stay out of the cache key.",
        _task(f"{_RUN}\nenv: {{pass: PATH}}"),
        _task(f"{_RUN}\nenv: {{pass: [PATH]}}"),
    ),
    "haz::cfg::040": Code(
        "invalid `tools`",
        "Each tool is the name of a program, `{command: […]}` or `{file: PATH}`.",
        _task(f"{_RUN}\ntools: [{{command: [cc, -v], file: /toolchain}}]"),
        _task(f"{_RUN}\ntools: [rustc, {{command: [cc, -v]}}, {{file: /toolchain}}]"),
    ),
    "haz::cfg::041": Code(
        "invalid `description`",
        "A description is one string.",
        _project("description: [a, library]\n"),
        _project("description: a library\n"),
    ),
    "haz::cfg::042": Code(
        "invalid `persistent` or `ready`",
        "A persistent task keeps running while others work; `ready` says by exactly one sign when they may start.",
        _task(f"{_RUN}\nready: {{port: 8080}}"),
        _task(f"{_RUN}\npersistent: true\nready: {{port: 8080}}"),
    ),
    "haz::cfg::043": Code(
        "`gitignore` is not true or false",
        "With `gitignore: true` patterns in `inputs` pass over files that git ignores.",
        _workspace("gitignore: sometimes\n"),
        _workspace("gitignore: true\n"),
    ),
    "haz::cfg::044": Code(
        "invalid `cache.dir`",
        "A directory for the cache; a leading `/` means the workspace root.",
        _workspace("cache: {dir: ../cache}\n"),
        _workspace("cache: {dir: /.haz/cache}\n"),
    ),
    "haz::cfg::045": Code(
        "invalid `concurrency.order`",
        "Which of the ready tasks starts first: `canonical` (by name) or `critical-path`.",
        _workspace("concurrency: {order: random}\n"),
        _workspace("concurrency: {order: critical-path}\n"),
    ),
    "haz::cfg::047": Code(
        "invalid `remote`",
        "A service that speaks the Remote Execution API, by its `url`.",
        _workspace("remote: {url: example.com}\n"),
        _workspace("remote: {url: 'grpcs://cache.example.com', cache: read-only}\n"),
    ),
    "haz::cfg::048": Code(
        "invalid `priority`",
        "A whole number. Where two overlays define one task, the higher priority wins; the default is 0.",
        _overlay(f"priority: high\ntasks:\n  lint: {{{_RUN}}}\n"),
        _overlay(f"priority: 10\ntasks:\n  lint: {{{_RUN}}}\n"),
    ),
    "haz::cfg::049": Code(
        "an output that tasks should not write",
        "Outputs in `.git` or `.haz` are never restored from the cache, and a task that writes a `haz.yml` changes "
        "what the workspace is while it runs.",
        _task(f"{_RUN}\noutputs: [.git/config]"),
        _task(f"{_RUN}\noutputs: [build/config]"),
        "warning",
    ),
    "haz::cfg::050": Code(
        "a file among the overlays that is not read",
        "Overlays are plain files directly in `.haz/tasks`, named `NAME.yml`.",
        {".haz/tasks/common.yaml": "tasks: {}\n"},
        {".haz/tasks/common.yml": "tasks: {}\n"},
        "warning",
    ),
    "haz::cfg::051": Code(
        "something that applies to no project",
        "No project carries the tag of the limit, or all tags of the overlay's filter.",
        _workspace("concurrency: {tags: {gpu: 1}}\n"),
        {**_workspace("concurrency: {tags: {gpu: 1}}\n"), **_project("tags: [gpu]\n")},
        "warning",
    ),
    "haz::cfg::052": Code(
        "names that differ only in case",
        "haz tells them apart; some file systems, and most readers, do not.",
        {**_workspace("projects: [/lib, /other]\n"), "other/haz.yml": "name: Lib\n"},
        {**_workspace("projects: [/lib, /other]\n"), "other/haz.yml": "name: other\n"},
        "warning",
    ),
    "haz::dsc::001": Code(
        "no workspace",
        "Neither the directory nor any above it holds `.haz/workspace.yml`, nor a `haz.yml` beside `.git`.",
        {WORKSPACE: "absent"},
        {},
    ),
    "haz::dsc::003": Code(
        "a directory that cannot be looked at",
        "While going up from the start directory. As a warning: it was passed over.",
        {},
        {},
    ),
    "haz::dsc::005": Code(
        "`workspace.yml` cannot be read",
        "It is a directory, a broken link, or not yours to read.",
        {WORKSPACE: "absent", WORKSPACE + "/": ""},
        {},
    ),
    "haz::dsc::016": Code(
        "a pattern without a project",
        "A pattern in `projects` selects directories that hold a `haz.yml`, and this one selects none.",
        _workspace("projects: [/pkgs/*]\n"),
        _workspace("projects: [/l*]\n"),
    ),
    "haz::dsc::017": Code(
        "a project that does not exist",
        "An entry of `projects` without a pattern names a directory that must be there.",
        _workspace("projects: [/lib, /app]\n"),
        {**_workspace("projects: [/lib, /app]\n"), "app/haz.yml": "name: app\n"},
    ),
    "haz::dsc::018": Code(
        "a project that is not a directory",
        "Projects are directories, named without the `haz.yml` in them.",
        _workspace("projects: [/lib/haz.yml]\n"),
        _workspace("projects: [/lib]\n"),
    ),
    "haz::dsc::019": Code(
        "a project that is selected twice",
        "Two entries of `projects` select the same directory.",
        _workspace("projects: [/lib, /l*]\n"),
        _workspace("projects: [/lib]\n"),
    ),
    "haz::dsc::020": Code(
        "a project outside of the workspace",
        "A symbolic link leads out of the workspace.",
        {**_workspace("projects: [/out]\n"), "out": "-> /"},
        _workspace("projects: [/lib]\n"),
    ),
    "haz::dsc::022": Code(
        "a directory that cannot be read",
        "While looking for projects. As a warning: it was passed over.",
        {**_workspace("projects: [/loop]\n"), "loop": "-> loop"},
        _workspace("projects: [/lib]\n"),
    ),
    "haz::dsc::023": Code(
        "a project without a `haz.yml` that can be read",
        "Every project has a `haz.yml` in its directory.",
        {PROJECT: "absent", "lib/": ""},
        {},
    ),
    "haz::dsc::026": Code(
        "a project directory with an unusable name",
        "Its path is not UTF-8 or contains control characters.",
        {**_workspace("projects: [/*]\n"), "a\u202eb/haz.yml": "name: ab\n"},
        _workspace("projects: [/*]\n"),
    ),
    "haz::dsc::027": Code(
        "two projects with one name",
        "The name of a project is its address, so it must be unique in the workspace.",
        {**_workspace("projects: [/lib, /app]\n"), "app/haz.yml": "name: lib\n"},
        {**_workspace("projects: [/lib, /app]\n"), "app/haz.yml": "name: app\n"},
    ),
    "haz::dsc::033": Code(
        "the overlays cannot be listed",
        "`.haz/tasks` is not a directory, or not yours to read.",
        {".haz/tasks": "tasks: {}\n"},
        _overlay("tasks: {}\n"),
    ),
    "haz::dsc::034": Code(
        "an overlay that cannot be read",
        "The file is there, but reading it failed.",
        {},
        {},
    ),
    "haz::dag::006": Code(
        "overlays that collide",
        "Two overlays define one task for one project, and none is more specific: by a higher `priority`, a "
        "`tagsFilter` that is a superset of the other's, or a strict subset of the projects.",
        {**_overlay(f"tasks:\n  lint: {{{_RUN}}}\n"), ".haz/tasks/other.yml": f"tasks:\n  lint: {{{_RUN}}}\n"},
        {
            **_overlay(f"tasks:\n  lint: {{{_RUN}}}\n"),
            ".haz/tasks/other.yml": f"priority: 1\ntasks:\n  lint: {{{_RUN}}}\n",
        },
    ),
    "haz::dag::010": Code(
        "a task in both `deps` and `weakDeps`",
        "`deps` already orders, so the second says nothing. It may hide in a reference to many tasks, such as `^:x`.",
        _tasks(f'build: {{{_RUN}, deps: ["~:gen"], weakDeps: ["lib:gen"]}}', f"gen: {{{_RUN}}}"),
        _tasks(f'build: {{{_RUN}, deps: ["~:gen"]}}', f"gen: {{{_RUN}}}"),
        phase="graph",
    ),
    "haz::dag::011": Code(
        "a reference that names nothing",
        "No such project, no such task in it, or no project with the tag that has the task. End the reference in `?` "
        "where that is fine.",
        _tasks(f'build: {{{_RUN}, deps: ["~:gen"]}}'),
        _tasks(f'build: {{{_RUN}, deps: ["~:gen?"]}}'),
        phase="graph",
    ),
    "haz::dag::012": Code(
        "a task that depends on itself",
        "A reference of the task includes the task. Use `^~:t` or `[tag]~:t` for all the others.",
        _tasks(f'build: {{{_RUN}, deps: ["^:build"]}}'),
        _tasks(f'build: {{{_RUN}, deps: ["^~:build?"]}}'),
        phase="graph",
    ),
    "haz::dag::013": Code(
        "a reader that nothing puts after the writer",
        "A task reads what another one writes. Files alone do not order tasks: it may run first.",
        _tasks(f"build: {{{_RUN}, inputs: [a.c]}}", f"gen: {{{_RUN}, outputs: [a.c]}}"),
        _tasks(f'build: {{{_RUN}, inputs: [a.c], deps: ["~:gen"]}}', f"gen: {{{_RUN}, outputs: [a.c]}}"),
        "warning",
        "graph",
    ),
    "haz::dag::014": Code(
        "tasks in a circle",
        "Each waits for the next, by `deps`, by `weakDeps`, or by reading what the other writes.",
        _tasks(f'build: {{{_RUN}, deps: ["~:gen"]}}', f'gen: {{{_RUN}, deps: ["~:build"]}}'),
        _tasks(f'build: {{{_RUN}, deps: ["~:gen"]}}', f"gen: {{{_RUN}}}"),
        phase="graph",
    ),
    "haz::dag::015": Code(
        "an output of several tasks",
        "A path that is listed without a pattern in the `outputs` of two tasks. A file can have one writer.",
        _tasks(f"build: {{{_RUN}, outputs: [app]}}", f"gen: {{{_RUN}, outputs: [/lib/app]}}"),
        _tasks(f"build: {{{_RUN}, outputs: [app]}}", f"gen: {{{_RUN}, outputs: [gen]}}"),
        phase="graph",
    ),
    "haz::chk::001": Code(
        "an input that does not exist",
        "A path without a pattern in `inputs` must be a file when the task runs, and neither is it there, nor does a "
        "task list it in its `outputs`.",
        _task(f"{_RUN}\ninputs: [main.c]"),
        {**_task(f"{_RUN}\ninputs: [main.c]"), "lib/main.c": ""},
        "warning",
        "check",
    ),
    "haz::chk::002": Code(
        "an input that is a directory",
        "Inputs are files. A pattern names all files below a directory.",
        {**_task(f"{_RUN}\ninputs: [src]"), "lib/src/": ""},
        {**_task(f'{_RUN}\ninputs: ["src/**"]'), "lib/src/": ""},
        "warning",
        "check",
    ),
    "haz::chk::003": Code(
        "a cached task without inputs",
        "What a task reads decides whether it must run again. Without `inputs` no edit to a file does. Tasks that do "
        'nothing (`command: ["true"]`) and only gather others need none.',
        _task(_RUN),
        _task(f"{_RUN}\ncache: false"),
        "warning",
        "check",
    ),
    "haz::chk::004": Code(
        "inputs in a directory of another tool",
        "`node_modules`, `.venv`, `__pycache__`, `target`, `.gradle` and their like change whenever their tool runs, "
        "so the task would run again for no reason. List what decides about them: the lock file.",
        {**_task(f'{_RUN}\ninputs: ["**/*.js"]'), "lib/node_modules/a/a.js": "", "lib/b.js": ""},
        {
            **_task(f'{_RUN}\ninputs: ["**/*.js", "!**/node_modules/**"]'),
            "lib/node_modules/a/a.js": "",
            "lib/b.js": "",
        },
        "warning",
        "check",
    ),
    "haz::chk::005": Code(
        "a variable that is not set",
        "`env.from_host` names a variable that haz was started without. Tasks would run without it.",
        _task(f"{_RUN}\ncache: false\nenv: {{from_host: [HAZ_EXAMPLE_UNSET]}}"),
        _task(f"{_RUN}\ncache: false\nenv: {{override: {{HAZ_EXAMPLE_UNSET: x}}}}"),
        "warning",
        "check",
    ),
    "haz::chk::006": Code(
        "a program that is not found",
        "No directory of the PATH that the task gets holds the program; with a `/` in it, it is looked for in the "
        "project. A program that a task lists in its `outputs` counts as found.",
        _task('command: ["no-such-program"]\ncache: false'),
        _task('command: ["sh"]\ncache: false'),
        "warning",
        "check",
    ),
    "haz::chk::007": Code(
        "an unknown shell",
        "`shell_type` names a program, and the PATH that the task gets does not lead to it.",
        _task("shell: make\nshell_type: no-such-shell\ncache: false"),
        _task("shell: make\nshell_type: sh\ncache: false"),
        "warning",
        "check",
    ),
    "haz::chk::008": Code(
        "a file that ends in `.yaml`",
        "haz reads `haz.yml`, `.haz/workspace.yml` and `.haz/tasks/*.yml`, and nothing that is named otherwise.",
        {"lib/haz.yaml": "name: lib\n"},
        {},
        "warning",
        "check",
    ),
    "haz::chk::009": Code(
        "names that some file systems cannot keep apart",
        "Two tasks, tags, overlays, outputs or directories of projects differ only in case, or in how the same letters "
        "are encoded.",
        _tasks("Build: {shell: make, cache: false}", "build: {shell: make, cache: false}"),
        _tasks("build: {shell: make, cache: false}"),
        "warning",
        "check",
    ),
    "haz::chk::010": Code(
        "a task that no project uses",
        "An overlay defines the task, but every project that the overlay applies to has it from its own file or from "
        "another overlay. Nothing can ever run this body.",
        {
            **_tasks("lint: {shell: make, cache: false}"),
            **_overlay("tasks:\n  lint: {shell: other, cache: false}\n"),
        },
        _overlay("tasks:\n  lint: {shell: other, cache: false}\n"),
        "warning",
        "check",
    ),
    "haz::chk::011": Code(
        "one file under two names",
        "Two tasks write one file, by paths that a symbolic link makes the same.",
        {
            **_tasks(
                "one: {shell: make, cache: false, outputs: [out/app]}",
                "two: {shell: make, cache: false, outputs: [link/app]}",
            ),
            "lib/out/": "",
            "lib/link": "-> out",
        },
        _tasks("one: {shell: make, cache: false, outputs: [out/app]}"),
        "warning",
        "check",
    ),
    "haz::chk::013": Code(
        "a product of a dependency that is no input",
        "The action names a file that a dependency writes, and `inputs` does not list it. When its content changes, "
        "the result from the cache would be a stale one.",
        _tasks(
            'build: {shell: "cat gen.h", inputs: [a.c], deps: ["~:gen"]}',
            "gen: {shell: make, cache: false, outputs: [gen.h]}",
            "other: {shell: make, cache: false, outputs: [a.c]}",
        ),
        _tasks(
            'build: {shell: "cat gen.h", inputs: [{from: "~:gen"}]}',
            "gen: {shell: make, cache: false, outputs: [gen.h]}",
        ),
        "warning",
        "check",
    ),
    "haz::chk::014": Code(
        "inputs from a task without outputs",
        "`from` takes the declared outputs of a task, and the task declares none.",
        _tasks('build: {shell: make, inputs: [{from: "~:gen"}]}', "gen: {shell: make, cache: false}"),
        _tasks('build: {shell: make, inputs: [{from: "~:gen"}]}', "gen: {shell: make, cache: false, outputs: [gen.h]}"),
        "warning",
        "check",
    ),
    "haz::chk::015": Code(
        "a name in another encoding",
        "A letter with a mark can be one character or several that look the same. Names are compared by bytes, so a "
        "pattern in one form does not find a file in the other. The composed form (NFC) is the usual one.",
        _task(f'{_RUN}\ncache: false\ninputs: ["cafe\\u0301/*"]'),
        _task(f'{_RUN}\ncache: false\ninputs: ["caf\\u00e9/*"]'),
        "warning",
        "check",
    ),
}


def document() -> str:
    """Return the text of `docs/errors.md`."""
    parts = [
        "# Errors and warnings\n",
        "Generated by `python -m haz.codes`; do not edit. Each report of haz starts with one of these codes.\n",
    ]
    for name, code in CODES.items():
        kind = "" if code.severity == "error" else " (warning)"
        parts.append(f"## `{name}` — {code.title}{kind}\n\n{code.explanation}\n")
        for title, example in (("Wrong", code.bad), ("Right", code.good)):
            shown = [f"`{path}`\n\n```yaml\n{text}```\n" for path, text in example.items() if path.endswith(".yml")]
            shown = [part for part in shown if "yaml\nabsent" not in part]
            if shown:
                parts.append(f"{title}:\n\n" + "\n".join(shown))
    return "\n".join(parts)


if __name__ == "__main__":
    import sys

    sys.stdout.write(document())

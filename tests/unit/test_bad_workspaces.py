"""Broken workspaces: each row is what is wrong, the files, the code, the message, and the place it points to."""

from __future__ import annotations

import pytest

from haz import codes, render, workspace
from haz.codes import OVERLAY, PROJECT, WORKSPACE
from tests.unit.files import write_tree

RUN = 'command: ["make"]'


def t(text):
    """Write a task named `build`."""
    return p("name: lib\ntasks:\n  build:\n" + "".join(f"    {line}\n" for line in text.splitlines()))


def p(text):
    return {PROJECT: text}


def w(text):
    return {WORKSPACE: text}


def o(text):
    return {OVERLAY: text}


# fmt: off
# Title, files, code, message, line and column (None where no file is to blame).
BROKEN = [
    ("an empty project file", p(""), "cfg::yaml", "the file is empty", (1, 1)),
    ("only comments", p("# later\n"), "cfg::yaml", "the file is empty", (1, 1)),
    ("a document of nothing", p("---\n"), "cfg::yaml", "the file must be a mapping of keys to values, not empty", (2, 1)),
    ("a document of nothing without a line break", p("---"), "cfg::yaml", "the file must be a mapping of keys to values, not empty", (1, 4)),
    ("a list as a file", p("- name: lib\n"), "cfg::yaml", "the file must be a mapping of keys to values, not a list", (1, 1)),
    ("a single word as a file", p("lib\n"), "cfg::yaml", "the file must be a mapping of keys to values, not a single value", (1, 1)),
    ("two documents", p("name: lib\n---\nname: app\n"), "cfg::yaml", "a second document; a file holds exactly one", (2, 1)),
    ("a tab as indentation", p("name: lib\ntasks:\n\tbuild: {}\n"), "cfg::yaml", "tabs disallowed within this context (block indentation)", (3, 2)),
    ("an unclosed list", p("name: lib\ntags: [a, b\n"), "cfg::yaml", "while parsing a flow sequence, expected ',' or ']'", (3, 1)),
    ("a duplicate task", p("name: lib\ntasks:\n  a: {command: [x]}\n  a: {command: [y]}\n"), "cfg::yaml", "duplicate key `a`, first given at line 3", (4, 3)),
    ("latin-1 bytes", p(b"name: lib\ndescription: caf\xe9\n"), "cfg::yaml", "the file is not UTF-8: invalid byte 0xe9", (2, 17)),
    ("utf-16", p("name: lib\n".encode("utf-16")), "cfg::yaml", "the file is UTF-16; only UTF-8 is read", (1, 1)),
    ("a list as a key", p("name: lib\n? [a]\n: b\n"), "cfg::yaml", "a key must be a scalar", (2, 3)),
    ("an alias without an anchor", p("name: *lib\n"), "cfg::yaml", "while parsing node, found unknown anchor", (1, 7)),
    ("a merge of text", p("name: lib\n<<: base\n"), "cfg::yaml", "a merge key `<<` takes a mapping or a list of mappings", (2, 5)),
    ("no name", p("tags: [a]\n"), "cfg::013", "the project has no `name` (at `name`)", (1, 1)),
    ("an empty name", p('name: ""\n'), "cfg::013", "the empty string is not a valid project name: it is empty (at `name`)", (1, 7)),
    ("a null name", p("name: ~\n"), "cfg::013", "the project has no `name` (at `name`)", (1, 1)),
    ("a name with a dot", p("name: lib.core\n"), "cfg::013", "`lib.core` is not a valid project name: it contains `.`; only letters A-Z a-z, digits, `-` and `_` are allowed (at `name`)", (1, 7)),
    ("a name that is too long", p("name: "+"a"*65+"\n"), "cfg::013", "`aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa` is not a valid project name: it is longer than 64 characters (at `name`)", (1, 7)),
    ("a name that starts with a dash", p("name: -lib\n"), "cfg::013", "`-lib` is not a valid project name: it starts with `-`, not with a letter or digit (at `name`)", (1, 7)),
    ("a list as a name", p("name: [lib]\n"), "cfg::013", "expected a string, found a list (at `name`)", (1, 7)),
    ("a misspelt top-level key", p("name: lib\ntask: {}\n"), "cfg::004", "unknown key `task` in `haz.yml` (at `task`)", (2, 1)),
    ("a key of the wrong case", p("name: lib\nTags: [a]\n"), "cfg::004", "unknown key `Tags` in `haz.yml` (at `Tags`)", (2, 1)),
    ("tags as text", p("name: lib\ntags: rust\n"), "cfg::014", 'expected a list of strings, found "rust" (at `tags`)', (2, 7)),
    ("a tag with a space", p("name: lib\ntags: [a b]\n"), "cfg::014", "`a b` is not a valid tag: it contains U+0020; only letters A-Z a-z, digits, `-` and `_` are allowed (at `tags[0]`)", (2, 8)),
    ("a tag that is a list", p("name: lib\ntags: [[a]]\n"), "cfg::014", "expected a string, found a list (at `tags[0]`)", (2, 8)),
    ("tasks as text", p("name: lib\ntasks: build\n"), "cfg::015", 'expected a mapping, found "build" (at `tasks`)', (2, 8)),
    ("a task that is a list", p("name: lib\ntasks: {build: [make]}\n"), "cfg::015", "expected a mapping, found a list (at `tasks.build`)", (2, 16)),
    ("a task that is text", p("name: lib\ntasks: {build: make}\n"), "cfg::015", 'expected a mapping, found "make" (at `tasks.build`)', (2, 16)),
    ("a task without a body", p("name: lib\ntasks:\n  build:\n"), "cfg::020", "a task needs an action: `command` or `shell` (at `tasks.build`)", (3, 3)),
    ("an empty task name", p("name: lib\ntasks: {'': {command: [x]}}\n"), "cfg::006", "the empty string is not a valid task name: it is empty (at `tasks.`)", (2, 9)),
    ("both actions", t("command: [make]\nshell: make"), "cfg::020", "a task has either `command` or `shell`, not both (at `tasks.build`)", (5, 5)),
    ("both actions, one empty", t("shell: make\ncommand: []"), "cfg::020", "a task has either `command` or `shell`, not both (at `tasks.build`)", (5, 5)),
    ("an empty command", t("command: []"), "cfg::021", "the command is empty; it needs at least the program (at `tasks.build.command`)", (4, 14)),
    ("an empty program", t('command: [""]'), "cfg::021", "the program is an empty string (at `tasks.build.command[0]`)", (4, 15)),
    ("a NUL in an argument", t('command: [a, "b\\0"]'), "cfg::021", "an argument cannot contain a NUL character (at `tasks.build.command[1]`)", (4, 18)),
    ("a null argument", t("command: [make, ~]"), "cfg::021", "expected a string, found nothing (at `tasks.build.command[1]`)", (4, 21)),
    ("a mapping as argument", t("command: [make, {all: x}]"), "cfg::021", "expected a string, found a mapping (at `tasks.build.command[1]`)", (4, 21)),
    ("a shell that is a list", t("shell: [make]"), "cfg::022", "expected a string, found a list (at `tasks.build.shell`)", (4, 12)),
    ("a shell type that is a path", t("shell: make\nshell_type: /bin/zsh"), "cfg::022", "`/bin/zsh` is not a valid shell name: it starts with `/`, not with a letter or digit (at `tasks.build.shell_type`)", (5, 17)),
    ("a shell type that is too long", t("shell: make\nshell_type: "+"z"*33), "cfg::022", "`zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz` is not a valid shell name: it is longer than 32 characters (at `tasks.build.shell_type`)", (5, 17)),
    ("shell type without shell", t(RUN+"\nshell_type: bash"), "cfg::022", "`shell_type` is given without `shell` (at `tasks.build.shell_type`)", (5, 5)),
    ("inputs as text", t(RUN+"\ninputs: src/**"), "cfg::016", 'expected a list of strings, found "src/**" (at `tasks.build.inputs`)', (5, 13)),
    ("an input from nowhere", t(RUN+"\ninputs: [{}]"), "cfg::016", "the mapping is empty (at `tasks.build.inputs[0]`)", (5, 14)),
    ("an input from two", t(RUN+'\ninputs: [{from: ["~:a"]}]'), "cfg::016", "expected a string, found a list (at `tasks.build.inputs[0].from`)", (5, 21)),
    ("an input from a word", t(RUN+"\ninputs: [{from: gen}]"), "cfg::016", "invalid task reference `gen`: no `:` separator (at `tasks.build.inputs[0].from`)", (5, 21)),
    ("an input from the same twice", t(RUN+'\ninputs: [{from: "~:a"}, {from: "~:a"}]'), "cfg::016", "reference `~:a` is listed twice (at `tasks.build.inputs[1].from`)", (5, 36)),
    ("an input of another kind", t(RUN+'\ninputs: [{form: "~:a"}]'), "cfg::004", "unknown key `form` in an input (at `tasks.build.inputs[0].form`)", (5, 15)),
    ("an input twice", t(RUN+"\ninputs: [a.c, b.c, a.c]"), "cfg::016", "input `a.c` is listed twice (at `tasks.build.inputs[2]`)", (5, 24)),
    ("a lock file of nobody", t(RUN+"\ninputs: [{lock: pip}]"), "cfg::016", 'expected `cargo` or `npm` or `uv`, found "pip" (at `tasks.build.inputs[0].lock`)', (5, 21)),
    ("a lock file twice", t(RUN+"\ninputs: [{lock: uv}, a, {lock: uv}]"), "cfg::016", "lock `uv` is listed twice (at `tasks.build.inputs[2]`)", (5, 29)),
    ("a lock file with more", t(RUN+"\ninputs: [{lock: uv, from: '~:a'}]"), "cfg::016", "an input that is a mapping has exactly one key (at `tasks.build.inputs[0]`)", (5, 14)),
    ("a lock file that is a list", t(RUN+"\ninputs: [{lock: [uv]}]"), "cfg::016", "expected a string, found a list (at `tasks.build.inputs[0].lock`)", (5, 21)),
    ("an output that is a lock file", t(RUN+"\noutputs: [{lock: uv}]"), "cfg::017", "expected a string, found a mapping (at `tasks.build.outputs[0]`)", (5, 15)),
    ("an input above the root", t(RUN+"\ninputs: [../../x]"), "cfg::016", '`../../x` is not a valid path pattern: ".." is not allowed as a path segment (at `tasks.build.inputs[0]`)', (5, 14)),
    ("an input that ends in a slash", t(RUN+"\ninputs: [src/]"), "cfg::016", '`src/` is not a valid path pattern: a path may not end with "/" (at `tasks.build.inputs[0]`)', (5, 14)),
    ("an unquoted exclusion", t(RUN+"\ninputs: [src/**, !src/old]"), "cfg::016", "expected a string, found nothing (at `tasks.build.inputs[1]`)", (5, 22)),
    ("an unquoted class", t(RUN+"\ninputs:\n  - [a-z].c\n"), "cfg::yaml", "while parsing a block collection, did not find expected '-' indicator", (6, 14)),
    ("an unclosed class", t(RUN+'\ninputs: ["[a-z"]'), "cfg::016", '`[a-z` is not a valid path pattern: a "[" that is never closed (at `tasks.build.inputs[0]`)', (5, 14)),
    ("a double star inside a name", t(RUN+'\noutputs: ["dist/**.js"]'), "cfg::017", '`dist/**.js` is not a valid path pattern: "**" must be a whole path segment (at `tasks.build.outputs[0]`)', (5, 15)),
    ("an empty output", t(RUN+'\noutputs: [""]'), "cfg::017", "the empty string is not a valid path pattern: a path may not be empty (at `tasks.build.outputs[0]`)", (5, 15)),
    ("a bare reference", t(RUN+"\ndeps: [lint]"), "cfg::018", "invalid task reference `lint`: no `:` separator (at `tasks.build.deps[0]`)", (5, 12)),
    ("a reference with a space", t(RUN+'\ndeps: ["lib: lint"]'), "cfg::018", "invalid task reference `lib: lint`: invalid task name: it starts with U+0020, not with a letter or digit (at `tasks.build.deps[0]`)", (5, 12)),
    ("a reference with two colons", t(RUN+'\nweakDeps: ["a:b:c"]'), "cfg::018", "invalid task reference `a:b:c`: invalid task name: it contains `:`; only letters A-Z a-z, digits, `-` and `_` are allowed (at `tasks.build.weakDeps[0]`)", (5, 16)),
    ("a tag reference without a tag", t(RUN+'\ndeps: ["[]:x"]'), "cfg::018", "invalid task reference `[]:x`: invalid tag name: it is empty (at `tasks.build.deps[0]`)", (5, 12)),
    ("a tag expression", t(RUN+'\ndeps: ["[a&b]:x"]'), "cfg::018", "invalid task reference `[a&b]:x`: invalid tag name: it contains `&`; only letters A-Z a-z, digits, `-` and `_` are allowed (at `tasks.build.deps[0]`)", (5, 12)),
    ("a reference that YAML reads as a mapping", t(RUN+"\ndeps: [{lib: x}]"), "cfg::018", "expected a string, found a mapping (at `tasks.build.deps[0]`)", (5, 12)),
    ("the same reference twice", t(RUN+'\ndeps: ["a:b", "a:b"]'), "cfg::018", "reference `a:b` is listed twice (at `tasks.build.deps[1]`)", (5, 19)),
    ("deps as text", t(RUN+"\ndeps: a:b"), "cfg::018", 'expected a list of strings, found "a:b" (at `tasks.build.deps`)', (5, 11)),
    ("weak-deps in kebab case", t(RUN+"\nweak-deps: [a:b]"), "cfg::004", "unknown key `weak-deps` in a task (at `tasks.build.weak-deps`)", (5, 5)),
    ("a mutex of another project", t(RUN+'\nmutex: "app:db"'), "cfg::019", "`app:db` is not a valid mutex name: it contains `:`; only letters A-Z a-z, digits, `-` and `_` are allowed (at `tasks.build.mutex`)", (5, 12)),
    ("a mutex as a list", t(RUN+"\nmutex: [db, shared]"), "cfg::019", "expected a name or a mapping, found a list (at `tasks.build.mutex`)", (5, 12)),
    ("a mutex without a mode", t(RUN+"\nmutex: {name: db}"), "cfg::019", "`mutex` as a mapping needs `mode` (at `tasks.build.mutex`)", (5, 12)),
    ("a mutex of an unknown mode", t(RUN+"\nmutex: {name: db, mode: shard}"), "cfg::019", 'expected `exclusive` or `shared`, found "shard" (at `tasks.build.mutex.mode`)', (5, 29)),
    ("env as a list", t(RUN+"\nenv: [PATH]"), "cfg::032", "expected a mapping, found a list (at `tasks.build.env`)", (5, 10)),
    ("a pattern of variables", t(RUN+'\nenv: {from_host: ["CARGO_*"]}'), "cfg::032", "`CARGO_*` is not a valid variable name: only letters A-Z a-z, digits and `_` are allowed, and no digit at the start (at `tasks.build.env.from_host[0]`)", (5, 23)),
    ("a file with a memo", t(RUN+"\ntools: [{file: a, memo: true}]"), "cfg::040", "`memo` is for commands: the content of a file is looked at anyway (at `tasks.build.tools[0].memo`)", (5, 23)),
    ("a memo that is no boolean", t(RUN+"\ntools: [{command: [a], memo: maybe}]"), "cfg::040", 'expected `true` or `false`, found "maybe" (at `tasks.build.tools[0].memo`)', (5, 34)),
    ("secrets as text", t(RUN+"\nenv: {secret: TOKEN}"), "cfg::032", 'expected a list of strings, found "TOKEN" (at `tasks.build.env.secret`)', (5, 19)),
    ("a variable twice", t(RUN+"\nenv: {from_host: [A, A]}"), "cfg::032", "variable name `A` is listed twice (at `tasks.build.env.from_host[1]`)", (5, 26)),
    ("a variable with a dash as override", t(RUN+"\nenv: {override: {A-B: x}}"), "cfg::033", "`A-B` is not a valid variable name: only letters A-Z a-z, digits and `_` are allowed, and no digit at the start (at `tasks.build.env.override`)", (5, 22)),
    ("a list as a value", t(RUN+"\nenv: {override: {A: [x]}}"), "cfg::033", "expected a string, found a list (at `tasks.build.env.override.A`)", (5, 25)),
    ("overrides in the plural", t(RUN+"\nenv: {overrides: {A: x}}"), "cfg::004", "unknown key `overrides` in `env` (at `tasks.build.env.overrides`)", (5, 11)),
    ("pass that is true", t(RUN+"\nenv: {pass: true}"), "cfg::039", 'expected a list of strings, found "true" (at `tasks.build.env.pass`)', (5, 17)),
    ("a retry that is cached perhaps", t(RUN+"\nretries: {max: 1, cache: maybe}"), "cfg::038", 'expected `true` or `false`, found "maybe" (at `tasks.build.retries.cache`)', (5, 30)),
    ("cache that is no", t(RUN+"\ncache: no"), "cfg::036", 'expected `true` or `false`, found "no" (at `tasks.build.cache`)', (5, 12)),
    ("cache in quotes", t(RUN+'\ncache: "false"'), "cfg::036", 'expected `true` or `false`, found "false" (at `tasks.build.cache`)', (5, 12)),
    ("a timeout of zero", t(RUN+"\ntimeout: 0"), "cfg::037", '"0" is not a duration: it must be more than zero (at `tasks.build.timeout`)', (5, 14)),
    ("an infinite timeout", t(RUN+"\ntimeout: 1e999"), "cfg::037", '"1e999" is not a duration: it is too large (at `tasks.build.timeout`)', (5, 14)),
    ("a timeout with an unknown unit", t(RUN+"\ntimeout: 3 min"), "cfg::037", '"3 min" is not a duration: ` min` is no unit; use one of ms s m h d (at `tasks.build.timeout`)', (5, 14)),
    ("too many retries", t(RUN+"\nretries: 101"), "cfg::038", '"101" is not a number of extra attempts: it must be 0 to 100 (at `tasks.build.retries`)', (5, 14)),
    ("negative retries", t(RUN+"\nretries: -1"), "cfg::038", '"-1" is not a number of extra attempts: it must be 0 to 100 (at `tasks.build.retries`)', (5, 14)),
    ("a factor below one", t(RUN+"\nretries: {max: 1, factor: 0.5}"), "cfg::038", '"0.5" is not a factor: it must be at least 1 (at `tasks.build.retries.factor`)', (5, 31)),
    ("a delay beyond the greatest", t(RUN+"\nretries: {max: 1, delay: 1m}"), "cfg::038", "`delay` (60s) is more than `max_delay` (30s) (at `tasks.build.retries.delay`)", (5, 30)),
    ("an unknown reason to retry", t(RUN+"\nretries: {max: 1, on: [crash]}"), "cfg::038", "`crash` is not a valid reason to retry: expected `failure` or `timeout` (at `tasks.build.retries.on[0]`)", (5, 28)),
    ("an unknown key of retries", t(RUN+"\nretries: {max: 1, backoff: 2}"), "cfg::004", "unknown key `backoff` in `retries` (at `tasks.build.retries.backoff`)", (5, 23)),
    ("a port out of range", t(RUN+"\npersistent: true\nready: {port: 65536}"), "cfg::042", '"65536" is not a port: it must be 1 to 65535 (at `tasks.build.ready.port`)', (6, 19)),
    ("two signs of readiness", t(RUN+"\npersistent: true\nready: {port: 1, line: x}"), "cfg::042", "`ready` has exactly one of `line`, `port` and `command` (at `tasks.build.ready`)", (6, 12)),
    ("a broken regular expression", t(RUN+'\npersistent: true\nready: {line: "("}'), "cfg::042", '"(" is not a regular expression: missing ), unterminated subpattern at position 0 (at `tasks.build.ready.line`)', (6, 19)),
    ("ready without persistent", t(RUN+"\nready: {port: 1}"), "cfg::042", "`ready` is for persistent tasks only (at `tasks.build.ready`)", (5, 5)),
    ("a tool that is a pattern", t(RUN+'\ntools: [{file: "*.toml"}]'), "cfg::040", "`*.toml` must be a plain path, not a pattern (at `tasks.build.tools[0].file`)", (5, 20)),
    ("tools as text", t(RUN+"\ntools: rustc"), "cfg::040", 'expected a list, found "rustc" (at `tasks.build.tools`)', (5, 12)),
    ("projects as text", w("projects: core\n"), "cfg::009", 'expected a list, found "core" (at `projects`)', (1, 11)),
    ("projects missing", w("output: {mode: live}\n"), "cfg::009", "the workspace does not say which `projects` it has (at `projects`)", (1, 1)),
    ("a relative project", w("projects: [lib]\n"), "cfg::010", "`lib` must start with `/`, the workspace root (at `projects[0]`)", (1, 12)),
    ("an unquoted exclusion of a project", w("projects: [/lib, !/old]\n"), "cfg::010", "expected a string, found nothing (at `projects[1]`)", (1, 18)),
    ("a project with dots", w("projects: [/lib/../lib]\n"), "cfg::010", '`/lib/../lib` is not a valid path pattern: ".." is not allowed as a path segment (at `projects[0]`)', (1, 12)),
    ("a project that is not there", w("projects: [/lib, /nowhere]\n"), "dsc::017", "project `/nowhere` does not exist", (1, 18)),
    ("a project that is a file", w("projects: [/lib/haz.yml]\n"), "dsc::018", "project `/lib/haz.yml` is not a directory", (1, 12)),
    ("a pattern that finds nothing", w("projects: [/lib, /pkgs/*]\n"), "dsc::016", "`/pkgs/*` matches no directory with a `haz.yml`", (1, 18)),
    ("a project twice", w("projects: [/lib, /lib]\n"), "dsc::019", "project `/lib` is listed twice (at `projects[1]`)", (1, 18)),
    ("a project by path and by pattern", w("projects: [/lib, /*]\n"), "dsc::019", "`/lib` and `/*` both select the project `/lib`", (1, 18)),
    ("the root without a haz.yml", w("projects: [/, /lib]\n"), "dsc::023", "cannot read {tmp}/ws/haz.yml: No such file or directory", (1, 12)),
    ("a project without haz.yml", {**w("projects: [/lib, /doc]\n"),"doc/":""}, "dsc::023", "cannot read {tmp}/ws/doc/haz.yml: No such file or directory", (1, 18)),
    ("a haz.yml that is a directory", {**w("projects: [/lib, /doc]\n"),"doc/haz.yml/":""}, "dsc::023", "cannot read {tmp}/ws/doc/haz.yml: Is a directory", (1, 18)),
    ("a project outside", {**w("projects: [/lib, /out]\n"),"out":"-> /"}, "dsc::020", "project `/out` leads out of the workspace, to /", (1, 18)),
    ("a linked project outside under a pattern", {**w("projects: [/lib, /p/*]\n"),"p/out":"-> /OUTSIDE"}, "dsc::020", "`/p/out` leads out of the workspace, to {tmp}/outside", (1, 18)),
    ("a link in circles", {**w("projects: [/lib, /loop]\n"),"loop":"-> loop"}, "dsc::022", "cannot look at {tmp}/ws/loop: Too many levels of symbolic links", (1, 18)),
    ("two projects of one name", {**w("projects: [/lib, /two]\n"),"two/haz.yml":"name: lib\n"}, "dsc::027", "two projects are named `lib`: {tmp}/ws/lib/haz.yml and {tmp}/ws/two/haz.yml", (1, 7)),
    ("a hash in capitals", w("projects: [/lib]\ncache: {hash: BLAKE3}\n"), "cfg::027", 'expected `blake3` or `sha256`, found "BLAKE3" (at `cache.hash`)', (2, 15)),
    ("a compression that is none of ours", w("projects: [/lib]\ncache: {compression: gzip}\n"), "cfg::027", 'expected `none` or `zstd`, found "gzip" (at `cache.compression`)', (2, 22)),
    ("paths that are neither", w("projects: [/lib]\ncache: {paths: deny}\n"), "cfg::027", 'expected `warn` or `allow`, found "deny" (at `cache.paths`)', (2, 16)),
    ("an age without a unit", w("projects: [/lib]\ncache: {clean: {max_age: 90}}\n"), "cfg::034", '"90" is not an age: `90` has no unit; use one of s m h d w (at `cache.clean.max_age`)', (2, 26)),
    ("an age with a unit twice", w("projects: [/lib]\ncache: {clean: {max_age: 5d3d}}\n"), "cfg::034", '"5d3d" is not an age: the unit `d` is given twice (at `cache.clean.max_age`)', (2, 26)),
    ("an age beyond all ages", w("projects: [/lib]\ncache: {clean: {max_age: 30500568904944w}}\n"), "cfg::034", '"30500568904944w" is not an age: it is more than 2^64-1 seconds (at `cache.clean.max_age`)', (2, 26)),
    ("a size with a space", w("projects: [/lib]\ncache: {max_size: 5 GB}\n"), "cfg::035", '"5 GB" is not a size: a size is a whole number and a unit, such as `2GiB` (at `cache.max_size`)', (2, 19)),
    ("a size beyond all sizes", w("projects: [/lib]\ncache: {max_size: 16777216TiB}\n"), "cfg::035", '"16777216TiB" is not a size: it is more than 2^64-1 bytes (at `cache.max_size`)', (2, 19)),
    ("a cap of nothing", w("projects: [/lib]\nconcurrency: {default: 0}\n"), "cfg::028", '"0" is not `auto` or a number: it must be at least 1 (at `concurrency.default`)', (2, 24)),
    ("a cap in words", w("projects: [/lib]\nconcurrency: {default: many}\n"), "cfg::028", '"many" is not `auto` or a number: it is not an integer (at `concurrency.default`)', (2, 24)),
    ("a cap for a bad tag", w("projects: [/lib]\nconcurrency: {tags: {'a b': 1}}\n"), "cfg::029", "`a b` is not a valid tag: it contains U+0020; only letters A-Z a-z, digits, `-` and `_` are allowed (at `concurrency.tags`)", (2, 22)),
    ("an output mode that is not there", w("projects: [/lib]\noutput: {mode: Live}\n"), "cfg::030", 'expected `live` or `buffered`, found "Live" (at `output.mode`)', (2, 16)),
    ("a negative grace", w("projects: [/lib]\nexecution: {cancel_grace: -1}\n"), "cfg::031", '"-1" is not a duration: it must not be negative (at `execution.cancel_grace`)', (2, 27)),
    ("a grace that is no number", w("projects: [/lib]\nexecution: {cancel_grace: .nan}\n"), "cfg::031", '".nan" is not a duration: `nan` is no unit; use one of ms s m h d (at `execution.cancel_grace`)', (2, 27)),
    ("a remote by http", w("projects: [/lib]\nremote: {url: 'http://x'}\n"), "cfg::047", "`http://x` is not a URL that starts with grpc:// or grpcs:// (at `remote.url`)", (2, 15)),
    ("a remote without a url", w("projects: [/lib]\nremote: {cache: off}\n"), "cfg::047", "`remote` needs a `url` (at `remote`)", (2, 9)),
    ("an overlay without tasks", o("tagsFilter: [rust]\n"), "cfg::025", "the overlay has no `tasks` (at `tasks`)", (1, 1)),
    ("an overlay with an empty filter", o("tagsFilter: []\ntasks: {}\n"), "cfg::024", "the list is empty (at `tagsFilter`)", (1, 13)),
    ("an overlay with a name", o("name: x\ntasks: {}\n"), "cfg::004", "unknown key `name` in an overlay (at `name`)", (1, 1)),
    ("an overlay with a broken task", o("tasks: {lint: {command: make}}\n"), "cfg::021", 'expected a list of strings, found "make" (at `tasks.lint.command`)', (1, 25)),
    ("a priority in words", o("priority: high\ntasks: {}\n"), "cfg::048", '"high" is not a whole number: it is not an integer (at `priority`)', (1, 11)),
    ("overlays that collide", {**o("tasks: {lint: {command: [a]}}\n"),".haz/tasks/two.yml":"tasks: {lint: {command: [b]}}\n"}, "dag::006", "overlay collision for task `lib:lint`: `common.yml` and `two.yml` define it, and none is more specific (DAG-006)", (1, 9)),
    ("a file in place of the overlays", {".haz/tasks":"x"}, "dsc::033", "cannot list the overlays in {tmp}/ws/.haz/tasks: Not a directory", None),
    ("settings that are a directory", {WORKSPACE:"absent",".haz/workspace.yml/":""}, "dsc::005", "cannot read {tmp}/ws/.haz/workspace.yml: Is a directory", None),
    ("no workspace at all", {WORKSPACE:"absent"}, "dsc::001", "workspace discovery failed: no workspace in {tmp}/ws or any directory above it", None),
]
# fmt: on
IDS = [row[0] for row in BROKEN]


def broken(tmp_path, files):
    write_tree(tmp_path / "outside", {"haz.yml": "name: out\n"})
    (tmp_path / "ws").mkdir()
    complete = codes.files(files)
    here = {
        path: text.replace("/OUTSIDE", f"{tmp_path}/outside") if isinstance(text, str) else text
        for path, text in complete.items()
    }
    return str(write_tree(tmp_path / "ws", here))


@pytest.mark.parametrize(("files", "code", "message", "place"), [row[1:] for row in BROKEN], ids=IDS)
def test_a_broken_workspace_is_told_with_code_message_and_place(files, code, message, place, tmp_path):
    """CFG-003..035, DISC-001..010, DISC-020..022, DAG-006; O8, O9, O10, O11, O12, O30."""
    start = broken(tmp_path, files)
    _, diagnostics = workspace.load_tolerant(start)
    assert [problem.code for problem in diagnostics] == [f"haz::{code}"]
    (problem,) = diagnostics
    assert problem.message == message.replace("{tmp}", str(tmp_path))
    assert (None if problem.span is None else (problem.span.line, problem.span.column)) == place
    drawn = render.render(diagnostics)
    assert drawn.splitlines()[:3] == [f"haz::{code}", "", f"  × {problem.message}"]  # noqa: RUF001
    assert drawn.count(f"haz::{code}") == 1


@pytest.mark.parametrize("files", [row[1] for row in BROKEN], ids=IDS)
def test_every_rendering_of_a_broken_workspace_works(files, tmp_path):
    _, diagnostics = workspace.load_tolerant(broken(tmp_path, files))
    for narrated in (False, True):
        for ascii_only in (False, True):
            text = render.render(diagnostics, narrated=narrated, ascii_only=ascii_only, width=40, colour=True)
            assert diagnostics[0].code in text
    (data,) = render.as_json(diagnostics)
    assert data["code"] == diagnostics[0].code


def test_there_are_many_rows():
    assert len({row[0] for row in BROKEN}) == len(BROKEN) >= 120

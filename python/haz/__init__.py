"""haz: a task runner for large monorepos."""

"""haz: a task runner for large monorepos. It runs each task in order, in parallel, and never twice for nothing."""

__version__ = "0.1.0"

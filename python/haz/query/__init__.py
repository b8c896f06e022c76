"""The query language: which tasks have these properties (spec 04 §10)."""

from __future__ import annotations

from haz.query.engine import Filters, run_query
from haz.query.expression import Problem, QueryError, report
from haz.query.formats import as_json, plain

__all__ = ["Filters", "Problem", "QueryError", "as_json", "plain", "report", "run_query"]

"""The history of runs in `.haz/runs`: one log per run, what it says, and how it is shown (spec 03 §13.7)."""

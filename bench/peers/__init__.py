"""haz beside ninja, Turborepo, Nx, moon and go-task: the same workspace, the same scenarios, in turn."""

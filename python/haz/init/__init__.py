"""`haz init`: from a selection of directories, or from what an import found, to the files of a workspace."""

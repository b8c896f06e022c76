"""The three kinds of configuration file: from YAML nodes to declarations, and from declarations to tasks."""

"""GLUE tasks: reading, splitting, batching and scoring their rows."""

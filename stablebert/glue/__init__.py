"""GLUE tasks: where rows come from, how they are split, batched and scored."""

"""An index of shapes: their nearest neighbours, what is there twice, and what is like nothing else."""

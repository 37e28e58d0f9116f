"""Rendered views of shapes: drawn once by ray casting or splatting, stored, found by name, changed at random."""

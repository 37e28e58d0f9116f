"""Readers of surfaces, a file each kind: triangles over shared corners, nothing merged, moved or left out."""

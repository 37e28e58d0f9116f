"""Pictures of what a run learned: figures, a turnable 3D view, and one self-contained report page."""

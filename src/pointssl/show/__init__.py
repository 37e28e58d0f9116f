"""Pictures of what a run learned: figures, an interactive 3D view, and one self-contained report page."""

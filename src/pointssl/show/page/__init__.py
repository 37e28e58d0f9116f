"""What every page is made of: its frame, panels, the interactive 3D view, pictures and their style."""

"""Large scans cut into blocks: which blocks a point is in, points sorted into them, and a store of the blocks."""

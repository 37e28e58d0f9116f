"""From settings to a finished encoder: the loop, its state on disk, and what watches over both."""

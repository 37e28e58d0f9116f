"""The report of a run: curves, scores, features, and what a method makes of single shapes."""

"""The explorer: every shape of a folder on one map, with what is like it, what is there twice and what is odd."""

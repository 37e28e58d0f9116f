"""Clouds without end, made from formulas: a cloud is a function of (seed, index), no file, no epoch, none twice."""

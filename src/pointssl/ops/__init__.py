"""Maths as plain functions of tensors: no modules, no files, no settings, no global state."""

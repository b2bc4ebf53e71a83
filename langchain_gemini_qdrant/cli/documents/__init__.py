"""Finds, decodes, reads and splits files into passages."""

"""Folders of the embedded engine: opened, locked, measured and backed up."""

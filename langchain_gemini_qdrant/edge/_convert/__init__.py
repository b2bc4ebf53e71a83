"""Qdrant's models to the engine's objects and back, checked on the way in."""

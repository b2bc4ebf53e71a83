"""Qdrant's models to the engine's objects and back, checked before the engine sees them."""

"""The sections of `embeddings.py`: each module can `measure(options)` and `show(results)`."""

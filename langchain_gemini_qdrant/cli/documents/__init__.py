"""Files to passages: found, decoded, read and split."""

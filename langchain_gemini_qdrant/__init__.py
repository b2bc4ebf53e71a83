"""Gemini embeddings and Qdrant for LangChain."""

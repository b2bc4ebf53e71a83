"""Media beside texts: images, sounds, videos and PDFs in one vector space with texts."""

from langchain_gemini_qdrant.media._blocks import acontent_blocks, content_blocks
from langchain_gemini_qdrant.media._contents import Content, ContentBlock
from langchain_gemini_qdrant.media._kinds import MEDIA_TYPES

__all__ = ["MEDIA_TYPES", "Content", "ContentBlock", "acontent_blocks", "content_blocks"]

"""An MCP server over the collections of stores: tools with which models search and store."""

from __future__ import annotations

try:
    import mcp.server.mcpserver  # noqa: F401 - the extra
except ModuleNotFoundError as error:
    raise ImportError(
        "langchain_gemini_qdrant.mcp needs the MCP SDK, version 2.3 or later: "
        "pip install 'langchain-gemini-qdrant[mcp]'"
    ) from error

from langchain_gemini_qdrant.mcp._served import ServedCollection
from langchain_gemini_qdrant.mcp._server import create_mcp_server, create_mcp_tools

__all__ = ["ServedCollection", "create_mcp_server", "create_mcp_tools"]

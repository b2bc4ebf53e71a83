"""The tools over several collections, and an `MCPServer` that offers them."""

from __future__ import annotations

import inspect
from importlib.metadata import version
from typing import TYPE_CHECKING, Annotated, Any, Literal

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.tools import Tool
from mcp.types import ToolAnnotations
from pydantic import Field, create_model

from langchain_gemini_qdrant.errors import ConfigurationError
from langchain_gemini_qdrant.mcp import _tools
from langchain_gemini_qdrant.mcp._errors import as_tool_errors
from langchain_gemini_qdrant.mcp._served import ServedCollection
from langchain_gemini_qdrant.vectorstores.store import GeminiQdrantVectorStore

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

_READS = ToolAnnotations(read_only_hint=True, open_world_hint=False)
_ADDS = ToolAnnotations(
    read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=False
)


def create_mcp_server(
    stores: Mapping[str, GeminiQdrantVectorStore | ServedCollection],
    *,
    read_only: bool = False,
    name: str = "gemini-qdrant",
    instructions: str | None = None,
) -> MCPServer[Any]:
    """Create an MCP server with which models search collections and store texts in them.

    `server.run("stdio")` serves a client that started this process, and
    `server.streamable_http_app()` is an ASGI application to serve or to mount. Tools of your own
    can be added with `@server.tool()`. The stores stay open: close them when the server has ended.

    Args:
        stores: Open stores by the names that the model reads. `ServedCollection` adds a
            description. The tools use their async methods, so an embedded engine should be in a
            process of its own: `create_vector_store(..., worker=True)`.
        read_only: Offer no tool that stores.
        name: Name of the server.
        instructions: What the client tells the model of this server; None lists the collections.

    Returns:
        The server, with the tools of `create_mcp_tools`.

    Raises:
        ConfigurationError: There is no store, or one of them is something else.
    """
    served = _served(stores)
    return MCPServer(
        name,
        instructions=_instructions(served) if instructions is None else instructions,
        version=version("langchain-gemini-qdrant"),
        tools=create_mcp_tools(served, read_only=read_only),
        log_level="WARNING",
    )


def create_mcp_tools(
    stores: Mapping[str, GeminiQdrantVectorStore | ServedCollection], *, read_only: bool = False
) -> list[Tool]:
    """Create the tools of `create_mcp_server`, for an `MCPServer` with settings of your own.

    They are `search_documents`, `get_documents`, `store_document`, `list_sources` and
    `list_collections`. With more than one store, they have an argument `collection`.

    Args:
        stores: Open stores by the names that the model reads.
        read_only: Leave out `store_document`.

    Returns:
        Tools for `MCPServer(tools=...)`.

    Raises:
        ConfigurationError: There is no store, or one of them is something else.
    """
    served = _served(stores)
    tools = [
        _tool(_tools.search_documents, served, "Search documents", _READS),
        _tool(_tools.get_documents, served, "Get documents", _READS),
        _tool(_tools.list_sources, served, "List sources", _READS),
        _listing(served),
    ]
    if not read_only:
        tools.append(_tool(_tools.store_document, served, "Store a document", _ADDS))
    return tools


def _served(
    stores: Mapping[str, GeminiQdrantVectorStore | ServedCollection],
) -> dict[str, ServedCollection]:
    served = {}
    for name, store in stores.items():
        each = store if isinstance(store, ServedCollection) else ServedCollection(store=store)
        if not isinstance(each.store, GeminiQdrantVectorStore):
            raise ConfigurationError(
                f"stores[{name!r}] must be a GeminiQdrantVectorStore or a ServedCollection, got "
                f"{type(each.store).__name__}"
            )
        served[name] = each
    if not served:
        raise ConfigurationError("stores must have one store at least, got none")
    return served


def _instructions(served: Mapping[str, ServedCollection]) -> str:
    names = [
        f"{name} ({each.description})" if each.description else name
        for name, each in served.items()
    ]
    return (
        "Stored documents that can be searched by meaning. Cite the source of each hit that you "
        f"use. Collections: {', '.join(names)}."
    )


def _tool(
    function: Callable[..., Awaitable[object]],
    served: Mapping[str, ServedCollection],
    title: str,
    annotations: ToolAnnotations,
) -> Tool:
    """Return a tool for a function whose first argument is the collection."""
    names = tuple(served)

    async def call(*, collection: str = names[0], **arguments: object) -> object:
        with as_tool_errors():
            return await function(served[collection], **arguments)

    signature = inspect.signature(function, eval_str=True)
    parameters = [*signature.parameters.values()][1:]
    if len(names) > 1:
        described = "; ".join(f"{name}: {served[name].description or name}" for name in names)
        choice = inspect.Parameter(
            "collection",
            inspect.Parameter.KEYWORD_ONLY,
            annotation=Annotated[Literal[names], Field(description=f"Collection. {described}")],
        )
        parameters.append(choice)
    return _strict(function, call, signature.replace(parameters=parameters), title, annotations)


def _listing(served: dict[str, ServedCollection]) -> Tool:
    async def call() -> object:
        return await _tools.list_collections(served)

    signature = inspect.signature(_tools.list_collections, eval_str=True).replace(parameters=[])
    return _strict(_tools.list_collections, call, signature, "List collections", _READS)


def _strict(
    function: Callable[..., Awaitable[object]],
    call: Callable[..., Awaitable[object]],
    signature: inspect.Signature,
    title: str,
    annotations: ToolAnnotations,
) -> Tool:
    """Return a tool that refuses unknown arguments: a misspelt filter must not be ignored."""
    call.__signature__ = signature  # type: ignore[attr-defined] # inspect reads it
    tool = Tool.from_function(
        call,
        name=function.__name__,
        title=title,
        description=inspect.getdoc(function),
        annotations=annotations,
        structured_output=True,
    )
    if signature.parameters:  # some clients send a placeholder to a tool without arguments
        tool.fn_metadata.arg_model = create_model(
            f"{function.__name__}_arguments",
            __base__=tool.fn_metadata.arg_model,
            __cls_kwargs__={"extra": "forbid"},
        )
        tool.parameters = tool.fn_metadata.arg_model.model_json_schema(by_alias=True)
    return tool

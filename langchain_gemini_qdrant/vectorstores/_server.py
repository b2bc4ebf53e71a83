"""Create clients of a Qdrant server: address, key, and TLS for both transports."""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx
from pydantic import SecretStr
from qdrant_client import QdrantClient

from langchain_gemini_qdrant._warnings import warn
from langchain_gemini_qdrant.embeddings._options import clean_key, clean_word
from langchain_gemini_qdrant.errors import ConfigurationError

_RECONNECTING: dict[str, Any] = {
    # By default a channel reconnects less and less often, in the end every two minutes.
    # https://github.com/grpc/grpc/blob/master/doc/connection-backoff.md
    "grpc.initial_reconnect_backoff_ms": 200,
    "grpc.max_reconnect_backoff_ms": 1000,
}


class _Identity(NamedTuple):
    """Files of a client certificate and its key, as `SSLContext.load_cert_chain` takes them."""

    chain: str | os.PathLike[str]
    key: str | os.PathLike[str] | None = None
    password: str | None = None


def server_client(
    url: str | None, host: str | None = None, *, api_key: object = None, **options: Any
) -> QdrantClient:
    """Return a client of a server; nothing is sent.

    Args:
        url: The server's address, with or without a scheme.
        host: The server's host, in place of `url`.
        api_key: Qdrant's key.
        options: Options of `QdrantClient`. `verify` and `cert` are those of httpx and apply to
            gRPC, too; `grpc_options` override the options that are set here.

    Raises:
        ConfigurationError: The address or the key has characters that cannot be sent, the address
            is not that of a single server, or a certificate cannot be used.
    """
    url, host = _address(url, "url"), _address(host, "host")
    if isinstance(api_key, str | SecretStr):
        api_key = clean_key(api_key, "api_key") or None
    scheme = url.partition("://")[0] if url and "://" in url else ""
    https = options.get("https")
    if url and not scheme and https is None and api_key is not None:
        warn(
            f"url={url!r} has no scheme, and with api_key= https is assumed: write https:// or "
            "http:// before it"
        )
    grpc_options = {**_RECONNECTING}
    if scheme == "https" or (not scheme and (api_key is not None if https is None else https)):
        grpc_options |= _take_tls(options)
    options["grpc_options"] = {**grpc_options, **(options.get("grpc_options") or {})}
    return QdrantClient(url=url, host=host, **quiet({**options, "api_key": api_key}))


def quiet(options: dict[str, Any]) -> dict[str, Any]:
    """Return options with which a client does not request the server's version, and never warns.

    A client writes its own name into the gRPC options, and warns if there is one already.
    """
    changed = {**options, "check_compatibility": False}
    if grpc_options := dict(changed.get("grpc_options") or {}):
        grpc_options.pop("grpc.primary_user_agent", None)
        changed["grpc_options"] = grpc_options
    return changed


def _address(value: object, name: str) -> str | None:
    if value is None:
        return None
    one = f"{name} must be one address such as 'http://localhost:6333', got"
    way_out = "pass the address of a cluster's load balancer, or a DNS name for all its nodes"
    if not isinstance(value, str):
        raise ConfigurationError(f"{one} {type(value).__name__}: {way_out}")
    address = clean_word(value, name)
    try:
        found = urlsplit(address if "//" in address else f"//{address}")
        is_several = "," in found.netloc
        _ = is_several or found.port  # raises
    except ValueError as error:
        raise ConfigurationError(f"{one} {value!r}: {error}") from error
    if is_several:
        raise ConfigurationError(f"{one} several: {way_out}")
    if found.scheme not in {"", "http", "https"}:
        raise ConfigurationError(f"{one} {value!r}: its scheme must be http or https")
    if "@" in found.netloc:
        raise ConfigurationError(
            f"{name} must have no user and password, which qdrant-client does not send: pass them "
            "as headers={'Authorization': 'Basic ...'}, or Qdrant's own key as api_key="
        )
    return address


def _take_tls(options: dict[str, Any]) -> dict[str, bytes]:
    """Merge `cert` into `verify`, as httpx reads only one; return the same options for gRPC."""
    verify, cert = options.get("verify", True), options.pop("cert", None)
    identity: _Identity | None = None
    if cert is not None:
        identity = _Identity(cert) if isinstance(cert, str | os.PathLike) else _Identity(*cert)
    try:
        if identity is not None or isinstance(verify, str | os.PathLike):
            options["verify"] = _context(verify, identity)
        if not options.get("prefer_grpc"):
            return {}
        has_roots = "root_certificates" in (options.get("grpc_options") or {})
        return ({} if has_roots else _grpc_roots(verify)) | _grpc_identity(identity)
    except OSError as error:  # includes ssl.SSLError
        files = [each for each in (verify, *(identity or ())[:2]) if isinstance(each, str | Path)]
        raise ConfigurationError(
            "verify and cert must name files with certificates and keys in PEM, got "
            f"{' and '.join(repr(str(each)) for each in files)}: {error}"
        ) from error


def _context(verify: Any, identity: _Identity | None) -> ssl.SSLContext:  # noqa: ANN401
    """Return httpx's SSL context for these options."""
    if isinstance(verify, str | os.PathLike):
        is_folder = Path(verify).is_dir()
        context = ssl.create_default_context(
            cafile=None if is_folder else verify, capath=verify if is_folder else None
        )
    elif isinstance(verify, ssl.SSLContext):
        context = verify
    else:
        context = httpx.create_ssl_context(verify=verify)
    if identity is not None:
        context.load_cert_chain(*identity)
    return context


def _grpc_roots(verify: Any) -> dict[str, bytes]:  # noqa: ANN401
    """Return the root certificates for gRPC, if they are not its default.

    Raises:
        ConfigurationError: gRPC does not support this `verify`.
    """
    if verify is True:
        verify = os.environ.get("SSL_CERT_FILE") or True  # as httpx does
    if isinstance(verify, ssl.SSLContext) and verify.verify_mode is not ssl.CERT_NONE:
        roots = [ssl.DER_cert_to_PEM_cert(each) for each in verify.get_ca_certs(binary_form=True)]
        return {"root_certificates": "".join(roots).encode()} if roots else {}
    if isinstance(verify, str | os.PathLike) and not Path(verify).is_dir():
        return {"root_certificates": Path(verify).read_bytes()}
    if verify is True:
        return {}
    raise ConfigurationError(
        "gRPC always checks the server's certificate, and needs the trusted certificates in one "
        f"file: pass verify='ca.pem', or prefer_grpc=False, got verify={verify!r}"
    )


def _grpc_identity(identity: _Identity | None) -> dict[str, bytes]:
    if identity is None:
        return {}
    if identity.password is not None:
        raise ConfigurationError(
            "gRPC does not accept a password for a key: pass cert=(certificate, key) with a key "
            "that has none, or prefer_grpc=False"
        )
    return {
        "certificate_chain": Path(identity.chain).read_bytes(),
        "private_key": Path(identity.key or identity.chain).read_bytes(),
    }

"""Every way in which a gRPC call ends becomes the error that REST would have had.

Calls go over our own channel and through a client of the user's own, sync and async.
"""

from __future__ import annotations

import socketserver
import threading
from datetime import timedelta

import grpc
import pytest
from google.ai.generativelanguage_v1beta import (
    GenerativeServiceAsyncClient,
    GenerativeServiceClient,
)
from google.ai.generativelanguage_v1beta.services.generative_service import transports
from google.ai.generativelanguage_v1beta.types import BatchEmbedContentsResponse
from google.protobuf.any_pb2 import Any
from google.rpc.error_details_pb2 import ErrorInfo, Help, QuotaFailure, RetryInfo
from google.rpc.status_pb2 import Status

from langchain_gemini_qdrant import GeminiEmbeddings
from langchain_gemini_qdrant.errors import (
    BillingError,
    ConfigurationError,
    DailyQuotaError,
    EmbeddingError,
    RateLimitError,
    RequestRejectedError,
    ServiceError,
)
from tests.integration_tests.grpc_server import GrpcServer
from tests.integration_tests.loopback import serving

SMALL = {"output_dimensionality": 128, "max_retries": 0}
DETAILS = "grpc-status-details-bin"
RESPONSE = BatchEmbedContentsResponse.pb()


@pytest.fixture
def server():
    with GrpcServer(None) as server:
        yield server


@pytest.fixture(params=["channel", "own client"])
def embed(request, twin):
    """Embed a text or texts at a server's address."""

    async def embed(target, texts="a", **options):
        options = {"backend": "grpc", **SMALL, **options}
        if request.param == "channel":
            options |= {"api_key": "key", "base_url": f"http://{target}"}
        else:
            limits = [("grpc.max_receive_message_length", -1)]
            channel = grpc.insecure_channel(target, limits)
            async_channel = grpc.aio.insecure_channel(target, limits)
            sync = transports.GenerativeServiceGrpcTransport(channel=channel)
            asynchronous = transports.GenerativeServiceGrpcAsyncIOTransport(channel=async_channel)
            options |= {
                "client": GenerativeServiceClient(transport=sync),
                "async_client": GenerativeServiceAsyncClient(transport=asynchronous),
            }
        embeddings = GeminiEmbeddings(**options)
        method = "embed_query" if isinstance(texts, str) else "embed_documents"
        try:
            return await twin(embeddings, method, texts)
        finally:
            embeddings.close()
            await embeddings.aclose()
            if request.param != "channel":
                channel.close()
                await async_channel.close()

    return embed


def aborting(code, message="m", *details, trailers=()):
    """End every call with a status, with details in its trailers as Google's servers send them."""

    def answer(_, context):
        status = Status(code=code.value[0], message=message)
        for detail in details:
            if isinstance(detail, Any):
                status.details.append(detail)
            else:
                status.details.add().Pack(detail)
        packed = ((DETAILS, status.SerializeToString()),) if details else ()
        context.set_trailing_metadata((*packed, *trailers))
        context.abort(code, message)

    return answer


CODE = grpc.StatusCode
ENDINGS = {
    CODE.CANCELLED: (ServiceError, 499),
    CODE.UNKNOWN: (ServiceError, 500),
    CODE.INVALID_ARGUMENT: (RequestRejectedError, 400),
    CODE.DEADLINE_EXCEEDED: (ServiceError, 504),
    CODE.NOT_FOUND: (RequestRejectedError, 404),
    CODE.ALREADY_EXISTS: (RequestRejectedError, 409),
    CODE.PERMISSION_DENIED: (RequestRejectedError, 403),
    CODE.RESOURCE_EXHAUSTED: (RateLimitError, 429),
    CODE.FAILED_PRECONDITION: (RequestRejectedError, 400),
    CODE.ABORTED: (RequestRejectedError, 409),
    CODE.OUT_OF_RANGE: (RequestRejectedError, 400),
    CODE.UNIMPLEMENTED: (RequestRejectedError, 501),
    CODE.INTERNAL: (ServiceError, 500),
    CODE.UNAVAILABLE: (ServiceError, 503),
    CODE.DATA_LOSS: (ServiceError, 500),
    CODE.UNAUTHENTICATED: (RequestRejectedError, 401),
}


async def test_every_status_is_the_error_of_its_http_status(server, embed):
    found = {}
    for code in ENDINGS:
        server.answer = aborting(code)
        with pytest.raises(EmbeddingError, match="the API answered .*: m") as caught:
            await embed(server.target)
        found[code] = type(caught.value), caught.value.status_code
    assert found == ENDINGS


PER_MINUTE = QuotaFailure.Violation(
    quota_metric="embed_content_requests",
    quota_id="EmbedContentRequestsPerMinutePerProject",
    quota_value=100,
)
PER_DAY = QuotaFailure.Violation(quota_id="EmbedContentRequestsPerDayPerProject", quota_value=1000)
DELAY = RetryInfo()
DELAY.retry_delay.FromTimedelta(timedelta(seconds=33.5))
LIMIT_0 = ErrorInfo(metadata={"quota_limit": "RequestsPerMinute", "quota_limit_value": "0"})
UNKNOWN = Any(type_url="type.googleapis.com/google.rpc.NotYetKnown", value=b"\x08\x01")
PAST = RetryInfo()
PAST.retry_delay.FromTimedelta(timedelta(seconds=-4))
BROKEN = Any(type_url="type.googleapis.com/google.rpc.RetryInfo", value=b"\xff\xff")
HELP = Help(links=[Help.Link(description="more", url="https://ai.google.dev")])


@pytest.mark.parametrize(
    ("details", "kind", "retry_after", "limits"),
    [
        ([], RateLimitError, None, {}),
        ([DELAY], RateLimitError, 33.5, {}),
        (
            [HELP, QuotaFailure(violations=[PER_MINUTE]), DELAY],
            RateLimitError,
            33.5,
            {"texts": 100},
        ),
        ([QuotaFailure(violations=[PER_DAY]), DELAY], DailyQuotaError, None, {"texts": 1000}),
        ([LIMIT_0], BillingError, None, {"texts": 0}),
        ([UNKNOWN, DELAY], RateLimitError, 33.5, {}),
        ([PAST], RateLimitError, None, {}),
        ([DELAY, PAST, RetryInfo()], RateLimitError, 33.5, {}),
        ([BROKEN, QuotaFailure(violations=[PER_MINUTE])], RateLimitError, None, {"texts": 100}),
    ],
    ids=[
        "none",
        "delay",
        "per minute",
        "per day",
        "limit 0",
        "unknown",
        "in the past",
        "three",
        "broken",
    ],
)
async def test_details_of_a_429_are_read(server, embed, details, kind, retry_after, limits):
    server.answer = aborting(CODE.RESOURCE_EXHAUSTED, "m", *details)
    with pytest.raises(RateLimitError) as caught:
        await embed(server.target)
    assert type(caught.value) is kind
    assert caught.value.retry_after == retry_after
    assert caught.value.limits == limits


@pytest.mark.parametrize(
    "packed",
    [b"\xff no protobuf", Status(code=3, message="another").SerializeToString(), b""],
    ids=["no protobuf", "of another status", "empty"],
)
async def test_details_that_cannot_be_read_leave_the_status(server, embed, packed):
    trailers = ((DETAILS, packed), ("retry-after", "21"))
    server.answer = aborting(CODE.UNAVAILABLE, "overloaded", trailers=trailers)
    with pytest.raises(ServiceError, match="answered 503: overloaded") as caught:
        await embed(server.target)
    assert caught.value.status_code == 503
    assert caught.value.retry_after == 22.0


async def test_key_that_the_server_quotes_is_masked(server, embed):
    server.answer = aborting(CODE.UNAUTHENTICATED, "bad key AIzaSyD-1234567890 for ?key=abcdef")
    with pytest.raises(RequestRejectedError) as caught:
        await embed(server.target)
    assert "AIza" not in str(caught.value)
    assert "abcdef" not in str(caught.value)


async def test_end_of_the_own_time_is_no_answer_of_the_api(server, embed):
    hanging = threading.Event()
    server.answer = lambda *_: hanging.wait(30) and b""
    with pytest.raises(ServiceError, match="no answer from the API: DEADLINE_EXCEEDED") as caught:
        await embed(server.target, timeout=0.1)
    hanging.set()
    assert caught.value.status_code is None


async def test_trailers_that_are_too_large_are_an_unreadable_answer_and_no_quota(server, embed):
    trailers = (("x-why", "a" * 20_000),)
    server.answer = aborting(CODE.INVALID_ARGUMENT, trailers=trailers)
    with pytest.raises(ServiceError, match="cannot be read"):
        await embed(server.target)


async def test_answer_that_is_no_protobuf_is_an_unreadable_answer(server, embed):
    server.answer = lambda *_: b"\xff, which starts no message"
    with pytest.raises(ServiceError, match="cannot be read"):
        await embed(server.target)


async def test_refused_connection_and_unknown_host_are_no_answer(embed):
    with GrpcServer(None) as gone:
        pass
    for target in (gone.target, "no-such-host.invalid:443"):
        with pytest.raises(ServiceError, match="no answer from the API: UNAVAILABLE") as caught:
            await embed(target)
        assert caught.value.status_code is None


# Proxies, which answer in HTTP/2


class Proxy(socketserver.ThreadingTCPServer):
    """Answers each call with an HTTP status in HTTP/2, as proxies in front of gRPC do."""

    daemon_threads = True

    def __init__(self, status):
        super().__init__(("127.0.0.1", 0), self.Connection)
        self.target = f"127.0.0.1:{self.server_address[1]}"
        self.status = str(status).encode()

    class Connection(socketserver.StreamRequestHandler):
        def handle(self):
            self.rfile.read(24)  # the preface
            self.send(4, 0, 0)  # settings
            while head := self.rfile.read(9):
                self.rfile.read(int.from_bytes(head[:3], "big"))
                if head[3] == 1:  # headers, answered by headers that end the stream
                    status = self.server.status  # `:status` is 8 in HPACK's table
                    self.send(1, 5, head[5:], b"\x08" + bytes([len(status)]) + status)

        def send(self, kind, flags, stream, payload=b""):
            stream = stream or bytes(4)
            self.wfile.write(len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream)
            self.wfile.write(payload)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, RequestRejectedError),
        (403, RequestRejectedError),
        (404, RequestRejectedError),
        (413, RequestRejectedError),
        (429, RateLimitError),
        (500, ServiceError),
        (502, ServiceError),
        (503, ServiceError),
        (504, ServiceError),
    ],
)
async def test_http_status_of_a_proxy_is_the_error_s(embed, status, kind):
    with serving(Proxy(status)) as proxy, pytest.raises(EmbeddingError) as caught:
        await embed(proxy.target)
    assert (type(caught.value), caught.value.status_code) == (kind, status)


# Sizes

TEXTS = [f"passage {i}." for i in range(8)]


def vectors(count):
    message = RESPONSE()
    for _ in range(count):
        message.embeddings.add(values=[1.0] + [0.0] * 127)
    return message.SerializeToString()


def count_of(request):
    return request.count(b"passage")


async def test_request_that_the_server_finds_too_large_is_sent_in_halves(embed):
    limit = [("grpc.max_receive_message_length", 400)]
    with GrpcServer(lambda request, _: vectors(count_of(request)), options=limit) as server:
        assert len(await embed(server.target, TEXTS)) == 8
    assert len(server.calls) > 1


async def test_text_that_is_too_large_by_itself_is_refused_and_not_waited_for(embed, clock):
    limit = [("grpc.max_receive_message_length", 400)]
    with (
        GrpcServer(None, options=limit) as server,
        pytest.raises(RequestRejectedError, match="larger than max") as caught,
    ):
        await embed(server.target, "word " * 200, max_retries=6, clock=clock)
    assert caught.value.status_code == 413
    assert clock.waits == []


async def test_answer_of_more_than_4_mb_is_read_and_unknown_fields_are_ignored(server, embed):
    field = b"\x7a" + b"\x80\x80\x80\x03" + bytes(3 * 2**21)  # number 15, of 6 MB
    server.answer = lambda *_: vectors(1) + field
    assert len(await embed(server.target)) == 128


async def test_sync_call_with_an_async_client_alone_says_what_it_needs():
    channel = grpc.aio.insecure_channel("127.0.0.1:1")
    transport = transports.GenerativeServiceGrpcAsyncIOTransport(channel=channel)
    client = GenerativeServiceAsyncClient(transport=transport)
    embeddings = GeminiEmbeddings(backend="grpc", async_client=client)
    with pytest.raises(ConfigurationError, match="needs client, got async_client alone"):
        embeddings.embed_query("a")
    await channel.close()


def test_client_of_another_version_of_the_api_is_told_from_ours():
    other = type("GenerativeServiceClient", (), {"__module__": "google.ai.generativelanguage_v1"})
    embeddings = GeminiEmbeddings(backend="grpc", client=other())
    with pytest.raises(ConfigurationError, match=r"got google\.ai\.generativelanguage_v1\.Gen"):
        embeddings.embed_query("a")


async def test_certificate_that_the_server_does_not_trust_is_its_failure(server, embed):
    """A gateway passes on what it met behind it."""
    server.answer = aborting(CODE.UNAVAILABLE, "upstream: TLS error: CERTIFICATE_VERIFY_FAILED")
    with pytest.raises(ServiceError, match="answered 503: upstream"):
        await embed(server.target)


@pytest.mark.parametrize("backend", ["grpc", "google-generativeai"])
def test_client_over_rest_is_for_google_generativeai(backend, emulator):
    client = GenerativeServiceClient(
        transport="rest",
        client_options={"api_key": emulator.api_key, "api_endpoint": emulator.base_url},
    )
    embeddings = GeminiEmbeddings(backend=backend, client=client, **SMALL)
    if backend == "grpc":
        with pytest.raises(ConfigurationError, match="pass backend='google-generativeai'"):
            embeddings.embed_query("a")
    else:
        assert len(embeddings.embed_query("a")) == 128
    client.transport.close()

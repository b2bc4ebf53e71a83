"""A gRPC server of a few lines, for statuses and answers that no emulator gives."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import grpc

SERVICE = "google.ai.generativelanguage.v1beta.GenerativeService"


class GrpcServer:
    """Has `answer(request, context)` answer every call of Google's two methods, in bytes.

    Attributes:
        calls: The metadata of each call.
    """

    def __init__(self, answer, *, address="127.0.0.1:0", credentials=None, options=()):
        self.answer = answer
        self.calls = []
        self._pool = ThreadPoolExecutor(8)
        self._server = grpc.server(self._pool, options=options)
        methods = dict.fromkeys(
            ("BatchEmbedContents", "CountTokens"), grpc.unary_unary_rpc_method_handler(self._reply)
        )
        self._server.add_generic_rpc_handlers(
            [grpc.method_handlers_generic_handler(SERVICE, methods)]
        )
        if credentials is None:
            self.port = self._server.add_insecure_port(address)
        else:
            self.port = self._server.add_secure_port(address, credentials)
        self.target = f"127.0.0.1:{self.port}"
        self.url = f"http://{self.target}"

    def _reply(self, request, context):
        self.calls.append(dict(context.invocation_metadata()))
        return self.answer(request, context)

    def __enter__(self):
        self._server.start()
        return self

    def stop(self):
        self._server.stop(0).wait()

    def __exit__(self, *_):
        self.stop()
        self._pool.shutdown()

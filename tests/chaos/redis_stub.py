"""A Redis that answers every command with the same error."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def refusing_redis(refusal: bytes) -> Iterator[int]:
    """Run the server and yield its port. In RESP a command is an array, which begins with a line ``*…``."""

    class ErrorHandler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            for line in self.rfile:
                if line.startswith(b"*"):
                    self.wfile.write(refusal)

    class ErrorServer(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True

        def handle_error(self, request: object, client_address: object) -> None:
            """Ignore broken connections, which rows cause on purpose."""

    with ErrorServer(("127.0.0.1", 0), ErrorHandler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()

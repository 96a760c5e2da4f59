"""An HTTP server on loopback that fails as it is told."""

import threading
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextmanager
def serve(folder, fail_once=(), fail_always=(), cut=()):
    """Serve the files of a folder; yields the URL and the counted GETs.

    Args:
        folder (Path): The files.
        fail_once (Sequence[str]): Names that answer 503 the first time.
        fail_always (Sequence[str]): Names that answer 500.
        cut (Sequence[str]): Names whose transfer breaks off in the middle.
    """
    requests = Counter()

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.answer(body=False)

        def do_GET(self):
            self.answer(body=True)

        def answer(self, body):
            name = self.path.lstrip('/')
            if body:
                requests[name] += 1
            path = folder / name
            if not path.is_file():
                return self.send_error(404)
            if name in fail_always:
                return self.send_error(500)
            if body and name in fail_once and requests[name] == 1:
                return self.send_error(503)
            content = path.read_bytes()
            self.send_response(200)
            self.send_header('Content-Length', str(len(content)))
            self.end_headers()
            if body:
                half = name in cut
                self.wfile.write(content[: len(content) // (1 + half)])
            return None

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f'http://127.0.0.1:{server.server_port}', requests
    finally:
        server.shutdown()
        server.server_close()

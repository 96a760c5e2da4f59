"""An HTTP server on loopback that fails as it is told."""

import socket
import threading
import time
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextmanager
def serve(
    folder,
    fail_once=(),
    fail_always=(),
    cut=(),
    faults=None,
    head=None,
    ranges=False,
    latency=0.0,
    rate=None,
):
    """Serve the files of a folder; yields the URL and the counted GETs.

    Args:
        folder (Path): The files.
        fail_once (Sequence[str]): Names that answer 503 the first time.
        fail_always (Sequence[str]): Names that answer 500.
        cut (Sequence[str]): Names whose transfer breaks off in the middle.
        faults (dict, optional): By name, what becomes of its first, second
            ... GET; those that follow are answered well, or as the last one
            if that is ``'...'`` behind it. A status, ``'cut'``, ``'stall'``
            (stops in the middle), ``'hang'`` (never answers), ``'drip'`` (a
            byte now and then), ``'reset'``, ``'loop'`` (redirects to itself),
            or another name to be redirected to.
        head (int | str, optional): What becomes of every HEAD.
        ranges (bool): Whether to send parts, and ETags.
        latency (float): Seconds before each answer.
        rate (float, optional): Bytes a second of each connection.
    """
    requests = Counter()
    plans = {name: [503] for name in fail_once}
    plans |= {name: [500, '...'] for name in fail_always}
    plans |= {name: ['cut', '...'] for name in cut}
    plans |= faults or {}
    ended = threading.Event()

    def fault_of(name, body):
        if not body:
            return head
        plan, number = plans.get(name, []), requests[name]
        requests[name] += 1
        if plan and plan[-1] == '...':
            number = min(number, len(plan) - 2)
        return plan[number] if number < len(plan) else None

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.answer(body=False)

        def do_GET(self):
            self.answer(body=True)

        def answer(self, body):
            name = self.path.partition('?')[0].lstrip('/')
            fault = fault_of(name, body)
            ended.wait(latency)
            path = folder / name
            if fault == 'hang':
                ended.wait()
            elif fault == 'reset':
                self.connection.shutdown(socket.SHUT_RDWR)
            elif isinstance(fault, int):
                self.send_error(fault)
            elif fault == 'loop' or (fault and (folder / fault).is_file()):
                self.send_response(302)
                target = name if fault == 'loop' else fault
                self.send_header('Location', f'/{target}')
                self.send_header('Content-Length', '0')
                self.end_headers()
            elif not path.is_file():
                self.send_error(404)
            else:
                self.send_file(path.read_bytes(), fault, body)

        def send_file(self, content, fault, body):
            whole, begin = len(content), self.begin()
            content = content[begin:]
            self.send_response(206 if begin else 200)
            if begin:
                self.send_header(
                    'Content-Range', f'bytes {begin}-{whole - 1}/{whole}'
                )
            if ranges:
                self.send_header('ETag', f'"{whole}"')
            self.send_header('Last-Modified', self.date_time_string(0))
            self.send_header('Content-Length', str(len(content)))
            self.end_headers()
            if not body:
                return
            if fault == 'drip':
                for byte in content:
                    self.wfile.write(bytes([byte]))
                    if ended.wait(0.02):
                        return
            if fault in ('cut', 'stall'):
                content = content[: len(content) // 2]
            self.send_slowly(content)
            if fault == 'stall':
                ended.wait()

        def begin(self):
            given = self.headers.get('Range', '').removeprefix('bytes=')
            first = given.partition('-')[0]
            return int(first) if ranges and first else 0

        def send_slowly(self, content):
            step = len(content) if rate is None else int(rate / 20)
            began = time.monotonic()
            for begin in range(0, len(content), max(step, 1)):
                self.wfile.write(content[begin : begin + step])
                self.wfile.flush()
                if rate is not None:
                    sent = begin + step
                    due = began + sent / rate - time.monotonic()
                    if ended.wait(max(due, 0)):
                        return

        def handle_one_request(self):
            try:
                super().handle_one_request()
            except OSError:
                self.close_connection = True  # the client has gone

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(
        target=server.serve_forever, args=(0.01,), daemon=True
    )
    thread.start()
    try:
        yield f'http://127.0.0.1:{server.server_port}', requests
    finally:
        ended.set()
        server.shutdown()
        server.server_close()

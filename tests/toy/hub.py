"""A stand-in for the Hugging Face hub on loopback."""

import http.server
import threading
from contextlib import contextmanager

import huggingface_hub
import pytest


@contextmanager
def serve_hub(repository, files):
    """Make the hub hold one repository with the files of a folder.

    Yields a holder whose ``files`` may be replaced.
    """

    class Hub(http.server.BaseHTTPRequestHandler):
        """What of the hub's interface a download asks for."""

        def do_HEAD(self):
            self._answer(body=False)

        def do_GET(self):
            self._answer(body=True)

        def _answer(self, body):
            owner, _, rest = self.path.partition('/resolve/main/')
            path = Hub.files / rest
            known = owner == f'/{repository}'
            if not known or not path.is_file():
                self.send_response(404)
                code = 'EntryNotFound' if known else 'RepoNotFound'
                self.send_header('X-Error-Code', code)
                self.send_header('Content-Length', '0')
                self.end_headers()
                return
            content = path.read_bytes()
            self.send_response(200)
            self.send_header('ETag', f'"{len(content):040x}"')
            self.send_header('X-Repo-Commit', '0' * 40)
            self.send_header('Content-Length', str(len(content)))
            self.end_headers()
            if body:
                self.wfile.write(content)

        def log_message(self, *_):
            pass

    Hub.files = files
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Hub)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    endpoint = f'http://127.0.0.1:{server.server_port}'
    template = endpoint + '/{repo_id}/resolve/{revision}/{filename}'
    constants = huggingface_hub.constants
    name = 'HUGGINGFACE_CO_URL_TEMPLATE'
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(constants, 'ENDPOINT', endpoint)
        patch.setattr(constants, 'HF_HUB_OFFLINE', False)
        patch.setattr(constants, name, template)
        # huggingface_hub below 1 has it here, too
        patch.setattr(
            huggingface_hub.file_download, name, template, raising=False
        )
        try:
            yield Hub
        finally:
            server.shutdown()
            server.server_close()

"""The explorer of very many shapes, served to this machine alone: the page first, points when they are seen."""

import webbrowser
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import final

from pointssl.show.explore.atlas import Atlas
from pointssl.show.explore.page import explore_page

HOST = "127.0.0.1"
"""Loopback: nobody else on the network can ask."""
CHUNK = 256
"""Shapes in one answer, as in viewer/src/explore-data.ts."""


def make_server(atlas: Atlas, port: int = 0) -> ThreadingHTTPServer:
    """Return a server of an atlas on a free port, or on `port`; `serve_forever` starts it."""
    page = explore_page(atlas, served=True).encode()

    @final
    class Handler(BaseHTTPRequestHandler):
        """Answers for the page and for chunks of points, and for nothing else."""

        def do_GET(self) -> None:
            """Send what is asked for, to a page that was loaded from here."""
            host = self.headers.get("Host", "")
            if host.rpartition(":")[0] not in (HOST, "localhost"):  # a stranger's name that was pointed at this machine
                self.send_error(403)
                return
            kind, content = "text/html; charset=utf-8", page
            if self.path != "/":
                found = chunk(atlas, self.path)
                if found is None:
                    self.send_error(404)
                    return
                kind, content = "application/octet-stream", found
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *arguments: object) -> None:
            """Say nothing of every request."""

    return ThreadingHTTPServer((HOST, port), Handler)


def chunk(atlas: Atlas, path: str) -> bytes | None:
    """Return the points that `/points/NUMBER` asks for, None for any other path."""
    head, _, word = path.rpartition("/")
    if head != "/points" or not word.isascii() or not word.isdecimal() or len(word) > 9:
        return None
    start = CHUNK * int(word)
    return None if start >= len(atlas.names) else atlas.points[start : start + CHUNK].tobytes()


def serve(atlas: Atlas, *, port: int = 0, told: Callable[[str], None], open_page: bool = True) -> None:
    """Serve until Ctrl-C; `told` gets the address once."""
    with make_server(atlas, port) as server, suppress(KeyboardInterrupt):
        address = f"http://{HOST}:{server.server_address[1]}/"
        told(address)
        if open_page:
            webbrowser.open(address)
        server.serve_forever()

"""A proxy on loopback between everybody and one server, which keeps what was asked at the token endpoint."""

import http.client
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl

# What belongs to one connection and not to the message (RFC 9110, section 7.6.1).
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"}


@dataclass
class TokenRequest:
    """One refresh as it went over the wire. All tokens here are made up."""

    user_agent: str
    form: dict
    status: int
    answer: str

    def __str__(self):
        sent = {name: value for name, value in self.form.items() if name not in ("refresh_token", "client_secret")}
        # An answer with tokens says nothing that its status does not.
        answer = self.answer[:300] if self.status != 200 else ""
        return f"{sent} -> {self.status} {answer}".rstrip()


class Recorder:
    """Listens from the beginning to the end of a run, so that a server keeps its URL over a restart."""

    def __init__(self):
        self.refreshes = []
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self):
                recorder.forward(self)

            do_GET = do_POST = do_DELETE = do_OPTIONS = do_HEAD = answer

            def log_message(self, *_):
                pass

        self.listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.listener.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.listener.server_port}"
        self.upstream_port = None
        threading.Thread(target=self.listener.serve_forever, daemon=True).start()

    def forward(self, handler):
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        upstream = http.client.HTTPConnection("127.0.0.1", self.upstream_port, timeout=30)
        try:
            upstream.request(handler.command, handler.path, body, dict(handler.headers))
            answer = upstream.getresponse()
            said = answer.read()
        except OSError:
            # No answer is what a client sees of a server that is gone.
            handler.close_connection = True
            return
        finally:
            upstream.close()
        form = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
        if handler.command == "POST" and form.get("grant_type") == "refresh_token":
            text = said.decode("utf-8", "replace")
            self.refreshes.append(TokenRequest(handler.headers.get("User-Agent", ""), form, answer.status, text))
        handler.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in HOP_BY_HOP:
                handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(said)))
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(said)

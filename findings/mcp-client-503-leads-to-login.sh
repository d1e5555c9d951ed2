#!/bin/sh
# mcp 2.3.0 (the client of the Python SDK): one 503 of the token endpoint at a refresh ends in a new authorization, though the refresh
# token is as good as before and the storage still has it. Nor is it tried again later by the same process: it loads the pair anew, and a
# loaded pair counts as unexpired.
#
# Seen on 2026-11-29:
#   the token endpoint answers 503: refresh, POST /mcp without a token, authorization page
#   a second later it is well:      POST /mcp with access-1, authorization page
#   the storage has:                refresh-1
#
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m pip install --quiet --disable-pip-version-check --root-user-action ignore --target "$folder/python" mcp==2.3.0
cat >finding.py <<'PYTHON'
import asyncio
import json
import logging
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import httpx2
from mcp.client.auth import OAuthClientProvider
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientMetadata, OAuthToken

logging.disable(logging.CRITICAL)
seen = []
good = set()
down = False


class Server(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def answer(self, status, body, **headers):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def do_GET(self):
        if self.path.startswith("/.well-known/oauth-protected-resource"):
            self.answer(200, {"resource": f"{origin}/mcp", "authorization_servers": [origin]})
        elif self.path.startswith("/.well-known/oauth-authorization-server"):
            self.answer(200, {
                "issuer": origin, "authorization_endpoint": f"{origin}/authorize", "token_endpoint": f"{origin}/token",
                "registration_endpoint": f"{origin}/register", "response_types_supported": ["code"],
                "grant_types_supported": ["authorization_code", "refresh_token"],
                "code_challenge_methods_supported": ["S256"], "token_endpoint_auth_methods_supported": ["none"],
            })
        else:
            self.answer(404, {})

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        if self.path == "/register":
            return self.answer(201, {**json.loads(body), "client_id": "made-up-client"})
        if self.path == "/token":
            grant = parse_qs(body)["grant_type"][0]
            if grant == "refresh_token":
                seen.append("refresh")
                if down:
                    return self.answer(503, {"error": "temporarily_unavailable"})
            good.clear()
            number = 1 if grant == "authorization_code" else 2
            good.add(f"access-{number}")
            # Two seconds at the login, an hour afterwards.
            life = 2 if number == 1 else 3600
            return self.answer(200, {
                "access_token": f"access-{number}", "token_type": "Bearer", "expires_in": life, "refresh_token": f"refresh-{number}",
            })
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        seen.append(f"POST /mcp with {token}" if token else "POST /mcp without a token")
        if token in good:
            self.answer(200, {})
        else:
            self.answer(401, {}, WWW_Authenticate=f'Bearer resource_metadata="{origin}/.well-known/oauth-protected-resource/mcp"')


server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
origin = f"http://127.0.0.1:{server.server_port}"


class Storage:
    """What a storage is asked to keep, as JSON, as a file would have it."""

    tokens = client = None

    async def get_tokens(self):
        return OAuthToken.model_validate_json(self.tokens) if self.tokens else None

    async def set_tokens(self, tokens):
        self.tokens = tokens.model_dump_json()

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client):
        self.client = client


class NobodyThere(Exception):
    pass


async def main():
    global down
    state, somebody_there = None, True

    async def show(page):
        nonlocal state
        state = parse_qs(urlsplit(page).query)["state"][0]
        if not somebody_there:
            seen.append("authorization page")
            raise NobodyThere

    async def come_back():
        return AuthorizationCodeResult(code="code", state=state)

    redirect = "http://127.0.0.1:1234/callback"
    metadata = OAuthClientMetadata(redirect_uris=[redirect], token_endpoint_auth_method="none")
    storage = Storage()
    client = httpx2.AsyncClient(auth=OAuthClientProvider(f"{origin}/mcp", metadata, storage, show, come_back))

    async def call():
        seen.clear()
        try:
            await client.post(f"{origin}/mcp", json={})
        except NobodyThere:
            pass
        return list(seen)

    await call()
    somebody_there = False
    time.sleep(3)
    good.clear()
    down = True
    first = await call()
    print("the token endpoint answers 503:", ", ".join(first))
    down = False
    time.sleep(1)
    second = await call()
    print("a second later it is well:     ", ", ".join(second))
    kept = (await storage.get_tokens()).refresh_token
    print("the storage has:               ", kept)
    assert first == ["refresh", "POST /mcp without a token", "authorization page"], first
    assert second == ["POST /mcp with access-1", "authorization page"], second
    assert kept == "refresh-1", kept


asyncio.run(main())
PYTHON
PYTHONPATH="$folder/python" python3 finding.py

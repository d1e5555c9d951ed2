#!/bin/sh
# mcp 2.3.0, the Python SDK: a client that was registered for `client_secret_basic` must name its `client_id` in the body as well, which
# RFC 6749, section 2.3.1, does not ask of it. Without it even right credentials are no client.
#
# Seen on 2026-11-28:
#   Basic, client_id in the body too: 200
#   Basic alone:                      401 invalid_client: Missing client_id
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m pip install --quiet --disable-pip-version-check --root-user-action ignore --target "$folder/python" mcp==2.3.0
cat >finding.py <<'PYTHON'
import base64
import json
import socket
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import uvicorn
from mcp.server.auth.provider import RefreshToken
from mcp.server.auth.routes import create_auth_routes
from mcp.shared.auth import OAuthClientInformationFull, OAuthToken
from pydantic import AnyHttpUrl
from starlette.applications import Starlette

CLIENT = OAuthClientInformationFull(
    client_id="confidential", client_secret="made-up", token_endpoint_auth_method="client_secret_basic",
    redirect_uris=["https://client.example/callback"], grant_types=["authorization_code", "refresh_token"],
)


class Provider:
    async def get_client(self, client_id):
        return CLIENT if client_id == CLIENT.client_id else None

    async def load_refresh_token(self, client, token):
        return RefreshToken(token=token, client_id=client.client_id, scopes=[])

    async def exchange_refresh_token(self, client, token, scopes):
        return OAuthToken(access_token="at_made_up", refresh_token="rt_made_up", expires_in=3600)


listener = socket.create_server(("127.0.0.1", 0))
issuer = f"http://127.0.0.1:{listener.getsockname()[1]}"
app = Starlette(routes=create_auth_routes(Provider(), AnyHttpUrl(issuer)))
server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True).start()
while not server.started:
    time.sleep(0.05)

basic = base64.b64encode(b"confidential:made-up").decode()
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def refresh(**body):
    form = urllib.parse.urlencode({"grant_type": "refresh_token", "refresh_token": "rt_old", **body}).encode()
    try:
        answer = opener.open(urllib.request.Request(f"{issuer}/token", form, {"Authorization": f"Basic {basic}"}))
    except urllib.error.HTTPError as refusal:
        answer = refusal
    with answer:
        return answer.status, json.load(answer)


both, _ = refresh(client_id="confidential")
print(f"Basic, client_id in the body too: {both}")
alone, said = refresh()
print(f"Basic alone:                      {alone} {said['error']}: {said['error_description']}")
server.should_exit = True
assert both == 200
assert (alone, said["error"]) == (401, "invalid_client")
PYTHON
PYTHONPATH=$folder/python python3 finding.py

#!/bin/sh
# fastmcp 4.2.3 answers a dead refresh token with 401 `invalid_grant`, where RFC 6749, section 5.2, has 400; 401 is for a client that failed
# to authenticate.
#
# Seen on 2026-11-28:
#   an unknown refresh token: 401 invalid_grant
#   an unknown client:        401 invalid_client
#
# The status tells nothing here; only the code does.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m pip install --quiet --disable-pip-version-check --root-user-action ignore --target "$folder/python" fastmcp==4.2.3
cat >finding.py <<'PYTHON'
import json
import socket
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import uvicorn
from fastmcp import FastMCP
from fastmcp.server.auth.auth import ClientRegistrationOptions
from fastmcp.server.auth.providers.in_memory import InMemoryOAuthProvider

listener = socket.create_server(("127.0.0.1", 0))
issuer = f"http://127.0.0.1:{listener.getsockname()[1]}"
registration = ClientRegistrationOptions(enabled=True)
app = FastMCP("lab", auth=InMemoryOAuthProvider(base_url=issuer, client_registration_options=registration)).http_app()
server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True).start()
while not server.started:
    time.sleep(0.05)
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def post(path, body, kind):
    try:
        answer = opener.open(urllib.request.Request(issuer + path, body, {"Content-Type": kind}))
    except urllib.error.HTTPError as refusal:
        answer = refusal
    with answer:
        return answer.status, json.load(answer)


def refresh(client_id):
    form = {"grant_type": "refresh_token", "refresh_token": "rt_made_up", "client_id": client_id}
    status, said = post("/token", urllib.parse.urlencode(form).encode(), "application/x-www-form-urlencoded")
    return status, said["error"]


wanted = {
    "redirect_uris": ["http://localhost:1234/callback"],
    "grant_types": ["authorization_code", "refresh_token"],
    "token_endpoint_auth_method": "none",
}
_, registered = post("/register", json.dumps(wanted).encode(), "application/json")
token = refresh(registered["client_id"])
client = refresh("made-up")
print("an unknown refresh token:", *token)
print("an unknown client:       ", *client)
server.should_exit = True
assert token == (401, "invalid_grant")
assert client == (401, "invalid_client")
PYTHON
FASTMCP_HOME=$folder PYTHONPATH=$folder/python python3 finding.py

#!/bin/sh
# Claude Code 2.1.332 names two resources (RFC 8707) for one server. Where the protected resource metadata (RFC 9728) names a part of
# the server's URL, a refresh of an expired token before the first request sends the URL from the configuration, and a refresh after a 401
# sends what the metadata names.
#
# Seen on 2026-11-29:
#   the metadata's resource:   <origin>/v1
#   refresh of an expired one: resource=<origin>/v1/mcp
#   refresh after a 401:       resource=<origin>/v1
#
# A server that binds a token to what it was asked for at the login refuses one of the two.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm pack --silent @anthropic-ai/claude-code-linux-x64@2.1.332 >archive
tar -xzf "$(cat archive)" --strip-components=1 --no-same-owner
mkdir -p home/.claude project
cat >finding.py <<'PYTHON'
import json
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

asked = []
good = "access-1"


class Server(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body, **headers):
        content = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": len(content), **headers}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self):
        if self.path.startswith("/.well-known/oauth-protected-resource"):
            self.answer(200, {"resource": f"{origin}/v1", "authorization_servers": [origin]})
        elif self.path.startswith("/.well-known/oauth-authorization-server"):
            self.answer(200, {
                "issuer": origin, "authorization_endpoint": f"{origin}/authorize", "token_endpoint": f"{origin}/token",
                "registration_endpoint": f"{origin}/register", "response_types_supported": ["code"],
                "grant_types_supported": ["authorization_code", "refresh_token"], "code_challenge_methods_supported": ["S256"],
                "token_endpoint_auth_methods_supported": ["none"],
            })
        else:
            self.answer(405, {})

    def do_POST(self):
        global good
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        if self.path == "/token":
            asked.append(parse_qs(body).get("resource", ["none"])[0])
            good = f"access-{len(asked) + 1}"
            return self.answer(200, {
                "access_token": good, "refresh_token": f"refresh-{len(asked) + 1}", "token_type": "Bearer", "expires_in": 3600,
            })
        if self.headers.get("Authorization") != f"Bearer {good}":
            metadata = f'Bearer error="invalid_token", resource_metadata="{origin}/.well-known/oauth-protected-resource"'
            return self.answer(401, {}, WWW_Authenticate=metadata)
        message = json.loads(body)
        if "id" not in message:
            return self.answer(202, {})
        version = message.get("params", {}).get("protocolVersion", "2025-06-18")
        hello = {"protocolVersion": version, "capabilities": {}, "serverInfo": {"name": "lab", "version": "1"}}
        self.answer(200, {"jsonrpc": "2.0", "id": message["id"], "result": hello})


server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
# The client resets connections when it ends.
server.handle_error = lambda *_: None
threading.Thread(target=server.serve_forever, daemon=True).start()
origin = f"http://127.0.0.1:{server.server_port}"
store = Path("home/.claude/.credentials.json")


def claude(*arguments):
    out = subprocess.run(
        [str(Path("claude").resolve()), "mcp", *arguments], cwd="project", capture_output=True, text=True, timeout=60,
        stdin=subprocess.DEVNULL,
        env={
            "HOME": str(Path("home").resolve()), "PATH": "/usr/bin:/bin", "DISABLE_AUTOUPDATER": "1", "DISABLE_TELEMETRY": "1",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        },
    )
    return out.stdout + out.stderr


claude("add", "--scope", "user", "--transport", "http", "lab", f"{origin}/v1/mcp")
# It writes an empty entry under the key that it will look for.
claude("list")
document = json.loads(store.read_text())
(key,) = document["mcpOAuth"]


def has(token, expires_in):
    document["mcpOAuth"][key] = {
        "serverName": "lab", "serverUrl": f"{origin}/v1/mcp", "accessToken": token, "refreshToken": "refresh-1", "clientId": "made-up",
        "issuer": origin, "expiresAt": int((time.time() + expires_in) * 1000),
        "discoveryState": {"authorizationServerUrl": origin, "oauthMetadataFound": True},
    }
    store.write_text(json.dumps(document))


seen = {}
for title, token, expires_in in (("expired one:", "access-0", -60), ("after a 401:", "refused", 7200)):
    has(token, expires_in)
    asked.clear()
    good = "none yet"
    said = claude("get", "lab")
    assert "Connected" in said, said
    seen[title] = [resource.replace(origin, "<origin>") for resource in asked]
print("the metadata's resource:   <origin>/v1")
print("refresh of an expired one: resource=" + ", ".join(seen["expired one:"]))
print("refresh after a 401:       resource=" + ", ".join(seen["after a 401:"]))
assert seen["expired one:"] == ["<origin>/v1/mcp"], seen
assert seen["after a 401:"] == ["<origin>/v1"], seen
PYTHON
# Loopback only: a network namespace of its own.
unshare --user --map-root-user --net sh -c 'ip link set lo up && exec python3 finding.py'

#!/bin/sh
# Claude Code 2.1.332: while another process holds the lock of its credential store (the folder `.storage-write.lock`, dated anew every few
# seconds), a refresh is made all the same, and what it brought is not written: the store keeps the refresh token that was just spent.
# Once the lock is gone, the next start presents that one.
#
# Seen on 2026-11-29:
#   it says:        Failed to connect
#   refreshes:      1, it gave refresh-2
#   the store has:  refresh-1
#   the next start: Needs authentication, the server refused refresh-1
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm pack --silent @anthropic-ai/claude-code-linux-x64@2.1.332 >archive
tar -xzf "$(cat archive)" --strip-components=1 --no-same-owner
mkdir -p home/.claude project
cat >finding.py <<'PYTHON'
import json
import os
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

asked = []
refused = []
good, newest = "access-1", "refresh-1"


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
            self.answer(200, {"resource": f"{origin}/mcp", "authorization_servers": [origin]})
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
        global good, newest
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        if self.path == "/token":
            token = parse_qs(body)["refresh_token"][0]
            if token != newest:
                refused.append(token)
                return self.answer(400, {"error": "invalid_grant"})
            asked.append(token)
            good, newest = f"access-{len(asked) + 1}", f"refresh-{len(asked) + 1}"
            return self.answer(200, {"access_token": good, "refresh_token": newest, "token_type": "Bearer", "expires_in": 3600})
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


claude("add", "--scope", "user", "--transport", "http", "lab", f"{origin}/mcp")
# It writes an empty entry under the key that it will look for.
claude("list")
document = json.loads(store.read_text())
(key,) = document["mcpOAuth"]


document["mcpOAuth"][key] = {
    "serverName": "lab", "serverUrl": f"{origin}/mcp", "accessToken": "access-1", "refreshToken": "refresh-1", "clientId": "made-up",
    "issuer": origin, "expiresAt": int((time.time() - 60) * 1000),
    "discoveryState": {"authorizationServerUrl": origin, "oauthMetadataFound": True},
}
store.write_text(json.dumps(document))
good = "none yet"

lock = store.parent / ".storage-write.lock"
released = threading.Event()


def hold():
    lock.mkdir()
    while not released.wait(3):
        os.utime(lock)
    lock.rmdir()


holder = threading.Thread(target=hold)
holder.start()
first = claude("get", "lab")
released.set()
holder.join()
stored = json.loads(store.read_text())["mcpOAuth"][key].get("refreshToken")
status = lambda said: next(word for word in ("Connected", "Needs authentication", "Failed to connect") if word in said)
print("it says:       ", status(first))
print(f"refreshes:      {len(asked)}, it gave {newest}")
print("the store has: ", stored)
good = "none"
second = claude("get", "lab")
print(f"the next start: {status(second)}, the server refused {', '.join(dict.fromkeys(refused))}")
assert (asked, stored, set(refused)) == (["refresh-1"], "refresh-1", {"refresh-1"}), (asked, stored, refused)
PYTHON
# Loopback only: a network namespace of its own.
unshare --user --map-root-user --net sh -c 'ip link set lo up && exec python3 finding.py'

#!/bin/sh
# Claude Code 2.1.332: `claude auth logout`, which logs the account out, deletes `.credentials.json` whole. With it go the refresh tokens
# of all MCP servers, whose logins have nothing to do with the account; nothing it prints says so.
#
# Seen on 2026-11-29:
#   before: claudeAiOauth, mcpOAuth with linear, notion
#   it says: Logged out on this computer, …
#   after:  no .credentials.json
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm pack --silent @anthropic-ai/claude-code-linux-x64@2.1.332 >archive
tar -xzf "$(cat archive)" --strip-components=1 --no-same-owner
mkdir -p home/.claude
cat >finding.py <<'PYTHON'
import json
import subprocess
import time
from pathlib import Path

store = Path("home/.claude/.credentials.json")
later = int(time.time() * 1000) + 8 * 3600 * 1000


def entry(name):
    return {
        "serverName": name, "serverUrl": f"https://{name}.example/mcp", "accessToken": "made-up", "refreshToken": "made-up",
        "expiresAt": later, "clientId": "made-up",
    }


servers = ["linear", "notion"]
store.write_text(json.dumps({
    "claudeAiOauth": {
        "accessToken": "made-up", "refreshToken": "made-up", "expiresAt": later, "scopes": ["user:inference"], "subscriptionType": "pro",
    },
    "mcpOAuth": {f"{name}|{number:016x}": entry(name) for number, name in enumerate(servers)},
}))
store.chmod(0o600)
print("before: ", ", ".join(json.loads(store.read_text())), "with", ", ".join(servers))
# Loopback only: a network namespace of its own.
out = subprocess.run(
    ["unshare", "--user", "--map-root-user", "--net", "./claude", "auth", "logout"], capture_output=True, text=True, timeout=60,
    stdin=subprocess.DEVNULL,
    env={
        "HOME": str(Path("home").resolve()), "PATH": "/usr/bin:/bin", "DISABLE_AUTOUPDATER": "1", "DISABLE_TELEMETRY": "1",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    },
)
print("it says:", (out.stdout + out.stderr).strip())
print("after:  ", store.read_text() if store.exists() else "no .credentials.json")
assert out.returncode == 0 and not store.exists()
PYTHON
python3 finding.py

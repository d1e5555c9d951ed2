"""A person's home with Claude Code's store in it, and the agent as that person runs it."""

import hashlib
import json
import os
import signal
import subprocess
import time
from pathlib import Path


class Home:
    def __init__(self, folder, program, server_url):
        self.folder, self.program, self.server_url = Path(folder), program, server_url
        self.store = self.folder / ".claude" / ".credentials.json"
        for name in (".claude", "run"):
            (self.folder / name).mkdir(mode=0o700, parents=True)
        server = {"type": "http", "url": server_url}
        (self.folder / ".claude.json").write_text(json.dumps({"mcpServers": {"lab": server}}))
        compact = json.dumps(server | {"headers": {}}, separators=(",", ":"))
        self.key = "lab|" + hashlib.sha256(compact.encode()).hexdigest()[:16]

    def write(self, entry):
        """As Claude Code writes: beside, then renamed."""
        beside = self.store.with_name(".credentials.json.tmp.00c0ffee")
        beside.write_text(json.dumps({"mcpOAuth": {self.key: entry}}, separators=(",", ":")))
        beside.chmod(0o600)
        beside.rename(self.store)

    def log_out(self):
        self.store.write_text(json.dumps({"mcpOAuth": {}}))

    def entry(self):
        return json.loads(self.store.read_text())["mcpOAuth"][self.key]

    def ends_in(self, seconds, **changed):
        """The entry as it is once so little is left of its access token."""
        self.write(self.entry() | {"expiresAt": int((time.time() + seconds) * 1000)} | changed)

    def _environment(self):
        return {"HOME": str(self.folder), "PATH": "/usr/bin:/bin", "XDG_RUNTIME_DIR": str(self.folder / "run")}

    def run(self, *arguments):
        """A command of the agent; what it printed."""
        ended = subprocess.run(
            [self.program, *arguments], env=self._environment(), text=True, timeout=90,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        )
        return ended.stdout

    def daemon(self):
        return Daemon(self.program, self._environment(), self.folder / "agent.log")


class Daemon:
    """`mcp-refreshd run` for as long as the block lasts."""

    def __init__(self, program, environment, log):
        self.program, self.environment, self.log = program, environment, log

    def __enter__(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [self.program, "run"], env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        return self

    def __exit__(self, *_):
        os.kill(self.process.pid, signal.SIGTERM)
        self.process.wait(70)

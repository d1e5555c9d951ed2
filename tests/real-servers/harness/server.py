"""One server script as a process that can be ended and started again."""

import os
import socket
import subprocess
import time
from pathlib import Path

from browser import request
from recorder import Recorder


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """What a script gets: ISSUER, the URL that everybody uses; PORT, where it listens; STATE, a folder that outlives it."""

    def __init__(self, script, packages, folder):
        self.script, self.packages, self.folder = script, Path(packages), Path(folder)
        self.recorder = Recorder()
        self.url = self.recorder.url
        self.log = self.folder / "server.log"
        (self.folder / "state").mkdir(parents=True)
        self.process = None

    def start(self):
        port = free_port()
        self.recorder.upstream_port = port
        program = "python3" if self.script.endswith(".py") else "node"
        environment = os.environ | {
            "ISSUER": self.url,
            "PORT": str(port),
            "STATE": str(self.folder / "state"),
            "PYTHONPATH": str(self.packages / "python"),
            "NO_PROXY": "127.0.0.1,localhost",
        }
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [program, str(self.packages / "servers" / self.script)], env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        for _ in range(600):
            if self.process.poll() is not None:
                break
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.1)
        raise AssertionError(f"{self.script} does not start:\n{self.said()}")

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def restart(self):
        self.stop()
        self.start()

    def forget_clients(self):
        answer = request("POST", f"{self.url}/lab/forget-clients")
        assert answer.status < 300, f"/lab/forget-clients: {answer.status} {answer.body[:300]}"

    def accepts(self, access_token):
        """Whether the resource lets this token in; what it answers to a bare GET is its own affair."""
        return request("GET", f"{self.url}/mcp", {"Authorization": f"Bearer {access_token}"}).status != 401

    def said(self):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-25:])

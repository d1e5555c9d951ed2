"""What must hold with each server, one after the other, in one home."""

import time

from agent import Home
from login import log_in
from server import Server

LOG_IN = "claude mcp login lab"
LOG_OUT = "claude mcp logout lab"


class Failed(AssertionError):
    """A demand that was not met, with what the agent said."""


class Checks:
    """`subject` is a line of subjects.py."""

    # In this order: each begins with what the one before it left.
    NAMES = ("login", "refresh", "daemon", "restart", "dead", "lost client", "secret")

    def __init__(self, subject, program, packages, folder):
        self.subject = subject
        self.server = Server(subject.script, packages, folder / "server")
        self.server.start()
        self.home = Home(folder / "home", program, f"{self.server.url}/mcp")

    def run(self, name):
        getattr(self, name.replace(" ", "_"))()

    # The checks.

    def login(self):
        self._log_in()
        self._demand(self.server.accepts(self.home.entry()["accessToken"]), "the server refuses the login's token")

    def refresh(self):
        self._fresh_after(lambda: self.home.run("refresh", "lab", "--force"))

    def daemon(self):
        def until_fresh():
            before = self.home.entry()["accessToken"]
            self.home.ends_in(60)
            with self.home.daemon():
                for _ in range(200):
                    if self.home.entry()["accessToken"] != before:
                        break
                    time.sleep(0.1)
                return self._status()

        self._fresh_after(until_fresh)

    def restart(self):
        self.server.restart()
        if self.subject.keeps:
            self._fresh_after(lambda: self.home.run("refresh", "lab", "--force"))
        else:
            self._lost_client()

    def dead(self):
        self._log_in()
        token = self.home.entry()["refreshToken"]
        # In the middle: its length and its shape remain.
        middle = len(token) // 2
        garbled = token[:middle] + ("A" if token[middle] != "A" else "B") + token[middle + 1 :]
        said = self._refused(refreshToken=garbled)
        self._demand(LOG_IN in said, f"does not advise `{LOG_IN}`", said)
        if words := self.subject.refuses_with:
            self._demand(words in said, f"does not say `{words}`", said)
            self._demand("answer lost" not in said, "calls an answer lost that arrived", said)
        else:
            self._demand("login has ended" in said, "does not say that the login has ended", said)
            self._demand("no longer knows" not in said, "blames the registration", said)
        self._works_after_new_login()

    def lost_client(self):
        self._log_in()
        self.server.forget_clients()
        self._lost_client()

    def secret(self):
        self._log_in(method="client_secret_post")
        # Nothing in the store names the method: one other may be tried, and what worked is kept. Some rotate for public clients alone.
        for most in (2, 1):
            self._fresh_after(lambda: self.home.run("refresh", "lab", "--force"), most, may_keep=True)

    # What they consist of.

    def _lost_client(self):
        said = self._refused()
        self._demand(LOG_IN in said, f"does not advise `{LOG_IN}`", said)
        self._demand(LOG_OUT in said, f"does not name `{LOG_OUT}`, which forgets the registration", said)
        self._works_after_new_login()

    def _refused(self, **changed):
        """An expired entry that the server refuses; what the person reads then. Nothing is taken from the store."""
        self.home.ends_in(-60, **changed)
        before = self.home.entry()
        requests = len(self.server.recorder.refreshes)
        said = self.home.run("refresh", "lab") + self._status()
        self._demand(self.home.entry() == before, "the entry was changed", said)
        made = len(self.server.recorder.refreshes) - requests
        self._demand(made == 1, f"{made} requests, not 1", said)
        return said

    def _status(self):
        # What was before is no news.
        return self.home.run("status", "lab").split("last events")[0]

    def _works_after_new_login(self):
        self.home.log_out()
        self._log_in()
        self._fresh_after(lambda: self.home.run("refresh", "lab", "--force"))

    def _log_in(self, method="none"):
        self.home.write(log_in(self.home.server_url, self.subject.scope, method))

    def _fresh_after(self, act, most=1, may_keep=False):
        before, requests = self.home.entry(), len(self.server.recorder.refreshes)
        said = act()
        after = self.home.entry()
        self._demand(after["accessToken"] != before["accessToken"], "the store has no new access token", said)
        left = after["expiresAt"] / 1000 - time.time()
        self._demand(left > 300, f"{left:.0f} s left, less than Claude Code wants", said)
        rotated = after["refreshToken"] != before["refreshToken"]
        self._demand(rotated or may_keep, "the refresh token is still the old one", said)
        self._demand(self.server.accepts(after["accessToken"]), "the server refuses the new access token", said)
        made = len(self.server.recorder.refreshes) - requests
        self._demand(1 <= made <= most, f"{made} requests, not {most}", said)

    def _demand(self, holds, what, said=""):
        if not holds:
            made = "\n".join(f"  asked: {request}" for request in self.server.recorder.refreshes[-3:])
            raise Failed(f"{what}\n{said.rstrip()}\n{made}")

"""The servers, and in what they differ for the checks."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Subject:
    name: str
    # The package whose version the table shows.
    package: str
    script: str
    # The client's authentication methods that it registers, the usual one first.
    methods: tuple = ("none",)
    # A client that is set up by hand where there is no dynamic registration.
    client: dict | None = None
    scope: str | None = None
    # Whether a refresh gives another refresh token.
    rotates: bool = True
    # Whether clients and tokens outlive the process.
    keeps: bool = False
    # Refuses so that nobody can tell a dead token from an outage.
    unclear: bool = False
    # Has the same words for a dead token and a client that is gone.
    same_for_lost_client: bool = False


BOTH = ("none", "client_secret_post")

SUBJECTS = (
    Subject("fastmcp InMemory", "fastmcp", "fastmcp_in_memory.py", BOTH),
    Subject("oidc-provider", "oidc-provider", "oidc-provider.mjs", BOTH, scope="openid offline_access"),
)

"""The servers, and in what they differ for the checks."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Subject:
    name: str
    # The package whose version the table shows.
    package: str
    script: str
    scope: str | None = None
    # Whether clients and tokens outlive the process.
    keeps: bool = False
    # What it says of a dead token where that is no OAuth error of a dead token.
    refuses_with: str | None = None


SUBJECTS = (
    Subject("fastmcp InMemory", "fastmcp", "fastmcp_in_memory.py"),
    Subject("fastmcp OAuthProxy", "fastmcp", "fastmcp_oauth_proxy.py", keeps=True),
    Subject("mcp", "mcp", "mcp_server.py"),
    Subject(
        "workers-oauth-provider", "@cloudflare/workers-oauth-provider", "workers-oauth-provider.mjs", keeps=True
    ),
    Subject("modelcontextprotocol-sdk", "@modelcontextprotocol/sdk", "modelcontextprotocol-sdk.mjs"),
    Subject(
        "modelcontextprotocol-sdk, its proxy", "@modelcontextprotocol/sdk", "modelcontextprotocol-sdk-proxy.mjs",
        refuses_with="Token refresh failed: 400",
    ),
    Subject("oidc-provider", "oidc-provider", "oidc-provider.mjs", scope="openid offline_access"),
    Subject("better-auth", "@better-auth/mcp", "better-auth-mcp.mjs", scope="openid offline_access"),
    Subject("django-oauth-toolkit", "django-oauth-toolkit", "django_oauth_toolkit.py", keeps=True),
    Subject("Authlib", "Authlib", "authlib_server.py"),
    Subject("node-oauth2-server", "@node-oauth/oauth2-server", "node-oauth-oauth2-server.mjs"),
)

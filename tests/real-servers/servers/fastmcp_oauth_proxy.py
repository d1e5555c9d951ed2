"""fastmcp's OAuthProxy in front of an authorization server that knows one client and keeps nothing."""

import os

os.environ["FASTMCP_HOME"] = os.environ["STATE"]

from fastmcp import FastMCP
from fastmcp.server.auth import OAuthProxy
from fastmcp.server.auth.providers.debug import DebugTokenVerifier
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

UPSTREAM = f"http://127.0.0.1:{os.environ['PORT']}/upstream"


class Proxy(OAuthProxy):
    """Remembers whom it has registered, so that they can be forgotten."""

    registered = []

    async def register_client(self, client_info):
        await super().register_client(client_info)
        self.registered.append(client_info.client_id)


provider = Proxy(
    upstream_authorization_endpoint=f"{UPSTREAM}/authorize",
    upstream_token_endpoint=f"{UPSTREAM}/token",
    upstream_client_id="lab",
    upstream_client_secret="made-up-secret-of-the-lab",
    token_verifier=DebugTokenVerifier(),
    base_url=os.environ["ISSUER"],
)
server = FastMCP("lab", auth=provider)


@server.custom_route("/upstream/authorize", methods=["GET"])
async def authorize(request: Request) -> Response:
    asked = request.query_params
    return RedirectResponse(f"{asked['redirect_uri']}?code=made-up&state={asked['state']}", status_code=302)


@server.custom_route("/upstream/token", methods=["POST"])
async def token(_: Request) -> Response:
    number = os.urandom(8).hex()
    return JSONResponse(
        {"access_token": f"at_{number}", "token_type": "Bearer", "refresh_token": f"rt_{number}", "expires_in": 3600}
    )


@server.custom_route("/lab/forget-clients", methods=["POST"])
async def forget_clients(_: Request) -> Response:
    for client_id in provider.registered:
        await provider._client_store.delete(key=client_id)
    return Response(status_code=204)


server.run(transport="http", port=int(os.environ["PORT"]), show_banner=False)

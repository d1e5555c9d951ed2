"""fastmcp with the provider that it has for tests: everything in memory."""

import os

from fastmcp import FastMCP
from fastmcp.server.auth.auth import ClientRegistrationOptions
from fastmcp.server.auth.providers.in_memory import InMemoryOAuthProvider
from starlette.requests import Request
from starlette.responses import Response

provider = InMemoryOAuthProvider(
    base_url=os.environ["ISSUER"], client_registration_options=ClientRegistrationOptions(enabled=True)
)
server = FastMCP("lab", auth=provider)


@server.custom_route("/lab/forget-clients", methods=["POST"])
async def forget_clients(_: Request) -> Response:
    provider.clients.clear()
    return Response(status_code=204)


server.run(transport="http", port=int(os.environ["PORT"]), show_banner=False)

#!/bin/sh
# Authlib 1.9.10 gives a client that registers with `token_endpoint_auth_method: none` a client secret all the same, and then refuses the
# client at the token endpoint when it presents that secret.
#
# Seen on 2026-11-28:
#   registered: token_endpoint_auth_method none, client_secret true
#   without it: 200
#   with it:    401 invalid_client
#
# "There is a secret, so send it" is no rule; the registered method decides.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m pip install --quiet --disable-pip-version-check --root-user-action ignore --target "$folder/python" Authlib==1.9.10 Flask==3.1.3
cat >finding.py <<'PYTHON'
from types import SimpleNamespace

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import grants
from authlib.oauth2.rfc7591 import ClientRegistrationEndpoint
from flask import Flask

clients = {}


class Client(SimpleNamespace):
    def get_client_id(self):
        return self.info["client_id"]

    def check_client_secret(self, secret):
        return secret == self.info["client_secret"]

    def check_endpoint_auth_method(self, method, endpoint):
        return method == self.metadata["token_endpoint_auth_method"]

    def check_grant_type(self, grant_type):
        return grant_type in self.metadata["grant_types"]

    def get_allowed_scope(self, scope):
        return scope


class Token(SimpleNamespace):
    def check_client(self, _):
        return True

    def get_scope(self):
        return "mcp"


class RefreshGrant(grants.RefreshTokenGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ["none", "client_secret_post", "client_secret_basic"]

    def authenticate_refresh_token(self, refresh_token):
        return Token()

    def authenticate_user(self, refresh_token):
        return "me"

    def revoke_old_credential(self, refresh_token):
        pass


class Registration(ClientRegistrationEndpoint):
    def authenticate_token(self, request):
        return True

    def get_server_metadata(self):
        return {}

    def save_client(self, client_info, client_metadata, request):
        client = clients[client_info["client_id"]] = Client(info=client_info, metadata=client_metadata)
        return client


app = Flask("lab")
server = AuthorizationServer(app, query_client=clients.get, save_token=lambda *_: None)
server.register_grant(RefreshGrant)
server.register_endpoint(Registration)
app.post("/register", endpoint="register")(lambda: server.create_endpoint_response(Registration.ENDPOINT_NAME))
app.post("/token", endpoint="token")(lambda: server.create_token_response())
browser = app.test_client()

wanted = {
    "redirect_uris": ["https://client.example/callback"],
    "grant_types": ["authorization_code", "refresh_token"],
    "response_types": ["code"],
    "token_endpoint_auth_method": "none",
}
registered = browser.post("https://lab.example/register", json=wanted).get_json()
has_secret = bool(registered.get("client_secret"))
print(f"registered: token_endpoint_auth_method {registered['token_endpoint_auth_method']}, client_secret {str(has_secret).lower()}")
form = {"grant_type": "refresh_token", "refresh_token": "made-up", "client_id": registered["client_id"]}
without = browser.post("https://lab.example/token", data=form)
print(f"without it: {without.status_code}")
presented = browser.post("https://lab.example/token", data=form | {"client_secret": registered["client_secret"]})
print(f"with it:    {presented.status_code} {presented.get_json()['error']}")
assert registered["token_endpoint_auth_method"] == "none" and has_secret
assert without.status_code == 200
assert (presented.status_code, presented.get_json()["error"]) == (401, "invalid_client")
PYTHON
PYTHONPATH=$folder/python python3 finding.py

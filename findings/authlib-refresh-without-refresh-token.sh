#!/bin/sh
# Authlib 1.9.10: by default the answer to a refresh has no refresh token, and the access token lives an hour, though at login it was ten days.
#
# Seen on 2026-11-28:
#   login:   expires_in 864000, refresh_token true
#   refresh: expires_in 3600, refresh_token false
#
# A model whose `revoke_old_credential` revokes what was presented therefore ends every login at its first refresh
# (`INCLUDE_NEW_REFRESH_TOKEN = True` changes it). What is due after a login says nothing about what is due after a refresh.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m pip install --quiet --disable-pip-version-check --root-user-action ignore --target "$folder/python" Authlib==1.9.10 Flask==3.1.3
cat >finding.py <<'PYTHON'
from types import SimpleNamespace

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import grants
from flask import Flask


class Client(SimpleNamespace):
    def get_client_id(self):
        return "public"

    def check_endpoint_auth_method(self, method, endpoint):
        return method == "none"

    def __getattr__(self, name):
        # Everything else that is asked for: whether something is allowed.
        return lambda *_: True

    def get_allowed_scope(self, scope):
        return scope

    def check_redirect_uri(self, _):
        return True


class Code(SimpleNamespace):
    def get_redirect_uri(self):
        return "https://client.example/callback"

    def get_scope(self):
        return "mcp"


class Token(SimpleNamespace):
    def check_client(self, _):
        return True

    def get_scope(self):
        return "mcp"


class CodeGrant(grants.AuthorizationCodeGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ["none"]

    def query_authorization_code(self, code, client):
        return Code(code=code)

    def delete_authorization_code(self, authorization_code):
        pass

    def authenticate_user(self, authorization_code):
        return "me"


class RefreshGrant(grants.RefreshTokenGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ["none"]

    def authenticate_refresh_token(self, refresh_token):
        return Token()

    def authenticate_user(self, refresh_token):
        return "me"

    def revoke_old_credential(self, refresh_token):
        pass


app = Flask("lab")
app.config["OAUTH2_REFRESH_TOKEN_GENERATOR"] = True
server = AuthorizationServer(app, query_client=lambda _: Client(), save_token=lambda *_: None)
server.register_grant(CodeGrant)
server.register_grant(RefreshGrant)
app.post("/token")(lambda: server.create_token_response())


def token(**form):
    answer = app.test_client().post("https://lab.example/token", data={"client_id": "public", **form})
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return answer.get_json()


login = token(grant_type="authorization_code", code="made-up", redirect_uri="https://client.example/callback")
refresh = token(grant_type="refresh_token", refresh_token=login["refresh_token"])
for name, answer in ("login:  ", login), ("refresh:", refresh):
    print(f"{name} expires_in {answer['expires_in']}, refresh_token {str('refresh_token' in answer).lower()}")
assert (login["expires_in"], "refresh_token" in login) == (864000, True)
assert (refresh["expires_in"], "refresh_token" in refresh) == (3600, False)
PYTHON
PYTHONPATH=$folder/python python3 finding.py

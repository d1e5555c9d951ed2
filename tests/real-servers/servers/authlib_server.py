"""Authlib's authorization server for Flask. Grants and registration are its own; what they stand on lies here in memory."""

import os
import time

from authlib.integrations.flask_oauth2 import AuthorizationServer, ResourceProtector
from authlib.oauth2.rfc6749 import grants
from authlib.oauth2.rfc6749.models import AuthorizationCodeMixin, ClientMixin, TokenMixin
from authlib.oauth2.rfc6750 import BearerTokenValidator
from authlib.oauth2.rfc7591 import ClientRegistrationEndpoint
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from flask import Flask, jsonify

ISSUER, PORT = os.environ["ISSUER"], int(os.environ["PORT"])
# Plain http is for loopback alone.
os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"

METADATA = AuthorizationServerMetadata(
    issuer=ISSUER,
    authorization_endpoint=f"{ISSUER}/authorize",
    token_endpoint=f"{ISSUER}/token",
    registration_endpoint=f"{ISSUER}/register",
    response_types_supported=["code"],
    grant_types_supported=["authorization_code", "refresh_token"],
    code_challenge_methods_supported=["S256"],
    token_endpoint_auth_methods_supported=["none", "client_secret_post", "client_secret_basic"],
)

clients, codes, tokens = {}, {}, []


class Client(ClientMixin):
    def __init__(self, client_info, client_metadata):
        # The answer to a registration is made of both.
        self.client_info, self.client_metadata = client_info, client_metadata

    def get_client_id(self):
        return self.client_info["client_id"]

    def get_default_redirect_uri(self):
        return self.client_metadata["redirect_uris"][0]

    def get_allowed_scope(self, scope):
        return scope or ""

    def check_redirect_uri(self, redirect_uri):
        return redirect_uri in self.client_metadata["redirect_uris"]

    def check_client_secret(self, client_secret):
        return self.client_info["client_secret"] == client_secret

    def check_endpoint_auth_method(self, method, endpoint):
        return self.client_metadata["token_endpoint_auth_method"] == method

    def check_response_type(self, response_type):
        return response_type in self.client_metadata["response_types"]

    def check_grant_type(self, grant_type):
        return grant_type in self.client_metadata["grant_types"]


class Code(dict, AuthorizationCodeMixin):
    def __getattr__(self, name):
        return self[name]

    def get_redirect_uri(self):
        return self["redirect_uri"]

    def get_scope(self):
        return self["scope"]


class Token(TokenMixin):
    def __init__(self, client_id, token):
        self.client_id, self.token = client_id, token
        self.ends = time.time() + token["expires_in"]
        self.revoked = False

    def check_client(self, client):
        return self.client_id == client.get_client_id()

    def get_scope(self):
        return self.token.get("scope", "")

    def get_expires_in(self):
        return self.token["expires_in"]

    def is_expired(self):
        return time.time() > self.ends

    def is_revoked(self):
        return self.revoked

    def get_user(self):
        return "me"

    def get_client(self):
        return clients.get(self.client_id)


def find(kind, value):
    return next((token for token in tokens if token.token.get(kind) == value and not token.revoked), None)


METHODS = ["none", "client_secret_post", "client_secret_basic"]


class CodeGrant(grants.AuthorizationCodeGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = METHODS

    def save_authorization_code(self, code, request):
        payload = request.payload
        codes[code] = Code(
            code=code, client_id=request.client.get_client_id(), redirect_uri=payload.redirect_uri,
            scope=payload.scope, code_challenge=payload.data.get("code_challenge"),
            code_challenge_method=payload.data.get("code_challenge_method"),
        )

    def query_authorization_code(self, code, client):
        found = codes.get(code)
        return found if found and found.client_id == client.get_client_id() else None

    def delete_authorization_code(self, authorization_code):
        del codes[authorization_code.code]

    def authenticate_user(self, authorization_code):
        return "me"


class RefreshGrant(grants.RefreshTokenGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = METHODS
    # By default the answer has none.
    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, refresh_token):
        return find("refresh_token", refresh_token)

    def authenticate_user(self, refresh_token):
        return refresh_token.get_user()

    def revoke_old_credential(self, refresh_token):
        refresh_token.revoked = True


class Registration(ClientRegistrationEndpoint):
    def authenticate_token(self, request):
        return True  # whoever comes

    def get_server_metadata(self):
        return METADATA

    def generate_client_secret(self, request):
        # By default every client gets one, and a public client that presents it is refused.
        public = request.payload.data.get("token_endpoint_auth_method") == "none"
        return "" if public else super().generate_client_secret(request)

    def save_client(self, client_info, client_metadata, request):
        client = clients[client_info["client_id"]] = Client(client_info, client_metadata)
        return client


class Validator(BearerTokenValidator):
    def authenticate_token(self, token_string):
        return find("access_token", token_string)


def save_token(token, request):
    tokens.append(Token(request.client.get_client_id(), token))


app = Flask("lab")
app.config["OAUTH2_REFRESH_TOKEN_GENERATOR"] = True
server = AuthorizationServer(app, query_client=clients.get, save_token=save_token)
server.register_grant(CodeGrant, [CodeChallenge(required=True)])
server.register_grant(RefreshGrant)
server.register_endpoint(Registration)
protect = ResourceProtector()
protect.register_token_validator(Validator())


@app.get("/.well-known/oauth-authorization-server")
def metadata():
    return jsonify(METADATA)


@app.get("/authorize")
def authorize():
    grant = server.get_consent_grant(end_user="me")
    return server.create_authorization_response(grant_user="me", grant=grant)


@app.post("/token")
def token():
    return server.create_token_response()


@app.post("/register")
def register():
    return server.create_endpoint_response(Registration.ENDPOINT_NAME)


@app.get("/mcp")
@protect()
def mcp():
    return "hello"


@app.post("/lab/forget-clients")
def forget_clients():
    clients.clear()
    return "", 204


app.run(port=PORT)

"""A login as Claude Code makes it: discovery, dynamic registration, authorization code with PKCE, and the entry that it leaves."""

import base64
import hashlib
import json
import secrets
import time
from urllib.parse import parse_qs, urlencode, urlsplit

from browser import consent, request

REDIRECT_URI = "http://localhost:52363/callback"


def get_json(url):
    answer = request("GET", url, {"Accept": "application/json"})
    if answer.status != 200:
        return None
    try:
        return json.loads(answer.body)
    except ValueError:
        return None


def well_known(url, name):
    """RFC 8414, section 3.1: between host and path; then at the root."""
    parts = urlsplit(url)
    origin, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
    return [f"{origin}/.well-known/{name}{path}"] + ([f"{origin}/.well-known/{name}"] if path else [])


def first(urls):
    return next((document for document in map(get_json, urls) if document), None)


def discover(server_url):
    """The resource, the authorization server and its metadata (RFC 9728, RFC 8414)."""
    origin = "{0.scheme}://{0.netloc}".format(urlsplit(server_url))
    resource = first(well_known(server_url, "oauth-protected-resource")) or {}
    issuer = (resource.get("authorization_servers") or [origin])[0]
    metadata = first(well_known(issuer, "oauth-authorization-server") + well_known(issuer, "openid-configuration"))
    assert metadata, f"{issuer} has no metadata"
    return resource.get("resource", server_url), issuer, metadata


def register(metadata, method):
    wanted = {
        "client_name": "Claude Code (lab)",
        # A redirect to this machine, which some refuse to a client of the web.
        "application_type": "native",
        "redirect_uris": [REDIRECT_URI],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": method,
    }
    answer = request("POST", metadata["registration_endpoint"], json=json.dumps(wanted))
    assert answer.status in (200, 201), f"registration: {answer.status} {answer.body}"
    return json.loads(answer.body)


def log_in(server_url, scope, method):
    """The entry that the login leaves."""
    resource, issuer, metadata = discover(server_url)
    client = register(metadata, method)
    verifier = secrets.token_urlsafe(48)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    wanted = {
        "response_type": "code",
        "client_id": client["client_id"],
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        "redirect_uri": REDIRECT_URI,
        "state": secrets.token_urlsafe(16),
        "resource": resource,
    }
    if scope:
        wanted |= {"scope": scope}
        if "offline_access" in scope:
            wanted |= {"prompt": "consent"}
    back = consent(f"{metadata['authorization_endpoint']}?{urlencode(wanted)}", REDIRECT_URI)
    returned = parse_qs(urlsplit(back).query)
    assert "code" in returned, f"the login was refused: {returned}"
    form = {
        "grant_type": "authorization_code",
        "code": returned["code"][0],
        "code_verifier": verifier,
        "redirect_uri": REDIRECT_URI,
        "client_id": client["client_id"],
        "resource": resource,
    }
    if client.get("client_secret"):
        form["client_secret"] = client["client_secret"]
    answer = request("POST", metadata["token_endpoint"], form=form)
    assert answer.status == 200, f"code exchange: {answer.status} {answer.body}"
    return entry(server_url, issuer, metadata, client, json.loads(answer.body))


def entry(server_url, issuer, metadata, client, tokens):
    """Member for member what Claude Code stores."""
    assert tokens.get("refresh_token"), f"the login has no refresh token: {sorted(tokens)}"
    stored = {
        "serverName": "lab",
        "serverUrl": server_url,
        "accessToken": tokens["access_token"],
        "discoveryState": {"authorizationServerUrl": issuer, "oauthMetadataFound": True, "authServerMetadataUrl": None},
        "clientId": client["client_id"],
        "issuer": metadata["issuer"],
        "redirectUri": REDIRECT_URI,
        "refreshToken": tokens["refresh_token"],
        "expiresAt": int((time.time() + tokens.get("expires_in", 3600)) * 1000),
        "scope": tokens.get("scope", ""),
    }
    if client.get("client_secret"):
        stored["clientSecret"] = client["client_secret"]
    return stored

//! Metadata of the authorization server (RFC 8414, OpenID discovery) and of the protected resource (RFC 9728).

use crate::http::Response;
use crate::route::Decision;
use crate::site::Site;
use crate::{Discovery, Registration, ResourceMetadataAt, Script};
use serde_json::{Value, json};

/// A document asked for with path insertion; `rest` is what follows the site's name.
pub(crate) fn inserted(site: &Site, document: &str, rest: &str) -> Decision {
    let script = site.with(|state| state.script.clone());
    match (document, rest) {
        ("oauth-protected-resource", "" | "/") if script.resource_metadata_at != ResourceMetadataAt::Path => {
            resource(site, &script)
        }
        ("oauth-protected-resource", "/mcp") if script.resource_metadata_at != ResourceMetadataAt::Root => {
            resource(site, &script)
        }
        ("oauth-authorization-server", "" | "/") if script.discovery == Discovery::OAuth => {
            server(site, &script)
        }
        ("openid-configuration", "" | "/") if script.discovery == Discovery::OpenIdInserted => {
            openid(site, &script)
        }
        // Without a path the two forms of OpenID discovery are one and the same.
        ("openid-configuration", "")
            if site.name().is_empty() && script.discovery == Discovery::OpenIdAppended =>
        {
            openid(site, &script)
        }
        _ => Decision::not_found(404),
    }
}

/// A document asked for below the site's own path.
pub(crate) fn appended(site: &Site, path: &str) -> Decision {
    let script = site.with(|state| state.script.clone());
    match (path, script.discovery) {
        ("/.well-known/oauth-authorization-server", Discovery::OAuthAppended) => server(site, &script),
        ("/.well-known/openid-configuration", Discovery::OpenIdAppended) => openid(site, &script),
        _ => Decision::not_found(404),
    }
}

fn server(site: &Site, script: &Script) -> Decision {
    Decision::answered(Response::json(200, &document(site, script)))
}

/// The same with what OpenID Connect Discovery 1.0, section 3, demands besides: Claude Code takes no document without it.
fn openid(site: &Site, script: &Script) -> Decision {
    let mut document = document(site, script);
    document["jwks_uri"] = json!(format!("{}/jwks", site.url()));
    document["subject_types_supported"] = json!(["public"]);
    document["id_token_signing_alg_values_supported"] = json!(["RS256"]);
    Decision::answered(Response::json(200, &document))
}

fn document(site: &Site, script: &Script) -> Value {
    let url = site.url();
    let mut document: Value = json!({
        "issuer": script.issuer.clone().unwrap_or_else(|| url.clone()),
        "authorization_endpoint": format!("{url}/authorize"),
        "token_endpoint": script.token_endpoint.clone().unwrap_or_else(|| site.token_url()),
        "registration_endpoint": format!("{url}/register"),
        "scopes_supported": crate::site::SCOPE.split(' ').collect::<Vec<_>>(),
        "response_types_supported": ["code"],
        "grant_types_supported": if script.refresh_tokens { &["authorization_code", "refresh_token"][..] } else { &["authorization_code"] },
        "token_endpoint_auth_methods_supported": script.client_auth.methods(),
        "code_challenge_methods_supported": ["S256"]
    });
    if let (Registration::Absent, Some(members)) = (script.registration, document.as_object_mut()) {
        members.shift_remove("registration_endpoint");
    }
    if script.revocation {
        document["revocation_endpoint"] = json!(format!("{url}/revoke"));
    }
    if let (Some(methods), Some(members)) = (&script.auth_methods, document.as_object_mut()) {
        if methods.is_empty() {
            members.shift_remove("token_endpoint_auth_methods_supported");
        } else {
            members.insert("token_endpoint_auth_methods_supported".to_owned(), json!(methods));
        }
    }
    document
}

fn resource(site: &Site, script: &Script) -> Decision {
    if !script.resource_metadata {
        return Decision::not_found(404);
    }
    let document = json!({
        "resource": script.resource_named.clone().unwrap_or_else(|| site.mcp_url()),
        "authorization_servers": [script.authorization_server.clone().unwrap_or_else(|| site.url())],
        "scopes_supported": crate::site::SCOPE.split(' ').collect::<Vec<_>>(),
        "bearer_methods_supported": ["header"]
    });
    Decision::answered(Response::json(200, &document))
}

/// Where [`resource`] is found; named in `WWW-Authenticate`.
pub(crate) fn resource_url(site: &Site) -> String {
    let at_root = site.with(|state| state.script.resource_metadata_at == ResourceMetadataAt::Root);
    let path = if at_root { site.url() } else { site.mcp_url() };
    let path = path.strip_prefix(&site.shared.base).unwrap_or_default();
    format!("{}/.well-known/oauth-protected-resource{path}", site.shared.base)
}

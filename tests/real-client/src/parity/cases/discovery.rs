//! Where the metadata lies, and redirects of the token endpoint.

use super::certificates::over_tls;
use crate::Fallible;
use crate::parity::case::Case;
use crate::parity::lab::Lab;
use scripted_server::{ClientAuth, Discovery, Redirect, ResourceMetadataAt, Script, Server};
use serde_json::{Value, json};

pub(super) const CASES: &[Case] = &[
    Case::fails("discovery: metadata without end", "bigger than", || {
        Lab::plain(Script { endless_metadata: true, ..Script::default() })
    }),
    Case::connects("discovery: issuer with a path, metadata with path insertion", || site(Script::default())),
    Case::connects("discovery: issuer with a path, metadata at the root only", || {
        metadata_at_root(|base| (format!("{base}/auth"), format!("{base}/token")))
    }),
    Case::connects("discovery: issuer with a path, metadata at the root names the root", || {
        metadata_at_root(|base| (base.to_owned(), format!("{base}/token")))
    }),
    Case::connects(
        "discovery: issuer with a path, metadata at the root names a token endpoint that is not there",
        || metadata_at_root(|base| (format!("{base}/auth"), format!("{base}/auth/token"))),
    ),
    Case::connects("discovery: authorization server at another origin", || {
        elsewhere(|script, base| {
            script.issuer = Some(base.to_owned());
            script.token_endpoint = Some(format!("{base}/token"));
        })
    }),
    Case::connects("discovery: old entry, authorization server at another origin", || {
        let lab = elsewhere(|script, base| {
            script.issuer = Some(base.to_owned());
            script.token_endpoint = Some(format!("{base}/token"));
        })?;
        Ok(old(lab))
    }),
    Case::connects("discovery: token endpoint at another origin than the issuer", || {
        let lab = Lab::plain(Script::default())?;
        let endpoint = lab.server.token_url().replace("127.0.0.1", "localhost");
        lab.server.set(|script| script.token_endpoint = Some(endpoint));
        Ok(lab)
    }),
    Case::connects("discovery: token endpoint with a query", || {
        let lab = Lab::plain(Script::default())?;
        let endpoint = format!("{}?tenant=7", lab.server.token_url());
        lab.server.set(|script| script.token_endpoint = Some(endpoint));
        Ok(lab)
    }),
    Case::connects("discovery: OpenID only, path inserted", || {
        site(Script { discovery: Discovery::OpenIdInserted, ..Script::default() })
    }),
    Case::connects("discovery: OpenID only, path in front", || {
        site(Script { discovery: Discovery::OpenIdAppended, ..Script::default() })
    }),
    Case::connects("discovery: OpenID only, at the root", || {
        Lab::plain(Script { discovery: Discovery::OpenIdAppended, ..Script::default() })
    }),
    Case::fails("discovery: metadata behind the issuer's path", "client is unknown", || {
        site(Script { discovery: Discovery::OAuthAppended, ..Script::default() })
    }),
    Case::connects("discovery: issuer ends in a slash", || {
        let lab = Lab::plain(Script::default())?;
        let issuer = format!("{}/", lab.server.url());
        lab.server.set(|script| script.issuer = Some(issuer));
        Ok(lab)
    }),
    Case::connects("discovery: issuer ends in a slash, in the entry too", || {
        let lab = Lab::plain(Script::default())?;
        let issuer = format!("{}/", lab.server.url());
        lab.server.set(|script| script.issuer = Some(issuer.clone()));
        Ok(discovered(lab.entry("issuer", json!(issuer)), "authorizationServerUrl", json!(issuer)))
    }),
    Case::connects("discovery: the entry's issuer ends in a slash, the metadata's does not", || {
        let lab = Lab::plain(Script::default())?;
        let issuer = format!("{}/", lab.server.url());
        Ok(discovered(lab.entry("issuer", json!(issuer)), "authorizationServerUrl", json!(issuer)))
    }),
    Case::refused("discovery: metadata of another issuer", "issuer", || {
        let issuer = Some("https://login.example.test".to_owned());
        Lab::plain(Script { issuer, ..Script::default() })
    }),
    Case::connects("discovery: no metadata, oauthMetadataFound false", || {
        let script = Script { discovery: Discovery::Absent, resource_metadata: false, ..Script::default() };
        Ok(discovered(Lab::plain(script)?.without(&["issuer"]), "oauthMetadataFound", json!(false)))
    }),
    Case::connects("discovery: no metadata, old entry", || {
        let script = Script { discovery: Discovery::Absent, resource_metadata: false, ..Script::default() };
        Ok(old(Lab::plain(script)?))
    }),
    Case::connects("discovery: old entry", || Ok(old(Lab::plain(Script::default())?))),
    Case::connects("discovery: old entry, issuer with a path", || Ok(old(site(Script::default())?))),
    Case::connects("discovery: old entry, client with a secret", || {
        Ok(old(Lab::plain(Script { client_auth: ClientAuth::Post, ..Script::default() })?))
    }),
    Case::connects("discovery: old entry, no metadata of the resource", || {
        Ok(old(Lab::plain(Script { resource_metadata: false, ..Script::default() })?))
    }),
    Case::connects("discovery: old entry, metadata of the resource at its path only", || {
        let resource_metadata_at = ResourceMetadataAt::Path;
        Ok(old(Lab::plain(Script { resource_metadata_at, ..Script::default() })?))
    }),
    Case::connects("discovery: old entry, metadata of the resource at the root only", || {
        let resource_metadata_at = ResourceMetadataAt::Root;
        Ok(old(Lab::plain(Script { resource_metadata_at, ..Script::default() })?))
    }),
    Case::connects("discovery: old entry, nothing says where the metadata of the resource is", || {
        let script = Script {
            resource_metadata_at: ResourceMetadataAt::Root,
            challenge_names_metadata: false,
            ..Script::default()
        };
        Ok(old(Lab::plain(script)?))
    }),
    Case::connects("discovery: authServerMetadataUrl in the configuration", || {
        let lab = over_tls(Script::default())?
            .at_site("lab", Script { discovery: Discovery::OAuthAppended, ..Script::default() });
        let url = format!("{}/lab/.well-known/oauth-authorization-server", lab.server.url());
        Ok(discovered(lab, "authServerMetadataUrl", json!(url))
            .configured("oauth", json!({"authServerMetadataUrl": url})))
    }),
    Case::connects("redirect: 307 to a slash", || redirected(307, |_| "/token/".to_owned())),
    Case::connects("redirect: 308 to a slash", || redirected(308, |_| "/token/".to_owned())),
    Case::connects("redirect: 308 to a whole URL of the same origin", || {
        redirected(308, |lab| format!("{}/token/", lab.server.url()))
    }),
    Case::fails("redirect: 302 to a slash", "redirect", || redirected(302, |_| "/token/".to_owned())),
    Case::fails("redirect: 307 to another origin", "redirect", || {
        let stranger = Server::start(Script::default())?;
        let location = stranger.token_url();
        let mut lab = Lab::plain(Script::default())?;
        lab.server.set(|script| script.token_redirect = Some(Redirect { status: 307, location }));
        lab.stranger = Some(stranger);
        Ok(lab)
    }),
    Case::fails("redirect: 307 to another origin that would answer", "redirect", || {
        redirected(307, |lab| format!("{}/token/", lab.server.url().replace("127.0.0.1", "localhost")))
    }),
];

/// A server whose login is at `/lab`, and nothing at its root.
fn site(script: Script) -> Fallible<Lab> {
    Ok(Lab::plain(Script { discovery: Discovery::Absent, ..Script::default() })?.at_site("lab", script))
}

/// An issuer `…/auth`, whose metadata is at the root alone (the SDK for TypeScript, mcp for Python): these issuer and token endpoint.
fn metadata_at_root(names: fn(&str) -> (String, String)) -> Fallible<Lab> {
    let lab = Lab::plain(Script::default())?;
    let base = lab.server.url();
    let expected = format!("{base}/auth");
    let (issuer, token_endpoint) = names(&base);
    lab.server.set(|script| {
        script.authorization_server = Some(expected.clone());
        script.issuer = Some(issuer);
        script.token_endpoint = Some(token_endpoint);
    });
    Ok(discovered(lab.entry("issuer", json!(expected)), "authorizationServerUrl", json!(expected)))
}

/// An authorization server at `http://localhost`, while the MCP server is at `http://127.0.0.1`.
fn elsewhere(describe: fn(&mut Script, &str)) -> Fallible<Lab> {
    let lab = Lab::plain(Script::default())?;
    let base = lab.server.url().replace("127.0.0.1", "localhost");
    lab.server.set(|script| {
        script.authorization_server = Some(base.clone());
        describe(script, &base);
    });
    Ok(discovered(lab.entry("issuer", json!(base)), "authorizationServerUrl", json!(base)))
}

/// As clients before 2.1.119 stored a login.
fn old(lab: Lab) -> Lab {
    lab.without(&["issuer", "discoveryState", "redirectUri"])
}

/// Replaces a member of `discoveryState`.
fn discovered(mut lab: Lab, name: &str, value: Value) -> Lab {
    if let Some(state) = lab.entry.get_mut("discoveryState").and_then(Value::as_object_mut) {
        state.insert(name.to_owned(), value);
    }
    lab
}

fn redirected(status: u16, location: fn(&Lab) -> String) -> Fallible<Lab> {
    let lab = Lab::plain(Script::default())?;
    let location = location(&lab);
    lab.server.set(|script| script.token_redirect = Some(Redirect { status, location }));
    Ok(lab)
}

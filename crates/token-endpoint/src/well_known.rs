use url::Url;

/// Possible locations of an issuer's metadata, in order: RFC 8414 (section 3.1, path inserted), then OpenID Connect discovery with the
/// path inserted, then in its original form, with the path first.
pub(crate) fn of_issuer(issuer: &Url) -> Vec<Url> {
    let path = issuer.path().trim_end_matches('/');
    let mut urls: Vec<Url> = Vec::with_capacity(3);
    for candidate in [
        format!("/.well-known/oauth-authorization-server{path}"),
        format!("/.well-known/openid-configuration{path}"),
        format!("{path}/.well-known/openid-configuration"),
    ] {
        let url = at(issuer, &candidate);
        if !urls.contains(&url) {
            urls.push(url);
        }
    }
    urls
}

/// Possible locations of a protected resource's metadata: RFC 9728, section 3.1 (path inserted), then the root.
pub(crate) fn of_resource(resource: &Url) -> Vec<Url> {
    let path = resource.path().trim_end_matches('/');
    let mut urls = vec![at(resource, &format!("/.well-known/oauth-protected-resource{path}"))];
    if let (Some(url), Some(query)) = (urls.first_mut(), resource.query()) {
        url.set_query(Some(query));
    }
    let root = at(resource, "/.well-known/oauth-protected-resource");
    if !urls.contains(&root) {
        urls.push(root);
    }
    urls
}

/// The root of a URL's origin.
pub(crate) fn root(url: &Url) -> Url {
    at(url, "/")
}

/// Another path at the same origin.
pub(crate) fn at(url: &Url, path: &str) -> Url {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    url.set_path(path);
    url
}

/// Whether two issuers are the same: compared verbatim except for a trailing slash, which servers and clients add and remove.
#[must_use]
pub fn same_issuer(one: &str, other: &str) -> bool {
    one.trim_end_matches('/') == other.trim_end_matches('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(urls: Vec<Url>) -> Vec<String> {
        urls.into_iter().map(String::from).collect()
    }

    #[test]
    fn the_path_of_an_issuer_is_inserted() {
        assert_eq!(
            urls(of_issuer(&Url::parse("https://a.example/tenant1/").unwrap())),
            [
                "https://a.example/.well-known/oauth-authorization-server/tenant1",
                "https://a.example/.well-known/openid-configuration/tenant1",
                "https://a.example/tenant1/.well-known/openid-configuration",
            ]
        );
        assert_eq!(
            urls(of_issuer(&Url::parse("https://a.example:8443").unwrap())),
            [
                "https://a.example:8443/.well-known/oauth-authorization-server",
                "https://a.example:8443/.well-known/openid-configuration",
            ]
        );
    }

    #[test]
    fn the_path_of_a_resource_is_inserted_then_left_out() {
        assert_eq!(
            urls(of_resource(&Url::parse("https://m.example/v1/mcp?x=1").unwrap())),
            [
                "https://m.example/.well-known/oauth-protected-resource/v1/mcp?x=1",
                "https://m.example/.well-known/oauth-protected-resource",
            ]
        );
        assert_eq!(
            urls(of_resource(&Url::parse("https://m.example").unwrap())),
            ["https://m.example/.well-known/oauth-protected-resource"]
        );
    }

    #[test]
    fn a_trailing_slash_does_not_make_another_issuer() {
        assert!(same_issuer("https://a.example/", "https://a.example"));
        assert!(!same_issuer("https://a.example/x", "https://a.example"));
        assert!(!same_issuer("https://A.example", "https://a.example"));
    }
}

use url::Url;

/// A proxy URL without its password, safe to show.
pub(super) fn without_password(proxy: &Url) -> String {
    let mut shown = proxy.clone();
    if shown.password().is_some() {
        // Fails only for URLs that cannot have one.
        let _ = shown.set_password(Some("hidden"));
    }
    shown.to_string()
}

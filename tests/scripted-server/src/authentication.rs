//! Client authentication at the token endpoint (RFC 6749, section 2.3.1).

use crate::ClientAuth;
use crate::form::Form;
use crate::http::Request;
use crate::site::SiteState;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The client's id, if it is known and has authenticated itself as the script demands.
pub(crate) fn authenticate(
    state: &SiteState,
    request: &Request,
    form: &Form,
) -> Result<String, &'static str> {
    let by_basic = |decoded| basic(request, decoded).ok_or("the client must authenticate by HTTP Basic");
    let by_form = || {
        let client_id = form.get("client_id").ok_or("client_id is missing")?;
        Ok::<_, &str>((client_id.to_owned(), form.get("client_secret").map(str::to_owned)))
    };
    let (client_id, secret) = match state.script.client_auth {
        ClientAuth::Basic => by_basic(true)?,
        ClientAuth::BasicAndId if form.get("client_id").is_none() => return Err("client_id is missing"),
        ClientAuth::BasicAndId => by_basic(true)?,
        ClientAuth::BasicAsIs => by_basic(false)?,
        ClientAuth::Either if request.header("authorization").is_some() => by_basic(true)?,
        ClientAuth::Either | ClientAuth::Post | ClientAuth::None => by_form()?,
    };
    match state.ledger.client_secret(&client_id) {
        None => Err("the client is unknown"),
        Some(expected) if expected.is_some() && expected != secret.as_deref() => {
            Err("the client's secret is wrong")
        }
        Some(_) => Ok(client_id),
    }
}

/// Id and secret from the `Authorization` header: both are form-encoded (RFC 6749, section 2.3.1), which not every server implements.
fn basic(request: &Request, is_form: bool) -> Option<(String, Option<String>)> {
    let encoded = request.header("authorization")?.strip_prefix("Basic ")?;
    let decoded = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    let plain = |text: &str| {
        let form = Form::parse(format!("x={text}").as_bytes());
        if is_form { form.get("x").unwrap_or_default().to_owned() } else { text.to_owned() }
    };
    Some((plain(id), Some(plain(secret))))
}

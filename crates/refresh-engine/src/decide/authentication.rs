//! Client authentication: which methods to try, and what an answer says about them.

use crate::decide::apply_answer::CLIENT_DOCUMENT_UNREAD;
use claude_store::Entry;
use std::collections::VecDeque;
use token_endpoint::{Answer, ClientAuth, Metadata, asks_for_client_id};

/// The client authentication methods to try: the one that last worked, then those that the server may want.
pub(crate) fn ways_to_authenticate(
    metadata: &Metadata,
    entry: &Entry,
    known: Option<ClientAuth>,
) -> VecDeque<ClientAuth> {
    let ways =
        ClientAuth::to_try(&metadata.auth_methods, entry.client_id.as_deref(), entry.client_secret.as_ref());
    let mut ways = VecDeque::from(ways);
    let has_secret = entry.client_secret.is_some();
    let possible =
        |known: &ClientAuth| ways.contains(known) || has_secret && *known == ClientAuth::BasicAndId;
    if let Some(known) = known.filter(possible) {
        ways.retain(|way| *way != known);
        ways.push_front(known);
    }
    ways
}

/// Whether the server wants the client id in the body as well as in the header (mcp 2.3.0), to be tried when nothing else helped.
pub(crate) fn misses_the_id(answer: &Answer, auth: ClientAuth) -> bool {
    matches!(auth, ClientAuth::Basic | ClientAuth::BasicPlain) && asks_for_client_id(answer)
}

/// Whether client authentication failed: by error code, or by a 401 without one (RFC 6749, section 5.2). A server must authenticate
/// the client before it can check a token bound to it, so the token is unspent.
pub(crate) fn is_about_the_client(answer: &Answer, auth: ClientAuth) -> bool {
    let in_header = matches!(auth, ClientAuth::Basic | ClientAuth::BasicPlain);
    matches!(answer, Answer::ClientDead { .. })
        || in_header && asks_for_client_id(answer)
        || matches!(answer, Answer::Refused { code, .. } if code == "http_401" || code == CLIENT_DOCUMENT_UNREAD)
}

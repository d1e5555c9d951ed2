//! Clients, grants and token families: the authorization server's state. Pure: time is an argument.

use crate::{ClientAuth, Reuse, Script};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// The state of a refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenState {
    /// The current token of its family: valid.
    Current,
    /// Spent; presenting it again is a reuse.
    Spent,
    /// Its family was revoked because of a reuse.
    Revoked,
    /// Its family is dead for another reason.
    Dead,
    /// Never issued here.
    Unknown,
}

#[derive(Default)]
pub(crate) struct Ledger {
    clients: HashMap<String, Option<String>>,
    codes: HashMap<String, Code>,
    families: Vec<Family>,
    /// Maps refresh tokens to family and generation.
    refresh_tokens: HashMap<String, (usize, usize)>,
    access_tokens: HashMap<String, Access>,
    serial: u64,
}

struct Code {
    client_id: String,
    redirect_uri: String,
    challenge: Option<String>,
    scope: String,
}

struct Family {
    client_id: String,
    scope: String,
    /// Overrides the script's.
    lifetime: Option<Duration>,
    /// All generations; the last one is current.
    generations: Vec<Generation>,
    /// The newest access token.
    access_token: String,
    end: Option<TokenState>,
}

struct Generation {
    refresh_token: String,
    issued: Instant,
    spent: Option<Instant>,
}

struct Access {
    family: usize,
    expires: Instant,
    superseded: bool,
}

/// The tokens of one response.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    pub(crate) access_token: String,
    pub(crate) refresh_token: String,
    pub(crate) expires_in: Duration,
    pub(crate) scope: String,
}

/// The result of a refresh.
#[derive(Debug)]
pub(crate) enum Verdict {
    Fresh(Pair),
    Replayed(Pair),
    Reuse,
    Dead(&'static str),
    WrongClient,
    TooEarly(String),
}

impl Ledger {
    pub(crate) fn register(&mut self, script: &Script) -> (String, Option<String>) {
        let client_id = script.client_id.clone().unwrap_or_else(|| self.name("cl"));
        let secret = (script.client_auth != ClientAuth::None)
            .then(|| script.client_secret.clone().unwrap_or_else(|| self.name("cs")));
        self.clients.insert(client_id.clone(), secret.clone());
        (client_id, secret)
    }

    pub(crate) fn client_secret(&self, client_id: &str) -> Option<Option<&str>> {
        self.clients.get(client_id).map(Option::as_deref)
    }

    pub(crate) fn prune_client(&mut self, client_id: &str) -> bool {
        self.clients.remove(client_id).is_some()
    }

    pub(crate) fn issue_code(
        &mut self,
        client_id: &str,
        redirect_uri: &str,
        challenge: Option<&str>,
        scope: &str,
    ) -> String {
        let code = self.name("co");
        let issued = Code {
            client_id: client_id.to_owned(),
            redirect_uri: redirect_uri.to_owned(),
            challenge: challenge.map(str::to_owned),
            scope: scope.to_owned(),
        };
        self.codes.insert(code.clone(), issued);
        code
    }

    /// Exchanges a code (RFC 6749, section 4.1.3) whose PKCE verifier hashes to `challenge` (RFC 7636, section 4.6).
    pub(crate) fn exchange(
        &mut self,
        script: &Script,
        now: Instant,
        code: &str,
        client_id: &str,
        redirect_uri: &str,
        challenge: Option<&str>,
    ) -> Result<Pair, &'static str> {
        let code = self.codes.remove(code).ok_or("the code is unknown or was used before")?;
        if code.client_id != client_id {
            return Err("the code belongs to another client");
        }
        if code.redirect_uri != redirect_uri {
            return Err("redirect_uri differs from the authorization's");
        }
        if code.challenge.as_deref() != challenge {
            return Err("the code_verifier does not fit the code_challenge");
        }
        Ok(self.grant(script, now, client_id, &code.scope, None, script.lifetime))
    }

    /// A new family. `lifetime` overrides the script's for later tokens; `left` is the first access token's remaining life.
    pub(crate) fn grant(
        &mut self,
        script: &Script,
        now: Instant,
        client_id: &str,
        scope: &str,
        lifetime: Option<Duration>,
        left: Duration,
    ) -> Pair {
        let family = self.families.len();
        self.families.push(Family {
            client_id: client_id.to_owned(),
            scope: scope.to_owned(),
            lifetime,
            generations: Vec::new(),
            access_token: String::new(),
            end: None,
        });
        self.issue_refresh_token(family, now);
        self.issue_pair(family, script, now, Some(left))
    }

    /// The refresh grant (RFC 6749, section 6) of an authenticated client.
    pub(crate) fn refresh(
        &mut self,
        script: &Script,
        rotates: bool,
        now: Instant,
        client_id: &str,
        refresh_token: &str,
    ) -> Verdict {
        let Some(&(number, generation)) = self.refresh_tokens.get(refresh_token) else {
            return Verdict::Dead("this refresh token was never issued");
        };
        let early = self.early_refusal(script, now, number);
        let Some(family) = self.families.get_mut(number) else { return Verdict::Dead("no such grant") };
        if family.client_id != client_id {
            return Verdict::WrongClient;
        }
        if family.end.is_some() {
            return Verdict::Dead("the grant was revoked");
        }
        let newest = family.generations.len().saturating_sub(1);
        let Some(presented) = family.generations.get_mut(generation) else {
            return Verdict::Dead("no such token");
        };
        if script.refresh_lifetime.is_some_and(|life| now >= presented.issued + life) {
            return Verdict::Dead("the refresh token has expired");
        }
        let previous = generation + 1 == newest;
        match (presented.spent, script.reuse) {
            (None, _) => {}
            (Some(_), Reuse::PreviousIsGood) if previous => {}
            (Some(spent), Reuse::Revoke { grace }) if now < spent + grace => {
                return Verdict::Replayed(self.issue_pair(number, script, now, None));
            }
            (Some(_), Reuse::Revoke { .. }) => {
                family.end = Some(TokenState::Revoked);
                return Verdict::Reuse;
            }
            (Some(_), _) => return Verdict::Dead("the refresh token was used before"),
        }
        if let Some(code) = early {
            return Verdict::TooEarly(code);
        }
        if rotates {
            presented.spent = Some(now);
            // The previous token stays; the unused current one is replaced.
            if previous && let Some(unused) = family.generations.pop() {
                self.refresh_tokens.remove(&unused.refresh_token);
            }
            self.issue_refresh_token(number, now);
            if script.old_access_dies {
                self.supersede(number);
            }
        }
        Verdict::Fresh(self.issue_pair(number, script, now, None))
    }

    fn early_refusal(&self, script: &Script, now: Instant, family: usize) -> Option<String> {
        let rule = script.early_refusal.as_ref()?;
        let newest = self.access_tokens.get(&self.families.get(family)?.access_token)?;
        let left = newest.expires.saturating_duration_since(now);
        (left > rule.above && !newest.superseded).then(|| rule.code.clone())
    }

    fn issue_refresh_token(&mut self, family: usize, now: Instant) {
        let refresh_token = self.name("rt");
        let Some(grant) = self.families.get_mut(family) else { return };
        self.refresh_tokens.insert(refresh_token.clone(), (family, grant.generations.len()));
        grant.generations.push(Generation { refresh_token, issued: now, spent: None });
    }

    fn issue_pair(&mut self, family: usize, script: &Script, now: Instant, left: Option<Duration>) -> Pair {
        let mut access_token = self.name("at");
        let (refresh_token, scope, lifetime) = match self.families.get(family) {
            Some(grant) => (
                grant.generations.last().map(|newest| newest.refresh_token.clone()).unwrap_or_default(),
                grant.scope.clone(),
                grant.lifetime.unwrap_or(script.lifetime),
            ),
            None => (String::new(), String::new(), script.lifetime),
        };
        let expires_in = left.unwrap_or(lifetime);
        if script.jwt {
            access_token = jwt(&access_token, expires_in, script.audience.as_deref());
        }
        self.access_tokens
            .insert(access_token.clone(), Access { family, expires: now + expires_in, superseded: false });
        if let Some(grant) = self.families.get_mut(family) {
            grant.access_token.clone_from(&access_token);
        }
        Pair { access_token, refresh_token, expires_in, scope }
    }

    fn supersede(&mut self, family: usize) {
        for access in self.access_tokens.values_mut().filter(|access| access.family == family) {
            access.superseded = true;
        }
    }

    /// Checks whether the MCP server accepts this access token.
    pub(crate) fn check_access(&self, now: Instant, access_token: &str) -> Result<(), &'static str> {
        let access = self.access_tokens.get(access_token).ok_or("the access token was never issued")?;
        if access.superseded {
            return Err("the access token died at the rotation");
        }
        if self.families.get(access.family).is_some_and(|family| family.end.is_some()) {
            return Err("the grant was revoked");
        }
        if now >= access.expires {
            return Err("the access token has expired");
        }
        Ok(())
    }

    pub(crate) fn state_of(&self, refresh_token: &str) -> TokenState {
        let Some(&(number, generation)) = self.refresh_tokens.get(refresh_token) else {
            return TokenState::Unknown;
        };
        let Some(family) = self.families.get(number) else { return TokenState::Unknown };
        match (family.end, family.generations.get(generation)) {
            (Some(end), _) => end,
            (None, Some(Generation { spent: None, .. })) => TokenState::Current,
            (None, _) => TokenState::Spent,
        }
    }

    /// Whether both refresh tokens come from the same consent.
    pub(crate) fn is_same_grant(&self, one: &str, other: &str) -> bool {
        let family = |token: &str| self.refresh_tokens.get(token).map(|&(number, _)| number);
        family(one).is_some() && family(one) == family(other)
    }

    /// Kills a refresh token's grant, as its owner may do on a web page.
    pub(crate) fn kill(&mut self, refresh_token: &str) -> bool {
        let number = self.refresh_tokens.get(refresh_token).map(|&(number, _)| number);
        let family = number.and_then(|number| self.families.get_mut(number));
        family.map(|family| family.end = Some(TokenState::Dead)).is_some()
    }

    /// Revokes a token for its holder (RFC 7009, section 2.1). A refresh token, even a spent one, revokes its whole grant; an access token
    /// only itself. Returns whether it was known and issued to this client.
    pub(crate) fn revoke(&mut self, token: &str, client_id: &str) -> bool {
        let access = self.access_tokens.get(token).map(|access| access.family);
        let number = self.refresh_tokens.get(token).map(|&(number, _)| number);
        let family = number.or(access).and_then(|number| self.families.get_mut(number));
        let Some(family) = family.filter(|family| family.client_id == client_id) else { return false };
        if number.is_some() {
            family.end.get_or_insert(TokenState::Dead);
        } else if let Some(access) = self.access_tokens.get_mut(token) {
            access.superseded = true;
        }
        true
    }

    pub(crate) fn families_revoked(&self) -> usize {
        self.families.iter().filter(|family| family.end == Some(TokenState::Revoked)).count()
    }

    /// A unique name, even across servers on one machine.
    fn name(&mut self, prefix: &str) -> String {
        self.serial += 1;
        format!("{prefix}_{:04}_{:016x}", self.serial, fastrand::u64(..))
    }
}

/// A JWT in form only: `exp` can be read, but nothing can be verified.
fn jwt(id: &str, expires_in: Duration, audience: Option<&str>) -> String {
    let exp = crate::log::now_us() / 1_000_000 + expires_in.as_secs();
    let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = part(serde_json::json!({"alg": "HS256", "typ": "at+jwt"}));
    let mut claims = serde_json::json!({"jti": id, "exp": exp});
    if let Some(audience) = audience {
        claims["aud"] = audience.into();
    }
    let payload = part(claims);
    format!("{header}.{payload}.{}", URL_SAFE_NO_PAD.encode(id))
}

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use claude_store::FileSystem;
use refresh_engine::Endpoint;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, SystemTime};
use token_endpoint::{
    DiscoveryError, Metadata, RawAnswer, RefreshRequest, SendError, ServerHints, UnsentKind,
};
use virtual_disk::VirtualDisk;

/// How the server treats one request.
#[derive(Clone, Debug)]
pub(crate) enum Answering {
    /// Rotates and answers.
    Properly,
    /// Takes this long, then rotates and answers.
    Slowly(Duration),
    /// Rotates; the connection is lost before the answer arrives.
    LostAfterRotation,
    /// Takes this long, then rotates; the connection is lost before the answer arrives.
    #[allow(dead_code, reason = "only a world on files has clients that refresh at the same moment")]
    LostAfterSlowRotation(Duration),
    /// The connection is lost before the server does anything.
    LostBefore,
    /// Rotates; no answer within 30 s.
    TimesOut,
    /// Rotates; what comes is too big to be an answer.
    TooBig,
    /// No connection.
    Unreachable,
    /// This answer, nothing consumed.
    Status(u16, &'static str),
    /// Rotates, then answers this: what is checked after the rotation.
    RefusedAfterRotation(u16, &'static str),
    /// Rotates and answers with an access token that names its own end, and without `expires_in`.
    Claims(Duration),
    /// Rotates and answers without `expires_in`.
    Endless,
    /// Takes this long, then this status, nothing consumed.
    HangsThen(Duration, u16),
    /// This answer with a `Retry-After`.
    Busy(&'static str),
}

/// An authorization server with single-use refresh tokens: reuse revokes the family.
pub(crate) struct Server {
    clock: VirtualDisk,
    pub(crate) lifetime: Cell<Duration>,
    pub(crate) grace: Cell<Duration>,
    pub(crate) rotates: Cell<bool>,
    pub(crate) refresh_expires_in: Cell<Option<u64>>,
    /// What answers name as the scope of a request without one.
    pub(crate) default_scope: RefCell<Option<String>>,
    /// Whether a request that names a scope gets it.
    pub(crate) honours_scope: Cell<bool>,
    next: RefCell<VecDeque<Answering>>,
    pub(crate) always: RefCell<Option<Answering>>,
    pub(crate) token_origin: RefCell<Option<String>>,
    /// `token_endpoint_auth_methods_supported`.
    pub(crate) auth_methods: RefCell<Vec<String>>,
    /// The `resource` that its metadata names.
    pub(crate) resource: RefCell<Option<String>>,
    grants: RefCell<BTreeMap<String, Grant>>,
    issued: Cell<u64>,
    /// Refresh tokens as they were presented, with the moment.
    pub(crate) presented: RefCell<Vec<(String, SystemTime)>>,
    pub(crate) requests: RefCell<Vec<RefreshRequest>>,
    pub(crate) discoveries: Cell<u32>,
    pub(crate) reuses: Cell<u32>,
}

struct Grant {
    name: String,
    current: String,
    spent: BTreeMap<String, SystemTime>,
    revoked: bool,
}

impl Server {
    pub(crate) fn new(clock: VirtualDisk) -> Self {
        Self {
            clock,
            lifetime: Cell::new(Duration::from_secs(3600)),
            grace: Cell::default(),
            rotates: Cell::new(true),
            refresh_expires_in: Cell::default(),
            default_scope: RefCell::default(),
            honours_scope: Cell::new(true),
            next: RefCell::default(),
            always: RefCell::default(),
            token_origin: RefCell::default(),
            auth_methods: RefCell::new(vec!["none".to_owned()]),
            resource: RefCell::default(),
            grants: RefCell::default(),
            issued: Cell::default(),
            presented: RefCell::default(),
            requests: RefCell::default(),
            discoveries: Cell::default(),
            reuses: Cell::default(),
        }
    }

    /// A new grant: its first access and refresh token.
    pub(crate) fn grant(&self, name: &str) -> (String, String) {
        let (access, refresh) = self.issue(name);
        let grant =
            Grant { name: name.to_owned(), current: refresh.clone(), spent: BTreeMap::new(), revoked: false };
        self.grants.borrow_mut().insert(refresh.clone(), grant);
        (access, refresh)
    }

    fn issue(&self, name: &str) -> (String, String) {
        let number = self.issued.get() + 1;
        self.issued.set(number);
        (format!("at_{name}_{number}_made_up"), format!("rt_{name}_{number}_made_up"))
    }

    /// What the next requests get, in order; then whatever is set for always.
    pub(crate) fn next(&self, answering: impl IntoIterator<Item = Answering>) {
        self.next.borrow_mut().extend(answering);
    }

    pub(crate) fn requests(&self) -> usize {
        self.presented.borrow().len()
    }

    pub(crate) fn revoke(&self, name: &str) {
        self.grants
            .borrow_mut()
            .values_mut()
            .filter(|grant| grant.name == name)
            .for_each(|grant| grant.revoked = true);
    }

    /// True where this refresh token would be taken now: the grant is alive in whoever holds it.
    pub(crate) fn is_good(&self, refresh: &str) -> bool {
        self.grants.borrow().values().any(|grant| !grant.revoked && grant.current == refresh)
    }

    /// Another program (a client) refreshes with this token.
    pub(crate) fn refresh_as_client(&self, refresh: &str) -> Option<(String, String)> {
        self.exchange(refresh)
    }

    fn exchange(&self, presented: &str) -> Option<(String, String)> {
        let now = self.clock.now();
        let mut grants = self.grants.borrow_mut();
        let grant = grants
            .values_mut()
            .find(|grant| grant.current == presented || grant.spent.contains_key(presented))?;
        if let Some(spent_at) = grant.spent.get(presented)
            && now.duration_since(*spent_at).unwrap_or_default() >= self.grace.get()
        {
            self.reuses.set(self.reuses.get() + 1);
            grant.revoked = true;
        }
        if grant.revoked {
            return None;
        }
        let (access, refresh) = self.issue(&grant.name);
        if !self.rotates.get() {
            return Some((access, grant.current.clone()));
        }
        let before = std::mem::replace(&mut grant.current, refresh.clone());
        grant.spent.entry(before).or_insert(now);
        Some((access, refresh))
    }

    fn proper_answer(&self, request: &RefreshRequest) -> RawAnswer {
        let presented = request.refresh_token.expose();
        let Some((access, refresh)) = self.exchange(presented) else {
            return RawAnswer::new(400, r#"{"error":"invalid_grant"}"#);
        };
        let life = self.lifetime.get().as_secs();
        let own_life = self
            .refresh_expires_in
            .get()
            .map_or(String::new(), |life| format!(r#","refresh_expires_in":{life}"#));
        let named = request.scope.clone().filter(|_| request.shape.scope && self.honours_scope.get());
        let scope = self
            .default_scope
            .borrow()
            .clone()
            .map(|default| format!(r#","scope":"{}""#, named.unwrap_or(default)))
            .unwrap_or_default();
        RawAnswer::new(
            200,
            format!(
                r#"{{"access_token":"{access}","token_type":"Bearer","expires_in":{life},"refresh_token":"{refresh}"{own_life}{scope}}}"#
            ),
        )
    }
}

impl Endpoint for Server {
    async fn discover(&self, hints: &ServerHints) -> Result<Metadata, DiscoveryError> {
        self.discoveries.set(self.discoveries.get() + 1);
        tokio::time::sleep(Duration::from_millis(20)).await;
        let origin = self.token_origin.borrow().clone();
        let origin = origin.or_else(|| hints.authorization_server_url.clone()).unwrap();
        Ok(Metadata {
            issuer: hints.issuer.clone(),
            token_endpoint: format!("{origin}/token").parse().unwrap(),
            auth_methods: self.auth_methods.borrow().clone(),
            resource: self.resource.borrow().clone(),
            source: origin,
        })
    }

    async fn send(&self, request: &RefreshRequest) -> Result<RawAnswer, SendError> {
        let answering = self.next.borrow_mut().pop_front();
        let answering = answering.or_else(|| self.always.borrow().clone()).unwrap_or(Answering::Properly);
        if matches!(answering, Answering::Unreachable) {
            return Err(SendError::Unsent { why: "no route to host".into(), kind: UnsentKind::Unreachable });
        }
        let presented = request.refresh_token.expose().to_owned();
        self.presented.borrow_mut().push((presented.clone(), self.clock.now()));
        self.requests.borrow_mut().push(request.clone());
        tokio::time::sleep(Duration::from_millis(50)).await;
        match answering {
            Answering::Properly => Ok(self.proper_answer(request)),
            Answering::Slowly(time) => {
                tokio::time::sleep(time).await;
                Ok(self.proper_answer(request))
            }
            Answering::Claims(life) => {
                let ends = self.clock.now() + life;
                let ends = ends.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
                let claims = URL_SAFE_NO_PAD.encode(format!(r#"{{"exp":{ends}}}"#));
                let Some((_, refresh)) = self.exchange(&presented) else {
                    return Ok(RawAnswer::new(400, r#"{"error":"invalid_grant"}"#));
                };
                let body =
                    format!(r#"{{"access_token":"e30.{claims}.{refresh}","refresh_token":"{refresh}"}}"#);
                Ok(RawAnswer::new(200, body))
            }
            Answering::Endless => {
                let Some((access, refresh)) = self.exchange(&presented) else {
                    return Ok(RawAnswer::new(400, r#"{"error":"invalid_grant"}"#));
                };
                let body = format!(r#"{{"access_token":"{access}","refresh_token":"{refresh}"}}"#);
                Ok(RawAnswer::new(200, body))
            }
            Answering::LostAfterRotation => {
                self.exchange(&presented);
                Err(SendError::Lost { why: "the connection was closed".into() })
            }
            Answering::TooBig => {
                self.exchange(&presented);
                Err(SendError::TooBig { why: "the answer is bigger than 1048576 bytes".into() })
            }
            Answering::LostAfterSlowRotation(time) => {
                tokio::time::sleep(time).await;
                self.exchange(&presented);
                Err(SendError::Lost { why: "the connection was closed".into() })
            }
            Answering::LostBefore => Err(SendError::Lost { why: "the connection was closed".into() }),
            Answering::TimesOut => {
                self.exchange(&presented);
                tokio::time::sleep(Duration::from_secs(30)).await;
                Err(SendError::TimedOut { why: "no answer within 30 s".into() })
            }
            Answering::HangsThen(time, status) => {
                tokio::time::sleep(time).await;
                Ok(RawAnswer::new(status, "busy"))
            }
            Answering::RefusedAfterRotation(status, body) => {
                self.exchange(&presented);
                Ok(RawAnswer::new(status, body))
            }
            Answering::Status(status, body) => Ok(RawAnswer::new(status, body)),
            Answering::Busy(after) => {
                Ok(RawAnswer { retry_after: Some(after.to_owned()), ..RawAnswer::new(503, "busy") })
            }
            Answering::Unreachable => unreachable!("answered above"),
        }
    }
}

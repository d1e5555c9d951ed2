//! What a member knows of one grant.

use crate::{GrantRecord, LeaseId};
use oauth_secret::TokenDigest;
use std::time::Duration;

/// Exists while the member that presents the grant's refresh token holds its lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The member.
    pub member: String,
    /// Its lease.
    pub lease: LeaseId,
    /// The revision that wrote it.
    pub revision: i64,
}

/// A grant as last seen.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The record.
    pub record: GrantRecord,
    /// Which refresh token it holds.
    pub refresh: Option<TokenDigest>,
    /// The revision that wrote it.
    pub revision: i64,
    /// Who holds it.
    pub claim: Option<Claim>,
    /// Since when, by the boot-time clock, this member has seen this record without a claim. Machines' clocks differ; this one is its own.
    pub unclaimed_since: Option<Duration>,
    /// The record went back behind one that this member has seen.
    pub went_back: bool,
}

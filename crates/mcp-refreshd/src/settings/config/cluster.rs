//! `[cluster]`: the etcd that holds the grants which many machines share.

use super::duration;
use super::table::{Findings, Table};
use std::path::PathBuf;
use std::time::Duration;
use toml::de::DeTable;
use url::Url;

/// Until others may take over from a member that is silent: long enough for a new leader of etcd, short beside any margin.
const LEASE: Duration = Duration::from_secs(10);
const SHORTEST_LEASE: Duration = Duration::from_secs(3);
const LONGEST_LEASE: Duration = Duration::from_secs(120);

/// The cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cluster {
    /// etcd's client URLs.
    pub(crate) endpoints: Vec<String>,
    /// The file with the 32 bytes that all members share.
    pub(crate) key_file: PathBuf,
    /// What every key in etcd begins with.
    pub(crate) prefix: String,
    /// This machine's name in messages; `None` means its host name.
    pub(crate) member: Option<String>,
    pub(crate) lease: Duration,
    /// A certificate authority to trust besides the system's.
    pub(crate) ca_file: Option<PathBuf>,
    /// The certificate to show to etcd, and its key.
    pub(crate) certificate: Option<PathBuf>,
    pub(crate) certificate_key: Option<PathBuf>,
}

/// Parses the table. `path` makes an absolute path of a text, if it is one.
pub(super) fn cluster(
    table: &DeTable<'_>,
    path: impl Fn(&str) -> Option<PathBuf>,
    findings: &mut Findings<'_>,
) -> Option<Cluster> {
    let known =
        ["endpoints", "key_file", "prefix", "member", "lease", "ca_file", "certificate", "certificate_key"];
    let table = Table::new("cluster", table, &known, findings);
    let mut file = |key: &str| {
        let (text, span) = table.text(key, findings)?;
        let file = path(text).filter(|path| path.file_name().is_some() && !text.ends_with('/'));
        if file.is_none() {
            findings.note(span, format!("`cluster.{key}` must be an absolute path or begin with \"~/\""));
        }
        file
    };
    let (key_file, ca_file) = (file("key_file"), file("ca_file"));
    let (certificate, certificate_key) = (file("certificate"), file("certificate_key"));
    let named = table.texts("endpoints", findings).unwrap_or_default();
    let mut endpoints = Vec::new();
    for (text, span) in named {
        match Url::parse(text) {
            Ok(url)
                if matches!(url.scheme(), "http" | "https") && url.has_host() && url.password().is_none() =>
            {
                endpoints.push(text.to_owned());
            }
            _ => findings.note(span, "`cluster.endpoints` must be URLs like \"https://etcd-1:2379\""),
        }
    }
    if endpoints.is_empty() {
        let place = table.place("endpoints").unwrap_or(0..0);
        findings.note(place, "`cluster.endpoints` must name the client URLs of etcd");
    }
    if key_file.is_none() && table.value("key_file").is_none() {
        findings.note(
            table.place("endpoints").unwrap_or(0..0),
            "`cluster.key_file` must name the file with the cluster's key; to make one, type: (umask 077; openssl rand -out FILE 32)",
        );
    }
    let prefix = table.text("prefix", findings).map_or("/mcp-refreshd/", |(text, _)| text);
    let why = "a member that is silent for so long is taken for dead";
    let lease = table.duration("lease", SHORTEST_LEASE..=LONGEST_LEASE, why, findings).unwrap_or(LEASE);
    Some(Cluster {
        endpoints,
        key_file: key_file?,
        prefix: format!("{}/", prefix.trim_end_matches('/')),
        member: table.text("member", findings).map(|(text, _)| text.to_owned()),
        lease,
        ca_file,
        certificate,
        certificate_key,
    })
}

impl Cluster {
    /// As in the file.
    pub(super) fn lines(
        &self,
        texts: impl Fn(std::vec::IntoIter<String>) -> String,
        written: impl Fn(&str) -> String,
    ) -> Vec<String> {
        let mut lines = vec![
            String::new(),
            "[cluster]".to_owned(),
            format!("endpoints = {}", texts(self.endpoints.clone().into_iter())),
            format!("key_file = {}", written(&self.key_file.to_string_lossy())),
            format!("prefix = {}", written(&self.prefix)),
            format!("lease = {}", written(&duration::written(self.lease))),
        ];
        lines.extend(self.member.as_ref().map(|member| format!("member = {}", written(member))));
        let files = [
            ("ca_file", &self.ca_file),
            ("certificate", &self.certificate),
            ("certificate_key", &self.certificate_key),
        ];
        let shown = |(key, file): (&str, &Option<PathBuf>)| {
            file.as_ref().map(|file| format!("{key} = {}", written(&file.to_string_lossy())))
        };
        lines.extend(files.into_iter().filter_map(shown));
        lines
    }
}

//! An authority of the fleet's own, and what it has signed: etcd's certificate and that of the agents.

use crate::{AGENTS, Fallible, MEMBERS};
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

/// PEM files.
#[derive(Clone)]
pub(crate) struct Certificates {
    pub(crate) authority: PathBuf,
    /// Of each member of etcd, with its key.
    pub(crate) etcd: (PathBuf, PathBuf),
    /// Of each agent, with its key.
    pub(crate) agent: (PathBuf, PathBuf),
}

impl Certificates {
    /// Made anew, in this folder.
    pub(crate) fn make(folder: &Path) -> Fallible<Self> {
        let key = KeyPair::generate()?;
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name.push(DnType::CommonName, "fleet authority");
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = folder.join("authority.pem");
        fs::write(&authority, parameters.self_signed(&key)?.pem())?;
        let issuer = Issuer::from_params(&parameters, key);
        // etcd's JSON gateway connects to etcd itself, and shows the server's certificate as a client there.
        let both = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let addresses = (0..=AGENTS).flat_map(|agent| (1..=MEMBERS).map(move |member| [agent, member]));
        let addresses = addresses.map(|way| way.map(|part| u8::try_from(part).unwrap_or(u8::MAX)));
        let addresses = addresses.map(|[agent, member]| IpAddr::from(Ipv4Addr::new(10, 9, agent, member)));
        let sign = |name: &str, addresses: Vec<String>, usages: Vec<ExtendedKeyUsagePurpose>| {
            let key = KeyPair::generate()?;
            let mut parameters = CertificateParams::new(addresses)?;
            parameters.distinguished_name.push(DnType::CommonName, name);
            parameters.extended_key_usages = usages;
            let files = (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")));
            fs::write(&files.0, parameters.signed_by(&key, &issuer)?.pem())?;
            fs::write(&files.1, key.serialize_pem())?;
            Fallible::Ok(files)
        };
        let etcd = sign("etcd", addresses.map(|address| address.to_string()).collect(), both)?;
        let agent = sign("agent", Vec::new(), vec![ExtendedKeyUsagePurpose::ClientAuth])?;
        Ok(Self { authority, etcd, agent })
    }
}

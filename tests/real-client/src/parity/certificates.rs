//! Authorities and certificates of every kind, made by OpenSSL's command line: the libraries for it in Rust make only what is good.

use crate::Fallible;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// Key and digest of a certificate.
#[derive(Clone, Copy)]
pub(super) struct Manner {
    /// As OpenSSL's `-newkey` and `-pkeyopt` want it.
    key: &'static [&'static str],
    digest: &'static str,
}

pub(super) const P256: Manner =
    Manner { key: &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"], digest: "-sha256" };
pub(super) const P384: Manner =
    Manner { key: &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"], digest: "-sha384" };
pub(super) const P521: Manner =
    Manner { key: &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-521"], digest: "-sha512" };
pub(super) const RSA_1024: Manner = Manner { key: &["-newkey", "rsa:1024"], digest: "-sha256" };
pub(super) const RSA_2048: Manner = Manner { key: &["-newkey", "rsa:2048"], digest: "-sha256" };

impl Manner {
    pub(super) const fn signed_by(self, digest: &'static str) -> Self {
        Self { digest, ..self }
    }
}

/// Where the certificates of one case lie.
pub(super) struct Cabinet<'a>(pub(super) &'a TempDir);

impl Cabinet<'_> {
    /// The path of `NAME.pem` or `NAME.key`.
    pub(super) fn path(&self, file: &str) -> PathBuf {
        self.0.path().join(file)
    }

    pub(super) fn read(&self, file: &str) -> Fallible<String> {
        Ok(fs::read_to_string(self.path(file))?)
    }

    /// Writes a file and gives back its path as text.
    pub(super) fn write(&self, file: &str, contents: impl AsRef<[u8]>) -> Fallible<String> {
        fs::write(self.path(file), contents)?;
        Ok(text(&self.path(file)))
    }

    /// An authority that signs itself.
    pub(super) fn authority(&self, name: &str, manner: Manner) -> Fallible<()> {
        let extensions = ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign"];
        self.make(name, manner, &format!("/CN=parity authority {name}"), &extensions, None)
    }

    /// A certificate that an authority signs; `digest` is the authority's choice.
    pub(super) fn leaf(&self, name: &str, manner: Manner, names: &str, authority: &str) -> Fallible<()> {
        let alternatives = format!("subjectAltName={names}");
        let extensions = [
            alternatives.as_str(),
            "basicConstraints=critical,CA:FALSE",
            "extendedKeyUsage=serverAuth,clientAuth",
        ];
        self.make(name, manner, "/CN=localhost", &extensions, Some(authority))
    }

    /// A certificate that signs itself and names hosts; what makes it one of an authority is up to the extensions.
    pub(super) fn alone(&self, name: &str, manner: Manner, extensions: &[&str]) -> Fallible<()> {
        self.make(name, manner, "/CN=localhost", extensions, None)
    }

    fn make(
        &self,
        name: &str,
        manner: Manner,
        subject: &str,
        extensions: &[&str],
        authority: Option<&str>,
    ) -> Fallible<()> {
        // The system's own configuration would add extensions of its own.
        let configuration = self.write("openssl.cnf", "[req]\ndistinguished_name=dn\n[dn]\n")?;
        let mut command =
            openssl(&["req", "-x509", "-nodes", "-days", "30", manner.digest, "-subj", subject]);
        command.args(manner.key).args(["-config", &configuration]);
        command.arg("-keyout").arg(self.path(&format!("{name}.key")));
        command.arg("-out").arg(self.path(&format!("{name}.pem")));
        for extension in extensions {
            command.args(["-addext", extension]);
        }
        if let Some(authority) = authority {
            command.arg("-CA").arg(self.path(&format!("{authority}.pem")));
            command.arg("-CAkey").arg(self.path(&format!("{authority}.key")));
        }
        succeed(command)
    }

    /// Rewrites `NAME.pem` by `openssl x509` with these arguments, into another file.
    pub(super) fn convert(&self, name: &str, arguments: &[&str], file: &str) -> Fallible<String> {
        let mut command = openssl(&["x509"]);
        command.arg("-in").arg(self.path(&format!("{name}.pem")));
        command.arg("-out").arg(self.path(file)).args(arguments);
        succeed(command)?;
        Ok(text(&self.path(file)))
    }

    /// Writes the key of `NAME` anew, encrypted with this passphrase.
    pub(super) fn encrypt(&self, name: &str, passphrase: &str) -> Fallible<String> {
        let encrypted = self.path(&format!("{name}.encrypted.key"));
        let mut command = openssl(&["pkey", "-aes256", "-passout", &format!("pass:{passphrase}")]);
        command.arg("-in").arg(self.path(&format!("{name}.key"))).arg("-out").arg(&encrypted);
        succeed(command)?;
        Ok(text(&encrypted))
    }
}

pub(super) fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn openssl(arguments: &[&str]) -> Command {
    let mut command = Command::new("openssl");
    command.args(arguments);
    command
}

fn succeed(mut command: Command) -> Fallible<()> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("openssl: {}: {}", output.status, String::from_utf8_lossy(&output.stderr)).into())
}

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use std::path::Path;

/// PEM labels of certificates: RFC 7468, section 5, its old form, and OpenSSL's own.
const LABELS: [&str; 3] = ["CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE"];

/// Larger than any real bundle.
const LARGEST: u64 = 16 << 20;

/// With or without padding, like OpenSSL.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The certificates of a file.
#[derive(Debug, Default)]
pub(crate) struct Bundle {
    pub(crate) certificates: Vec<CertificateDer<'static>>,
    /// The unusable ones: what is wrong, and where in the file.
    pub(crate) damaged: Vec<String>,
}

/// Reads a certificate file: PEM, with any text around the blocks, or a single certificate in DER.
///
/// # Errors
/// The file has no usable certificate.
pub(crate) fn read(path: &Path) -> Result<Bundle, String> {
    let bytes = bytes_of(path)?;
    let bundle = parse(&bytes);
    if !bundle.certificates.is_empty() {
        return Ok(bundle);
    }
    Err(match bundle.damaged.first() {
        Some(why) => format!("it has no usable certificate: {why}"),
        None => "it has no certificate; a PEM file with BEGIN CERTIFICATE is needed".to_owned(),
    })
}

/// The content of a file of plausible size.
pub(crate) fn bytes_of(path: &Path) -> Result<Vec<u8>, String> {
    let size = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > LARGEST {
        return Err(format!("it exceeds {} MiB, too large for certificates or keys", LARGEST >> 20));
    }
    std::fs::read(path).map_err(|error| error.to_string())
}

fn parse(bytes: &[u8]) -> Bundle {
    let mut bundle = Bundle::default();
    let text = String::from_utf8_lossy(bytes);
    let blocks = blocks(&text);
    if blocks.is_empty() && bytes.first() == Some(&SEQUENCE) {
        bundle.take(bytes, "it");
    }
    for (number, block) in blocks.iter().enumerate() {
        let place = format!("certificate {} (line {})", number + 1, block.line);
        let Some(body) = &block.body else {
            bundle.damaged.push(format!("{place} has no END line"));
            continue;
        };
        match BASE64.decode(body) {
            Ok(der) => bundle.take(&der, &place),
            Err(error) => bundle.damaged.push(format!("{place} is not valid base64: {error}")),
        }
    }
    bundle
}

impl Bundle {
    fn take(&mut self, der: &[u8], place: &str) {
        // In a TRUSTED block, OpenSSL appends the certificate's trust settings.
        let certificate = first_element(der).unwrap_or(der);
        let certificate = CertificateDer::from(certificate.to_vec());
        match RootCertStore::empty().add(certificate.clone()) {
            Ok(()) => self.certificates.push(certificate),
            Err(error) => self.damaged.push(format!("{place} is invalid: {error}")),
        }
    }
}

struct Block {
    /// Its first line, from 1.
    line: usize,
    /// Its base64 content, if it has an END line.
    body: Option<String>,
}

fn blocks(text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut open: Option<(usize, &str, String)> = None;
    for (number, line) in text.lines().enumerate() {
        let line = line.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
        if let Some(label) = label(line, "BEGIN") {
            blocks.extend(open.take().map(|(line, ..)| Block { line, body: None }));
            open = LABELS.contains(&label).then(|| (number + 1, label, String::new()));
        } else if let Some(label) = label(line, "END") {
            if let Some((line, began_as, body)) = open.take() {
                blocks.push(Block { line, body: (label == began_as).then_some(body) });
            }
        } else if let Some((_, _, body)) = &mut open {
            body.extend(line.chars().filter(|c| !c.is_whitespace()));
        }
    }
    blocks.extend(open.map(|(line, ..)| Block { line, body: None }));
    blocks
}

/// The label of a line that begins or ends a block (RFC 7468, section 2).
fn label<'a>(line: &'a str, word: &str) -> Option<&'a str> {
    line.strip_prefix("-----")?.strip_prefix(word)?.strip_prefix(' ')?.strip_suffix("-----")
}

/// The first bytes of a DER certificate.
const SEQUENCE: u8 = 0x30;

/// The first element of DER (X.690, section 8.1.3), ignoring what follows.
fn first_element(der: &[u8]) -> Option<&[u8]> {
    let (&first, rest) = der.get(1..)?.split_first()?;
    let (header, length) = match usize::from(first) {
        short @ 0..0x80 => (2, short),
        long => {
            let digits = rest.get(..long - 0x80).filter(|digits| (1..=4).contains(&digits.len()))?;
            let length = digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit));
            (2 + digits.len(), length)
        }
    };
    der.get(..header.checked_add(length)?)
}

/// Decodes base64, ignoring white space.
pub(crate) fn base64(text: &str) -> Result<Vec<u8>, base64::DecodeError> {
    BASE64.decode(text.split_whitespace().collect::<String>())
}

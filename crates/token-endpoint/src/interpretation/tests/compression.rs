//! Compressed bodies.

use super::*;

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

/// [`PLAIN`], compressed by Google's own library: no crate here compresses.
fn brotli() -> Vec<u8> {
    let digits = concat!(
        "1b6700a02d8f77f8ac0d2f0e166ef2ca70f26f1a21c96c8accec958d58bb81a4d1cd3021b96681d1e9d35f652274534ee44e2787",
        "7c00fc6ebf0409059a63ab04a34e9d0ea3bda260ac659d1e66186f293204dc6645716671e3804fcb8d460d",
    );
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn a_compressed_body_is_read_whatever_its_header_says() {
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
    zlib.write_all(PLAIN.as_bytes()).unwrap();
    let mut raw = DeflateEncoder::new(Vec::new(), Compression::default());
    raw.write_all(PLAIN.as_bytes()).unwrap();
    let gzipped = gzip(PLAIN.as_bytes());
    let without_check_sum = gzipped[..gzipped.len() - 8].to_vec();
    for (encoding, body) in [
        (Some("gzip"), gzipped.clone()),
        (None, gzipped),
        (Some("gzip"), PLAIN.as_bytes().to_vec()),
        (Some("deflate"), zlib.finish().unwrap()),
        (Some("deflate"), raw.finish().unwrap()),
        (Some("gzip"), without_check_sum),
        (Some("br"), brotli()),
        (Some("br"), PLAIN.as_bytes().to_vec()),
    ] {
        let answer =
            RawAnswer { content_encoding: encoding.map(ToOwned::to_owned), ..RawAnswer::new(200, body) };
        assert_eq!(pair(interpret(&answer, now())), plain_pair(), "{encoding:?}");
    }
}

#[test]
fn a_decompression_bomb_stops_at_one_mebibyte() {
    let bomb = gzip(&vec![b'x'; 64 * 1024 * 1024]);
    assert!(bomb.len() < 100_000);
    let answer = RawAnswer::new(200, bomb);
    let inflated = body::text(&answer);
    assert!(inflated.len() <= body::LIMIT);
    assert_eq!(interpret(&answer, now()).name(), "ambiguous");
}

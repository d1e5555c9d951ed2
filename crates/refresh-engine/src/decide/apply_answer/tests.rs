use super::*;
use jiff::Timestamp;

const HOUR: i64 = 3600;

fn now() -> Now {
    Now { wall: "2026-11-20T12:00:00Z".parse::<Timestamp>().unwrap(), boot: Duration::from_secs(1000) }
}

fn refused(code: &str) -> Answer {
    Answer::Refused { code: code.to_owned(), detail: "no reason given".to_owned() }
}

fn dead() -> Answer {
    Answer::Dead { code: "invalid_grant".to_owned(), detail: String::new() }
}

/// The verdict after these answers, each with so much left of the access token.
fn verdict(answers: &[(&Answer, Option<i64>)]) -> Verdict {
    let mut record = Record::default();
    for (answer, left) in answers {
        apply_answer(&mut record, now(), TokenDigest::of("rt"), left.map(SignedDuration::from_secs), answer);
    }
    record.verdict
}

#[test]
fn i1_another_shape_is_tried_only_if_the_client_would_present_the_token_too() {
    let may_vary = |left: Option<i64>| may_vary(left.map(SignedDuration::from_secs));
    assert!(may_vary(Some(-HOUR)) && may_vary(Some(0)) && may_vary(Some(300)));
    assert!(!may_vary(Some(301)) && !may_vary(Some(HOUR)));
    assert!(!may_vary(None), "a token whose end nobody knows may be good");
}

#[test]
fn a_shape_refusal_waits_for_the_clients_window_and_others_for_the_recheck() {
    for code in ["invalid_target", "invalid_scope"] {
        for left in [Some(HOUR), Some(301), None] {
            let held = Verdict::Suspect { code: code.to_owned(), reuse: true, looks: 0 };
            assert_eq!(verdict(&[(&refused(code), left)]), held, "{code} {left:?}");
            // However often somebody insists.
            assert_eq!(verdict(&[(&refused(code), left), (&refused(code), left)]), held, "{code} {left:?}");
        }
        let tried = Verdict::Refused { code: code.to_owned(), tries: 1 };
        assert_eq!(verdict(&[(&refused(code), Some(300))]), tried);
    }
    let early = Verdict::Suspect { code: "invalid_request".to_owned(), reuse: false, looks: 0 };
    assert_eq!(verdict(&[(&refused("invalid_request"), Some(HOUR))]), early);
}

#[test]
fn dead_is_believed_at_the_third_try_after_expiry_and_never_early() {
    let (dead, code) = (dead(), || "invalid_grant".to_owned());
    let looked = |looks| Verdict::Suspect { code: code(), reuse: false, looks };
    assert_eq!(verdict(&[(&dead, Some(HOUR))]), looked(0));
    assert_eq!(verdict(&[(&dead, Some(-1))]), looked(1));
    assert_eq!(verdict(&[(&dead, Some(-1)); 2]), looked(2));
    assert_eq!(verdict(&[(&dead, Some(-1)); 3]), Verdict::Dead { code: code() });
    // Who insists after that hears the same.
    assert_eq!(verdict(&[(&dead, Some(-1)); 5]), Verdict::Dead { code: code() });
    let pauses: Vec<u64> = (1..3)
        .map(|times| {
            let mut record = Record::default();
            for _ in 0..times {
                apply_answer(&mut record, now(), TokenDigest::of("rt"), Some(SignedDuration::ZERO), &dead);
            }
            record.retry.map(|retry| retry.left(now()).as_secs()).unwrap_or_default()
        })
        .collect();
    assert_eq!(pauses, [60, 600]);
}

#[test]
fn a_url_client_id_is_never_gone() {
    let gone = || Answer::ClientDead { code: "invalid_client".to_owned(), detail: String::new() };
    let of = |id: Option<&str>| of_client(gone(), id);
    assert_eq!(of(Some("cl_1")), gone());
    assert_eq!(of(None), gone());
    let Answer::Refused { code, detail } = of(Some("https://claude.example/client.json")) else { panic!() };
    assert!(passes_by_itself(&code) && detail.starts_with("invalid_client"), "{code} {detail}");
}

#[test]
fn a_page_passes_by_itself_and_an_oauth_error_does_not() {
    for code in ["http_403", "http_404", "http_410", CLIENT_DOCUMENT_UNREAD] {
        assert!(passes_by_itself(code), "{code}");
    }
    for code in [
        "invalid_request",
        "unauthorized_client",
        "http_400",
        "http_401",
        "http_422",
        "http_301",
        "http_308",
        "http_501",
    ] {
        assert!(!passes_by_itself(code), "{code}");
    }
}

#[test]
fn only_received_answers_count_as_server_failures() {
    let mut record = Record::default();
    let mut hears = |lost| {
        let answer = Answer::Ambiguous { why: "HTTP 500".to_owned(), lost };
        apply_answer(&mut record, now(), TokenDigest::of("rt"), None, &answer);
        record.server_failures
    };
    assert_eq!([hears(false), hears(true), hears(false)], [1, 1, 2]);
    record.verdict = Verdict::Good;
    let answer = Answer::Ambiguous { why: "HTTP 500".to_owned(), lost: false };
    apply_answer(&mut record, now(), TokenDigest::of("rt"), None, &answer);
    assert_eq!(record.server_failures, 1, "in a row");
}

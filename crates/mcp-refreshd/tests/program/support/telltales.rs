//! Servers that answer in every way there is, and some that say the token in their answers.

use scripted_server::{Answer, ClientAuth, DeadStyle, Delivery, Grant, HttpReply, Script, Server, Site};
use std::time::Duration;

const EXPIRED: Duration = Duration::ZERO;

/// Servers of every manner.
pub(crate) fn sites(server: &Server) -> Vec<(String, Site)> {
    let dead = |style| Script { dead_style: style, ..Script::default() };
    let scripts: Vec<(&str, Script)> = vec![
        ("good", Script::default()),
        ("jwt", Script { jwt: true, ..Script::default() }),
        ("post", Script { client_auth: ClientAuth::Post, ..Script::default() }),
        ("basic", Script { client_auth: ClientAuth::Basic, ..Script::default() }),
        ("slack", dead(DeadStyle::Slack)),
        ("atlassian", dead(DeadStyle::Atlassian)),
        ("zitadel", dead(DeadStyle::Zitadel)),
        ("fastmcp", dead(DeadStyle::Unauthorized)),
        ("lost", Script { answer: Answer::lost(), ..Script::default() }),
        ("cut", Script { answer: Answer::cut(120), ..Script::default() }),
        (
            "cut-early",
            Script { answer: Answer::default().delivered(Delivery::Cut { bytes: 60 }), ..Script::default() },
        ),
        (
            "busy",
            Script { answer: Answer::status(503).retry_after(Duration::from_secs(30)), ..Script::default() },
        ),
        ("broken", Script { answer: Answer::status(500).spending(), ..Script::default() }),
        ("portal", Script { answer: Answer::html(200), ..Script::default() }),
        (
            "elsewhere",
            Script { answer: Answer::redirect("http://127.0.0.1:9/?token=x"), ..Script::default() },
        ),
    ];
    scripts.into_iter().map(|(name, script)| (name.to_owned(), server.add(name, script))).collect()
}

/// Servers that say the token in their answers, in every place where an answer has words.
pub(crate) fn telltales(server: &Server) -> Vec<(String, Grant)> {
    let mut grants = Vec::new();
    let mut tell = |name: &str, answer: &dyn Fn(&Grant) -> Answer| {
        let site = server.add(name, Script::default());
        let grant = site.grant(EXPIRED);
        site.answer_always(answer(&grant));
        grants.push((name.to_owned(), grant));
    };
    tell("tells-description", &|grant| {
        Answer::error(400, "invalid_request", &format!("the token {} is wrong", grant.refresh_token))
    });
    tell("tells-code", &|grant| Answer::error(400, &grant.refresh_token, ""));
    tell("tells-dead", &|grant| {
        Answer::error(400, "invalid_grant", &format!("{} is dead", grant.refresh_token))
    });
    tell("tells-slack", &|grant| Answer::slack(&grant.refresh_token));
    tell("tells-page", &|grant| {
        let body = format!("<html><title>{}</title>{}</html>", grant.refresh_token, grant.access_token);
        Answer::reply(HttpReply {
            status: 403,
            content_type: "text/html".into(),
            body,
            ..HttpReply::default()
        })
    });
    tell("tells-body", &|grant| {
        Answer::reply(HttpReply::json(
            200,
            &format!("{{\"access_token\":7,\"refresh_token\":\"{}\"", grant.refresh_token),
        ))
    });
    tell("tells-type", &|grant| {
        let content_type = format!("text/{}", grant.access_token);
        Answer::reply(HttpReply { status: 418, content_type, body: "x".into(), ..HttpReply::default() })
    });
    tell("tells-location", &|grant| Answer::redirect(&format!("http://127.0.0.1:9/{}", grant.refresh_token)));
    grants
}

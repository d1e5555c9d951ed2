//! What a row says, and whether that is parity.

use super::case::{Agent, Case, Client};

/// What one side did.
#[derive(Clone, Debug, Default)]
pub(super) struct Side {
    /// It ended with a token that works.
    pub(super) fresh: bool,
    pub(super) words: String,
    /// Requests to the token endpoint.
    pub(super) requests: usize,
    /// The server rotated, and the store has not got the new refresh token.
    pub(super) lost: bool,
    /// A token went to another origin.
    pub(super) leaked: bool,
    /// For a person who wants to know why.
    pub(super) story: String,
}

/// Whether the client did what the table says of it.
pub(super) fn is_as_measured(case: &Case, client: &Side) -> bool {
    client.fresh == (case.client == Client::Connects)
}

/// What is wrong with a row; nothing if the agent does as well as the client.
pub(super) fn judge(case: &Case, client: &Side, agent: &Side) -> Vec<String> {
    let mut wrong = Vec::new();
    if !is_as_measured(case, client) {
        wrong.push("the client does otherwise than measured".to_owned());
    }
    if agent.leaked {
        wrong.push("the agent sent a token to another origin".to_owned());
    }
    if agent.lost && !client.lost {
        wrong.push("the agent lost the login".to_owned());
    }
    let demanded = match case.agent {
        Agent::Refuses(_) => false,
        Agent::Fresh => true,
        Agent::AsClient | Agent::Says(_) => client.fresh,
    };
    if demanded && !agent.fresh {
        wrong.push("the agent does not end fresh".to_owned());
    }
    // Where it does better than the client, it may have asked for it.
    let better = agent.fresh && !client.fresh;
    if agent.requests > client.requests && !better {
        wrong.push("the agent asks more often".to_owned());
    }
    match case.agent {
        Agent::Refuses(_) if agent.fresh => wrong.push("the agent does what it must refuse".to_owned()),
        Agent::Says(words) | Agent::Refuses(words)
            if !demanded && !agent.fresh && !agent.words.contains(words) =>
        {
            wrong.push(format!("the agent does not say {words:?}"));
        }
        _ => {}
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connecting() -> Case {
        Case::connects("", || Err("".into()))
    }

    fn failing() -> Case {
        Case::fails("", "dead", || Err("".into()))
    }

    fn fresh(requests: usize) -> Side {
        Side { fresh: true, requests, ..Side::default() }
    }

    fn stale(words: &str) -> Side {
        Side { words: words.to_owned(), ..Side::default() }
    }

    #[test]
    fn the_same_with_the_same_requests_is_parity() {
        assert_eq!(judge(&connecting(), &fresh(1), &fresh(1)), [] as [&str; 0]);
        assert_eq!(judge(&failing(), &stale(""), &stale("it is dead")), [] as [&str; 0]);
    }

    #[test]
    fn a_token_that_only_the_client_refreshes_is_none() {
        assert_eq!(judge(&connecting(), &fresh(1), &stale("why")), ["the agent does not end fresh"]);
    }

    #[test]
    fn one_request_more_is_one_too_many() {
        assert_eq!(judge(&connecting(), &fresh(1), &fresh(2)), ["the agent asks more often"]);
    }

    #[test]
    fn who_does_better_may_ask_more_often() {
        assert_eq!(judge(&failing(), &stale(""), &fresh(2)), [] as [&str; 0]);
        assert_eq!(
            judge(&failing(), &stale(""), &Side { requests: 1, ..stale("dead") }),
            ["the agent asks more often"]
        );
    }

    #[test]
    fn a_failure_says_why() {
        assert_eq!(judge(&failing(), &stale(""), &stale("retrying")), [r#"the agent does not say "dead""#]);
    }

    #[test]
    fn a_client_that_changed_is_noticed() {
        assert_eq!(judge(&failing(), &fresh(1), &fresh(1)), ["the client does otherwise than measured"]);
    }

    #[test]
    fn what_is_refused_on_purpose_must_be_refused_and_leak_nothing() {
        let case = Case::refused("", "origin", || Err("".into()));
        assert_eq!(judge(&case, &fresh(1), &stale("another origin")), [] as [&str; 0]);
        assert_eq!(judge(&case, &fresh(1), &fresh(1)), ["the agent does what it must refuse"]);
        let leaked = Side { leaked: true, ..stale("another origin") };
        assert_eq!(judge(&case, &fresh(1), &leaked), ["the agent sent a token to another origin"]);
    }

    #[test]
    fn a_login_that_only_the_agent_loses_is_the_worst() {
        let lost = Side { lost: true, ..fresh(1) };
        assert_eq!(judge(&connecting(), &fresh(1), &lost), ["the agent lost the login"]);
    }
}

use super::verdict::Checked;
use compact::spawn_local;
use token_endpoint::Http;

/// So many servers are asked at the same time.
const AT_ONCE: usize = 16;

/// Asks each server whether it accepts its token.
pub(super) async fn ask_all(http: &Http, checked: &mut [Checked]) {
    for some in checked.chunks_mut(AT_ONCE) {
        let tasks: Vec<_> = some
            .iter()
            .map(|checked| {
                let (http, entry) = (http.clone(), checked.seen.entry.clone());
                let (token, url) = (entry.access_token.filter(|_| checked.asks), entry.server_url);
                spawn_local(async move { Some(http.initialize(url.as_deref()?, &token?).await) })
            })
            .collect();
        for (checked, task) in some.iter_mut().zip(tasks) {
            if checked.asks && checked.seen.entry.server_url.is_none() {
                checked.has_no_server();
            }
            if let Ok(Some(answer)) = task.await {
                checked.answered(&answer);
            }
        }
    }
}

use super::duration;
use super::options::{Config, FRESHNESS, LARGE_ITEMS, LogFormat, LogLevel};
use super::redacted::without_password;
use super::token_socket::TokenSocket;
use std::path::Path;
use std::time::Duration;
use toml::Value;
use toml_edit::Key;

/// The configuration in effect, in the file's format, without a proxy's password. `source` is the file it came from, if
/// any; `stores` are the folders in effect.
pub(crate) fn effective(config: &Config, source: Option<&Path>, stores: &[&Path]) -> String {
    let Config {
        stores: _,
        keychain,
        policy,
        network,
        log,
        log_file,
        notices,
        token_socket,
        #[cfg(feature = "cluster")]
        cluster,
        environment,
    } = config;
    let mut lines = vec![
        match source {
            Some(path) => format!("# from {}", path.display()),
            None => "# no configuration file; these are the defaults".to_owned(),
        },
        format!("stores = {}", paths(stores.iter().copied())),
        format!("keychain = {}", written(keychain.reach.word())),
        format!("keychain_large_items = {}", written(word(keychain.large_items, LARGE_ITEMS))),
        format!("keep_alive = {}", time(policy.keep_alive)),
        format!("fresh = {}", written(word(policy.fresh, FRESHNESS))),
        String::new(),
        "[margin]".to_owned(),
        format!("percent = {}", policy.margin_percent),
        format!("floor = {}", time(policy.margin_floor)),
        format!("ceiling = {}", time(policy.margin_ceiling)),
    ];
    for (name, server) in &policy.servers {
        lines.extend([
            String::new(),
            format!("[servers.{}]", Key::new(name)),
            format!("ignore = {}", server.ignore),
        ]);
        lines.extend(server.margin.map(|margin| format!("margin = {}", time(margin))));
        lines.extend(server.keep_alive.map(|keep_alive| format!("keep_alive = {}", time(keep_alive))));
    }
    lines.extend([String::new(), "[network]".to_owned()]);
    lines
        .extend(network.proxy.as_ref().map(|proxy| format!("proxy = {}", written(&without_password(proxy)))));
    lines.push(format!("extra_ca = {}", paths(network.extra_ca.iter().map(|path| path.as_path()))));
    lines.extend([
        String::new(),
        "[log]".to_owned(),
        format!("format = {}", written(word(log.format, LogFormat::WORDS))),
        format!("level = {}", written(word(log.level, LogLevel::WORDS))),
    ]);
    lines.extend(log_file.as_ref().map(|file| format!("file = {}", written(&file.to_string_lossy()))));
    lines.extend([String::new(), "[notices]".to_owned(), format!("desktop = {}", notices.desktop)]);
    lines.extend(notices.hook.as_ref().map(|hook| format!("hook = {}", written(hook))));
    if let Some(TokenSocket { path, servers, secret_file }) = token_socket {
        lines.extend([String::new(), "[token_socket]".to_owned()]);
        lines.extend(path.as_ref().map(|path| format!("path = {}", written(&path.to_string_lossy()))));
        lines.push(format!("servers = {}", texts(servers.iter().cloned())));
        let secret = secret_file.as_ref().map(|file| written(&file.to_string_lossy()));
        lines.extend(secret.map(|file| format!("secret_file = {file}")));
    }
    #[cfg(feature = "cluster")]
    if let Some(cluster) = cluster {
        lines.extend(cluster.lines(texts, written));
    }
    if !environment.is_empty() {
        lines.extend([String::new(), "[environment]".to_owned()]);
        lines.extend(environment.shown().map(|(name, value)| format!("{name} = {}", written(&value))));
    }
    lines.push(String::new());
    lines.join("\n")
}

/// A string as TOML.
fn written(text: &str) -> String {
    Value::String(text.to_owned()).to_string()
}

fn time(time: Duration) -> String {
    written(&duration::written(time))
}

fn paths<'a>(paths: impl Iterator<Item = &'a Path>) -> String {
    texts(paths.map(|path| path.to_string_lossy().into_owned()))
}

fn texts(texts: impl Iterator<Item = String>) -> String {
    Value::Array(texts.map(Value::String).collect()).to_string()
}

fn word<T: PartialEq + Copy>(meaning: T, words: &'static [(&'static str, T)]) -> &'static str {
    words.iter().find(|(_, candidate)| *candidate == meaning).map_or("", |(word, _)| word)
}

use crate::sending::request;
use crate::server::{Server, answer, json};
use token_endpoint::{Http, HttpError, HttpOptions, SendError};

fn through(proxy: &str) -> HttpOptions {
    HttpOptions { proxy: Some(proxy.to_owned()), ..HttpOptions::default() }
}

#[tokio::test]
async fn a_proxy_that_refuses_the_tunnel_never_sees_the_token() {
    let proxy = Server::start(|_| answer(407, "proxy-authenticate: Basic\r\n", "")).await;
    let http = Http::new(&through(&proxy.url(""))).unwrap();
    let error = http.send(&request("https://auth.example/token")).await.unwrap_err();
    assert!(matches!(error, SendError::Unsent { .. }), "{error:?}");
    assert!(error.to_string().contains("requires a password (HTTP 407)"), "{error}");
    let [seen] = proxy.requests().try_into().unwrap();
    assert_eq!((seen.method.as_str(), seen.path.as_str()), ("CONNECT", "auth.example:443"));
    assert!(!format!("{seen:?}").contains("rt_old"), "{seen:?}");
}

#[tokio::test]
async fn this_machine_is_reached_without_the_proxy() {
    let proxy = Server::start(|_| answer(407, "", "")).await;
    let server = Server::start(|_| json(200, "{}")).await;
    let http = Http::new(&through(&proxy.url(""))).unwrap();
    for host in ["127.0.0.1", "localhost"] {
        let endpoint = format!("http://{host}:{}/token", server.port);
        assert_eq!(http.send(&request(&endpoint)).await.unwrap().status, 200);
    }
    assert_eq!((proxy.connections(), server.requests().len()), (0, 2));
}

#[tokio::test]
async fn a_proxys_name_and_password_go_to_the_proxy() {
    let proxy = Server::start(|_| answer(407, "", "")).await;
    let url = proxy.url("").replace("://", "://me:open%20sesame@");
    let http = Http::new(&through(&url)).unwrap();
    let _ = http.send(&request("https://auth.example/token")).await.unwrap_err();
    let [seen] = proxy.requests().try_into().unwrap();
    assert!(seen.head.contains("Basic bWU6b3BlbiBzZXNhbWU="), "{seen:?}");
}

#[tokio::test]
async fn an_exempt_host_bypasses_the_proxy() {
    let proxy = Server::start(|_| answer(502, "", "")).await;
    for (no_proxy, host, asked) in [
        ("", "192.0.2.1", 1),
        (".invalid", "auth.invalid", 1),
        ("auth.invalid:443", "auth.invalid", 1),
        ("x", "auth.invalid", 2),
    ] {
        let http =
            Http::new(&HttpOptions { no_proxy: no_proxy.to_owned(), ..through(&proxy.url("")) }).unwrap();
        let _ = http.send(&request(&format!("https://{host}/token"))).await.unwrap_err();
        assert_eq!(proxy.requests().len(), asked, "{no_proxy:?} {host}");
    }
}

#[tokio::test]
async fn no_message_shows_the_password_of_a_proxy() {
    let error = Http::new(&through("http://user:hunter2@:99999")).unwrap_err();
    assert!(matches!(error, HttpError::Proxy), "{error:?}");
    assert!(!format!("{error} {error:?}").contains("hunter2"));
    let options = through("http://user:hunter2@127.0.0.1:9");
    let http = Http::new(&options).unwrap();
    assert!(!format!("{options:?} {http:?}").contains("hunter2"));
}

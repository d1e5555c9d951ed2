"""A browser of somebody who consents to everything, on loopback alone."""

import urllib.error
import urllib.request
from html.parser import HTMLParser
from http.cookiejar import CookieJar, DefaultCookiePolicy
from urllib.parse import urlencode, urljoin

# Buttons that are not pressed.
REFUSALS = {"cancel", "deny"}


class Answer:
    def __init__(self, url, response):
        self.url = url
        self.status = response.status
        self.headers = response.headers
        self.body = response.read().decode("utf-8", "replace")


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


class _Form(HTMLParser):
    """The first form of a page with the values that it has."""

    def __init__(self):
        super().__init__()
        self.action = None
        self.fields = {}

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "form" and self.action is None:
            self.action = attributes.get("action") or ""
        elif tag in ("input", "button") and self.action is not None and attributes.get("name"):
            name, value = attributes["name"], attributes.get("value") or ""
            if not REFUSALS & {name.lower(), value.lower()}:
                self.fields[name] = value


def request(method, url, headers=None, form=None, json=None, opener=None):
    """One request; redirects are answers like others."""
    headers = dict(headers or {})
    body = None
    if form is not None:
        body = urlencode(form).encode()
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    elif json is not None:
        body = json.encode()
        headers["Content-Type"] = "application/json"
    opener = opener or urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirects)
    try:
        response = opener.open(urllib.request.Request(url, body, headers, method=method), timeout=30)
    except urllib.error.HTTPError as refusal:
        response = refusal
    with response:
        return Answer(url, response)


def consent(url, until):
    """Follows redirects and submits forms as they are, up to an address that begins with `until`; gives that back."""
    # Browsers call loopback trustworthy, and send it cookies marked `Secure`.
    cookies = CookieJar(DefaultCookiePolicy(secure_protocols=("https", "http")))
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), _NoRedirects, urllib.request.HTTPCookieProcessor(cookies)
    )
    method, form = "GET", None
    for _ in range(20):
        headers = {"Accept": "text/html", "Origin": "/".join(url.split("/")[:3])}
        answer = request(method, url, headers, form, opener=opener)
        if location := answer.headers.get("Location"):
            method, form, url = "GET", None, urljoin(url, location)
        else:
            page = _Form()
            page.feed(answer.body)
            if page.action is None:
                raise AssertionError(f"the login ends at {url}: {answer.status} {answer.body[:300]}")
            method, form, url = "POST", page.fields, urljoin(url, page.action)
        if url.startswith(until):
            return url
    raise AssertionError(f"the login goes in circles: {url}")

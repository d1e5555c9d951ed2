#!/bin/sh
# django-oauth-toolkit 3.4.1: within REFRESH_TOKEN_GRACE_PERIOD_SECONDS a spent refresh token gets the pair of its first answer again, and
# `expires_in` names the whole life anew, though the access token is as old as that first answer.
#
# Seen on 2026-11-28 (grace 60 s):
#   the same refresh token again, 3 s later: 200, the same access token true, the same refresh token true, expires_in 36000 and 36000
#   the access token still lives for less than 36000 s: true
#
# Who counts from the second answer believes the token to live longer than it does.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m pip install --quiet --disable-pip-version-check --root-user-action ignore --target "$folder/python" \
    django-oauth-toolkit==3.4.1 Django==5.2.19
cat >finding.py <<'PYTHON'
import json
import time
from datetime import timedelta

import django
from django.conf import settings

settings.configure(
    SECRET_KEY="made-up",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF="oauth2_provider.urls",
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "oauth2_provider"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    USE_TZ=True,
    OAUTH2_PROVIDER={"REFRESH_TOKEN_GRACE_PERIOD_SECONDS": 60},
)
django.setup()

from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.test import Client
from django.utils import timezone
from oauth2_provider.models import AccessToken, Application, RefreshToken

call_command("migrate", verbosity=0)
me = get_user_model().objects.create(username="me")
application = Application.objects.create(
    client_id="public", user=me, client_type="public", authorization_grant_type="authorization-code",
    redirect_uris="https://client.example/callback",
)
known = {"user": me, "application": application}
ends = timezone.now() + timedelta(hours=10)
access = AccessToken.objects.create(token="at_made_up", expires=ends, scope="read", **known)
RefreshToken.objects.create(token="rt_made_up", access_token=access, **known)


def refresh():
    form = {"grant_type": "refresh_token", "refresh_token": "rt_made_up", "client_id": "public"}
    answer = Client().post("/token/", form, secure=True)
    assert answer.status_code == 200, answer.content
    return json.loads(answer.content)


first = refresh()
time.sleep(3)
second = refresh()
same = {name: first[name] == second[name] for name in ("access_token", "refresh_token")}
print(
    "the same refresh token again, 3 s later: 200,",
    *(f"the same {name.replace('_', ' ')} {str(is_same).lower()}," for name, is_same in same.items()),
    f"expires_in {first['expires_in']} and {second['expires_in']}",
)
left = (AccessToken.objects.get(token=second["access_token"]).expires - timezone.now()).total_seconds()
print(f"the access token still lives for less than {second['expires_in']} s: {str(left < second['expires_in'] - 2).lower()}")
assert all(same.values()) and first["expires_in"] == second["expires_in"]
assert left < second["expires_in"] - 2, left
PYTHON
PYTHONPATH=$folder/python python3 finding.py

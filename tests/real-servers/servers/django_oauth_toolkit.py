"""django-oauth-toolkit with a database on disk; whoever comes is logged in as `me`, and consents by the page's own form."""

import os
from pathlib import Path
from wsgiref.simple_server import WSGIRequestHandler, make_server

import django
from django.conf import settings

ISSUER, PORT = os.environ["ISSUER"], int(os.environ["PORT"])
DATABASE = Path(os.environ["STATE"]) / "db.sqlite3"

settings.configure(
    SECRET_KEY="made-up",
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=[
        "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "oauth2_provider",
    ],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        f"{__name__}.log_in",
    ],
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": DATABASE}},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    USE_TZ=True,
    OAUTH2_PROVIDER={
        "DCR_ENABLED": True,
        "DCR_REGISTRATION_PERMISSION_CLASSES": ("oauth2_provider.dcr.AllowAllDCRPermission",),
        "OIDC_ISS_ENDPOINT": ISSUER,
        "OAUTH2_PROTECTED_RESOURCE_IDENTIFIER": f"{ISSUER}/mcp",
        "OAUTH2_PROTECTED_RESOURCE_AUTHORIZATION_SERVERS": [ISSUER],
    },
)
django.setup()

from django.contrib.auth import get_user_model, login
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import include, path
from oauth2_provider.decorators import protected_resource
from oauth2_provider.models import get_application_model


def log_in(get_response):
    def middleware(request):
        if request.path == "/authorize/" and not request.user.is_authenticated:
            me, _ = get_user_model().objects.get_or_create(username="me")
            login(request, me, backend="django.contrib.auth.backends.ModelBackend")
        return get_response(request)

    return middleware


@protected_resource()
def mcp(_):
    return HttpResponse("hello")


def forget_clients(_):
    get_application_model().objects.all().delete()
    return HttpResponse(status=204)


urlpatterns = [
    path("mcp", mcp),
    path("lab/forget-clients", forget_clients),
    path("", include("oauth2_provider.urls")),
]


class Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass


call_command("migrate", verbosity=0)
make_server("127.0.0.1", PORT, get_wsgi_application(), handler_class=Quiet).serve_forever()

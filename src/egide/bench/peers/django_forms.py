"""Peer: the complaint about a theft as one usually builds it: Django forms, models and templates, CSRF on, SQLite.

The same questions and the same checks, a draft under a secret, an identity, a number, a first event, a job for the receipt;
durable before the answer (WAL, FULL). It does less than Égide: no law, no sealing, no proof, no erasure beyond `DELETE`.

    python -m egide.bench.peers.django_forms PORT FOLDER STYLE      prints {"identities": …, "pid": …}, then serves

STYLE: a file with the style that its pages carry, so that they are as long as Égide's. One worker of gunicorn serves it, whose
connections stay open: a CPU second of it did up to twice as much here as one of uvicorn, where Django's views run in a thread.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any

PEOPLE = 16
YES_NO = (("yes", "Oui"), ("no", "Non"))
HERE = (("theft", "Un vol"), ("burglary", "Un cambriolage"), ("vehicle", "Un vol de véhicule, ou dans un véhicule"), ("damage", "Quelque chose d’abîmé ou de détruit"))  # fmt: skip
ELSEWHERE = (
    ("card", "Des paiements avec le numéro de ma carte, que j’ai toujours"), ("fraud", "Une arnaque sur Internet"),
    ("violence", "Des menaces ou des violences"), ("sexual", "On m’a imposé un acte ou un geste sexuel"), ("other", "Autre chose"),
)  # fmt: skip
PAGE = """<!doctype html><html lang="fr"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }} — Django</title><link rel="icon" href="/favicon.svg"><style>{{ style|safe }}</style></head><body>
<header><strong>Django</strong><a href="?lang=en" lang="en" hreflang="en">English</a></header>
<main><p class="small">Page {{ at }} sur 5 · Porter plainte pour un vol ou une dégradation</p><h1>{{ title }}</h1>
<form method="post" novalidate>{% csrf_token %}{{ form.as_div }}<button>Continuer</button></form>
<p><a href="/services/theft">Revenir à la page précédente</a></p><p class="small">{{ notice }}</p></main></body></html>"""
NOTICE = (
    "Lu par les agents du service pour cette démarche. Un brouillon est effacé après 30 jours. Vos droits : le délégué à la protection "
    "des données du service, puis la CNIL. Modèle à valider par l’exploitant."
)


def configure(folder: Path) -> None:
    """Django's settings: its usual middleware, without accounts and sessions, which a resident has none of."""
    from django.conf import settings

    settings.configure(
        SECRET_KEY=secrets.token_urlsafe(50), ALLOWED_HOSTS=["localhost", "127.0.0.1"], ROOT_URLCONF=__name__, USE_TZ=True,
        TIME_ZONE="Europe/Paris", LANGUAGE_CODE="fr", DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        MIDDLEWARE=[
            "django.middleware.security.SecurityMiddleware", "django.middleware.common.CommonMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware", "django.middleware.clickjacking.XFrameOptionsMiddleware",
        ],
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "DIRS": [str(folder)]}],
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.sqlite3", "NAME": str(folder / "django.db"), "CONN_MAX_AGE": None,
                "OPTIONS": {
                    "transaction_mode": "IMMEDIATE", "timeout": 30,
                    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
                },
            }
        },
    )  # fmt: skip


def build(folder: Path, style: str) -> tuple[Any, list[Any], list[dict[str, str]]]:
    """(application, addresses, identities of people who may file)."""
    configure(folder)
    (folder / "page.html").write_text(PAGE, "utf-8")
    import django

    django.setup()
    from django import forms
    from django.core.validators import RegexValidator
    from django.core.wsgi import get_wsgi_application
    from django.db import connection, models, transaction
    from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
    from django.shortcuts import render
    from django.urls import path
    from django.utils import timezone

    def digest(secret: str) -> str:
        return hashlib.sha256(secret.encode()).hexdigest()

    class Row(models.Model):
        class Meta:
            abstract = True
            app_label = "services"

        def __str__(self) -> str:
            return str(self.pk)

    class Identity(Row):
        id = models.CharField(max_length=40, primary_key=True)
        secret = models.CharField(max_length=64)
        level = models.IntegerField()
        until = models.DateTimeField(db_index=True)
        who = models.JSONField()

    class Draft(Row):
        id = models.CharField(max_length=40, primary_key=True)
        secret = models.CharField(max_length=64)
        service = models.CharField(max_length=40)
        at = models.DateTimeField()
        form = models.JSONField()

    class File(Row):
        id = models.CharField(max_length=40, primary_key=True)
        number = models.CharField(max_length=40, unique=True)
        secret = models.CharField(max_length=64)
        service = models.CharField(max_length=40)
        level = models.IntegerField()
        opened = models.DateTimeField()
        state = models.CharField(max_length=40)
        due = models.DateTimeField(db_index=True)
        answers = models.JSONField()
        who = models.JSONField()

    class Event(Row):
        file = models.ForeignKey(File, on_delete=models.CASCADE)
        seq = models.IntegerField()
        at = models.DateTimeField()
        step = models.CharField(max_length=40)
        state = models.CharField(max_length=40)
        words = models.JSONField()

    class Job(Row):
        due = models.DateTimeField(db_index=True)
        act = models.CharField(max_length=80)
        given = models.JSONField()

    class Count(Row):
        series = models.CharField(max_length=20, primary_key=True)
        last = models.IntegerField()

    with connection.schema_editor() as editor:
        for model in (Identity, Draft, File, Event, Job, Count):
            editor.create_model(model)

    class Parts(forms.MultiWidget):
        def __init__(self) -> None:
            box = {"inputmode": "numeric", "autocomplete": "off"}
            super().__init__({part: forms.TextInput(attrs=box) for part in ("day", "month", "year")})

        def decompress(self, value: Any) -> list[Any]:
            return [value.day, value.month, value.year] if value else ["", "", ""]

    class DateInParts(forms.MultiValueField):
        def __init__(self, **given: Any) -> None:
            parts = tuple(forms.IntegerField(min_value=1, max_value=top) for top in (31, 12, 2999))
            super().__init__(fields=parts, widget=Parts(), **given)

        def compress(self, data_list: list[Any]) -> Any:
            try:
                return date(data_list[2], data_list[1], data_list[0]) if data_list else None
            except ValueError as error:
                raise forms.ValidationError("Cette date n’existe pas.") from error

    class First(forms.Form):
        going_on = forms.ChoiceField(
            choices=YES_NO, widget=forms.RadioSelect, label="Est-ce que cela se passe en ce moment ?"
        )
        offence = forms.ChoiceField(choices=HERE + ELSEWHERE, widget=forms.RadioSelect, label="Que s’est-il passé ?")
        author_known = forms.ChoiceField(choices=YES_NO, widget=forms.RadioSelect, label="Savez-vous qui l’a fait ?")

    class Facts(forms.Form):
        facts_date = DateInParts(
            label="Quel jour ?", help_text="Le jour où cela s’est passé, ou celui où vous l’avez vu."
        )
        facts_time = forms.TimeField(required=False, label="Vers quelle heure ?")
        facts_place = forms.CharField(
            max_length=254, label="Où ?", help_text="Une adresse, une ligne de bus, un magasin…"
        )
        account = forms.CharField(
            max_length=4000, widget=forms.Textarea, label="Racontez ce qui s’est passé",
            help_text="Avec vos mots. Un témoin, une caméra, une trace : dites-le ici.",
        )  # fmt: skip

        def clean_facts_date(self) -> Any:
            if self.cleaned_data["facts_date"] > timezone.localdate():
                raise forms.ValidationError("Cette date est à venir.")
            return self.cleaned_data["facts_date"]

    class Things(forms.Form):
        things = forms.CharField(max_length=2000, widget=forms.Textarea, label="Quoi ?")
        loss = forms.DecimalField(
            required=False, min_value=0, decimal_places=2, label="Combien cela vaut-il, à peu près ? En euros"
        )
        evidence = forms.FileField(required=False, label="Photos, factures")

    class You(forms.Form):
        email = forms.EmailField(label="Adresse de messagerie")
        phone = forms.CharField(required=False, validators=[RegexValidator(r"^[+0-9 ().-]{6,20}$")], label="Téléphone")

    class Complaint(First, Facts, Things, You):
        def clean(self) -> Any:
            given = super().clean()
            if (
                given.get("going_on") == "yes"
                or given.get("author_known") == "yes"
                or given.get("offence") in dict(ELSEWHERE)
            ):
                raise forms.ValidationError("Cette plainte se dépose autrement.")
            return given

    names = tuple(Complaint.base_fields)

    def held(request: HttpRequest, cookie: str, model: Any) -> Any:
        id_, _, secret = request.COOKIES.get(cookie, "").partition(".")
        row = model.objects.filter(pk=id_).first()
        if row is None or not secrets.compare_digest(row.secret, digest(secret)):
            raise Http404
        return row

    def typed(request: HttpRequest) -> dict[str, str]:
        return {name: value for name, value in request.POST.items() if name.startswith(names)}

    def start(request: HttpRequest) -> HttpResponse:
        """Keeps what was answered so far."""
        id_, secret = secrets.token_hex(16), secrets.token_hex(24)
        Draft.objects.create(id=id_, secret=digest(secret), service="theft", at=timezone.now(), form=typed(request))
        answer = HttpResponseRedirect("/services/theft/facts")
        answer.set_cookie("draft", f"{id_}.{secret}", httponly=True, samesite="Strict")
        return answer

    def facts(request: HttpRequest) -> HttpResponse:
        """One page of questions, with what was answered."""
        draft = held(request, "draft", Draft)
        given = {"title": "Les faits", "at": 2, "style": style, "notice": NOTICE}
        form = Facts(initial={**draft.form, "facts_date": None})
        parts = [draft.form.get(f"facts_date_{part}", "") for part in ("day", "month", "year")]
        form.initial["facts_date"] = parts
        return render(request, "page.html", given | {"form": form})

    def check(request: HttpRequest) -> HttpResponse:
        """The draft becomes a file."""
        draft, who = held(request, "draft", Draft), held(request, "who", Identity)
        form = Complaint(draft.form)
        now = timezone.now()
        if not form.is_valid() or who.until < now or who.level < 2:
            return HttpResponse(form.errors.as_json(), status=422)
        id_, code = secrets.token_hex(16), secrets.token_hex(15)
        answers = {name: str(value) for name, value in form.cleaned_data.items() if value not in (None, "")}
        with transaction.atomic():
            if not Draft.objects.filter(pk=draft.pk).delete()[0]:
                raise Http404
            count, _ = Count.objects.get_or_create(series=f"PL-{now.year}", defaults={"last": 0})
            Count.objects.filter(pk=count.pk).update(last=count.last + 1)
            number = f"{count.series}-{count.last + 1:06}"
            file = File.objects.create(
                id=id_, number=number, secret=digest(code), service="theft", level=who.level, opened=now, state="filed",
                due=now + timedelta(hours=48), answers=answers, who=who.who,
            )  # fmt: skip
            Event.objects.create(file=file, seq=0, at=now, step="file", state="filed", words={})
            Job.objects.create(due=now, act="receipt", given={"file": id_})
        answer = HttpResponseRedirect("/services/file")
        answer.set_cookie("file", f"{number}.{code}", httponly=True, samesite="Strict")
        answer.delete_cookie("draft")
        return answer

    people = []
    for _ in range(PEOPLE):
        id_, secret = secrets.token_hex(16), secrets.token_hex(24)
        until = timezone.now() + timedelta(hours=1)
        Identity.objects.create(id=id_, secret=digest(secret), level=2, until=until, who={"given_name": "Claire"})
        people.append({"identity": id_, "identity_secret": secret})
    connection.close()
    addresses = [
        path("services/theft", start),
        path("services/theft/facts", facts),
        path("services/theft/check", check),
    ]
    return get_wsgi_application(), addresses, people


urlpatterns: list[Any] = []  # Django looks for the addresses here


def main() -> None:
    """Serves until told to end."""
    try:
        from gunicorn.app.base import BaseApplication

        app, addresses, people = build(Path(sys.argv[2]), Path(sys.argv[3]).read_text("utf-8"))
    except ImportError as error:
        print(json.dumps({"absent": error.name}), flush=True)
        return
    urlpatterns.extend(addresses)

    def ready(worker: Any) -> None:
        print(json.dumps({"identities": people, "pid": worker.pid}), flush=True)

    class Served(BaseApplication):
        def load_config(self) -> None:
            given = {
                "bind": f"127.0.0.1:{sys.argv[1]}", "workers": 1, "worker_class": "gthread", "threads": 1, "keepalive": 60,
                "loglevel": "error", "post_worker_init": ready,
            }  # fmt: skip
            for name, value in given.items():
                self.cfg.set(name, value)

        def load(self) -> Any:
            return app

    Served().run()


if __name__ == "__main__":
    main()

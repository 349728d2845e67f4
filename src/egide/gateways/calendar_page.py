"""`/calendar`: this month and the next, with the numbers of the weeks. Where the quick exit of the help page leads.

It looks like what anybody may have on a screen, says nothing of this site, and asks nobody else for anything.
"""

from __future__ import annotations

from calendar import Calendar
from datetime import date
from html import escape

from starlette.requests import Request
from starlette.responses import Response

from egide.gateways.dates import MONTHS
from egide.gateways.resident import lang_of, policy
from egide.kernel.clock import from_us
from egide.kernel.kernel import Kernel
from egide.kernel.law import legal_day

PATH = "/calendar"
DAYS = {"fr": ["lu", "ma", "me", "je", "ve", "sa", "di"], "en": ["Mo", "Tu", "We", "Th", "Fr", "Sa", "Su"]}
WORDS = {"fr": ("Calendrier", "Sem."), "en": ("Calendar", "Week")}
STYLE = """:root{color-scheme:light dark}body{margin:0 auto;max-width:34rem;padding:16px;font:17px/1.5 system-ui,sans-serif;background:#fff;color:#222}
@media(prefers-color-scheme:dark){body{background:#1b1b1b;color:#eee}}table{width:100%;border-collapse:collapse;margin:0 0 24px;font-variant-numeric:tabular-nums}
caption{text-align:start;font-weight:600;padding:8px 0}th,td{padding:6px 2px;text-align:center;border-block-end:1px solid #8888}th{font-weight:500}.now{font-weight:700;outline:2px solid currentColor}"""


class CalendarPage:
    """The page's one address."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    async def show(self, request: Request) -> Response:
        """This month and the next."""
        lang, clock = lang_of(request), self._kernel.clock
        today = legal_day(from_us(clock.latest_us()), self._kernel.book.zone)
        following = date(today.year + today.month // 12, today.month % 12 + 1, 1)
        title = f"{WORDS[lang][0]} {today.year}"
        html = (
            f'<!doctype html><html lang="{lang}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
            f'<title>{escape(title)}</title><link rel="icon" href="data:,"><style>{STYLE}</style></head><body><main><h1>{escape(title)}</h1>'
            f"{_month(lang, today, today)}{_month(lang, following, today)}</main></body></html>"
        )
        headers = {
            "content-security-policy": policy(STYLE).replace("img-src 'self'", "img-src data:"), "cache-control": "no-store",
        }  # fmt: skip
        return Response(html, headers=headers, media_type="text/html; charset=utf-8")


def _month(lang: str, month: date, today: date) -> str:
    heads = "".join(f'<th scope="col">{day}</th>' for day in (WORDS[lang][1], *DAYS[lang]))
    weeks = "".join(
        f'<tr><th scope="row">{week[0].isocalendar().week}</th>{"".join(_day(one, month, today) for one in week)}</tr>'
        for week in Calendar().monthdatescalendar(month.year, month.month)
    )
    name = f"{MONTHS[lang][month.month - 1]} {month.year}"
    return f"<table><caption>{name}</caption><thead><tr>{heads}</tr></thead><tbody>{weeks}</tbody></table>"


def _day(one: date, month: date, today: date) -> str:
    if one.month != month.month:
        return "<td></td>"
    return f'<td class="now" aria-current="date">{one.day}</td>' if one == today else f"<td>{one.day}</td>"

"""Two drawings of the same curve as SVG, 640×480, written out by hand: DET (what is missed) and ROC (what is found).

Colours, sizes and a background of their own, so that they look the same in a report, in a browser by night and on paper. A rate
of 0 has no place on a logarithmic scale: the curve ends at the last error that was seen, and says nothing of what was not. Where
there were too few errors to believe it (rates.py), it is broken and thin.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from math import floor, log10

import msgspec

Curve = Sequence[tuple[float, float, float]]  # threshold, FMR, FNMR
Titles = tuple[str, str]  # in French, in English

WIDTH, HEIGHT = 640, 480
LEFT, RIGHT, TOP, BOTTOM = 92, 24, 66, 84  # margins
INK, SOFT, FAINT, LINE, OWN = "#1b1b1b", "#4a5160", "#d5d9e0", "#1f4e9c", "#9c3b00"
LEAST = 1e-4  # FNMR: the foot of the DET's scale, or lower where an error was seen below


class Mark(msgspec.Struct, frozen=True):
    """A point of the curve with the ends of its interval; `own`: at the threshold that Égide uses."""

    fmr: float
    fnmr: float
    low: float
    high: float
    own: bool


def det(title: Titles, curve: Curve, marks: Sequence[Mark] = (), least: tuple[float, float] = (0.0, 0.0)) -> str:
    """Detection error trade-off: FNMR over FMR, both logarithmic (ISO/IEC 19795-1).

    `least`: the FMR and FNMR below which there were too few errors to believe the rate: there the curve is broken.
    """
    seen = [(fmr, fnmr) for _, fmr, fnmr in curve if fmr > 0 and fnmr > 0]
    low = _decade(min((fmr for fmr, _ in seen), default=1.0))
    foot = log10(min([LEAST, *(_decade(fnmr) for _, fnmr in seen)]))
    return _drawn(
        (f"Refus et acceptations à tort · {title[0]}", f"Wrongly refused, wrongly accepted (DET) · {title[1]}"),
        ("Voyageurs refusés à tort", "travellers wrongly refused (FNMR)"),
        [(log10(fmr), log10(fnmr)) for fmr, fnmr in seen],
        (log10(low), 0.0),
        (foot, 0.0),
        [(float(power), _percent(10.0**power)) for power in range(round(foot), 1)],
        marks,
        [fmr >= least[0] and fnmr >= least[1] for fmr, fnmr in seen],
    )


def roc(title: Titles, curve: Curve) -> str:
    """Receiver operating characteristic: true matches over FMR, the latter logarithmic."""
    seen = [(fmr, fnmr) for _, fmr, fnmr in curve if fmr > 0]
    low = _decade(min((fmr for fmr, _ in seen), default=1.0))
    points = [(log10(fmr), 1 - fnmr) for fmr, fnmr in seen]
    least = min(9, floor(10 * min((y for _, y in points), default=0.0)))  # tenths
    ticks = [part / 50 for part in range(45, 51)] if least == 9 else [part / 10 for part in range(least, 11)]
    return _drawn(
        (f"Acceptés à raison et à tort · {title[0]}", f"Rightly and wrongly accepted (ROC) · {title[1]}"),
        ("Voyageurs acceptés", "travellers accepted (1 - FNMR)"),
        points,
        (log10(low), 0.0),
        (ticks[0], 1.0),
        [(tick, _percent(tick)) for tick in ticks],
    )


def _decade(value: float) -> float:
    return float(10.0 ** min(-1, floor(log10(value))))


def _percent(value: float) -> str:
    return f"{value * 100:.4g} %"


def _power(power: int) -> str:
    return "1" if power == 0 else "10" + str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def _drawn(
    titles: Titles,
    upright: Titles,
    points: list[tuple[float, float]],
    across: tuple[float, float],
    up: tuple[float, float],
    ticks: list[tuple[float, str]],
    marks: Sequence[Mark] = (),
    sure: Sequence[bool] = (),
) -> str:
    def x(value: float) -> float:
        return LEFT + (value - across[0]) / (across[1] - across[0]) * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - (value - up[0]) / (up[1] - up[0]) * (HEIGHT - TOP - BOTTOM)

    placed = [(x(a), y(b)) for a, b in points]
    solid = _joined([at for at, holds in zip(placed, sure, strict=True) if holds] if sure else placed)
    broken = 'fill="none" stroke-width="1.8" stroke-dasharray="5 4"' if sure else 'fill="none" stroke-width="2.5"'
    return "\n".join(
        [
            *_frame(titles, upright),
            *(_down(x(power), _power(power)) for power in range(round(across[0]), 1)),
            *(_along(y(value), label) for value, label in ticks),
            f'<rect x="{LEFT}" y="{TOP}" width="{WIDTH - LEFT - RIGHT}" height="{HEIGHT - TOP - BOTTOM}" fill="none" stroke="{SOFT}"/>',
            f'<polyline points="{_joined(placed)}" stroke="{LINE}" {broken}/>',
            *([f'<path d="M{solid}" fill="none" stroke="{LINE}" stroke-width="3"/>'] if sure and solid else []),
            *(_mark(each, x, y, up[0]) for each in marks if each.fmr > 0 and each.fnmr > 0),
            *(_legend(marks) if marks else []),
            "</svg>\n",
        ]
    )


def _joined(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{a:.1f},{b:.1f}" for a, b in points)


def _frame(titles: Titles, upright: Titles) -> list[str]:
    middle, centre = (TOP + HEIGHT - BOTTOM) // 2, (LEFT + WIDTH - RIGHT) // 2
    size = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="13" fill="{INK}" role="img">',
        f"<title>{escape(titles[1])}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<text x="16" y="27" font-size="16" font-weight="bold">{escape(titles[0])}</text>',
        f'<text x="16" y="48" fill="{SOFT}">{escape(titles[1])}</text>',
        f'<text x="{centre}" y="{HEIGHT - 30}" text-anchor="middle">Inconnus acceptés à tort, une part de toutes les comparaisons</text>',
        f'<text x="{centre}" y="{HEIGHT - 12}" text-anchor="middle" fill="{SOFT}">strangers wrongly accepted, a share of all comparisons (FMR)</text>',
        f'<text transform="translate(16 {middle}) rotate(-90)" text-anchor="middle">{escape(upright[0])}</text>',
        f'<text transform="translate(33 {middle}) rotate(-90)" text-anchor="middle" fill="{SOFT}" font-size="12">{escape(upright[1])}</text>',
    ]


def _down(at: float, label: str) -> str:
    bottom = HEIGHT - BOTTOM
    text = f'<text x="{at:.1f}" y="{bottom + 18}" text-anchor="middle">{label}</text>'
    return f'<path d="M{at:.1f} {TOP}V{bottom}" stroke="{FAINT}"/>{text}'


def _along(at: float, label: str) -> str:
    text = f'<text x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{label}</text>'
    return f'<path d="M{LEFT} {at:.1f}H{WIDTH - RIGHT}" stroke="{FAINT}"/>{text}'


def _mark(mark: Mark, x: Callable[[float], float], y: Callable[[float], float], foot: float) -> str:
    """A point and its interval; a lower end of 0 is where the scale ends."""
    at, colour = x(log10(mark.fmr)), OWN if mark.own else LINE
    high, low = y(log10(mark.high)), y(log10(mark.low) if mark.low > 0 else foot)
    bar = f'<path d="M{at:.1f} {high:.1f}V{low:.1f}M{at - 4:.1f} {high:.1f}h8M{at - 4:.1f} {low:.1f}h8" stroke="{colour}" stroke-width="1.5"/>'
    fill = colour if mark.own else "#ffffff"
    return f'{bar}<circle cx="{at:.1f}" cy="{y(log10(mark.fnmr)):.1f}" r="5" fill="{fill}" stroke="{colour}" stroke-width="2"/>'


def _legend(marks: Sequence[Mark]) -> list[str]:
    """At the upper right, where a curve that falls never is."""
    left, lines = WIDTH - RIGHT - 248, []
    rows = [
        ("path", LINE, "trop peu d’erreurs pour s’y fier", "too few errors to rely on"),
        ("open", LINE, "barre : intervalle à 95 %", "bar: 95 % interval"),
        ("full", OWN, "seuil d’Égide", "Égide’s threshold"),
    ]
    rows = rows if any(each.own for each in marks) else rows[:-1]
    for number, (kind, colour, french, english) in enumerate(rows):
        at = TOP + 22 + number * 36
        if kind == "path":
            lines.append(f'<path d="M{left} {at}h28" stroke="{colour}" stroke-width="1.8" stroke-dasharray="5 4"/>')
        else:
            fill = colour if kind == "full" else "#ffffff"
            lines.append(
                f'<path d="M{left + 14} {at - 11}v22m-4 0h8m-8 -22h8" fill="none" stroke="{colour}" stroke-width="1.5"/>'
            )
            lines.append(f'<circle cx="{left + 14}" cy="{at}" r="5" fill="{fill}" stroke="{colour}" stroke-width="2"/>')
        lines.append(f'<text x="{left + 38}" y="{at + 4}">{french}</text>')
        lines.append(f'<text x="{left + 38}" y="{at + 19}" fill="{SOFT}" font-size="12">{english}</text>')
    box = f'<rect x="{left - 10}" y="{TOP + 4}" width="254" height="{36 * len(rows) + 8}" fill="#ffffff" stroke="{FAINT}"/>'
    return [box, *lines]

"""Other law, for replay: packs given as text, laid over the packs in force, read by the loader that reads our own.

What is given is only data (TOML and Cedar). It comes from outside, so it is bounded before any parser sees it: Cedar's parser
follows brackets on its own stack, and a rule of two thousand parentheses would end the process, not the act. Names are from a
short list, so that no path leads out of the temporary folder.

Days: replay asks what the law *would have said*. A rule or text that begins later than today counts as begun, whatever the
day of the act: the book is read on the first day on which everything that the given packs hold has begun.

Source: Cedar policy language 4; GDPR 5(2), directive 2016/680 article 4(4) (being able to demonstrate).
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time
from pathlib import Path

from egide.kernel.errors import BadInput, StartupError, Text
from egide.kernel.law import LawBook
from egide.kernel.packs import read_source, read_toml

MAX_FILES = 64
MAX_BYTES = 1024 * 1024  # of all files together
MAX_FILE = 128 * 1024  # bytes of one; our longest has 30 KiB
MAX_LINES = 5_000  # of one file
MAX_RULES = 512  # of one file
MAX_CODE = 4 * 1024  # characters of one rule, its sentences not counted
MAX_OPENERS = 64  # brackets of one rule: Cedar's parser ends the process near two thousand
PACK_FILES = ("text.toml", "rules.cedar", "parameters.toml", "cases.toml")
_NAME = re.compile(
    r"[a-z][a-z0-9_]{0,31}/(?:jurisdiction\.toml|[a-z][a-z0-9_-]{0,63}/(?:text|parameters|cases)\.toml|"
    r"[a-z][a-z0-9_-]{0,63}/rules\.cedar)"
)
_SILENT = re.compile(r'//[^\n]*|"(?:\\.|[^"\\])*"', re.DOTALL)
LAST = date(2199, 12, 31)


def other_law(files: Mapping[str, str], root: Path, jurisdiction: str, now: datetime) -> LawBook:
    """The law of `jurisdiction` with the packs in `files` ("fr/csi-l242/rules.cedar" → text) in place of those under `root`.

    Files that hold the jurisdiction's own `jurisdiction.toml` are a whole law tree: nothing of `root` is added. A text that
    is given replaces the text of the same id whole. Raises `BadInput` beyond the bounds, and for a broken pack with the
    loader's diagnosis: file, line, what was probably meant.
    """
    bounded(files)
    try:
        with tempfile.TemporaryDirectory(prefix="egide-law-") as place:
            tree = Path(place)
            _lay(files, root, jurisdiction, tree)
            given = {name.rpartition("/")[0] for name in files if name.endswith("/text.toml")}
            book = LawBook.load(tree, jurisdiction, now)
            day = _begun(book, given)
            if day > now.astimezone(book.zone).date():
                noon = datetime.combine(day, time(12), book.zone).astimezone(UTC)
                book = LawBook.load(tree, jurisdiction, noon)
            return book
    except StartupError as error:
        raise diagnosis(error) from error
    except (ValueError, OverflowError, RecursionError, ArithmeticError) as error:
        said = str(error)[:200]
        raise BadInput(
            Text(f"Ce recueil de règles ne se lit pas : {said}", f"This law pack cannot be read: {said}"),
            Text("Corrigez-le, puis relancez.", "Correct it, then run again."),
        ) from error


def bounded(files: Mapping[str, str]) -> None:
    """Raises `BadInput` when there are too many files, too long, or under a name that no pack has."""
    if not files:
        raise _bad("", "Donnez les fichiers d’un recueil de règles.", "Give the files of a law pack.")
    if len(files) > MAX_FILES:
        raise _bad("", f"Trop de fichiers : {MAX_FILES} au plus.", f"Too many files: {MAX_FILES} at most.")
    total = 0
    for name, text in files.items():
        if not _NAME.fullmatch(name):
            raise _bad(
                name[:80],
                "aucun recueil n’a de fichier de ce nom ; il faut <juridiction>/<texte>/<fichier>.",
                "no pack has a file of this name; it must be <jurisdiction>/<text>/<file>.",
            )
        size = len(text.encode("utf-8", "surrogatepass"))
        total += size
        if size > MAX_FILE or total > MAX_BYTES or text.count("\n") > MAX_LINES:
            raise _bad(
                name,
                f"trop long : {MAX_FILE // 1024} Kio et {MAX_LINES} lignes par fichier, {MAX_BYTES // 1024} Kio en tout.",
                f"too long: {MAX_FILE // 1024} KiB and {MAX_LINES} lines a file, {MAX_BYTES // 1024} KiB in all.",
            )
        if name.endswith(".cedar"):
            _simple(name, text)


def diagnosis(error: StartupError) -> BadInput:
    """The loader's own words, as an answer to the one who gave the pack."""
    place = f"{error.file}:{error.line}" if error.line is not None else error.file
    fr, en = (f"{place} : " if place else ""), (f"{place}: " if place else "")
    do = error.do
    if error.suggestion:
        do = Text(f"Vouliez-vous dire « {error.suggestion} » ?", f"Did you mean “{error.suggestion}”?")
    return BadInput(Text(f"{fr}{error.what.fr}", f"{en}{error.what.en}"), do)


def packs_in(folder: Path) -> dict[str, str]:
    """The files of a folder as `other_law` takes them: one pack, several, or a whole law tree; raises `BadInput`.

    A pack is known by its `text.toml`, and goes where its `id` says.
    """
    found: dict[str, str] = {}
    heads = [head for depth in ("", "*/", "*/*/") for head in sorted(folder.glob(f"{depth}text.toml"))]
    for head in heads[:MAX_FILES]:
        try:
            identity = str(read_toml(read_source(head, folder)).get("id", ""))
        except StartupError as error:
            raise diagnosis(error) from error
        found |= {
            f"{identity}/{name}": _text(head.parent / name, folder)
            for name in PACK_FILES
            if (head.parent / name).exists()
        }
    for described in sorted(folder.glob("*/jurisdiction.toml"))[:MAX_FILES]:
        found[f"{described.parent.name}/jurisdiction.toml"] = _text(described, folder)
    if not heads:
        raise BadInput(
            Text(f"Aucun recueil de règles dans {folder}.", f"No law pack in {folder}."),
            Text("Un recueil est un dossier avec text.toml.", "A pack is a folder with text.toml."),
        )
    bounded(found)
    return found


def _text(file: Path, folder: Path) -> str:
    try:
        return read_source(file, folder).text
    except StartupError as error:
        raise diagnosis(error) from error


def _simple(name: str, text: str) -> None:
    """No rule may be so long or so nested that Cedar's parser runs out of stack."""
    rules = _SILENT.sub(lambda said: "\n" * said[0].count("\n"), text).split(";")
    if len(rules) > MAX_RULES:
        raise _bad(name, f"trop de règles : {MAX_RULES} au plus.", f"too many rules: {MAX_RULES} at most.")
    line = 1
    for rule in rules:
        if len(rule.strip()) > MAX_CODE or sum(rule.count(opener) for opener in "([{") > MAX_OPENERS:
            raise _bad(
                f"{name}:{line}",
                "règle trop longue ou trop imbriquée ; écrivez-en plusieurs.",
                "rule too long or too nested; write several.",
            )
        line += rule.count("\n")


def _lay(files: Mapping[str, str], root: Path, jurisdiction: str, tree: Path) -> None:
    replaced = {name.rpartition("/")[0] for name in files if name.count("/") == 2}
    if f"{jurisdiction}/jurisdiction.toml" not in files:
        for name in _packs(root):
            if name not in replaced:
                shutil.copytree(root / name, tree / name)
        for described in root.glob("*/jurisdiction.toml"):
            (tree / described.parent.name).mkdir(exist_ok=True)
            shutil.copyfile(described, tree / described.parent.name / described.name)
    for name, text in files.items():
        target = tree / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, "utf-8", newline="\n")


def _packs(root: Path) -> Iterable[str]:
    return (head.parent.relative_to(root).as_posix() for head in sorted(root.glob("*/*/text.toml")))


def _begun(book: LawBook, given: set[str]) -> date:
    """The first day on which all that the given texts hold has begun."""
    days = [text.valid_from for text in book.texts.values() if text.id in given]
    days += [rule.valid_from for rule in book.all_rules.values() if rule.text in given]
    days += [
        value.valid_from
        for name, values in book.parameters.items()
        if name.rpartition(".")[0] in given
        for value in values
        if value.valid_from is not None
    ]
    day = max(days, default=date.min)
    if day > LAST:
        raise BadInput(Text(f"Date trop lointaine : {day}", f"Date too far away: {day}"))
    return day


def _bad(place: str, fr: str, en: str) -> BadInput:
    return BadInput(Text(f"{place} : {fr}" if place else fr, f"{place}: {en}" if place else en))


__all__ = ["bounded", "diagnosis", "other_law", "packs_in"]

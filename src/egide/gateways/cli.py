"""The command line: `egide <act> --field value` for every act, and the operator's own: init, serve, doctor, demo, ledger, map.

Acts go to the running server with the operator's token; nothing here writes to the store while a server runs. The words of
backups, of the ledger's proofs and of the consortium are in `cli_*.py`.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from egide import __version__
from egide.gateways.cli_backup import backup_app, restore
from egide.gateways.cli_consortium import authority_app, consortium_app
from egide.gateways.cli_ledger import ledger_app, witness_app
from egide.gateways.cli_options import DataOption, PortOption, console, errors
from egide.gateways.composition import composed
from egide.gateways.server_call import call
from egide.kernel.errors import EgideError
from egide.kernel.settings import load

app = typer.Typer(
    name="egide",
    help="Égide — la loi d’abord, la preuve ensuite. / The law first, then the proof.",
    no_args_is_help=True,
    add_completion=False,
)
law_app = typer.Typer(
    help="Droit : rejeu, contrôle d’un recueil. / Law: replay, check of a pack.", no_args_is_help=True
)
map_app = typer.Typer(help="Carte hors ligne. / Offline map.", no_args_is_help=True)
app.add_typer(ledger_app, name="ledger")
app.add_typer(backup_app, name="backup")
app.add_typer(map_app, name="map")
app.add_typer(law_app, name="law")
app.add_typer(witness_app, name="witness")
source_app = typer.Typer(help="Source vidéo : examen. / Video source: examination.", no_args_is_help=True)
app.add_typer(source_app, name="source")
border_app = typer.Typer(
    help="Frontière : évaluation, listes maîtresses. / Border: evaluation, master lists.", no_args_is_help=True
)
app.add_typer(border_app, name="border")
border_app.add_typer(consortium_app, name="consortium")
app.add_typer(authority_app, name="authority")


def _say_version(asked: bool) -> None:
    if asked:
        console.print(f"egide {__version__}")
        raise typer.Exit


@app.callback()
def program(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_say_version, is_eager=True, help="Dit la version / say the version"),
    ] = False,
) -> None:
    """What stands before the command's own words."""


@app.command()
def init(
    name: Annotated[str, typer.Option(help="Nom du premier administrateur / first administrator’s name")] = "",
    data: DataOption = None,
) -> None:
    """Prépare une installation : clés, premier administrateur, certificat pour téléphones. / Prepare an installation."""
    from egide.gateways.setup import initialise  # noqa: PLC0415 — keeps `egide --help` fast

    initialise(load(data), name or typer.prompt("Nom du premier administrateur / first administrator’s name"), console)


@app.command()
def serve(
    data: DataOption = None,
    port: PortOption = None,
    host: Annotated[str | None, typer.Option(help="Adresse d’écoute / listening address")] = None,
    demo: Annotated[
        bool | None, typer.Option("--demo/--no-demo", help="Mode démonstration / demonstration mode")
    ] = None,
    tls: Annotated[
        bool | None, typer.Option("--tls/--no-tls", help="HTTPS avec le certificat de « egide init »")
    ] = None,
    processes: Annotated[
        int | None,
        typer.Option(min=1, max=64, help="Processus surveillés sur ce port / supervised processes on the port"),
    ] = None,
    listener: Annotated[int | None, typer.Option("--listener", hidden=True)] = None,
    join: Annotated[bool, typer.Option("--join", hidden=True)] = False,
    replace: Annotated[bool, typer.Option("--replace", hidden=True)] = False,
) -> None:
    """Démarre la plateforme. / Start the platform."""
    from egide.gateways.serve import run  # noqa: PLC0415

    settings = load(data, port=port, host=host, demo=demo, tls=tls)
    if processes is None:
        run(settings, join=join, replace=replace, listener=listener)
        return
    from egide.gateways.supervisor import Supervisor  # noqa: PLC0415

    words = ["--data", settings.data, "--port", str(settings.port), "--host", settings.host]
    words += ["--demo" if settings.demo else "--no-demo", "--tls" if settings.tls else "--no-tls"]
    raise typer.Exit(asyncio.run(Supervisor(settings, words, processes).run()))


@app.command()
def upgrade(data: DataOption = None) -> None:
    """Remplace les processus par le programme tel qu’il est installé, sans coupure. / Replace the running processes, uncut."""
    from egide.gateways import supervisor  # noqa: PLC0415
    from egide.gateways.neighbours import serving_here  # noqa: PLC0415
    from egide.gateways.serve import run  # noqa: PLC0415

    settings = load(data)
    pid = supervisor.supervisor(settings)
    if pid is not None:
        console.print("Une nouvelle génération démarre… / A new generation is starting…")
        if not supervisor.upgrade(settings, pid):
            errors.print("Elle n’a pas démarré : l’ancienne continue ; le journal d’« egide serve » dit pourquoi.")
            errors.print("It did not start: the old one goes on; the log of “egide serve” says why.")
            raise typer.Exit(1)
        console.print("Elle répond ; l’ancienne s’en va. / It answers; the old one is leaving.")
        return
    running = serving_here(settings.folder)
    if not running:
        raise supervisor.not_running()
    told = {name: running[0][name] for name in ("host", "port", "demo", "tls")}
    run(load(data, **told), replace=True)


@app.command()
def demo(
    seconds: Annotated[
        float, typer.Option("--for", help="Durée de l’exercice joué sans navigateur, 0 = jusqu’à Ctrl-C")
    ] = 0,
    report: Annotated[Path | None, typer.Option(help="Fichier JSON des étapes / JSON file of the steps")] = None,
    data: DataOption = None,
    port: PortOption = None,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Ouvrir un navigateur / open a browser")
    ] = True,
) -> None:
    """Joue l’exercice d’Helsinki avec de vrais protocoles. / Play the Helsinki exercise with real protocols."""
    from egide.gateways.demo import play  # noqa: PLC0415

    raise typer.Exit(play(data or Path("var/demo"), port, seconds, report, browser=browser))


@app.command()
def doctor(data: DataOption = None) -> None:
    """Dit ce qui va et ce qui ne va pas, et quoi faire. / Say what is well, what is not, and what to do."""
    from egide.gateways.doctor import examine  # noqa: PLC0415

    raise typer.Exit(examine(load(data), console))


@app.command()
def bench(
    capability: str,
    quick: Annotated[bool, typer.Option("--quick", help="Court / short")] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Fichier JSON / JSON file")] = None,
) -> None:
    """Mesure une capacité à côté d’un pair ou d’une limite. / Measure a capability beside a peer or a limit."""
    raise typer.Exit(composed().bench(capability, quick, json_file))


app.command()(restore)


@law_app.command("replay")
def law_replay(
    pack: Annotated[
        Path, typer.Option("--pack", help="Dossier du recueil, ou de tout un droit / pack or whole law tree")
    ],
    since: Annotated[str, typer.Option("--from", help="Début / beginning, 2026-11-23T18:00:00Z")],
    until: Annotated[str, typer.Option("--to", help="Fin, maintenant sinon / end, else now")] = "",
    json_file: Annotated[Path | None, typer.Option("--json", help="Fichier JSON de tout / JSON file of all")] = None,
    motive: Annotated[str, typer.Option(help="Motif, inscrit au registre / motive, written in the ledger")] = (
        "Contrôle de la licéité : rejeu sous un autre droit"
    ),
    data: DataOption = None,
    port: PortOption = None,
) -> None:
    """Rejoue les actes passés sous un autre droit : lesquels changeraient ? / Replay past acts under other law."""
    from egide.gateways.law_cli import replay  # noqa: PLC0415

    raise typer.Exit(replay(load(data, port=port), pack, since, until, motive, json_file, console))


@law_app.command("check")
def law_check(
    pack: Path,
    jurisdiction: Annotated[str, typer.Option(help="Juridiction / jurisdiction")] = "fr",
) -> None:
    """Contrôle un recueil et joue ses cas. / Check a pack and run its cases."""
    from egide.gateways.law_cli import check  # noqa: PLC0415

    raise typer.Exit(check(pack, jurisdiction, console))


@map_app.command("build")
def map_build(
    osm: Path, data: DataOption = None, out: Annotated[Path | None, typer.Option(help="Fichier PMTiles")] = None
) -> None:
    """Construit la carte hors ligne à partir d’un extrait OpenStreetMap. / Build the offline map from an OSM extract."""
    from egide.operations.map import MapError, build_pmtiles  # noqa: PLC0415

    target = out or load(data).folder / "map" / "town.pmtiles"
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with Progress(console=console) as bar:
            task = bar.add_task("Carte / map", total=1.0)
            info = build_pmtiles(
                osm, target, progress=lambda share, stage: bar.update(task, completed=share, description=stage)
            )
    except MapError as error:
        errors.print(f"[red]{error}[/red]")
        raise typer.Exit(1) from error
    console.print(f"{target} — {info.tiles} tuiles / tiles, {info.bytes // 1024} KiB. {info.attribution}")


@source_app.command("check")
def source_check(
    url: Annotated[str, typer.Argument(help="udp://, tcp://, rtsp://, srt://, rtmp:// ou chemin / or a path")],
    seconds: Annotated[float, typer.Option(min=1, max=120, help="Durée d’observation / time to look")] = 6.0,
    as_json: Annotated[bool, typer.Option("--json", help="Tout, en JSON / everything, as JSON")] = False,
) -> None:
    """Dit ce qui ne va pas dans un flux : 0 bon, 1 remarques, 2 inutilisable. / Say what is wrong with a feed."""
    from egide.gateways.source_check import check  # noqa: PLC0415

    raise typer.Exit(check(url, seconds, as_json, console, errors))


@border_app.command("evaluate")
def border_evaluate(
    pairs: Annotated[Path, typer.Argument(help="Un sous-dossier par personne / one sub-folder for each person")],
    out: Annotated[Path, typer.Option("--out", help="Dossier du rapport / the report’s folder")] = Path("evaluation"),
    frames: Annotated[
        list[int] | None, typer.Option("--frames", min=1, max=8, help="Images par essai / frames a probe, 1")
    ] = None,
    engine: Annotated[str, typer.Option("--engine", help="Moteur de visage / face engine")] = "sface",
) -> None:
    """Mesure un moteur de visage sur vos propres images (ISO/IEC 19795, 30107-3). / Measure a face engine on a set of yours."""
    from egide.gateways.border_cli import evaluate  # noqa: PLC0415

    raise typer.Exit(evaluate(pairs, out, frames or [1], engine, console))


@border_app.command("master-list")
def border_master_list(
    file: Annotated[Path, typer.Argument(help="Liste maîtresse (.ml) ou annuaire LDIF / master list or LDIF")],
    anchor: Annotated[
        list[Path], typer.Option("--anchor", help="Certificat obtenu par ailleurs / certificate had by another way")
    ],
    data: DataOption = None,
) -> None:
    """Reprend les autorités de passeport d’une liste signée. / Take in passport authorities from a signed list."""
    from egide.gateways.border_cli import master_list  # noqa: PLC0415

    raise typer.Exit(master_list(file, anchor, load(data), console))


@app.command("act", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def act_command(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Nom de l’acte, ou « list »")] = "list",
    data: DataOption = None,
    port: PortOption = None,
) -> None:
    """Accomplit un acte sur le serveur : egide act operations.source.add --name … / Perform an act on the server."""
    from egide.gateways.commands import arguments, listing  # noqa: PLC0415

    settings = load(data, port=port)
    if name == "list":
        listing(settings, console)
        return
    console.print_json(json.dumps(call(settings, name, arguments(settings, name, context.args))))


def main() -> None:
    """The console script."""
    try:
        app()
    except EgideError as error:
        errors.print(f"[red]{error.what.fr}[/red]\n{error}")
        if error.do:
            errors.print(f"{error.do.fr} / {error.do.en}")
        sys.exit(1)

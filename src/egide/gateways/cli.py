"""The command line: `egide <act> --field value` for every act, and the operator's own: init, serve, doctor, demo, ledger, map.

Acts go to the running server with the operator's token; nothing here writes to the store while a server runs.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from egide.gateways.composition import composed
from egide.kernel.errors import EgideError, NotFound, Text
from egide.kernel.settings import Settings, load

app = typer.Typer(
    name="egide",
    help="Égide — la loi d’abord, la preuve ensuite. / The law first, then the proof.",
    no_args_is_help=True,
    add_completion=False,
)
ledger_app = typer.Typer(help="Registre : export, vérification. / Ledger: export, verification.", no_args_is_help=True)
law_app = typer.Typer(
    help="Droit : rejeu, contrôle d’un recueil. / Law: replay, check of a pack.", no_args_is_help=True
)
witness_app = typer.Typer(
    help="Témoin : cosigner le registre d’un service. / Witness: cosign a service’s ledger.", no_args_is_help=True
)
map_app = typer.Typer(help="Carte hors ligne. / Offline map.", no_args_is_help=True)
backup_app = typer.Typer(help="Sauvegarde, vérification. / Backup, verification.", invoke_without_command=True)
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
consortium_app = typer.Typer(
    help="Consortium : membres, votes, contrat. / Consortium: members, votes, contract.", no_args_is_help=True
)
border_app.add_typer(consortium_app, name="consortium")
authority_app = typer.Typer(
    help="Consortium : une autorité de la frontière. / Consortium: one of the border’s authorities.",
    no_args_is_help=True,
)
app.add_typer(authority_app, name="authority")
console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)

AGAIN = (
    40  # times another process of the platform is asked where one alone can do it; of four, all say no once in 100,000
)
AGAIN_S = 0.05  # s between two of them
ELSEWHERE = "elsewhere"  # code of that answer (border/clerk.py)
DataOption = Annotated[Path | None, typer.Option("--data", help="Dossier des données / data folder")]


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
    port: Annotated[int | None, typer.Option(help="Port")] = None,
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
    port: Annotated[int | None, typer.Option(help="Port")] = None,
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


PassphraseOption = Annotated[
    Path | None,
    typer.Option("--passphrase-file", help="Fichier de la phrase de passe des clés / file of the keys’ passphrase"),
]
KeyOption = Annotated[Path | None, typer.Option("--key", help="Clé publique du registre / the ledger’s public key")]


@backup_app.callback()
def backup(
    context: typer.Context,
    to: Annotated[
        Path | None, typer.Option("--to", help="Dossier des données sauvées / folder of the data sets")
    ] = None,
    keys_to: Annotated[
        Path | None, typer.Option("--keys-to", help="Dossier des clés, ailleurs / folder of the keys, elsewhere")
    ] = None,
    passphrase_file: PassphraseOption = None,
    keep_keys: Annotated[int, typer.Option(help="Jeux de clés gardés / sets of keys kept", min=1)] = 1,
    data: DataOption = None,
) -> None:
    """Sauve données et clés, à part, serveur lancé ou non. / Back up data and keys, apart, whether the server runs or not."""
    if context.invoked_subcommand is not None:
        return
    from egide.gateways.backups import write  # noqa: PLC0415 — keeps `egide --help` fast

    raise typer.Exit(write(load(data), to, keys_to, passphrase_file, keep_keys, console))


@backup_app.command("verify")
def backup_verify(file: Path, key: KeyOption = None, passphrase_file: PassphraseOption = None) -> None:
    """Vérifie chaque octet d’une sauvegarde. / Verify every byte of a backup."""
    from egide.gateways.backups import verify  # noqa: PLC0415

    raise typer.Exit(verify(file, key, passphrase_file, console))


@app.command()
def restore(
    backup_set: Annotated[
        Path, typer.Argument(help="Sauvegarde des données, ou son dossier / data set, or its folder")
    ],
    keys: Annotated[Path, typer.Option("--keys", help="Sauvegarde des clés, ou son dossier / key set, or its folder")],
    passphrase_file: PassphraseOption = None,
    key: KeyOption = None,
    head: Annotated[
        Path | None, typer.Option("--head", help="Tête signée connue d’ailleurs / signed head known from elsewhere")
    ] = None,
    accept_older_keys: Annotated[
        bool, typer.Option("--accept-older-keys", help="Perdre ce qu’elles n’ouvrent pas / lose what they cannot open")
    ] = False,
    data: DataOption = None,
) -> None:
    """Restaure sur une machine vide, puis vérifie le registre. / Restore onto an empty machine, then check the ledger."""
    from egide.gateways.backups import bring_back  # noqa: PLC0415

    folder = data or Path(os.environ.get("EGIDE_DATA", "var"))
    raise typer.Exit(
        bring_back(folder, backup_set, keys, passphrase_file, key, head, console, older_keys=accept_older_keys)
    )


@ledger_app.command("verify")
def ledger_verify(
    path: Path,
    key: Annotated[
        list[Path] | None,
        typer.Option("--key", help="Fichier de clés publiques, du registre ou de témoins / of the log or of witnesses"),
    ] = None,
    stamp_authority: Annotated[
        Path | None, typer.Option(help="Certificat PEM de l’autorité d’horodatage / the time-stamping authority’s")
    ] = None,
) -> None:
    """Vérifie un export sans rien d’autre que lui et les clés publiques. / Verify an export with nothing else but public keys."""
    from egide.gateways.verify import verify  # noqa: PLC0415

    raise typer.Exit(verify(path, key or [], console, stamp_authority))


@ledger_app.command("export")
def ledger_export(
    path: Path,
    kind: Annotated[str, typer.Option(help="inspector | public")] = "public",
    data: DataOption = None,
) -> None:
    """Exporte le registre public (racines) d’une installation arrêtée ou non. / Export the public ledger (roots)."""
    from egide.gateways.verify import export_public  # noqa: PLC0415

    raise typer.Exit(export_public(load(data), path, kind, console))


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
    port: Annotated[int | None, typer.Option(help="Port")] = None,
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


@ledger_app.command("tiles")
def ledger_tiles(path: Path, data: DataOption = None) -> None:
    """Écrit l’arbre public en fichiers (C2SP tlog-tiles), pour des miroirs. / Write the public tree as files, for mirrors."""
    from egide.gateways.verify import export_tiles  # noqa: PLC0415

    raise typer.Exit(export_tiles(load(data), path, console))


@witness_app.command("serve")
def witness_serve(
    data: Annotated[Path, typer.Option("--data", help="Dossier du témoin / the witness’s folder")] = Path("witness"),
    port: Annotated[int, typer.Option(help="Port")] = 8621,
    host: Annotated[str, typer.Option(help="Adresse d’écoute / listening address")] = "127.0.0.1",
    name: Annotated[str, typer.Option(help="Nom de la clé, au premier démarrage / key name, at the first start")] = "",
) -> None:
    """Cosigne ce qui prolonge ce qu’il a déjà vu. / Cosign what continues what it has already seen."""
    from egide.gateways.witness import serve  # noqa: PLC0415

    serve(data, host, port, name, console)


@witness_app.command("trust")
def witness_trust(
    vkey: str,
    data: Annotated[Path, typer.Option("--data", help="Dossier du témoin / the witness’s folder")] = Path("witness"),
) -> None:
    """Reconnaît un registre par sa clé publique. / Know a log by its public key."""
    from egide.gateways.witness import trust  # noqa: PLC0415

    trust(data, vkey, console)


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


PortOption = Annotated[int | None, typer.Option(help="Port")]


@consortium_app.command("show")
def consortium_show(
    as_json: Annotated[bool, typer.Option("--json", help="Tout, en JSON / everything, as JSON")] = False,
    data: DataOption = None,
    port: PortOption = None,
) -> None:
    """Dit les membres, les clés inscrites et les votes en cours. / Say members, listed keys and open votes."""
    from egide.gateways.consortium_cli import show  # noqa: PLC0415

    raise typer.Exit(show(load(data, port=port), console, as_json=as_json))


@consortium_app.command("vote-in")
def consortium_vote_in(
    line: Annotated[str, typer.Argument(help="Ligne du nouveau membre / the new member’s line")],
    data: DataOption = None,
    port: PortOption = None,
) -> None:
    """Propose un nouveau membre, ou vote pour lui. / Propose a new member, or vote for it."""
    from egide.gateways.consortium_cli import vote_in  # noqa: PLC0415

    raise typer.Exit(vote_in(load(data, port=port), line, console))


@consortium_app.command("vote-out")
def consortium_vote_out(
    member: Annotated[str, typer.Argument(help="Nom ou adresse / name or address")],
    data: DataOption = None,
    port: PortOption = None,
) -> None:
    """Propose la sortie d’un membre, ou vote pour elle. / Propose that a member leaves, or vote for it."""
    from egide.gateways.consortium_cli import vote_out  # noqa: PLC0415

    raise typer.Exit(vote_out(load(data, port=port), member, console))


@consortium_app.command("vote")
def consortium_vote(
    number: Annotated[str, typer.Argument(help="Numéro du vote, d’après « show » / the vote’s number, from “show”")],
    data: DataOption = None,
    port: PortOption = None,
) -> None:
    """Vote pour ce qu’un autre membre a proposé. / Vote for what another member proposed."""
    from egide.gateways.consortium_cli import vote_for  # noqa: PLC0415

    raise typer.Exit(vote_for(load(data, port=port), number, console))


@consortium_app.command("remove-key")
def consortium_remove_key(
    kid: Annotated[str, typer.Argument(help="Nom de la clé / the key’s name")],
    role: Annotated[str, typer.Option("--role", help="issuer | verifier")] = "verifier",
    data: DataOption = None,
    port: PortOption = None,
) -> None:
    """Radie une clé d’un membre parti, ou d’ici. / Take off a key of a member that left, or of this one."""
    from egide.gateways.consortium_cli import remove_key  # noqa: PLC0415

    raise typer.Exit(remove_key(load(data, port=port), kid, role, console))


@consortium_app.command("deploy")
def consortium_deploy(
    node: Annotated[str, typer.Argument(help="https://nœud / https://node")],
    chain: Annotated[int, typer.Argument(help="Numéro de sa chaîne / number of its chain")],
    members: Annotated[list[str], typer.Argument(help="Les lignes des membres / the members’ lines")],
    data: DataOption = None,
    port: PortOption = None,
) -> None:
    """Crée le contrat sur un nœud EVM. / Create the contract on an EVM node."""
    from egide.gateways.consortium_cli import deploy  # noqa: PLC0415

    raise typer.Exit(deploy(load(data, port=port), node, chain, members, console))


@authority_app.command("key")
def authority_key(
    name: Annotated[str, typer.Argument(help="Nom que les autres liront / name that the others will read")],
    data: DataOption = None,
    node: Annotated[
        bool, typer.Option("--node", help="Pour un contrat sur un nœud EVM / for a contract on an EVM node")
    ] = False,
) -> None:
    """Tire la clé de ce membre et dit sa ligne publique. / Draw this member’s key and say its public line."""
    from egide.gateways.authority_cli import key, node_key  # noqa: PLC0415

    (node_key if node else key)(load(data).folder, name, console)


@authority_app.command("genesis")
def authority_genesis(
    members: Annotated[list[str], typer.Argument(help="Les lignes des membres / the members’ lines")],
    out: Annotated[Path, typer.Option("--out", help="Fichier / file")] = Path("genesis.json"),
) -> None:
    """Écrit la genèse que tous les membres prendront. / Write the genesis that all members take."""
    from egide.gateways.authority_cli import genesis  # noqa: PLC0415

    genesis(members, out, console)


@authority_app.command("serve")
def authority_serve(data: DataOption = None) -> None:
    """Tient une autorité sans plateforme, jusqu’à un signal. / Run one authority without a platform, until a signal."""
    from egide.gateways.authority_cli import serve  # noqa: PLC0415

    serve(load(data), console)


@authority_app.command("show")
def authority_show(data: DataOption = None) -> None:
    """Dit la hauteur, les membres et les fautes, par leur nom. / Say height, members and faults, by name."""
    from egide.gateways.authority_cli import show  # noqa: PLC0415

    raise typer.Exit(show(load(data), console))


def call(settings: Settings, name: str, given: dict[str, Any]) -> dict[str, Any]:
    """Performs an act on the running server with the operator's token; raises `SystemExit` with the server's words."""
    from egide.gateways.standing import trust  # noqa: PLC0415

    try:
        token = (settings.folder / "operator.token").read_text().strip()
    except OSError as error:
        raise NotFound(
            Text(
                f"Aucune installation lisible dans {settings.folder}.", f"No installation to read in {settings.folder}."
            ),
            Text("Lancez « egide serve », ou donnez --data.", "Run “egide serve”, or give --data."),
        ) from error
    request = urllib.request.Request(  # noqa: S310 — our own loopback address
        f"{'https' if settings.tls else 'http'}://127.0.0.1:{settings.port}/api/acts/{name}",
        json.dumps(given).encode(),
        {"authorization": f"Bearer {token}", "content-type": "application/json"},
    )
    for left in range(AGAIN, -1, -1):
        try:
            with urllib.request.urlopen(request, timeout=30, context=trust(settings)) as answer:  # noqa: S310
                found: dict[str, Any] = json.load(answer)
                return found
        except urllib.error.HTTPError as error:
            told = json.load(error)
            if told.get("code") == ELSEWHERE and left:  # a new connection may be another process's
                time.sleep(AGAIN_S)
                continue
            _tell_refused(told)
            raise SystemExit(1) from error
        except (urllib.error.URLError, OSError) as error:
            errors.print(
                "Le serveur ne répond pas : lancez « egide serve ». / The server does not answer: run “egide serve”."
            )
            raise SystemExit(1) from error
    raise AssertionError("the last turn returns or raises")


def _tell_refused(told: dict[str, Any]) -> None:
    errors.print(f"[red]{told['title']['fr']}[/red]\n{told['title']['en']}")
    for reason in told.get("reasons", []):
        errors.print(f"  {reason['text']} {reason['article']} — {reason['fr']} / {reason['en']}")
    if told.get("do"):
        errors.print(f"{told['do']['fr']} / {told['do']['en']}")


@app.command("act", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def act_command(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Nom de l’acte, ou « list »")] = "list",
    data: DataOption = None,
    port: Annotated[int | None, typer.Option(help="Port")] = None,
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

"""`python -m campaign NAME`, from the tests' directory: runs a campaign, prints what came of it."""

import argparse
import os
import sys
from collections.abc import Sequence

from campaign import (
    flood,
    fuzz,
    growth,
    kills,
    languages,
    machine,
    matrix,
    nspawn,
    races,
    rotations,
    schedules,
    soak,
    stuck,
)
from support.languages import LANGUAGES, NotReadyError
from support.toolchains import VARIABLE


def main(argv: Sequence[str] | None = None) -> int:
    """Run the campaign that is asked for; return 1 where something was wrong."""
    parser = argparse.ArgumentParser(prog="campaign", description=__doc__)
    campaigns = parser.add_subparsers(required=True)
    one = campaigns.add_parser("matrix", help="each fault at each moment, as a table in Markdown")
    one.add_argument("--fault", default="", help="only faults with this in their name")
    one.add_argument("--moment", choices=matrix.MOMENTS, help="only this moment")
    one.add_argument("--jobs", type=int, default=6, help="conversations at a time (6)")
    one.set_defaults(run=_matrix)
    one = campaigns.add_parser("rotations", help="rotations with speech both ways, in real time")
    one.set_defaults(run=_rotations)
    one = campaigns.add_parser("schedules", help="random faults in random conversations")
    one.add_argument("--seed", type=int, default=1, help="the first seed (1)")
    one.add_argument("--count", type=int, default=200, help="how many seeds (200)")
    one.add_argument("--jobs", type=int, default=4, help="conversations at a time (4)")
    one.set_defaults(run=_schedules)
    one = campaigns.add_parser("kills", help="kill -9 at random moments under load")
    one.add_argument("--seed", type=int, default=1, help="of the schedule (1)")
    one.add_argument("--count", type=int, default=30, help="how many kills (30)")
    one.set_defaults(run=_kills)
    one = campaigns.add_parser("soak", help="a long conversation: what the daemon holds over time")
    one.add_argument("--minutes", type=int, default=60, help="of conversation (60)")
    one.add_argument("--speed", type=float, default=20.0, help="times faster than life (20)")
    one.set_defaults(run=_soak)
    one = campaigns.add_parser("fuzz", help="a million inputs, whole and in pieces")
    one.add_argument("--seed", type=int, default=1, help="of the inputs (1)")
    one.add_argument("--count", type=int, default=700_000, help="inputs without a session (700000)")
    one.add_argument("--live", type=int, default=300_000, help="and with one (300000)")
    one.add_argument(
        "--apart",
        type=int,
        default=500_000,
        help="and to each of two daemons whose memory is watched (500000)",
    )
    one.set_defaults(run=_fuzz)
    one = campaigns.add_parser("races", help="subscribe, unsubscribe, publish, vanish, resume")
    one.add_argument("--seed", type=int, default=1, help="of the dice (1)")
    one.add_argument("--count", type=int, default=10_000, help="how many subscriptions (10000)")
    one.set_defaults(run=_races)
    one = campaigns.add_parser("stuck", help="a stopped client while the model talks")
    one.add_argument("--minutes", type=float, default=10.0, help="of speech, three times (10)")
    one.add_argument("--speed", type=float, default=20.0, help="times faster than life (20)")
    one.set_defaults(run=_stuck)
    one = campaigns.add_parser("flood", help="one client floods, another waits")
    one.add_argument("--flood", choices=flood.names(), help="only this one")
    one.add_argument("--seconds", type=float, default=3.0, help="of each measurement (3)")
    one.add_argument("--rounds", type=int, default=3, help="measurements of a kind (3)")
    one.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="values")
    one.set_defaults(run=_flood)
    one = campaigns.add_parser("languages", help="the small program in every language, together")
    one.set_defaults(run=_languages)
    one = campaigns.add_parser("machine", help="the Debian package in a machine with systemd")
    one.set_defaults(run=_machine)
    flags = parser.parse_args(argv)
    return int(flags.run(flags))


def _matrix(flags: argparse.Namespace) -> bool:
    rows = [row for row in matrix.ROWS if flags.fault in row.name]
    moments = [flags.moment] if flags.moment else matrix.MOMENTS
    cells = matrix.run(rows, moments, jobs=flags.jobs)
    print(matrix.table(cells))
    return any(cell.problems for cell in cells)


def _rotations(_flags: argparse.Namespace) -> bool:
    result = rotations.run()
    print(rotations.table(result))
    return bool(result.problems)


def _schedules(flags: argparse.Namespace) -> bool:
    seeds = range(flags.seed, flags.seed + flags.count)
    results = schedules.run(seeds, jobs=flags.jobs, tell=lambda text: print(text, flush=True))
    print(schedules.summary(results))
    return any(result.problems for result in results)


def _kills(flags: argparse.Namespace) -> bool:
    print(kills.HEAD)
    result = kills.run(flags.seed, flags.count, lambda text: print(text, flush=True))
    print(kills.summary(result))
    return bool(result.problems)


def _soak(flags: argparse.Namespace) -> bool:
    print(soak.HEAD)
    result = soak.run(flags.minutes, flags.speed, lambda text: print(text, flush=True))
    print(soak.summary(result))
    return bool(result.problems)


def _fuzz(flags: argparse.Namespace) -> bool:
    wrong = False
    for mode, count in (("idle", flags.count), ("live", flags.live)):
        result = fuzz.run(flags.seed, count, mode, lambda text: print(text, flush=True))
        print(f"{mode}: {fuzz.summary(result)}", flush=True)
        wrong |= bool(result.problems)
    for grown in growth.run(flags.seed, flags.apart, lambda text: print(text, flush=True)):
        print(growth.summary(grown), flush=True)
        wrong |= bool(grown.problems)
    return wrong


def _races(flags: argparse.Namespace) -> bool:
    result = races.run(flags.seed, flags.count)
    print(races.summary(result))
    return bool(result.problems)


def _stuck(flags: argparse.Namespace) -> bool:
    result = stuck.run(flags.minutes, flags.speed)
    print(stuck.summary(result))
    return bool(result.problems)


def _flood(flags: argparse.Namespace) -> bool:
    print(flood.HEAD)
    problems = []
    names = [flags.flood] if flags.flood else flood.names()
    for row in flood.run(names, flags.seconds, flags.rounds, flags.values):
        print(flood.row(row), flush=True)
        problems += row.problems
    for problem in problems:
        print(f"PROBLEM {problem}")
    return bool(problems)


def _languages(_flags: argparse.Namespace) -> bool:
    os.environ[VARIABLE] = "1"  # who runs this wants all of them
    try:
        spoken = languages.run(list(LANGUAGES))
    except NotReadyError as lacking:
        print(f"PROBLEM {lacking}")
        return True
    print(languages.table(spoken))
    return any(one.code for one in spoken)


def _machine(_flags: argparse.Namespace) -> bool:
    if lacking := nspawn.missing():
        print(f"no machine without {', '.join(lacking)}")
        return True
    machine.run(lambda text: print(text, flush=True))
    return False


if __name__ == "__main__":
    sys.exit(main())

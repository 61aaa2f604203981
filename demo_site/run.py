"""The demo: a real site, a real Celery worker, and a customer who orders by HTTP.

``python -m demo_site.run`` plays a story, prints what happened when, and checks it: it exits with
0 only if all was as promised. ``--serve`` stays up for a person in the browser, until Ctrl-C.
BROKER_URL and DATABASE_URL choose other services than those that need no installation.
"""

import argparse
import os
import shutil
import sys
from pathlib import Path

import httpx
from rich.console import Console
from rich.markup import escape

from demo_site.processes import WARM, Failed, Processes, exit_on_signals
from demo_site.report import (
    findings,
    follow,
    print_code,
    print_findings,
    print_services,
    print_timeline,
    step,
)
from demo_site.services import BadUrl
from demo_site.shop import mail
from demo_site.shop.timeline import OF_THE_SHOP, moments, timeline_file
from demo_site.stage import (
    broker,
    delete_queue,
    is_ready,
    only_one,
    prepare,
    start,
    write_environment,
)
from demo_site.story import Shopper, happened
from demo_site.supervisor import Supervisor

#: The folder for everything that the demo writes.
VAR = Path(os.environ.get("DEMO_VAR") or Path(__file__).resolve().parent.parent / "var" / "demo")
#: Exit code of a wrong BROKER_URL or DATABASE_URL.
BAD_URL = 2
#: The first is Django's usual port; with 0 the system chooses one.
EXPECTED_PORT, ANY_PORT = 8000, 0


def main() -> int:
    """Play the story or serve the shop; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m demo_site.run", description="The demo shop.")
    parser.add_argument(
        "--serve", action="store_true", help="stay up for the browser, until Ctrl-C"
    )
    parser.add_argument("--port", type=int, help="the site's port; 0: any")
    arguments = parser.parse_args()
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=110)
    exit_on_signals()
    try:
        if arguments.serve:
            wanted = [EXPECTED_PORT, ANY_PORT] if arguments.port is None else [arguments.port]
            return serve(console, wanted)
        return play(console, [arguments.port or ANY_PORT])
    except BadUrl as error:
        print(error, file=sys.stderr)
        return BAD_URL
    except Failed as error:
        print(error, file=sys.stderr)
        return 1


def play(console: Console, ports: list[int]) -> int:
    """Play the story once, in a folder and on a queue of its own."""
    folder = VAR / f"run-{os.getpid()}"
    folder.mkdir(parents=True, exist_ok=True)
    good = False
    try:
        with Processes(folder, grace=1.0) as others, broker(others) as hint:
            with step(console, "Database and broker"):
                prepare(folder, queue=f"demo_shop_{os.getpid()}")
            mail.change("hiccups")  # to have something to retry
            print_services(console, hint)
            try:
                good = _play(console, folder, ports)
            finally:
                delete_queue()
    except Failed as error:
        console.print(f"[red]✗[/] {escape(str(error))}")
    except httpx.HTTPError as error:
        console.print(f"[red]✗[/] The site fails: {escape(str(error))}")
    except BaseException:  # Ctrl-C, a wrong URL: nobody wants to look into the folder
        shutil.rmtree(folder, ignore_errors=True)
        raise
    if good:
        shutil.rmtree(folder, ignore_errors=True)
        return 0
    print_logs(console, folder)
    return 1


def _play(console: Console, folder: Path, ports: list[int]) -> bool:
    # If the story ends early, nobody needs what the worker still holds.
    with Processes(folder, grace=1.0) as processes:
        address = start(console, processes, *ports)
        story = Shopper(address, tell=lambda line: console.print(f"  → {line}")).go_shopping()
        expected = story.expected()
        try:
            with step(console, f"{expected.total()} runs of deferred receivers"):
                processes.wait_for(
                    lambda: not expected - happened(moments()), "the deferred receivers", seconds=30
                )
        except Failed as error:
            console.print(f"[red]✗[/] {error}")  # and the timeline shows how far it came
        with step(console, "Warm shutdown"):
            processes.stop(WARM)
    timeline = [moment for moment in moments() if moment.kind in OF_THE_SHOP]
    console.print()
    print_timeline(console, timeline, story)
    console.print()
    print_code(console, timeline)
    console.print()
    results = findings(timeline, story)
    print_findings(console, results)
    return all(good for good, _ in results)


def serve(console: Console, ports: list[int]) -> int:
    """Serve the shop to a person; orders are kept for the next start."""
    folder = VAR / "serve"
    with only_one(folder), Processes(folder, grace=1.0) as others, broker(others) as hint:
        with step(console, "Database and broker"):
            prepare(folder, queue="demo_shop")
        timeline_file().unlink(missing_ok=True)  # it tells of processes that are gone
        mail.change("fine")
        mail.cure()
        write_environment(folder)
        print_services(console, hint)
        try:
            with Processes(folder, grace=WARM) as processes:
                address = start(console, processes, *ports)
                supervisor = Supervisor(
                    processes, others, lambda name: is_ready(name, processes, address)
                )
                supervisor.work()
                Shopper(address, tell=lambda line: console.print(f"  → {line}")).look_in()
                console.print(f"\nOpen [bold]{address}/[/]. Ctrl-C stops the shop.\n")
                try:
                    follow(console, supervisor.work)
                finally:
                    supervisor.resume()  # else the worker would wait for it
        except Failed as error:
            console.print(f"[red]✗[/] {error}")
            print_logs(console, folder)
            return 1
        except SystemExit:
            console.print("Stopped.")
    return 0


def print_logs(console: Console, folder: Path) -> None:
    """Print the end of each log; the whole logs are in the folder."""
    for log in sorted(folder.glob("*.log")):
        console.rule(f"the end of {log}", align="left")
        for line in log.read_text(errors="replace").splitlines()[-40:]:
            console.print(line, markup=False, soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main())

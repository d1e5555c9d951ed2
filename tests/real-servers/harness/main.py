"""Real authorization servers, a login at each, and the agent: one table.

    main.py --agent PROGRAM --packages FOLDER [NAME…]
"""

import argparse
import importlib.metadata
import json
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from checks import Checks, Failed
from subjects import SUBJECTS

WIDTH = 12
# Most of the time each of them waits.
AT_ONCE = 6


def version(package, packages):
    manifest = packages / "node_modules" / package / "package.json"
    if manifest.exists():
        return json.loads(manifest.read_text())["version"]
    found = importlib.metadata.distributions(name=package, path=[str(packages / "python")])
    return next(iter(found)).version


def examine(subject, arguments, folder):
    """The cells of one row, and what failed."""
    cells, complaints = [], []
    checks = None
    try:
        checks = Checks(subject, arguments.agent, arguments.packages, folder)
        for name in Checks.NAMES:
            try:
                checks.run(name)
                cells.append("ok")
            except (AssertionError, OSError, KeyError, ValueError) as error:
                cells.append("FAILED")
                kind = "" if isinstance(error, Failed) else f"{type(error).__name__}: "
                complaints.append(f"{subject.name}, {name}: {kind}{error}")
                if not isinstance(error, Failed):
                    complaints.append(checks.server.said())
                if name == "login":
                    break  # nothing else can be seen
    except AssertionError as error:
        complaints.append(f"{subject.name}: {error}")
    finally:
        if checks:
            checks.server.stop()
    cells += ["FAILED"] * (len(Checks.NAMES) - len(cells))
    made = len(checks.server.recorder.refreshes) if checks else 0
    return [*cells, str(made)], complaints


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--agent", required=True)
    parser.add_argument("--packages", required=True, type=Path)
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    chosen = [subject for subject in SUBJECTS if not arguments.names or subject.name in arguments.names]
    if not chosen:
        parser.error("no such server; there are: " + ", ".join(subject.name for subject in SUBJECTS))
    with tempfile.TemporaryDirectory(prefix="real-servers-") as scratch, ThreadPoolExecutor(AT_ONCE) as pool:
        rows = list(pool.map(
            lambda subject: examine(subject, arguments, Path(scratch) / subject.name.replace(" ", "-")), chosen
        ))
    print(f"{'server':38}{'version':10}" + "".join(f"{name:{WIDTH}}" for name in (*Checks.NAMES, "requests")))
    for subject, (cells, _) in zip(chosen, rows):
        print(f"{subject.name:38}{version(subject.package, arguments.packages):10}", end="")
        print("".join(f"{cell:{WIDTH}}" for cell in cells))
    complaints = [complaint for _, found in rows for complaint in found]
    for complaint in complaints:
        print(f"\n{complaint}")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())

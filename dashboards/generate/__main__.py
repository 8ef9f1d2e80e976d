"""Writes the dashboards: `python3 dashboards/generate`; with `--check` only says whether the committed ones differ.

Needs requirements.txt. Besides the dashboards it writes may_be_empty.json: the queries that may give nothing although
everything is fine, each with the reason.
"""

import argparse
import difflib
import json
import pathlib
import sys

sys.dont_write_bytecode = True

import customer  # noqa: E402
import exporter  # noqa: E402
import seats  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent


def main() -> int:
    arguments = argparse.ArgumentParser(description="Generates the Grafana dashboards.")
    arguments.add_argument("--check", action="store_true", help="write nothing; fail if a file differs")
    check = arguments.parse_args().check

    boards = {"seats": seats.board(), "customer": customer.board(), "exporter": exporter.board()}
    files = {HERE.parent / f"{name}.json": board.json() for name, board in boards.items()}
    may_be_empty = {query: reason for board in boards.values() for query, reason in board.may_be_empty.items()}
    files[HERE / "may_be_empty.json"] = json.dumps(may_be_empty, indent=2, ensure_ascii=False) + "\n"

    differ = 0
    for path, text in files.items():
        if not check:
            path.write_text(text, encoding="utf-8")
            continue
        committed = path.read_text(encoding="utf-8") if path.exists() else ""
        if committed != text:
            differ += 1
            name = path.relative_to(HERE.parent.parent)
            sys.stdout.writelines(
                difflib.unified_diff(
                    committed.splitlines(keepends=True),
                    text.splitlines(keepends=True),
                    f"{name} (committed)",
                    f"{name} (generated)",
                )
            )
    if differ:
        print(f"{differ} files are not what the generator makes: run python3 dashboards/generate", file=sys.stderr)
    elif check:
        print(f"{len(files)} files are what the generator makes")
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())

"""Runs a world against the rules with `promtool test rules` and reads back when which alert fired.

promtool asserts, and does not print what it evaluates. So the test asks, at every step, for the alerts that began or ended
with that step and expects none: what it prints as "got" is the history of all alerts, and costs one query a step.
"""

import collections
import json
import os
import pathlib
import re
import subprocess
import tempfile

import yaml

from exposition import exposed

RULES = pathlib.Path(__file__).resolve().parent.parent
FIRING = 'ALERTS{alertstate="firing"}'
TIME = re.compile(r'^    expr: ".*", time: ([0-9a-z]+),$')
GOT = "        got:"
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)=("(?:[^"\\]|\\.)*")')
PREVIOUS = re.compile(r"\((avepoint:[a-z0-9_:]+) or last_over_time\(\1\[1h\]\)\s+unless on \(\) avepoint:[a-z]+:heartbeat\)")
UNITS = {"w": 604800, "d": 86400, "h": 3600, "m": 60, "s": 1}

Alert = collections.namedtuple("Alert", "labels start end")


class RulesFailed(Exception):
    """promtool said something else than which alerts fired."""


def rule_files():
    return sorted(RULES.glob("*.rules.yml"))


def group_order():
    """The order of evaluation: a group after those whose records it reads, else as in the files."""
    groups = [group for path in rule_files() for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]]
    made = {rule["record"]: group["name"] for group in groups for rule in group["rules"] if "record" in rule}
    reads = {}
    for group in groups:
        text = " ".join(rule["expr"] for rule in group["rules"])
        reads[group["name"]] = {made[name] for name in re.findall(r"avepoint:[a-z0-9_:]+", text) if name in made} - {group["name"]}
    order = []
    while len(order) < len(groups):
        left = [group["name"] for group in groups if group["name"] not in order]
        # Two groups may read each other, each what the other said a moment ago: then the first in the files goes first.
        order.append(next((name for name in left if reads[name] <= set(order)), min(left, key=lambda name: len(reads[name] - set(order)))))
    return order


def seconds(duration):
    return sum(int(count) * UNITS[unit] for count, unit in re.findall(r"(\d+)(w|d|h|m|s)", str(duration)))


def prepared(path, folder, world):
    """A copy of the rules for a world, without annotations: they cost a third of the time, and rule tests have them.

    Rules that read their previous evaluation expect it within five minutes, else they look back for an hour, as after an
    outage of Prometheus. With steps longer than that, the previous evaluation is the one a step ago, and nothing else.
    promtool refuses queries of more than 10,000 samples, which two weeks of twenty customers by the hour are.
    """
    step = world.step
    rules = yaml.safe_load(path.read_text(encoding="utf-8"))
    for group in rules["groups"]:
        for rule in group["rules"]:
            rule.pop("annotations", None)
            if step > 300:
                rule["expr"] = PREVIOUS.sub(rf"last_over_time(\1[{step}s])", rule["expr"]).replace("[14d:1h]", f"[14d:{world.drops_hours}h]")
    copy = pathlib.Path(folder) / path.name
    copy.write_text(json.dumps(rules), encoding="utf-8")
    return str(copy)


def run(world, keep=None):
    """The alerts of a world, as (labels, first step, step after the last)."""
    with tempfile.TemporaryDirectory() as folder:
        home = pathlib.Path(keep or folder) / world.name
        home.mkdir(parents=True, exist_ok=True)
        files = [prepared(path, home, world) for path in rule_files()]
        step = f"{world.step}s"
        query = f"({FIRING} unless {FIRING} offset {step}) or 0 * ({FIRING} offset {step} unless {FIRING})"
        asked = [{"eval_time": f"{at * world.step}s", "expr": query} for at in range(world.steps)]
        inputs = [{"series": name, "values": values} for name, values in exposed(world).rendered(world.steps)]
        test = {"interval": step, "input_series": inputs, "promql_expr_test": asked}
        file = {"rule_files": files, "evaluation_interval": step, "group_eval_order": group_order(), "tests": [test]}
        path = home / "year.test.yml"
        path.write_text(json.dumps(file), encoding="utf-8")
        environment = {**os.environ, "GOMAXPROCS": "1", "GOGC": "400"}
        done = subprocess.run(["promtool", "test", "rules", str(path)], capture_output=True, text=True, env=environment, check=False)
    if keep:
        path.with_suffix(".out").write_text(done.stdout + done.stderr, encoding="utf-8")
    return read(world, (done.stdout + done.stderr).splitlines())


def read(world, lines):
    now, began, alerts = None, {}, []
    for line in lines:
        if match := TIME.match(line):
            now = seconds(match[1]) // world.step
        elif line.startswith(GOT):
            for labels, value in samples(line):
                key = tuple(sorted(labels.items()))
                if value == "1":
                    began[key] = now
                else:
                    alerts.append(Alert(labels, began.pop(key), now))
        elif line.strip() and not line.startswith(("Unit Testing:", "  FAILED:", "        exp:")):
            raise RulesFailed(f"{world.name}: {line.strip()}")
    alerts += [Alert(dict(key), start, world.steps) for key, start in began.items()]
    return alerts


def samples(text):
    for labels, value in re.findall(r"\{((?:[^{}\"]|\"(?:[^\"\\]|\\.)*\")*)\} ([01])E\+00", text):
        found = {name: json.loads(quoted) for name, quoted in LABEL.findall(labels)}
        yield {name: label for name, label in found.items() if name not in ("__name__", "alertstate")}, value

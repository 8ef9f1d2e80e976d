"""What an engineer gets: notifications as the shipped Alertmanager configuration makes them of alerts; and the tables."""

import collections
import pathlib
import re
import statistics

import yaml

from bench import seconds
from timeline import minus, union

ALERTMANAGER = pathlib.Path(__file__).resolve().parent.parent.parent / "compose" / "alertmanager.yml"
SHOWN = 40  # findings of a kind that are printed


class Sent:
    """Counts by alert and severity: alerts that were not inhibited, messages for new ones, repeated messages, and of their end."""

    def __init__(self):
        self.alerts, self.messages, self.repeats, self.ends = (collections.Counter() for _ in range(4))

    def add(self, other):
        for mine, theirs in zip(vars(self).values(), vars(other).values()):
            mine.update(theirs)


def matches(matchers, labels):
    for matcher in matchers:
        name, operator, value = re.fullmatch(r'\s*(\w+)\s*(=~|!~|!=|=)\s*"?(.*?)"?\s*', matcher).groups()
        found = re.fullmatch(value, labels.get(name, "")) if "~" in operator else labels.get(name, "") == value
        if bool(found) == operator.startswith("!"):
            return False
    return True


def notifications(world, alerts):
    config = yaml.safe_load(ALERTMANAGER.read_text(encoding="utf-8"))
    sent, groups = Sent(), collections.defaultdict(list)
    sources = [[a for a in alerts if matches(rule["source_matchers"], a.labels)] for rule in config["inhibit_rules"]]
    for alert in alerts:
        quiet = []
        for rule, by in zip(config["inhibit_rules"], sources):
            if matches(rule["target_matchers"], alert.labels):
                both = matches(rule["source_matchers"], alert.labels)
                equal = rule.get("equal", [])
                of = [a for a in by if all(a.labels.get(name, "") == alert.labels.get(name, "") for name in equal)]
                quiet += [(a.start, a.end) for a in of if not both or not matches(rule["target_matchers"], a.labels)]
        heard = minus([(alert.start, alert.end)], union(quiet))
        if heard:
            kind = alert.labels["alertname"], alert.labels["severity"]
            sent.alerts[kind] += len(heard)
            route = config["route"]
            for child in route.get("routes", []):
                if matches(child.get("matchers", []), alert.labels):
                    route = {**route, **child}
                    break
            key = tuple(alert.labels.get(name, "") for name in route["group_by"])
            groups[kind, key, seconds(route["repeat_interval"]) // world.step].append(heard)
    for (kind, _, repeat), members in groups.items():
        starts = sorted({span[0] for heard in members for span in heard})
        ends = sorted({span[1] for heard in members for span in heard if span[1] < world.steps})
        sent.messages[kind] += len(starts)
        sent.ends[kind] += len(ends)
        for start, end in union(*members):
            edges = [at for at in (*starts, *ends) if start <= at < end] + [end]
            edges.sort()
            sent.repeats[kind] += sum((after - before - 1) // repeat for before, after in zip(edges, edges[1:]) if after > before)
    return sent


def findings(result):
    for kind in ("missed", "wrong", "doubled"):
        found = getattr(result, kind)
        for finding in found[:SHOWN]:
            world, alert, labels, spans, note = finding
            print(f"  {kind} {alert} {' '.join(f'{name}={value}' for name, value in labels)}: {spans[:3]} {note[:300]}")
        if len(found) > SHOWN:
            print(f"  ... and {len(found) - SHOWN} more {kind}")


def table(total):
    by = {kind: collections.Counter(finding[1] for finding in getattr(total, kind)) for kind in ("missed", "wrong", "doubled")}
    print(f"\n{'alert':34} {'events':>7} {'missed':>7} {'wrong':>6} {'twice':>6} {'median delay':>13} {'longest':>8}")
    for alert in sorted(total.events | total.fired):
        delays = [value / 60 for value in total.delays[alert]] or [0]
        counts = [total.events[alert], *(by[kind][alert] for kind in by)]
        print(f"{alert:34} {counts[0]:7} {counts[1]:7} {counts[2]:6} {counts[3]:6} {statistics.median(delays):9.0f} min {max(delays):4.0f} min")
    print(f"recall {total.recall:.4f}, precision {total.precision:.4f} of {sum(total.events.values())} events and {sum(total.fired.values())} alerts")


def notified(sent, customers, days):
    weeks = days / 7 * customers / 100
    print(f"\nper 100 customers and week {'':19} {'alerts':>8} {'messages':>9} {'repeated':>9} {'resolved':>9}")
    for kind in sorted(sent.alerts, key=lambda kind: -sent.alerts[kind]):
        numbers = [counter[kind] / weeks for counter in (sent.alerts, sent.messages, sent.repeats, sent.ends)]
        print(f"{' '.join(kind):46} " + " ".join(f"{number:9.2f}" for number in numbers))
    numbers = [sum(counter.values()) / weeks for counter in (sent.alerts, sent.messages, sent.repeats, sent.ends)]
    print(f"{'all':46} " + " ".join(f"{number:9.2f}" for number in numbers))

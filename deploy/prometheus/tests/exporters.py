"""Alerts about partners, registrations and exporters."""

from world import DAY, steps


def counter(*changes):
    """Grows by so much a minute: counter(0, (30, 5)): 0, from minute 30 on 5 a minute."""
    rate = steps(*changes)
    total = [0]

    def value(time):
        while len(total) <= time:
            total.append(total[-1] + rate(len(total)))
        return total[time]

    return value


def hours(bench):
    world = bench.world("api")
    exporter = world.exporter()
    exporter.customer().row("r1", seats=10, assigned=5)
    partner = {"partner": "api"}
    # Throttled from 60 to 200: more than 15 of 30 minutes at 76, 10 minutes later it fires.
    exporter.own("avepoint_api_throttled", partner, steps(0, (60, 1), (200, 0)))
    world.fires("AvePointApiThrottled", "warning", (85, 215))
    # More than twice the shortest interval (30 minutes) late.
    exporter.own("avepoint_poll_lag_seconds", partner, steps(0, (60, 1800), (100, 1801), (400, 0)))
    world.fires("AvePointPollingBehind", "warning", (130, 400))
    exporter.own("avepoint_unreadable_values_total", partner | {"field": "expirationDate"}, counter(0, (100, 1), (101, 0)))
    world.fires("AvePointUnreadableValues", "info", (110, 160), field="expirationDate")
    # Refused from 60 on; the last token holds until 150. Other scopes do not count.
    for scope, rate in (("license", counter(0, (60, 1), (400, 0))), ("jobs", counter(1))):
        exporter.own("avepoint_auth_token_request_failures_total", partner | {"scope": scope, "reason": "unauthorized"}, rate)
    exporter.own("avepoint_auth_token_expiration_timestamp_seconds", partner | {"scope": "license"}, steps(150 * 60, (400, 9000 * 60)))
    world.fires("AvePointTokenRefused", "critical", (160, 400))
    exporter.own("avepoint_auth_credential_expiration_timestamp_seconds", partner | {"credential": "client_secret"}, steps((30 * DAY + 60) * 60, (300, (7 * DAY + 360) * 60), (500, 400 * DAY * 60)))
    world.fires("AvePointCredentialExpiring", "warning", (70, 500), credential="client_secret")
    world.fires("AvePointCredentialExpiring", "critical", (370, 500), credential="client_secret")
    exporter.own("avepoint_exporter_config_last_reload_successful", {}, steps(1, (100, 0), (300, 1)))
    world.fires("AvePointConfigReloadFailed", "warning", (110, 300), job="avepoint_api", instance="a")

    # Polls go on and nothing is saved from 100 on; from 300 on every poll fails, and so nothing is learnt.
    world = bench.world("state")
    exporter = world.exporter()
    exporter.customer().row("r1", seats=10, assigned=5)
    labels = {"partner": "state", "collector": "services"}
    exporter.own("avepoint_collector_polls_total", labels, counter(1))
    for reason, rate in (("timeout", counter(0, (300, 1), (350, 0))), ("connect", counter(0, (350, 1)))):
        exporter.own("avepoint_collector_poll_failures_total", labels | {"reason": reason}, rate)
    exporter.own("avepoint_exporter_state_last_save_timestamp_seconds", {}, lambda time: min(time, 100) * 60)
    world.fires("AvePointStateNotSaved", "warning", (171, 359), job="avepoint_state", instance="a")
    # Never saved, and an hour old; without a state nothing fires.
    exporter = world.exporter("b")
    exporter.own("avepoint_collector_polls_total", labels, counter(1))
    exporter.own("avepoint_exporter_state_last_save_timestamp_seconds", {}, 0)
    world.fires("AvePointStateNotSaved", "warning", (71,), job="avepoint_state", instance="b")
    world.exporter("c").own("avepoint_collector_polls_total", labels, counter(1))

    # A first pass is late by nature, and so is a new customer for a moment.
    world = bench.world("pass")
    exporter = world.exporter(targets={"services": {"pending": steps(5, (300, 0)), "fresh": 5}})
    exporter.own("avepoint_poll_lag_seconds", {"partner": "pass"}, 9000)
    world.fires("AvePointPollingBehind", "warning", (330,))
    # Absent and pending targets are no failure; one that fails beside fresh ones is TargetsFailing after a day.
    world = bench.world("absent")
    world.exporter(targets={"services": {"absent": 5, "pending": steps(3, (300, 0)), "fresh": 0}})
    # At one of two exporters only: nothing fails.
    world = bench.world("half")
    world.exporter("a", targets={"services": {"failing": 5, "fresh": 0}})
    world.exporter("b", targets={"services": {"fresh": 5}})
    # All targets of a job down, and none at all.
    world = bench.world("silent")
    world.exporter("a", up=steps(True, (300, False))).customer().row("r1", seats=10, assigned=5)
    world.exporter("b", up=steps(True, (300, False)), leads=False, exports=False)
    world.fires("AvePointExporterDown", "critical", (310,))
    # A standby that is down is a replica; one of two that both lead as well.
    world = bench.world("standby")
    world.exporter("a").customer().row("r1", seats=10, assigned=5)
    world.exporter("b", leads=False, exports=False, up=steps(True, (100, False), (300, True)))
    world.fires("AvePointReplicaDown", "warning", (110, 300), job="avepoint_standby")


def weeks(bench):
    world = bench.world("failing")
    targets = {"services": {"fresh": 9, "failing": steps(0, (2 * DAY, 1), (5 * DAY, 0))}, "tenant_seats": {"fresh": 9, "stale": steps(0, (2 * DAY, 2), (3 * DAY - 60, 0))}}
    exporter = world.exporter(targets=targets, up=steps(True, (4 * DAY, False), (4 * DAY + 120, True)))
    exporter.customer().row("r1", seats=10, assigned=5)
    world.fires("AvePointTargetsFailing", "warning", (3 * DAY, 5 * DAY), collector="services")
    text = (
        "1 services target of partner failing is failing or stale, and at least one was at any time in the last 24 hours. What was never "
        "read raises no other alert."
    )
    labels = {"severity": "warning", "partner": "failing", "collector": "services"}
    world.says(3 * DAY, "AvePointTargetsFailing", (labels, None, "services has failed for a target of partner failing for a day", text))
    labels = {"severity": "critical", "partner": "failing"}
    text = "Partner failing was exported and has been exported by nobody for 10 minutes. Alerts about customers go on from the last known values."
    world.says(4 * DAY + 60, "AvePointExporterDown", (labels, None, "No exporter exports partner failing", text))
    world.fires("AvePointExporterDown", "critical", (4 * DAY + 30, 4 * DAY + 120))


def nobody(bench):
    """All targets down, then none at all: one alert, of one label set, and none of partners beside it."""
    world = bench.world("nobody")
    for instance in ("a", "b"):
        exporter = world.exporter(instance, up=steps(True, (10, False), (30, None), (50, True)))
        exporter.customer().row("r1", seats=10, assigned=5)
    world.fires("AvePointExporterDown", "critical", (20, 50), partner=None)
    text = "Prometheus has had no target that answers and whose job name contains \"avepoint\" for 10 minutes. Alerts about customers go on from the last known values."
    world.says(25, "AvePointExporterDown", ({"severity": "critical"}, None, "No avepoint_exporter answers", text))
    return bench

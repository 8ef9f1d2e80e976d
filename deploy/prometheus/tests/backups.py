"""Backups: the job status of a customer, the runs of its plans, and what is protected."""

from world import DAY, steps

M365 = "Cloud Backup for Microsoft 365 - Microsoft 365 services"
JOB = {"job_type": "1", "job_module": "4"}
PLAN = JOB | {"plan": "Daily"}
OFF = {"alerting": "off"}
# A run that did not start has neither an end nor objects.
NOT_STARTED = None


def daily(*days, hour=2, status="finished", failed=0):
    return [(day * DAY + hour * 60, status, failed) for day in days]


def hours(bench):
    # Polled every 15 minutes: what begins at 40 is read at 45, and fires 2 hours later; not if the poll then is good.
    world = bench.world("job_status")
    exporter = world.exporter()
    exporter.customer("fails").status(steps("working", (40, "failed"), (200, "multiple_issues"), (300, "working")))
    world.of("fails", None)("AvePointBackupFailed", "warning", (165, 300))
    exporter.customer("short").status(steps("working", (40, "multiple_issues"), (155, "finished_with_exception")))
    exporter.customer("muted", labels=OFF).status("failed")
    for status in ("working", "not_available", "finished_with_exception", "no_backup_updates", "unknown"):
        exporter.customer(status).status(status)

    # Polled every hour: two bad runs are known at 120, and `for` is 2 hours. The good run of 290 is known at 300.
    world = bench.world("job_errors")
    exporter = world.exporter()
    exporter.customer("objects").plan("Daily", (50, "finished_with_exception", 6), (110, "finished", 40), (290, "finished", 5))
    world.of("objects", None, **PLAN)("AvePointBackupJobErrors", "warning", (240, 300))
    exporter.customer("failed").plan("", (-60, "failed", 0), (50, "rejected", 0), (350, "finished", 0))
    world.of("failed", None, **JOB)("AvePointBackupJobErrors", "warning", (180, 360))
    exporter.customer("gone").plan("Daily", (-60, "failed", 0), (50, "failed", 0), there=steps(True, (300, False)))
    world.of("gone", None, **PLAN)("AvePointBackupJobErrors", "warning", (180, 300))
    exporter.customer("share").plan("Daily", (50, "finished", 5), (110, "finished", 5))
    exporter.customer("once").plan("Daily", (50, "failed", 100))
    exporter.customer("between").plan("Daily", (-60, "failed", 100), (50, "finished", 0), (110, "failed", 100))
    exporter.customer("others").plan("Daily", (50, "failed", 100)).plan("Weekly", (110, "failed", 100))
    exporter.customer("muted", labels=OFF).plan("Daily", (-60, "failed", 0), (50, "failed", 0))
    text = 'runs on end failed, or failed for too many of their objects; the newest one is "{}" and failed for {} of its objects (job type 1, module 4, customer {}, partner job_errors).'
    ids = {"severity": "warning", "partner": "job_errors"}
    world.says(
        250,
        "AvePointBackupJobErrors",
        (ids | PLAN | {"customer_id": "objects"}, "Contoso", "The last 2 backup runs of the plan Daily of Contoso had errors", "2 " + text.format("finished", "40%", "objects")),
        *[
            (ids | JOB | plan | {"customer_id": customer}, "Contoso", f"The last 2 backup runs of {name} of Contoso had errors", f'2 runs on end failed, or failed for too many of their objects; the newest one is "{status}" (job type 1, module 4, customer {customer}, partner job_errors).')
            for customer, plan, name, status in (("failed", {}, "a plan without a name", "rejected"), ("gone", PLAN, "the plan Daily", "failed"), ("starts", PLAN, "the plan Daily", "failed to start"))
        ],
        ({"severity": "warning", "partner": "backups_restart", "customer_id": "c1", "tier": "gold", **PLAN}, "Contoso", "The last 3 backup runs of the plan Daily of Contoso had errors", '3 runs on end failed, or failed for too many of their objects; the newest one is "failed" (job type 1, module 4, customer c1, partner backups_restart).'),
    )
    # Runs that did not start cannot be told apart; what the last one with an end said stays.
    exporter.customer("starts").plan("Daily", (-60, "failed", 0), (50, "failed", 0), (170, "failed_to_start", NOT_STARTED), (230, "failed_to_start", NOT_STARTED))
    world.of("starts", None, **PLAN)("AvePointBackupJobErrors", "warning", (180,))
    world.query(300, 'avepoint:backup_job_bad_runs:count{customer_id="starts"}', ("avepoint:backup_job_bad_runs:count", {"partner": "job_errors", "customer_id": "starts", **PLAN}, 2))

    # Restarted at 100 without its state, and the API answers nothing until 210; the jobs are read again at 240.
    world = bench.world("backups_restart")
    pending = {"pending": steps(0, (103, 1), (240, 0)), "fresh": steps(1, (103, 0), (240, 1))}
    targets = {"backup_jobs": pending}
    exporter = world.exporter(up=steps(True, (100, False), (103, True)), starts=(103,), listing=steps(True, (103, False), (210, True)), targets=targets)
    customer = exporter.customer(read=steps(True, (103, False), (210, True)), labels={"tier": "gold"}).row("r1")
    customer.status("failed").plan("Daily", (-60, "failed", 0), (50, "failed", 0), (170, "failed", 0))
    fires = world.of("c1", None, tier="gold")
    fires("AvePointBackupFailed", "warning", (120,))
    fires("AvePointBackupJobErrors", "warning", (180,), **PLAN)
    # What has not been read since the restart has the configured labels of nobody.
    for collector, during in (("customers", (131, 210)), ("services", (131, 210)), ("backup_jobs", (191, 240))):
        world.of("c1", None)("AvePointDataStale", "warning", during, collector=collector)


def weeks(bench):
    # Failing from day 1 on: a warning after 2 hours, critical after 24, or after the 8 of the settings' example.
    world = bench.world("backup_status")
    exporter = world.exporter()
    failing = steps("working", (DAY, "failed"), (3 * DAY, "multiple_issues"), (5 * DAY, "working"))
    for customer, labels, critical in (("c1", {}, 2 * DAY), ("golden", {"tier": "gold"}, DAY + 480)):
        exporter.customer(customer, labels=labels).status(failing)
        fires = world.of(customer, None, **labels)
        fires("AvePointBackupFailed", "warning", (DAY + 120, 5 * DAY))
        fires("AvePointBackupFailed", "critical", (critical, 5 * DAY))
    exporter.customer("waits").status(steps("waiting_for_configuration", (6 * DAY, "working")))
    world.of("waits", None)("AvePointBackupNotConfigured", "info", (3 * DAY + 30, 6 * DAY))
    exporter.customer("soon").status(steps("waiting_for_configuration", (3 * DAY, "working")))
    exporter.customer("muted", labels=OFF).status("waiting_for_configuration")
    ids = {"partner": "backup_status", "customer_id": "c1", "severity": "warning"}
    text = 'AvePoint Elements shows the job status "{}" for this customer. It has shown a failure for {} (customer {}, partner backup_status).'
    said = [
        (ids | {"customer_id": customer, "severity": severity} | labels, "Contoso", "The backup jobs of Contoso have failed for 3d 0h 0m 0s", text.format("multiple issues", "3d 0h 0m 0s", customer))
        for customer, labels in (("c1", {}), ("golden", {"tier": "gold"}))
        for severity in ("warning", "critical")
    ]
    world.says(4 * DAY, "AvePointBackupFailed", *said)
    text = 'AvePoint Elements has shown the job status "waiting for configuration" for this customer for 4d 0h 0m 0s (customer waits, partner backup_status).'
    world.says(4 * DAY, "AvePointBackupNotConfigured", (ids | {"customer_id": "waits", "severity": "info"}, "Contoso", "The backup of Contoso waits to be configured", text))

    plans(bench)
    overview(bench)

    # The scope is taken away on day 2: what the exporter serves a while longer is the end of it. And never granted.
    for name, since in (("revoked", 2 * DAY), ("refused", 0)):
        world = bench.world(name)
        states = {"fresh": steps(1, (since, 0)), "not_granted": steps(0, (since, 1))}
        exporter = world.exporter(targets=dict.fromkeys(("customers", "backup_jobs", "backup_overview"), states))
        customer = exporter.customer(polls=lambda time, since=since: time < since).status("failed").module(100, 0)
        customer.plan("Daily", *daily(0), *daily(1, status="failed"), *daily(2, 3, 4, 5, 6, 7))
        if since:
            fires = world.of("c1", None)
            fires("AvePointBackupFailed", "warning", (120, 2 * DAY + 60))
            fires("AvePointBackupFailed", "critical", (DAY, 2 * DAY + 60))
            fires("AvePointBackupCoverageLow", "warning", (720, 3 * DAY - 360), service_type="1", service_module="2")


def plans(bench):
    # The last end is on day 10 at 2:00; 36 hours later nothing has ended, and `for` is 2 hours. The next one is on day 20, and
    # again on day 21: two days are no habit.
    world = bench.world("backup_plans")
    exporter = world.exporter()
    runs = daily(*range(11), 20, 21)
    for customer, labels in (("daily", {}), ("muted", OFF)):
        exporter.customer(customer, labels=labels).plan("Daily", *runs)
    world.of("daily", None, **PLAN)("AvePointBackupStale", "warning", (11 * DAY + 16 * 60, 20 * DAY + 120))
    exporter.customer("three").plan("Daily", *daily(3), *daily(4, hour=1), *daily(5))
    world.of("three", None, **PLAN)("AvePointBackupStale", "warning", (6 * DAY + 16 * 60,))
    exporter.customer("shorter").plan("Daily", *daily(3, hour=4), *daily(4), *daily(5, hour=1))
    world.of("shorter", None, **PLAN)("AvePointBackupStale", "warning", (6 * DAY + 15 * 60,))
    exporter.customer("two").plan("Daily", *daily(3, 4))
    exporter.customer("skips").plan("Daily", *daily(0, 1, 3, 4))
    exporter.customer("weekly").plan("Daily", *daily(0, 7, 14))
    exporter.customer("often").plan("Daily", *[(3 * DAY + hour * 60, "finished", 0) for hour in range(0, 44, 6)])
    text = "Until then one ended every day. The last one ended {} ago (job type 1, module 4, customer {}, partner backup_plans)."
    said = [
        ({"severity": "warning", "partner": "backup_plans", "customer_id": customer, **PLAN}, "Contoso", f"No backup run of the plan Daily of Contoso has ended for {ago}", text.format(ago, customer))
        for customer, ago in (("three", "4d 22h 0m 0s"), ("shorter", "4d 23h 0m 0s"), ("starts", "7d 22h 0m 0s"))
    ]
    world.says(10 * DAY, "AvePointBackupStale", *said)
    # Runs that do not start have no end; and while nothing is read, nobody knows whether there was one.
    exporter.customer("starts").plan("Daily", *daily(0, 1, 2), *daily(3, 4, 5, status="failed_to_start", failed=NOT_STARTED))
    world.of("starts", None, **PLAN)("AvePointBackupStale", "warning", (3 * DAY + 16 * 60,))
    exporter.customer("unread", read=steps(True, (8 * DAY, False), (12 * DAY, True))).plan("Daily", *daily(*range(32)))
    world.of("unread", None, collector="backup_jobs")("AvePointDataStale", "warning", (8 * DAY + 120, 12 * DAY))


def overview(bench):
    # Polled every 6 hours, `for` 12 hours.
    world = bench.world("coverage")
    exporter = world.exporter()
    exporter.customer("low").module(20, steps(17, (5 * DAY, 18)))
    world.of("low", None, service_type="1", service_module="2")("AvePointBackupCoverageLow", "warning", (720, 5 * DAY))
    exporter.customer("modules").module(100, 100).module(100, 94, service_type="3", service_module="0").module(100, None, service_type="4")
    world.of("modules", None, service_type="3", service_module="0")("AvePointBackupCoverageLow", "warning", (720,))
    exporter.customer("share").module(100, 95)
    exporter.customer("few").module(10, 8)
    exporter.customer("empty").module(0, 0)
    exporter.customer("muted", labels=OFF).row("r1", M365).module(100, 0)
    # An empty answer: nothing on day 3, and 12 hours later; something from day 10 on.
    exporter.customer("nothing").row("r1", M365).module(steps(None, (10 * DAY, 5)), steps(None, (10 * DAY, 5)))
    world.of("nothing", None)("AvePointBackupCoverageLow", "warning", (3 * DAY + 720, 10 * DAY))
    exporter.customer("later").row("r1", M365, there=lambda time: time >= 5 * DAY).module(None, None)
    world.of("later", None)("AvePointBackupCoverageLow", "warning", (8 * DAY + 720,))
    exporter.customer("zero").row("r1", "cloud backup for office 365").module(2, 0)
    world.of("zero", None)("AvePointBackupCoverageLow", "warning", (3 * DAY + 720,))
    exporter.customer("unreadable").row("r1", M365).module(5, None)
    exporter.customer("power").row("r1", "Cloud Backup for Microsoft 365 - Power Platform").module(None, None)
    exporter.customer("unsold").module(None, None)
    exporter.customer("unasked").row("r1", M365)
    ids = {"severity": "warning", "partner": "coverage"}
    text = "The customer has had a subscription to Cloud Backup for Microsoft 365 for {} or longer, and AvePoint's overview of its backups shows no protected object (customer {}, partner coverage)."
    of_module = {"service_type": "3", "service_module": "0"}
    found = "94 of 100 objects are protected (service type 3, module 0, customer modules, partner coverage)."
    world.says(
        20 * DAY,
        "AvePointBackupCoverageLow",
        (ids | {"customer_id": "modules"} | of_module, "Contoso", "Backups of Contoso protect only 94% of what AvePoint found", found),
        (ids | {"customer_id": "later"}, "Contoso", "No backup of Contoso protects anything", text.format("15d 0h 0m 0s", "later")),
        (ids | {"customer_id": "zero"}, "Contoso", "No backup of Contoso protects anything", text.format("20d 0h 0m 0s", "zero")),
    )

"""Puts panels on the grid and a dashboard around them: variables, links, time, the same for all three."""

import json

import look
from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common, dashboard

WIDTH = 24
# The schema of Grafana 11.0; later versions bring it up to theirs when they load it.
SCHEMA = 39
# What is selected in a fresh import. Nothing: Grafana then takes the default data source, or the first customer.
NONE: dict = {}
ALL = dashboard.VariableOption(selected=True, text="All", value="$__all")
CUSTOMER_OF_RESULT = '/customer_id="(?<value>[^"]+)|customer_name="(?<text>[^"]+)/g'


class Board:
    """A dashboard in the making. Panels flow from left to right, and a row begins at the left again."""

    def __init__(self, uid: str, title: str, description: str, *, start: str, refresh: str) -> None:
        self.uid = uid
        self.may_be_empty: dict[str, str] = {}
        self._x = self._y = self._height = self._id = 0
        self._board = (
            builders.Dashboard(title)
            .uid(uid)
            .description(description)
            .tags(["avepoint", "avepoint_exporter"])
            .readonly()
            .timezone("browser")
            .time(start, "now")
            .refresh(refresh)
            .tooltip(dashboard.DashboardCursorSync.CROSSHAIR)
            .annotation(
                builders.AnnotationQuery()
                .name("Annotations & Alerts")
                .built_in(1)
                .datasource(common.DataSourceRef(type_val="grafana", uid="-- Grafana --"))
                .enable(True)
                .hide(True)
                .icon_color("rgba(0, 211, 255, 1)")
                .type("dashboard")
                .placement(None)
            )
            .with_variable(
                builders.DatasourceVariable("datasource")
                .label("Data source")
                .type("prometheus")
                .current(NONE)
                .description("The Prometheus that scrapes avepoint_exporter and loads its rules.")
            )
            .with_variable(_values("job", "label_values(avepoint_exporter_build_info, job)"))
            .with_variable(_values("instance", 'label_values(avepoint_exporter_build_info{job=~"$job"}, instance)'))
            .with_variable(
                _values("partner", 'label_values(avepoint_customers{job=~"$job", instance=~"$instance"}, partner)')
            )
        )

    def customers(self, *, single: bool) -> None:
        """Adds the variable `customer`: its values are ids, its texts are names, or the id where there is none."""
        known = 'avepoint:customer_name:info{partner=~"$partner"}'
        unnamed = 'avepoint:customer:info{partner=~"$partner"}'
        variable = _query("customer", f"query_result(group by (customer_id, customer_name) ({known}) or on (customer_id) group by (customer_id) ({unnamed}))", 3)
        variable = variable.regex(CUSTOMER_OF_RESULT)
        if single:
            variable = variable.current(NONE)
        else:
            variable = variable.multi(True).include_all(True).all_value(".+").current(ALL)
        self._board = self._board.with_variable(variable)

    def link(self, title: str, url: str) -> None:
        self._board = self._board.link(look.link(title, url).icon("dashboard").keep_time(True))

    def row(self, title: str) -> None:
        self._wrap()
        self._board = self._board.with_row(
            builders.Row(title).id(self._next()).grid_pos(dashboard.GridPos(x=0, y=self._y, w=WIDTH, h=1))
        )
        self._y += 1

    def add(self, panel, width: int, height: int) -> None:
        if self._x + width > WIDTH:
            self._wrap()
        position = dashboard.GridPos(x=self._x, y=self._y, w=width, h=height)
        model = panel.id(self._next()).grid_pos(position).build()
        self._board = self._board.with_panel(panel)
        for ref, reason in getattr(panel, "may_be_empty", {}).items():
            self.may_be_empty[f"{self.uid}/{model.title}/{ref}"] = reason
        self._x += width
        self._height = max(self._height, height)

    def json(self) -> str:
        model = self._board.build()
        model.schema_version = SCHEMA
        return json.dumps(model, cls=JSONEncoder, indent=2, ensure_ascii=False) + "\n"

    def _wrap(self) -> None:
        self._y += self._height
        self._x = self._height = 0

    def _next(self) -> int:
        self._id += 1
        return self._id


def _values(name: str, query: str) -> builders.QueryVariable:
    return _query(name, query, 1).multi(True).include_all(True).all_value(".+").current(ALL)


def _query(name: str, query: str, kind: int) -> builders.QueryVariable:
    """`kind` is what Grafana's editor calls qryType: 1 label values, 3 query result."""
    return (
        builders.QueryVariable(name)
        .label(name.capitalize())
        .datasource(look.data_source())
        .definition(query)
        .query({"qryType": kind, "query": query, "refId": "PrometheusVariableQueryEditor-VariableQuery"})
        .refresh(dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(dashboard.VariableSort.ALPHABETICAL_ASC)
    )

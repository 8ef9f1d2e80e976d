"""The kinds of panel that the dashboards use, each with the data source, a unit, a description and a text for no data."""

import dataclasses

import look
from grafana_foundation_sdk.builders import (
    barchart,
    bargauge,
    prometheus,
)
from grafana_foundation_sdk.builders import (
    common as common_builders,
)
from grafana_foundation_sdk.builders import (
    stat as stat_builder,
)
from grafana_foundation_sdk.builders import (
    table as table_builder,
)
from grafana_foundation_sdk.builders import (
    timeseries as timeseries_builder,
)
from grafana_foundation_sdk.builders.dashboard import FieldColor
from grafana_foundation_sdk.models import common, dashboard


@dataclasses.dataclass
class Query:
    """A query; `may_be_empty` says why it may give nothing although everything is fine."""

    expr: str
    legend: str = ""
    may_be_empty: str = ""


@dataclasses.dataclass
class Column:
    """A column of a table: a label, or a query (by its refId) for its value; and how it is shown."""

    field: str
    title: str
    unit: str = ""
    thresholds: list | None = None
    cell: dict | None = None
    width: int | None = None
    links: list | None = None
    mapping: dashboard.ValueMap | None = None
    decimals: int | None = None


COLORED = {"type": "color-background", "mode": "basic"}
GAUGE = {"type": "gauge", "mode": "basic", "valueDisplayMode": "text"}
TEXT = {"type": "color-text"}


def stat(title, description, queries, *, unit="short", steps=look.PLAIN, no_value="no data", **more):
    """`more`: `mapping`, `text_mode`, `decimals`, `links`."""
    panel = _common(stat_builder.Panel(), title, description, queries, unit, steps, no_value, instant=True)
    panel = (
        panel.color_mode(common.BigValueColorMode.VALUE)
        .graph_mode(common.BigValueGraphMode.NONE)
        .text_mode(more.get("text_mode", common.BigValueTextMode.AUTO))
        .reduce_options(common_builders.ReduceDataOptions().calcs(["lastNotNull"]).values(False).fields(""))
    )
    return _optional(panel, more)


def bars(title, description, query, *, unit="percentunit", steps, no_value="no data"):
    """Horizontal bars, one a series; sorted by the query."""
    panel = _common(bargauge.Panel(), title, description, [query], unit, steps, no_value, instant=True)
    name, url = look.SERIES_TO_CUSTOMER
    return (
        panel.orientation(common.VizOrientation.HORIZONTAL)
        .display_mode(common.BarGaugeDisplayMode.BASIC)
        .value_mode(common.BarGaugeValueMode.COLOR)
        .show_unfilled(True)
        .min(0)
        .max(1)
        .reduce_options(common_builders.ReduceDataOptions().calcs(["lastNotNull"]).values(False).fields(""))
        .data_links([look.link(name, url)])
    )


def chart(title, description, query, *, category, category_title, value_title, steps=look.PLAIN, no_value="no data"):
    """Bars over the values of a label, in its order."""
    panel = _common(barchart.Panel(), title, description, [query], "short", steps, no_value, instant=True, table=True)
    return (
        panel.x_field(category_title)
        .orientation(common.VizOrientation.VERTICAL)
        .show_value(common.VisibilityMode.AUTO)
        .fill_opacity(80)
        .decimals(0)
        .min(0)
        .legend(
            common_builders.VizLegendOptions()
            .show_legend(False)
            .display_mode(common.LegendDisplayMode.LIST)
            .placement(common.LegendPlacement.BOTTOM)
            .calcs([])
        )
        .tooltip(common_builders.VizTooltipOptions().mode(common.TooltipDisplayMode.SINGLE).sort(common.SortOrder.NONE))
        .transformations(
            [
                _organize([category, "Value"], {category: category_title, "Value": value_title}, ["Time"]),
                dashboard.DataTransformerConfig("sortBy", options={"fields": {}, "sort": [{"field": category_title}]}),
            ]
        )
    )


def lines(title, description, queries, *, unit="short", steps=None, no_value="no data", calcs=(), **more):
    """Lines over time. Thresholds, if given, are drawn as dashed lines. `more`: as for `stat`, and `stack`, `steps_after`,
    `soft_min`, `max`, `draw_bars`, `link`."""
    panel = _common(
        timeseries_builder.Panel(),
        title,
        description,
        queries,
        unit,
        steps or [(None, look.OK)],
        no_value,
        instant=False,
    )
    panel = (
        panel.legend(look.legend(*calcs))
        .tooltip(
            common_builders.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI).sort(common.SortOrder.DESCENDING)
        )
        .color_scheme(FieldColor().mode(dashboard.FieldColorModeId.PALETTE_CLASSIC))
        .draw_style(common.GraphDrawStyle.BARS if more.get("draw_bars") else common.GraphDrawStyle.LINE)
        .line_width(1)
        .fill_opacity(more.get("fill", 40 if more.get("draw_bars") or more.get("stack") else 5))
        .show_points(common.VisibilityMode.NEVER)
        .line_interpolation(
            common.LineInterpolation.STEP_AFTER if more.get("steps_after") else common.LineInterpolation.LINEAR
        )
        .span_nulls(False)
        .stacking(
            common_builders.StackingConfig()
            .group("A")
            .mode(common.StackingMode.NORMAL if more.get("stack") else common.StackingMode.NONE)
        )
        .thresholds_style(
            common_builders.GraphThresholdsStyleConfig().mode(
                common.GraphThresholdsStyleMode.DASHED if steps else common.GraphThresholdsStyleMode.OFF
            )
        )
    )
    if "soft_min" in more:
        panel = panel.axis_soft_min(more["soft_min"])
    if "max" in more:
        panel = panel.max(more["max"])
    if "link" in more:
        name, url = more["link"]
        panel = panel.data_links([look.link(name, url)])
    return _optional(panel, more)


def table(title, description, queries, columns, *, sort, desc=True, hide=(), no_value="no data", **more):
    """One row for each thing: the answers are merged on the labels that all of them have. `hide` names labels that are
    needed for that, but not shown."""
    panel = _common(
        table_builder.Panel(), title, description, queries, "short", look.PLAIN, no_value, instant=True, table=True
    )
    values = {ref: f"Value #{ref}" if len(queries) > 1 else "Value" for ref in _refs(queries)}
    fields = [values.get(column.field, column.field) for column in columns]
    rename = {field: column.title for field, column in zip(fields, columns, strict=True)}
    unused = ["Time", "job", *hide, *values.values()]
    transformations = [_organize(fields, rename, [name for name in unused if name not in fields])]
    if len(queries) > 1:
        transformations.insert(0, dashboard.DataTransformerConfig("merge", options={}))
    footer = common_builders.TableFooterOptions().show(False).reducer(["sum"]).count_rows(False).enable_pagination(True)
    panel = (
        panel.show_header(True)
        .cell_height(common.TableCellHeight.SM)
        .footer(footer)
        .sort_by([common_builders.TableSortByFieldState().display_name(sort).desc(desc)])
        .filterable(True)
        .transformations(transformations)
    )
    for column in columns:
        panel = panel.override_by_name(column.title, _properties(column))
    return _optional(panel, more)


def _properties(column):
    values = {
        # Of a cell; the panel's own text is for a table without rows.
        "noValue": "–",
        "unit": column.unit,
        "decimals": column.decimals,
        "thresholds": look.thresholds(column.thresholds).build() if column.thresholds else None,
        "custom.cellOptions": column.cell,
        "custom.width": column.width,
        "links": column.links,
        "mappings": [column.mapping] if column.mapping else None,
    }
    if column.cell is GAUGE:
        values |= {"min": 0, "max": 1}
    return [dashboard.DynamicConfigValue(name, value) for name, value in values.items() if value not in (None, "")]


def _common(panel, title, description, queries, unit, steps, no_value, *, instant, table=False):
    panel = (
        panel.title(title)
        .description(description)
        .datasource(look.data_source())
        .unit(unit)
        .thresholds(look.thresholds(steps))
        .no_value(no_value)
    )
    for ref, query in zip(_refs(queries), queries, strict=True):
        target = (
            prometheus.Dataquery()
            .datasource(look.data_source())
            .editor_mode("code")
            .expr(query.expr)
            .legend_format(query.legend or "__auto")
            .ref_id(ref)
        )
        target = target.instant() if instant else target.range()
        panel = panel.with_target(target.format("table" if table else "time_series"))
    # Not a part of the dashboard: for the list of queries that may give nothing.
    panel.may_be_empty = {
        ref: query.may_be_empty for ref, query in zip(_refs(queries), queries, strict=True) if query.may_be_empty
    }
    return panel


def _refs(queries):
    return [chr(ord("A") + index) for index in range(len(queries))]


def _organize(order, rename, exclude):
    return dashboard.DataTransformerConfig(
        "organize",
        options={
            "excludeByName": {name: True for name in exclude},
            "includeByName": {},
            "indexByName": {name: index for index, name in enumerate(order)},
            "renameByName": rename,
        },
    )


def _optional(panel, more):
    if "mapping" in more:
        panel = panel.mappings([more["mapping"]])
    if "decimals" in more:
        panel = panel.decimals(more["decimals"])
    if "links" in more:
        panel = panel.links(more["links"])
    return panel

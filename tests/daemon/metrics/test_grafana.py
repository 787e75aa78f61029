"""The dashboard asks for metrics that there are."""

import json
import re
from pathlib import Path

from livehandled.metrics import families as made
from livehandled.metrics.counts import Counts
from livehandled.telemetry import Telemetry
from support.calls import SESSION
from support.control import new_hub

FILE = Path(made.__file__).with_name("grafana.json")
FUNCTIONS = {"rate", "sum", "by", "histogram_quantile", "label_values"}


def test_every_metric_and_every_label_of_it_exists() -> None:
    dashboard = json.loads(FILE.read_text())
    figures = Telemetry(started=0.0).export(media_dropped=0)
    families = made.families(1.0, figures, SESSION, Counts(new_hub()), (), kept=True)
    names = {family.name for family in families} | {"livehandle_response_latency_seconds_bucket"}
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    asked += [one["query"] for one in dashboard["templating"]["list"] if one["type"] == "query"]
    for expression in asked:
        bare = re.sub(r"\{.*?\}|\[\w+\]|\".*?\"", "", expression)
        words = set(re.findall(r"[a-z_]{3,}", bare)) - FUNCTIONS - {"instance"}
        assert words, expression
        assert words <= names, words - names


def test_the_panels_do_not_overlap() -> None:
    places = [
        tuple(panel["gridPos"][key] for key in ("x", "y"))
        for panel in json.loads(FILE.read_text())["panels"]
    ]
    assert len(places) == len(set(places))

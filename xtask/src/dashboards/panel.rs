//! One panel, as Grafana 10 and later read it.

use serde_json::{Map, Value, json};

/// The variable that holds the data source; no panel names one itself.
pub(super) fn datasource() -> Value {
    json!({"type": "prometheus", "uid": "${datasource}"})
}

/// From which value on which colour; the first has no value, and holds below all others.
pub(super) type Thresholds = &'static [(Option<f64>, &'static str)];

/// What kind of panel, each with what only it has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    /// Lines over time.
    Lines,
    /// Areas over time, one upon the other.
    Stack,
    /// p10 to p90 as a band, with the median in it; the series are named so.
    Band,
    /// One large number.
    Stat,
    /// Buckets over time.
    Heatmap,
    /// Coloured bars over time: 0 is bad, 1 is good.
    Timeline,
    /// A row for each set of labels, a column for each query; the legend is its head.
    Table,
}

struct Query {
    expr: String,
    legend: &'static str,
}

pub(super) struct Panel {
    kind: Kind,
    title: &'static str,
    description: &'static str,
    unit: &'static str,
    thresholds: Thresholds,
    /// What 0 and 1 mean, where a number is a yes or no.
    yes_no: Option<(&'static str, &'static str)>,
    /// Whether the text is the legend, and the number says nothing.
    name_only: bool,
    /// Whether the y axis grows by factors of ten.
    log: bool,
    /// Where a click on a series leads.
    link: Option<(&'static str, &'static str)>,
    /// Units and colours of a table's columns.
    columns: Vec<(&'static str, &'static str, Thresholds)>,
    queries: Vec<Query>,
    pub(super) width: u64,
    pub(super) height: u64,
}

impl Panel {
    pub(super) fn new(kind: Kind, title: &'static str, description: &'static str) -> Self {
        Self {
            kind,
            title,
            description,
            unit: "short",
            thresholds: &[],
            yes_no: None,
            name_only: false,
            log: false,
            link: None,
            columns: Vec::new(),
            queries: Vec::new(),
            width: if kind == Kind::Stat { 4 } else { 12 },
            height: if kind == Kind::Stat { 4 } else { 8 },
        }
    }

    pub(super) fn query(mut self, expr: impl Into<String>, legend: &'static str) -> Self {
        let expr = expr.into();
        self.queries.push(Query { expr, legend });
        self
    }

    /// As Grafana names it: `s`, `percentunit`, `Bps` …
    pub(super) fn unit(mut self, unit: &'static str) -> Self {
        self.unit = unit;
        self
    }

    pub(super) fn thresholds(mut self, thresholds: Thresholds) -> Self {
        self.thresholds = thresholds;
        self
    }

    pub(super) fn yes_no(mut self, yes: &'static str, no: &'static str) -> Self {
        self.yes_no = Some((yes, no));
        self
    }

    pub(super) fn name_only(mut self) -> Self {
        self.name_only = true;
        self
    }

    pub(super) fn log(mut self) -> Self {
        self.log = true;
        self
    }

    pub(super) fn link(mut self, title: &'static str, url: &'static str) -> Self {
        self.link = Some((title, url));
        self
    }

    /// Gives a column of a table its unit and colours.
    pub(super) fn column(
        mut self,
        head: &'static str,
        unit: &'static str,
        thresholds: Thresholds,
    ) -> Self {
        self.columns.push((head, unit, thresholds));
        self
    }

    pub(super) fn size(mut self, width: u64, height: u64) -> Self {
        (self.width, self.height) = (width, height);
        self
    }

    pub(super) fn json(&self, id: u64, x: u64, y: u64) -> Value {
        let mut defaults = json!({
            "unit": self.unit,
            "custom": self.custom(),
            "mappings": self.mappings(),
            "color": {"mode": self.colour()},
            "thresholds": steps(self.thresholds),
        });
        if self.unit == "percentunit" {
            // A line at 0 and one at 0.1 % must not look alike, so no maximum.
            defaults["min"] = json!(0);
        }
        if let Some((title, url)) = self.link
            && self.kind != Kind::Table
        {
            defaults["links"] = json!([{"title": title, "url": url}]);
        }
        json!({
            "id": id,
            "type": self.plugin(),
            "title": self.title,
            "description": self.description,
            "datasource": datasource(),
            "gridPos": {"x": x, "y": y, "w": self.width, "h": self.height},
            "fieldConfig": {"defaults": defaults, "overrides": self.overrides()},
            "options": self.options(),
            "targets": self.targets(),
            "transformations": self.transformations(),
        })
    }

    fn plugin(&self) -> &'static str {
        match self.kind {
            Kind::Lines | Kind::Stack | Kind::Band => "timeseries",
            Kind::Stat => "stat",
            Kind::Heatmap => "heatmap",
            Kind::Timeline => "state-timeline",
            Kind::Table => "table",
        }
    }

    fn colour(&self) -> &'static str {
        match self.kind {
            Kind::Stat | Kind::Timeline | Kind::Table => "thresholds",
            Kind::Lines | Kind::Stack | Kind::Band | Kind::Heatmap => "palette-classic",
        }
    }

    fn custom(&self) -> Value {
        let scale = if self.log {
            json!({"type": "log", "log": 10})
        } else {
            json!({"type": "linear"})
        };
        let style = if self.thresholds.is_empty() {
            "off"
        } else {
            "dashed"
        };
        match self.kind {
            Kind::Lines | Kind::Stack | Kind::Band => {
                let stacked = self.kind == Kind::Stack;
                json!({
                    "drawStyle": "line",
                    "lineWidth": 1,
                    "fillOpacity": if stacked { 40 } else { 0 },
                    "showPoints": "never",
                    "spanNulls": false,
                    "scaleDistribution": scale,
                    "stacking": {"group": "A", "mode": if stacked { "normal" } else { "none" }},
                    "thresholdsStyle": {"mode": style},
                })
            }
            Kind::Heatmap => json!({"scaleDistribution": {"type": "linear"}}),
            Kind::Timeline => json!({"fillOpacity": 80, "lineWidth": 0}),
            Kind::Table => json!({"align": "auto", "cellOptions": {"type": "auto"}}),
            Kind::Stat => json!({}),
        }
    }

    fn mappings(&self) -> Value {
        let Some((yes, no)) = self.yes_no else {
            return json!([]);
        };
        json!([{"type": "value", "options": {
            "0": {"text": no, "color": "red", "index": 0},
            "1": {"text": yes, "color": "green", "index": 1},
        }}])
    }

    fn options(&self) -> Value {
        let legend = json!({
            "displayMode": "table", "placement": "bottom", "showLegend": true,
            "calcs": ["lastNotNull", "max"],
        });
        match self.kind {
            Kind::Lines | Kind::Stack | Kind::Band => json!({
                "legend": legend,
                "tooltip": {"mode": "multi", "sort": "desc"},
            }),
            Kind::Stat => json!({
                "colorMode": if self.thresholds.is_empty() { "none" } else { "background" },
                "graphMode": if self.yes_no.is_some() || self.name_only { "none" } else { "area" },
                "textMode": if self.name_only { "name" } else { "value" },
                "justifyMode": "auto",
                "orientation": "auto",
                "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": false},
            }),
            Kind::Heatmap => json!({
                "calculate": false,
                "cellGap": 1,
                "color": {
                    "mode": "scheme", "scheme": "Oranges", "fill": "dark-orange",
                    "scale": "exponential", "exponent": 0.5, "steps": 64, "reverse": false,
                },
                "exemplars": {"color": "rgba(255,0,255,0.7)"},
                "filterValues": {"le": 1e-9},
                "legend": {"show": true},
                "rowsFrame": {"layout": "auto"},
                // Grafana 10.0 to 10.2 read `show`, those after them `mode`.
                "tooltip": {"mode": "single", "show": true, "yHistogram": true},
                "yAxis": {"axisPlacement": "left", "reverse": false, "unit": self.unit},
            }),
            Kind::Timeline => json!({
                "showValue": "never",
                "rowHeight": 0.8,
                "mergeValues": true,
                "alignValue": "left",
                "legend": {"displayMode": "list", "placement": "bottom", "showLegend": true},
                "tooltip": {"mode": "single", "sort": "none"},
            }),
            Kind::Table => json!({
                "showHeader": true,
                "cellHeight": "sm",
                "footer": {"show": false, "reducer": ["sum"], "countRows": false, "fields": ""},
            }),
        }
    }

    fn targets(&self) -> Value {
        let target = |(query, letter): (&Query, char)| {
            json!({
                "refId": letter.to_string(),
                "datasource": datasource(),
                "editorMode": "code",
                "expr": query.expr,
                "legendFormat": query.legend,
                "format": match self.kind {
                    Kind::Heatmap => "heatmap",
                    Kind::Table => "table",
                    _ => "time_series",
                },
                "instant": self.kind == Kind::Table,
                "range": self.kind != Kind::Table,
            })
        };
        self.queries.iter().zip('A'..='Z').map(target).collect()
    }

    /// The queries of a table side by side, under heads that say what they are.
    fn transformations(&self) -> Value {
        if self.kind != Kind::Table {
            return json!([]);
        }
        let mut heads = Map::new();
        for (query, letter) in self.queries.iter().zip('A'..='Z') {
            heads.insert(format!("Value #{letter}"), json!(query.legend));
        }
        json!([
            {"id": "merge", "options": {}},
            {"id": "organize", "options": {
                "excludeByName": {"Time": true},
                "indexByName": {},
                "renameByName": heads,
            }},
        ])
    }

    fn overrides(&self) -> Value {
        match self.kind {
            Kind::Band => json!([
                named(
                    "p10",
                    &[
                        ("custom.lineWidth", json!(0)),
                        ("color", fixed("light-blue"))
                    ]
                ),
                named(
                    "p90",
                    &[
                        ("custom.lineWidth", json!(0)),
                        ("custom.fillBelowTo", json!("p10")),
                        ("custom.fillOpacity", json!(30)),
                        ("color", fixed("light-blue")),
                    ]
                ),
                named(
                    "median",
                    &[("custom.lineWidth", json!(2)), ("color", fixed("blue"))]
                ),
            ]),
            Kind::Table => self.table_overrides(),
            _ => json!([]),
        }
    }

    fn table_overrides(&self) -> Value {
        let mut overrides = Vec::new();
        for (head, unit, thresholds) in &self.columns {
            let mut properties = vec![("unit", json!(unit))];
            if !thresholds.is_empty() {
                properties.push(("thresholds", steps(thresholds)));
                let colour = json!({"type": "color-background", "mode": "basic"});
                properties.push(("custom.cellOptions", colour));
            }
            overrides.push(named(head, &properties));
        }
        if let Some((title, url)) = self.link {
            let links = json!([{"title": title, "url": url}]);
            overrides.push(named("target", &[("links", links)]));
        }
        Value::Array(overrides)
    }
}

fn steps(thresholds: Thresholds) -> Value {
    let thresholds = match thresholds {
        [] => &[(None, "green")],
        some => some,
    };
    let steps: Vec<Value> = thresholds
        .iter()
        .map(|(value, colour)| json!({"color": colour, "value": value}))
        .collect();
    json!({"mode": "absolute", "steps": steps})
}

fn named(name: &str, properties: &[(&str, Value)]) -> Value {
    let properties: Vec<Value> = properties
        .iter()
        .map(|(id, value)| json!({"id": id, "value": value}))
        .collect();
    json!({"matcher": {"id": "byName", "options": name}, "properties": properties})
}

fn fixed(colour: &str) -> Value {
    json!({"mode": "fixed", "fixedColor": colour})
}

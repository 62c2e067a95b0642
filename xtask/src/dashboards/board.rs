//! One dashboard: its variables, links, annotations and rows of panels.

use serde_json::{Value, json};

use super::panel::{Panel, datasource};

/// Grafana 10.0's version of the format; later ones bring it up to theirs.
const SCHEMA_VERSION: u64 = 38;
/// The grid's columns.
const COLUMNS: u64 = 24;

/// A row of panels under a headline.
pub(super) struct Row {
    pub(super) title: &'static str,
    pub(super) panels: Vec<Panel>,
}

pub(super) struct Board {
    /// Stays the same for ever: links and bookmarks hold it.
    pub(super) uid: &'static str,
    pub(super) title: &'static str,
    pub(super) description: &'static str,
    /// Whether several targets are shown at once.
    pub(super) many: bool,
    pub(super) links: Vec<(&'static str, &'static str)>,
    /// Name, colour, query, and the text beside the mark.
    pub(super) annotations: Vec<(&'static str, &'static str, String, &'static str)>,
    pub(super) rows: Vec<Row>,
}

impl Board {
    pub(super) fn json(&self) -> Value {
        json!({
            "uid": self.uid,
            "title": self.title,
            "description": self.description,
            "tags": ["tcp-echo"],
            "editable": true,
            "graphTooltip": 1,
            "fiscalYearStartMonth": 0,
            "id": null,
            "links": self.links(),
            "annotations": {"list": self.annotations()},
            "templating": {"list": self.variables()},
            "panels": self.panels(),
            "refresh": "10s",
            "schemaVersion": SCHEMA_VERSION,
            "time": {"from": "now-1h", "to": "now"},
            "timepicker": {},
            "timezone": "browser",
            "version": 1,
            "weekStart": "",
        })
    }

    /// From left to right, and on to the next line where a panel does not fit.
    fn panels(&self) -> Value {
        let (mut panels, mut id, mut y) = (Vec::new(), 0, 0);
        for row in &self.rows {
            id += 1;
            panels.push(json!({
                "id": id, "type": "row", "title": row.title, "collapsed": false,
                "panels": [], "gridPos": {"x": 0, "y": y, "w": COLUMNS, "h": 1},
            }));
            y += 1;
            let (mut x, mut height) = (0, 0);
            for panel in &row.panels {
                if x + panel.width > COLUMNS {
                    (x, y, height) = (0, y + height, 0);
                }
                id += 1;
                panels.push(panel.json(id, x, y));
                x += panel.width;
                height = height.max(panel.height);
            }
            y += height;
        }
        Value::Array(panels)
    }

    fn links(&self) -> Value {
        let link = |(title, url): &(&str, &str)| {
            json!({
                "type": "link", "title": title, "url": url, "icon": "dashboard",
                "tooltip": "", "tags": [], "asDropdown": false, "targetBlank": false,
                "includeVars": false, "keepTime": true,
            })
        };
        self.links.iter().map(link).collect()
    }

    fn annotations(&self) -> Value {
        let annotation = |(name, colour, expr, text): &(&str, &str, String, &str)| {
            json!({
                "name": name, "datasource": datasource(), "enable": true, "hide": false,
                "iconColor": colour, "expr": expr, "step": "60s", "titleFormat": name,
                "textFormat": text, "tagKeys": "target,reason", "useValueForTime": false,
            })
        };
        self.annotations.iter().map(annotation).collect()
    }

    fn variables(&self) -> Value {
        let many = self.many;
        // Grafana escapes the values of the one sort for a regular expression,
        // those of the other for a plain text.
        let is = if many { "=~" } else { "=" };
        let of_job = format!("{{job{is}\"$job\"}}");
        let of_instance = format!("{{job{is}\"$job\", instance{is}\"$instance\"}}");
        json!([
            {
                "name": "datasource", "label": "Data source", "type": "datasource",
                "description": "The Prometheus that scrapes the probers.",
                "query": "prometheus", "refresh": 1, "regex": "", "hide": 0,
                "multi": false, "includeAll": false, "options": [], "current": {},
                "skipUrlSync": false,
            },
            labels("job", "Job", "Scrape jobs that have probers.",
                "label_values(tcp_echo_build_info, job)", many),
            labels("instance", "Instance", "Probers: where the probes come from.",
                &format!("label_values(tcp_echo_build_info{of_job}, instance)"), many),
            labels("target", "Target", "What is probed.",
                &format!("label_values(tcp_echo_sent_total{of_instance}, target)"), many),
            {
                "name": "rtt", "label": "Histogram", "type": "custom",
                "description": "Native where Prometheus scrapes native histograms: finer, and free \
                    of bucket bounds.",
                "query": "classic : tcp_echo_rtt_seconds_bucket, native : tcp_echo_rtt_seconds",
                "current": {"selected": true, "text": "classic", "value": "tcp_echo_rtt_seconds_bucket"},
                "options": [
                    {"selected": true, "text": "classic", "value": "tcp_echo_rtt_seconds_bucket"},
                    {"selected": false, "text": "native", "value": "tcp_echo_rtt_seconds"},
                ],
                "hide": 0, "multi": false, "includeAll": false, "skipUrlSync": false,
            },
        ])
    }
}

/// A variable whose values are those of a label.
fn labels(name: &str, label: &str, description: &str, query: &str, many: bool) -> Value {
    let mut variable = json!({
        "name": name, "label": label, "type": "query", "description": description,
        "datasource": datasource(), "definition": query,
        "query": {"query": query, "refId": "variable"},
        // On a change of the time range too: a target that is gone was there then.
        "refresh": 2, "regex": "", "sort": 1, "hide": 0,
        "multi": many, "includeAll": many, "options": [], "current": {}, "skipUrlSync": false,
    });
    if many {
        variable["allValue"] = json!(".*");
        variable["current"] = json!({"selected": true, "text": ["All"], "value": ["$__all"]});
    }
    variable
}

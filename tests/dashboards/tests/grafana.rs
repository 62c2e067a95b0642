//! Checks the dashboards: unique ids, no panel over another, a description and a legend on each
//! panel, no undefined or unused variable, no link into nowhere.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use tcp_echo_dashboards::{boards, list, of_board, variables};

/// Links and bookmarks hold them, so they never change.
const UIDS: [&str; 2] = ["tcp-echo-overview", "tcp-echo-target"];
/// Variables that Grafana defines.
const BUILT_IN: [&str; 6] = [
    "__rate_interval",
    "__interval",
    "__range",
    "__url_time_range",
    "__field",
    "__data",
];

#[test]
fn dashboards_have_no_fault() -> Result<()> {
    let boards = boards()?;
    assert_eq!(boards.len(), UIDS.len());
    for (file, board) in boards {
        let name = file.file_stem().unwrap_or_default().to_string_lossy();
        ensure!(
            board["uid"] == *name,
            "{}: its uid is {}",
            file.display(),
            board["uid"]
        );
        check(&board).with_context(|| file.display().to_string())?;
    }
    Ok(())
}

/// Returns the first fault of a dashboard.
fn check(board: &Value) -> Result<()> {
    let uid = board["uid"].as_str().unwrap_or_default();
    ensure!(
        UIDS.contains(&uid),
        "the uid {uid:?} is not one of {UIDS:?}"
    );
    let panels: Vec<&Value> = list(&board["panels"]).collect();
    ensure!(!panels.is_empty(), "no panels");
    ids(&panels)?;
    grid(&panels)?;
    for panel in &panels {
        one(panel)?;
    }
    for query in of_board(board) {
        ensure!(!query.expr.is_empty(), "{}: no query", query.place);
    }
    defined(board)?;
    links(board)
}

fn ids(panels: &[&Value]) -> Result<()> {
    let mut seen = BTreeSet::new();
    for panel in panels {
        let id = panel["id"].as_u64().unwrap_or_default();
        ensure!(id > 0, "{}: no id", panel["title"]);
        ensure!(
            seen.insert(id),
            "{}: the id {id} is another's too",
            panel["title"]
        );
    }
    Ok(())
}

/// Panels are within the grid, and none covers another.
fn grid(panels: &[&Value]) -> Result<()> {
    let mut taken = BTreeSet::new();
    for panel in panels {
        let at = |key: &str| panel["gridPos"][key].as_u64().unwrap_or_default();
        let (x, y, w, h) = (at("x"), at("y"), at("w"), at("h"));
        ensure!(w > 0 && h > 0, "{}: no size", panel["title"]);
        ensure!(x + w <= 24, "{}: beyond the right edge", panel["title"]);
        for cell in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
            ensure!(
                taken.insert(cell),
                "{}: covers another panel",
                panel["title"]
            );
        }
    }
    Ok(())
}

/// Every panel says what it shows, and takes its data from the variable.
fn one(panel: &Value) -> Result<()> {
    let title = panel["title"].as_str().unwrap_or_default();
    ensure!(!title.is_empty(), "a panel without a title");
    if panel["type"] == "row" {
        return Ok(());
    }
    let description = panel["description"].as_str().unwrap_or_default();
    ensure!(description.ends_with('.'), "{title}: no description");
    ensure!(
        !description.contains("  "),
        "{title}: two spaces in its description"
    );
    ensure!(list(&panel["targets"]).count() > 0, "{title}: no query");
    let mut letters = BTreeSet::new();
    for target in list(&panel["targets"]) {
        ensure!(
            letters.insert(target["refId"].as_str()),
            "{title}: two queries of one letter"
        );
        let legend = target["legendFormat"].as_str().unwrap_or_default();
        ensure!(!legend.is_empty(), "{title}: no legend");
        ensure!(
            target["datasource"]["uid"] == "${datasource}",
            "{title}: a fixed data source"
        );
    }
    ensure!(
        panel["datasource"]["uid"] == "${datasource}",
        "{title}: a fixed data source"
    );
    Ok(())
}

/// Every variable that any text refers to is one of the dashboard's or of Grafana's.
fn defined(board: &Value) -> Result<()> {
    let names: BTreeSet<&str> = list(&board["templating"]["list"])
        .filter_map(|variable| variable["name"].as_str())
        .collect();
    let mut used = BTreeSet::new();
    each_text(board, &mut |text| {
        used.extend(variables(text).into_iter().map(ToOwned::to_owned));
    });
    // Grafana's own name for "all of them", as a value and not as a variable.
    used.remove("__all");
    for name in &used {
        let known = names.contains(&**name) || BUILT_IN.contains(&&**name);
        ensure!(known, "the variable {name:?} is not defined");
    }
    for name in names {
        ensure!(used.contains(name), "the variable {name:?} is not used");
    }
    Ok(())
}

/// Links to dashboards lead to ours.
fn links(board: &Value) -> Result<()> {
    let mut wrong = None;
    each_text(board, &mut |text| {
        if let Some(rest) = text.strip_prefix("/d/") {
            let uid = rest.split(['?', '/']).next().unwrap_or_default();
            if !UIDS.contains(&uid) {
                wrong = Some(text.to_owned());
            }
        }
    });
    ensure!(wrong.is_none(), "a link to no dashboard of ours: {wrong:?}");
    Ok(())
}

fn each_text(value: &Value, see: &mut impl FnMut(&str)) {
    match value {
        Value::String(text) => see(text),
        Value::Array(values) => values.iter().for_each(|value| each_text(value, see)),
        Value::Object(values) => values.values().for_each(|value| each_text(value, see)),
        _ => {}
    }
}

type Corrupt = fn(&mut Value);

fn fault_of(corrupt: impl FnOnce(&mut Value)) -> Result<String> {
    let (_, mut board) = boards()?.remove(0);
    corrupt(&mut board);
    let fault = check(&board).err();
    Ok(fault.map_or_else(String::new, |error| error.to_string()))
}

#[test]
fn faults_are_found() -> Result<()> {
    assert_eq!(fault_of(|_| ())?, "");
    let cases: [(Corrupt, &str); 9] = [
        (|board| board["uid"] = json!("x"), "uid"),
        (|board| board["panels"][2]["id"] = json!(2), "another's"),
        (
            |board| board["panels"][2]["gridPos"]["x"] = json!(1),
            "covers",
        ),
        (
            |board| board["panels"][2]["gridPos"]["x"] = json!(23),
            "edge",
        ),
        (
            |board| board["panels"][2]["description"] = json!(""),
            "description",
        ),
        (
            |board| board["panels"][2]["targets"][0]["expr"] = json!(""),
            "no query",
        ),
        (
            |board| board["panels"][2]["targets"][0]["expr"] = json!("$other"),
            "not defined",
        ),
        (
            |board| board["panels"][2]["datasource"]["uid"] = json!("abc"),
            "data source",
        ),
        (|board| board["links"][0]["url"] = json!("/d/other"), "link"),
    ];
    for (corrupt, error) in cases {
        let found = fault_of(corrupt)?;
        assert!(found.contains(error), "{found:?}, not {error:?}");
    }
    Ok(())
}

#[test]
fn unused_variables_are_found() -> Result<()> {
    let (_, board) = boards()?.remove(0);
    let text = board.to_string().replace("${rtt}", "m");
    let found = check(&serde_json::from_str(
        &text.replace("${rtt:queryparam}", ""),
    )?);
    let found = found.err().map(|error| error.to_string());
    assert_eq!(found.as_deref(), Some("the variable \"rtt\" is not used"));
    Ok(())
}

//! A property list of launchd.

use plist::{Dictionary, Value};

use super::common::{MAX_FILES, RESTART_SECONDS};
use crate::error::ServiceError;
use crate::spec::Spec;

pub(super) fn property_list(spec: &Spec) -> Result<String, ServiceError> {
    let strings = |items: &mut dyn Iterator<Item = &String>| {
        Value::Array(items.map(|item| Value::String(item.clone())).collect())
    };
    let files = || Value::Dictionary(dictionary([("NumberOfFiles", Value::from(MAX_FILES))]));
    let command = &mut [&spec.program].into_iter().chain(&spec.arguments);
    let mut entries = dictionary([
        ("Label", Value::from(&*spec.name)),
        ("ProgramArguments", strings(command)),
        // To load it is not to start it: the first start removes this.
        ("Disabled", Value::from(true)),
        ("RunAtLoad", Value::from(true)),
        (
            "KeepAlive",
            Value::Dictionary(dictionary([("SuccessfulExit", Value::from(false))])),
        ),
        ("ThrottleInterval", Value::from(RESTART_SECONDS)),
        // Timers of other types are coalesced, which would distort the measurements.
        ("ProcessType", Value::from("Interactive")),
        ("SoftResourceLimits", files()),
        ("HardResourceLimits", files()),
    ]);
    let log = if spec.user {
        format!("/tmp/{}.log", spec.name)
    } else {
        format!("/Library/Logs/{}.log", spec.name)
    };
    entries.insert("StandardErrorPath".to_owned(), Value::from(log));
    if let Some(account) = &spec.account {
        entries.insert("UserName".to_owned(), Value::from(&**account));
    }
    let mut text = Vec::new();
    Value::Dictionary(entries)
        .to_writer_xml(&mut text)
        .map_err(|error| failed(spec, error.to_string()))?;
    text.push(b'\n');
    String::from_utf8(text).map_err(|error| failed(spec, error.to_string()))
}

fn dictionary<const N: usize>(entries: [(&str, Value); N]) -> Dictionary {
    entries
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}

fn failed(spec: &Spec, reason: String) -> ServiceError {
    ServiceError::Failed {
        action: "describe",
        name: spec.name.clone(),
        reason,
        log: None,
    }
}

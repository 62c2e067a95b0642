//! The system's list of hosts.

use std::{net::IpAddr, path::PathBuf};

use crate::IpVersion;

/// The path of the list.
pub(crate) fn path() -> PathBuf {
    if cfg!(windows) {
        let root = std::env::var_os("SystemRoot").unwrap_or_else(|| "C:\\Windows".into());
        PathBuf::from(root).join("System32\\drivers\\etc\\hosts")
    } else {
        "/etc/hosts".into()
    }
}

/// The addresses of `name` in the system's list. An unreadable list is empty.
pub(crate) fn system(name: &str, ip: IpVersion) -> Vec<IpAddr> {
    let text = std::fs::read_to_string(path()).unwrap_or_default();
    find(&text, name, ip)
}

/// The addresses of `name` in a list, in order and without duplicates.
pub(crate) fn find(text: &str, name: &str, ip: IpVersion) -> Vec<IpAddr> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let mut found = Vec::new();
    for line in text.lines() {
        let line = line.split_once('#').map_or(line, |(line, _)| line);
        let mut words = line.split_whitespace();
        let Some(Ok(address)) = words.next().map(str::parse::<IpAddr>) else {
            continue;
        };
        let is_named = words.any(|word| word.eq_ignore_ascii_case(name));
        if is_named && ip.includes(address) && !found.contains(&address) {
            found.push(address);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_all_its_lines_and_aliases_count() {
        let text = "127.0.0.1 localhost\n# 192.0.2.9 web\n192.0.2.1\tWeb.test web # one\n\
                    2001:db8::1 web.test\nfe80::1%lo web.test\n\n192.0.2.1 web.test\nweb.test";
        let find = |name, ip| {
            let found = find(text, name, ip).into_iter();
            found.map(|ip| ip.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(
            find("web.test", IpVersion::Auto),
            ["192.0.2.1", "2001:db8::1"]
        );
        assert_eq!(find("WEB.", IpVersion::Auto), ["192.0.2.1"]);
        assert_eq!(find("web.test", IpVersion::V6), ["2001:db8::1"]);
        assert!(find("one", IpVersion::Auto).is_empty());
    }
}

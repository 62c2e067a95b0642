//! The actions of `-svc` where no manager runs the system.

use std::env;
use std::path::Path;

use crate::running::binary;

/// Whether systemd or `OpenRC` runs this system: then a test must not touch services.
fn has_a_manager() -> bool {
    let path = env::var("PATH").unwrap_or_default();
    Path::new("/run/systemd/system").exists()
        || env::split_paths(&path).any(|folder| folder.join("rc-service").exists())
}

#[test]
fn without_a_manager_every_action_says_so_in_two_lines() {
    if has_a_manager() {
        return;
    }
    for action in ["install", "uninstall", "start", "stop", "restart", "status"] {
        let output = binary().args(["-svc", action]).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(
            text.starts_with("tcp-echo-metrics: no service manager found"),
            "{text}"
        );
        assert!(text.contains("-svc=run"), "{text}");
        assert!(output.stdout.is_empty());
    }
}

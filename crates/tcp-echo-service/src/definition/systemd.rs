//! A unit of systemd: systemd.unit(5), systemd.service(5), systemd.exec(5).

use std::collections::BTreeSet;
use std::iter;
use std::path::Path;

use super::common::{DESCRIPTION, RESTART_SECONDS};
use crate::spec::Spec;

/// systemd restarts the service after this many seconds without a heartbeat.
const WATCHDOG_SECONDS: u32 = 30;

/// The sandbox of a unit of the system, in addition to that of a user's.
const SYSTEM: &str = "\
ProtectSystem=strict
ProtectProc=invisible
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
PrivateTmp=yes
PrivateDevices=yes
RemoveIPC=yes
";

/// The sandbox that the manager of a user supports as well. Name look-ups need `AF_UNIX` and
/// `AF_NETLINK`.
const COMMON: &str = "\
NoNewPrivileges=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM
UMask=0077
";

/// Directories that the sandbox hides from the service.
const HIDDEN: [&str; 5] = ["/home", "/root", "/run/user", "/tmp", "/var/tmp"];

pub(super) fn unit(spec: &Spec) -> String {
    let comment = "# Written by tcp-echo-metrics -svc=install, which replaces it when run again.\n\
                   # What is to outlast that belongs into a drop-in: systemctl edit.\n";
    render(spec, comment, "")
}

/// The unit of a package of the system. Its flags are in a file of environment variables.
pub fn packaged_unit() -> String {
    let spec = Spec {
        name: "tcp-echo-metrics".to_owned(),
        program: "/usr/bin/tcp-echo-metrics".to_owned(),
        arguments: vec!["--svc=run".to_owned()],
        files: Vec::new(),
        account: None,
        user: false,
        low_port: false,
    };
    let comment = "# Flags are set in /etc/default/tcp-echo-metrics as variables, for example\n\
                   # TCP_ECHO_MODE=both. For a port below 1024, allow it in a drop-in:\n\
                   #   AmbientCapabilities=CAP_NET_BIND_SERVICE\n\
                   #   CapabilityBoundingSet=CAP_NET_BIND_SERVICE\n\
                   #   PrivateUsers=no\n";
    render(
        &spec,
        comment,
        "EnvironmentFile=-/etc/default/tcp-echo-metrics\n",
    )
}

fn render(spec: &Spec, comment: &str, environment: &str) -> String {
    let command = command(spec);
    // The manager of a user has no network target, and can't raise limits.
    let (network, files) = if spec.user {
        ("", "")
    } else {
        (
            "Wants=network-online.target\nAfter=network-online.target\n",
            "LimitNOFILE=1048576\n",
        )
    };
    let sandbox = if spec.user {
        "# What the manager of a user can deny a service.\n".to_owned()
    } else {
        let account = match &spec.account {
            Some(account) => format!("User={account}\n"),
            None => "DynamicUser=yes\n".to_owned(),
        };
        let comment = "\n# Sandboxing: the service can access only what it needs.\n";
        let (privileges, hidden, state) = (privileges(spec), hidden(spec), state(spec));
        format!("{account}{comment}{privileges}{hidden}{state}{SYSTEM}")
    };
    let target = if spec.user {
        "default.target"
    } else {
        "multi-user.target"
    };
    format!(
        "\
{comment}[Unit]
Description={DESCRIPTION}
{network}
[Service]
Type=notify
NotifyAccess=main
{environment}{command}ExecReload=/bin/sh -c 'kill -HUP $MAINPID'
Restart=on-failure
RestartSec={RESTART_SECONDS}
WatchdogSec={WATCHDOG_SECONDS}
{files}{sandbox}{COMMON}
[Install]
WantedBy={target}
"
    )
}

/// The one folder that the service can write to, if it keeps a state.
fn state(spec: &Spec) -> &'static str {
    let is_state = |argument: &String| {
        let flag = argument.trim_start_matches('-');
        flag == "state" || flag.starts_with("state=")
    };
    if spec.arguments.iter().any(is_state) {
        "StateDirectory=tcp-echo-metrics\n"
    } else {
        ""
    }
}

/// The capability to bind low ports, if needed. A user namespace would void it.
fn privileges(spec: &Spec) -> String {
    if spec.low_port {
        "AmbientCapabilities=CAP_NET_BIND_SERVICE\n\
         CapabilityBoundingSet=CAP_NET_BIND_SERVICE\n"
            .to_owned()
    } else {
        "CapabilityBoundingSet=\nPrivateUsers=yes\n".to_owned()
    }
}

/// Hides the homes of users, except for the program and the directories of files among its
/// arguments. A directory rather than a file, so that the file can be replaced.
fn hidden(spec: &Spec) -> String {
    let program = Path::new(&spec.program);
    let mut used = BTreeSet::new();
    if is_hidden(program) {
        used.insert(path_list_item("", program));
    }
    for file in spec
        .files
        .iter()
        .map(Path::new)
        .filter(|file| is_hidden(file))
    {
        let folder = file.parent().unwrap_or(file);
        // All of /tmp would be too much, unless a pattern asks for it.
        let is_pattern = file.as_os_str().to_string_lossy().contains(['*', '?']);
        let whole = is_pattern || !HIDDEN.iter().any(|hidden| folder == Path::new(hidden));
        // The program itself reports a file that is missing.
        used.insert(path_list_item("-", if whole { folder } else { file }));
    }
    if used.is_empty() {
        return "ProtectHome=yes\n".to_owned();
    }
    let visible = used
        .into_iter()
        .map(|item| format!("BindReadOnlyPaths={item}\n"));
    iter::once("ProtectHome=tmpfs\n".to_owned())
        .chain(visible)
        .collect()
}

fn is_hidden(path: &Path) -> bool {
    HIDDEN.iter().any(|hidden| path.starts_with(hidden))
}

/// `ExecStart=`, one argument per line.
fn command(spec: &Spec) -> String {
    let mut text = format!("ExecStart={}", quote(&spec.program.replace('%', "%%")));
    for argument in &spec.arguments {
        // systemd expands specifiers and variables also within quotes, but no variables in
        // the path of the program.
        let argument = argument.replace('%', "%%").replace('$', "$$");
        text.push_str(" \\\n    ");
        text.push_str(&quote(&argument));
    }
    text.push('\n');
    text
}

/// Quotes a word for systemd, which splits lines with quotes and the escapes of C.
fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@+%$[]".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("\"{}\"", word.replace('\\', r"\\").replace('"', "\\\""))
}

/// Quotes a path in a list of paths, in which a colon separates source and destination.
fn path_list_item(prefix: &str, path: &Path) -> String {
    let path = path.to_string_lossy().replace('%', "%%");
    quote(&format!("{prefix}{}", path.replace(':', r"\:")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spec(program: &str, arguments: &[&str]) -> Spec {
        Spec {
            name: "echo".to_owned(),
            program: program.to_owned(),
            arguments: arguments.iter().map(ToString::to_string).collect(),
            files: Vec::new(),
            account: None,
            user: false,
            low_port: false,
        }
    }

    /// A command line as systemd.service(5) reads it: continued lines are joined, words are
    /// split and unquoted, then `%` and `$` are expanded. Fails if anything would be expanded.
    fn as_systemd_reads(command: &str) -> Vec<String> {
        let line = command.strip_prefix("ExecStart=").unwrap();
        let line = line.replace("\\\n", " ");
        let mut words = Vec::new();
        let mut word: Option<String> = None;
        let mut quote = None;
        let mut chars = line.trim_end().chars();
        while let Some(c) = chars.next() {
            match (c, quote) {
                (' ', None) => words.extend(word.take()),
                ('"' | '\'', None) => {
                    quote = Some(c);
                    word.get_or_insert_default();
                }
                (c, Some(open)) if c == open => quote = None,
                ('\\', _) => word.get_or_insert_default().push(match chars.next() {
                    Some(c @ ('\\' | '"')) => c,
                    other => panic!("escape {other:?} in {line}"),
                }),
                (c, _) => word.get_or_insert_default().push(c),
            }
        }
        assert_eq!(quote, None, "{line}");
        words.extend(word);
        let undouble = |word: &str, mark: char| {
            let halves = word.replace(&mark.to_string().repeat(2), "\u{0}");
            assert!(!halves.contains(mark), "{word}");
            halves.replace('\u{0}', &mark.to_string())
        };
        for (place, word) in words.iter_mut().enumerate() {
            *word = undouble(word, '%');
            if place > 0 {
                *word = undouble(word, '$');
            }
        }
        words
    }

    #[track_caller]
    fn round_trip(program: &str, arguments: &[&str]) {
        let mut expected = vec![program];
        expected.extend(arguments);
        assert_eq!(
            as_systemd_reads(&command(&spec(program, arguments))),
            expected
        );
    }

    #[test]
    fn arguments_arrive_unchanged() {
        round_trip(
            "/opt/my progr%am$/bin",
            &[
                "--svc=run",
                "--target=a b=:1",
                "--x=%n%%",
                "--x=$HOME ${HOME} $$",
                "--x=\"it's\"",
                "--x=\\n\\",
                "--x=;",
                "",
                ";",
                "'",
                "é",
                "#x",
            ],
        );
    }

    proptest! {
        #[test]
        fn any_arguments_arrive_unchanged(arguments in prop::collection::vec("[ -~é]{0,12}", 0..5)) {
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            round_trip("/usr/bin/x", &arguments);
        }
    }

    #[test]
    fn no_argument_ends_its_line() {
        let unit = unit(&spec("/p", &["--x=a\\", "--y=\\"]));
        let lines: Vec<_> = unit
            .lines()
            .filter(|line| line.starts_with("ExecReload"))
            .collect();
        assert_eq!(lines, ["ExecReload=/bin/sh -c 'kill -HUP $MAINPID'"]);
        let next = unit.lines().find(|line| line.contains("--y")).unwrap();
        assert!(next.ends_with('"'), "{next}");
    }

    #[test]
    fn files_in_a_home_stay_visible() {
        let mut spec = spec("/home/me/my bin/echo", &[]);
        spec.files = vec![
            "/root/targets/a.yml".to_owned(),
            "/etc/targets/b.yml".to_owned(),
            "/tmp/c.yml".to_owned(),
        ];
        assert_eq!(
            hidden(&spec),
            "ProtectHome=tmpfs\n\
             BindReadOnlyPaths=\"/home/me/my bin/echo\"\n\
             BindReadOnlyPaths=-/root/targets\n\
             BindReadOnlyPaths=-/tmp/c.yml\n"
        );
        spec.program = "/usr/bin/echo".to_owned();
        spec.files.clear();
        assert_eq!(hidden(&spec), "ProtectHome=yes\n");
    }

    #[test]
    fn a_folder_to_write_to_is_there_for_a_state_alone() {
        let with = unit(&spec(
            "/bin/a",
            &["--state=/var/lib/tcp-echo-metrics/episodes.json"],
        ));
        assert!(with.contains("StateDirectory=tcp-echo-metrics\n"));
        let without = unit(&spec("/bin/a", &["--target=state:4000"]));
        assert!(!without.contains("StateDirectory"));
    }

    #[test]
    fn a_privileged_port_is_the_only_privilege() {
        let mut spec = spec("/p", &[]);
        assert!(unit(&spec).contains("\nCapabilityBoundingSet=\n"));
        spec.low_port = true;
        let unit = unit(&spec);
        assert!(unit.contains("\nCapabilityBoundingSet=CAP_NET_BIND_SERVICE\n"));
        assert!(!unit.contains("PrivateUsers"));
    }

    #[test]
    fn a_unit_of_a_user_uses_nothing_that_its_manager_lacks() {
        let mut spec = spec("/home/me/echo", &[]);
        spec.user = true;
        let unit = unit(&spec);
        for absent in [
            "User",
            "Protect",
            "Private",
            "Capabilit",
            "LimitNOFILE",
            "network",
            "Bind",
        ] {
            assert!(!unit.contains(absent), "{absent}");
        }
        assert!(unit.contains("WantedBy=default.target"));
    }
}

//! What the manual page says besides what the flags say of themselves.

pub(super) const NAME: &str = "tcp-echo-metrics - measure TCP latency and loss for Prometheus";

/// Without the program's name.
pub(super) const SYNOPSIS: &[&str] = &[
    "[FLAG]...",
    "--mode client|both --target [NAME=]HOST:PORT [FLAG]...",
    "--mode client --target HOST:PORT --count COUNT [FLAG]...",
    "--svc install|uninstall|start|stop|restart|status [FLAG]...",
];

pub(super) const DESCRIPTION: &str = "\
This is a TCP echo server, a client that probes such servers with frames of 16 bytes over \
long-lived connections, or both. The client measures the round-trip time and the loss of each \
of its targets, and serves them as metrics.

Without flags it is a server. A client has a probe due for each target at every interval. Such \
a slot is lost if no reply comes within the timeout, or if there is no connection to send a \
probe on. The loss is that of the last slots, the loss window; so it is 100 % when the peer is \
dead.

Beside the metrics at /metrics, in the format that the client asks for, there is a status page \
at /, its data as JSON at /api/v1/targets, and /-/healthy, /-/ready and, for POST, /-/reload, which \
is for this host alone unless --web.enable-lifecycle says otherwise.

With a flag of the group Report it watches the targets in the foreground and prints a report \
at the end, for people or for scripts.";

pub(super) const ENVIRONMENT: &str = "\
A flag that is not given on the command line is taken from its variable, unless that is empty. \
These are:";

pub(super) const VARIABLES: &[(&str, &str)] = &[
    (
        "NO_COLOR",
        "Not empty, it keeps colours off the log in a terminal.",
    ),
    (
        "LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES",
        "Sockets that a supervisor hands down, as systemd does. Those named echo take the place of \
         --listen, those named metrics that of --metrics.",
    ),
    (
        "NOTIFY_SOCKET, WATCHDOG_USEC",
        "Where systemd is told that everything runs, and how often that it still does.",
    ),
];

pub(super) const SIGNALS: &[(&str, &str)] = &[
    (
        "SIGINT, SIGTERM",
        "End the program. With a report, the replies that are due are awaited, until the next of \
         these signals.",
    ),
    (
        "SIGHUP",
        "Read the files of targets again. With a live view in a terminal that is gone it ends the \
         program.",
    ),
];

pub(super) const STATUS: &[(&str, &str)] = &[
    (
        "0",
        "It was told to end, or the loss of no target exceeds --max-loss.",
    ),
    (
        "1",
        "The loss of a target exceeds --max-loss; or something failed, which standard error says.",
    ),
    ("2", "The flags are wrong."),
    (
        "3, 4",
        "With --svc status: the service is stopped, or it is not installed. 0 is one that runs.",
    ),
];

pub(super) const FILES: &[(&str, &str)] = &[
    (
        "/etc/default/tcp-echo-metrics",
        "The variables of the service that a package has installed, as in TCP_ECHO_MODE=both.",
    ),
    (
        "/etc/systemd/system/tcp-echo-metrics.service",
        "What --svc install writes where systemd is, by the name of --svc-name. Elsewhere it says \
         what it writes.",
    ),
];

pub(super) const SEE_ALSO: &[(&str, &str)] = &[
    ("journalctl", "1"),
    ("ping", "8"),
    ("prometheus", "1"),
    ("systemd.service", "5"),
    ("systemd.socket", "5"),
];

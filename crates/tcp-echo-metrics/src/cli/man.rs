//! The text of the manual page besides the help of the flags.

use clap::Command;
use tcp_echo_flags::ManPage;

use super::VARIABLES as FLAG_VARIABLES;
use crate::version;

/// The page of `command`. `help` is the end of its help, with the examples and notes.
pub(super) fn page(command: &Command, help: &str) -> String {
    let page = ManPage {
        title: "TCP-ECHO-METRICS",
        date: version::DATE,
        version: version::VERSION,
        name: NAME,
        synopsis: SYNOPSIS,
        description: DESCRIPTION,
        environment: ENVIRONMENT,
        flag_variables: FLAG_VARIABLES,
        variables: VARIABLES,
        sections: &[
            ("SIGNALS", SIGNALS),
            ("EXIT STATUS", STATUS),
            ("FILES", FILES),
        ],
        help,
        see_also: SEE_ALSO,
    };
    page.render(command)
}

const NAME: &str = "tcp-echo-metrics - measure TCP latency and loss for Prometheus";

/// Without the name of the program.
const SYNOPSIS: &[&str] = &[
    "[FLAG]...",
    "[FLAG]... [NAME=]HOST[:PORT]...",
    "--mode client|both --target [NAME=]HOST:PORT [FLAG]...",
    "--mode client --target HOST:PORT --count COUNT [FLAG]...",
    #[cfg(feature = "service")]
    "--svc install|uninstall|start|stop|restart|status [FLAG]...",
];

/// Its paragraphs.
const DESCRIPTION: &[&str] = &[
    "\
This is a TCP echo server, a client that probes such servers with frames of 16 bytes over
long-lived connections, or both. The client measures the round-trip time and the loss of each
of its targets, and serves them as metrics.",
    "\
Without flags it is a server. A client schedules a probe of each target at every interval: a
slot. A slot is lost if no reply arrives within the timeout, or if there is no connection to
send a probe on. The loss is that of the last slots, the loss window; a dead peer has a loss of
100 %.",
    #[cfg(feature = "page")]
    "\
The endpoints serve the metrics at /metrics in the format that the scraper requests, a status
page at /, its data as JSON at /api/v1/targets, and /-/healthy and /-/ready. POST to /-/reload
reloads the targets files; only this host may, unless --web.enable-lifecycle is given.",
    #[cfg(not(feature = "page"))]
    "\
The endpoints serve the metrics at /metrics in the format that the scraper requests, and
/-/healthy and /-/ready. POST to /-/reload reloads the targets files; only this host may, unless
--web.enable-lifecycle is given.",
    "\
With hosts among the arguments it is what ping is: a client in the foreground, with a line for
each probe and a report at the end. A host without a port has port 4000. With a flag of the
group Report a client prints a report, too, for people or for scripts.",
];

const ENVIRONMENT: &str = "\
A flag that is not on the command line is read from its variable, unless that is empty.
The variables are:";

const VARIABLES: &[(&str, &str)] = &[
    (
        "NO_COLOR",
        "If not empty, log lines on a terminal have no colours.",
    ),
    #[cfg(feature = "service")]
    (
        "LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES",
        "Sockets passed by a supervisor such as systemd. Those named echo replace --listen,\n\
         those named metrics replace --metrics.",
    ),
    #[cfg(feature = "service")]
    (
        "NOTIFY_SOCKET, WATCHDOG_USEC",
        "The socket for notifications to systemd, and the timeout of its watchdog.",
    ),
];

const SIGNALS: &[(&str, &str)] = &[
    (
        "SIGINT, SIGTERM",
        "End the program. With a report, it waits for replies in flight until a second\n\
         signal.",
    ),
    (
        "SIGHUP",
        "Reload the targets files. With a live view whose terminal is gone, end the program.",
    ),
];

const STATUS: &[(&str, &str)] = &[
    (
        "0",
        "A signal ended the program, or no target exceeded --max-loss.",
    ),
    (
        "1",
        "A target exceeded --max-loss, or an error occurred; standard error has the message.",
    ),
    ("2", "The flags are wrong."),
    #[cfg(feature = "service")]
    (
        "3, 4",
        "With --svc status: the service is stopped, or not installed. 0 is a running service.",
    ),
];

const FILES: &[(&str, &str)] = &[
    (
        "/etc/default/tcp-echo-metrics",
        "The variables of the service from a package, as in TCP_ECHO_MODE=both.",
    ),
    (
        "/etc/systemd/system/tcp-echo-metrics.service",
        "The unit that --svc install writes on systemd, with the name of --svc-name.\n\
         Elsewhere it prints the path.",
    ),
];

const SEE_ALSO: &[(&str, &str)] = &[
    ("journalctl", "1"),
    ("ping", "8"),
    ("prometheus", "1"),
    ("systemd.service", "5"),
    ("systemd.socket", "5"),
];

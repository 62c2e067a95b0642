//! The command line of the service.

use clap::CommandFactory as _;
use tcp_echo_flags::{file_flags, file_of};
use tcp_echo_service::{Action, CommandLine};

use super::config::{Config, ServiceAction};
use super::flags::Flags;

impl Config {
    /// The action on the service; `None` if there is none, or the program runs as the service.
    pub fn service_action(&self) -> Option<Action> {
        Some(match self.service? {
            ServiceAction::Install => Action::Install(self.command_line()),
            ServiceAction::Uninstall => Action::Uninstall,
            ServiceAction::Start => Action::Start,
            ServiceAction::Stop => Action::Stop,
            ServiceAction::Restart => Action::Restart,
            ServiceAction::Status => Action::Status,
            ServiceAction::Run => return None,
        })
    }

    /// The command line of a service with this configuration: the flags given.
    pub fn command_line(&self) -> CommandLine {
        let file_flags = file_flags(&Flags::command());
        let mut command_line = CommandLine::new().listens_on(self.metrics.port());
        if self.mode.serves() {
            command_line = command_line.listens_on(self.server.listen.port());
        }
        for given in &self.given {
            command_line = match file_of(given, &file_flags) {
                Some((name, file)) => command_line.file_arg(name, file),
                None => command_line.arg(given),
            };
        }
        command_line
    }
}

//! The actions on a service, whatever its manager.

use std::io::{self, Write};
use std::process::ExitCode;

use crate::error::ServiceError;
use crate::manager::Manager;
use crate::options::ServiceOptions;
use crate::spec::{self, CommandLine, Spec};
use crate::state::State;

/// The exit status of a stopped service, as the Linux Standard Base has it.
const STOPPED: u8 = 3;
/// The exit status of a service that is not installed ("unknown" there).
const NOT_INSTALLED: u8 = 4;

/// An action on a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Install it with this command line, or update it.
    Install(CommandLine),
    /// Remove it.
    Uninstall,
    /// Start it.
    Start,
    /// Stop it.
    Stop,
    /// Stop it if it runs, and start it.
    Restart,
    /// Print its state.
    Status,
}

/// Carries out an action, and prints to standard output what was done.
///
/// The exit status is 0 on success, also if there was nothing to do, and 1 with a message on
/// standard error on failure. [`Action::Status`] exits with 0 for a service that runs, 3 for one
/// that is stopped or failing, and 4 for one that is not installed.
pub fn act(action: &Action, options: &ServiceOptions) -> ExitCode {
    let mut out = io::stdout().lock();
    let done = native(options).and_then(|manager| {
        let service = Service {
            manager: &*manager,
            options,
        };
        service.act(action, &mut out)
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(ServiceError::Status(State::NotInstalled)) => ExitCode::from(NOT_INSTALLED),
        Err(ServiceError::Status(_)) => ExitCode::from(STOPPED),
        Err(error) => {
            // If standard error is closed, the exit status is all there is.
            let _ = writeln!(io::stderr(), "tcp-echo-metrics: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The manager of this system.
#[cfg(unix)]
fn native(options: &ServiceOptions) -> Result<Box<dyn Manager>, ServiceError> {
    Ok(Box::new(crate::native::Native::new(options)?))
}

/// The manager of this system.
#[cfg(windows)]
fn native(options: &ServiceOptions) -> Result<Box<dyn Manager>, ServiceError> {
    Ok(Box::new(crate::windows::Windows::new(options)?))
}

struct Service<'a> {
    manager: &'a dyn Manager,
    options: &'a ServiceOptions,
}

impl Service<'_> {
    fn act(&self, action: &Action, out: &mut dyn Write) -> Result<(), ServiceError> {
        match action {
            Action::Install(command_line) => self.install(command_line, out),
            Action::Uninstall => self.uninstall(out),
            Action::Start => self.start(out),
            Action::Stop => self.stop(out),
            Action::Restart => self.restart(out),
            Action::Status => self.status(out),
        }
    }

    fn name(&self) -> &str {
        &self.options.name
    }

    fn install(&self, command_line: &CommandLine, out: &mut dyn Write) -> Result<(), ServiceError> {
        let spec = Spec::new(self.options, command_line, &spec::this_program()?)?;
        self.manager.may_change()?;
        let before = self.manager.state()?;
        for line in self.manager.install(&spec)? {
            writeln!(out, "{line}")?;
        }
        let name = self.name();
        match before {
            State::Running | State::Failing => {
                self.manager.stop()?;
                self.manager.start()?;
                writeln!(out, "{name} is updated and has been restarted")?;
            }
            State::Stopped => writeln!(out, "{name} is updated; start it with -svc=start")?,
            State::NotInstalled => writeln!(
                out,
                "{name} is installed and starts with the system; start it now with -svc=start"
            )?,
        }
        Ok(())
    }

    fn uninstall(&self, out: &mut dyn Write) -> Result<(), ServiceError> {
        self.manager.may_change()?;
        let before = self.installed()?;
        self.manager.may_remove()?;
        if before != State::Stopped {
            self.manager.stop()?;
            writeln!(out, "{} is stopped", self.name())?;
        }
        for line in self.manager.uninstall()? {
            writeln!(out, "{line}")?;
        }
        writeln!(out, "{} is uninstalled", self.name())?;
        Ok(())
    }

    fn start(&self, out: &mut dyn Write) -> Result<(), ServiceError> {
        self.manager.may_change()?;
        if self.installed()? == State::Running {
            writeln!(out, "{} runs already", self.name())?;
            return Ok(());
        }
        self.manager.start()?;
        let log = self.manager.log();
        writeln!(out, "{} is started; its log: {log}", self.name())?;
        Ok(())
    }

    fn stop(&self, out: &mut dyn Write) -> Result<(), ServiceError> {
        self.manager.may_change()?;
        if self.installed()? == State::Stopped {
            writeln!(out, "{} is stopped already", self.name())?;
            return Ok(());
        }
        self.manager.stop()?;
        writeln!(out, "{} is stopped", self.name())?;
        Ok(())
    }

    fn restart(&self, out: &mut dyn Write) -> Result<(), ServiceError> {
        self.manager.may_change()?;
        if self.installed()? != State::Stopped {
            self.manager.stop()?;
        }
        self.manager.start()?;
        writeln!(out, "{} is restarted", self.name())?;
        Ok(())
    }

    fn status(&self, out: &mut dyn Write) -> Result<(), ServiceError> {
        let (name, state) = (self.name(), self.manager.state()?);
        let says = match state {
            State::Running => "runs",
            State::Failing => "fails and is restarted each time",
            State::Stopped => "is stopped",
            State::NotInstalled => {
                writeln!(out, "{name} is not installed")?;
                return Err(ServiceError::Status(state));
            }
        };
        writeln!(out, "{name} {says}; its log: {}", self.manager.log())?;
        match state {
            State::Running => Ok(()),
            state => Err(ServiceError::Status(state)),
        }
    }

    /// The state of the service, which has to be installed.
    fn installed(&self) -> Result<State, ServiceError> {
        match self.manager.state()? {
            State::NotInstalled => Err(ServiceError::NotInstalled {
                name: self.name().to_owned(),
            }),
            state => Ok(state),
        }
    }
}

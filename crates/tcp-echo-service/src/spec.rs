//! The command line of a service, and everything else that its definition needs.

use std::env;
use std::path::{Path, PathBuf};

use crate::error::ServiceError;
use crate::options::ServiceOptions;

/// Ports below this need a privilege on Unix.
const FIRST_UNPRIVILEGED_PORT: u16 = 1024;

/// The arguments of a service, and the ports that it listens on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandLine {
    arguments: Vec<Argument>,
    ports: Vec<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Argument {
    Text(String),
    File { flag: String, path: String },
}

impl CommandLine {
    /// Without arguments.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(Argument::Text(argument.into()));
        self
    }

    /// Adds `--flag=path`. The path becomes absolute, since a service starts in a directory of
    /// its own, and a sandbox keeps it visible.
    #[must_use]
    pub fn file_arg(mut self, flag: impl Into<String>, path: impl Into<String>) -> Self {
        self.arguments.push(Argument::File {
            flag: flag.into(),
            path: path.into(),
        });
        self
    }

    /// Adds a port that the service listens on.
    #[must_use]
    pub fn listens_on(mut self, port: u16) -> Self {
        self.ports.push(port);
        self
    }
}

/// Everything that the definition of a service needs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Spec {
    /// Its name.
    pub name: String,
    /// The absolute path of the program.
    pub program: String,
    /// Its arguments: `--svc=run`, then those of the command line.
    pub arguments: Vec<String>,
    /// The files among its arguments.
    pub files: Vec<String>,
    /// The account that it runs as; `None` leaves that to the manager.
    pub account: Option<String>,
    /// Whether it belongs to the user who installs it.
    pub user: bool,
    /// Whether it listens on a port that needs a privilege.
    pub low_port: bool,
}

impl Spec {
    /// A service that runs `program` with `command_line`.
    ///
    /// # Errors
    /// [`ServiceError`], if a definition can't express one of its parts.
    pub fn new(
        options: &ServiceOptions,
        command_line: &CommandLine,
        program: &Path,
    ) -> Result<Self, ServiceError> {
        let program = program
            .to_str()
            .ok_or_else(|| ServiceError::Program(format!("{} is not UTF-8", program.display())))?;
        let mut arguments = vec!["--svc=run".to_owned()];
        let mut files = Vec::new();
        for argument in &command_line.arguments {
            match argument {
                Argument::Text(text) => arguments.push(text.clone()),
                Argument::File { flag, path } => {
                    let path = absolute(path)?;
                    arguments.push(format!("--{flag}={path}"));
                    files.push(path);
                }
            }
        }
        if let Some(argument) = arguments
            .iter()
            .chain([&program.to_owned()])
            .find(|argument| argument.contains(char::is_control))
        {
            return Err(ServiceError::ControlCharacter {
                argument: argument.clone(),
            });
        }
        let needs_privilege = |port: &u16| (1..FIRST_UNPRIVILEGED_PORT).contains(port);
        Ok(Self {
            name: options.name.clone(),
            program: program.to_owned(),
            arguments,
            files,
            account: options.account.clone(),
            user: options.user,
            low_port: command_line.ports.iter().any(needs_privilege),
        })
    }
}

/// The path of the running program.
pub(crate) fn this_program() -> Result<PathBuf, ServiceError> {
    let program = env::current_exe().map_err(|error| ServiceError::Program(error.to_string()))?;
    // The system returns the path at the start, which may have been removed since.
    if !program.is_file() {
        let text = format!("{} no longer exists", program.display());
        return Err(ServiceError::Program(text));
    }
    Ok(program)
}

fn absolute(file: &str) -> Result<String, ServiceError> {
    let failed = |source| ServiceError::Read {
        path: file.into(),
        source,
    };
    let path = std::path::absolute(file).map_err(failed)?;
    path.into_os_string()
        .into_string()
        .map_err(|path| ServiceError::ControlCharacter {
            argument: path.to_string_lossy().into_owned(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(command_line: &CommandLine) -> Result<Spec, ServiceError> {
        let options = ServiceOptions::new("x");
        Spec::new(&options, command_line, Path::new("/usr/local/bin/echo"))
    }

    #[test]
    fn low_ports_need_a_privilege() {
        for (port, low) in [(0, false), (7, true), (1023, true), (1024, false)] {
            let command_line = CommandLine::new().listens_on(4000).listens_on(port);
            assert_eq!(spec(&command_line).unwrap().low_port, low, "{port}");
        }
    }

    #[test]
    fn files_become_absolute() {
        let here = env::current_dir().unwrap();
        let file = here.join("a b.yml").to_str().unwrap().to_owned();
        // Windows has a root for each drive.
        let root = here.ancestors().last().unwrap();
        let list = root.join("*.json").to_str().unwrap().to_owned();
        let command_line = CommandLine::new()
            .file_arg("targets", "a b.yml")
            .arg("--mode=both")
            .file_arg("web.config.file", &list);
        let spec = spec(&command_line).unwrap();
        assert_eq!(spec.files, [&*file, &list]);
        assert_eq!(
            spec.arguments,
            [
                "--svc=run",
                &format!("--targets={file}"),
                "--mode=both",
                &format!("--web.config.file={list}")
            ]
        );
    }

    #[test]
    fn line_breaks_are_refused() {
        let command_line = CommandLine::new().arg("--target=a\nExecStartPre x=h:4000");
        let error = spec(&command_line).unwrap_err();
        assert!(error.to_string().contains(r"\n"), "{error}");
    }
}

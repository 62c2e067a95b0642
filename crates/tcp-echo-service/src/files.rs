//! The files of definitions, and who owns them.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

use crate::definition::Definition;
use crate::error::ServiceError;

/// A definition of this program has one of these, also one that the original in Go wrote.
/// Other programs may use the same name for a service.
const MARKS: [&str; 2] = ["--svc=run", "tcp-echo"];

/// The file that defines the service.
pub(crate) fn definition(
    kind: Definition,
    user: bool,
    name: &str,
) -> Result<PathBuf, ServiceError> {
    let no_home = || ServiceError::Program("-svc-user needs a home directory".to_owned());
    Ok(match (kind, user) {
        (Definition::Systemd, false) => {
            service_manager::systemd_global_dir_path().join(format!("{name}.service"))
        }
        (Definition::Systemd, true) => service_manager::systemd_user_dir_path()
            .map_err(|_| no_home())?
            .join(format!("{name}.service")),
        (Definition::Launchd, false) => {
            Path::new("/Library/LaunchDaemons").join(format!("{name}.plist"))
        }
        (Definition::Launchd, true) => {
            let home = env::home_dir().ok_or_else(no_home)?;
            home.join("Library/LaunchAgents")
                .join(format!("{name}.plist"))
        }
        (Definition::OpenRc, _) => Path::new("/etc/init.d").join(name),
        (Definition::Rcd, _) => Path::new("/usr/local/etc/rc.d").join(name),
    })
}

/// Whether there is a definition. Fails if another program owns it.
pub(crate) fn is_ours(path: &Path, name: &str) -> Result<bool, ServiceError> {
    match fs::read_to_string(path) {
        Ok(text) if MARKS.iter().any(|mark| text.contains(mark)) => Ok(true),
        Ok(_) => Err(ServiceError::Foreign {
            name: name.to_owned(),
            what: path.display().to_string(),
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(ServiceError::Read {
            path: path.to_owned(),
            source,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_of_other_programs_are_recognized() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.service");
        assert!(!is_ours(&path, "x").unwrap());
        fs::write(&path, "ExecStart=/usr/bin/tcp-echo-metrics -mode both\n").unwrap();
        assert!(is_ours(&path, "x").unwrap());
        fs::write(&path, "ExecStart=/usr/bin/sshd\n").unwrap();
        let error = is_ours(&path, "x").unwrap_err().to_string();
        assert!(
            error.contains("x.service") && error.contains("-svc-name"),
            "{error}"
        );
    }
}

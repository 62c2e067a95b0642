//! Resource limits of this process, which its children inherit.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the limit of open files to the maximum that the system allows. A thousand connections
/// need more than a shell's default of 1,024.
pub fn raise_open_files() {
    let now = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: now.maximum,
        maximum: now.maximum,
    };
    // If this fails, the test that needs more files fails with the reason.
    let _ = setrlimit(Resource::Nofile, raised);
}

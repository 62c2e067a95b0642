//! Fuzzes web configuration files: they cause no panic, and a rejected one has a clean one-line
//! error.

use std::{fs, sync::OnceLock};

use tcp_echo_web::Web;
use tempfile::TempDir;

use crate::text::is_clean_line;

/// The input is the content of the file.
pub fn run(data: &[u8]) {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| tempfile::tempdir().unwrap());
    // Tests run on several threads.
    let thread = format!("{:?}", std::thread::current().id());
    let path = folder.path().join(thread).with_extension("yml");
    fs::write(&path, data).unwrap();
    match Web::load(&path) {
        Ok(web) => {
            web.has_users();
            drop(web.tls_acceptor());
        }
        Err(error) => {
            let message = error.to_string();
            assert!(is_clean_line(&message), "{message:?}");
        }
    }
}

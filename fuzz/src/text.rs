//! What is asked of texts that are shown to people.

/// Whether a message is one line that does nothing to a terminal.
pub(crate) fn is_clean_line(message: &str) -> bool {
    !message.is_empty() && !message.contains(char::is_control)
}

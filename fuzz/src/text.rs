//! Checks of messages.

/// Returns whether a message is a single line without control characters.
pub(crate) fn is_clean_line(message: &str) -> bool {
    !message.is_empty() && !message.contains(char::is_control)
}

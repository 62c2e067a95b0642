//! A TCP echo server with limits and counts.

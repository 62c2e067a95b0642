//! Prometheus metrics and HTTP endpoints for TCP echo probing.

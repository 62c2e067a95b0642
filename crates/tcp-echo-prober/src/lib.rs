//! Continuous TCP echo probing of many targets, for embedding.

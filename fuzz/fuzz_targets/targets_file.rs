//! Fuzzes [`tcp_echo_fuzz::targets_file`].
#![cfg_attr(fuzzing, no_main)]

tcp_echo_fuzz::fuzzed!(targets_file);

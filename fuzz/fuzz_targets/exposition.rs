//! Fuzzes [`tcp_echo_fuzz::exposition`].
#![cfg_attr(fuzzing, no_main)]

tcp_echo_fuzz::fuzzed!(exposition);

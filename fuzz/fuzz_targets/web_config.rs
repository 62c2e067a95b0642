//! Fuzzes [`tcp_echo_fuzz::web_config`].
#![cfg_attr(fuzzing, no_main)]

tcp_echo_fuzz::fuzzed!(web_config);

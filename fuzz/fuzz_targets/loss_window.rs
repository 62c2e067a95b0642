//! Fuzzes [`tcp_echo_fuzz::loss_window`].
#![cfg_attr(fuzzing, no_main)]

tcp_echo_fuzz::fuzzed!(loss_window);

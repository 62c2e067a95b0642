//! The probing session as a state machine: schedule, in-flight table, outcomes; time is an argument.

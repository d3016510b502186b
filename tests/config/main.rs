//! The service file: every message as it is printed, the examples, the schema, and what is
//! exported and loaded again.

mod examples;
mod golden;
mod noise;
mod round_trip;
mod schema;

//! Tests against a real kernel, in networks of namespaces: `scripts/test` runs them in the lab.
//!
//! One binary, so that one boot runs them all. Each test is ignored outside the lab, and fails in a
//! lab whose kernel has no `ip_vs`.

#[path = "../lab/mod.rs"]
mod lab;

mod announce;
mod apply;
mod daemon;
mod discovery;
mod documents;
mod failover;
mod forwarding;
mod ipvsadm;
mod ldirectord;
mod library_batches;
mod library_connections;
mod library_dumps;
mod library_errors;
mod library_examples;
mod library_fake;
mod library_rig;
mod library_socket;
mod library_tables;
mod live;
mod peers;
mod processors;
mod rig;
mod schedulers;
mod seeing;
mod smoke;
mod through;
mod users;
mod verbs;

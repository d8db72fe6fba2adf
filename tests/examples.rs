//! The examples do what they say.

#![allow(clippy::unwrap_used)] // a test may

#[path = "../examples/service.rs"]
mod service;

#[test]
fn a_service_embeds_the_library() {
    service::main().unwrap();
}

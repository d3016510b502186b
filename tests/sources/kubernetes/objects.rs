//! Objects of the API.

use serde_json::{Value, json};

use super::LABEL;

/// A `Status`, as the API server sends errors.
pub(crate) fn status(code: u16, reason: &str, message: &str) -> Vec<u8> {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code,
    });
    status.to_string().into_bytes()
}

/// A slice of Service `web` with port 8080, in the form of the documentation.
pub(crate) fn slice(name: &str, endpoints: Vec<Value>) -> Value {
    let endpoints = Value::from(endpoints);
    json!({
        "kind": "EndpointSlice",
        "apiVersion": "discovery.k8s.io/v1",
        "metadata": {
            "name": name, "generateName": "web-", "namespace": "shop", "uid": "a1", "generation": 1,
            "creationTimestamp": "2026-11-30T10:00:00Z",
            "labels": { LABEL: "web", "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io" },
            "managedFields": [],
        },
        "addressType": "IPv4",
        "endpoints": endpoints,
        "ports": [{ "name": "http", "protocol": "TCP", "port": 8080 }],
    })
}

/// An endpoint that is `ready`, `serving` and `terminating` as these say: `true`, `false` or not said.
pub(crate) fn endpoint(address: &str, pod: &str, conditions: [Option<bool>; 3]) -> Value {
    let mut said = serde_json::Map::new();
    for (name, value) in ["ready", "serving", "terminating"].iter().zip(conditions) {
        if let Some(value) = value {
            said.insert((*name).to_owned(), value.into());
        }
    }
    json!({
        "addresses": [address],
        "conditions": said,
        "nodeName": "node-1",
        "zone": "us-west2-a",
        "targetRef": { "kind": "Pod", "namespace": "shop", "name": pod, "uid": "b2" },
    })
}

pub(crate) const READY: [Option<bool>; 3] = [Some(true), Some(true), Some(false)];
pub(crate) const TERMINATING: [Option<bool>; 3] = [Some(false), Some(true), Some(true)];

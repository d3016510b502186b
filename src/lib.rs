//! `director`: a layer-4 load-balancer director for Linux.
//!
//! The kernel's IPVS forwards the packets; this package is everything around it. What stands so
//! far is the ground floor: the library [`ipvs`], which speaks to the kernel, and the drop-in
//! `ipvsadm` built on it. `ARCHITECTURE.md` shows the rooms that come on top of them.

pub use ipvs;

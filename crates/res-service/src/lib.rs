//! The RES service protocol on async-nats: live resources for Resgate, safe with any number of replicas.

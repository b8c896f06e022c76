"""Cache keys, manifests and the local store (spec 02, D3-D5)."""

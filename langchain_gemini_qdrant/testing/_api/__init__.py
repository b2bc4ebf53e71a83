"""The emulated API, independent of transports."""

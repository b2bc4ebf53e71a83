"""Transports of the emulator: REST, gRPC and TLS."""
